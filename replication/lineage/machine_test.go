package lineage_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// testShop is a shop of one till, its founder.
type testShop struct {
	id     crdt.ShopID
	till   crdt.TillID
	key    ed25519.PrivateKey
	first  crdt.ReplicaID
	pieces []crdt.Piece
	roster *shop.Roster
}

func newShop(t *testing.T) *testShop {
	t.Helper()
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{3}, 32))
	public := key.Public().(ed25519.PublicKey)
	a, id := shop.Found(public, [shop.NonceSize]byte{1}, "Kasse 1", 1000)
	s := &testShop{id: id, till: a.Till(), key: key, first: crdt.ReplicaID{1, 1, 1}, roster: shop.NewRoster(id)}
	member, err := a.Sign(id, key)
	require.NoError(t, err)
	l, err := shop.Lineage{Till: s.till, Replica: s.first, Prefix: "K1", MS: 1000}.Sign(id, key)
	require.NoError(t, err)
	s.pieces = []crdt.Piece{member, l}
	for _, p := range s.pieces {
		require.NoError(t, s.roster.AddItem(p.Type, p.Object, p.Raw))
	}
	return s
}

// machine is a computer with one till on it: a disk, and what is beside and outside of the store.
type machine struct {
	t       *testing.T
	shop    *testShop
	disk    *memory.Disk
	record  []byte // nil: there is none
	binding []byte
	name    lineage.Machine
	place   lineage.Place
	sold    map[string]uint64 // what was given out, ever, on all machines
	random  *byte
	fail    int // the write outside of the store that fails, from 1; 0: none
	writes  int
	late    bool // it fails after it was written
}

var errPower = errors.New("power cut")

func (m *machine) outside(write func()) error {
	m.writes++
	if m.writes != m.fail {
		write()
		return nil
	}
	if m.late {
		write()
	}
	return errPower
}

func (m *machine) WriteRecord(rec store.Record) error {
	return m.outside(func() { m.record = rec.Encode() })
}

func (m *machine) WriteBinding(b lineage.Binding) error {
	raw, err := b.Encode()
	require.NoError(m.t, err)
	return m.outside(func() { m.binding = raw })
}

// Write makes a machine the file of a guard.
func (m *machine) Write(payload []byte) error { m.record = bytes.Clone(payload); return nil }

// newMachine founds the shop on a machine.
func newMachine(t *testing.T) *machine {
	t.Helper()
	m := &machine{t: t, shop: newShop(t), disk: memory.NewDisk(), name: here, place: place, sold: make(map[string]uint64), random: new(byte)}
	st, end := m.open()
	require.NoError(t, st.SetIdentity(t.Context(), store.Identity{Shop: m.shop.id, Till: m.shop.till, Replica: m.shop.first}))
	boot, err := st.NextBoot(t.Context(), crdt.BootEpoch+100)
	require.NoError(t, err)
	c := &crdt.Commit{Scope: crdt.Shop, Dot: crdt.Dot{Replica: m.shop.first, Seq: crdt.NewSeq(boot, 1)}, Schema: 1, Pieces: m.shop.pieces}
	require.NoError(t, c.Seal())
	_, err = st.Apply(t.Context(), []replication.Op{{Commit: c, Own: true}})
	require.NoError(t, err)
	require.NoError(t, m.WriteRecord(store.Record{Replica: m.shop.first, Boot: boot}))
	require.NoError(t, m.WriteBinding(lineage.Binding{Machine: m.name, Place: m.place, Replica: m.shop.first, Prefix: "K1", Boot: boot}))
	end()
	m.writes = 0
	return m
}

func (m *machine) rows() *memory.Store {
	r, err := m.disk.Open()
	require.NoError(m.t, err)
	return r
}

func (m *machine) open() (*store.Store, func()) {
	st, err := store.Open(m.t.Context(), m.rows())
	require.NoError(m.t, err)
	return st, func() { require.NoError(m.t, st.Close()) }
}

