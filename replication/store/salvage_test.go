package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

const childDir = "STORE_TEST_OPENS"

// TestOpenAsChild is what a child process does: damaged files may take it down.
func TestOpenAsChild(t *testing.T) {
	dir := os.Getenv(childDir)
	if dir == "" {
		t.Skip("only in a child process")
	}
	s, _, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	require.NoError(t, s.Verify(ctx))
	require.NoError(t, s.Close())
}

func openInChild(t *testing.T, dir string) error {
	t.Helper()
	program, err := os.Executable()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, "-test.run=^TestOpenAsChild$")
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	return cmd.Run()
}

// original is a store as it was before the damage.
type original struct {
	dir     string // as a crash leaves it: tables, and a log of the newest rows
	commits map[crdt.Dot]*crdt.Commit
	healthy *store.Store
	own     crdt.ReplicaID
}

func makeOriginal(t *testing.T) original {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	h := newHistory(seed)
	for len(h.commits) < 600 {
		h.write(h.tills[h.random.IntN(3)])
	}
	o := original{dir: filepath.Join(t.TempDir(), "store"), commits: make(map[crdt.Dot]*crdt.Commit), own: crdt.ReplicaID{1}}
	o.healthy = openOn(t, memory.NewDisk())
	live := t.TempDir() + "/live"
	open := func() *store.Store {
		return openRows(t, func() (rows.Store, error) {
			r, _, err := badger.Open(badger.Options{Dir: live})
			return r, err
		})
	}
	s := open()
	require.NoError(t, s.SetIdentity(ctx, store.Identity{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: o.own}))
	_, err := s.NextBoot(ctx, crdt.BootEpoch+500)
	require.NoError(t, err)
	for n, c := range h.commits {
		if n == 250 || n == 450 {
			require.NoError(t, s.Close())
			s = open()
		}
		o.commits[c.Dot] = c
		op := replication.Op{Commit: c, Own: c.Dot.Replica == o.own, Notes: []replication.Note{
			{Key: store.SeriesNote + "K1", Value: store.AppendSeries(nil, uint64(n+1), c.Hash())}, {Key: "note", Value: []byte(fmt.Sprint(n))}}}
		for _, to := range []*store.Store{s, o.healthy} {
			_, err := to.Apply(ctx, []replication.Op{op})
			require.NoError(t, err)
		}
	}
	require.NoError(t, os.CopyFS(o.dir, os.DirFS(live))) // while it is open: a crash
	require.NoError(t, os.Remove(filepath.Join(o.dir, "store.lock")))
	require.NoError(t, s.Close())
	return o
}

func change(t *testing.T, pattern string, f func([]byte) []byte) {
	t.Helper()
	list, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, list)
	content, err := os.ReadFile(list[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(list[0], f(content), 0o600))
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:max(0, len(b)-n)] } }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[at%len(b)] ^= 0x5a
		return b
	}
}

// salvaged checks what came of a salvage: nothing that was not there, and whole once the others gave the rest.
func (o original) salvaged(t *testing.T, from store.Source, least int) store.Salvaged {
	t.Helper()
	disk := memory.NewDisk()
	to := openOn(t, disk)
	found := 0
	out, err := store.Salvage(ctx, from, to, func(c *crdt.Commit) {
		found++
		require.Equal(t, o.commits[c.Dot].Hash(), c.Hash())
	})
	require.NoError(t, err)
	require.Equal(t, out.Commits, found)
	require.Zero(t, out.Refused+out.Forks)
	require.GreaterOrEqual(t, out.Commits, least)
	context := to.Contexts()[crdt.Catalog]
	require.True(t, o.healthy.Contexts()[crdt.Catalog].Covers(context))
	require.True(t, out.Known[crdt.Catalog].Covers(context))
	require.Empty(t, to.Heads(), "a salvaged store has no own head: it needs a new lineage")
	require.ErrorIs(t, to.Check(ctx, store.Record{Replica: o.own}, o.own), store.ErrDoubt)
	recount, err := to.Recount(ctx, crdt.Catalog)
	require.NoError(t, err)
	require.Equal(t, recount, to.Digests()[crdt.Catalog])
	// Again, as after a crash: nothing changes.
	digest := to.Digests()[crdt.Catalog]
	again, err := store.Salvage(ctx, from, to, nil)
	require.NoError(t, err)
	require.Zero(t, again.Commits)
	require.Equal(t, digest, to.Digests()[crdt.Catalog])
	// What others give makes it whole.
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		list, at, err = o.healthy.Live(ctx, crdt.Catalog, o.healthy.Contexts()[crdt.Catalog], at, 100_000)
		require.NoError(t, err)
		var ops []replication.Op
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			require.NoError(t, err)
			ops = append(ops, replication.Op{Commit: c})
		}
		_, err := to.Apply(ctx, ops)
		require.NoError(t, err)
	}
	require.Equal(t, o.healthy.Digests()[crdt.Catalog], to.Digests()[crdt.Catalog])
	return out
}

