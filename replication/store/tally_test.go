package store_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// sums reads all rows of a scope and returns what they add up to.
func sums(t *testing.T, s *store.Store, between func()) replication.AuditFound {
	t.Helper()
	for first := true; ; first = false {
		f, err := s.Audit(ctx, replication.AuditRead{What: replication.ReadRows, Scope: crdt.Catalog, First: first})
		require.NoError(t, err)
		between()
		if f.Done {
			break
		}
	}
	f, err := s.Audit(ctx, replication.AuditRead{What: replication.ReadSums, Scope: crdt.Catalog})
	require.NoError(t, err)
	return f
}

// TestTalliesFollowWhatIsWritten: sums that are read while batches are written, before, between and behind the chunks,
// are those of the rows at every moment from then on, on every adapter.
func TestTalliesFollowWhatIsWritten(t *testing.T) {
	for name, engine := range adapters {
		t.Run(name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			h := newHistory(seed)
			for len(h.commits) < 400 {
				h.write(h.tills[h.random.IntN(3)])
			}
			s := openRows(t, engine(t))
			next := 0
			write := func() {
				var ops []replication.Op
				for range 1 + h.random.IntN(4) {
					if next < len(h.commits) {
						back, err := crdt.DecodeCommit(h.commits[next].Bytes())
						require.NoError(t, err)
						ops = append(ops, replication.Op{Commit: back, Repair: h.random.IntN(4) == 0})
						next++
					}
				}
				_, err := s.Apply(ctx, ops)
				require.NoError(t, err)
			}
			for range 30 {
				write()
			}
			check := func(f replication.AuditFound) {
				want, err := s.Recount(ctx, crdt.Catalog)
				require.NoError(t, err)
				require.Equal(t, want, f.Kept)
				require.Equal(t, want, f.Objects)
				require.Equal(t, want, f.Commits)
				require.NotZero(t, f.Dormant)
				require.Equal(t, f.KeptDormant, f.Dormant)
				require.Equal(t, s.Contexts()[crdt.Catalog].Hash(), f.Context)
				require.Zero(t, f.Unreadable)
			}
			check(sums(t, s, write))
			for range 10 {
				write()
				f, err := s.Audit(ctx, replication.AuditRead{What: replication.ReadSums, Scope: crdt.Catalog})
				require.NoError(t, err)
				check(f)
				// Buckets and leaves add up to the whole, and entries to leaves.
				var total, parts, entries crdt.Digest
				numbers, leaves := make([]int, len(f.Sums)), make([]int, 0)
				for i, sum := range f.Sums {
					total, numbers[i] = total.Plus(sum), i
				}
				p, err := s.Audit(ctx, replication.AuditRead{What: replication.ReadParts, Scope: crdt.Catalog, Numbers: numbers})
				require.NoError(t, err)
				for _, part := range p.Parts {
					for j, sum := range part.Sums {
						parts = parts.Plus(sum)
						if sum != (crdt.Digest{}) {
							leaves = append(leaves, part.Bucket*64+j)
						}
					}
				}
				read := replication.AuditRead{What: replication.ReadEntries, Scope: crdt.Catalog, Numbers: leaves}
				for done := false; !done; {
					e, err := s.Audit(ctx, read)
					require.NoError(t, err)
					for _, entry := range e.Entries {
						entries = entries.Plus(entry.Sum)
					}
					read.At, done = e.At, e.Done
				}
				require.Equal(t, f.Commits, total)
				require.Equal(t, f.Commits, parts)
				require.Equal(t, f.Commits, entries)
			}
			require.NoError(t, s.Close())
		})
	}
}

// TestAuditBesideSales: an audit and a committer at once, for the race detector.
func TestAuditBesideSales(t *testing.T) {
	h := newHistory(rand.Uint64())
	s := openRows(t, adapters["memory"](t))
	var both sync.WaitGroup
	both.Go(func() {
		for _, c := range h.commits {
			back, err := crdt.DecodeCommit(c.Bytes())
			require.NoError(t, err)
			_, err = s.Apply(ctx, []replication.Op{{Commit: back}})
			require.NoError(t, err)
		}
	})
	for range 20 {
		sums(t, s, func() {})
		read := replication.AuditRead{What: replication.ReadDamage, Scope: crdt.Catalog}
		for done := false; !done; {
			f, err := s.Audit(ctx, read)
			require.NoError(t, err)
			read.At, done = f.At, f.Done
		}
	}
	both.Wait()
	f := sums(t, s, func() {})
	require.Equal(t, f.Kept, f.Objects)
	require.Equal(t, f.Kept, f.Commits)
	_, err := s.Audit(ctx, replication.AuditRead{What: replication.LetGo, Scope: crdt.Catalog})
	require.NoError(t, err)
	_, err = s.Audit(ctx, replication.AuditRead{What: replication.ReadSums, Scope: crdt.Catalog})
	require.Error(t, err)
}
