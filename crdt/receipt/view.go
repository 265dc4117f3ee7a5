package receipt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// More codes of [Problem], of a tab that is still open.
const (
	ProblemUnreadable = "unreadable" // a part this program cannot read
	ProblemCurrency   = "currency"   // lines in different currencies
	ProblemMerged     = "merged"     // a discount on a tab that was merged into this one does not apply
	ProblemAlarm      = "alarm"      // two different items have one ID
)

// Part is one document of a tab, as it was merged.
type Part struct {
	ID     crdt.ObjectID
	Object *crdt.Object // nil: nobody wrote it
	Item   []byte       // raw bytes of the item that came with the lowest dot; nil for types without one
	Line   *Line        // what Item says, if the caller parsed it before; nil: it is parsed
}

// Parts is everything a tab consists of. The caller decides which lines are on which tab, by [Locate]; voids and
// discounts follow their line or tab, payments theirs by [ResolveTab]. The order does not matter.
type Parts struct {
	Tab       Part   // Object is nil or empty for a tab that is not here or was closed: a continuation
	Merged    []Part // tabs that were merged into it
	Lines     []Part
	Voids     []Part
	Discounts []Part // on the lines, on the tab, and on the merged tabs
	Payments  []Part
	Orders    []Part // on this tab and the merged ones
}

// TabView is what a till shows of a tab.
type TabView struct {
	ID       crdt.ObjectID
	Open     bool // the tab is here; else only lines or payments of it are: a continuation
	Head     Head
	Note     Note
	Customer Customer
	Into     crdt.ObjectID // zero, unless this tab is in a cycle of merges
	Merged   []TabName     // by ID
	Holder   Holder

	Currency  string     // of the lines, empty if there are none
	Lines     []LineView // by time, then ID; those that cannot be read last
	Discounts []DiscountView
	Payments  []PaymentView // by time, then ID; those that cannot be read last
	Orders    []OrderView   // by time, then ID
	Totals    Totals        // of Lines, in their order; a discount that is not possible is left out
	Paid      Amount        // what the payments that count were entered for
	Change    Amount        // what is to be handed back of what was handed over
	Due       Amount        // what is to be paid; negative if more was paid than can be handed back

	ChangedMS  int64 // highest stamp of all parts, Unix milliseconds
	Conflicts  []Conflict
	Problems   []Problem  // for people, with IDs in their paths; nothing stops because of them but what Err says
	Supersedes Supersedes // what a closing of this view takes with it
	Err        error      // why the tab cannot be closed as it is, nil if it only has to be paid
}

// TabName names a tab.
type TabName struct {
	ID   crdt.ObjectID
	Name string
}

// LineView is a line with what became of it.
type LineView struct {
	ID        crdt.ObjectID
	Tab       crdt.ObjectID // where it was put; it may have come here by a merge
	Line      Line
	Voids     []VoidView // by time, then ID
	Voided    Quantity   // how much of it they take, as a magnitude
	Discounts []DiscountView
	Total     LineTotal
	Err       error // why this program cannot read the line, nil if it can
}

// VoidView is a void of a line.
type VoidView struct {
	ID   crdt.ObjectID
	Void Void
}

// DiscountView is a discount that was not removed.
type DiscountView struct {
	ID       crdt.ObjectID
	Discount Discount
	Amount   Amount // what it changes the line or the tab by: negative on a sale
	Refused  bool   // it is larger than what is left, and does not count
}

// PaymentView is a payment with what became of it.
type PaymentView struct {
	ID      crdt.ObjectID
	Payment Payment
	State   string // one of the Payment states; empty: captured when it was entered
	Card    Card   // what the terminal said, if it was captured there
	Counts  bool   // it was captured
	Change  Amount // what is handed back of it
	Err     error  // why this program cannot read it, nil if it can
}

// OrderView is what a signing device confirmed of the tab's lines.
type OrderView struct {
	ID    crdt.ObjectID
	Order Order
}

// View computes what to show of a tab from its merged parts. It depends on nothing else, and never fails: what cannot be
// read or computed is in Problems, and in Err if the tab cannot be closed because of it.
func View(p Parts) TabView {
	b := viewer{v: TabView{ID: p.Tab.ID}}
	b.tab(p)
	b.lines(p.Lines)
	b.voids(p.Voids)
	b.discounts(p)
	b.totals()
	b.payments(p.Payments)
	b.orders(p.Orders)
	b.settle()
	b.finish(p)
	return b.v
}

