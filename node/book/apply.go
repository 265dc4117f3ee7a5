package book

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// Kinds of [Change].
const (
	KindTab     = "tab"
	KindReceipt = "receipt"
)

// What a change of a tab was.
const (
	Opened     = "opened"
	Renamed    = "renamed" // head, note or customer
	LineAdded  = "line"
	Moved      = "moved" // a line or a whole tab: told of the tab it left and of the one it is on
	Voided     = "void"
	Discounted = "discount"
	Paid       = "payment"
	Ordered    = "order" // a signing device confirmed lines
	Claimed    = "claim"
	ClosedBy   = "closed"
)

// Change tells what a commit changed, for those who show it.
type Change struct {
	Kind    string
	Tab     crdt.ObjectID  // under which it is shown now; zero if the tab is not known here yet
	What    string         // of a tab
	Line    crdt.ObjectID  // zero if it is not about one line
	Receipt crdt.ObjectID  // of a receipt, and of the tab it closed
	Number  string         // of that receipt, as printed
	Writer  crdt.ReplicaID // who made the commit
	Own     bool           // this till made it
}

// Stored is a live object of the sales scope as the store holds it.
type Stored struct {
	Type   string
	ID     crdt.ObjectID
	Object *crdt.Object // must not be changed any more
	Item   *crdt.Piece  // the piece of Object.Items[0]; nil if there is none
}

// Load takes objects from the store, before the first Apply. Of receipts those of the last business days are enough.
// Objects that are not live, or of another scope's types, are passed over.
func (b *Book) Load(objects []Stored) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	for _, s := range objects {
		if s.Object == nil || !s.Object.Live() {
			continue
		}
		d := doc{id: s.ID, obj: s.Object}
		if s.Item != nil {
			d.raw = slices.Clone(s.Item.Raw)
		}
		switch s.Type {
		case receipt.TypeTab:
			t := b.tab(s.ID)
			t.doc = d
			b.placeTab(t)
			b.touch(t)
		case receipt.TypeLine:
			l := b.line(s.ID)
			l.doc = d
			b.placeLine(l)
		case receipt.TypeVoid, receipt.TypeDiscount, receipt.TypePayment, receipt.TypeOrder:
			x := b.leaf(s.Type, s.ID)
			x.doc = d
			b.placeLeaf(x)
		case receipt.TypeReceipt:
			if s.Item != nil && len(s.Object.Items) > 0 {
				b.past.add(s.Item, s.Object.Items[0].Origin)
			}
		}
	}
}

// Apply takes commits that became durable, in the order of the committer, and tells what changed. Commits of other
// scopes are passed over. Its cost depends on the commits, not on how many tabs are open.
func (b *Book) Apply(taken []replication.Taken) []Change {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	var out []Change
	for i := range taken {
		c := taken[i].Commit
		if c == nil || c.Scope != crdt.Sales || taken[i].Outcome.Fork {
			continue
		}
		from := c.Origin()
		first := len(out)
		for k := range c.Pieces {
			out = b.piece(out, from, k, &c.Pieces[k], dead(taken[i].Outcome.Dead, k))
		}
		for k := first; k < len(out); k++ {
			out[k].Writer, out[k].Own = c.Dot.Replica, taken[i].Own
		}
	}
	return out
}

func dead(bitmap []byte, piece int) bool {
	return piece/8 < len(bitmap) && bitmap[piece/8]&(1<<(piece%8)) != 0
}

// piece applies one piece. What it supersedes leaves even if the piece itself does not count.
func (b *Book) piece(out []Change, from crdt.Origin, i int, p *crdt.Piece, dead bool) []Change {
	if !dead {
		switch p.Type {
		case receipt.TypeTab:
			out = b.tabPiece(out, from, i, p)
		case receipt.TypeLine:
			out = b.linePiece(out, from, i, p)
		case receipt.TypeVoid, receipt.TypeDiscount, receipt.TypePayment, receipt.TypeOrder:
			out = b.leafPiece(out, from, i, p)
		}
	}
	if p.Kind == crdt.KindItem && (p.Type == receipt.TypeReceipt || len(p.Objects)+len(p.Registers) > 0) {
		out = b.settle(out, from, p)
	}
	return out
}

// take merges a piece into a document and reports whether that changed anything. An object that a reader may have seen
// is copied first.
func (b *Book) take(d *doc, from crdt.Origin, i int, p *crdt.Piece) bool {
	switch {
	case d.obj == nil:
		d.obj, d.round = new(crdt.Object), b.round
	case d.round != b.round:
		d.obj, d.round = clone(d.obj), b.round
	}
	if p.Kind == crdt.KindItem {
		taken := d.obj.Apply(from, i, p).Taken
		if taken && d.obj.Items[0].Origin.Dot == from.Dot {
			d.raw = slices.Clone(p.Raw)
		}
		return taken
	}
	// The bytes of the piece are part of a frame that would stay in memory as long as they do.
	own := *p
	own.Raw = slices.Clone(p.Raw)
	ch := d.obj.Apply(from, i, &own)
	return ch.Taken || len(ch.Dropped) > 0
}

