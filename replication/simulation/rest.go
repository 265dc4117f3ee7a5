package simulation

import (
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Patience is how long machines without faults may take until all are equal. Nearly always it is less than a second;
// what is lost without a cut has to wait for timers, some of which follow each other.
const Patience = 4 * time.Minute

// Equal reports whether these machines all run, hold the same, and have nothing left to write.
func (w *World) Equal(machines ...*Machine) bool {
	var first *Life
	for _, m := range machines {
		l := m.life
		if l == nil || l.writing || l.core.Waiting() > 0 {
			return false
		}
		if first == nil {
			first = l
		}
		for _, scope := range l.core.Scopes() { // cheaper than the hash, and nearly always enough to see a difference
			if l.core.Digest(scope) != first.core.Digest(scope) {
				return false
			}
		}
	}
	for _, m := range machines {
		if m.life.core.StateHash() != first.core.StateHash() {
			return false
		}
	}
	return true
}

// AwaitEqual runs the world until these machines are equal, and fails it if that takes longer than Patience. It returns
// how long it took.
func (w *World) AwaitEqual(machines ...*Machine) time.Duration {
	from := w.now
	if !w.RunUntil(Patience, func() bool { return w.Equal(machines...) }) && w.err == nil {
		w.Fail("the tills are not equal %v after the last fault: %s", Patience, differences(machines))
	}
	return w.now.Sub(from)
}

func differences(machines []*Machine) string {
	var out string
	for _, m := range machines {
		if m.life == nil {
			out += fmt.Sprintf("; %s is down", m.name)
			continue
		}
		out += fmt.Sprintf("; %s has state %x", m.name, m.life.core.StateHash())
		for _, s := range m.life.core.Scopes() {
			out += fmt.Sprintf(" %v: %v", s, m.life.core.Context(s))
		}
	}
	return out
}

// CheckAtRest checks that these machines, which are equal, hold exactly what was written: all of it that is not lost by
// plan or only on other machines, and nothing else.
func (w *World) CheckAtRest(machines ...*Machine) {
	if w.err != nil || len(machines) == 0 {
		return
	}
	want := w.oracle.expected(w, machines)
	first := machines[0].life
	for _, m := range machines {
		if w.err == nil && m.life != nil {
			w.oracle.restOf(m.life, first, want, machines)
		}
	}
}

// expected returns what the machines have to hold.
func (o *oracle) expected(w *World, machines []*Machine) *crdt.State {
	held := machines[0].life.opened.Store.Contexts()
	want := crdt.NewState()
	o.all(func(r *record) bool {
		c := r.commit
		elsewhere := func() bool {
			return slices.ContainsFunc(w.machines, func(m *Machine) bool {
				return !m.gone && !slices.Contains(machines, m) && m.durable(c.Scope).Has(c.Dot)
			})
		}
		if held[c.Scope].Has(c.Dot) && !o.givenUp(machines[0], r) || !r.excused && !elsewhere() {
			want.Apply(c)
		}
		return true
	})
	return want
}

func (o *oracle) restOf(l, first *Life, want *crdt.State, machines []*Machine) {
	w, name := l.w, l.m.name
	o.recount(l)
	contexts, digests := l.opened.Store.Contexts(), l.opened.Store.Digests()
	for _, scope := range sortedScopes(want.Contexts) {
		mine := contexts[scope]
		switch {
		case digests[scope] != want.Digests[scope] || l.core.Digest(scope) != digests[scope]:
			w.Fail("at rest, %s does not hold the live pieces of %v", name, scope)
		case !mine.Equal(l.core.Context(scope)) && len(mine)+len(l.core.Context(scope)) > 0:
			w.Fail("at rest, the core of %s does not know its store", name)
		case !mine.Covers(want.Contexts[scope]):
			w.Fail("at rest, %s lacks of %v: %v", name, scope, want.Contexts[scope].Minus(mine))
		case len(mine) > 0 && !mine.Equal(first.core.Context(scope)):
			w.Fail("at rest, %s has another context of %v than %s", name, scope, first.m.name)
		}
	}
	o.all(func(r *record) bool {
		for _, till := range l.core.Holders(r.commit.Scope, r.commit.Dot) {
			o.copy(l, r, till, machines)
		}
		return w.err == nil
	})
	st, ok := l.opened.Store.(reader)
	if !ok {
		return
	}
	for _, key := range sortedKeys(want.Objects) {
		object := want.Objects[key]
		got, err := st.Object(background, key)
		if err != nil || !same(got, object) {
			w.Fail("at rest, %s shows %s %v of %v as %+v, it is %+v (%v)", name, key.Type, key.Object, key.Scope, got, object, err)
			return
		}
		o.object(l, key, true)
	}
}

func sortedKeys(m map[crdt.Key]*crdt.Object) []crdt.Key {
	out := make([]crdt.Key, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.SortFunc(out, compareKeys)
	return out
}

func compareKeys(a, b crdt.Key) int {
	if c := a.Scope.Compare(b.Scope); c != 0 {
		return c
	}
	if a.Type != b.Type {
		if a.Type < b.Type {
			return -1
		}
		return 1
	}
	return a.Object.Compare(b.Object)
}

// same compares objects; whether an empty list is nil does not count.
func same(a, b *crdt.Object) bool {
	if a.Gone != b.Gone || a.By != b.By || len(a.Registers) != len(b.Registers) || !slices.Equal(a.Items, b.Items) {
		return false
	}
	for i := range a.Registers {
		x, y := &a.Registers[i], &b.Registers[i]
		equal := slices.EqualFunc(x.Siblings, y.Siblings, func(s, z crdt.Sibling) bool {
			return s.Ref == z.Ref && string(s.Raw) == string(z.Raw) && s.Erased == z.Erased
		})
		if x.Name != y.Name || !x.Clock.Equal(y.Clock) || !equal {
			return false
		}
	}
	return true
}

// CheckSilence runs the world for 70 s and checks that these machines, which are at rest, only say hello. A frame that
// arrives as late as in these 70 s is answered, and rightly: then they begin again.
func (w *World) CheckSilence(machines ...*Machine) {
	for strays := -1; strays != w.strays && w.err == nil; {
		strays = w.strays
		w.checkSilence(func() bool { return strays != w.strays }, machines)
	}
}

func (w *World) checkSilence(disturbed func() bool, machines []*Machine) {
	before := make(map[*Machine]int)
	for _, m := range machines {
		if m.life == nil {
			w.Fail("%s is down", m.name)
			return
		}
		before[m] = m.life.chatter
		m.life.hellos = 0
	}
	w.RunFor(70 * time.Second)
	if disturbed() {
		return
	}
	for _, m := range machines {
		l := m.life
		if l == nil || w.err != nil {
			w.Fail("%s went down although nothing happened", m.name)
			return
		}
		if l.chatter != before[m] {
			w.Fail("%s still sends %d messages that are no Hello", m.name, l.chatter-before[m])
		}
		// Every 30 s at least, on every link.
		if n := len(l.ends); l.hellos < n || l.hellos > 3*n {
			w.Fail("%s said hello %d times on %d links within 70 s", m.name, l.hellos, n)
		}
	}
}
