//go:build bench

package scale

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/mesh"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

var shopID = crdt.ShopID{0x5c}

// shop is many tills in one process: the real core, engine, store rules and gossip, over links and a LAN in memory.
type shop struct {
	tills    []*till
	sent     atomic.Int64 // bytes that went over links
	network  *network
	compress bool // links compress, as slow ones do

	stop    context.CancelFunc
	run     func(func(context.Context) error) // runs something until stop is called
	running sync.WaitGroup
	cut     context.CancelFunc // ends the links
	linked  sync.WaitGroup
}

type till struct {
	id     crdt.TillID
	store  *store.Store
	engine *engine.Engine
	gossip *mesh.Gossip
	held   chan struct{} // one slot: another till said that it holds more
}

// MayPush is a method of replication.Roster: the first bytes of a replica name its till.
func (s *shop) MayPush(id crdt.TillID, c *crdt.Commit) bool {
	return [2]byte(id[:2]) == [2]byte(c.Dot.Replica[:2])
}

func newShop() *shop {
	ctx, stop := context.WithCancel(context.Background())
	s := &shop{network: newNetwork(), stop: stop, cut: func() {}}
	s.run = func(f func(context.Context) error) { s.running.Go(func() { _ = f(ctx) }) }
	return s
}

// openShop starts n tills, each linked with every other.
func openShop(t *testing.T, n int, gossip bool) *shop {
	t.Helper()
	s := newShop()
	for range n {
		s.add(t, memory.New())
	}
	if gossip {
		s.talk(t)
	}
	s.meet()
	return s
}

func idOf(i int) (id crdt.TillID) {
	binary.BigEndian.PutUint16(id[:], uint16(i+1))
	return id
}

func replicaOf(i int) crdt.ReplicaID {
	id := idOf(i)
	return crdt.ReplicaID(id[:16])
}

// add starts a till on rows, apart from the others.
func (s *shop) add(t *testing.T, r rows.Store) *till {
	t.Helper()
	st, err := store.Open(t.Context(), r)
	require.NoError(t, err)
	i := len(s.tills)
	l := &till{id: idOf(i), store: st, held: make(chan struct{}, 1)}
	core := replication.NewCore(replication.Config{
		Shop: shopID, Till: l.id, Replica: replicaOf(i), Boot: 1, Nonce: [16]byte(l.id[:16]), Program: "scale", Roster: s,
		Contexts: st.Contexts(), Digests: st.Digests(), Heads: st.Heads(),
	})
	l.engine = engine.New(engine.Config{
		Core: core, Store: st, Log: slog.New(slog.DiscardHandler),
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) },
		Held: func() {
			select {
			case l.held <- struct{}{}:
			default:
			}
		},
	})
	s.run(l.engine.Run)
	s.tills = append(s.tills, l)
	return l
}

// talk lets all tills gossip.
func (s *shop) talk(t *testing.T) {
	t.Helper()
	var everyone []mesh.Target
	for i, l := range s.tills {
		everyone = append(everyone, mesh.Target{Till: l.id, Addrs: []string{place(i).String()}})
	}
	for i, l := range s.tills {
		var err error
		l.gossip, err = mesh.NewGossip(mesh.GossipConfig{
			Till: l.id, Shop: shopID, Key: make([]byte, 32), Boot: 1, LinkPort: 1, Bind: place(i),
			Addresses: func() []mesh.Target { return everyone }, Transport: s.network.attach(place(i)),
		})
		require.NoError(t, err)
		s.run(l.gossip.Run)
	}
}

func place(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 200), byte(i%200 + 1)}), 8482)
}

// meet links every till with every other.
func (s *shop) meet() {
	var ctx context.Context
	ctx, s.cut = context.WithCancel(context.Background())
	for i, a := range s.tills {
		for _, b := range s.tills[:i] {
			left, right := net.Pipe()
			s.serve(ctx, a, b.id, left)
			s.serve(ctx, b, a.id, right)
		}
	}
}

func (s *shop) serve(ctx context.Context, l *till, peer crdt.TillID, c net.Conn) {
	conn := engine.Conn{ReadWriteCloser: counted{c, &s.sent}, Peer: peer, Compress: func() bool { return s.compress }}
	s.linked.Go(func() { _ = l.engine.Serve(ctx, conn) })
}

// part ends all links.
func (s *shop) part() {
	s.cut()
	s.linked.Wait()
}

func (s *shop) close() {
	s.part()
	s.stop()
	s.running.Wait()
}

// same reports whether all tills hold the same.
func (s *shop) same() bool {
	first := s.tills[0].engine.State().Hash
	for _, l := range s.tills[1:] {
		if l.engine.State().Hash != first {
			return false
		}
	}
	return true
}

// equal reports whether every till is linked with all others and knows that they hold the same.
func (s *shop) equal() bool {
	for _, l := range s.tills {
		state := l.engine.State()
		if len(state.Links) != len(s.tills)-1 {
			return false
		}
		for _, link := range state.Links {
			if !link.Equal {
				return false
			}
		}
	}
	return s.same()
}

// line is a change as large as a line of a tab.
func line(n int) replication.Local {
	var id crdt.ObjectID
	binary.BigEndian.PutUint64(id[:], uint64(n))
	raw := fmt.Appendf(nil, "%0160d", n)
	return replication.Local{
		Scope: crdt.Sales, Schema: 1, WallMS: int64(n), Stamp: crdt.Stamp{Trusted: true, MS: int64(n)}, Urgent: true,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: id, Raw: raw}},
	}
}
