package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// Codes of refusals about taking receipts back. They are part of the API: append, never change.
const (
	CodeNothingSold = "nothing-sold"     // it sold nothing: it was given up, or says something about the till
	CodeIsRefund    = "is-refund"        // it takes back another one itself
	CodeRefunded    = "already-refunded" // less is left than is to be taken back
	CodeUnverified  = "not-verified"     // nobody can tell whose receipt it is
)

// Correction says how a receipt is taken back, or a part of it.
type Correction struct {
	// Lines name what is taken back; quantity 0 is all that is left of a line. None: everything that is left.
	Lines []receipt.Taken
	// Payments say how the money goes back, negative where it is paid out. None: as it was paid, cash first.
	Payments     []NewPayment
	InCash       bool // without Payments: all of it in cash, however it was paid
	User, Reason string
}

// CancelReceipt takes a whole receipt back with one of this till. The receipt may be of any till and is all that is needed: no
// other till has to be reached.
func (t *Till) CancelReceipt(ctx context.Context, idOrNumber string, c Correction) (Receipt, error) {
	c.Lines = nil
	return t.correct(ctx, idOrNumber, c, true)
}

// RefundReceipt takes lines of a receipt back, or parts of them, with a receipt of this till; see [Till.CancelReceipt].
func (t *Till) RefundReceipt(ctx context.Context, idOrNumber string, c Correction) (Receipt, error) {
	return t.correct(ctx, idOrNumber, c, false)
}

func (t *Till) correct(ctx context.Context, idOrNumber string, c Correction, whole bool) (Receipt, error) {
	if id, done, err := t.acted(ctx); err != nil {
		return Receipt{}, err
	} else if done {
		return t.receipt(ctx, id)
	}
	of, err := t.Receipt(ctx, idOrNumber)
	if err != nil {
		return Receipt{}, err
	}
	if err := mayCorrect(of); err != nil {
		return Receipt{}, err
	}
	defer t.tabs.own(of.ID)()
	earlier, err := t.refundsOf(ctx, of.ID)
	if err != nil {
		return Receipt{}, err
	}
	if whole && len(earlier) > 0 {
		return Receipt{}, t.refunded(ctx, of, earlier, nil)
	}
	head, err := t.head(ctx, c.User, c.Reason)
	if err != nil {
		return Receipt{}, err
	}
	d, err := t.draft(of.Parsed, c.Lines, takenOf(earlier), head)
	if errors.Is(err, receipt.ErrTaken) {
		return Receipt{}, t.refunded(ctx, of, earlier, err)
	} else if err != nil {
		return Receipt{}, err
	}
	if c.InCash && len(c.Payments) == 0 {
		d.payments = t.inCash(of.Parsed, d.gross)
	} else if len(c.Payments) == 0 {
		if d.payments, err = t.payBack(ctx, of.Parsed, earlier, d.gross, nil); err != nil {
			return Receipt{}, err
		}
	} else if d.payments, err = d.paidAs(c.Payments); err != nil {
		return Receipt{}, err
	}
	if err := t.askBacks(ctx, &d, c.User, pendingCorrection(c, whole).under(ctx)); err != nil {
		return Receipt{}, err
	}
	return t.takeBack(ctx, head, d, nil)
}

// mayCorrect refuses receipts of which nothing can be taken back.
func mayCorrect(of Receipt) error {
	switch {
	case of.Parsed.Kind != receipt.KindReceipt:
		return refuse(CodeNothingSold, "", "%s sold nothing", of.Number)
	case takesBack(of.Parsed):
		return refuse(CodeIsRefund, "sell it again if it was wrong", "%s takes back another receipt itself", of.Number)
	case !of.Verified || of.Alarm:
		return refuse(CodeUnverified, `look at it with "till verify"`, "the signature of %s does not hold, or there are two of it", of.Number)
	}
	return nil
}

// takesBack reports whether a receipt takes back others.
func takesBack(d receipt.Document) bool {
	return slices.ContainsFunc(d.References, func(r receipt.DocReference) bool {
		return r.Kind == receipt.ReferCancel || r.Kind == receipt.ReferRefund || r.Kind == ReferCorrect
	})
}

// refunded tells by which receipts something was taken back already.
func (t *Till) refunded(ctx context.Context, of Receipt, earlier []refund, err error) error {
	list, problem := t.Refunded(ctx, of.ID)
	if problem != nil {
		return problem
	}
	var by, numbers []string
	for _, r := range list {
		by = append(by, fmt.Sprintf("%s at %s, %s", r.Number, r.Till, r.At))
		numbers = append(numbers, r.Number)
	}
	what := "something of " + of.Number + " was taken back already"
	next := "take back what is left with refund"
	if taken, ok := errors.AsType[*receipt.TakenError](err); ok {
		what = fmt.Sprintf("of %q %d thousandths are left to take back, not %d", taken.Name, taken.Left, taken.Want)
		next = "take back less, or nothing if the customer has the money"
	} else if err != nil {
		what, next = "all of "+of.Number+" was taken back already", "nothing is to be done if the customer has the money"
	}
	if len(earlier) > 0 {
		what += ": with " + strings.Join(by, "; ")
	}
	r := refuse(CodeRefunded, next, "%s", what)
	r.Ref = strings.Join(numbers, ", ")
	return r
}

// draft is a receipt that takes back lines of another one, before it has a number.
type draft struct {
	of       receipt.Document
	lines    []receipt.DocLine
	refs     []receipt.DocReference
	taken    []receipt.Taken
	gross    receipt.Amount
	payments []payback
}

