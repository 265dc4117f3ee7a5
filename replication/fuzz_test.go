package replication_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// script plays a peer with a valid key that says anything: each byte decides something, and 0 when there are no more.
type script struct {
	*shopOf
	a     *node
	bytes []byte
	link  replication.LinkID
	p     *peer
	own   []*crdt.Commit // acknowledged

	auditScope crdt.Scope // what the peer compares
	sent       [][]byte   // commits the peer made
}

var fuzzScopes = []crdt.Scope{crdt.Catalog, crdt.Sales, {Kind: 99, Owner: crdt.TillID{9}}}

func (s *script) next() byte {
	if len(s.bytes) == 0 {
		return 0
	}
	b := s.bytes[0]
	s.bytes = s.bytes[1:]
	return b
}

func (s *script) under(n int) int { return int(s.next()) % n }

func (s *script) flip() bool { return s.under(2) == 1 }

func (s *script) scope() crdt.Scope { return fuzzScopes[s.under(len(fuzzScopes))] }

func (s *script) replica() crdt.ReplicaID {
	if s.under(64) == 0 { // else the till is soon in doubt and takes nothing more
		return s.a.replica
	}
	return []crdt.ReplicaID{{9}, {9}, {9, 1}, {10}}[s.under(4)]
}

func (s *script) seq() crdt.Seq { return crdt.NewSeq(uint32(1+s.under(8)), uint32(1+s.under(6))) }

func (s *script) context() crdt.Context {
	c := make(crdt.Context)
	for range s.under(4) {
		from := s.seq() - 1
		c.Add(s.replica(), crdt.Interval{After: from, To: from + 1 + crdt.Seq(s.under(5))})
	}
	if s.flip() { // something that is true
		c.AddAll(s.a.core.Context(s.scope()))
	}
	return c
}

func (s *script) key() (typ string, id crdt.ObjectID) {
	return []string{"article", "line", "close"}[s.under(3)], crdt.ObjectID{byte(1 + s.under(6))}
}

func (s *script) clock() (clock crdt.Clock) {
	for range s.under(3) {
		clock = clock.With(crdt.Dot{Replica: s.replica(), Seq: s.seq()})
	}
	return clock
}

// commit makes one that is well-formed, or takes one that was made before.
func (s *script) commit() []byte {
	if len(s.sent) > 0 && s.under(4) == 0 {
		return s.sent[s.under(len(s.sent))]
	}
	c := &crdt.Commit{Scope: s.scope(), Dot: crdt.Dot{Replica: s.replica(), Seq: s.seq()}, Schema: 1, Stamp: crdt.Stamp{MS: int64(s.next())}}
	if s.flip() {
		c.Pred = c.Dot.Seq - crdt.Seq(1+s.under(3))
	}
	for range 1 + s.under(3) {
		typ, id := s.key()
		p := crdt.Piece{Kind: crdt.KindRegister, Type: typ, Object: id, Name: "name", Raw: []byte{s.next()}}
		if s.flip() {
			p.Kind, p.Name = crdt.KindItem, ""
			for range s.under(3) {
				typ, id := s.key()
				p.Type, p.Objects = "close", append(p.Objects, crdt.TypedObjects{Type: typ, IDs: []crdt.ObjectID{id}})
			}
			for range s.under(2) {
				typ, id := s.key()
				p.Type, p.Registers = "close", append(p.Registers, crdt.RegisterUpTo{Type: typ, Object: id, Name: "name", Clock: s.clock()})
			}
		} else if p.Clock = s.clock(); p.Clock.Get(c.Dot.Replica) > c.Dot.Seq {
			p.Clock = nil
		}
		c.Pieces = append(c.Pieces, p)
	}
	if c.Seal() != nil {
		return []byte{s.next()}
	}
	s.sent = append(s.sent, c.Bytes())
	return c.Bytes()
}

func (s *script) commits() (list [][]byte) {
	for range s.under(4) {
		list = append(list, s.commit())
	}
	return list
}