// copy is another machine with a copy of the data directory, or of everything.
func (m *machine) copy(all bool) *machine {
	c := *m
	c.disk, c.record = m.disk.Clone(), bytes.Clone(m.record)
	if !all {
		c.binding, c.name = nil, lineage.MachineOf([]byte("another"))
	}
	return &c
}

// evidence is gathered as a till does.
func (m *machine) evidence(r rows.Store) (e lineage.Evidence) {
	t, ctx := m.t, m.t.Context()
	e = lineage.Evidence{Shop: m.shop.id, Till: m.shop.till, Machine: m.name, Place: m.place}
	st, err := store.Open(ctx, r)
	require.NoError(t, err)
	e.Store.Identity, err = st.Identity(ctx)
	if errors.Is(err, store.ErrNoIdentity) {
		e.Store.Condition = lineage.Missing
	} else {
		require.NoError(t, err)
		e.Store.Boot, err = lineage.LastBoot(ctx, r)
		require.NoError(t, err)
		e.Store.Chain = lineage.CheckChain(ctx, st, e.Store.Identity.Replica)
		e.Reported, err = lineage.ReadReported(ctx, st, e.Store.Identity.Replica)
		require.NoError(t, err)
	}
	if e.Record.Condition = lineage.Missing; m.record != nil {
		rec, err := store.DecodeRecord(m.record)
		require.NoError(t, err)
		e.Record = lineage.RecordFound{Record: rec, Ahead: st.Check(ctx, rec, rec.Replica)}
	}
	if e.Binding.Condition = lineage.Missing; m.binding != nil {
		b, err := lineage.DecodeBinding(m.binding)
		require.NoError(t, err)
		e.Binding = lineage.BindingFound{Binding: b}
	}
	return e
}

// renewal is what a till asks for, with an opening that names where the numbers ended.
func (m *machine) renewal(e lineage.Evidence, doubts []lineage.Doubt) lineage.Renewal {
	*m.random++
	return lineage.Renewal{Evidence: e, Doubts: doubts, Key: m.shop.key, Replica: crdt.ReplicaID{0xee, *m.random}, Base: "K1",
		Roster: m.roster(), Stamp: crdt.Stamp{Trusted: true, MS: 5000}, WallMS: 5000,
		Open: func(n lineage.Renewed) ([]replication.Local, error) {
			id := crdt.DeriveObjectID("opening", []byte(n.Lineage.Prefix))
			return []replication.Local{{Scope: crdt.Sales, Schema: 1, Stamp: crdt.Stamp{MS: 5000},
				Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "opening", Object: id, Raw: fmt.Appendf(nil, "%s-%06d", n.LastPrefix, n.LastNumber)}},
				Notes:  []replication.Note{{Key: store.SeriesNote + n.Lineage.Prefix, Value: store.AppendSeries(nil, 0, crdt.Hash{7})}}}}, nil
		}}
}

// roster is what the store holds of it.
func (m *machine) roster() *shop.Roster {
	r := shop.NewRoster(m.shop.id)
	d := m.disk.Clone()
	clone, err := d.Open()
	require.NoError(m.t, err)
	st, err := store.Open(m.t.Context(), clone)
	require.NoError(m.t, err)
	list, _, err := st.Live(m.t.Context(), crdt.Shop, st.Contexts()[crdt.Shop], replication.Cursor{}, 1<<20)
	require.NoError(m.t, err)
	for _, raw := range list {
		c, err := crdt.DecodeCommit(raw)
		require.NoError(m.t, err)
		require.NoError(m.t, r.AddCommit(c))
	}
	return r
}

// running is a till that may sell.
type running struct {
	m       *machine
	guard   *store.Guard
	replica crdt.ReplicaID
	boot    uint32
	prefix  string
	heads   map[crdt.Scope]replication.Head
	doubts  []lineage.Doubt
	renewed lineage.Renewed
}

