package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

var ctx = context.Background()

func openOn(t *testing.T, d *memory.Disk) *store.Store {
	t.Helper()
	return openRows(t, func() (rows.Store, error) { return d.Open() })
}

func openRows(t *testing.T, open func() (rows.Store, error)) *store.Store {
	t.Helper()
	r, err := open()
	require.NoError(t, err)
	s, err := store.Open(ctx, r)
	require.NoError(t, err)
	return s
}

// adapters are what the rules rest on; each call returns a way to open one store again and again.
var adapters = map[string]func(t *testing.T) func() (rows.Store, error){
	"memory": func(*testing.T) func() (rows.Store, error) {
		disk := memory.NewDisk()
		return func() (rows.Store, error) { return disk.Open() }
	},
	"badger": func(t *testing.T) func() (rows.Store, error) {
		dir := t.TempDir()
		return func() (rows.Store, error) {
			r, _, err := badger.Open(badger.Options{Dir: dir})
			return r, err
		}
	},
	"sqlite": func(t *testing.T) func() (rows.Store, error) {
		dir := t.TempDir()
		return func() (rows.Store, error) {
			r, _, err := sql.Open(ctx, sql.Options{Dir: dir})
			return r, err
		}
	},
}

// TestRulesAgainstState: whatever the order, the batches and the repetitions, and however often the store is opened
// again, its rows say what crdt.State says.
func TestRulesAgainstState(t *testing.T) {
	for name, engine := range adapters {
		t.Run(name, func(t *testing.T) { rulesAgainstState(t, engine) })
	}
}

func rulesAgainstState(t *testing.T, engine func(*testing.T) func() (rows.Store, error)) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for n := range uint64(6) {
		h := newHistory(seed + n)
		open := engine(t)
		s := openRows(t, open)
		want := crdt.NewState()
		order := slices.Clone(h.commits)
		h.random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for _, c := range slices.Clone(order[:20]) {
			order = slices.Insert(order, h.random.IntN(len(order)), c)
		}
		for len(order) > 0 {
			size := min(len(order), 1+h.random.IntN(6))
			var ops []replication.Op
			for _, c := range order[:size] {
				back, err := crdt.DecodeCommit(c.Bytes())
				require.NoError(t, err)
				ops = append(ops, replication.Op{Commit: back})
				want.Apply(c)
			}
			order = order[size:]
			before := s.Contexts()[crdt.Catalog]
			applied, err := s.Apply(ctx, ops)
			require.NoError(t, err)
			require.Len(t, applied.Outcomes, size)
			if before == nil {
				before = make(crdt.Context)
			}
			before.AddAll(applied.Grown[crdt.Catalog])
			require.True(t, before.Equal(s.Contexts()[crdt.Catalog]), "what grew is told")
			requireState(t, s, want, fmt.Sprintf("seed %d", seed+n))
			if h.random.IntN(6) == 0 {
				require.NoError(t, s.Close())
				s = openRows(t, open)
				requireState(t, s, want, fmt.Sprintf("seed %d, opened again", seed+n))
			}
		}
		require.NoError(t, s.Close())
	}
}

func requireState(t *testing.T, s *store.Store, want *crdt.State, seed string) {
	t.Helper()
	require.True(t, want.Contexts[crdt.Catalog].Equal(s.Contexts()[crdt.Catalog]), seed)
	require.Equal(t, want.Digests[crdt.Catalog], s.Digests()[crdt.Catalog], seed)
	d, err := s.Recount(ctx, crdt.Catalog)
	require.NoError(t, err)
	require.Equal(t, want.Digests[crdt.Catalog], d, seed)
	live := 0
	for key, o := range want.Objects {
		got, err := s.Object(ctx, key)
		require.NoError(t, err)
		requireObject(t, o, got, seed)
		if o.Live() {
			live++
		}
	}
	found := 0
	for _, typ := range []string{"article", "line", "close"} {
		list, err := s.Objects(ctx, crdt.Catalog, typ, crdt.ObjectID{}, 1000)
		require.NoError(t, err)
		found += len(list)
		requireRegisters(t, s, typ, list, seed)
	}
	require.Equal(t, live, found, seed)

	// The bytes that are kept are those of commits with a live piece.
	var dots []crdt.Dot
	at := replication.Cursor{}
	for !at.Done {
		list, next, err := s.Live(ctx, crdt.Catalog, s.Contexts()[crdt.Catalog], at, 300)
		require.NoError(t, err)
		require.True(t, len(list) > 0 || next.Done)
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			require.NoError(t, err)
			dots = append(dots, c.Dot)
		}
		at = next
	}
	require.True(t, slices.IsSortedFunc(dots, crdt.Dot.Compare), seed)
	require.Len(t, dots, len(want.Commits[crdt.Catalog]), seed)
	for _, dot := range dots {
		require.Contains(t, want.Commits[crdt.Catalog], dot, seed)
	}
	all := make([]crdt.Dot, 0, len(dots)+1)
	all = append(append(all, dots...), crdt.Dot{Replica: crdt.ReplicaID{77}, Seq: 1})
	byDot, err := s.ByDot(ctx, crdt.Catalog, all)
	require.NoError(t, err)
	require.Len(t, byDot, len(dots), seed)
}

