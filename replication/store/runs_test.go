package store_test

import (
	"context"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

var runner = crdt.ReplicaID{0xaa, 15: 0xbb}

// claimOf returns an op that makes a store hold runs.
func claimOf(runs ...crdt.Interval) replication.Op {
	c := make(crdt.Context)
	for _, iv := range runs {
		c.Add(runner, iv)
	}
	return replication.Op{Claim: &replication.Claim{Scope: crdt.Sales, Context: c}}
}

// gaps returns runs of one commit each, with one missing before it.
func gaps(from, count int) (runs []crdt.Interval) {
	for i := range count {
		to := crdt.NewSeq(1, uint32(2*(from+i)+2))
		runs = append(runs, crdt.Interval{After: to - 1, To: to})
	}
	return runs
}

func contextRows(t *testing.T, r rows.Store) []rows.Row {
	t.Helper()
	got, err := r.Scan(ctx, []byte{'k'}, []byte{'l'}, 10_000, 0)
	require.NoError(t, err)
	return got
}

// TestLargeContexts: many runs are many rows and a batch writes few of them; joined they are one row again, as it ever was.
// On every adapter, opened again and again.
func TestLargeContexts(t *testing.T) {
	for name, engine := range adapters {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			random := rand.New(rand.NewPCG(seed, 3))
			open := engine(t)
			want := make(crdt.Context)
			for round := 0; round < 30_000; {
				s, watch := openWatched(t, open)
				require.True(t, want.Equal(s.Contexts()[crdt.Sales]))
				for range 1 + random.IntN(6) {
					n := 1 + random.IntN(2000)
					op := claimOf(gaps(round, n)...)
					round += n
					watch.bytes = 0
					_, err := s.Apply(ctx, []replication.Op{op})
					require.NoError(t, err)
					want.AddAll(op.Claim.Context)
					require.Less(t, watch.bytes, 50_000, "the cost grows with what changed")
				}
				require.NoError(t, s.Close())
			}
			s, watch := openWatched(t, open)
			require.Greater(t, len(contextRows(t, watch)), 6)
			watch.bytes = 0
			_, err := s.Apply(ctx, []replication.Op{claimOf(crdt.Interval{After: 0, To: crdt.NewSeq(1, 10)})})
			require.NoError(t, err)
			require.Less(t, watch.bytes, 20_000)
			last := want.Last(runner)
			_, err = s.Apply(ctx, []replication.Op{claimOf(crdt.Interval{After: 0, To: last})})
			require.NoError(t, err)
			require.Len(t, contextRows(t, watch), 1)
			require.NoError(t, s.Close())
			s, _ = openWatched(t, open)
			require.Equal(t, crdt.Context{runner: {{To: last}}}, s.Contexts()[crdt.Sales])
			require.NoError(t, s.Close())
		})
	}
}

// watched counts the bytes of context rows that are written.
type watched struct {
	rows.Store
	bytes int
}

// Commit is a method of rows.Store.
func (w *watched) Commit(ctx context.Context, batch []rows.Write) error {
	for _, row := range batch {
		if row.Key[0] == 'k' {
			w.bytes += row.Size()
		}
	}
	return w.Store.Commit(ctx, batch)
}

func openWatched(t *testing.T, open func() (rows.Store, error)) (*store.Store, *watched) {
	t.Helper()
	r, err := open()
	require.NoError(t, err)
	w := &watched{Store: r}
	s, err := store.Open(ctx, w)
	require.NoError(t, err)
	return s, w
}

// TestAClaimTooLargeForOneTransaction is written in several.
func TestAClaimTooLargeForOneTransaction(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	op := claimOf(gaps(0, 800_000)...)
	op.Claim.Context.Add(crdt.ReplicaID{1}, crdt.Interval{After: 1, To: 2})
	op.Notes = []replication.Note{{Key: "n", Value: []byte{1}}}
	applied, err := s.Apply(ctx, []replication.Op{op})
	require.NoError(t, err)
	require.Equal(t, []replication.Outcome{{New: true}}, applied.Outcomes)
	require.True(t, op.Claim.Context.Equal(applied.Grown[crdt.Sales]))
	require.Greater(t, disk.Commits(), 1)
	require.True(t, op.Claim.Context.Equal(openOn(t, disk.Clone()).Contexts()[crdt.Sales]))
	notes, err := openOn(t, disk.Clone()).Notes(ctx, "n")
	require.NoError(t, err)
	require.Equal(t, [][]byte{{1}}, notes)
}

