package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// CloseTab closes a tab and returns its receipt. Payments given here are entered with it. It is always possible, also
// alone: only another till that is reachable and works on the tab can refuse.
//
// Everything is one commit: the signed document, which supersedes the tab and all it lists, the number's note, and that
// the request was done if it came with an idempotency key.
func (t *Till) CloseTab(ctx context.Context, tab crdt.ObjectID, user string, payments []NewPayment) (Receipt, error) {
	if id, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, id)
	}
	release, err := t.room.sale()
	if err != nil {
		return Receipt{}, err
	}
	defer release()
	if err := t.mustHold(ctx, tab, user); err != nil {
		return Receipt{}, err
	}
	if err := t.awaitHead(ctx, tab); err != nil {
		return Receipt{}, err
	}
	defer t.tabs.own(tab)()
	parts, ok := t.book.Parts(tab)
	if !ok {
		return Receipt{}, t.notOpen(ctx, tab)
	}
	if err := t.noCard(parts, payments); err != nil {
		return Receipt{}, err
	}
	known := make(map[crdt.ObjectID]bool, len(parts.Payments))
	for _, p := range parts.Payments {
		known[p.ID] = true
	}
	before := receipt.View(parts)
	for _, n := range payments {
		if n.ID.IsZero() {
			n.ID = t.env.objectID()
		}
		if known[n.ID] {
			continue
		}
		p, err := t.payment(tab, n, before)
		if err != nil {
			return Receipt{}, err
		}
		parts.Payments = append(parts.Payments, receipt.Part{ID: n.ID, Object: new(crdt.Object), Item: p.Bytes()})
	}
	v := receipt.View(parts)
	if err := payable(v); err != nil {
		return Receipt{}, err
	}
	closing, err := t.closing(ctx, v, user)
	if err != nil {
		return Receipt{}, err
	}
	r, err := t.number(ctx, closing, func(c receipt.Closing) (receipt.Closed, []crdt.Piece, error) {
		closed, err := receipt.BuildClose(v, c)
		return closed, nil, err
	})
	if err != nil {
		return r, err
	}
	t.stats.PaymentsTaken.Add(uint64(len(payments)))
	t.forget(tab)
	return r, nil
}

// headPatience is how long closing waits for the name of a tab whose lines came first.
const headPatience = 2 * time.Second

// awaitHead waits a moment if lines of a tab are here and what it is called is still on its way from another till. It
// goes on without: closing is always possible.
func (t *Till) awaitHead(ctx context.Context, tab crdt.ObjectID) error {
	_, state, ok := t.book.Tab(tab)
	if !ok || state == book.StateOpen {
		return nil
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil || obj.Gone || !t.linked() {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, headPatience)
	defer cancel()
	for at := t.events.Last(); ; {
		if _, state, ok = t.book.Tab(tab); !ok || state == book.StateOpen {
			return nil
		}
		list, known, more := t.events.After(waiting, at)
		if !more {
			return ctx.Err()
		}
		if !known || len(list) == 0 {
			at = t.events.Last()
			continue
		}
		at = list[len(list)-1].ID
	}
}

// linked reports whether there is a link to any till.
func (t *Till) linked() bool {
	return slices.ContainsFunc(t.tillLinks(), func(l replication.LinkState) bool { return l.Ready })
}

// payable refuses what cannot be closed with words for people; BuildClose would refuse it too.
func payable(v receipt.TabView) error {
	switch {
	case len(v.Lines) == 0:
		return refuse(CodeEmpty, "add a line first", "the tab has no lines")
	case v.Err != nil:
		return refuseInvalid(v.Err)
	case v.Due > 0:
		r := refuse(CodeNotPaid, "enter a payment of what is due, or give it with close", "%d of %d are still to be paid", v.Due, v.Totals.Gross)
		r.Due = int64(v.Due)
		return r
	case v.Due < 0:
		r := refuse(CodeOverpaid, "only cash gives change", "%d more were paid than the total of %d", -v.Due, v.Totals.Gross)
		r.Due = int64(v.Due)
		return r
	}
	return nil
}

func refuseClose(err error) error {
	switch {
	case errors.Is(err, receipt.ErrTooMany):
		return refuse(CodeTooManyLines, "move some lines to another tab", "%v", err)
	case errors.Is(err, journal.ErrMustBeSigned):
		return refuse(CodeMustBeSign, "sell on, and ask for it again when the signing device works", "%v", journal.ErrMustBeSigned)
	case errors.Is(err, receipt.ErrNotPaid):
		return refuse(CodeNotPaid, "enter a payment of what is due", "%v", err)
	}
	return err
}

// closing puts together what the receipt says beside the tab.
func (t *Till) closing(ctx context.Context, v receipt.TabView, user string) (receipt.Closing, error) {
	now, trusted := t.clock.Read()
	day, settings, err := t.today(ctx, now)
	if err != nil {
		return receipt.Closing{}, err
	}
	local, err := t.local(settings, now)
	if err != nil {
		return receipt.Closing{}, err
	}
	if v.Currency != "" && v.Currency != settings.Money.Currency {
		return receipt.Closing{}, refuse(CodeCurrency, "", "the lines are in %s, the shop sells in %s", v.Currency, settings.Money.Currency)
	}
	return receipt.Closing{
		Shop:    docShop(t.id.Shop, settings),
		Till:    receipt.DocTill{ID: t.id.Till, Name: t.roster.name(t.id.Till), Serial: t.id.Till.String(), Software: software(t.version)},
		Replica: t.id.Replica, Series: t.series.Prefix(),
		Closed: local.Format(time.RFC3339), BusinessDay: day, ClockTrusted: trusted, User: user,
		Time: func(ms int64) string { return time.UnixMilli(ms).In(local.Location()).Format(time.RFC3339) },
		Sign: func(document []byte) (receipt.Signed, error) { return receipt.Sign(t.key, document) },
	}, nil
}

func docShop(id crdt.ShopID, s shop.Settings) receipt.DocShop {
	b := s.Business
	return receipt.DocShop{
		ID: id, Name: or(b.Name, s.Shop.Name), TaxID: b.TaxNumber, VATID: b.VATID,
		Address: receipt.DocAddress{Street: b.Street, Postcode: b.Postcode, Town: b.Town, Country: b.Country},
	}
}

func software(version string) string {
	if version == "" {
		return "tillmesh"
	}
	return fmt.Sprintf("tillmesh %s", version)
}
