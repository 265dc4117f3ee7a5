package replication_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

func TestTwoTillsBecomeEqual(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	a.write(a.register(1, "espresso"))
	a.write(a.register(1, "doppio"))
	b.write(b.register(2, "water"))
	s.link(a, b)
	s.run()
	s.requireEqual()
	require.Equal(t, "doppio", b.value(1))
	require.Equal(t, "water", a.value(2))
	require.True(t, b.core.Context(crdt.Catalog).Has(crdt.Dot{Replica: a.replica, Seq: crdt.NewSeq(7, 1)}),
		"what was replaced is known without its bytes")
	require.EqualValues(t, 1, b.core.Stats().Claims)
	for _, d := range s.nodes {
		require.Contains(t, d.events, replication.Event{Kind: replication.EventReady, Link: 1, Till: s.other(d).id})
		require.Contains(t, d.events, replication.Event{Kind: replication.EventEqual, Link: 1, Till: s.other(d).id})
		require.False(t, d.core.Links()[0].EqualAt.IsZero())
	}
	before := kinds(a.peers[1].got)
	s.pass(2 * time.Minute)
	after := kinds(a.peers[1].got)
	require.Greater(t, after[wire.KindHello], before[wire.KindHello])
	delete(before, wire.KindHello)
	delete(after, wire.KindHello)
	delete(after, wire.KindHave) // what arrived is told once
	require.Equal(t, before, after, "a shop at rest only says hello")
}

func (s *shopOf) other(d *node) *node {
	if d == s.nodes[0] {
		return s.nodes[1]
	}
	return s.nodes[0]
}

func TestPushHaveAndCopies(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	c := a.write(a.register(1, "espresso"))
	require.Equal(t, "espresso", b.value(1), "pushed at once")
	require.Empty(t, a.core.Holders(c.Scope, c.Dot), "till 2 did not say yet that it holds it")
	s.pass(time.Second)
	require.Equal(t, []crdt.TillID{b.id}, a.core.Holders(c.Scope, c.Dot))

	urgent := a.register(1, "doppio")
	urgent.Urgent = true
	c = a.write(urgent)
	s.pass(0)
	require.Equal(t, []crdt.TillID{b.id}, a.core.Holders(c.Scope, c.Dot), "an urgent one is answered at once")
	require.Equal(t, []crdt.TillID{a.id}, b.core.Holders(c.Scope, c.Dot))
	a.core.Forget(b.id)
	require.Empty(t, a.core.Holders(c.Scope, c.Dot))
}

// TestUrgentIsAnsweredToWhoPushed: the writer hears at once from every till that holds an urgent commit, and the others
// from each other within the second, so one urgent commit costs as many answers at once as there are other tills.
func TestUrgentIsAnsweredToWhoPushed(t *testing.T) {
	const tills = 5
	s := newShop(t, tills)
	for i, a := range s.nodes {
		for _, b := range s.nodes[:i] {
			s.link(a, b)
		}
	}
	s.run()
	writer := s.nodes[0]
	haves := func() (n int) {
		for _, d := range s.nodes {
			for _, p := range d.peers {
				n += kinds(p.got)[wire.KindHave]
			}
		}
		return n
	}
	before := haves()
	urgent, second := writer.register(1, "espresso"), writer.register(2, "doppio")
	urgent.Urgent, second.Urgent = true, true
	writer.core.Propose(second)
	c := writer.write(urgent)
	s.pass(0)
	require.Len(t, writer.core.Holders(c.Scope, c.Dot), tills-1)
	require.Equal(t, tills-1, haves()-before, "one from each, for both")
	require.Equal(t, []crdt.TillID{writer.id}, s.nodes[1].core.Holders(c.Scope, c.Dot))
	s.pass(time.Second)
	for _, d := range s.nodes {
		require.Len(t, d.core.Holders(c.Scope, c.Dot), tills-1, "all know it of all")
	}
	s.requireEqual()
}

