package receipt

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// maxClosing is how large a document may be to fit into one commit with everything it supersedes.
const maxClosing = crdt.MaxLoneItem - 128<<10

// Errors of [BuildClose].
var (
	// ErrNotPaid means that what was captured does not come to the total.
	ErrNotPaid = errors.New("not paid")
	// ErrNothing means that a tab has no lines: it is abandoned, not closed.
	ErrNothing = errors.New("nothing to close: the tab has no lines")
	// ErrTooMany means that a tab has more than fits on one receipt: move some of it to another tab.
	ErrTooMany = errors.New("too much for one receipt: move some lines to another tab")
)

// Closing is what a receipt says beside the tab it closes. Times are RFC 3339 in whole seconds with offset.
type Closing struct {
	Shop         DocShop
	Till         DocTill        // the till that closes; its key signs
	Replica      crdt.ReplicaID // of its store
	Series       string
	Number       int64
	Previous     Digest // of the document before, see [First]
	Opened       string // empty: the earlier of the tab's opening and its first line
	Closed       string
	BusinessDay  string // YYYY-MM-DD
	ClockTrusted bool
	Training     bool
	User         string
	References   []DocReference
	Security     Object
	// Time writes the time of a line, void, discount or payment, given in Unix milliseconds.
	Time func(ms int64) string
	// Sign signs the canonical bytes; see [Sign].
	Sign func(document []byte) (Signed, error)
}

// Closed is a receipt that is ready to be committed.
type Closed struct {
	ID       crdt.ObjectID
	Document Document
	Receipt  Receipt
	Piece    crdt.Piece // the item with what it supersedes; commit it alone
}

