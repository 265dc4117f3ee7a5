package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/store"
)

// maxHappened bounds what is told of one thing; what is beyond it is counted.
const maxHappened = 2000

// Happened is one thing that happened to something.
type Happened struct {
	At      time.Time // business time of the till
	Trusted bool      // that clock was believed
	Till    crdt.TillID
	User    string // may be empty
	What    string // such as "line", "void", "closed"
	Text    string // a sentence
	Object  crdt.ObjectID
	Source  string // where it is told from: "change REPLICA/NUMBER" or "receipt K2-000418"
}

// Beside are values of one register that tills wrote without knowing of each other.
type Beside struct {
	Register string
	Values   []BesideValue // the one that is shown first
	Rule     string        // why it is shown
}

// BesideValue is one of them.
type BesideValue struct {
	Text    string
	Till    crdt.TillID
	At      time.Time
	Trusted bool
}

// Explained is everything that happened to something, in order.
type Explained struct {
	ID     crdt.ObjectID
	Kind   string // tab, line, receipt, article, payment, case and so on
	Title  string
	State  string // what is so now, in one sentence
	Events []Happened
	More   int // events beyond the list
	Beside []Beside
	Notes  []string // rules that were at work
}

// Explain tells everything that happened to a tab, line, receipt, article, payment or case, in order: from the changes that
// this till holds, and what a closing swept from its document. [ErrNotFound] if nobody here knows the ID.
func (t *Till) Explain(ctx context.Context, idOrNumber string) (Explained, error) {
	x := &explaining{t: t, ctx: ctx}
	asked := strings.TrimSpace(idOrNumber)
	r, err := t.Receipt(ctx, asked)
	if err == nil {
		x.out.ID, x.out.Kind = r.ID, "receipt"
		return x.done(x.receipt(r))
	}
	if !errors.Is(err, ErrNotFound) {
		return x.out, err
	}
	id, err := crdt.ParseObjectID(asked)
	if err != nil {
		return x.out, fmt.Errorf("%.60q is no ID and no number of a receipt that is here: %w", asked, ErrNotFound)
	}
	x.out.ID = id
	return x.done(x.object(id))
}

// explaining gathers.
type explaining struct {
	t   *Till
	ctx context.Context
	out Explained
}

func (x *explaining) done(err error) (Explained, error) {
	if err != nil {
		return Explained{}, err
	}
	slices.SortStableFunc(x.out.Events, func(a, b Happened) int { return a.At.Compare(b.At) })
	if n := len(x.out.Events); n > maxHappened {
		x.out.Events, x.out.More = x.out.Events[:maxHappened], n-maxHappened
	}
	return x.out, nil
}

// kinds are the types of objects that can be explained, and what people call them.
var kinds = []struct {
	scope crdt.Scope
	typ   string
	name  string
}{
	{crdt.Sales, receipt.TypeTab, "tab"}, {crdt.Sales, receipt.TypeLine, "line"}, {crdt.Sales, receipt.TypePayment, "payment"},
	{crdt.Sales, receipt.TypeVoid, "void"}, {crdt.Sales, receipt.TypeDiscount, "discount"}, {crdt.Sales, receipt.TypeOrder, "order"},
	{crdt.Sales, receipt.TypeRelease, "release"}, {crdt.Sales, receipt.TypeRefund, "refund"}, {crdt.Sales, receipt.TypeResolution, "resolution"},
	{crdt.Sales, receipt.TypeClosing, "closing"}, {crdt.Sales, handover.TypeTakeover, "takeover"},
	{crdt.Catalog, catalog.TypeArticle, "article"}, {crdt.Catalog, catalog.TypeGroup, "group"}, {crdt.Catalog, catalog.TypeTax, "tax"},
}