func TestThirdTillLearnsByHave(t *testing.T) {
	s := newShop(t, 3)
	a, b, c := s.nodes[0], s.nodes[1], s.nodes[2]
	s.link(a, b)
	s.link(b, c)
	s.run()
	commit := a.write(a.register(1, "espresso"))
	require.Empty(t, c.value(1), "only the writer pushes")
	s.pass(1100 * time.Millisecond)
	require.Equal(t, "espresso", c.value(1))
	s.pass(time.Second)
	require.Equal(t, []crdt.TillID{a.id, c.id}, b.core.Holders(commit.Scope, commit.Dot))
	require.Equal(t, []crdt.TillID{b.id}, c.core.Holders(commit.Scope, commit.Dot), "till 1 is not linked with till 3")
	s.requireEqual()
}

func TestOverflowEndsWithAComparison(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	s.link(a, b)
	s.run()
	a.peers[1].deaf = true
	for n := range 60 {
		l := a.register(byte(n), "x")
		l.Pieces[0].Raw = bytes.Repeat([]byte{byte(n)}, 40_000)
		a.write(l)
	}
	require.Positive(t, a.core.Stats().PushesDropped)
	a.peers[1].deaf = false
	s.pass(time.Second)
	s.requireEqual()
}

func TestRefusals(t *testing.T) {
	hello := func(change func(*wire.Hello)) *wire.Hello {
		h := &wire.Hello{Oldest: wire.Oldest, Newest: wire.Version, Shop: shop, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9}}
		change(h)
		return h
	}
	for name, test := range map[string]struct {
		messages []wire.Message
		want     error
	}{
		"wrong shop":   {[]wire.Message{hello(func(h *wire.Hello) { h.Shop[3] = 1 })}, replication.ErrWrongShop},
		"too new":      {[]wire.Message{hello(func(h *wire.Hello) { h.Oldest, h.Newest = 90, 91 })}, replication.ErrNewer},
		"too old":      {[]wire.Message{hello(func(h *wire.Hello) { h.Oldest, h.Newest = 0, 0 })}, replication.ErrOlder},
		"another till": {[]wire.Message{hello(func(h *wire.Hello) { h.Till[0] = 8 })}, replication.ErrIdentity},
		"new replica": {[]wire.Message{hello(func(*wire.Hello) {}), hello(func(h *wire.Hello) { h.Replica[0] = 8 })},
			replication.ErrIdentity},
		"no hello": {[]wire.Message{&wire.Have{Scope: crdt.Catalog}}, replication.ErrProtocol},
		"bye":      {[]wire.Message{&wire.Bye{Code: "wrong-shop", Text: "no"}}, replication.ErrProtocol},
		"bad push": {[]wire.Message{hello(func(*wire.Hello) {}), &wire.Push{List: [][]byte{{0xc1}}}}, replication.ErrProtocol},
		"bad answer": {[]wire.Message{hello(func(*wire.Hello) {}), &wire.Commits{List: [][]byte{nil}}},
			replication.ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 1)
			id, _ := s.stranger(s.nodes[0], crdt.TillID{9})
			var err error
			for i, m := range test.messages {
				require.NoError(t, err, "message %d", i)
				err = s.nodes[0].core.Receive(s.now, id, m)
			}
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestForeignPushIsNotTaken(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	c := b.write(b.register(1, "espresso"))
	id, _ := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	require.NoError(t, a.core.Receive(s.now, id, &wire.Push{List: [][]byte{c.Bytes()}}))
	s.run()
	require.Empty(t, a.value(1))
	require.EqualValues(t, 1, a.core.Stats().PushesRefused)
}

// greet plays the Hello of a stranger with another state.
func (s *shopOf) greet(d *node, id replication.LinkID) {
	s.t.Helper()
	require.NoError(s.t, d.core.Receive(s.now, id, &wire.Hello{
		Oldest: wire.Oldest, Newest: wire.Version, Shop: shop, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9}, State: [16]byte{1},
	}))
	s.run()
}

