package book

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// settle takes out what a closing supersedes, and remembers the receipt.
func (b *Book) settle(out []Change, from crdt.Origin, p *crdt.Piece) []Change {
	var number string
	if p.Type == receipt.TypeReceipt {
		number = b.past.add(p, from)
	}
	for _, o := range p.Objects {
		for _, id := range o.IDs {
			switch o.Type {
			case receipt.TypeTab:
				b.closeTab(id)
				out = append(out, Change{Kind: KindTab, Tab: id, What: ClosedBy, Receipt: p.Object, Number: number})
			case receipt.TypeLine:
				if l := b.lines[id]; l != nil {
					l.obj, l.raw = nil, nil
					b.put(l, nil)
					b.dropLine(l)
				}
			case receipt.TypeVoid, receipt.TypePayment, receipt.TypeDiscount, receipt.TypeOrder:
				if x := b.leaves[id]; x != nil && x.typ == o.Type {
					b.dropLeaf(x)
				}
			}
		}
	}
	for _, r := range p.Registers {
		if x := b.leaves[r.Object]; x != nil && x.typ == r.Type {
			b.supersede(x, r)
		}
	}
	if p.Type == receipt.TypeReceipt {
		out = append(out, Change{Kind: KindReceipt, Receipt: p.Object, Number: number})
	}
	return out
}

func (b *Book) closeTab(id crdt.ObjectID) {
	t := b.tabs[id]
	if t == nil {
		return
	}
	b.touch(t)
	t.obj = nil
	b.merge(t, nil)
	b.touch(t)
	b.dropTab(t)
}

func (b *Book) dropLeaf(x *leaf) {
	b.hang(x, nil, nil)
	delete(b.leaves, x.id)
}

// supersede takes out the writes that the closing had seen.
func (b *Book) supersede(x *leaf, r crdt.RegisterUpTo) {
	if x.obj.Get(r.Name) == nil {
		return
	}
	if x.round != b.round {
		x.obj, x.round = clone(x.obj), b.round
	}
	x.obj.SupersedeUpTo(r.Name, r.Clock)
	if !x.obj.Live() {
		b.dropLeaf(x)
		return
	}
	b.placeLeaf(x)
	if x.line != nil {
		b.touch(x.line.tab)
	} else {
		b.touch(x.tab)
	}
}
