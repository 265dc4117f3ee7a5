package simulation

import (
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// checks are what the oracle keeps about the data disk of a machine.
type checks struct {
	ref     *crdt.State // what the store ought to hold
	applied map[*record]bool
	unsure  []*record
	kept    map[crdt.Scope]crdt.Context // what a power cut now would leave; nil: not looked up yet
	lossy   bool                        // the disk may lose what was durable, as planned
	relapse bool                        // it came back with less than it had: others learn of that in time
	damaged bool                        // rows are gone or wrong that the store believes in
}

func newChecks() *checks { return &checks{ref: crdt.NewState(), applied: make(map[*record]bool)} }

func sortedScopes[V any](m map[crdt.Scope]V) []crdt.Scope {
	out := make([]crdt.Scope, 0, len(m))
	for s := range m {
		out = append(out, s)
	}
	slices.SortFunc(out, crdt.Scope.Compare)
	return out
}

// follow brings the reference up to what the store's context says it holds.
func (o *oracle) follow(m *Machine, grown map[crdt.Scope]crdt.Context) {
	for _, scope := range sortedScopes(grown) {
		for _, replica := range grown[scope].Replicas() {
			for _, run := range grown[scope][replica] {
				o.followRun(m, scope, replica, run)
			}
		}
	}
}

func (o *oracle) followRun(m *Machine, scope crdt.Scope, replica crdt.ReplicaID, run crdt.Interval) {
	chain := o.chains[scopedReplica{scope, replica}]
	first, _ := find(chain, run.After+1)
	left := (crdt.Context{replica: {run}}).Minus(o.known[scope])
	left[replica] = slices.DeleteFunc(left[replica], betweenStarts)
	if len(left[replica]) > 0 {
		m.w.Fail("%s holds commits of %v that nobody wrote: %v", m.name, scope, left)
	}
	for _, r := range chain[first:] {
		if r.commit.Dot.Seq > run.To {
			break
		}
		if !m.check.applied[r] && !o.givenUp(m, r) {
			m.check.applied[r] = true
			m.check.ref.Apply(r.commit)
		}
	}
}

// givenUp reports whether a commit was given up: all that held it were lost, and tills that agreed on that may have it in their
// contexts now, to be asked for by nobody. If one turns up again it counts as before.
func (o *oracle) givenUp(m *Machine, r *record) bool {
	if !r.excused || m.life == nil {
		return false
	}
	list, err := m.life.opened.Store.ByDot(background, r.commit.Scope, []crdt.Dot{r.commit.Dot})
	r.excused = err == nil && len(list) == 0
	return r.excused
}

// betweenStarts reports whether a run ends just before the first number of a start: there is nothing up to the end of the
// start before, and tills that agreed on that join the two.
func betweenStarts(run crdt.Interval) bool { return run.To.K() == 0 }

// compare checks that exactly the right pieces are live in the store.
func (o *oracle) compare(l *Life) {
	digests := l.opened.Store.Digests()
	for _, scope := range sortedScopes(l.m.check.ref.Contexts) {
		if digests[scope] != l.m.check.ref.Digests[scope] {
			l.w.Fail("%s: the live pieces of %v are not what its context says", l.m.name, scope)
		}
	}
}

// touched checks the objects that a batch wrote.
func (o *oracle) touched(l *Life, ops []replication.Op) {
	seen := make(map[crdt.Key]bool)
	for i := range ops {
		c := ops[i].Commit
		if c == nil {
			continue
		}
		for j := range c.Pieces {
			key := crdt.Key{Scope: c.Scope, Type: c.Pieces[j].Type, Object: c.Pieces[j].Object}
			if !seen[key] {
				seen[key] = true
				o.object(l, key, false)
			}
		}
	}
}

// object checks one object: siblings pairwise concurrent, items as they were written. Whole reads every byte.
func (o *oracle) object(l *Life, key crdt.Key, whole bool) {
	st, ok := l.opened.Store.(reader)
	if !ok {
		return
	}
	object, err := st.Object(background, key)
	if err != nil {
		l.w.Fail("%s does not read %s %v: %v", l.m.name, key.Type, key.Object, err)
		return
	}
	for i := range object.Registers {
		o.register(l, key, &object.Registers[i])
	}
	if object.Alarm() && key.Scope != crdt.Shop {
		l.w.Fail("%s: item %v has two contents", l.m.name, key.Object)
	}
	for _, item := range object.Items {
		r := o.record(key.Scope, item.Origin.Dot)
		if r == nil {
			l.w.Fail("%s holds an item of %v that nobody wrote", l.m.name, item.Origin.Dot)
			return
		}
		hash := r.commit.Pieces[item.Piece].Hash()
		if item.Hash != [16]byte(hash[:16]) {
			l.w.Fail("%s: item %v is not what was written", l.m.name, key.Object)
		}
		if !whole && l.w.rand.IntN(8) > 0 {
			continue // reading all bytes every time would take half of the run
		}
		p, err := st.Piece(background, key.Scope, item.Ref)
		if err != nil || p == nil || string(p.Raw) != string(r.commit.Pieces[item.Piece].Raw) {
			l.w.Fail("%s: item %v is not what was written (%v)", l.m.name, key.Object, err)
		}
	}
}

func (o *oracle) register(l *Life, key crdt.Key, reg *crdt.Register) {
	for _, a := range reg.Siblings {
		r := o.record(key.Scope, a.Origin.Dot)
		if r == nil {
			l.w.Fail("%s shows a value of %v that nobody wrote: %v", l.m.name, key.Object, a.Origin.Dot)
			return
		}
		for _, b := range reg.Siblings {
			if a.Origin.Dot != b.Origin.Dot && r.commit.Pieces[a.Piece].Clock.Covers(b.Origin.Dot) {
				l.w.Fail("%s: in register %s of %v, %v replaces %v but both are live", l.m.name, reg.Name, key.Object,
					a.Origin.Dot, b.Origin.Dot)
			}
		}
	}
}

func (o *oracle) recount(l *Life) {
	st, ok := l.opened.Store.(reader)
	if !ok {
		return
	}
	digests := l.opened.Store.Digests()
	for _, scope := range sortedScopes(l.m.check.ref.Contexts) {
		if d, err := st.Recount(background, scope); err != nil || d != digests[scope] {
			l.w.Fail("%s: the digest of %v is not that of its objects (%v)", l.m.name, scope, err)
		}
		if kept, found, err := st.RecountDormant(background, scope); err != nil || kept != found {
			l.w.Fail("%s: the sum over what is dormant in %v is not that of its rows (%v)", l.m.name, scope, err)
		}
	}
}

// durable returns what a power cut now would leave of a scope's context. It must not be changed.
func (m *Machine) durable(scope crdt.Scope) crdt.Context {
	if m.check.kept == nil {
		if m.life == nil && m.rested != nil {
			m.check.kept = m.rested
		} else if m.life != nil && (m.life.opened.Elsewhere || m.data.Durable()) {
			m.check.kept = m.life.opened.Store.Contexts()
		} else {
			m.check.kept = m.openDurable()
		}
	}
	return m.check.kept[scope]
}

func (m *Machine) openDurable() map[crdt.Scope]crdt.Context {
	disk, err := m.data.Clone().Open()
	if err == nil {
		var s *store.Store
		if s, err = store.Open(background, disk); err == nil {
			return s.Contexts()
		}
	}
	if !m.check.damaged {
		m.w.Fail("%s: what is durable cannot be read: %v", m.name, err)
	}
	return map[crdt.Scope]crdt.Context{}
}

// started checks the store of a till that came back and learns what became of its last writes.
func (o *oracle) started(l *Life) {
	m, contexts := l.m, l.opened.Store.Contexts()
	o.adopt(l, contexts)
	for _, r := range m.check.unsure {
		r.unsure = false
		if !contexts[r.commit.Scope].Has(r.commit.Dot) {
			o.forget(r)
		}
	}
	before := m.check
	m.check = newChecks()
	m.check.damaged, m.check.lossy = before.damaged, m.lies
	m.check.relapse = before.relapse || before.lossy
	o.all(func(r *record) bool {
		if !before.applied[r] || contexts[r.commit.Scope].Has(r.commit.Dot) {
			return true
		}
		if !before.lossy {
			l.w.Fail("%s lost %v of %v, acknowledged %v", m.name, r.commit.Dot, r.commit.Scope, r.acked)
		}
		o.excuse(m, r)
		return true
	})
	o.follow(m, contexts)
	if !o.damaged {
		o.compare(l)
	}
}

// crashed notes what a power cut took from a disk that had lied.
func (o *oracle) crashed(m *Machine) {
	m.check.kept = nil
	if m.check.lossy {
		o.reckon(m)
	}
}

// lost notes that a machine may have lost what was on its data disk, as planned.
func (o *oracle) lost(m *Machine, why string) {
	m.w.Trace("%s may lose what only it held: %s", m.name, why)
	m.check.lossy, m.check.kept = true, nil
	if m.life == nil {
		o.reckon(m)
	}
}

// reckon excuses what a machine no longer holds.
func (o *oracle) reckon(m *Machine) {
	o.all(func(r *record) bool {
		held := m.check.applied[r] || slices.Contains(m.check.unsure, r)
		if held && (m.gone || !m.durable(r.commit.Scope).Has(r.commit.Dot)) {
			o.excuse(m, r)
		}
		return true
	})
}

// excuse notes that a commit may be gone for good: its last holder lost it.
func (o *oracle) excuse(loser *Machine, r *record) {
	for _, m := range loser.w.machines {
		if m != loser && !m.gone && m.durable(r.commit.Scope).Has(r.commit.Dot) {
			return
		}
	}
	r.excused = true
}

// copied begins the checks of a disk that is a copy of another one.
func (c *checks) copied(of *checks) { c.damaged = of.damaged }