func (x *explaining) object(id crdt.ObjectID) error {
	keys := make([]crdt.Key, len(kinds))
	for i, k := range kinds {
		keys[i] = crdt.Key{Scope: k.scope, Type: k.typ, Object: id}
	}
	objects, err := x.t.store.ObjectsByID(x.ctx, keys)
	if err != nil {
		return err
	}
	for i, obj := range objects {
		if obj.Empty() && !obj.Gone {
			continue
		}
		x.out.Kind = kinds[i].name
		if err := x.written(kinds[i].scope, kinds[i].typ, id, obj); err != nil {
			return err
		}
		switch kinds[i].typ {
		case receipt.TypeTab:
			return x.tab(id, obj)
		case receipt.TypeLine:
			return x.line(id, obj)
		case receipt.TypePayment:
			return x.payment(id, obj)
		}
		if obj.Gone {
			return x.swept(id, obj.By)
		}
		return nil
	}
	return x.aCase(id)
}

// written tells what is stored of an object: items, registers, and values that stand beside each other.
func (x *explaining) written(scope crdt.Scope, typ string, id crdt.ObjectID, obj *crdt.Object) error {
	for n, c := range obj.Items {
		p, err := x.t.store.Piece(x.ctx, scope, c.Ref)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		text, user, ms := itemText(typ, p.Raw)
		switch {
		case n > 0 && c.Hash == obj.Items[0].Hash:
			text = "said again under a later number series of its till: " + text
		case n > 0:
			text = "ANOTHER CONTENT UNDER THE SAME ID: " + text
		}
		x.tell(c.Origin, ms, user, typ, text, id)
	}
	if len(obj.Items) > 1 && obj.Alarm() {
		x.note("Two contents have one ID: every till shows the one with the lowest change number, and reports the other.")
	}
	for i := range obj.Registers {
		r := &obj.Registers[i]
		for _, s := range r.Siblings {
			text, user, ms := registerText(typ, r.Name, s.Raw)
			x.tell(s.Origin, ms, user, r.Name, text, id)
		}
		if len(r.Siblings) > 1 {
			x.beside(typ, r)
		}
	}
	return nil
}

func (x *explaining) tell(o crdt.Origin, ms int64, user, what, text string, id crdt.ObjectID) {
	if ms == 0 {
		ms = o.Stamp.MS
	}
	x.out.Events = append(x.out.Events, Happened{At: time.UnixMilli(ms), Trusted: o.Stamp.Trusted, Till: x.t.roster.tillOf(o.Dot.Replica), User: user,
		What: what, Text: text, Object: id, Source: "change " + o.Dot.String()})
}

func (x *explaining) note(text string) {
	if !slices.Contains(x.out.Notes, text) {
		x.out.Notes = append(x.out.Notes, text)
	}
}

// beside tells which of several values is shown, and by which rule.
func (x *explaining) beside(typ string, r *crdt.Register) {
	b := Beside{Register: r.Name}
	for _, s := range r.Siblings {
		text, _, _ := registerText(typ, r.Name, s.Raw)
		b.Values = append(b.Values, BesideValue{text, x.t.roster.tillOf(s.Origin.Dot.Replica), time.UnixMilli(s.Origin.Stamp.MS), s.Origin.Stamp.Trusted})
	}
	first, second := r.Siblings[0].Origin, r.Siblings[1].Origin
	switch {
	case typ == receipt.TypeTab && r.Name == receipt.RegisterClaim:
		b.Rule = "the claim with the highest epoch holds; of equal ones that of the smaller replica ID"
	case first.Stamp.Trusted != second.Stamp.Trusted:
		b.Rule = "the first is shown because its till's clock was trusted and the other's was not; all stay until somebody decides"
	case first.Stamp.MS != second.Stamp.MS:
		b.Rule = "the first is shown because it was written later; all stay until somebody decides"
	default:
		b.Rule = "the first is shown because its change number is higher, both having the same time; all stay until somebody decides"
	}
	x.out.Beside = append(x.out.Beside, b)
}

// part tells what is stored of a part of a tab.
func (x *explaining) part(typ string, p receipt.Part) error {
	if p.Object == nil {
		return nil
	}
	return x.written(crdt.Sales, typ, p.ID, p.Object)
}

