package replication_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func (d *node) doubts() (list []replication.Event) {
	for _, e := range append(d.events, d.core.Events()...) {
		if e.Kind == replication.EventDoubt {
			list = append(list, e)
		}
	}
	return list
}

// requireDoubt checks that a till has one doubt, and writes nothing any more.
func (d *node) requireDoubt(kind replication.DoubtKind) replication.Event {
	t := d.shop.t
	t.Helper()
	list := d.doubts()
	require.Len(t, list, 1)
	require.Equal(t, kind, list[0].Doubt, list[0].Text)
	require.True(t, d.core.InDoubt())
	for _, l := range []replication.Local{d.register(1, "after"), {Notes: []replication.Note{{Key: "n", Value: []byte("v")}}}} {
		ticket := d.core.Propose(l)
		d.shop.run()
		require.ErrorIs(t, d.results[ticket].Err, replication.ErrDoubt)
	}
	return list[0]
}

// hello plays a Hello of a till.
func (s *shopOf) hello(d *node, link replication.LinkID, till crdt.TillID, nonce byte) error {
	return d.core.Receive(s.now, link, &wire.Hello{
		Oldest: wire.Oldest, Newest: wire.Version, Shop: shop, Till: till, Replica: crdt.ReplicaID{till[0], 0, nonce},
		Nonce: [16]byte{nonce}, Boot: uint32(nonce),
	})
}

func TestDoubtOverACommitThatCame(t *testing.T) {
	own := func(a *node, k uint32) *crdt.Commit {
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a.replica, Seq: crdt.NewSeq(7, k)}, Schema: 1, Pred: crdt.NewSeq(7, k-1),
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{byte(k)}, Raw: []byte("elsewhere")}}}
		require.NoError(t, c.Seal())
		return c
	}
	for name, test := range map[string]struct {
		k    uint32
		want replication.DoubtKind
	}{
		"one that is not known here":      {2, replication.DoubtUnknownOwn},
		"another one than the one it has": {1, replication.DoubtForkedOwn},
	} {
		for _, by := range []string{"commits", "audit"} {
			t.Run(name+" by "+by, func(t *testing.T) {
				s := newShopWith(t, 1, audited)
				a := s.nodes[0]
				a.write(a.register(1, "espresso"))
				id, _ := s.stranger(a, crdt.TillID{9})
				s.greet(a, id)
				c := own(a, test.k)
				var m wire.Message = &wire.Commits{List: [][]byte{c.Bytes()}}
				if by == "audit" {
					a.core.Audit(s.now)
					s.run()
					body := wire.AuditBody{Step: wire.AuditGive, ID: 1, Commits: [][]byte{c.Bytes()}, Last: true}
					m = &wire.Audit{Scope: crdt.Catalog, Body: body.Append(nil)}
				}
				require.NoError(t, a.core.Receive(s.now, id, m))
				s.run()
				a.requireDoubt(test.want)
			})
		}
	}
}

// TestDoubtOverACopy: another program with this till's key calls this very till.
func TestDoubtOverACopy(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	id, _ := s.stranger(a, a.id)
	require.ErrorIs(t, s.hello(a, id, a.id, 77), replication.ErrIdentity)
	e := a.requireDoubt(replication.DoubtCopy)
	require.Equal(t, []replication.Speaker{
		{Replica: a.replica, Boot: 7, Nonce: wire.NonceHash([16]byte{1, 7})},
		{Replica: crdt.ReplicaID{1, 0, 77}, Boot: 77, Nonce: wire.NonceHash([16]byte{77})},
	}, e.Speakers)

	// A till that calls itself, or one that only says that it is this till, is no copy.
	s = newShop(t, 1)
	a = s.nodes[0]
	id, _ = s.stranger(a, a.id)
	require.ErrorIs(t, a.core.Receive(s.now, id, &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: a.id, Replica: a.replica, Nonce: [16]byte{1, 7}}),
		replication.ErrIdentity)
	id, _ = s.stranger(a, crdt.TillID{9})
	require.ErrorIs(t, s.hello(a, id, a.id, 77), replication.ErrIdentity)
	require.Empty(t, a.doubts())
}

// TestACopyThatGivesWay: a program that is sure of itself is not stopped by its copy, however often that one tries; one of
// which it is not sure stops it.
func TestACopyThatGivesWay(t *testing.T) {
	copies := crdt.ReplicaID{1, 0, 77}
	s := newShopWith(t, 1, func(c *replication.Config) {
		c.Unmoved = func(self, other replication.Speaker) bool {
			return self.Replica == c.Replica && other.Replica == copies
		}
	})
	a := s.nodes[0]
	seen := func() (list []replication.Event) {
		for _, e := range append(a.events, a.core.Events()...) {
			if e.Kind == replication.EventCopy {
				list = append(list, e)
			}
		}
		return list
	}
	for range 3 {
		id, _ := s.stranger(a, a.id)
		require.ErrorIs(t, s.hello(a, id, a.id, 77), replication.ErrIdentity)
		other, _ := s.stranger(a, crdt.TillID{9})
		s.greet(a, other)
		require.NoError(t, a.core.Receive(s.now, other, &wire.Twice{Replica: copies, Boot: 77, Nonce: wire.NonceHash([16]byte{77})}))
		s.run()
	}
	a.write(a.register(1, "espresso"))
	require.Empty(t, a.doubts())
	list := seen()
	require.Len(t, list, 1, "it is told once")
	require.Equal(t, copies, list[0].Speakers[1].Replica)

	id, _ := s.stranger(a, a.id)
	require.ErrorIs(t, s.hello(a, id, a.id, 78), replication.ErrIdentity)
	a.requireDoubt(replication.DoubtCopy)
}