// requireRegisters checks that a list of single registers shows what the whole objects hold.
func requireRegisters(t *testing.T, s *store.Store, typ string, whole []store.Found, seed string) {
	t.Helper()
	names := map[string]bool{"nobody wrote it": true}
	for _, f := range whole {
		for _, r := range f.Object.Registers {
			names[r.Name] = true
		}
	}
	for name := range names {
		list, err := s.Registers(ctx, crdt.Catalog, typ, name, crdt.ObjectID{}, 1000)
		require.NoError(t, err)
		require.Equal(t, len(whole), len(list), seed)
		for i, f := range list {
			require.Equal(t, whole[i].ID, f.ID, seed)
			require.Equal(t, whole[i].Object.Get(name), f.Object.Get(name), seed)
			require.Empty(t, f.Object.Items, seed)
			require.LessOrEqual(t, len(f.Object.Registers), 1, seed)
		}
	}
}

func requireObject(t *testing.T, want, got *crdt.Object, seed string) {
	t.Helper()
	require.Equal(t, want.Gone, got.Gone, seed)
	require.Equal(t, want.By, got.By, seed)
	require.Equal(t, len(want.Items), len(got.Items), seed)
	for i := range want.Items {
		require.Equal(t, want.Items[i], got.Items[i], seed)
	}
	require.Equal(t, len(want.Registers), len(got.Registers), seed)
	for i := range want.Registers {
		w, g := want.Registers[i], got.Registers[i]
		require.Equal(t, w.Name, g.Name, seed)
		require.True(t, w.Clock.Equal(g.Clock), "%s: %v, %v", seed, w.Clock, g.Clock)
		require.ElementsMatch(t, w.Siblings, g.Siblings, seed)
	}
}

// sealed makes a commit of item pieces, one per object.
func sealed(t *testing.T, dot crdt.Dot, pred crdt.Seq, pieces ...crdt.Piece) *crdt.Commit {
	t.Helper()
	c := &crdt.Commit{Scope: crdt.Sales, Dot: dot, Pred: pred, Pieces: pieces}
	require.NoError(t, c.Seal())
	return c
}

func item(typ string, id byte, raw string) crdt.Piece {
	return crdt.Piece{Kind: crdt.KindItem, Type: typ, Object: crdt.ObjectID{id}, Raw: []byte(raw)}
}

func applyOps(commits ...*crdt.Commit) (ops []replication.Op) {
	for _, c := range commits {
		ops = append(ops, replication.Op{Commit: c})
	}
	return ops
}

func apply(t *testing.T, s *store.Store, commits ...*crdt.Commit) replication.Applied {
	t.Helper()
	applied, err := s.Apply(ctx, applyOps(commits...))
	require.NoError(t, err)
	return applied
}