// BuildClose closes a tab as it was viewed. Nothing that comes later is on the receipt or superseded by it.
//
// It returns [ErrNothing], [ErrNotPaid], [ErrTooMany], the view's Err, an error that wraps [ErrDocument] if the header
// is not usable, or that of Sign. Sign is called last and only for a document without any problem, so that a number
// whose signing device was called is never lost to a mistake in the tab.
func BuildClose(v TabView, c Closing) (Closed, error) {
	if err := closable(v); err != nil {
		return Closed{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	d := c.document(v)
	if err := d.FillTotals(); err != nil {
		return Closed{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	if problems := d.Check(); len(problems) > 0 {
		p := problems[0]
		return Closed{}, fmt.Errorf("close tab %v: %w: %s %s", v.ID, ErrDocument, p.Path, p.Text)
	}
	raw, err := d.Canonical()
	if err != nil {
		return Closed{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	if len(raw) > maxClosing {
		return Closed{}, fmt.Errorf("close tab %v: %w: %d bytes, at most %d", v.ID, ErrTooMany, len(raw), maxClosing)
	}
	signed, err := c.Sign(raw)
	if err == nil && (!bytes.Equal(signed.Document, raw) || crdt.TillIDOf(signed.Key) != c.Till.ID) {
		err = fmt.Errorf("%w: another document or till was signed for", ErrSign)
	}
	if err != nil {
		return Closed{}, fmt.Errorf("sign %s: %w", NumberText(c.Series, c.Number), err)
	}
	out := Closed{ID: d.ID, Document: d, Receipt: Receipt{signed, c.Series, c.Number, c.BusinessDay}}
	out.Piece, err = NewReceipt(d.ID, out.Receipt, v.Supersedes)
	return out, err
}

// closable says why the tab cannot be closed, nil if it can.
func closable(v TabView) error {
	voids := 0
	for _, l := range v.Lines {
		voids += len(l.Voids)
	}
	switch {
	case len(v.Lines) == 0:
		return ErrNothing
	case len(v.Lines) > MaxLines:
		return fmt.Errorf("%w: %d lines, at most %d", ErrTooMany, len(v.Lines), MaxLines)
	case voids > MaxVoids:
		return fmt.Errorf("%w: %d voids, at most %d", ErrTooMany, voids, MaxVoids)
	case len(v.Supersedes.Payments) > MaxPayments:
		return fmt.Errorf("%w: %d payments, at most %d", ErrTooMany, len(v.Supersedes.Payments), MaxPayments)
	case 1+len(v.Merged) > MaxTabs:
		return fmt.Errorf("%w: %d tabs merged into one, at most %d", ErrTooMany, 1+len(v.Merged), MaxTabs)
	case v.Err != nil:
		return v.Err
	case v.Due != 0:
		return fmt.Errorf("%w: the total is %d, %d are due", ErrNotPaid, v.Totals.Gross, v.Due)
	}
	return nil
}

func (c Closing) document(v TabView) Document {
	d := Document{
		Version: DocumentVersion, Kind: KindReceipt, ID: ReceiptID(c.Shop.ID, c.Till.ID, c.Series, c.Number),
		Shop: c.Shop, Till: c.Till, Replica: c.Replica, Series: c.Series, Number: c.Number, Previous: c.Previous,
		Currency: v.Currency, Opened: c.Opened, Closed: c.Closed, BusinessDay: c.BusinessDay,
		ClockTrusted: c.ClockTrusted, Training: c.Training, User: c.User, Note: v.Note.Text,
		References: c.References, Security: c.Security,
		Tabs:      []DocTab{{ID: v.ID, Name: v.Head.Name}},
		Discounts: c.discounts(v.Discounts),
	}
	if d.Opened == "" {
		opened := v.Lines[0].Line.MS
		if v.Open {
			opened = min(opened, v.Head.OpenedMS)
		}
		d.Opened = c.Time(opened)
	}
	for _, t := range v.Merged {
		d.Tabs = append(d.Tabs, DocTab{ID: t.ID, Name: t.Name})
	}
	if v.Customer != (Customer{}) {
		d.Customer = &DocCustomer{ID: v.Customer.ID, Number: v.Customer.Number, Name: v.Customer.Name}
	}
	for _, l := range v.Lines {
		d.Lines = append(d.Lines, c.line(l))
		for _, x := range l.Voids {
			d.Voids = append(d.Voids, DocVoid{ID: x.ID, Line: l.ID, Quantity: x.Void.Quantity, Reason: x.Void.Reason,
				User: x.Void.User, Till: x.Void.Till, Time: c.Time(x.Void.MS)})
		}
	}
	for _, p := range v.Payments {
		if p.Counts {
			d.Payments = append(d.Payments, DocPayment{ID: p.ID, Type: p.Payment.Type, Name: p.Payment.Name,
				Tendered: p.Payment.Tendered, Change: p.Change, Foreign: p.Payment.Foreign, Progress: p.State,
				User: p.Payment.User, Till: p.Payment.Till, Time: c.Time(p.Payment.MS)})
		}
	}
	return d
}

func (c Closing) line(v LineView) DocLine {
	l := v.Line
	d := DocLine{
		ID: v.ID, Tab: v.Tab, Article: l.Article, Number: l.Number, GTIN: l.GTIN, Name: l.Name, Quantity: l.Quantity,
		Unit: l.Unit, UnitPrice: l.UnitPrice, Overridden: l.Overridden, ListPrice: l.ListPrice, Tax: l.Tax, Case: l.Case,
		Modifiers: l.Modifiers, User: l.User, Till: l.Till, Time: c.Time(l.MS), Discounts: c.discounts(v.Discounts),
	}
	if l.Takeaway {
		d.TaxKind = Takeaway
	}
	if !l.Group.IsZero() || l.GroupName != "" {
		d.Group = &DocGroup{ID: l.Group, Name: l.GroupName}
	}
	return d
}

func (c Closing) discounts(list []DiscountView) (out []DocDiscount) {
	for _, v := range list {
		d := v.Discount
		out = append(out, DocDiscount{ID: v.ID, Kind: d.Kind, Percent: d.Percent, Amount: d.Amount, Reason: d.Reason,
			User: d.User, Till: d.Till, Time: c.Time(d.MS)})
	}
	return out
}
