package receipt

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Defaults of a line. A field with its default is not written.
const (
	DefaultQuantity Quantity = 1000
	DefaultCurrency          = "EUR"
)

// Line is the item of a line: everything about it as it was when it was entered, so that no later change of master data
// reaches it. What is taken back is a [Void], never a change.
type Line struct {
	Article    crdt.ObjectID // zero for an open item
	Number     string        // article number or PLU; may be empty, like all texts here but Name
	GTIN       string
	Name       string
	Short      string        // name where there is little room; empty: Name
	Group      crdt.ObjectID // zero: none
	GroupName  string
	Quantity   Quantity // not zero; negative for a return
	Unit       string   // empty: pieces
	UnitPrice  Amount   // gross, per unit; negative for money handed back
	ListPrice  *Amount  // what the article costs; nil: UnitPrice, or there is none
	Overridden bool     // somebody changed the unit price by hand
	Currency   string   // ISO 4217
	Tax        TaxRef
	Takeaway   bool
	Training   bool     // for practice, as its tab was
	Case       string   // business case (GV_TYP of DSFinV-K), mostly SaleCase; see [BusinessCase]
	CaseName   string   // own name for a kind of that case
	Voucher    string   // number of the voucher that is sold or redeemed
	Modifiers  []string // at most [MaxModifiers] texts of [MaxText] runes
	User       string
	Till       crdt.TillID // that entered it
	MS         int64       // Unix milliseconds, business time of that till
}

// Check says what is wrong with the value, wrapping [ErrInvalid], [ErrQuantity], [ErrRate] or [ErrOverflow]. A price
// that overflows with its quantity is refused here, so that one line can never stop a tab.
func (l Line) Check() error {
	if l.Quantity == 0 {
		return fmt.Errorf("line %.60q: %w: it is zero", l.Name, ErrQuantity)
	}
	_, tooLarge := l.UnitPrice.Mul(l.Quantity)
	errs := []error{
		checkNamed("name of the line", l.Name == ""), checkNamed("business case", l.Case == ""),
		checkTexts("name", l.Name, "short name", l.Short, "number", l.Number, "GTIN", l.GTIN, "group", l.GroupName,
			"unit", l.Unit, "business case", l.Case, "name of the business case", l.CaseName, "voucher", l.Voucher, "tax key", l.Tax.Key,
			"user", l.User),
		tooLarge, l.Tax.Rate.Check(), checkCurrency(l.Currency), checkMS(l.MS),
		checkNamed("till", l.Till.IsZero()),
	}
	if l.ListPrice != nil {
		errs = append(errs, l.ListPrice.Check())
	}
	if len(l.Modifiers) > MaxModifiers {
		errs = append(errs, fmt.Errorf("%w: %d modifiers, at most %d", ErrInvalid, len(l.Modifiers), MaxModifiers))
	}
	for _, m := range l.Modifiers {
		errs = append(errs, checkNamed("text of a modifier", m == ""), checkTexts("modifier", m))
	}
	return errors.Join(errs...)
}

// Bytes returns the item's value. Fields with their default are left out.
func (l Line) Bytes() []byte {
	var rec crdt.Record
	if l.Quantity != DefaultQuantity {
		rec.SetInt("q", int64(l.Quantity))
	}
	if l.ListPrice != nil && *l.ListPrice != l.UnitPrice {
		rec.SetRaw("l", codec.AppendInt(nil, int64(*l.ListPrice)))
	}
	if l.Currency != DefaultCurrency {
		rec.SetString("c", l.Currency)
	}
	if l.Case != SaleCase {
		rec.SetString("v", l.Case)
	}
	rec.SetString("z", l.CaseName)
	rec.SetString("y", l.Voucher)
	rec.SetObject("a", l.Article)
	rec.SetString("b", l.Number)
	rec.SetString("e", l.GTIN)
	rec.SetString("n", l.Name)
	rec.SetString("s", l.Short)
	rec.SetObject("g", l.Group)
	rec.SetString("h", l.GroupName)
	rec.SetString("i", l.Unit)
	rec.SetInt("p", int64(l.UnitPrice))
	rec.SetBool("o", l.Overridden)
	rec.SetObject("t", l.Tax.ID)
	rec.SetString("k", l.Tax.Key)
	rec.SetInt("r", int64(l.Tax.Rate))
	rec.SetBool("w", l.Takeaway)
	rec.SetBool("j", l.Training)
	document.SetTexts(&rec, "x", l.Modifiers)
	rec.SetString("u", l.User)
	rec.SetTill("d", l.Till)
	rec.SetInt("m", l.MS)
	return rec.Bytes()
}

