package replication_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func audited(cfg *replication.Config) { cfg.AuditEvery = time.Hour }

// business is random work: registers written and merged, lines, closings that supersede lines and registers.
type business struct {
	*rand.Rand
	lines []crdt.ObjectID
	n     int
}

func newBusiness(t *testing.T) *business {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return &business{Rand: rand.New(rand.NewPCG(seed, 1))}
}

func (b *business) id(kind byte) crdt.ObjectID {
	b.n++
	return crdt.ObjectID{kind, byte(b.n), byte(b.n >> 8)}
}

func (b *business) change(d *node) replication.Local {
	if b.IntN(2) == 0 {
		l := d.register(byte(1+b.IntN(5)), fmt.Sprint("value ", b.n))
		l.Scope = crdt.Catalog
		if b.IntN(2) == 0 {
			l.Pieces = append(l.Pieces, d.register(byte(10+b.IntN(5)), "second").Pieces...)
		}
		return l
	}
	l := replication.Local{Scope: crdt.Catalog, Schema: 1}
	if len(b.lines) > 3 && b.IntN(3) == 0 {
		closing := crdt.Piece{Kind: crdt.KindItem, Type: "close", Object: b.id('c'), Raw: []byte("closed")}
		k := 1 + b.IntN(3)
		closing.Objects = []crdt.TypedObjects{{Type: "line", IDs: b.lines[:k]}}
		b.lines = b.lines[k:]
		if b.IntN(2) == 0 {
			p := d.register(byte(1+b.IntN(5)), "").Pieces[0]
			closing.Registers = []crdt.RegisterUpTo{{Type: p.Type, Object: p.Object, Name: p.Name, Clock: p.Clock}}
		}
		l.Pieces = []crdt.Piece{closing}
		return l
	}
	for range 1 + b.IntN(3) {
		line := b.id('l')
		b.lines = append(b.lines, line)
		l.Pieces = append(l.Pieces,
			crdt.Piece{Kind: crdt.KindItem, Type: "line", Object: line, Raw: []byte("line")},
			crdt.Piece{Kind: crdt.KindRegister, Type: "line", Object: line, Name: "loc", Raw: []byte("tab")})
	}
	return l
}

func (b *business) work(s *shopOf, n int) {
	for range n {
		d := s.nodes[b.IntN(len(s.nodes))]
		d.write(b.change(d))
	}
	s.pass(3 * time.Second)
	s.requireEqual()
}

// table is the rows of a store by key.
func (d *node) table() map[string][]byte {
	got, err := d.rows.Scan(context.Background(), nil, nil, 1_000_000, 0)
	require.NoError(d.shop.t, err)
	out := make(map[string][]byte, len(got))
	for _, row := range got {
		out[string(row.Key)] = row.Value
	}
	return out
}

// replicated leaves the rows that every till has alike: commits, bitmaps, objects live and dormant, digests, contexts.
func replicated(table map[string][]byte) map[string][]byte {
	out := make(map[string][]byte)
	for key, value := range table {
		if _, held := table["c"+key[1:]]; key[0] == 'l' && !held {
			continue // left behind by damage; it says nothing
		}
		switch key[0] {
		case 'c', 'l', 'o', 'x', 'd', 'k':
			out[key] = value
		}
	}
	return out
}

// damage deletes rows, or gives them a value they had before, as a store does that lost some of its files.
func (b *business) damage(d *node, old map[string][]byte, kinds string, percent int) (n int) {
	var batch []rows.Write
	now := d.table()
	pick := func(key string) bool {
		return bytes.IndexByte([]byte(kinds), key[0]) >= 0 && b.IntN(100) < percent
	}
	for key := range now {
		if !pick(key) {
			continue
		}
		if value, was := old[key]; was {
			batch = append(batch, rows.Write{Key: []byte(key), Value: value})
		} else {
			batch = append(batch, rows.Write{Key: []byte(key), Delete: true})
		}
	}
	for key, value := range old {
		if _, is := now[key]; !is && pick(key) {
			batch = append(batch, rows.Write{Key: []byte(key), Value: value})
		}
	}
	require.NoError(d.shop.t, d.rows.Commit(context.Background(), batch))
	return len(batch)
}

func (d *node) audit() {
	id := d.core.Audit(d.shop.now)
	d.shop.run()
	for range 200 {
		for _, e := range d.events {
			if e.Kind == replication.EventAudited && e.ID == id {
				return
			}
		}
		d.shop.pass(time.Second)
	}
	d.shop.t.Fatal("the audit does not end")
}