func (x *explaining) tab(id crdt.ObjectID, obj *crdt.Object) error {
	if err := x.takeovers(id); err != nil {
		return err
	}
	parts, here := x.t.book.Parts(id)
	if here {
		v, state, _ := x.t.book.Tab(id)
		x.out.Title, x.out.State = or(v.Head.Name, "tab"), fmt.Sprintf("%s, %d lines, %d in all, %d due", state, len(v.Lines), v.Totals.Gross, v.Due)
		if v.ID != id {
			x.out.State = "merged into tab " + v.ID.String()
			x.note("A line is on the tab its location names, or on the one that tab was merged into, to the end of the chain; a cycle ends at its lowest ID.")
		}
		for _, m := range parts.Merged {
			if err := x.part(receipt.TypeTab, m); err != nil {
				return err
			}
		}
		for typ, list := range map[string][]receipt.Part{receipt.TypeLine: parts.Lines, receipt.TypeVoid: parts.Voids, receipt.TypeDiscount: parts.Discounts,
			receipt.TypePayment: parts.Payments, receipt.TypeOrder: parts.Orders} {
			for _, p := range list {
				if err := x.part(typ, p); err != nil {
					return err
				}
			}
		}
		for _, p := range parts.Payments {
			if err := x.decisions(unknownCase(book.OpenPayment{ID: p.ID}).ID()); err != nil {
				return err
			}
		}
		for _, p := range v.Problems {
			x.note(p.Text)
		}
	}
	if !obj.Gone {
		return nil
	}
	if here {
		x.note("Lines that reach a tab after it was closed stay, and are offered as a continuation.")
	}
	return x.swept(id, obj.By)
}

func (x *explaining) takeovers(tab crdt.ObjectID) error {
	first, last := handover.TakeoverRange(tab)
	list, err := x.t.store.Objects(x.ctx, crdt.Sales, handover.TypeTakeover, first, 200)
	if err != nil {
		return err
	}
	for _, f := range list {
		if f.ID.Compare(last) > 0 {
			break
		}
		if err := x.written(crdt.Sales, handover.TypeTakeover, f.ID, f.Object); err != nil {
			return err
		}
	}
	return nil
}

// swept tells what the document of a receipt says of something that left with it.
func (x *explaining) swept(id, by crdt.ObjectID) error {
	r, err := x.t.receipt(x.ctx, by)
	if errors.Is(err, ErrNotFound) {
		x.out.State = "it left with a receipt that is not here"
		x.note("What a receipt settled is told by its document; this till does not hold it.")
		return nil
	}
	if err != nil {
		return err
	}
	x.out.Title, x.out.State = or(x.out.Title, r.Number), "settled by receipt "+r.Number
	x.note("What a receipt settled left with it; its document tells the rest.")
	x.document(r, id)
	return nil
}