// viewer builds a view.
type viewer struct {
	v    TabView
	line map[crdt.ObjectID]int // index in v.Lines
	errs []trouble
}

// trouble is an error with the place it is sorted by.
type trouble struct {
	at  string
	err error
}

// trouble notes a problem that stops the tab from being closed.
func (b *viewer) trouble(code, list string, id crdt.ObjectID, err error) {
	at := ""
	if list != "" {
		at = list + "/" + id.String()
	}
	b.v.Problems = append(b.v.Problems, Problem{code, at, err.Error()})
	b.errs = append(b.errs, trouble{at, err})
}

func (b *viewer) tab(p Parts) {
	var errs []error
	v, obj := &b.v, p.Tab.Object
	v.Open = registerOf(obj, RegisterHead) != nil
	v.Head = document.Collect(obj, RegisterHead, ParseHead, &errs)
	v.Note = document.Collect(obj, RegisterNote, ParseNote, &errs)
	v.Customer = document.Collect(obj, RegisterCustomer, ParseCustomer, &errs)
	v.Into, v.Holder = document.Collect(obj, RegisterMerge, ParseMerge, &errs).Into, HolderOf(obj)
	for _, err := range errs {
		b.trouble(ProblemUnreadable, "/tabs", p.Tab.ID, fmt.Errorf("tab: %w", err))
	}
	v.Supersedes.Tabs = append(v.Supersedes.Tabs, p.Tab.ID)
	for _, m := range p.Merged {
		head, err := document.Shown(m.Object, RegisterHead, ParseHead)
		if err != nil {
			b.trouble(ProblemUnreadable, "/tabs", m.ID, fmt.Errorf("tab: %w", err))
		}
		if v.Open && registerOf(m.Object, RegisterHead) != nil && head.Training != v.Head.Training {
			b.trouble(ProblemKind, "/tabs", m.ID, fmt.Errorf("%w: tab %v is for practice and tab %v is not, or the other way: undo their merge",
				ErrInvalid, m.ID, p.Tab.ID))
		}
		v.Merged = append(v.Merged, TabName{m.ID, head.Name})
		v.Supersedes.Tabs = append(v.Supersedes.Tabs, m.ID)
	}
	slices.SortFunc(v.Merged, func(a, b TabName) int { return a.ID.Compare(b.ID) })
}

func (b *viewer) lines(parts []Part) {
	b.v.Lines = make([]LineView, 0, len(parts))
	for _, p := range parts {
		l := LineView{ID: p.ID}
		if p.Line != nil {
			l.Line = *p.Line
		} else {
			l.Line, l.Err = ParseLine(p.Item)
		}
		loc, err := document.Shown(p.Object, RegisterLocation, ParseLocation)
		if l.Tab = loc.Tab; err != nil {
			b.trouble(ProblemUnreadable, "/lines", p.ID, fmt.Errorf("line %v: %w", p.ID, err))
		}
		if l.Err != nil {
			b.trouble(ProblemUnreadable, "/lines", p.ID, fmt.Errorf("%v: %w", p.ID, l.Err))
		}
		b.alarm("/lines", p)
		b.v.Lines = append(b.v.Lines, l)
		b.v.Supersedes.Lines = append(b.v.Supersedes.Lines, p.ID)
	}
	b.practice()
	slices.SortFunc(b.v.Lines, func(x, y LineView) int {
		return cmp.Or(unreadableLast(x.Err, y.Err), cmp.Compare(x.Line.MS, y.Line.MS), x.ID.Compare(y.ID))
	})
	b.line = make(map[crdt.ObjectID]int, len(parts))
	if len(b.v.Lines) > 0 {
		b.v.Currency = b.v.Lines[0].Line.Currency
	}
	for i := range b.v.Lines {
		l := &b.v.Lines[i]
		b.line[l.ID] = i
		if l.Err == nil && l.Line.Currency != b.v.Currency {
			b.trouble(ProblemCurrency, "/lines", l.ID, fmt.Errorf("%w: line %v is in %s on a tab in %s", ErrInvalid, l.ID,
				l.Line.Currency, b.v.Currency))
		}
	}
}

func unreadableLast(a, b error) int {
	switch {
	case a != nil && b == nil:
		return 1
	case a == nil && b != nil:
		return -1
	}
	return 0
}

