package node

import (
	"context"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Movements of cash in [CashMove].
const (
	CashIn         = "in"          // put in: other income, money for stamps
	CashOut        = "out"         // taken out: a petty expense
	CashDrop       = "drop"        // to the bank, a safe or another till
	CashPickup     = "pickup"      // from the bank, a safe or another till
	CashFloat      = "float"       // in the drawer when a period begins
	CashPrivateIn  = "private-in"  // the owner puts own money in
	CashPrivateOut = "private-out" // the owner takes money out
	CashWages      = "wages"
	CashDifference = "difference" // counted less expected; the only one whose amount may be below zero
)

// CodeCash refuses a movement of cash that is none. It is part of the API.
const CodeCash = "cash"

// movements are the business cases of movements of cash, and whether they take money out.
var movements = map[string]struct {
	business string
	out      bool
}{
	CashIn: {receipt.CaseIn, false}, CashOut: {receipt.CaseOut, true}, CashDrop: {receipt.CaseTransit, true},
	CashPickup: {receipt.CaseTransit, false}, CashFloat: {receipt.CaseFloat, false}, CashPrivateIn: {"Privateinlage", false},
	CashPrivateOut: {"Privatentnahme", true}, CashWages: {"Lohnzahlung", true}, CashDifference: {receipt.CaseDifference, false},
}

// CashMove says what cash is moved. Text is printed as the line, empty: the name of the business case.
type CashMove struct {
	What               string         // one of the Cash constants
	Amount             receipt.Amount // above zero, but for a difference
	Text, Reason, User string
}

// MoveCash books a movement of cash: a receipt with one line and one payment in cash, which the closing of this till counts.
func (t *Till) MoveCash(ctx context.Context, m CashMove) (Receipt, error) {
	kind, known := movements[m.What]
	text := strings.TrimSpace(m.Text)
	switch {
	case !known:
		return Receipt{}, refuse(CodeCash, "in, out, drop, pickup, float, private-in, private-out and wages are known", "%.40q is no movement of cash", m.What)
	case m.Amount == 0, m.Amount < 0 && m.What != CashDifference:
		return Receipt{}, refuse(CodeAmount, "send the amount above zero: the movement says which way it goes", "a movement of %d", m.Amount)
	}
	amount := m.Amount
	if kind.out {
		amount = -amount
	}
	line, payment := t.env.objectID(), t.env.objectID()
	return t.issue(ctx, m.User, strings.TrimSpace(m.Reason), func(c receipt.Closing) (receipt.Document, []crdt.Piece, error) {
		d := c.Header(receipt.KindReceipt)
		d.Lines = []receipt.DocLine{{
			ID: line, Name: or(text, kind.business), Quantity: receipt.DefaultQuantity, UnitPrice: amount,
			Tax: receipt.TaxRef{Key: receipt.KeyNotTaxable}, Case: kind.business, User: m.User, Till: t.id.Till, Time: c.Closed,
		}}
		d.Payments = []receipt.DocPayment{{ID: payment, Type: receipt.CashType, Tendered: amount, User: m.User, Till: t.id.Till, Time: c.Closed}}
		return d, nil, nil
	})
}

// Drawer is the cash that should be in the drawer of a till now.
type Drawer struct {
	Series     string
	From, To   int64  // numbers of the receipts since the last closing; To is From - 1 if there are none
	Began      string // when the first of them was closed, RFC 3339; empty if there is none
	Currency   string
	Expected   receipt.Amount
	Currencies []receipt.ZCurrency // cash by currency, the own one too
}

// Drawer adds up the cash that was moved since the last closing of this till.
func (t *Till) Drawer(ctx context.Context) (Drawer, error) {
	r, err := t.openRange(ctx, t.series.Prefix())
	if err != nil {
		return Drawer{}, err
	}
	to := int64(t.series.Head().Number)
	if err := r.upTo(ctx, to); err != nil {
		return Drawer{}, err
	}
	sums := r.done()
	return Drawer{Series: t.series.Prefix(), From: r.from, To: to, Began: sums.Began(), Currency: r.currency, Expected: sums.Drawer(),
		Currencies: sums.Totals().Currencies}, nil
}