// ParseLine reads the item of a line.
func ParseLine(raw []byte) (Line, error) {
	f := rules.Parse(raw)
	l := Line{
		Article: f.Object("a"), Number: f.Text("b"), GTIN: f.Text("e"), Name: f.Text("n"), Short: f.Text("s"),
		Group: f.Object("g"), GroupName: f.Text("h"), Quantity: Quantity(f.Int("q")), Unit: f.Text("i"),
		UnitPrice: Amount(f.Int("p")), ListPrice: amount(f, "l"), Overridden: f.Bool("o"), Currency: f.Text("c"),
		Tax:      TaxRef{ID: f.Object("t"), Key: f.Text("k"), Rate: Rate(f.Int("r"))},
		Takeaway: f.Bool("w"), Training: f.Bool("j"), Case: f.Text("v"), CaseName: f.Text("z"), Voucher: f.Text("y"), Modifiers: f.Texts("x", "modifiers", MaxModifiers), User: f.Text("u"),
		Till: f.Till("d"), MS: f.Int("m"),
	}
	if l.Quantity == 0 {
		l.Quantity = DefaultQuantity
	}
	if l.Currency == "" {
		l.Currency = DefaultCurrency
	}
	if l.Case == "" {
		l.Case = SaleCase
	}
	return document.Checked(f, "line", l)
}

// Location is the register "loc" of a line: the tab it was put on. See [ResolveTab] for the tab it is on.
type Location struct{ Tab crdt.ObjectID }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (l Location) Check() error { return checkNamed("tab", l.Tab.IsZero()) }

// ParseLocation reads a register value.
func ParseLocation(raw []byte) (Location, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "location of a line", Location{f.Object("t")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (l Location) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetObject("t", l.Tab) })
}

// NewLine returns the pieces that put a new line on a tab; they belong into one commit. A value against the rules comes
// back as an error of [Line.Check].
func NewLine(id, tab crdt.ObjectID, l Line) ([]crdt.Piece, error) {
	w := newWriter(TypeLine, id, nil)
	w.Item(l)
	w.Put(RegisterLocation, Location{tab})
	return w.Done()
}

// MoveLine returns the piece that moves a line to another tab, none if it is there already and only there. obj is the
// merged line. Where tills moved it to different tabs, the write decides.
func MoveLine(id crdt.ObjectID, obj *crdt.Object, tab crdt.ObjectID) ([]crdt.Piece, error) {
	var resolve []string
	if r := registerOf(obj, RegisterLocation); r != nil && len(r.Siblings) > 1 && !document.Agree(r.Siblings) {
		resolve = []string{RegisterLocation}
	}
	w := newWriter(TypeLine, id, obj, resolve...)
	w.Put(RegisterLocation, Location{tab})
	return w.Done()
}

// Locate returns the tab that a line is on, and false if nothing readable says where it was put. See [ResolveTab].
func Locate(line *crdt.Object, mergeOf func(crdt.ObjectID) (crdt.ObjectID, bool)) (crdt.ObjectID, bool) {
	loc, err := document.Shown(line, RegisterLocation, ParseLocation)
	if err != nil || loc.Tab.IsZero() {
		return crdt.ObjectID{}, false
	}
	return ResolveTab(loc.Tab, mergeOf), true
}