// practice keeps lines for practice apart from sales. Of a tab that was closed before, the lines alone know what it was for.
func (b *viewer) practice() {
	for i := range b.v.Lines {
		l := &b.v.Lines[i]
		switch {
		case l.Err != nil || !l.Line.Training:
		case !b.v.Open:
			b.v.Head.Training = true
		case !b.v.Head.Training:
			b.trouble(ProblemKind, "/lines", l.ID, fmt.Errorf("%w: line %v is for practice and its tab is not: put it on another one", ErrInvalid, l.ID))
		}
	}
}

// alarm notes that two items with one ID differ: the one with the lowest dot is shown everywhere.
func (b *viewer) alarm(list string, p Part) {
	if p.Object != nil && p.Object.Alarm() {
		b.v.Problems = append(b.v.Problems, Problem{ProblemAlarm, list + "/" + p.ID.String(), "It exists with different contents."})
	}
}

func (b *viewer) voids(parts []Part) {
	for _, p := range parts {
		b.v.Supersedes.Voids = append(b.v.Supersedes.Voids, p.ID)
		b.alarm("/voids", p)
		v, err := ParseVoid(p.Item)
		if err != nil {
			b.trouble(ProblemUnreadable, "/voids", p.ID, fmt.Errorf("%v: %w", p.ID, err))
			continue
		}
		i, ok := b.line[v.Line]
		if !ok {
			b.trouble(ProblemUnknown, "/voids", p.ID, fmt.Errorf("%w: void %v of line %v, which is not on the tab", ErrInvalid, p.ID, v.Line))
			continue
		}
		l := &b.v.Lines[i]
		l.Voids = append(l.Voids, VoidView{p.ID, v})
		q := v.Quantity
		if q == 0 {
			q = MaxQuantity
		}
		l.Voided = min(l.Voided+q, MaxQuantity)
	}
	for i := range b.v.Lines {
		l := &b.v.Lines[i]
		l.Voided = Quantity(magnitude(voided(l.Line.Quantity, l.Voided)))
		slices.SortFunc(l.Voids, func(x, y VoidView) int {
			return cmp.Or(cmp.Compare(x.Void.MS, y.Void.MS), x.ID.Compare(y.ID))
		})
	}
}

func (b *viewer) discounts(p Parts) {
	for _, part := range p.Discounts {
		r := registerOf(part.Object, RegisterValue)
		if r == nil {
			continue
		}
		b.v.Supersedes.Discounts = append(b.v.Supersedes.Discounts,
			crdt.RegisterUpTo{Type: TypeDiscount, Object: part.ID, Name: RegisterValue, Clock: r.Clock})
		d, err := document.Shown(part.Object, RegisterValue, ParseDiscount)
		if err != nil {
			b.trouble(ProblemUnreadable, "/discounts", part.ID, fmt.Errorf("%v: %w", part.ID, err))
			continue
		}
		view := DiscountView{ID: part.ID, Discount: d}
		i, onLine := b.line[d.Target]
		switch {
		case len(r.Siblings) == 0 || d.Removed():
		case d.On == OnLine && onLine:
			b.v.Lines[i].Discounts = append(b.v.Lines[i].Discounts, view)
		case d.On == OnTab && d.Target == p.Tab.ID:
			b.v.Discounts = append(b.v.Discounts, view)
		case d.On == OnTab && slices.ContainsFunc(p.Merged, func(m Part) bool { return m.ID == d.Target }):
			b.v.Problems = append(b.v.Problems, Problem{ProblemMerged, "/discounts/" + part.ID.String(),
				"It was given on a tab that was merged into this one and does not apply. Give it again if it is meant."})
		default:
			b.trouble(ProblemUnknown, "/discounts", part.ID, fmt.Errorf("%w: discount %v on %v, which is not here", ErrInvalid, part.ID, d.Target))
		}
	}
	byKind := func(x, y DiscountView) int { // percentages first, as they are applied
		return cmp.Or(-cmp.Compare(x.Discount.Kind, y.Discount.Kind), x.ID.Compare(y.ID))
	}
	slices.SortFunc(b.v.Discounts, byKind)
	for i := range b.v.Lines {
		slices.SortFunc(b.v.Lines[i].Discounts, byKind)
	}
}

// orders reads what a signing device confirmed. One that cannot be read stays with its tab and stops nothing: it says
// nothing about what is to be paid.
func (b *viewer) orders(parts []Part) {
	for _, p := range parts {
		b.v.Supersedes.Orders = append(b.v.Supersedes.Orders, p.ID)
		b.alarm("/orders", p)
		o, err := ParseOrder(p.Item)
		if err != nil {
			b.v.Problems = append(b.v.Problems, Problem{ProblemUnreadable, "/orders/" + p.ID.String(), err.Error()})
			continue
		}
		b.v.Orders = append(b.v.Orders, OrderView{p.ID, o})
	}
	slices.SortFunc(b.v.Orders, func(x, y OrderView) int {
		return cmp.Or(cmp.Compare(x.Order.MS, y.Order.MS), x.ID.Compare(y.ID))
	})
}