func twices(d *node) (list []replication.Event) {
	for _, e := range append(d.events, d.core.Events()...) {
		if e.Kind == replication.EventTwice {
			list = append(list, e)
		}
	}
	return list
}

// TestANonceThatReturns: a program that ended never comes back with its nonce, so one that does runs beside the other.
func TestANonceThatReturns(t *testing.T) {
	till := crdt.TillID{9}
	speak := func(s *shopOf, nonce byte) *peer {
		id, p := s.stranger(s.nodes[0], till)
		require.NoError(s.t, s.hello(s.nodes[0], id, till, nonce))
		s.run()
		return p
	}
	told := func(p *peer) (list []wire.Twice) {
		for _, m := range p.got {
			if m, ok := m.(*wire.Twice); ok {
				list = append(list, *m)
			}
		}
		return list
	}
	s := newShop(t, 1)
	a := s.nodes[0]
	first := speak(s, 1)
	speak(s, 1) // it was cut and called again
	second := speak(s, 2)
	speak(s, 2)
	require.NoError(t, s.hello(a, 1, till, 1), "what was on its way on the first link proves nothing")
	s.run()
	require.Empty(t, twices(a))
	third := speak(s, 1)
	list := twices(a)
	require.Len(t, list, 1)
	one := replication.Speaker{Replica: crdt.ReplicaID{9, 0, 1}, Boot: 1, Nonce: wire.NonceHash([16]byte{1})}
	two := replication.Speaker{Replica: crdt.ReplicaID{9, 0, 2}, Boot: 2, Nonce: wire.NonceHash([16]byte{2})}
	require.Equal(t, []replication.Speaker{one, two}, list[0].Speakers)
	require.Equal(t, till, list[0].Till)
	require.Equal(t, []wire.Twice{{Replica: two.Replica, Boot: 2, Nonce: two.Nonce, Later: true}}, told(third))
	require.Equal(t, told(third), told(first), "every link of it is told")
	require.Equal(t, []wire.Twice{{Replica: one.Replica, Boot: 1, Nonce: one.Nonce}}, told(second))

	require.Len(t, told(speak(s, 2)), 1)
	require.Len(t, twices(a), 1, "it is told once")
	// Started again, it is one program; the other one returns, and both run again.
	require.Empty(t, told(speak(s, 3)))
	require.Len(t, told(speak(s, 2)), 1)
	require.Len(t, twices(a), 2)
}

func TestMeetingsAreBounded(t *testing.T) {
	s := newShop(t, 1)
	for n := range 2000 {
		till := crdt.TillID{9, byte(n), byte(n >> 8)}
		id, _ := s.stranger(s.nodes[0], till)
		require.NoError(t, s.hello(s.nodes[0], id, till, byte(n)))
		s.nodes[0].core.LinkDown(s.now, id)
	}
	require.LessOrEqual(t, s.nodes[0].core.Met(), 512)
}

// TestDoubtBecauseAPeerMetTwo: what the peer says reaches both programs, each with what it needs to decide who yields.
func TestDoubtBecauseAPeerMetTwo(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	// A clone of till 2 speaks to till 1, and then the original again.
	id, p := s.stranger(a, b.id)
	require.NoError(t, s.hello(a, id, b.id, 50))
	s.cut(a, b)
	s.link(a, b)
	s.run()
	e := b.requireDoubt(replication.DoubtTwice)
	me := replication.Speaker{Replica: b.replica, Boot: 7, Nonce: wire.NonceHash([16]byte{2, 7})}
	other := replication.Speaker{Replica: crdt.ReplicaID{2, 0, 50}, Boot: 50, Nonce: wire.NonceHash([16]byte{50})}
	require.Equal(t, []replication.Speaker{me, other}, e.Speakers)
	require.Equal(t, 1, kinds(p.got)[wire.KindTwice], "the clone is told as well")
	require.Len(t, twices(a), 1)
}

