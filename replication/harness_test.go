package replication_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/wire"
)

var (
	shop = crdt.ShopID{1}
	noon = time.Unix(1_800_000_000, 0)
)

// shopOf is a few cores with stores in memory and a clock that only the test moves.
type shopOf struct {
	t      *testing.T
	now    time.Time
	nodes  []*node
	change func(*replication.Config)
}

type node struct {
	shop    *shopOf
	id      crdt.TillID
	replica crdt.ReplicaID
	disk    *memory.Disk
	rows    *memory.Store
	boot    uint32
	store   *store.Store
	core    *replication.Core
	peers   map[replication.LinkID]*peer
	order   []replication.LinkID
	results map[uint64]replication.Result
	events  []replication.Event
}

// peer is the far side of a link; to is nil if the test plays it.
type peer struct {
	to   *node
	link replication.LinkID
	deaf bool // takes nothing
	got  []wire.Message
}

// everybody lets a till push what carries its own first byte.
type everybody struct{}

// MayPush is a method of replication.Roster.
func (everybody) MayPush(t crdt.TillID, c *crdt.Commit) bool { return t[0] == c.Dot.Replica[0] }

func newShop(t *testing.T, tills int) *shopOf {
	return newShopWith(t, tills, func(*replication.Config) {})
}

// newShopWith is newShop with a change to what every core starts from, now and later.
func newShopWith(t *testing.T, tills int, change func(*replication.Config)) *shopOf {
	s := &shopOf{t: t, now: noon, change: change}
	for n := range tills {
		d := &node{shop: s, id: crdt.TillID{byte(n + 1)}, replica: crdt.ReplicaID{byte(n + 1)}, disk: memory.NewDisk(), boot: 6}
		d.start()
		s.nodes = append(s.nodes, d)
	}
	return s
}

// start begins a new life of a till on its disk.
func (d *node) start() {
	t := d.shop.t
	var err error
	d.rows, err = d.disk.Open()
	require.NoError(t, err)
	d.store, err = store.Open(context.Background(), d.rows)
	require.NoError(t, err)
	d.boot++
	d.peers, d.order, d.results = make(map[replication.LinkID]*peer), nil, make(map[uint64]replication.Result)
	damaged, err := d.store.Damaged(context.Background())
	require.NoError(t, err)
	agreed, err := d.store.Agreed(context.Background(), d.replica)
	require.NoError(t, err)
	cfg := replication.Config{
		Shop: shop, Till: d.id, Replica: d.replica, Boot: d.boot, Nonce: [16]byte{d.id[0], byte(d.boot)}, Roster: everybody{},
		Contexts: d.store.Contexts(), Digests: d.store.Digests(), Heads: d.store.Heads(), Damaged: damaged, Agreed: agreed,
	}
	for scope, head := range cfg.Heads { // a new lineage begins anew
		if cfg.Contexts[scope].Last(d.replica) != head.Seq {
			delete(cfg.Heads, scope)
		}
	}
	d.shop.change(&cfg)
	d.core = replication.NewCore(cfg)
}

// restart ends a till, cutting its links, and starts it again.
func (d *node) restart() {
	for _, id := range d.order {
		if p := d.peers[id]; p.to != nil {
			p.to.core.LinkDown(d.shop.now, p.link)
			delete(p.to.peers, p.link)
			p.to.order = slices.DeleteFunc(p.to.order, func(o replication.LinkID) bool { return o == p.link })
		}
	}
	require.NoError(d.shop.t, d.store.Close())
	d.start()
}

func (s *shopOf) link(a, b *node) {
	x, y := a.core.LinkUp(s.now, b.id), b.core.LinkUp(s.now, a.id)
	a.peers[x], b.peers[y] = &peer{to: b, link: y}, &peer{to: a, link: x}
	a.order, b.order = append(a.order, x), append(b.order, y)
}

// stranger links a node with a peer that the test plays.
func (s *shopOf) stranger(d *node, id crdt.TillID) (replication.LinkID, *peer) {
	x, p := d.core.LinkUp(s.now, id), new(peer)
	d.peers[x] = p
	d.order = append(d.order, x)
	return x, p
}

