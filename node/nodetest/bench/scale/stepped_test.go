//go:build bench

package scale

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// stepped is a shop of cores that one goroutine steps, on stores in memory and with a clock of its own.
type stepped struct {
	t        *testing.T
	now      time.Time
	nodes    []*member
	moved    map[*member]bool // may have something to do
	unjoined crdt.Context     // what every commit alone adds to a context
}

type member struct {
	shop  *stepped
	n     int
	id    crdt.TillID
	disk  *memory.Disk
	rows  *memory.Store
	store *store.Store
	core  *replication.Core
	links map[int]replication.LinkID // by the number of the other till
	made  []*crdt.Commit             // since they were asked for
}

// MayPush is a method of replication.Roster.
func (s *stepped) MayPush(id crdt.TillID, c *crdt.Commit) bool { return id[1] == c.Dot.Replica[1] }

func (s *stepped) active() (list []crdt.TillID) {
	for _, d := range s.nodes {
		list = append(list, d.id)
	}
	return list
}

func newStepped(t *testing.T, tills int) *stepped {
	s := &stepped{t: t, now: time.Unix(1_800_000_000, 0), moved: make(map[*member]bool), unjoined: make(crdt.Context)}
	for i := range tills {
		s.nodes = append(s.nodes, &member{shop: s, n: i, id: idOf(i), disk: memory.NewDisk()})
	}
	for _, d := range s.nodes {
		d.start()
	}
	s.run()
	return s
}

// start begins a new life on the disk and links it with everybody who lives.
func (d *member) start() {
	t, ctx := d.shop.t, context.Background()
	t.Helper()
	var err error
	d.rows, err = d.disk.Open()
	require.NoError(t, err)
	d.store, err = store.Open(ctx, d.rows)
	require.NoError(t, err)
	boot, err := d.store.NextBoot(ctx, 0)
	require.NoError(t, err)
	agreed, err := d.store.Agreed(ctx, replicaOf(d.n))
	require.NoError(t, err)
	d.core = replication.NewCore(replication.Config{
		Shop: shopID, Till: d.id, Replica: replicaOf(d.n), Boot: boot, Nonce: [16]byte{byte(d.n), byte(boot >> 16), byte(boot >> 8), byte(boot)},
		Roster: d.shop, Contexts: d.store.Contexts(), Digests: d.store.Digests(), Heads: d.store.Heads(), Agreed: agreed,
		AuditEvery: 1000 * time.Hour, Active: d.shop.active,
	})
	d.links = make(map[int]replication.LinkID)
	for _, o := range d.shop.nodes {
		if o != d && o.core != nil {
			d.links[o.n], o.links[d.n] = d.core.LinkUp(d.shop.now, o.id), o.core.LinkUp(d.shop.now, d.id)
			d.shop.moved[o] = true
		}
	}
	d.shop.moved[d] = true
}

// restart ends the till, a minute after what was before, and starts it again.
func (d *member) restart() {
	s := d.shop
	s.now = s.now.Add(time.Minute)
	for _, o := range s.nodes {
		if o != d {
			o.core.LinkDown(s.now, o.links[d.n])
			delete(o.links, d.n)
			o.core.Tick(s.now)
		}
	}
	require.NoError(s.t, d.store.Close())
	d.start()
}

// write makes one change: a register that only this till writes.
func (d *member) write() {
	s := d.shop
	key := crdt.Key{Scope: crdt.Sales, Type: "boot", Object: crdt.ObjectID{byte(d.n)}}
	obj, err := d.store.Object(context.Background(), key)
	require.NoError(s.t, err)
	d.core.Propose(replication.Local{
		Scope: key.Scope, Schema: 1, Stamp: crdt.Stamp{Trusted: true, MS: s.now.UnixMilli()}, Urgent: true,
		Pieces: []crdt.Piece{{Kind: crdt.KindRegister, Type: key.Type, Object: key.Object, Name: "at", Clock: obj.Seen("at"),
			Raw: codec.AppendUint(nil, uint64(s.now.Unix()))}},
	})
	s.moved[d] = true
	s.run()
	require.Len(s.t, d.made, 1, "the change is saved")
	c := d.made[0]
	d.made = nil
	s.unjoined.Add(c.Dot.Replica, c.Interval())
}

// audit lets every till audit its rows and compare them with all others, and gives what follows a minute.
func (s *stepped) audit() {
	for _, d := range s.nodes {
		d.core.Audit(s.now)
		s.moved[d] = true
		s.run()
	}
	s.now = s.now.Add(time.Minute)
	for _, d := range s.nodes {
		d.core.Tick(s.now)
		s.moved[d] = true
	}
	s.run()
}

// run delivers and writes until nothing moves.
func (s *stepped) run() {
	for len(s.moved) > 0 {
		for _, d := range s.nodes {
			if s.moved[d] {
				delete(s.moved, d)
				d.step()
			}
		}
	}
}

// step does what a till can do now. Whom it sends something is marked, and it is itself if it did anything.
func (d *member) step() {
	s := d.shop
	t, ctx := s.t, context.Background()
	for _, o := range s.nodes {
		link, linked := d.links[o.n]
		if !linked {
			continue
		}
		for _, m := range d.core.Next(link) {
			require.NotEqual(t, wire.KindBye, m.Kind(), "nobody leaves: %+v", m)
			require.NoError(t, o.core.Receive(s.now, o.links[d.n], m))
			s.moved[o], s.moved[d] = true, true
		}
		if r, ok := d.core.NextRead(link); ok {
			d.read(r)
			s.moved[d] = true
		}
	}
	if r, ok := d.core.NextAudit(); ok {
		f, err := d.store.Audit(ctx, r)
		d.core.AuditDone(s.now, f, err)
		s.moved[d] = true
	}
	if ops := d.core.Take(1 << 20); len(ops) > 0 {
		for i := range ops {
			if ops[i].Own {
				d.made = append(d.made, ops[i].Commit)
			}
		}
		applied, err := d.store.Apply(ctx, ops)
		require.NoError(t, err)
		d.core.Done(s.now, applied, nil, false)
		s.moved[d] = true
	}
	d.core.Events()
}

func (d *member) read(r replication.Read) {
	ctx := context.Background()
	if r.Dots != nil {
		list, err := d.store.ByDot(ctx, r.Scope, r.Dots)
		d.core.ReadDone(r, list, r.At, err)
		return
	}
	list, at, err := d.store.Live(ctx, r.Scope, r.Want, r.At, r.Bytes)
	d.core.ReadDone(r, list, at, err)
}

func (s *stepped) requireEqual() {
	s.t.Helper()
	for _, d := range s.nodes[1:] {
		require.Equal(s.t, s.nodes[0].core.StateHash(), d.core.StateHash(), "till %d", d.n)
	}
}

// contextSize returns the bytes of the largest context of a till, as it is sent.
func (s *stepped) contextSize() (most int) {
	for _, d := range s.nodes {
		most = max(most, len(d.core.Context(crdt.Sales).Append(nil)))
	}
	return most
}