// document tells what a document says of an object, or of everything if it is of the whole tab or receipt.
func (x *explaining) document(r Receipt, about crdt.ObjectID) {
	d := &r.Parsed
	source := "receipt " + r.Number
	all := about == r.ID || slices.ContainsFunc(d.Tabs, func(tab receipt.DocTab) bool { return tab.ID == about })
	add := func(at string, till crdt.TillID, user, what string, id crdt.ObjectID, format string, args ...any) {
		when, _ := time.Parse(time.RFC3339, at) // a time that cannot be read comes first
		x.out.Events = append(x.out.Events, Happened{At: when, Trusted: true, Till: till, User: user, What: what, Text: fmt.Sprintf(format, args...), Object: id, Source: source})
	}
	if all {
		add(d.Opened, crdt.TillID{}, "", "opened", about, "the sale began")
	}
	discounts := func(list []receipt.DocDiscount, on crdt.ObjectID) {
		for _, y := range list {
			if all || about == y.ID || about == on {
				add(y.Time, y.Till, y.User, "discount", y.ID, "discount of %d%s", y.Amount, because(y.Reason))
			}
		}
	}
	for i := range d.Lines {
		l := &d.Lines[i]
		if all || about == l.ID {
			add(l.Time, l.Till, l.User, "line", l.ID, "%s, %d thousandths at %d: %d", l.Name, l.Quantity, l.UnitPrice, l.Gross)
		}
		discounts(l.Discounts, l.ID)
	}
	discounts(d.Discounts, crdt.ObjectID{})
	for _, v := range d.Voids {
		if all || about == v.ID || about == v.Line {
			add(v.Time, v.Till, v.User, "void", v.ID, "taken back: %s%s", voidedText(v.Quantity), because(v.Reason))
		}
	}
	for _, p := range d.Payments {
		if all || about == p.ID {
			add(p.Time, p.Till, p.User, "payment", p.ID, "%s of %d, %s", p.Type, p.Amount, or(p.Progress, receipt.PaymentCaptured))
		}
	}
	add(d.Closed, d.Till.ID, d.User, d.Kind, r.ID, "%s: %s of %d %s", r.Number, d.Kind, d.Totals.Gross, d.Currency)
	for _, ref := range d.References {
		x.note(fmt.Sprintf("It refers to %s (%s).", receipt.NumberText(ref.Series, ref.Number), ref.Kind))
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

func voidedText(q receipt.Quantity) string {
	if q == 0 {
		return "all of it"
	}
	return fmt.Sprintf("%d thousandths", q)
}

func (x *explaining) line(id crdt.ObjectID, obj *crdt.Object) error {
	if tab, open := x.t.book.Line(id); open {
		x.out.State = "on tab " + tab.String()
		parts, _ := x.t.book.Parts(tab)
		for _, p := range parts.Voids {
			if v, err := receipt.ParseVoid(p.Item); err == nil && v.Line == id {
				if err := x.part(receipt.TypeVoid, p); err != nil {
					return err
				}
			}
		}
		for _, p := range parts.Discounts {
			if d, err := receipt.ParseDiscount(p.Object.Value(receipt.RegisterValue)); err == nil && d.Target == id {
				if err := x.part(receipt.TypeDiscount, p); err != nil {
					return err
				}
			}
		}
	}
	if !obj.Gone {
		return nil
	}
	if err := x.swept(id, obj.By); err != nil {
		return err
	}
	cases, err := x.t.Cases(x.ctx)
	for _, c := range cases {
		if c.Kind == book.CaseDouble && slices.Contains(c.Objects, id) {
			x.out.State = "settled more than once: " + strings.Join(c.Numbers, ", ")
			x.note("Of receipts that share lines the one with more lines of the tab counts, then the one closed earlier by a trusted clock, then the lower change number, until a person decides.")
		}
	}
	return err
}

func (x *explaining) payment(id crdt.ObjectID, obj *crdt.Object) error {
	p, err := x.t.Payment(x.ctx, id)
	if errors.Is(err, ErrNotFound) {
		x.out.State = "it cannot be read here"
		return nil
	}
	if err != nil {
		return err
	}
	x.out.State = or(p.State, receipt.PaymentCaptured)
	for _, s := range p.Steps {
		x.out.Events = append(x.out.Events, Happened{At: time.UnixMilli(s.MS), Trusted: true, Till: p.Payment.Till, What: s.State,
			Text: or(s.Text, s.State), Object: id, Source: "notes of " + x.t.roster.name(p.Payment.Till)})
	}
	if err := x.decisions(unknownCase(p.OpenPayment).ID()); err != nil {
		return err
	}
	if p.ByHand {
		x.note("A person decided what became of it, because nobody could ask the terminal. What the terminal says itself counts before that.")
	}
	if p.State != "" {
		x.note("Only the till that takes a payment writes what became of it; it asks its terminal until it knows, and never charges again by itself.")
	}
	if obj.Gone {
		return x.swept(id, obj.By)
	}
	return nil
}

func (x *explaining) receipt(r Receipt) error {
	x.out.Title = r.Number
	x.out.State = fmt.Sprintf("%s of %d %s, on %d tills", r.Parsed.Kind, r.Parsed.Totals.Gross, r.Parsed.Currency, 1+len(r.Copies))
	x.document(r, r.ID)
	if b := r.Release; b != nil && b.By != nil {
		x.out.Events = append(x.out.Events, Happened{At: time.UnixMilli(b.By.MS), Trusted: true, Till: b.By.Till, User: b.By.User, What: "release",
			Text: fmt.Sprintf("let go to be printed on %d of %d tills%s", b.By.Copies, b.By.Wanted, because(b.By.Reason)), Object: r.ID, Source: "release"})
	}
	first, last := receipt.RefundRange(r.ID)
	list, err := x.t.store.Objects(x.ctx, crdt.Sales, receipt.TypeRefund, first, 200)
	if err != nil {
		return err
	}
	if err := x.each(list, last, receipt.TypeRefund); err != nil {
		return err
	}
	print, err := x.t.printOf(x.ctx, r.ID)
	if err == nil && print.Count > 0 {
		x.out.Events = append(x.out.Events, Happened{At: time.UnixMilli(print.Intended), Trusted: true, Till: x.t.id.Till, What: "print",
			Text: fmt.Sprintf("sent to printer %s, %d times so far, %d done for certain", or(print.Printer, "without a name"), print.Count, print.Done), Object: r.ID, Source: "notes of this till"})
	}
	if err != nil {
		return err
	}
	cases, err := x.t.Cases(x.ctx)
	for _, c := range cases {
		if slices.Contains(c.Receipts, r.ID) {
			x.note(fmt.Sprintf("It is part of case %v (%s).", c.ID(), c.Kind))
		}
	}
	return err
}

// decisions tells what people decided about a case.
func (x *explaining) decisions(id crdt.ObjectID) error {
	first, last := receipt.ResolutionRange(id)
	list, err := x.t.store.Objects(x.ctx, crdt.Sales, receipt.TypeResolution, first, 50)
	if err != nil {
		return err
	}
	return x.each(list, last, receipt.TypeResolution)
}

func (x *explaining) each(list []store.Found, last crdt.ObjectID, typ string) error {
	for _, f := range list {
		if f.ID.Compare(last) > 0 {
			return nil
		}
		if err := x.written(crdt.Sales, typ, f.ID, f.Object); err != nil {
			return err
		}
	}
	return nil
}

// aCase tells about a case of the list: the receipts it is about, and what was decided.
func (x *explaining) aCase(id crdt.ObjectID) error {
	cases, err := x.t.Cases(x.ctx)
	if err != nil {
		return err
	}
	first, last := receipt.ResolutionRange(id)
	decided, err := x.t.store.Objects(x.ctx, crdt.Sales, receipt.TypeResolution, first, 50)
	if err != nil {
		return err
	}
	decided = slices.DeleteFunc(decided, func(f store.Found) bool { return f.ID.Compare(last) > 0 })
	i := slices.IndexFunc(cases, func(c book.Case) bool { return c.ID() == id })
	if i < 0 && len(decided) == 0 {
		return fmt.Errorf("%v: %w", id, ErrNotFound)
	}
	x.out.Kind, x.out.State = "case", "decided"
	if err := x.each(decided, last, receipt.TypeResolution); err != nil {
		return err
	}
	if len(decided) > 1 {
		x.note("Several decisions were made apart; the one with the lowest change number is shown first, and all stay.")
	}
	if i < 0 {
		return nil
	}
	c := cases[i]
	x.out.Title = string(c.Kind)
	if len(decided) == 0 {
		x.out.State = "open"
	}
	for _, of := range c.Receipts {
		r, err := x.t.receipt(x.ctx, of)
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		for _, shared := range c.Objects {
			x.document(r, shared)
		}
	}
	x.out.Events = slices.CompactFunc(x.sorted(), func(a, b Happened) bool { return a == b })
	if c.Kind == book.CaseDouble {
		x.note("Of receipts that share lines the one with more lines of the tab counts, then the one closed earlier by a trusted clock, then the lower change number, until a person decides.")
	}
	return nil
}

func (x *explaining) sorted() []Happened {
	slices.SortStableFunc(x.out.Events, func(a, b Happened) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.What, b.What), a.Object.Compare(b.Object))
	})
	return x.out.Events
}