// totals computes all amounts. A discount that is larger than what is left does not count, and is a problem.
func (b *viewer) totals() {
	for {
		totals, err := b.compute()
		var tooBig *DiscountError
		if errors.As(err, &tooBig) {
			list, id := b.v.Discounts, tooBig.Line
			if i, ok := b.line[id]; ok {
				list = b.v.Lines[i].Discounts
			}
			refused := counting(list)[tooBig.Discount]
			refused.Refused = true
			b.trouble(ProblemDiscount, "/discounts", refused.ID, tooBig)
			continue
		}
		if err != nil {
			b.trouble(ProblemTotal, "", crdt.ObjectID{}, fmt.Errorf("total: %w", err))
			return
		}
		b.v.Totals = totals
		break
	}
	for i, d := range counting(b.v.Discounts) {
		d.Amount = b.v.Totals.Discounts[i]
	}
	n := 0
	for i := range b.v.Lines {
		l := &b.v.Lines[i]
		if l.Err != nil {
			continue
		}
		l.Total = b.v.Totals.Lines[n]
		n++
		for k, d := range counting(l.Discounts) {
			d.Amount = l.Total.Discounts[k]
		}
	}
}

func (b *viewer) compute() (Totals, error) {
	in := make([]LineInput, 0, len(b.v.Lines))
	for i := range b.v.Lines {
		l := &b.v.Lines[i]
		if l.Err == nil {
			in = append(in, LineInput{ID: l.ID, Quantity: l.Line.Quantity, Voided: l.Voided, UnitPrice: l.Line.UnitPrice,
				Tax: l.Line.Tax, Discounts: reductionsOf(l.Discounts)})
		}
	}
	return ComputeTotals(in, reductionsOf(b.v.Discounts))
}

// counting returns the discounts that were not refused.
func counting(list []DiscountView) (out []*DiscountView) {
	for i := range list {
		if !list[i].Refused {
			out = append(out, &list[i])
		}
	}
	return out
}

func reductionsOf(list []DiscountView) (out []Reduction) {
	for _, d := range counting(list) {
		out = append(out, Reduction{Percent: d.Discount.Percent, Amount: d.Discount.Amount})
	}
	return out
}

func (b *viewer) finish(p Parts) {
	v := &b.v
	each := func(typ string, parts []Part) {
		for _, part := range parts {
			v.Conflicts = conflicts(v.Conflicts, typ, part.ID, part.Object)
			v.ChangedMS = max(v.ChangedMS, changed(part.Object))
		}
	}
	each(TypeTab, []Part{p.Tab})
	each(TypeTab, p.Merged)
	each(TypeLine, p.Lines)
	each(TypeVoid, p.Voids)
	each(TypeDiscount, p.Discounts)
	each(TypePayment, p.Payments)
	each(TypeOrder, p.Orders)
	slices.SortStableFunc(v.Conflicts, func(x, y Conflict) int { return x.Object.Compare(y.Object) })
	slices.SortStableFunc(v.Problems, func(x, y Problem) int { return cmp.Or(cmp.Compare(x.Path, y.Path), cmp.Compare(x.Code, y.Code)) })
	s := &v.Supersedes
	for _, ids := range [][]crdt.ObjectID{s.Tabs, s.Lines, s.Voids, s.Payments, s.Orders} {
		slices.SortFunc(ids, crdt.ObjectID.Compare)
	}
	slices.SortFunc(s.Discounts, func(x, y crdt.RegisterUpTo) int { return x.Object.Compare(y.Object) })
	slices.SortStableFunc(b.errs, func(x, y trouble) int { return cmp.Compare(x.at, y.at) })
	errs := make([]error, len(b.errs))
	for i, t := range b.errs {
		errs[i] = t.err
	}
	v.Err = errors.Join(errs...)
}

// changed returns the highest stamp of what is live in an object.
func changed(obj *crdt.Object) (ms int64) {
	if obj == nil {
		return 0
	}
	for _, c := range obj.Items {
		ms = max(ms, c.Origin.Stamp.MS)
	}
	for i := range obj.Registers {
		for _, s := range obj.Registers[i].Siblings {
			ms = max(ms, s.Origin.Stamp.MS)
		}
	}
	return ms
}