// TestClaims plays the other side of a pull: a claim is taken only if nothing at all is missing.
func TestClaims(t *testing.T) {
	run := func(after, to uint32) crdt.Context {
		return crdt.Context{crdt.ReplicaID{9}: {{After: crdt.NewSeq(3, after), To: crdt.NewSeq(3, to)}}}
	}
	all := run(0, 2)
	for name, test := range map[string]struct {
		end     wire.End
		advert  crdt.Context // told during the answer
		claimed bool
	}{
		"complete":                   {end: wire.End{Complete: true, Covers: all, Hash: all.Hash()}, claimed: true},
		"incomplete":                 {end: wire.End{Complete: false, Covers: all, Hash: all.Hash()}},
		"a frame missing":            {end: wire.End{Complete: true, Frames: 1, Covers: all, Hash: all.Hash()}},
		"a commit on its way":        {end: wire.End{Complete: true, Covers: run(0, 1), Hash: all.Hash()}},
		"an advertisement missing":   {end: wire.End{Complete: true, Covers: all, Hash: run(0, 3).Hash()}},
		"more than is held was told": {end: wire.End{Complete: true, Covers: all, Hash: run(0, 3).Hash()}, advert: run(0, 3)},
		"more than was asked for":    {end: wire.End{Complete: true, Covers: run(0, 9), Hash: all.Hash()}, claimed: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t, 1)
			d := s.nodes[0]
			id, p := s.stranger(d, crdt.TillID{9})
			s.greet(d, id)
			receive := func(m wire.Message) { require.NoError(t, d.core.Receive(s.now, id, m)) }
			receive(&wire.Context{Scope: crdt.Catalog, Full: true, Entries: all, Hash: all.Hash()})
			s.run()
			pull := p.got[len(p.got)-1].(*wire.Pull)
			require.Equal(t, all, pull.Want)
			if test.advert != nil {
				receive(&wire.Context{Scope: crdt.Catalog, Entries: test.advert, Hash: test.advert.Hash()})
			}
			test.end.Pull = pull.ID
			receive(&test.end)
			s.run()
			if test.claimed {
				require.Equal(t, all, d.core.Context(crdt.Catalog))
				require.Equal(t, all, d.store.Contexts()[crdt.Catalog])
				return
			}
			require.Empty(t, d.core.Context(crdt.Catalog))
			require.EqualValues(t, 1, d.core.Stats().ClaimsDropped)
			s.pass(time.Second)
			require.Greater(t, kinds(p.got)[wire.KindPull], 1, "it asks again")
		})
	}
}

// TestAnswerWaitsForTheBatchThatRuns: the store is ahead of the core while a batch is written. What the batch replaced
// is not read any more, so the answer may not end before what replaced it is known.
func TestAnswerWaitsForTheBatchThatRuns(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	commit := b.write(b.register(1, "espresso"))
	s.link(b, a)
	s.run()
	require.Equal(t, "espresso", a.value(1))

	id, p := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	a.core.Propose(a.register(1, "doppio"))
	ops := a.core.Take(1 << 20)
	require.Len(t, ops, 1)
	applied, err := a.store.Apply(context.Background(), ops)
	require.NoError(t, err)
	want := crdt.Context{b.replica: {commit.Interval()}}
	require.NoError(t, a.core.Receive(s.now, id, &wire.Pull{ID: 1, Scope: crdt.Catalog, Want: want}))
	s.run()
	require.Zero(t, kinds(p.got)[wire.KindEnd], "the end has to wait")
	a.done(applied, nil, false)
	s.run()
	end := p.got[len(p.got)-1].(*wire.End)
	require.True(t, end.Complete)
	require.Equal(t, a.core.Context(crdt.Catalog).Hash(), end.Hash)
	require.Equal(t, 1, kinds(p.got)[wire.KindPush])
}

func TestACopyOfAQuestionIsAnsweredOnce(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	a.write(a.register(1, "espresso"))
	id, p := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	for range 2 {
		require.NoError(t, a.core.Receive(s.now, id, &wire.Pull{ID: 4, Scope: crdt.Catalog, Want: a.core.Context(crdt.Catalog)}))
		s.run()
	}
	require.Equal(t, 1, kinds(p.got)[wire.KindCommits])
	require.Equal(t, 1, kinds(p.got)[wire.KindEnd])
}

