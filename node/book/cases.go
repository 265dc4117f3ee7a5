package book

import (
	"cmp"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// CaseKind says what people have to look at.
type CaseKind string

// The kinds of cases.
const (
	CaseDouble       CaseKind = "double"        // the same lines are on several receipts
	CaseContinuation CaseKind = "continuation"  // lines for a tab that was closed
	CaseLateVoid     CaseKind = "late-void"     // a void of a line that was settled
	CaseLateDiscount CaseKind = "late-discount" // a discount on a line or tab that was settled
	CaseOrphan       CaseKind = "orphan"        // a captured payment that is on no receipt, for a tab that was closed
	CaseUnknown      CaseKind = "unknown"       // a payment at a card terminal of which nobody knows whether it came through
	CaseUnreadable   CaseKind = "unreadable"    // a void, discount or payment of a newer program; which tab it is of is not known
)

// Case is something about sales that a person has to decide. Cases follow from what is held and from nothing else, so
// they are the same on every till that holds the same.
type Case struct {
	Kind    CaseKind
	Tab     crdt.ObjectID   // of a continuation, an orphan, an unknown payment or a discount on a tab; else zero
	Objects []crdt.ObjectID // the lines, or the void, discount or payment
	Target  crdt.ObjectID   // the line of a late void or discount; else zero
	// Receipts are those it is about, of several the primary first. None: they are not remembered here; ask the store
	// whether Target or Tab was closed. If it was not, what the case is about came before it, and is no case.
	Receipts []crdt.ObjectID
	Numbers  []string // of Receipts, as printed; empty where it is not remembered
}

// GivesBack reports whether the case is about a payment that gives money of a receipt back. It is on no tab.
func (c Case) GivesBack() bool {
	return (c.Kind == CaseOrphan || c.Kind == CaseUnknown) && len(c.Receipts) == 1 && c.Receipts[0] == c.Tab
}

// Cases lists what people have to look at, in a stable order.
func (b *Book) Cases() []Case {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := b.doubles()
	for _, t := range b.tabs {
		if t.obj == nil && b.present(t) {
			c := Case{Kind: CaseContinuation, Tab: t.id}
			for _, m := range tree(t) {
				for _, l := range m.lines {
					c.Objects = append(c.Objects, l.id)
				}
			}
			out = append(out, b.byTab(c))
		}
	}
	for _, x := range b.leaves {
		if c, ok := b.late(x); ok {
			out = append(out, c)
		}
	}
	for i := range out {
		slices.SortFunc(out[i].Objects, crdt.ObjectID.Compare)
	}
	slices.SortFunc(out, func(x, y Case) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), x.Tab.Compare(y.Tab), slices.CompareFunc(x.Objects, y.Objects, crdt.ObjectID.Compare))
	})
	return out
}

// doubles returns one case for each set of receipts that share lines.
func (b *Book) doubles() []Case {
	var out []Case
	for l := range b.past.twice {
		receipts := b.past.ofLine(l)
		i := slices.IndexFunc(out, func(c Case) bool {
			return slices.EqualFunc(c.Receipts, receipts, func(id crdt.ObjectID, s *settled) bool { return id == s.id })
		})
		if i < 0 {
			i = len(out)
			out = append(out, named(Case{Kind: CaseDouble}, receipts))
		}
		out[i].Objects = append(out[i].Objects, l)
	}
	return out
}

// named fills in the receipts.
func named(c Case, receipts []*settled) Case {
	for _, s := range receipts {
		c.Receipts, c.Numbers = append(c.Receipts, s.id), append(c.Numbers, s.number)
	}
	return c
}

// byTab fills in the receipt that closed the tab.
func (b *Book) byTab(c Case) Case {
	if id, known := b.past.closed[c.Tab]; known {
		c.Receipts, c.Numbers = []crdt.ObjectID{id}, []string{""}
		if s := b.past.receipts[id]; s != nil {
			c.Numbers[0] = s.number
		}
	}
	return c
}

// late returns the case that a void, discount or payment is, if it is one.
func (b *Book) late(x *leaf) (Case, bool) {
	c := Case{Objects: []crdt.ObjectID{x.id}}
	if x.typ == receipt.TypeOrder {
		return c, false // what a device confirmed changes no money; it leaves with its tab
	}
	switch {
	case x.err != nil:
		c.Kind = CaseUnreadable
		return c, true
	case x.unknown():
		c.Kind, c.Tab = CaseUnknown, x.tab.id
		return b.byPayment(c, x), true
	case x.line != nil && x.line.obj == nil:
		c.Kind, c.Target = CaseLateVoid, x.line.id
		if x.typ == receipt.TypeDiscount {
			c.Kind = CaseLateDiscount
		}
		c = named(c, b.past.ofLine(x.line.id))
	case x.tab != nil && !b.present(b.end(x.tab)):
		c.Tab = x.tab.id
		if c.Kind = CaseLateDiscount; x.typ == receipt.TypePayment {
			c.Kind = CaseOrphan
		}
		c = b.byTab(c)
		if x.typ == receipt.TypePayment {
			if b.reversed(x) {
				return Case{}, false
			}
			c = b.byPayment(c, x)
		}
	default:
		return Case{}, false
	}
	return c, counts(x)
}

// byPayment fills in the receipt that a payment gives money back for, if it does.
func (b *Book) byPayment(c Case, x *leaf) Case {
	p, ok := x.payment()
	if !ok || p.Payment.Receipt.IsZero() {
		return b.byTab(c)
	}
	c.Receipts, c.Numbers = []crdt.ObjectID{p.Payment.Receipt}, []string{""}
	if s := b.past.receipts[p.Payment.Receipt]; s != nil {
		c.Numbers[0] = s.number
	}
	return c
}

// unknown reports whether a leaf is a payment of which nobody knows what became of it.
func (x *leaf) unknown() bool {
	p, ok := x.payment()
	return ok && x.tab != nil && p.Unknown()
}

// counts reports whether a leaf changes any money: a discount that was removed does not, nor does a payment that was
// not captured.
func counts(x *leaf) bool {
	switch x.typ {
	case receipt.TypeDiscount:
		d, err := receipt.ParseDiscount(x.obj.Value(receipt.RegisterValue))
		return err == nil && !d.Removed()
	case receipt.TypePayment:
		p, err := receipt.ShownProgress(x.obj)
		return err == nil && (p.State == "" || p.State == receipt.PaymentCaptured)
	}
	return true
}
