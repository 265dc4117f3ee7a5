package receipt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// maxClosing is how large a document may be to fit into one commit with everything it supersedes.
const maxClosing = crdt.MaxLoneItem - 128<<10

// Errors of [BuildClose] and [Abort].
var (
	// ErrNotPaid means that what was captured does not come to the total.
	ErrNotPaid = errors.New("not paid")
	// ErrNothing means that a tab has no lines: it is abandoned, not closed.
	ErrNothing = errors.New("nothing to close: the tab has no lines")
	// ErrTooMany means that a tab has more than fits on one receipt: move some of it to another tab.
	ErrTooMany = errors.New("too much for one receipt: move some lines to another tab")
	// ErrPaid means that money was taken for a tab, so it cannot be given up: pay it back first, or close it.
	ErrPaid = errors.New("money was taken for it: close it, or pay the money back first")
)

// Closing is what a receipt says beside the tab it closes. Times are RFC 3339 in whole seconds with offset.
type Closing struct {
	Shop         DocShop
	Till         DocTill        // the till that closes; its key signs
	Replica      crdt.ReplicaID // of its store
	Series       string
	Number       int64
	Previous     Digest // of the document before, see [First]
	Currency     string // of a document without a line
	Opened       string // empty: the earlier of the tab's opening and its first line; never after Closed
	Closed       string
	BusinessDay  string // YYYY-MM-DD
	ClockTrusted bool
	Training     bool
	User         string
	Reason       string // optional
	References   []DocReference
	Security     Object
	// Time writes the time of a line, void, discount or payment, given in Unix milliseconds.
	Time func(ms int64) string
	// Secure has the complete document confirmed by a signing device that needs its number, and returns what the device
	// said; nil: Security says it already, or there is none.
	Secure func(*Document) (Object, error)
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
// is not usable, or that of Secure or Sign. These are called last and only for a document without any problem, so that a
// number whose signing device was called is never lost to a mistake in the tab.
func BuildClose(v TabView, c Closing) (Closed, error) {
	if err := closable(v); err != nil {
		return Closed{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	out, err := c.Issue(c.document(v), v.Supersedes)
	if err != nil {
		return Closed{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	return out, nil
}

// DraftClose returns the document that BuildClose would make, complete but for number, previous hash, security and
// signature: what a signing device has to confirm before there is a number. It returns the errors of BuildClose but those of Secure and
// Sign, so that no device confirms what could not be issued.
func DraftClose(v TabView, c Closing) (Document, error) {
	if err := closable(v); err != nil {
		return Document{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	d, err := draft(c.document(v))
	if err != nil {
		return Document{}, fmt.Errorf("close tab %v: %w", v.ID, err)
	}
	return d, nil
}

// draft completes a document and refuses what [Closing.Issue] would refuse. It need not have a number yet.
func draft(d Document) (Document, error) {
	if err := d.FillTotals(); err != nil {
		return Document{}, err
	}
	numbered := d
	numbered.Number = max(d.Number, 1)
	_, err := numbered.usable()
	return d, err
}

// usable returns the canonical bytes of a complete document that can be issued, whatever a signing device will say about it,
// or why it cannot.
func (d *Document) usable() ([]byte, error) {
	if problems := d.Check(); len(problems) > 0 {
		return nil, fmt.Errorf("%w: %s %s", ErrDocument, problems[0].Path, problems[0].Text)
	}
	raw, err := d.Canonical()
	if err == nil && len(raw) > maxClosing-maxSecurity {
		err = fmt.Errorf("%w: %d bytes, at most %d", ErrTooMany, len(raw), maxClosing-maxSecurity)
	}
	return raw, err
}

// Abort gives a tab up as it was viewed, open or a continuation: its lines are kept in a document that comes to nothing. It
// returns [ErrPaid] if money was taken for it, and otherwise what BuildClose returns.
func Abort(v TabView, c Closing) (Closed, error) {
	d, err := DraftAbort(v, c)
	if err != nil {
		return Closed{}, err
	}
	out, err := c.Issue(d, v.Supersedes)
	if err != nil {
		return Closed{}, fmt.Errorf("give up tab %v: %w", v.ID, err)
	}
	return out, nil
}

// DraftAbort is to Abort what DraftClose is to BuildClose.
func DraftAbort(v TabView, c Closing) (Document, error) {
	err := tooMany(v)
	switch {
	case err != nil:
	case v.Err != nil:
		err = v.Err
	case slices.ContainsFunc(v.Payments, func(p PaymentView) bool { return p.Counts }):
		err = fmt.Errorf("%w: %d", ErrPaid, v.Paid)
	}
	if err != nil {
		return Document{}, fmt.Errorf("give up tab %v: %w", v.ID, err)
	}
	d := c.document(v)
	d.Kind = KindAborted
	if d, err = draft(d); err != nil {
		return Document{}, fmt.Errorf("give up tab %v: %w", v.ID, err)
	}
	return d, nil
}

// Issue completes a document that begins with [Closing.Header], has it secured and signed, and makes the item that
// supersedes what is given. It returns [ErrTooMany] or [ErrDocument] for a document that is not usable, or the error of
// Secure or Sign.
func (c Closing) Issue(d Document, s Supersedes) (Closed, error) {
	if err := d.FillTotals(); err != nil {
		return Closed{}, err
	}
	raw, err := d.usable()
	if err != nil {
		return Closed{}, err
	}
	if c.Secure != nil {
		if d.Security, err = c.Secure(&d); err != nil {
			return Closed{}, fmt.Errorf("secure %s: %w", NumberText(c.Series, c.Number), err)
		}
		if raw, err = d.Canonical(); err != nil {
			return Closed{}, err
		}
	}
	if len(raw) > maxClosing {
		return Closed{}, fmt.Errorf("%w: %d bytes with what the signing device said, at most %d", ErrTooMany, len(raw), maxClosing)
	}
	signed, err := c.Sign(raw)
	if err == nil && (!bytes.Equal(signed.Document, raw) || crdt.TillIDOf(signed.Key) != c.Till.ID) {
		err = fmt.Errorf("%w: another document or till was signed for", ErrSign)
	}
	if err != nil {
		return Closed{}, fmt.Errorf("sign %s: %w", NumberText(c.Series, c.Number), err)
	}
	out := Closed{ID: d.ID, Document: d, Receipt: Receipt{signed, c.Series, c.Number, c.BusinessDay}}
	out.Piece, err = NewReceipt(d.ID, out.Receipt, s)
	return out, err
}

// closable says why the tab cannot be closed, nil if it can.
func closable(v TabView) error {
	if len(v.Lines) == 0 {
		return ErrNothing
	}
	if err := tooMany(v); err != nil {
		return err
	}
	switch {
	case v.Err != nil:
		return v.Err
	case v.Due != 0:
		return fmt.Errorf("%w: the total is %d, %d are due", ErrNotPaid, v.Totals.Gross, v.Due)
	}
	return nil
}

// tooMany says why a view does not fit on one document, nil if it does.
func tooMany(v TabView) error {
	voids := 0
	for _, l := range v.Lines {
		voids += len(l.Voids)
	}
	switch {
	case len(v.Lines) > MaxLines:
		return fmt.Errorf("%w: %d lines, at most %d", ErrTooMany, len(v.Lines), MaxLines)
	case voids > MaxVoids:
		return fmt.Errorf("%w: %d voids, at most %d", ErrTooMany, voids, MaxVoids)
	case len(v.Supersedes.Payments) > MaxPayments:
		return fmt.Errorf("%w: %d payments, at most %d", ErrTooMany, len(v.Supersedes.Payments), MaxPayments)
	case 1+len(v.Merged) > MaxTabs:
		return fmt.Errorf("%w: %d tabs merged into one, at most %d", ErrTooMany, 1+len(v.Merged), MaxTabs)
	case len(v.Supersedes.Orders) > MaxOrders:
		return fmt.Errorf("%w: %d orders, at most %d", ErrTooMany, len(v.Supersedes.Orders), MaxOrders)
	}
	return nil
}

// Header begins a document of a kind. The caller adds what it is about and gives it to [Closing.Issue].
func (c Closing) Header(kind string) Document {
	return Document{
		Version: DocumentVersion, Kind: kind, ID: ReceiptID(c.Shop.ID, c.Till.ID, c.Series, c.Number),
		Shop: c.Shop, Till: c.Till, Replica: c.Replica, Series: c.Series, Number: c.Number, Previous: c.Previous,
		Currency: c.Currency, Opened: notAfter(or(c.Opened, c.Closed), c.Closed), Closed: c.Closed, BusinessDay: c.BusinessDay,
		ClockTrusted: c.ClockTrusted, Training: c.Training, User: c.User, Reason: c.Reason,
		References: c.References, Security: c.Security,
	}
}

// notAfter returns the earlier of two times, b if a is none. The clocks of two tills may differ by seconds, and nothing is
// closed before it was begun.
func notAfter(a, b string) string {
	at, err := time.Parse(time.RFC3339, a)
	end, endErr := time.Parse(time.RFC3339, b)
	if err == nil && endErr == nil && at.After(end) {
		return b
	}
	return a
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func (c Closing) document(v TabView) Document {
	d := c.Header(KindReceipt)
	d.Currency, d.Note = or(v.Currency, c.Currency), v.Note.Text
	d.Training = c.Training || v.Head.Training
	d.Tabs = []DocTab{{ID: v.ID, Name: v.Head.Name}}
	d.Discounts = c.discounts(v.Discounts)
	if c.Opened == "" {
		d.Opened = notAfter(c.opened(v), c.Closed)
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
	for _, o := range v.Orders {
		d.Orders = append(d.Orders, DocOrder{ID: o.ID, Till: o.Order.Till, Time: c.Time(o.Order.MS), Lines: o.Order.Lines, Security: o.Order.Security})
	}
	for _, p := range v.Payments {
		if p.Counts {
			d.Payments = append(d.Payments, DocPayment{ID: p.ID, Type: p.Payment.Type, Name: p.Payment.Name,
				Tendered: p.Payment.Tendered, Change: p.Change, Foreign: p.Payment.Foreign, Progress: p.State, Card: p.Card.Document(),
				User: p.Payment.User, Till: p.Payment.Till, Time: c.Time(p.Payment.MS)})
		}
	}
	return d
}

// opened returns when the tab was opened or got its first line, whichever came first.
func (c Closing) opened(v TabView) string {
	switch {
	case len(v.Lines) == 0 && !v.Open:
		return c.Closed
	case len(v.Lines) == 0:
		return c.Time(v.Head.OpenedMS)
	case v.Open:
		return c.Time(min(v.Lines[0].Line.MS, v.Head.OpenedMS))
	}
	return c.Time(v.Lines[0].Line.MS)
}

func (c Closing) line(v LineView) DocLine {
	l := v.Line
	d := DocLine{
		ID: v.ID, Tab: v.Tab, Article: l.Article, Number: l.Number, GTIN: l.GTIN, Name: l.Name, Quantity: l.Quantity,
		Unit: l.Unit, UnitPrice: l.UnitPrice, Overridden: l.Overridden, ListPrice: l.ListPrice, Tax: l.Tax, Case: l.Case,
		CaseName: l.CaseName, Voucher: l.Voucher,
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