func (s *shopOf) requireWhole(want map[string][]byte) {
	s.t.Helper()
	s.requireEqual()
	for _, d := range s.nodes {
		recount, err := d.store.Recount(context.Background(), crdt.Catalog)
		require.NoError(s.t, err)
		require.Equal(s.t, recount, d.core.Digest(crdt.Catalog))
		got := replicated(d.table())
		for key, value := range want {
			require.Equal(s.t, value, got[key], "row %q of till %v", key, d.id[0])
			delete(got, key)
		}
		require.Empty(s.t, got, "rows of till %v that it should not have", d.id[0])
		require.Empty(s.t, d.core.Damaged())
		require.False(s.t, d.core.InDoubt())
	}
}

func (s *shopOf) linkAll() {
	for i, a := range s.nodes {
		for _, b := range s.nodes[:i] {
			s.link(b, a)
		}
	}
	s.run()
}

func TestAuditFindsNothingWhereNothingIsWrong(t *testing.T) {
	s := newShopWith(t, 3, audited)
	s.linkAll()
	newBusiness(t).work(s, 60)
	want := replicated(s.nodes[0].table())
	a := s.nodes[0]
	a.audit()
	results := a.core.Audits()
	require.Len(t, results, 3, "the own rows and two tills")
	for _, r := range results {
		require.Equal(t, replication.AuditEqual, r.Outcome)
		require.Less(t, r.Bytes, 200, "equal tills exchange two short messages")
	}
	s.requireWhole(want)
	for _, d := range s.nodes {
		require.Zero(t, d.core.Stats().Repairs)
		for _, e := range d.events {
			require.NotEqual(t, replication.EventAudit, e.Kind, e.Text)
		}
	}
}

// TestAuditRepairs: whatever rows one till lost or has again as they were, all tills are whole again afterwards, whoever
// asked.
func TestAuditRepairs(t *testing.T) {
	b := newBusiness(t)
	for name, kinds := range map[string]string{
		"objects": "ox", "commits": "c", "bitmaps": "l", "digest": "d", "dormant": "x", "commits and objects": "cox", "all": "coxld",
	} {
		for _, percent := range []int{5, 40, 100} {
			for asker := range 3 {
				t.Run(fmt.Sprintf("%s/%d/%d", name, percent, asker), func(t *testing.T) {
					s := newShopWith(t, 3, audited)
					s.linkAll()
					b.lines = nil
					b.work(s, 30)
					old := s.nodes[0].table()
					b.work(s, 30)
					want := replicated(s.nodes[1].table())
					var from map[string][]byte
					if b.IntN(2) == 0 {
						from = old
					}
					if b.damage(s.nodes[0], from, kinds, percent) == 0 {
						t.Skip("nothing was damaged")
					}
					if b.IntN(2) == 0 || kinds == "d" { // the digest is read when the store is opened
						s.nodes[0].restart()
						s.link(s.nodes[0], s.nodes[1])
						s.link(s.nodes[0], s.nodes[2])
						s.pass(3 * time.Second)
					}
					s.nodes[asker].audit()
					s.pass(10 * time.Minute) // what one audit leaves to the next
					s.nodes[0].audit()
					s.requireWhole(want)
				})
			}
		}
	}
}

// TestAuditAtTheTimer: nobody asks; within two hours the damage is found, put right, and told with its cause.
func TestAuditAtTheTimer(t *testing.T) {
	s := newShopWith(t, 2, audited)
	s.linkAll()
	b := newBusiness(t)
	b.work(s, 40)
	want := replicated(s.nodes[1].table())
	require.Positive(t, b.damage(s.nodes[0], nil, "co", 30))
	s.pass(2 * time.Hour)
	s.requireWhole(want)
	told := ""
	for _, e := range s.nodes[0].events {
		if e.Kind == replication.EventAudit && e.Audit.Till == s.nodes[1].id {
			require.Positive(t, e.Audit.Differed)
			told = e.Audit.Cause
		}
	}
	require.Equal(t, "rows of this till's store were lost", told)
}

// TestATillAloneFindsAndMendsWhatItsCommitsTell: without any peer, objects that were lost come back from the commits.
func TestATillAloneFindsAndMendsWhatItsCommitsTell(t *testing.T) {
	s := newShopWith(t, 1, audited)
	b := newBusiness(t)
	b.work(s, 60)
	a := s.nodes[0]
	want := replicated(a.table())
	require.Positive(t, b.damage(a, nil, "ox", 50))
	a.audit()
	got := replicated(a.table())
	require.Equal(t, want, got)
	require.Equal(t, []crdt.Scope{crdt.Catalog}, a.core.Damaged(), "whether commits were lost only others know")
	a.restart()
	require.Equal(t, []crdt.Scope{crdt.Catalog}, a.core.Damaged(), "and that outlives a restart")
}

