package whole

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

// correctionVerbs are what makes receipts without a tab, and what else a till may be told about sales.
var correctionVerbs = verbs{
	"cancels": {Params: "subject word", Help: "a receipt of any till: K2 cancels K1-000001", Do: on(func(s *Script, t *Till, a args) error {
		return s.writes(t, "cancel", func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			return till.CancelReceipt(ctx, a.Word(0), node.Correction{User: t.Name})
		})
	})},
	"refunds": {Params: "subject word int [int]", Help: "a line of a receipt, or so many thousandths of it: K2 refunds K1-000001 1 2000", Do: on(func(s *Script, t *Till, a args) error {
		return s.writes(t, "refund", func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			of, err := till.Receipt(ctx, a.Word(0))
			if err != nil {
				return of, err
			}
			n := a.Int(1, 1)
			if n < 1 || n > len(of.Parsed.Lines) {
				return of, fmt.Errorf("%s has %d lines", of.Number, len(of.Parsed.Lines))
			}
			take := receipt.Taken{Line: of.Parsed.Lines[n-1].ID, Quantity: receipt.Quantity(a.Int(2, 0))}
			return till.RefundReceipt(ctx, a.Word(0), node.Correction{Lines: []receipt.Taken{take}, User: t.Name})
		})
	})},
	"cash": {Params: "subject word word", Help: "in, out, drop or float: K1 cash drop 200.00", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		return s.writes(t, "cash", func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			return till.MoveCash(ctx, node.CashMove{What: a.Word(0), Amount: sum, User: t.Name})
		})
	})},
	"abandons": {Params: "subject word", Help: "a tab", Do: on(func(s *Script, t *Till, a args) error {
		return s.writes(t, "abandon", func(ctx context.Context, till *node.Till) (node.Receipt, error) {
			return till.AbandonTab(ctx, s.tab(a.Word(0)), t.Name, "Gast ging")
		})
	})},
	"practises": {Params: "subject word", Help: "opens a tab for training", Do: on(func(s *Script, t *Till, a args) error {
		id := s.tab(a.Word(0))
		return s.say(t, "open", func(ctx context.Context, till *node.Till) error {
			_, err := till.OpenTab(ctx, node.NewTab{ID: id, Name: a.Word(0), User: t.Name, Shared: true, Training: true})
			return err
		}, func(f fate) { learn(s.told.tabs, id, f) })
	})},
	"resolves": {Params: "subject word word [word]", Help: "the first case of a kind: accept, keep or dismiss, and of doubles what stays: K3 resolves double accept K2-000001", Do: on(func(s *Script, t *Till, a args) error {
		return s.resolves(t, book.CaseKind(a.Word(0)), a.Word(1), a.Word(2))
	})},
	"taxes": {Params: "subject word word int", Help: "an article costs this, with so many percent of tax: K3 taxes tea 3.40 7", Do: on(func(s *Script, t *Till, a args) error {
		sum, err := amount(a.Word(1))
		if err != nil {
			return err
		}
		percent := a.Int(2, 0)
		tax := crdt.ObjectID{1, 9, byte(percent)}
		if err := s.say(t, "edit", func(ctx context.Context, till *node.Till) error {
			names := catalog.Named(fmt.Sprintf("%d %%", percent))
			return till.EditTax(ctx, tax, catalog.TaxEdit{Names: &names, Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: int64(100 * percent), FiscalKey: 2}}})
		}, nil); err != nil {
			return err
		}
		return s.edits(t, s.article(a.Word(0)), catalog.ArticleEdit{Prices: map[string]catalog.Price{catalog.DayOne: {Amount: int64(sum), Currency: "EUR", Tax: tax}}})
	})},
}

// writes does what makes a receipt without a tab.
func (s *Script) writes(t *Till, what string, do func(context.Context, *node.Till) (node.Receipt, error)) error {
	var r node.Receipt
	return s.say(t, what, func(ctx context.Context, till *node.Till) (err error) {
		r, err = do(ctx, till)
		return err
	}, func(f fate) {
		if f == saved {
			s.issued(t, r)
		}
	})
}

var errCaseMissing = errors.New("there is no such case")

func (s *Script) resolves(t *Till, kind book.CaseKind, what, stays string) error {
	d := node.Decision{What: what, User: t.Name, Reason: "so ist es"}
	var done []node.Receipt
	return s.say(t, "resolve", func(ctx context.Context, till *node.Till) error {
		list, err := till.CaseList(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(list, func(c node.Case) bool { return c.Kind == kind }) // the open ones come first
		if i < 0 {
			return errCaseMissing
		}
		if stays != "" {
			r, err := till.Receipt(ctx, stays)
			if err != nil {
				return err
			}
			d.Primary = r.ID
		}
		_, done, err = till.Resolve(ctx, list[i].ID, d)
		return err
	}, func(fate) {
		for _, r := range done {
			s.issued(t, r)
		}
	})
}

// shownOfCorrections is more of what a till can be asked for.
var shownOfCorrections = map[string]struct {
	words int
	at    func(s *Script, t *Till, a []string) error
}{
	"booked": {1, func(_ *Script, t *Till, a []string) error { // what all receipts come to, those for training left out
		v, err := look(t.Node())
		var sum receipt.Amount
		for _, r := range v.receipts {
			if !r.Parsed.Training {
				sum += r.Parsed.Totals.Gross
			}
		}
		return errors.Join(err, same(price(sum), a[0]))
	}},
	"rate": {2, func(_ *Script, t *Till, a []string) error { // the only tax of a receipt, in percent
		r, err := t.Node().Receipt(context.Background(), a[0])
		if err != nil {
			return err
		}
		if len(r.Parsed.Totals.Rates) != 1 {
			return fmt.Errorf("%s has %d taxes", r.Number, len(r.Parsed.Totals.Rates))
		}
		return same(strconv.Itoa(int(r.Parsed.Totals.Rates[0].Ref.Rate/100)), a[1])
	}},
	"decided": {2, func(_ *Script, t *Till, a []string) error { // decisions about all cases of a kind
		list, err := t.Node().CaseList(context.Background())
		n := 0
		for _, c := range list {
			if string(c.Kind) == a[0] {
				n += len(c.Decided)
			}
		}
		return errors.Join(err, same(strconv.Itoa(n), a[1]))
	}},
	"handed": {2, func(_ *Script, t *Till, a []string) error { // what of it is handed out
		list, err := t.Node().CaseList(context.Background())
		var sum receipt.Amount
		if i := slices.IndexFunc(list, func(c node.Case) bool { return string(c.Kind) == a[0] }); i >= 0 {
			for _, d := range list[i].Drafts {
				for _, p := range d.Payments {
					if !p.Shared {
						sum += p.Amount
					}
				}
			}
		}
		return errors.Join(err, same(price(sum), a[1]))
	}},
	"drafted": {2, func(_ *Script, t *Till, a []string) error { // what accepting the first case of a kind pays
		list, err := t.Node().CaseList(context.Background())
		var sum receipt.Amount
		if i := slices.IndexFunc(list, func(c node.Case) bool { return string(c.Kind) == a[0] }); i >= 0 {
			for _, d := range list[i].Drafts {
				sum += d.Gross
			}
		}
		return errors.Join(err, same(price(sum), a[1]))
	}},
}