// leavesHere are leaves of which the till holds something.
func (s *script) leavesHere(scope crdt.Scope) (list []int) {
	for r, runs := range s.a.core.Context(scope) {
		for _, iv := range runs {
			list = append(list, replication.AuditLeaf(crdt.Dot{Replica: r, Seq: iv.To}))
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (s *script) numbers(end int) (list []int) {
	at := -1
	for range s.under(5) {
		if at += 1 + s.under(256)*end/256; at < end {
			list = append(list, at)
		}
	}
	return list
}

func (s *script) digests(n int) []crdt.Digest {
	list := make([]crdt.Digest, n)
	list[s.under(n)] = crdt.Digest{uint64(s.next()), 1}
	return list
}

func (s *script) audit() wire.Message {
	step := wire.AuditStep(1 + s.under(7))
	scope, id := s.auditScope, uint64(3)
	if asked := s.asked(); asked != nil && (step == wire.AuditSums || step == wire.AuditEntries || step == wire.AuditVerdict || step == wire.AuditGive) {
		body, err := wire.DecodeAudit(asked.Body)
		require.NoError(s.t, err)
		scope, id = asked.Scope, body.ID
	} else if step == wire.AuditCompare || s.under(8) == 0 {
		s.auditScope = s.scope()
		scope = s.auditScope
	}
	a := &wire.AuditBody{Step: step, ID: id, Context: s.a.core.Context(scope).Hash()}
	a.Total, a.Again, a.Code, a.More = crdt.Digest{uint64(s.next()), 3}, s.flip(), wire.AuditCode(s.under(4)), s.flip()
	a.Last = s.flip()
	switch step {
	case wire.AuditSums:
		a.Sums = s.digests(wire.AuditBuckets)
	case wire.AuditParts:
		numbers := s.numbers(wire.AuditBuckets)
		if s.flip() {
			numbers = nil
			for _, leaf := range s.leavesHere(scope) {
				numbers = append(numbers, leaf/wire.AuditLeaves)
			}
			numbers = slices.Compact(numbers)
		}
		for _, n := range numbers {
			a.Parts = append(a.Parts, wire.AuditPart{Bucket: n, Sums: s.digests(wire.AuditLeaves)})
		}
	case wire.AuditEntries:
		if a.Leaves = s.leavesHere(scope); s.flip() {
			a.Leaves = s.numbers(wire.AuditBuckets * wire.AuditLeaves)
		}
		for range s.under(4) {
			a.Entries = append(a.Entries, wire.AuditEntry{Dot: crdt.Dot{Replica: s.replica(), Seq: s.seq()}, Tag: [16]byte{s.next()}})
		}
	case wire.AuditOffer, wire.AuditGive:
		a.Commits = s.commits()
		for range s.under(4) {
			a.Wants = append(a.Wants, crdt.Dot{Replica: s.replica(), Seq: s.seq()})
		}
	}
	body := a.Append(nil)
	if s.under(16) == 0 {
		body[s.under(len(body))] ^= s.next()
	}
	return &wire.Audit{Scope: scope, Body: body}
}

// asked returns the till's last message of an audit that it asked for.
func (s *script) asked() *wire.Audit {
	for _, m := range slices.Backward(s.p.got) {
		if m, ok := m.(*wire.Audit); ok {
			if body, err := wire.DecodeAudit(m.Body); err == nil && (body.Step == wire.AuditCompare || body.Step == wire.AuditParts || body.Step == wire.AuditOffer) {
				return m
			}
		}
	}
	return nil
}

func (s *script) message() wire.Message {
	switch s.under(14) {
	case 0:
		return &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9}, Nonce: [16]byte{byte(s.under(3))},
			State: [16]byte{s.next()}}
	case 1:
		return &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9}, State: s.a.core.StateHash()}
	case 2:
		m := &wire.Scopes{}
		for range s.under(4) {
			m.List = append(m.List, wire.ScopeState{Scope: s.scope(), Context: [16]byte{s.next()}, Digest: crdt.Digest{1, uint64(s.next())}})
		}
		return m
	case 3:
		c := s.context()
		m := &wire.Context{Scope: s.scope(), Full: s.flip(), Entries: c, Hash: c.Hash()}
		m.Hash[0] ^= byte(s.under(4) / 3)
		return m
	case 4:
		return &wire.Pull{ID: uint64(s.next()), Scope: s.scope(), Want: s.context(), ForHave: s.flip()}
	case 5, 6:
		return &wire.Commits{Pull: uint64(s.under(12)), Index: uint64(s.under(3)), List: s.commits()}
	case 7:
		c := s.context()
		return &wire.End{Pull: uint64(s.under(12)), Complete: s.flip(), Frames: uint64(s.under(3)), Covers: c, Hash: s.context().Hash()}
	case 8:
		return &wire.Push{List: s.commits(), Urgent: s.flip()}
	case 9:
		return &wire.Have{Scope: s.scope(), Entries: s.context()}
	case 10, 11:
		return s.audit()
	case 12:
		return []wire.Message{&wire.Ask{ID: 1, Topic: "x"}, &wire.Answer{ID: 1}, &wire.Twice{Nonce: [16]byte{s.next()}, Later: s.flip()},
			&wire.Bye{Code: "version"}}[s.under(4)]
	}
	n := s.under(64)
	n = min(n, len(s.bytes))
	body := s.bytes[:n]
	s.bytes = s.bytes[n:]
	m, err := wire.Decode(wire.Kind(s.next()), body)
	if err != nil {
		return nil
	}
	return m
}