func clone(o *crdt.Object) *crdt.Object {
	c := *o
	c.Items = slices.Clone(o.Items)
	c.Registers = slices.Clone(o.Registers)
	for i := range c.Registers {
		c.Registers[i].Siblings = slices.Clone(c.Registers[i].Siblings)
	}
	return &c
}

func (b *Book) tabPiece(out []Change, from crdt.Origin, i int, p *crdt.Piece) []Change {
	t := b.tab(p.Object)
	wasOpen := t.obj != nil && t.obj.Value(receipt.RegisterHead) != nil
	before := b.end(t).id
	if !b.take(&t.doc, from, i, p) {
		return out
	}
	b.placeTab(t)
	now := b.touch(t)
	what := Renamed
	switch {
	case p.Name == receipt.RegisterHead && !wasOpen:
		what = Opened
	case p.Name == receipt.RegisterClaim:
		what = Claimed
	case p.Name == receipt.RegisterMerge:
		if what = Moved; before != now {
			out = append(out, Change{Kind: KindTab, Tab: before, What: Moved})
		}
	}
	return append(out, Change{Kind: KindTab, Tab: now, What: what})
}

func (b *Book) placeTab(t *tab) {
	var into *tab
	if id, merged := receipt.MergedInto(t.obj); merged {
		into = b.tab(id)
	}
	b.merge(t, into)
}

func (b *Book) linePiece(out []Change, from crdt.Origin, i int, p *crdt.Piece) []Change {
	l := b.line(p.Object)
	before := l.tab
	var was crdt.ObjectID
	if before != nil {
		was = b.end(before).id
	}
	if !b.take(&l.doc, from, i, p) {
		return out
	}
	b.placeLine(l)
	if l.tab == nil {
		return out // half of it is still on the way
	}
	now := b.touch(l.tab)
	switch {
	case before == nil:
		out = append(out, Change{Kind: KindTab, Tab: now, What: LineAdded, Line: l.id})
	case p.Kind == crdt.KindRegister:
		if was != now {
			out = append(out, Change{Kind: KindTab, Tab: was, What: Moved, Line: l.id})
		}
		out = append(out, Change{Kind: KindTab, Tab: now, What: Moved, Line: l.id})
	}
	return out
}

func (b *Book) placeLine(l *line) {
	var to *tab
	if l.hasItem() {
		if loc, err := receipt.ParseLocation(l.obj.Value(receipt.RegisterLocation)); err == nil {
			to = b.tab(loc.Tab)
		}
	}
	b.put(l, to)
}

func (b *Book) leafPiece(out []Change, from crdt.Origin, i int, p *crdt.Piece) []Change {
	x := b.leaf(p.Type, p.Object)
	if x.typ != p.Type || !b.take(&x.doc, from, i, p) { // one ID for two types is nobody's document
		return out
	}
	was := x.tab
	b.placeLeaf(x)
	if was != nil && was != x.tab {
		out = append(out, Change{Kind: KindTab, Tab: b.touch(was), What: Moved})
	}
	ch := Change{Kind: KindTab, What: Voided}
	switch x.typ {
	case receipt.TypeDiscount:
		ch.What = Discounted
	case receipt.TypePayment:
		ch.What = Paid
	case receipt.TypeOrder:
		ch.What = Ordered
	}
	if x.line != nil {
		ch.Line, ch.Tab = x.line.id, b.touch(x.line.tab)
	} else {
		ch.Tab = b.touch(x.tab)
	}
	return append(out, ch)
}

// placeLeaf hangs a leaf where its value says.
func (b *Book) placeLeaf(x *leaf) {
	var on *line
	var at *tab
	var target crdt.ObjectID
	var onTab bool
	if target, onTab, x.err = targetOf(x); !target.IsZero() {
		if onTab {
			at = b.tab(target)
		} else {
			on = b.line(target)
		}
	}
	b.hang(x, on, at)
}

// targetOf reads what a leaf is on; zero if the part of it that says so is not here.
func targetOf(x *leaf) (target crdt.ObjectID, onTab bool, err error) {
	if x.typ == receipt.TypeDiscount {
		raw := x.obj.Value(receipt.RegisterValue)
		if raw == nil {
			return target, false, nil
		}
		d, err := receipt.ParseDiscount(raw)
		return d.Target, d.On == receipt.OnTab, err
	}
	if !x.hasItem() {
		return target, false, nil
	}
	switch x.typ {
	case receipt.TypePayment:
		p, err := receipt.ParsePayment(x.raw)
		if to, moved := handover.PaymentTab(x.obj); moved {
			p.Tab = to
		}
		return p.Tab, true, err
	case receipt.TypeOrder:
		o, err := receipt.ParseOrder(x.raw)
		return o.Tab, true, err
	}
	v, err := receipt.ParseVoid(x.raw)
	return v.Line, false, err
}
