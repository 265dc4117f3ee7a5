package simulation

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

type scopedDot struct {
	scope crdt.Scope
	dot   crdt.Dot
}

// record is a commit that is durable somewhere, or may be.
type record struct {
	commit *crdt.Commit
	writer *till
	unsure bool // the write's outcome is unknown until the writer starts again
	acked  bool
}

// oracle knows every commit. A store has to be what crdt.State becomes from exactly the commits in its context: then
// whatever is missing in it was superseded by something it holds, whatever order things came in.
type oracle struct {
	records []*record // in the order of writing, so that a run can be repeated
	byDot   map[scopedDot]*record
	last    map[scopedDot]crdt.Seq // by scope and replica: the highest number written
}

func newOracle() *oracle {
	return &oracle{byDot: make(map[scopedDot]*record), last: make(map[scopedDot]crdt.Seq)}
}

func (o *oracle) count() int { return len(o.records) }

// writing notes the own commits of a batch before it is written.
func (o *oracle) writing(w *world, t *till, ops []replication.Op) {
	for i := range ops {
		c := ops[i].Commit
		if c == nil || !ops[i].Own {
			continue
		}
		who := scopedDot{c.Scope, crdt.Dot{Replica: c.Dot.Replica}}
		if c.Dot.Seq <= o.last[who] {
			w.fail("till %d uses number %v of %v again, %v was the last", t.n, c.Dot, c.Scope, o.last[who])
		}
		pred, prev := o.head(c.Scope, c.Dot.Replica)
		if c.Pred != pred || c.Prev != prev || c.Dot.Seq.Boot() == pred.Boot() && c.Dot.Seq != pred+1 {
			w.fail("till %d writes %v of %v behind %v, the commit before it is %v", t.n, c.Dot, c.Scope, c.Pred, pred)
		}
		o.last[who] = c.Dot.Seq
		r := &record{commit: c, writer: t, unsure: true}
		o.records = append(o.records, r)
		o.byDot[scopedDot{c.Scope, c.Dot}] = r
		w.note('c', t.n, c.Bytes())
		w.trace("till %d writes %v of %v", t.n, c.Dot, c.Scope)
	}
}

// head returns the last commit that a replica wrote in a scope.
func (o *oracle) head(scope crdt.Scope, replica crdt.ReplicaID) (seq crdt.Seq, hash crdt.Hash) {
	for _, r := range slices.Backward(o.records) {
		if r.commit.Scope == scope && r.commit.Dot.Replica == replica {
			return r.commit.Dot.Seq, r.commit.Hash()
		}
	}
	return 0, crdt.Hash{}
}

// forget removes commits that were never written. Their numbers may come again only if nobody can have seen them.
func (o *oracle) forget(lost func(*record) bool) {
	o.records = slices.DeleteFunc(o.records, func(r *record) bool {
		if !lost(r) {
			return false
		}
		delete(o.byDot, scopedDot{r.commit.Scope, r.commit.Dot})
		return true
	})
}

// written checks the store after a batch.
func (o *oracle) written(w *world, t *till, ops []replication.Op, applied replication.Applied, err error) {
	own := func(r *record) bool { return r.writer == t && r.unsure }
	switch {
	case errors.Is(err, rows.ErrFailed):
		return
	case err != nil:
		o.forget(own)
		for i := range ops {
			if c := ops[i].Commit; c != nil && ops[i].Own {
				who := scopedDot{c.Scope, crdt.Dot{Replica: c.Dot.Replica}}
				o.last[who] = min(o.last[who], c.Dot.Seq-1)
			}
		}
		return
	}
	for _, r := range o.records {
		if own(r) {
			r.unsure = false
		}
	}
	o.follow(w, t, applied.Grown)
	o.compare(w, t)
	o.touched(w, t, ops)
	if w.rand.IntN(16) == 0 {
		o.recount(w, t)
	}
	if len(o.records) > 0 && w.rand.IntN(8) == 0 {
		r := o.records[w.rand.IntN(len(o.records))]
		for _, id := range t.core.Holders(r.commit.Scope, r.commit.Dot) {
			for _, other := range w.tills {
				if other.id == id && !other.durable(r.commit.Scope).Has(r.commit.Dot) {
					w.fail("till %d believes that till %d holds %v of %v", t.n, other.n, r.commit.Dot, r.commit.Scope)
				}
			}
		}
	}
}