// start starts the till as a node does. An error is a power cut, and the disk has seen it.
func (m *machine) start() (*running, error) {
	t, ctx := m.t, m.t.Context()
	r := m.rows()
	e := m.evidence(r)
	run := &running{m: m, doubts: lineage.Judge(e)}
	if len(run.doubts) > 0 {
		var err error
		if run.renewed, err = lineage.Renew(ctx, r, m, m.renewal(e, run.doubts)); err != nil {
			m.disk.Crash()
			return nil, err
		}
		run.boot = run.renewed.Boot
	}
	st, err := store.Open(ctx, r)
	require.NoError(t, err)
	id, err := st.Identity(ctx)
	require.NoError(t, err)
	run.replica = id.Replica
	if run.boot == 0 {
		run.boot, err = st.NextBoot(ctx, 0)
		require.NoError(t, err)
	}
	l, ok := m.roster().Lineage(run.replica)
	require.True(t, ok, "the lineage is in the roster")
	run.prefix = l.Prefix
	run.guard, err = store.NewGuard(ctx, st, m, run.replica, run.boot)
	require.NoError(t, err)
	if err := m.WriteBinding(lineage.Binding{Machine: m.name, Place: m.place, Replica: run.replica, Prefix: l.Prefix, Boot: run.boot}); err != nil {
		m.disk.Crash()
		return nil, err
	}
	run.heads = lineage.Heads(st.Heads(), st.Contexts(), run.replica)
	return run, nil
}

func (m *machine) mustStart() *running {
	run, err := m.start()
	require.NoError(m.t, err)
	return run
}

// sell gives out the next number, which nobody ever gave out.
func (r *running) sell() *crdt.Commit {
	t, ctx := r.m.t, r.m.t.Context()
	got, err := r.guard.Notes(ctx, store.SeriesNote+r.prefix)
	require.NoError(t, err)
	last := uint64(0)
	if got[0] != nil {
		last, _, err = store.ReadSeries(got[0])
		require.NoError(t, err)
	}
	number := last + 1
	id := crdt.DeriveObjectID("receipt", []byte(r.prefix), binary.BigEndian.AppendUint64(nil, number))
	require.Less(t, r.m.sold[r.prefix], number, "%s-%06d is given out twice", r.prefix, number)
	r.m.sold[r.prefix] = number
	c := r.commit(replication.Local{Scope: crdt.Sales, Schema: 1, Stamp: crdt.Stamp{MS: int64(6000 + number)},
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: id, Raw: fmt.Appendf(nil, "%s-%d", r.prefix, number)}},
		Notes:  []replication.Note{{Key: store.SeriesNote + r.prefix, Value: store.AppendSeries(nil, number, crdt.Hash{byte(number)})}}})
	require.NoError(t, r.guard.Settle())
	return c
}

func (r *running) commit(l replication.Local) *crdt.Commit {
	op := replication.Op{Notes: l.Notes}
	if len(l.Pieces) > 0 {
		head := r.heads[l.Scope]
		op.Own, op.Commit = true, &crdt.Commit{Scope: l.Scope, Dot: crdt.Dot{Replica: r.replica, Seq: max(head.Seq+1, crdt.NewSeq(r.boot, 1))},
			Pred: head.Seq, Prev: head.Hash, Stamp: l.Stamp, WallMS: l.WallMS, Schema: l.Schema, Pieces: slices.Clone(l.Pieces)}
		require.NoError(r.m.t, op.Commit.Seal())
		r.heads[l.Scope] = replication.Head{Seq: op.Commit.Dot.Seq, Hash: op.Commit.Hash()}
	}
	_, err := r.guard.Apply(r.m.t.Context(), []replication.Op{op})
	require.NoError(r.m.t, err)
	return op.Commit
}

func (r *running) stop() { require.NoError(r.m.t, r.guard.Store.Close()) }

// sellSome starts, sells n receipts, and stops.
func (m *machine) sellSome(n int) *running {
	r := m.mustStart()
	for range n {
		r.sell()
	}
	r.stop()
	return r
}