// TestSalvage damages real directories in every way that was seen, opens them in a child process as a till would, and
// salvages what is left. No damage takes the test down.
func TestSalvage(t *testing.T) {
	o := makeOriginal(t)
	total := 0
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := o.healthy.Live(ctx, crdt.Catalog, o.healthy.Contexts()[crdt.Catalog], at, 1<<20)
		require.NoError(t, err)
		total, at = total+len(list), next
	}
	for name, test := range map[string]struct {
		file   string
		change func([]byte) []byte
		least  int  // commits
		series bool // the last number is found
	}{
		"nothing":           {"MANIFEST", flip(0), total, true}, // Badger refuses it, the rows are whole
		"MANIFEST cut":      {"MANIFEST", cut(10), total, true},
		"MANIFEST flipped":  {"MANIFEST", flip(60), total, true},
		"MANIFEST gone":     {"MANIFEST", cut(1 << 30), total, true},
		"table flipped":     {"*1.sst", flip(30_000), total - 500, true},
		"table cut":         {"*1.sst", cut(1000), total / 3, true},
		"table empty":       {"*1.sst", cut(1 << 30), total / 3, true},
		"log flipped":       {"*.mem", flip(20_000), total - 300, true},
		"log cut to little": {"*.mem", func(b []byte) []byte { return b[:10_000] }, total / 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.CopyFS(dir, os.DirFS(o.dir)))
			change(t, filepath.Join(dir, test.file), test.change)
			rescue := &badger.Rescue{Dirs: []string{dir}}
			out := o.salvaged(t, rescue, test.least)
			if test.series {
				require.EqualValues(t, len(o.commits), out.Series["K1"])
			} else {
				require.Positive(t, out.Series["K1"])
			}
			if test.file == "*1.sst" { // it held those rows
				require.True(t, out.Identity == nil || out.Identity.Replica == o.own)
			} else {
				require.Equal(t, o.own, out.Identity.Replica)
				require.EqualValues(t, 500, out.Boot)
			}
			if !strings.Contains(test.file, "MANIFEST") && name != "log cut to little" {
				require.NotEmpty(t, rescue.Damage)
			}
			// As a till does it: it opens, in a process that may die, and moves the directory aside after two failures.
			failed := 0
			for range 2 {
				if openInChild(t, dir) != nil {
					failed++
				}
			}
			attempts, err := badger.Attempts(dir)
			require.NoError(t, err)
			require.LessOrEqual(t, attempts, failed)
			aside, err := badger.MoveAside(dir)
			require.NoError(t, err)
			require.Equal(t, dir+".damaged-1", aside)
			require.NoDirExists(t, dir)
			if name == "MANIFEST cut" { // Badger opened it, and deleted tables: they were set aside
				require.DirExists(t, badger.OrphanDir(aside))
				o.salvaged(t, &badger.Rescue{Dirs: []string{aside, badger.OrphanDir(aside)}}, test.least)
			}
		})
	}
}

// holes does not read where keys contain a byte.
type holes struct {
	rows.Store
	bad byte
}

var errHole = errors.New("bad sector")

func (h holes) Scan(ctx context.Context, from, to []byte, limit, maxBytes int) ([]rows.Row, error) {
	got, err := h.Store.Scan(ctx, from, to, limit, maxBytes)
	for _, row := range got {
		if row.Key[0] == 'c' && row.Key[len(row.Key)-1] == h.bad {
			return nil, errHole
		}
	}
	return got, err
}

// TestSalvageOfRowsThatOpen: what a store of another kind still reads, around what it does not.
func TestSalvageOfRowsThatOpen(t *testing.T) {
	r := memory.New()
	s, err := store.Open(ctx, r)
	require.NoError(t, err)
	pred, prev := crdt.Seq(0), crdt.Hash{}
	for k := range uint32(200) {
		c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, k+1)}, Pred: pred, Prev: prev,
			Pieces: []crdt.Piece{item("line", byte(k), "x")}}
		require.NoError(t, c.Seal())
		pred, prev = c.Dot.Seq, c.Hash()
		apply(t, s, c)
	}
	// One commit has other bytes that still decode: the one after it names another hash.
	list, err := s.ByDot(ctx, crdt.Sales, []crdt.Dot{{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, 100)}})
	require.NoError(t, err)
	wrong := append([]byte{}, list[0]...)
	wrong[len(wrong)-1] = 'y'
	got, err := r.Scan(ctx, []byte{'c'}, []byte{'d'}, 1000, 0)
	require.NoError(t, err)
	require.NoError(t, r.Commit(ctx, []rows.Write{{Key: got[99].Key, Value: wrong}, {Key: got[100].Key, Value: []byte("not a commit")}}))

	to := openOn(t, memory.NewDisk())
	out, err := store.Salvage(ctx, store.Readable(holes{r, 7}), to, nil)
	require.NoError(t, err)
	// 100 is not contradicted any more, as 101 does not read: whoever holds the genuine one calls it a fork.
	require.Equal(t, 198, out.Commits)
	require.Equal(t, 1, out.Refused)

	require.NoError(t, r.Commit(ctx, []rows.Write{{Key: got[100].Key, Value: got[100].Value}}))
	to = openOn(t, memory.NewDisk())
	out, err = store.Salvage(ctx, store.Readable(holes{r, 255}), to, nil)
	require.NoError(t, err)
	require.Equal(t, 199, out.Commits)
	require.Equal(t, 1, out.Refused, "the one with other bytes")
	require.False(t, to.Contexts()[crdt.Sales].Has(crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, 100)}) &&
		len(to.Contexts()[crdt.Sales][crdt.ReplicaID{1}]) == 1)
}
