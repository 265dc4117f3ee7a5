package simulation

import (
	"cmp"
	"errors"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

type scopedDot struct {
	scope crdt.Scope
	dot   crdt.Dot
}

type scopedReplica struct {
	scope   crdt.Scope
	replica crdt.ReplicaID
}

// record is a commit that is durable somewhere, or may be.
type record struct {
	commit  *crdt.Commit
	unsure  bool // the write's outcome is unknown until the writer starts again
	acked   bool
	excused bool // the last machine that held it was lost, as planned
}

// oracle knows every commit. A store has to be what crdt.State becomes from exactly the commits in its context: then
// whatever is missing in it was superseded by something it holds, whatever order things came in.
type oracle struct {
	chains  map[scopedReplica][]*record // in the order of numbers
	last    map[scopedReplica]crdt.Seq  // the highest number that may have been used
	known   map[crdt.Scope]crdt.Context // what all the records together are
	items   map[crdt.Key]crdt.Hash      // what each item says
	size    int
	wild    bool // frames were lost, doubled or overtaken
	members bool // tills or lineages came or went since the shop began
	damaged bool // some store lacks rows that it claims to hold
	hurt    bool // that was so at any time
}

func newOracle() *oracle {
	return &oracle{
		chains: make(map[scopedReplica][]*record), last: make(map[scopedReplica]crdt.Seq),
		known: make(map[crdt.Scope]crdt.Context), items: make(map[crdt.Key]crdt.Hash),
	}
}

func (o *oracle) count() int { return o.size }

// record returns the commit under a dot, nil if nobody wrote one.
func (o *oracle) record(scope crdt.Scope, d crdt.Dot) *record {
	chain := o.chains[scopedReplica{scope, d.Replica}]
	if i, ok := find(chain, d.Seq); ok {
		return chain[i]
	}
	return nil
}

func find(chain []*record, seq crdt.Seq) (int, bool) {
	return slices.BinarySearchFunc(chain, seq, func(r *record, seq crdt.Seq) int { return cmp.Compare(r.commit.Dot.Seq, seq) })
}

// all yields every record in a fixed order.
func (o *oracle) all(yield func(*record) bool) {
	keys := slices.SortedFunc(maps.Keys(o.chains), func(a, b scopedReplica) int {
		return cmp.Or(a.scope.Compare(b.scope), a.replica.Compare(b.replica))
	})
	for _, key := range keys {
		for _, r := range o.chains[key] {
			if !yield(r) {
				return
			}
		}
	}
}

// writing notes the own commits of a batch before it is written.
func (o *oracle) writing(l *Life, ops []replication.Op) {
	for i := range ops {
		c := ops[i].Commit
		if c == nil || !ops[i].Own {
			continue
		}
		who := scopedReplica{c.Scope, c.Dot.Replica}
		if c.Dot.Replica != l.opened.Replica {
			l.w.Fail("%s runs as %v and writes %v", l.m.name, l.opened.Replica, c.Dot)
		}
		if c.Dot.Seq <= o.last[who] {
			l.w.Fail("%s uses number %v of %v again, %v was the last", l.m.name, c.Dot, c.Scope, o.last[who])
		}
		chain := o.chains[who]
		var pred crdt.Seq
		var prev crdt.Hash
		if n := len(chain); n > 0 {
			pred, prev = chain[n-1].commit.Dot.Seq, chain[n-1].commit.Hash()
		}
		if c.Pred != pred || c.Prev != prev || c.Dot.Seq.Boot() == pred.Boot() && c.Dot.Seq != pred+1 {
			l.w.Fail("%s writes %v of %v behind %v, the commit before it is %v", l.m.name, c.Dot, c.Scope, c.Pred, pred)
		}
		o.last[who] = c.Dot.Seq
		o.add(l.m, c)
		l.w.Note('c', l.m.n, c.Bytes())
		l.w.Trace("%s writes %v of %v", l.m.name, c.Dot, c.Scope)
	}
}

// add notes a commit that is about to be written.
func (o *oracle) add(m *Machine, c *crdt.Commit) {
	r := &record{commit: c, unsure: true}
	m.check.unsure = append(m.check.unsure, r)
	who := scopedReplica{c.Scope, c.Dot.Replica}
	at, _ := find(o.chains[who], c.Dot.Seq)
	o.chains[who] = slices.Insert(o.chains[who], at, r)
	o.size++
	if o.known[c.Scope] == nil {
		o.known[c.Scope] = make(crdt.Context)
	}
	o.known[c.Scope].Add(c.Dot.Replica, c.Interval())
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || c.Scope == crdt.Shop { // two tills may admit or revoke the same one
			continue
		}
		key := crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object}
		if before, known := o.items[key]; known && before != p.Hash() {
			m.w.Fail("%s writes item %s %v of %v with other contents than it had", m.name, p.Type, p.Object, c.Scope)
		}
		o.items[key] = p.Hash()
	}
}