// payback is a payment that gives money back.
type payback struct {
	NewPayment
	Shared bool              // it stands on the receipt that stays, too: it was taken once, and nothing is handed out for it
	Of     crdt.ObjectID     // of Terminal: the payment whose money it gives back, if it is one
	Done   *book.OpenPayment // it happened already; nil: it has not, or needs nothing but to be booked
}

// draft mirrors lines of a receipt; none: everything that is left.
func (t *Till) draft(of receipt.Document, takes []receipt.Taken, before map[crdt.ObjectID]receipt.Quantity, head receipt.Closing) (draft, error) {
	d := draft{of: of}
	if of.Currency != head.Currency {
		return d, refuse(CodeCurrency, "", "%s is in %s, the shop sells in %s now", receipt.NumberText(of.Series, of.Number), of.Currency, head.Currency)
	}
	for _, take := range takes {
		i := slices.IndexFunc(of.Lines, func(l receipt.DocLine) bool { return l.ID == take.Line })
		if i < 0 {
			return d, refuse(CodeNoLine, "look at its lines with GET /api/v1/receipts/{id}", "there is no line %v on %s", take.Line, receipt.NumberText(of.Series, of.Number))
		}
		if info, _ := receipt.BusinessCase(of.Lines[i].Case); info.CashOnly && take.Quantity != 0 && take.Quantity != soldOf(of.Lines[i]) {
			return d, refuse(CodeQuantity, "take all of it back and book it anew", "a movement of cash is taken back as a whole")
		}
	}
	m, err := receipt.Mirror(of, takes, before, t.id.Till, head.User, head.Closed)
	switch {
	case errors.Is(err, receipt.ErrTaken):
		return d, err
	case errors.Is(err, receipt.ErrInvalid), errors.Is(err, receipt.ErrOverflow):
		return d, refuseInvalid(err)
	case err != nil:
		return d, err
	}
	d.lines, d.refs, d.taken = m.Lines, m.References, m.Taken
	return d, d.total()
}

// total computes what the draft comes to.
func (d *draft) total() error {
	sums := receipt.Document{Lines: slices.Clone(d.lines)}
	if err := sums.FillTotals(); err != nil {
		return refuseInvalid(err)
	}
	d.gross = sums.Totals.Gross
	return nil
}

// paidAs checks payments that somebody chose for the way back.
func (d *draft) paidAs(list []NewPayment) (out []payback, err error) {
	var sum receipt.Amount
	cashOnly := slices.ContainsFunc(d.lines, func(l receipt.DocLine) bool {
		info, _ := receipt.BusinessCase(l.Case)
		return info.CashOnly
	})
	for _, p := range list {
		switch {
		case !receipt.PaymentType(p.Type) || p.Type == receipt.NoPayment:
			return nil, refuse(CodePayment, "use Bar, ECKarte, Kreditkarte, Unbar, ElZahlungsdienstleister or Guthabenkarte", "%.40q is no type of payment", p.Type)
		case cashOnly && p.Type != receipt.CashType:
			return nil, refuse(CodePayment, "pay it in cash (Bar)", "what moved cash is taken back in cash")
		case p.Amount == 0 || p.Amount > 0 != (d.gross > 0):
			return nil, refuse(CodeAmount, "money that is paid out is below zero", "a payment of %d for a receipt of %d", p.Amount, d.gross)
		}
		if err := checkForeign(p, d.of.Currency); err != nil {
			return nil, err
		}
		if sum, err = sum.Add(p.Amount); err != nil {
			return nil, refuseInvalid(err)
		}
		out = append(out, payback{NewPayment: p})
	}
	if sum != d.gross {
		r := refuse(CodeNotPaid, "give payments that come to it", "the receipt comes to %d, the payments to %d", d.gross, sum)
		r.Due = int64(d.gross - sum)
		return nil, r
	}
	return out, nil
}

// takeBack issues a drafted receipt. Its refund is written in the same commit, and what with returns, if it is not nil. The
// caller has locked the receipt that is taken back.
func (t *Till) takeBack(ctx context.Context, head receipt.Closing, d draft, with func(by crdt.ObjectID) ([]crdt.Piece, error)) (Receipt, error) {
	head.Training = d.of.Training
	ids := make([]crdt.ObjectID, len(d.payments))
	for i, p := range d.payments {
		if ids[i] = p.ID; p.ID.IsZero() {
			ids[i] = t.env.objectID()
		}
	}
	ms := t.clock.MS()
	return t.issueTaking(ctx, head, d.settles(t), func(c receipt.Closing) (receipt.Document, []crdt.Piece, error) {
		doc := c.Header(receipt.KindReceipt)
		doc.Lines, doc.References, doc.Customer = slices.Clone(d.lines), d.refs, d.of.Customer
		for i, p := range d.payments {
			p.ID = ids[i]
			doc.Payments = append(doc.Payments, p.document(c, t.id.Till))
		}
		pieces, err := receipt.NewRefund(receipt.Refund{Of: d.of.ID, By: doc.ID, Lines: d.taken, MS: ms})
		if err != nil {
			return doc, nil, refuseInvalid(err)
		}
		if with != nil {
			more, err := with(doc.ID)
			if err != nil {
				return doc, nil, err
			}
			pieces = append(pieces, more...)
		}
		return doc, pieces, nil
	})
}