// TestCommitLeavesWithItsLastPiece follows which pieces of a commit are dead across transactions and openings.
func TestCommitLeavesWithItsLastPiece(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	at := func(k uint32) crdt.Dot { return crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, k)} }
	var pieces []crdt.Piece
	for n := range byte(10) {
		pieces = append(pieces, item("line", n+1, "x"))
	}
	apply(t, s, sealed(t, at(1), 0, pieces...))
	held := func() int {
		list, err := s.ByDot(ctx, crdt.Sales, []crdt.Dot{at(1)})
		require.NoError(t, err)
		return len(list)
	}
	for n := range byte(10) {
		require.Equal(t, 1, held(), "after %d pieces", n)
		closing := item("close", 100+n, "")
		closing.Objects = []crdt.TypedObjects{{Type: "line", IDs: []crdt.ObjectID{{n + 1}}}}
		apply(t, s, sealed(t, at(uint32(n)+2), crdt.NewSeq(1, uint32(n)+1), closing))
		if n%3 == 0 {
			require.NoError(t, s.Close())
			s = openOn(t, disk)
		}
	}
	require.Zero(t, held())
	require.True(t, s.Contexts()[crdt.Sales].Has(at(1)))
	// It comes again from a till that still has it: nothing is stored.
	applied := apply(t, s, sealed(t, at(1), 0, pieces...))
	require.False(t, applied.Outcomes[0].New || applied.Outcomes[0].Live)
	require.Zero(t, held())
}

func TestForkIsKept(t *testing.T) {
	s := openOn(t, memory.NewDisk())
	dot := crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, 1)}
	first, second := sealed(t, dot, 0, item("line", 1, "a")), sealed(t, dot, 0, item("line", 2, "b"))
	apply(t, s, first)
	digest := s.Digests()[crdt.Sales]
	applied := apply(t, s, second, first)
	require.True(t, applied.Outcomes[0].Fork)
	require.Equal(t, replication.Outcome{}, applied.Outcomes[1])
	require.Equal(t, digest, s.Digests()[crdt.Sales], "the second is not applied")
	list, err := s.ByDot(ctx, crdt.Sales, []crdt.Dot{dot})
	require.NoError(t, err)
	require.Equal(t, [][]byte{first.Bytes()}, list)

	other := openOn(t, memory.NewDisk())
	applied = apply(t, other, second, first)
	require.True(t, applied.Outcomes[1].Fork, "in one batch too")
}

func TestSameItemWithOtherContents(t *testing.T) {
	s := openOn(t, memory.NewDisk())
	one := sealed(t, crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: 1}, 0, item("payment", 1, "5.00"))
	same := sealed(t, crdt.Dot{Replica: crdt.ReplicaID{2}, Seq: 1}, 0, item("payment", 1, "5.00"))
	other := sealed(t, crdt.Dot{Replica: crdt.ReplicaID{3}, Seq: 1}, 0, item("payment", 1, "9.00"))
	require.Empty(t, apply(t, s, one, same).Outcomes[1].Alarms)
	key := crdt.Key{Scope: crdt.Sales, Type: "payment", Object: crdt.ObjectID{1}}
	require.Equal(t, []crdt.Key{key}, apply(t, s, other).Outcomes[0].Alarms)
	o, err := s.Object(ctx, key)
	require.NoError(t, err)
	require.Len(t, o.Items, 3)
	p, err := s.Piece(ctx, crdt.Sales, o.Items[2].Ref)
	require.NoError(t, err)
	require.Equal(t, "9.00", string(p.Raw))
}

func TestClaimAddsNoBytes(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	claim := crdt.Context{crdt.ReplicaID{4}: {{After: 10, To: 12}, {After: 20, To: 21}}}
	applied, err := s.Apply(ctx, []replication.Op{{Claim: &replication.Claim{Scope: crdt.Stock, Context: claim}}})
	require.NoError(t, err)
	require.Equal(t, []replication.Outcome{{New: true}}, applied.Outcomes)
	require.Equal(t, claim, applied.Grown[crdt.Stock])
	applied, err = s.Apply(ctx, []replication.Op{{Claim: &replication.Claim{Scope: crdt.Stock, Context: claim}}})
	require.NoError(t, err)
	require.Equal(t, []replication.Outcome{{}}, applied.Outcomes)
	require.NoError(t, s.Close())
	s = openOn(t, disk)
	require.Equal(t, claim, s.Contexts()[crdt.Stock])
	require.Equal(t, crdt.Digest{}, s.Digests()[crdt.Stock])
}