// follow brings the reference up to what the store's context says it holds.
func (o *oracle) follow(w *world, t *till, grown map[crdt.Scope]crdt.Context) {
	left := make(map[crdt.Scope]crdt.Context, len(grown))
	for scope, c := range grown {
		left[scope] = c.Clone()
	}
	for _, r := range o.records {
		c := r.commit
		id := scopedDot{c.Scope, c.Dot}
		if !grown[c.Scope].Has(c.Dot) || t.applied[id] {
			continue
		}
		t.applied[id] = true
		t.ref.Apply(c)
	}
	for _, r := range o.records {
		if c := r.commit; len(left[c.Scope]) > 0 {
			left[c.Scope] = left[c.Scope].Minus(crdt.Context{c.Dot.Replica: {c.Interval()}})
		}
	}
	for scope, c := range left {
		if len(c) > 0 {
			w.fail("till %d holds commits of %v that nobody wrote: %v", t.n, scope, c)
		}
	}
}

// compare checks that exactly the right pieces are live in the store.
func (o *oracle) compare(w *world, t *till) {
	digests := t.store.Digests()
	for _, scope := range scopes {
		if digests[scope] != t.ref.Digests[scope] {
			w.fail("till %d: the live pieces of %v are not what its context says", t.n, scope)
		}
	}
}

// touched checks the objects that a batch wrote.
func (o *oracle) touched(w *world, t *till, ops []replication.Op) {
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
				o.object(w, t, key)
			}
		}
	}
}

// object checks one object: siblings pairwise concurrent, items as they were written.
func (o *oracle) object(w *world, t *till, key crdt.Key) {
	object, err := t.store.Object(context.Background(), key)
	if err != nil {
		w.fail("till %d does not read %s %v: %v", t.n, key.Type, key.Object, err)
		return
	}
	for _, reg := range object.Registers {
		for _, a := range reg.Siblings {
			r := o.byDot[scopedDot{key.Scope, a.Origin.Dot}]
			if r == nil {
				w.fail("till %d shows a value of %v that nobody wrote: %v", t.n, key.Object, a.Origin.Dot)
				return
			}
			for _, b := range reg.Siblings {
				if a.Origin.Dot != b.Origin.Dot && r.commit.Pieces[a.Piece].Clock.Covers(b.Origin.Dot) {
					w.fail("till %d: in register %s of %v, %v replaces %v but both are live", t.n, reg.Name, key.Object,
						a.Origin.Dot, b.Origin.Dot)
				}
			}
		}
	}
	if object.Alarm() {
		w.fail("till %d: item %v has two contents", t.n, key.Object)
	}
	for _, item := range object.Items {
		r := o.byDot[scopedDot{key.Scope, item.Origin.Dot}]
		if r == nil {
			w.fail("till %d holds an item of %v that nobody wrote", t.n, item.Origin.Dot)
			return
		}
		hash := r.commit.Pieces[item.Piece].Hash()
		if item.Hash != [16]byte(hash[:16]) {
			w.fail("till %d: item %v is not what was written", t.n, key.Object)
		}
		if !w.healed && w.rand.IntN(8) > 0 {
			continue // reading all bytes every time would take half of the run
		}
		p, err := t.store.Piece(context.Background(), key.Scope, item.Ref)
		if err != nil || p == nil || string(p.Raw) != string(r.commit.Pieces[item.Piece].Raw) {
			w.fail("till %d: item %v is not what was written (%v)", t.n, key.Object, err)
		}
	}
}

func (o *oracle) recount(w *world, t *till) {
	for _, scope := range scopes {
		d, err := t.store.Recount(context.Background(), scope)
		if err != nil || d != t.store.Digests()[scope] {
			w.fail("till %d: the digest of %v is not that of its objects (%v)", t.n, scope, err)
		}
	}
}

// durable returns what a power cut now would leave of a scope's context.
func (t *till) durable(scope crdt.Scope) crdt.Context {
	if t.kept == nil {
		if t.kept = t.w.oracle.kept(t.w, t); t.kept == nil {
			return nil
		}
	}
	return t.kept[scope]
}

func (o *oracle) kept(w *world, t *till) map[crdt.Scope]crdt.Context {
	disk, err := t.disk.Clone().Open()
	if err == nil {
		var s *store.Store
		if s, err = store.Open(context.Background(), disk); err == nil {
			return s.Contexts()
		}
	}
	w.fail("till %d: what is durable cannot be read: %v", t.n, err)
	return nil
}

