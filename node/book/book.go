package book

import (
	"slices"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Book is the open sales of a shop.
type Book struct {
	mu     sync.Mutex
	round  uint64 // of Load and Apply: objects made in this round were not seen by a reader yet
	tabs   map[crdt.ObjectID]*tab
	lines  map[crdt.ObjectID]*line
	leaves map[crdt.ObjectID]*leaf
	past   past
}

// New returns an empty book.
func New() *Book {
	return &Book{
		tabs: make(map[crdt.ObjectID]*tab), lines: make(map[crdt.ObjectID]*line), leaves: make(map[crdt.ObjectID]*leaf),
		past: newPast(),
	}
}

// doc is one document as it was merged.
type doc struct {
	id    crdt.ObjectID
	obj   *crdt.Object // nil: only other documents name it
	raw   []byte       // of the item with the lowest dot
	round uint64       // in which obj was made
}

func (d *doc) part() receipt.Part { return receipt.Part{ID: d.id, Object: d.obj, Item: d.raw} }

// part returns the line with its item parsed, which is done once.
func (l *line) part() receipt.Part {
	p := l.doc.part()
	if len(l.raw) == 0 {
		return p
	}
	if l.of != &l.raw[0] {
		l.parsed, l.of = nil, &l.raw[0]
		if v, err := receipt.ParseLine(l.raw); err == nil {
			l.parsed = &v
		}
	}
	p.Line = l.parsed
	return p
}

func (d *doc) hasItem() bool { return d.obj != nil && len(d.obj.Items) > 0 }

// tab is a tab, or what hangs on the ID of one that is not here.
type tab struct {
	doc
	into     *tab    // it was merged into that one
	from     []*tab  // that were merged into this one
	lines    []*line // put here, whose item is here too
	leaves   []*leaf // payments, and discounts on the tab
	version  uint64  // rises with every change of a tab that ends here
	summary  Summary
	computed uint64 // version of summary, 0: none
}

// line is a line, or what hangs on the ID of one that is not here.
type line struct {
	doc
	tab    *tab          // whose lines it is in; nil while the item or the location is missing
	parsed *receipt.Line // what the item says, once it was read; an item does not change
	of     *byte         // the item it was read from: another one with a lower dot may take its place
	at     int           // where in them
	leaves []*leaf
}

// leaf is a void, a discount or a payment: it hangs on a line or a tab.
type leaf struct {
	doc
	typ  string
	line *line
	tab  *tab
	err  error // why this program cannot tell what it hangs on
}

func (b *Book) tab(id crdt.ObjectID) *tab {
	t := b.tabs[id]
	if t == nil {
		t = &tab{doc: doc{id: id}}
		b.tabs[id] = t
	}
	return t
}

func (b *Book) line(id crdt.ObjectID) *line {
	l := b.lines[id]
	if l == nil {
		l = &line{doc: doc{id: id}}
		b.lines[id] = l
	}
	return l
}

func (b *Book) leaf(typ string, id crdt.ObjectID) *leaf {
	x := b.leaves[id]
	if x == nil {
		x = &leaf{doc: doc{id: id}, typ: typ}
		b.leaves[id] = x
	}
	return x
}

// dropTab forgets a tab on which nothing hangs any more.
func (b *Book) dropTab(t *tab) {
	if t != nil && t.obj == nil && t.into == nil && len(t.from)+len(t.lines)+len(t.leaves) == 0 {
		delete(b.tabs, t.id)
	}
}

func (b *Book) dropLine(l *line) {
	if l != nil && l.obj == nil && len(l.leaves) == 0 {
		delete(b.lines, l.id)
	}
}

// end returns the tab at the end of the merges.
func (b *Book) end(t *tab) *tab {
	if t.into == nil {
		return t
	}
	return b.tabs[receipt.ResolveTab(t.id, func(id crdt.ObjectID) (crdt.ObjectID, bool) {
		if into := b.tabs[id].into; into != nil {
			return into.id, true
		}
		return crdt.ObjectID{}, false
	})]
}

// touch notes a change of what a tab shows, and returns the ID under which it is shown; zero if it is nowhere.
func (b *Book) touch(t *tab) crdt.ObjectID {
	if t == nil {
		return crdt.ObjectID{}
	}
	e := b.end(t)
	e.version++
	return e.id
}

// merge puts a tab into another one, nil for none.
func (b *Book) merge(t, into *tab) {
	if t.into == into {
		return
	}
	b.touch(t)
	if old := t.into; old != nil {
		i := slices.Index(old.from, t)
		old.from = slices.Delete(old.from, i, i+1)
		t.into = nil
		b.dropTab(old)
	}
	if t.into = into; into != nil {
		into.from = append(into.from, t)
	}
	b.touch(t)
}

// put moves a line into the lines of a tab, nil for none.
func (b *Book) put(l *line, to *tab) {
	if l.tab == to {
		return
	}
	if old := l.tab; old != nil {
		b.touch(old)
		last := len(old.lines) - 1
		old.lines[l.at] = old.lines[last]
		old.lines[l.at].at = l.at
		old.lines[last] = nil
		old.lines = old.lines[:last]
		l.tab = nil
		b.dropTab(old)
	}
	if l.tab = to; to != nil {
		l.at = len(to.lines)
		to.lines = append(to.lines, l)
		b.touch(to)
	}
}

// hang puts a leaf on a line or a tab, both nil for neither.
func (b *Book) hang(x *leaf, on *line, at *tab) {
	if x.line == on && x.tab == at {
		return
	}
	without := func(list []*leaf) []*leaf {
		i := slices.Index(list, x)
		return slices.Delete(list, i, i+1)
	}
	if l := x.line; l != nil {
		b.touch(l.tab)
		l.leaves = without(l.leaves)
		x.line = nil
		b.dropLine(l)
	}
	if t := x.tab; t != nil {
		b.touch(t)
		t.leaves = without(t.leaves)
		x.tab = nil
		b.dropTab(t)
	}
	if x.line, x.tab = on, at; on != nil {
		on.leaves = append(on.leaves, x)
		b.touch(on.tab)
	}
	if at != nil {
		at.leaves = append(at.leaves, x)
		b.touch(at)
	}
}