func (s *script) connect() {
	s.link, s.p = s.stranger(s.a, crdt.TillID{9})
	if s.under(8) > 0 {
		require.NoError(s.t, s.a.core.Receive(s.now, s.link, &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: crdt.TillID{9},
			Replica: crdt.ReplicaID{9}, State: [16]byte{s.next()}}))
	}
}

func (s *script) disconnect() {
	s.a.core.LinkDown(s.now, s.link)
	s.a.forget(s.link)
	delete(s.a.peers, s.link)
}

// write makes an own change, as a till does that heeds its doubts.
func (s *script) write() {
	if s.a.core.InDoubt() {
		return
	}
	l := s.a.register(byte(1+s.under(6)), string(s.next()))
	l.Scope = s.scope()
	if l.Scope != crdt.Catalog { // the clock was read there
		l.Pieces[0].Clock = nil
		o, err := s.a.store.Object(context.Background(), crdt.Key{Scope: l.Scope, Type: "article", Object: l.Pieces[0].Object})
		require.NoError(s.t, err)
		l.Pieces[0].Clock = o.Seen("name")
	}
	if s.flip() {
		l.Pieces = append(l.Pieces, crdt.Piece{Kind: crdt.KindItem, Type: "receipt", Object: crdt.ObjectID{200, byte(len(s.own))}, Raw: []byte("own")})
	}
	ticket := s.a.core.Propose(l)
	s.run()
	r, answered := s.a.results[ticket]
	require.True(s.t, answered)
	if r.Err == nil {
		s.own = append(s.own, r.Commit)
	}
}

func (s *script) play() {
	s.connect()
	for len(s.bytes) > 0 {
		switch s.under(16) {
		case 0:
			s.write()
		case 1:
			s.pass(time.Duration(1+s.under(200)) * 50 * time.Millisecond)
		case 2:
			switch s.under(6) {
			case 0:
				s.pass(time.Duration(s.under(4)) * 31 * time.Minute)
			case 1:
				s.a.core.Audit(s.now)
			case 2:
				s.a.core.Pause(s.now, func(scope crdt.Scope) bool { return scope == crdt.Sales })
			case 3:
				s.a.core.Pause(s.now, nil)
			}
		case 3:
			if s.under(4) == 0 {
				s.crash()
			}
		case 4:
			s.disconnect()
			s.connect()
		default:
			m := s.message()
			if m == nil {
				continue
			}
			if err := s.a.core.Receive(s.now, s.link, m); err != nil {
				s.a.core.Refuse(s.link, err)
				s.run()
				s.disconnect()
				s.connect()
			}
			if s.flip() {
				s.run()
			}
		}
		s.p.got = s.p.got[max(0, len(s.p.got)-64):]
		require.Less(s.t, s.a.core.Footprint(), 20_000)
	}
	s.run()
}