func TestTooManyQuestions(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	id, p := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	var err error
	asked := 0
	for err == nil && asked < 100 {
		asked++
		err = a.core.Receive(s.now, id, &wire.Pull{ID: uint64(asked), Scope: crdt.Catalog})
	}
	require.ErrorIs(t, err, replication.ErrProtocol)
	require.Greater(t, asked, 16)
	s.run()
	refused := 0
	for _, m := range p.got {
		if end, ok := m.(*wire.End); ok && !end.Complete {
			refused++
		}
	}
	require.Positive(t, refused, "some are told to ask again")
}

func TestFailedWrites(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	full := errors.New("disk is full")
	first := a.core.Propose(a.register(1, "espresso"))
	require.Nil(t, a.core.Take(0)[0].Notes)
	require.Nil(t, a.core.Take(0), "one batch at a time")
	require.Empty(t, a.done(replication.Applied{}, full, false))
	require.ErrorIs(t, a.results[first].Err, full)
	require.False(t, a.core.Failed())
	c := a.write(a.register(1, "doppio"))
	require.Equal(t, crdt.NewSeq(7, 1), c.Dot.Seq, "the number was not used")
	require.Zero(t, a.core.Waiting())

	a.core.Propose(a.register(1, "lungo"))
	require.Len(t, a.core.Take(0), 1)
	a.done(replication.Applied{}, full, true)
	require.True(t, a.core.Failed())
}

func TestDoubtStopsWriting(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	id, _ := s.stranger(a, crdt.TillID{9})
	s.greet(a, id)
	known := crdt.Context{a.replica: {{After: crdt.NewSeq(7, 0), To: crdt.NewSeq(7, 5)}}}
	require.NoError(t, a.core.Receive(s.now, id, &wire.Have{Scope: crdt.Catalog, Entries: known}))
	s.run()
	require.True(t, a.core.InDoubt())
	require.Equal(t, replication.EventDoubt, a.events[len(a.events)-1].Kind)
	ticket := a.core.Propose(a.register(1, "espresso"))
	s.run()
	require.ErrorIs(t, a.results[ticket].Err, replication.ErrDoubt)
}

func TestAskAndAnswer(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.nodes[0], s.nodes[1]
	_, ok := a.core.Ask(1, "clock", nil)
	require.False(t, ok, "there is no link")
	s.link(a, b)
	s.run()
	ask, ok := a.core.Ask(1, "clock", []byte("?"))
	require.True(t, ok)
	s.run()
	asked := b.events[len(b.events)-1]
	require.Equal(t, replication.Event{
		Kind: replication.EventAsked, Link: 1, Till: a.id, ID: ask, Topic: "clock", Body: []byte("?"),
	}, asked)
	b.core.Answer(asked.Link, asked.ID, true, []byte("noon"))
	s.run()
	require.Equal(t, replication.Event{
		Kind: replication.EventAnswered, Link: 1, Till: b.id, ID: ask, OK: true, Body: []byte("noon"),
	}, a.events[len(a.events)-1])
}

func TestOneHelloComparesBothWays(t *testing.T) {
	s := newShop(t, 1)
	a := s.nodes[0]
	a.write(a.register(1, "espresso"))
	id, p := s.stranger(a, crdt.TillID{9})
	s.run()
	require.NoError(t, a.core.Receive(s.now, id, &wire.Hello{
		Oldest: wire.Oldest, Newest: wire.Version, Shop: shop, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9},
		State: a.core.StateHash(),
	}))
	s.pass(time.Minute)
	before := kinds(p.got)
	require.NoError(t, a.core.Receive(s.now, id, &wire.Scopes{List: []wire.ScopeState{{Scope: crdt.Sales}}}))
	s.run()
	after := kinds(p.got)
	require.Equal(t, before[wire.KindContext]+1, after[wire.KindContext], "what the stranger lacks")
	require.Equal(t, before[wire.KindScopes]+1, after[wire.KindScopes], "and what it may have")
	require.NoError(t, a.core.Receive(s.now, id, &wire.Scopes{List: []wire.ScopeState{{Scope: crdt.Sales}}}))
	s.run()
	require.Equal(t, after[wire.KindScopes], kinds(p.got)[wire.KindScopes], "once per Hello")
}