// adopt takes commits as written that a store brought with it when it was opened: those that found a shop, join one or
// begin a lineage are written before the life begins.
func (o *oracle) adopt(l *Life, contexts map[crdt.Scope]crdt.Context) {
	for _, scope := range sortedScopes(contexts) {
		unknown := contexts[scope].Minus(o.known[scope])
		for at := (replication.Cursor{}); len(unknown) > 0 && !at.Done; {
			list, next, err := l.opened.Store.Live(background, scope, unknown, at, 1<<20)
			if err != nil {
				l.w.Fail("%s does not read what it began with: %v", l.m.name, err)
				return
			}
			at = next
			for _, raw := range list {
				c, err := crdt.DecodeCommit(raw)
				if err != nil {
					l.w.Fail("%s begins with a commit that cannot be read: %v", l.m.name, err)
					return
				}
				o.add(l.m, c)
				who := scopedReplica{c.Scope, c.Dot.Replica}
				o.last[who] = max(o.last[who], c.Dot.Seq)
			}
		}
	}
}

// forget removes a commit that was never written. Its number may come again only if nobody can have seen it.
func (o *oracle) forget(r *record) {
	who := scopedReplica{r.commit.Scope, r.commit.Dot.Replica}
	if i, ok := find(o.chains[who], r.commit.Dot.Seq); ok && o.chains[who][i] == r {
		o.chains[who] = slices.Delete(o.chains[who], i, i+1)
		o.size--
		o.known[who.scope] = o.known[who.scope].Minus(crdt.Context{who.replica: {r.commit.Interval()}})
	}
	for i := range r.commit.Pieces {
		p := &r.commit.Pieces[i]
		delete(o.items, crdt.Key{Scope: r.commit.Scope, Type: p.Type, Object: p.Object})
	}
}

// written checks the store after a batch.
func (o *oracle) written(l *Life, ops []replication.Op, applied replication.Applied, err error) {
	m := l.m
	m.check.kept = nil
	switch {
	case errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed):
		return
	case err != nil:
		for _, r := range m.check.unsure {
			o.forget(r)
			who := scopedReplica{r.commit.Scope, r.commit.Dot.Replica}
			o.last[who] = min(o.last[who], r.commit.Dot.Seq-1)
		}
		m.check.unsure = m.check.unsure[:0]
		return
	}
	for _, r := range m.check.unsure {
		r.unsure = false
	}
	m.check.unsure = m.check.unsure[:0]
	o.follow(m, applied.Grown)
	if o.damaged {
		return
	}
	o.compare(l)
	o.touched(l, ops)
	if l.w.rand.IntN(16) == 0 {
		o.recount(l)
	}
	if l.w.rand.IntN(8) == 0 {
		o.copies(l)
	}
}

// copies checks for some commits that a till believes of no other one that it holds one that it would not bring back.
func (o *oracle) copies(l *Life) {
	for _, scope := range sortedScopes(l.m.check.ref.Contexts) {
		ctx := l.m.check.ref.Contexts[scope]
		replicas := ctx.Replicas()
		if len(replicas) == 0 {
			continue
		}
		chain := o.chains[scopedReplica{scope, replicas[l.w.rand.IntN(len(replicas))]}]
		if len(chain) == 0 {
			continue
		}
		r := chain[l.w.rand.IntN(len(chain))]
		for _, till := range l.core.Holders(scope, r.commit.Dot) {
			o.copy(l, r, till, nil)
		}
	}
}

// copy checks what a life believes of a till. What a till lost as planned only those need to know that are linked.
func (o *oracle) copy(l *Life, r *record, till crdt.TillID, linked []*Machine) {
	for _, m := range l.w.machines {
		c := m.check
		unheard := c.relapse && !slices.Contains(linked, m) // that it came back with less than it had
		if m.till == till && (m.gone || c.lossy || unheard || m.durable(r.commit.Scope).Has(r.commit.Dot)) {
			return
		}
	}
	l.w.Fail("%s believes that %s holds %v of %v", l.m.name, l.w.named(till), r.commit.Dot, r.commit.Scope)
}

// acknowledged notes that somebody was told that a change is safe.
func (o *oracle) acknowledged(l *Life, c *crdt.Commit) {
	if c == nil {
		if !l.m.data.Durable() && !l.m.check.lossy {
			l.w.Fail("%s acknowledges notes that a power cut would lose", l.m.name)
		}
		return
	}
	r := o.record(c.Scope, c.Dot)
	switch {
	case r == nil || r.unsure:
		l.w.Fail("%s acknowledges %v of %v, which was not written", l.m.name, c.Dot, c.Scope)
	case !l.m.check.lossy && !l.m.durable(c.Scope).Has(c.Dot):
		l.w.Fail("%s acknowledges %v of %v, which a power cut would lose", l.m.name, c.Dot, c.Scope)
	default:
		r.acked = true
	}
}

// counted checks what a core counted.
func (o *oracle) counted(l *Life) {
	s := l.core.Stats()
	if s.Forks > 0 || s.DigestsDiffer > 0 && !o.hurt || s.PushesRefused > 0 && !o.members {
		l.w.Fail("%s counted %d forks, %d different digests, %d pushes refused", l.m.name, s.Forks, s.DigestsDiffer, s.PushesRefused)
	}
}

// refused judges why a life ends a link.
func (o *oracle) refused(l *Life, e *end, err error) {
	if !o.wild && !e.peer().bye && !o.members {
		l.w.Fail("%s refuses what an honest till sent in order: %v", l.m.name, err)
	}
}