// TestALostDormantRowIsMissed: what keeps late writes dead is in no digest. A till alone notices nevertheless that it is
// gone, and has it back from the items that closed it, before anything late arrives.
func TestALostDormantRowIsMissed(t *testing.T) {
	s := newShopWith(t, 1, audited)
	b := newBusiness(t)
	b.work(s, 60)
	a := s.nodes[0]
	want := replicated(a.table())
	a.audit()
	require.Empty(t, a.core.Damaged())
	require.Positive(t, b.damage(a, nil, "x", 30))
	a.restart()
	a.audit()
	require.Equal(t, want, replicated(a.table()))
	require.Equal(t, []crdt.Scope{crdt.Catalog}, a.core.Damaged())
	results := a.core.Audits()
	require.Len(t, results, 1)
	require.Equal(t, replication.AuditRepaired, results[0].Outcome)
	s.pass(time.Minute)
	a.audit()
	require.Equal(t, replication.AuditEqual, a.core.Audits()[0].Outcome, "what is kept is true again")
}

// TestADamagedTillLetsNobodyClaim: rows that were lost look like rows that were superseded. A newcomer that pulls from such
// a till must not believe it.
func TestADamagedTillLetsNobodyClaim(t *testing.T) {
	s := newShopWith(t, 3, audited)
	a, b, c := s.nodes[0], s.nodes[1], s.nodes[2]
	s.link(a, b)
	s.run()
	work := newBusiness(t)
	for range 30 {
		a.write(work.change(a))
	}
	s.pass(3 * time.Second)
	want := replicated(b.table())
	s.cut(a, b)
	require.Positive(t, work.damage(a, nil, "c", 50))
	a.audit()
	s.link(a, c)
	s.pass(5 * time.Minute)
	require.False(t, c.core.Context(crdt.Catalog).Equal(a.core.Context(crdt.Catalog)), "something was not claimed")
	s.link(a, b)
	s.pass(20 * time.Minute)
	s.requireWhole(want)
}

func (s *shopOf) cut(a, b *node) {
	for _, id := range a.order {
		if p := a.peers[id]; p.to == b {
			a.core.LinkDown(s.now, id)
			b.core.LinkDown(s.now, p.link)
			delete(a.peers, id)
			delete(b.peers, p.link)
			a.forget(id)
			b.forget(p.link)
		}
	}
}

func (d *node) forget(id replication.LinkID) {
	kept := d.order[:0:0]
	for _, o := range d.order {
		if o != id {
			kept = append(kept, o)
		}
	}
	d.order = kept
}

// TestForkIsToldAndAudited: two commits under one dot are kept by both tills, told with both hashes, and do not make
// the tills send them again and again.
func TestForkIsToldAndAudited(t *testing.T) {
	s := newShopWith(t, 2, audited)
	a, b := s.nodes[0], s.nodes[1]
	fork := func(raw string) *crdt.Commit {
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: crdt.ReplicaID{9}, Seq: crdt.NewSeq(1, 1)}, Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{raw[0]}, Raw: []byte(raw)}}}
		require.NoError(t, c.Seal())
		return c
	}
	left, right := fork("left"), fork("right")
	for d, c := range map[*node]*crdt.Commit{a: left, b: right} {
		_, err := d.store.Apply(context.Background(), []replication.Op{{Commit: c}})
		require.NoError(t, err)
		d.restart()
	}
	s.link(a, b)
	s.pass(10 * time.Minute)
	for d, want := range map[*node]replication.Fork{
		a: {Scope: crdt.Catalog, Dot: left.Dot, Held: left.Hash(), Other: right.Hash()},
		b: {Scope: crdt.Catalog, Dot: left.Dot, Held: right.Hash(), Other: left.Hash()},
	} {
		var got []replication.Fork
		for _, e := range d.events {
			if e.Kind == replication.EventFork {
				got = append(got, *e.Fork)
			}
		}
		require.Equal(t, []replication.Fork{want}, got)
		require.False(t, d.core.InDoubt(), "it is somebody else's fork")
		kept := 0
		for key := range d.table() {
			if key[0] == 'f' {
				kept++
			}
		}
		require.Equal(t, 1, kept)
	}
	forked := a.core.Stats().Forks
	s.pass(3 * time.Hour)
	require.Equal(t, forked, a.core.Stats().Forks, "it is not sent again")
	require.Equal(t, replication.AuditForked, a.core.Audits()[1].Outcome)
}

