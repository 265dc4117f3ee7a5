package book

import (
	"cmp"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// State is what a tab of the book is.
type State string

// The states.
const (
	StateOpen         State = "open"
	StateContinuation State = "continuation" // lines came for a tab that was closed, or is not here yet
)

// Summary is a tab in a list.
type Summary struct {
	ID        crdt.ObjectID
	State     State
	Name      string
	User      string // who opened it
	Till      crdt.TillID
	OpenedMS  int64 // Unix milliseconds
	ChangedMS int64 // highest stamp of its parts, Unix milliseconds
	Shared    bool
	Holder    receipt.Holder
	Currency  string
	Lines     int
	Total     receipt.Amount
	Due       receipt.Amount
	Conflicts int  // registers that wait for a decision
	Blocked   bool // it cannot be closed as it is; the view says why
}

// Parts returns what a tab consists of, for a view or a closing, and false if there is no such tab. The ID of a tab that
// was merged into another leads to that one. The objects must not be changed.
func (b *Book) Parts(id crdt.ObjectID) (receipt.Parts, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p, _, ok := b.parts(id)
	return p, ok
}

// Tab returns what to show of a tab and what it is; false if there is no such tab. The ID of a tab that was merged into
// another leads to that one, whose ID the view has.
func (b *Book) Tab(id crdt.ObjectID) (receipt.TabView, State, bool) {
	b.mu.Lock()
	p, state, ok := b.parts(id)
	b.mu.Unlock()
	if !ok {
		return receipt.TabView{}, "", false
	}
	return receipt.View(p), state, true
}

// End returns the tab that a tab is shown as: itself, or the one at the end of the merges.
func (b *Book) End(id crdt.ObjectID) crdt.ObjectID {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.tabs[id]; t != nil {
		return b.end(t).id
	}
	return id
}

// Line returns the tab that a live line is on now, and whether there is such a line.
func (b *Book) Line(id crdt.ObjectID) (tab crdt.ObjectID, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.lines[id]
	if l == nil || l.tab == nil {
		return crdt.ObjectID{}, false
	}
	return b.end(l.tab).id, true
}

// LineCount returns how many lines are on a tab, voided ones included, and whether there is such a tab.
func (b *Book) LineCount(id crdt.ObjectID) (int, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tabs[id]
	if t == nil {
		return 0, false
	}
	n := 0
	e := b.end(t)
	for _, m := range tree(e) {
		n += len(m.lines)
	}
	return n, n > 0 || e.obj != nil
}

// Training reports whether a tab is for practice. Of one that was closed before, only its lines know.
func (b *Book) Training(id crdt.ObjectID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := b.tabs[id]
	if t == nil {
		return false
	}
	e := b.end(t)
	if e.obj != nil {
		if raw := e.obj.Value(receipt.RegisterHead); raw != nil {
			head, err := receipt.ParseHead(raw)
			return err == nil && head.Training
		}
	}
	for _, m := range tree(e) {
		for _, l := range m.lines {
			if x, err := receipt.ParseLine(l.raw); err == nil && x.Training {
				return true
			}
		}
	}
	return false
}

// Len returns how many tabs there are.
func (b *Book) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, t := range b.tabs {
		if b.present(t) {
			n++
		}
	}
	return n
}

// Tabs lists all tabs, the oldest first. Only what changed since the last call is computed again.
func (b *Book) Tabs() []Summary {
	type stale struct {
		t       *tab
		version uint64
		parts   receipt.Parts
		state   State
		at      int // in the result
	}
	b.mu.Lock()
	var todo []stale
	var out []Summary
	for _, t := range b.tabs {
		if !b.present(t) {
			continue
		}
		if t.computed != t.version {
			p, state, _ := b.parts(t.id)
			todo = append(todo, stale{t, t.version, p, state, len(out)})
		}
		out = append(out, t.summary)
	}
	b.mu.Unlock()
	for _, s := range todo {
		out[s.at] = summarize(receipt.View(s.parts), s.state)
	}
	b.mu.Lock()
	for _, s := range todo {
		if s.t.version == s.version {
			s.t.summary, s.t.computed = out[s.at], s.version
		}
	}
	b.mu.Unlock()
	slices.SortFunc(out, func(x, y Summary) int { return cmp.Or(cmp.Compare(x.OpenedMS, y.OpenedMS), x.ID.Compare(y.ID)) })
	return out
}

func summarize(v receipt.TabView, state State) Summary {
	return Summary{
		ID: v.ID, State: state, Name: v.Head.Name, User: v.Head.User, Till: v.Head.Till, OpenedMS: v.Head.OpenedMS,
		ChangedMS: v.ChangedMS, Shared: v.Head.Shared, Holder: v.Holder, Currency: v.Currency, Lines: len(v.Lines),
		Total: v.Totals.Gross, Due: v.Due, Conflicts: len(v.Conflicts), Blocked: v.Err != nil,
	}
}

// tree returns a tab and all that were merged into it, directly or not.
func tree(end *tab) []*tab {
	all := []*tab{end}
	for i := 0; i < len(all); i++ {
		for _, t := range all[i].from {
			if t != end { // the only way back is through the end of a cycle
				all = append(all, t)
			}
		}
	}
	return all
}

// present reports whether a tab is one of its own: it is here, or lines are, and it was not merged into another.
func (b *Book) present(t *tab) bool {
	if b.end(t) != t {
		return false
	}
	return t.obj != nil || slices.ContainsFunc(tree(t), func(m *tab) bool { return len(m.lines) > 0 })
}

func (b *Book) parts(id crdt.ObjectID) (p receipt.Parts, state State, ok bool) {
	t := b.tabs[id]
	if t == nil {
		return p, "", false
	}
	if t = b.end(t); !b.present(t) {
		return p, "", false
	}
	state = StateContinuation
	if t.obj != nil {
		state = StateOpen
	}
	p.Tab = t.part()
	for _, m := range tree(t) {
		if m != t {
			p.Merged = append(p.Merged, m.part())
		}
		for _, l := range m.lines {
			p.Lines = append(p.Lines, l.part())
			addLeaves(&p, l.leaves)
		}
		addLeaves(&p, m.leaves)
	}
	return p, state, true
}

func addLeaves(p *receipt.Parts, leaves []*leaf) {
	for _, x := range leaves {
		switch x.typ {
		case receipt.TypeVoid:
			p.Voids = append(p.Voids, x.part())
		case receipt.TypeDiscount:
			p.Discounts = append(p.Discounts, x.part())
		case receipt.TypePayment:
			p.Payments = append(p.Payments, x.part())
		case receipt.TypeOrder:
			p.Orders = append(p.Orders, x.part())
		}
	}
}