// crash ends the till between two writes and starts it again under a new lineage if it was in doubt, as its driver does.
func (s *script) crash() {
	s.disconnect()
	doubt := s.a.core.InDoubt()
	s.a.disk.Crash()
	if doubt {
		s.a.replica[15]++
	}
	s.a.start()
	s.connect()
}

// check compares what is kept with every write with what all rows say, and looks after the own commits.
func (s *script) check() {
	ctx, t := context.Background(), s.t
	for _, scope := range fuzzScopes {
		recount, err := s.a.store.Recount(ctx, scope)
		require.NoError(t, err)
		for first := true; ; first = false {
			f, err := s.a.store.Audit(ctx, replication.AuditRead{What: replication.ReadRows, Scope: scope, First: first})
			require.NoError(t, err)
			if f.Done {
				break
			}
		}
		f, err := s.a.store.Audit(ctx, replication.AuditRead{What: replication.ReadSums, Scope: scope})
		require.NoError(t, err)
		require.Equal(t, recount, f.Kept, "digest of %v", scope)
		require.Equal(t, recount, f.Commits, "index of %v", scope)
		require.Equal(t, recount, s.a.core.Digest(scope))
		require.True(t, s.a.store.Contexts()[scope].Equal(s.a.core.Context(scope)) || len(s.a.core.Context(scope)) == 0)
	}
	for _, c := range s.own {
		require.True(t, s.a.core.Context(c.Scope).Has(c.Dot))
		held, err := s.a.store.ByDot(ctx, c.Scope, []crdt.Dot{c.Dot})
		require.NoError(t, err)
		live := 0
		for i := range c.Pieces {
			p := &c.Pieces[i]
			o, err := s.a.store.Object(ctx, crdt.Key{Scope: c.Scope, Type: p.Type, Object: p.Object})
			require.NoError(t, err)
			alive := false
			for _, item := range o.Items {
				alive = alive || item.Origin.Dot == c.Dot && item.Origin.Tag == c.Origin().Tag
			}
			if r := o.Get(p.Name); r != nil && p.Kind == crdt.KindRegister {
				for _, sibling := range r.Siblings {
					alive = alive || sibling.Origin.Dot == c.Dot && sibling.Origin.Tag == c.Origin().Tag
				}
				require.True(t, alive || r.Clock.Covers(c.Dot), "own write %v vanished", c.Dot)
			} else {
				require.True(t, alive || o.Gone || p.Kind == crdt.KindRegister, "own item %v vanished", c.Dot)
			}
			if alive {
				live++
			}
		}
		if live > 0 {
			require.Equal(t, [][]byte{c.Bytes()}, held, "own commit %v", c.Dot)
		}
	}
}

// FuzzSession lets a peer with a valid key say anything, with crashes in between. Nothing may break, memory stays bounded,
// rows, index, digests and contexts agree, and own commits are as they were written.
func FuzzSession(f *testing.F) {
	for seed := range uint64(24) {
		random := rand.New(rand.NewPCG(seed, 7))
		b := make([]byte, 200+random.IntN(1500))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) <= 4000 {
			session(t, b)
		}
	})
}

func session(t *testing.T, b []byte) {
	shop := newShopWith(t, 1, activeOf(new([]crdt.ReplicaID), 1, 9))
	s := &script{shopOf: shop, a: shop.nodes[0], bytes: b, auditScope: crdt.Catalog}
	s.play()
	s.check()
	s.crash()
	s.check()
}

var sessions = flag.Int("sessions", 200, "how many random sessions TestSessions plays")

// TestSessions plays random scripts: chance finds its way into long sessions better than a fuzzer does.
func TestSessions(t *testing.T) {
	seed := rand.Uint64()
	for n := range uint64(*sessions) {
		random := rand.New(rand.NewPCG(seed, n))
		b := make([]byte, 200+random.IntN(3000))
		for i := range b {
			b[i] = byte(random.Uint32())
		}
		if !t.Run(fmt.Sprintf("%d/%d", seed, n), func(t *testing.T) { session(t, b) }) {
			return
		}
	}
}