// TestAgreedMarks: what another till confirmed is written down with the next own change, or after half a minute, and what
// nobody is known to hold can be asked for.
func TestAgreedMarks(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	mark := func() crdt.Seq {
		agreed, err := a.store.Agreed(context.Background(), a.replica)
		require.NoError(t, err)
		return agreed[crdt.Catalog]
	}
	first := a.write(a.register(1, "one"))
	require.Equal(t, crdt.Context{a.replica: {first.Interval()}}, a.core.Unheld(crdt.Catalog))
	commits := a.disk.Commits()
	s.pass(2 * time.Second)
	require.Empty(t, a.core.Unheld(crdt.Catalog))
	require.Zero(t, mark())
	require.Equal(t, commits, a.disk.Commits(), "no write of its own")
	second := a.write(a.register(1, "two"))
	require.Equal(t, commits+1, a.disk.Commits())
	require.Equal(t, first.Dot.Seq, mark())
	s.pass(time.Minute)
	require.Equal(t, second.Dot.Seq, mark(), "alone, when nothing is sold")
	commits = a.disk.Commits()
	s.pass(time.Hour)
	require.Equal(t, commits, a.disk.Commits())

	s.cut(a, b)
	third := a.write(a.register(1, "three"))
	left, err := a.store.Unconfirmed(context.Background(), a.replica)
	require.NoError(t, err)
	require.Equal(t, map[crdt.Scope]crdt.Context{crdt.Catalog: {a.replica: {{After: second.Dot.Seq, To: third.Dot.Seq}}}}, left)
	a.restart()
	require.Equal(t, second.Dot.Seq, mark())
	require.Equal(t, crdt.Context{a.replica: {{After: crdt.NewSeq(7, 0), To: third.Dot.Seq}}}, a.core.Unheld(crdt.Catalog),
		"a new start knows nothing of others until they tell")
}

func TestStaleWritesAreRefused(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	early := a.register(1, "read before all else")
	early2 := a.register(1, "read before all else, too")
	a.write(a.register(1, "own, alone"))
	a.write(early) // nothing foreign was known: it covers its own writes by itself
	b.write(b.register(1, "foreign"))
	require.Equal(t, "foreign", a.value(1))
	good := a.register(1, "knows the foreign one")
	ticketGood := a.core.Propose(good)
	ticketStale := a.core.Propose(early2)
	ticketOther := a.core.Propose(a.register(2, "another article"))
	s.run()
	require.NoError(t, a.results[ticketGood].Err)
	require.ErrorIs(t, a.results[ticketStale].Err, replication.ErrStale)
	require.NoError(t, a.results[ticketOther].Err, "the others of the batch are saved")
	require.Equal(t, a.results[ticketGood].Commit.Dot.Seq+1, a.results[ticketOther].Commit.Dot.Seq, "without a gap")
	s.pass(5 * time.Second)
	s.requireEqual()
	require.Equal(t, "knows the foreign one", b.value(1))
	require.Zero(t, a.core.Waiting())
}

// TestStaleWritesBreakTheirChain: what was built on a change that was refused is refused too.
func TestStaleWritesBreakTheirChain(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	stale := a.register(1, "old")
	a.write(a.register(1, "own"))
	b.write(b.register(1, "foreign"))
	a.write(a.register(1, "own again"))
	stale.Chain = "series K1"
	next := a.register(2, "next number")
	next.Chain = "series K1"
	first, second := a.core.Propose(stale), a.core.Propose(next)
	s.run()
	require.ErrorIs(t, a.results[first].Err, replication.ErrStale)
	require.ErrorIs(t, a.results[second].Err, replication.ErrStale)
	next.Restart = true
	a.write(next)
}

func TestPause(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	sales := func(d *node, object byte) replication.Local {
		l := d.register(object, "sold")
		l.Scope = crdt.Sales
		return l
	}
	a.core.Pause(s.now, func(scope crdt.Scope) bool { return scope == crdt.Sales })
	b.write(b.register(1, "an article"))
	b.write(sales(b, 1))
	a.write(a.register(2, "own changes go on"))
	s.pass(2 * time.Minute)
	require.Empty(t, a.value(1))
	require.Equal(t, b.core.Context(crdt.Sales), a.core.Context(crdt.Sales), "sales go on")
	require.Equal(t, "own changes go on", b.value(2))
	require.Positive(t, a.core.Stats().Paused)
	require.NotContains(t, b.core.Holders(crdt.Catalog, crdt.Dot{Replica: b.replica, Seq: crdt.NewSeq(7, 1)}), a.id,
		"nobody believes that it holds what it did not take")
	a.core.Pause(s.now, nil)
	s.pass(time.Second)
	s.requireEqual()
	require.Equal(t, "an article", a.value(1))
}

// TestPauseDuringAnAnswer: what an answer that began before the pause brings is neither taken nor claimed.
func TestPauseDuringAnAnswer(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	for range 3 {
		b.write(b.register(1, "again"))
	}
	s.link(a, b)
	for a.core.Links()[0].Pulling == false {
		a.step()
		b.step()
	}
	a.core.Pause(s.now, func(crdt.Scope) bool { return false })
	s.pass(time.Minute)
	require.Empty(t, a.core.Context(crdt.Catalog))
	a.core.Pause(s.now, nil)
	s.pass(time.Minute)
	s.requireEqual()
}