// TestAuditCostsWhatDiffers: ten commits of many are found without telling of the others.
func TestAuditCostsWhatDiffers(t *testing.T) {
	s := newShopWith(t, 2, audited)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	for n := range 3000 {
		l := a.register(0, "value")
		l.Pieces[0].Object = crdt.ObjectID{1, byte(n), byte(n >> 8)}
		l.Pieces[0].Clock = nil
		a.core.Propose(l)
	}
	s.run()
	s.pass(3 * time.Second)
	s.requireEqual()
	want := replicated(a.table())
	n := 0
	var batch []rows.Write
	for key := range b.table() {
		if (key[0] == 'c' || key[0] == 'o') && n < 10 {
			n++
			batch = append(batch, rows.Write{Key: []byte(key), Delete: true})
		}
	}
	require.NoError(t, b.rows.Commit(context.Background(), batch))
	b.audit()
	s.requireWhole(want)
	r := b.core.Audits()[1]
	require.Less(t, r.Bytes, 40_000, "3000 commits have %d bytes or more", 3000*120)
}

func TestAuditOfATillThatDoesNotAnswer(t *testing.T) {
	s := newShopWith(t, 1, audited)
	a := s.nodes[0]
	a.write(a.register(1, "espresso"))
	id, p := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	a.audit()
	require.Equal(t, replication.AuditNoAnswer, a.core.Audits()[1].Outcome)
	require.Positive(t, kinds(p.got)[wire.KindAudit])
}

// TestAuditIsPutOffWhereItIsOff: a till that does not audit says so, and the one that asked does not wait for ever.
func TestAuditIsPutOffWhereItIsOff(t *testing.T) {
	s := newShopWith(t, 2, func(cfg *replication.Config) {
		if cfg.Till[0] == 1 {
			audited(cfg)
		}
	})
	s.linkAll()
	a := s.nodes[0]
	a.write(a.register(1, "espresso"))
	s.pass(3 * time.Second)
	a.audit()
	require.Equal(t, replication.AuditApart, a.core.Audits()[1].Outcome)
}

// TestSalesDuringAnAudit: an audit that runs while both tills sell finds nothing that is not there.
func TestSalesDuringAnAudit(t *testing.T) {
	s := newShopWith(t, 2, audited)
	s.linkAll()
	b := newBusiness(t)
	b.work(s, 50)
	for _, d := range s.nodes {
		d.core.Audit(s.now)
	}
	for range 200 { // every step of the audit has a sale before and after it
		d := s.nodes[b.IntN(2)]
		d.core.Propose(b.change(d))
		for range 1 + b.IntN(4) {
			for _, d := range s.nodes {
				d.step()
			}
		}
	}
	s.pass(10 * time.Minute)
	for _, d := range s.nodes {
		require.Zero(t, d.core.Stats().Repairs)
		require.Empty(t, d.core.Damaged())
	}
	s.requireWhole(replicated(s.nodes[0].table()))
}

// TestAuditRepairsTwoTillsFromTheThird: different rows are missing on two tills, some on both.
func TestAuditRepairsTwoTillsFromTheThird(t *testing.T) {
	b := newBusiness(t)
	for range 6 {
		s := newShopWith(t, 3, audited)
		s.linkAll()
		b.lines = nil
		b.work(s, 25)
		old := s.nodes[0].table()
		b.work(s, 25)
		want := replicated(s.nodes[2].table())
		b.damage(s.nodes[0], old, "cox", 40)
		b.damage(s.nodes[1], nil, "cox", 40)
		for range 2 {
			for _, d := range s.nodes {
				d.audit()
				s.pass(10 * time.Minute)
			}
		}
		s.requireWhole(want)
	}
}

// TestRepairChangesNothingOnAWholeStore: commits of any age, dead or live, come again as repairs.
func TestRepairChangesNothingOnAWholeStore(t *testing.T) {
	s := newShopWith(t, 2, audited)
	b := newBusiness(t)
	a, other := s.nodes[0], s.nodes[1]
	s.link(a, other)
	s.run()
	var all []*crdt.Commit
	for range 80 {
		d := s.nodes[b.IntN(2)]
		all = append(all, d.write(b.change(d)))
	}
	s.pass(3 * time.Second)
	want := a.table()
	b.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, c := range all {
		back, err := crdt.DecodeCommit(c.Bytes())
		require.NoError(t, err)
		applied, err := a.store.Apply(context.Background(), []replication.Op{{Commit: back, Repair: true}})
		require.NoError(t, err)
		require.False(t, applied.Outcomes[0].Repaired || applied.Outcomes[0].New || applied.Outcomes[0].Fork)
	}
	require.Equal(t, want, a.table())
}