func TestIdentityBootHeadsAndNotes(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	_, err := s.Identity(ctx)
	require.ErrorIs(t, err, store.ErrNoIdentity)
	id := store.Identity{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: crdt.ReplicaID{3}}
	require.NoError(t, s.SetIdentity(ctx, id))

	boot, err := s.NextBoot(ctx, crdt.BootEpoch+1000)
	require.NoError(t, err)
	require.EqualValues(t, 1000, boot)
	c := sealed(t, crdt.Dot{Replica: id.Replica, Seq: crdt.NewSeq(boot, 1)}, 0, item("line", 1, "a"))
	_, err = s.Apply(ctx, []replication.Op{
		{Commit: c, Own: true, Notes: []replication.Note{{Key: "q/1", Value: []byte("one")}, {Key: "q/2", Value: []byte("two")}}},
		{Notes: []replication.Note{{Key: "r", Value: []byte{}}, {Key: "q/2"}}},
	})
	require.NoError(t, err)
	require.NoError(t, s.Close())

	s = openOn(t, disk)
	got, err := s.Identity(ctx)
	require.NoError(t, err)
	require.Equal(t, id, got)
	require.Equal(t, map[crdt.Scope]replication.Head{crdt.Sales: {Seq: c.Dot.Seq, Hash: c.Hash()}}, s.Heads())
	again, err := s.NextBoot(ctx, crdt.BootEpoch+5)
	require.NoError(t, err)
	require.EqualValues(t, 1001, again, "the clock went back, the number does not")
	notes, err := s.Notes(ctx, "q/1", "q/2", "r")
	require.NoError(t, err)
	require.Equal(t, [][]byte{[]byte("one"), nil, {}}, notes)
	list, err := s.NotesFrom(ctx, "q/", "", 10)
	require.NoError(t, err)
	require.Equal(t, []replication.Note{{Key: "q/1", Value: []byte("one")}}, list)
}

// TestLargeBatchIsSplit: what does not fit one transaction becomes several.
func TestLargeBatchIsSplit(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	var ops []replication.Op
	pred := crdt.Seq(0)
	for k := range uint32(20) {
		dot := crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, k+1)}
		c := sealed(t, dot, pred, item("line", byte(k+1), string(make([]byte, 200_000))))
		pred = c.Dot.Seq
		ops = append(ops, replication.Op{Commit: c, Own: true})
	}
	applied, err := s.Apply(ctx, ops)
	require.NoError(t, err)
	require.Len(t, applied.Outcomes, 20)
	require.Greater(t, disk.Commits(), 1)
	require.Equal(t, pred, s.Heads()[crdt.Sales].Seq)
	require.Equal(t, s.Contexts()[crdt.Sales], applied.Grown[crdt.Sales])
	d, err := s.Recount(ctx, crdt.Sales)
	require.NoError(t, err)
	require.Equal(t, d, applied.Digests[crdt.Sales])
}

// failing fails the n-th batch that fits.
type failing struct {
	rows.Store
	n int
}

func (f *failing) Commit(ctx context.Context, batch []rows.Write) error {
	size, count := f.MaxBatch()
	if err := rows.CheckBatch(batch, size, count); err != nil {
		return err
	}
	if f.n--; f.n == 0 {
		return rows.ErrFull
	}
	return f.Store.Commit(ctx, batch)
}

func TestHalfABatchIsNotNothing(t *testing.T) {
	s, err := store.Open(ctx, &failing{memory.New(), 2})
	require.NoError(t, err)
	var ops []replication.Op
	for k := range uint32(10) {
		ops = append(ops, replication.Op{Own: true, Commit: sealed(t, crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, k+1)},
			crdt.Seq(0), item("line", byte(k+1), string(make([]byte, 200_000))))})
	}
	_, err = s.Apply(ctx, ops)
	require.ErrorIs(t, err, rows.ErrFull)
	require.ErrorIs(t, err, rows.ErrFailed, "numbers of the first half may not be used again")
}

func TestFailedApplyChangesNothing(t *testing.T) {
	for _, fault := range []memory.Fault{memory.Full, memory.BeforeWrite} {
		disk := memory.NewDisk()
		s := openOn(t, disk)
		c := sealed(t, crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: 1}, 0, item("line", 1, "a"))
		disk.FailNext(fault)
		_, err := s.Apply(ctx, []replication.Op{{Commit: c, Own: true}})
		require.Error(t, err)
		require.Empty(t, s.Contexts()[crdt.Sales])
		require.Empty(t, s.Heads())
		require.Equal(t, fault != memory.Full, errors.Is(err, rows.ErrFailed))
	}
}