// acknowledged notes that somebody was told that a change is safe.
func (o *oracle) acknowledged(w *world, t *till, c *crdt.Commit) {
	t.noted = max(t.noted, t.counterDurable())
	if c == nil {
		return
	}
	r := o.byDot[scopedDot{c.Scope, c.Dot}]
	switch {
	case r == nil || r.unsure:
		w.fail("till %d acknowledges %v of %v, which was not written", t.n, c.Dot, c.Scope)
	case !t.durable(c.Scope).Has(c.Dot):
		w.fail("till %d acknowledges %v of %v, which a power cut would lose", t.n, c.Dot, c.Scope)
	default:
		r.acked = true
	}
}

// counterDurable returns the value of the note in the store.
func (t *till) counterDurable() uint64 {
	got, err := t.store.Notes(context.Background(), noteKey)
	if err != nil || len(got[0]) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(got[0])
}

// told checks that a message says nothing that a power cut now would make untrue.
func (o *oracle) told(w *world, t *till, m wire.Message) {
	check := func(scope crdt.Scope, entries crdt.Context) {
		if !t.durable(scope).Covers(entries) {
			w.fail("till %d tells of commits in %v that a power cut would lose: %v", t.n, scope,
				entries.Minus(t.durable(scope)))
		}
	}
	commits := func(list [][]byte) {
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				w.fail("till %d sends a commit that cannot be read: %v", t.n, err)
				return
			}
			check(c.Scope, crdt.Context{c.Dot.Replica: {{After: c.Dot.Seq - 1, To: c.Dot.Seq}}})
			if r := o.byDot[scopedDot{c.Scope, c.Dot}]; r == nil || string(r.commit.Bytes()) != string(raw) {
				w.fail("till %d sends %v of %v otherwise than it was written", t.n, c.Dot, c.Scope)
			}
		}
	}
	switch m := m.(type) {
	case *wire.Context:
		check(m.Scope, m.Entries)
	case *wire.Have:
		check(m.Scope, m.Entries)
	case *wire.End:
		check(crdt.Scope{}, nil)
	case *wire.Push:
		commits(m.List)
	case *wire.Commits:
		commits(m.List)
	}
}

// started checks the store of a till that came back and learns what became of its last writes.
func (o *oracle) started(w *world, t *till) {
	contexts := t.store.Contexts()
	o.forget(func(r *record) bool {
		if r.writer != t {
			return false
		}
		held := contexts[r.commit.Scope].Has(r.commit.Dot)
		if !held && !r.unsure {
			w.fail("till %d lost %v of %v, acknowledged %v", t.n, r.commit.Dot, r.commit.Scope, r.acked)
		}
		lost := !held && r.unsure
		r.unsure = false
		return lost
	})
	if n := t.counterDurable(); n < t.noted {
		w.fail("till %d acknowledged note %d and has %d", t.n, t.noted, n)
	}
	t.ref, t.applied = crdt.NewState(), make(map[scopedDot]bool)
	o.follow(w, t, contexts)
	o.compare(w, t)
}

// atRest checks that all tills hold the same, and exactly what was written.
func (o *oracle) atRest(w *world) {
	if w.err != nil {
		return
	}
	want := crdt.NewState()
	for _, r := range o.records {
		want.Apply(r.commit)
	}
	for _, t := range w.tills {
		o.recount(w, t)
		contexts, digests := t.store.Contexts(), t.store.Digests()
		for _, scope := range scopes {
			if digests[scope] != want.Digests[scope] || t.core.Digest(scope) != digests[scope] {
				w.fail("at rest, till %d does not hold the live pieces of %v", t.n, scope)
			}
			if !contexts[scope].Equal(t.core.Context(scope)) && len(contexts[scope])+len(t.core.Context(scope)) > 0 {
				w.fail("at rest, the core of till %d does not know its store", t.n)
			}
			if !contexts[scope].Covers(want.Contexts[scope]) {
				w.fail("at rest, till %d lacks of %v: %v", t.n, scope, want.Contexts[scope].Minus(contexts[scope]))
			}
			if !contexts[scope].Equal(w.tills[0].core.Context(scope)) && len(contexts[scope]) > 0 {
				w.fail("at rest, till %d has another context of %v than till 0", t.n, scope)
			}
		}
		for key, object := range want.Objects {
			got, err := t.store.Object(context.Background(), key)
			if err != nil || !same(got, object) {
				w.fail("at rest, till %d shows %s %v of %v as %+v, it is %+v (%v)", t.n, key.Type, key.Object, key.Scope, got,
					object, err)
				return
			}
			o.object(w, t, key)
		}
	}
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

// dots lists commits for the trace.
func dots(list [][]byte) string {
	var out string
	for _, raw := range list {
		if c, err := crdt.DecodeCommit(raw); err == nil {
			out += fmt.Sprintf("%v@%v ", c.Dot, c.Scope)
		}
	}
	return out
}