// run delivers and writes until nothing moves.
func (s *shopOf) run() {
	s.t.Helper()
	for range 10_000 {
		moved := false
		for _, d := range s.nodes {
			moved = d.step() || moved
		}
		if !moved {
			return
		}
	}
	s.t.Fatal("the shop does not fall silent")
}

// pass lets time pass, stopping wherever a core asked for.
func (s *shopOf) pass(d time.Duration) {
	end := s.now.Add(d)
	for {
		next := end
		for _, n := range s.nodes {
			if at := n.core.Deadline(); !at.IsZero() && at.Before(next) {
				next = at
			}
		}
		if next.After(s.now) {
			s.now = next
		}
		for _, n := range s.nodes {
			n.core.Tick(s.now)
		}
		s.run()
		if !s.now.Before(end) {
			return
		}
	}
}

func (d *node) step() (moved bool) {
	t := d.shop.t
	for _, id := range d.order {
		p := d.peers[id]
		if p.deaf {
			continue
		}
		for _, m := range d.core.Next(id) {
			moved = true
			p.got = append(p.got, m)
			if p.to != nil {
				require.NoError(t, p.to.core.Receive(d.shop.now, p.link, m))
			}
		}
		if r, ok := d.core.NextRead(id); ok {
			moved = true
			d.read(r)
		}
	}
	if r, ok := d.core.NextAudit(); ok {
		moved = true
		f, err := d.store.Audit(context.Background(), r)
		d.core.AuditDone(d.shop.now, f, err)
	}
	if ops := d.core.Take(1 << 20); len(ops) > 0 {
		moved = true
		applied, err := d.store.Apply(context.Background(), ops)
		d.done(applied, err, false)
	}
	for _, r := range d.core.Refused() {
		d.results[r.Ticket] = r
	}
	d.events = append(d.events, d.core.Events()...)
	return moved
}

func (d *node) read(r replication.Read) {
	var list [][]byte
	var err error
	at := r.At
	if r.Dots != nil {
		list, err = d.store.ByDot(context.Background(), r.Scope, r.Dots)
	} else {
		list, at, err = d.store.Live(context.Background(), r.Scope, r.Want, r.At, r.Bytes)
	}
	d.core.ReadDone(r, list, at, err)
}

func (d *node) done(applied replication.Applied, err error, unknown bool) []replication.Taken {
	results, taken := d.core.Done(d.shop.now, applied, err, unknown)
	for _, r := range results {
		d.results[r.Ticket] = r
	}
	return taken
}

// register is a change of one register, made from what the store holds.
func (d *node) register(object byte, value string) replication.Local {
	key := crdt.Key{Scope: crdt.Catalog, Type: "article", Object: crdt.ObjectID{object}}
	o, err := d.store.Object(context.Background(), key)
	require.NoError(d.shop.t, err)
	return replication.Local{Scope: crdt.Catalog, Schema: 1, Stamp: crdt.Stamp{Trusted: true, MS: d.shop.now.UnixMilli()},
		Pieces: []crdt.Piece{{
			Kind: crdt.KindRegister, Type: "article", Object: key.Object, Name: "name", Clock: o.Seen("name"), Raw: []byte(value),
		}}}
}

// write proposes and runs, and returns the commit.
func (d *node) write(l replication.Local) *crdt.Commit {
	d.shop.t.Helper()
	ticket := d.core.Propose(l)
	d.shop.run()
	r, ok := d.results[ticket]
	require.True(d.shop.t, ok, "no answer to change %d", ticket)
	require.NoError(d.shop.t, r.Err)
	return r.Commit
}

func (d *node) value(object byte) string {
	o, err := d.store.Object(context.Background(), crdt.Key{Scope: crdt.Catalog, Type: "article", Object: crdt.ObjectID{object}})
	require.NoError(d.shop.t, err)
	return string(o.Value("name"))
}

func (s *shopOf) requireEqual() {
	s.t.Helper()
	for _, d := range s.nodes[1:] {
		require.Equal(s.t, s.nodes[0].core.StateHash(), d.core.StateHash(), fmt.Sprintf("till %x", d.id[0]))
	}
}

func kinds(list []wire.Message) map[wire.Kind]int {
	out := make(map[wire.Kind]int)
	for _, m := range list {
		out[m.Kind()]++
	}
	return out
}