// TestLargeContextsAfterACrash: whatever the last batches were that a disk lost or did not finish, rows of a context are
// those of one moment.
func TestLargeContextsAfterACrash(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	held := []crdt.Context{{}}
	apply := func(runs ...crdt.Interval) {
		op := claimOf(runs...)
		_, err := s.Apply(ctx, []replication.Op{op})
		require.NoError(t, err)
		now := held[len(held)-1].Clone()
		now.AddAll(op.Claim.Context)
		held = append(held, now)
	}
	apply(gaps(0, 4000)...)
	apply(gaps(4000, 4000)...) // divided
	apply(gaps(8000, 3000)...)
	apply(crdt.Interval{After: crdt.NewSeq(1, 3000), To: crdt.NewSeq(1, 9000)}) // rows leave
	apply(gaps(11_000, 10)...)
	apply(crdt.Interval{After: 0, To: crdt.NewSeq(1, 22_500)}) // one row
	apply(gaps(20_000, 9000)...)                               // divided again
	for _, fault := range []memory.Fault{memory.BeforeWrite, memory.AfterWrite} {
		torn := disk.Clone()
		again := openOn(t, torn)
		torn.FailNext(fault)
		_, err := again.Apply(ctx, []replication.Op{claimOf(crdt.Interval{After: 0, To: crdt.NewSeq(1, 60_000)})})
		require.Error(t, err)
		require.True(t, held[len(held)-1].Equal(again.Contexts()[crdt.Sales]), "what failed is not believed")
		torn.Crash()
		again = openOn(t, torn)
		require.True(t, held[len(held)-1].Equal(again.Contexts()[crdt.Sales]))
	}
	require.NoError(t, s.Close())
	for lost := 1; lost < len(held); lost++ {
		require.True(t, disk.Rewind(1))
		again := openOn(t, disk)
		require.True(t, held[len(held)-1-lost].Equal(again.Contexts()[crdt.Sales]), "%d batches lost", lost)
		require.NoError(t, again.Close())
	}
}

// TestARowOfALargeContextIsLost: what it said is not held any more, and nothing else; it comes again, and salvage finds the
// rest.
func TestARowOfALargeContextIsLost(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	all := claimOf(gaps(0, 20_000)...)
	_, err := s.Apply(ctx, []replication.Op{all})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	r, err := disk.Clone().Open()
	require.NoError(t, err)
	list := contextRows(t, r)
	require.NoError(t, r.Close())
	for _, lost := range []int{0, 2, len(list) - 1} {
		hurt := disk.Clone()
		hurt.Damage([]rows.Write{{Key: list[lost].Key, Delete: true}})
		s := openOn(t, hurt)
		before := s.Contexts()[crdt.Sales]
		require.True(t, all.Claim.Context.Covers(before))
		require.InDelta(t, 20_000, len(before[runner]), 4097)
		known := salvaged(t, hurt)
		require.True(t, before.Equal(known.Known[crdt.Sales]))
		_, err := s.Apply(ctx, []replication.Op{all})
		require.NoError(t, err)
		require.NoError(t, s.Close())
		require.True(t, all.Claim.Context.Equal(openOn(t, hurt).Contexts()[crdt.Sales]))
	}
}

func salvaged(t *testing.T, disk *memory.Disk) store.Salvaged {
	t.Helper()
	r, err := disk.Clone().Open()
	require.NoError(t, err)
	out, err := store.Salvage(ctx, store.Readable(r), openOn(t, memory.NewDisk()), nil)
	require.NoError(t, err)
	return out
}

// Key and value, in hexadecimal; of values the first 24 bytes.
const goldenSmall = "6b06aa0000000000000000000000000000bb 940003cd0129cf00000001fffffed5"

var goldenLarge = []string{
	"6b06aa0000000000000000000000000000bb dc1388cf0000000100000001010101010101010101010101",
	"6b06aa0000000000000000000000000000bb0000000100001389 dc1388cf0000000100001389010101010101010101010101",
}

// TestContextRowsAreWhatTheyWere pins the bytes of context and digest rows: stores on disk have them.
func TestContextRowsAreWhatTheyWere(t *testing.T) {
	disk := memory.NewDisk()
	s := openOn(t, disk)
	_, err := s.Apply(ctx, []replication.Op{claimOf(crdt.Interval{After: 0, To: 3}, crdt.Interval{After: 300, To: crdt.NewSeq(2, 1)})})
	require.NoError(t, err)
	hexOf := func() (lines []string) {
		disk.Rows(func(r rows.Row) bool {
			lines = append(lines, hex.EncodeToString(r.Key)+" "+hex.EncodeToString(r.Value[:min(len(r.Value), 24)]))
			return true
		})
		slices.Sort(lines)
		return lines
	}
	require.Equal(t, []string{goldenSmall}, hexOf())

	disk = memory.NewDisk()
	s = openOn(t, disk)
	_, err = s.Apply(ctx, []replication.Op{claimOf(gaps(0, 5000)...)})
	require.NoError(t, err)
	require.Equal(t, goldenLarge, hexOf())
}
