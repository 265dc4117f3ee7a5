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
	CaseUnreadable   CaseKind = "unreadable"    // a void, discount or payment of a newer program; which tab it is of is not known
)

// Case is something about sales that a person has to decide. Cases follow from what is held and from nothing else, so
// they are the same on every till that holds the same.
type Case struct {
	Kind    CaseKind
	Tab     crdt.ObjectID   // of a continuation, an orphan or a discount on a tab; else zero
	Objects []crdt.ObjectID // the lines, or the void, discount or payment
	Target  crdt.ObjectID   // the line of a late void or discount; else zero
	// Receipts are those it is about, of several the primary first. None: they are not remembered here; ask the store
	// whether Target or Tab was closed. If it was not, what the case is about came before it, and is no case.
	Receipts []crdt.ObjectID
	Numbers  []string // of Receipts, as printed; empty where it is not remembered
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
	switch {
	case x.err != nil:
		c.Kind = CaseUnreadable
		return c, true
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
	default:
		return Case{}, false
	}
	return c, counts(x)
}

// counts reports whether a leaf changes any money: a discount that was removed does not, nor does a payment that was
// not captured.
func counts(x *leaf) bool {
	switch x.typ {
	case receipt.TypeDiscount:
		d, err := receipt.ParseDiscount(x.obj.Value(receipt.RegisterValue))
		return err == nil && !d.Removed()
	case receipt.TypePayment:
		raw := x.obj.Value(receipt.RegisterProgress)
		if raw == nil {
			return true
		}
		p, err := receipt.ParseProgress(raw)
		return err == nil && p.State == receipt.PaymentCaptured
	}
	return true
}
