package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// seeded returns a generator whose seed is printed when the test fails.
func seeded(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// small makes a shop of two tills with something of everything: several starts, archived and edited master data,
// settled and open tabs.
func small(t testing.TB, dir string) *backuptest.Till {
	a := backuptest.Found(t, dir, 1)
	b := a.Admit("", "K2", "Kasse 2")
	for range 30 {
		a.Article("Kaffee")
	}
	id := b.Article("Tee")
	a.Pull(b)
	a.EditArticle(id, "Pfefferminztee")
	a.Sell(20)
	a.Restart()
	a.Sell(15)
	b.Sell(25)
	a.Open(3)
	b.Open(2)
	a.Pull(b)
	return a
}

func bytesOf(t testing.TB, src backup.Source, about backup.About) []byte {
	t.Helper()
	var buf bytes.Buffer
	_, err := backup.Write(t.Context(), &buf, src, about, nil)
	require.NoError(t, err)
	return buf.Bytes()
}

func restore(t testing.TB, dir string, file []byte) (*store.Store, backup.Contents) {
	t.Helper()
	rep, err := backup.Verify(t.Context(), bytes.NewReader(file), nil)
	require.NoError(t, err)
	_, st := backuptest.OpenStore(t, dir)
	c, err := backup.Load(t.Context(), bytes.NewReader(file), st, rep, nil)
	require.NoError(t, err)
	return st, c
}

// same requires that two stores hold the same, objects and pieces included, and that the digests are true.
func same(t testing.TB, want, got *store.Store) {
	t.Helper()
	ctx := context.Background()
	require.Equal(t, contexts(want), contexts(got))
	for scope, d := range want.Digests() {
		require.Equal(t, d, got.Digests()[scope], "%v", scope)
		recount, err := got.Recount(ctx, scope)
		require.NoError(t, err)
		require.Equal(t, d, recount, "%v", scope)
	}
	types := map[crdt.Scope][]string{crdt.Shop: shop.Types, crdt.Catalog: catalog.Types,
		crdt.Sales: {receipt.TypeTab, receipt.TypeLine, receipt.TypeVoid, receipt.TypeDiscount, receipt.TypePayment, receipt.TypeReceipt}}
	for scope, list := range types {
		for _, typ := range list {
			a, b := objects(t, want, scope, typ), objects(t, got, scope, typ)
			require.Equal(t, a, b, "%s", typ)
		}
	}
}

func contexts(s *store.Store) map[crdt.Scope]crdt.Context {
	out := s.Contexts()
	maps.DeleteFunc(out, func(_ crdt.Scope, c crdt.Context) bool { return len(c) == 0 })
	return out
}

type seen struct {
	object *crdt.Object
	items  [][]byte
}

func objects(t testing.TB, s *store.Store, scope crdt.Scope, typ string) map[crdt.ObjectID]seen {
	t.Helper()
	out := make(map[crdt.ObjectID]seen)
	list, err := s.Objects(context.Background(), scope, typ, crdt.ObjectID{}, 100_000)
	require.NoError(t, err)
	for _, f := range list {
		var refs []crdt.Ref
		for i := range f.Object.Items {
			refs = append(refs, f.Object.Items[i].Ref)
		}
		pieces, err := s.Pieces(context.Background(), scope, refs)
		require.NoError(t, err)
		at := seen{object: f.Object}
		for _, p := range pieces {
			at.items = append(at.items, p.Raw)
		}
		out[f.ID] = at
	}
	return out
}

func TestARestoredStoreIsTheOriginal(t *testing.T) {
	a := small(t, t.TempDir())
	file := bytesOf(t, a.Gate, a.About())
	st, c := restore(t, t.TempDir(), file)
	same(t, a.Store, st)

	require.Equal(t, a.About().Header, c.Report.Header)
	require.Equal(t, a.About().Secrets, c.Secrets)
	require.True(t, c.Report.HasFounderSecret)
	require.Empty(t, c.Report.Problems)
	require.Len(t, c.Report.Series, 2)
	require.EqualValues(t, 35, c.Report.Series[0].Documents)
	require.EqualValues(t, 25, c.Report.Series[1].Last.Number)
	require.Equal(t, []backup.SeriesHead{{Prefix: "K1", Number: 35, Hash: crdt.Hash(c.Report.Series[0].Last.Hash)}}, c.Report.Heads)
	require.True(t, c.Report.Roster.Active(a.ID))

	_, err := st.Identity(t.Context())
	require.ErrorIs(t, err, store.ErrNoIdentity)
	require.Empty(t, st.Heads(), "the store knows no commit as its own")
	notes, err := st.NotesFrom(t.Context(), "", "", 10)
	require.NoError(t, err)
	require.Empty(t, notes, "nothing says that a series is its own")

	// What is restored goes on as any store: it merges what the original wrote since.
	a.Sell(5)
	a.Article("Wasser")
	for scope, have := range a.Store.Contexts() {
		want := have.Minus(st.Contexts()[scope])
		for at := (replication.Cursor{}); !at.Done; {
			var list [][]byte
			list, at, err = a.Store.Live(t.Context(), scope, want, at, 1<<20)
			require.NoError(t, err)
			for _, raw := range list {
				dec, err := crdt.DecodeCommit(raw)
				require.NoError(t, err)
				_, err = st.Apply(t.Context(), []replication.Op{{Commit: dec}})
				require.NoError(t, err)
			}
		}
		_, err := st.Apply(t.Context(), []replication.Op{{Claim: &replication.Claim{Scope: scope, Context: want}}})
		require.NoError(t, err)
	}
	same(t, a.Store, st)
}

func TestThousandsOfReceipts(t *testing.T) {
	a := backuptest.Found(t, t.TempDir(), 2)
	b := a.Admit("", "K2", "Kasse 2")
	a.Sell(1200)
	b.Sell(800)
	a.Pull(b)
	path := filepath.Join(t.TempDir(), "shop.backup")
	var steps []backup.Progress
	rep, err := backup.WriteFile(t.Context(), path, a.Gate, a.About(), func(p backup.Progress) { steps = append(steps, p) })
	require.NoError(t, err)
	require.Empty(t, rep.Problems)
	info, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, info.Size(), rep.Written.Bytes)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	require.Equal(t, "write", steps[0].Stage)
	last := steps[len(steps)-1]
	require.Equal(t, backup.Progress{Stage: "verify", Commits: rep.Written.Commits, Bytes: info.Size(), Total: info.Size()}, last)

	_, st := backuptest.OpenStore(t, t.TempDir())
	_, err = backup.LoadFile(t.Context(), path, st, rep, nil)
	require.NoError(t, err)
	same(t, a.Store, st)
}

// meddler writes between the reads of a backup.
type meddler struct {
	*backup.Gate
	live  func(n int)
	still func()
	reads int
}

func (m *meddler) Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error) {
	if m.live != nil {
		m.reads++
		m.live(m.reads)
	}
	return m.Gate.Live(ctx, scope, want, at, min(maxBytes, 700))
}

func (m *meddler) Still(ctx context.Context, read func() error) error {
	if m.still != nil {
		m.still()
	}
	return m.Gate.Still(ctx, func() error {
		live := m.live
		m.live = nil // nothing is written while the gate is held
		defer func() { m.live = live }()
		return read()
	})
}

// While a backup reads, everything it has not read yet may be superseded, behind or before the place it is at.
func TestTheTillGoesOnSelling(t *testing.T) {
	random := seeded(t)
	for range 5 {
		a := small(t, "")
		articles := make([]crdt.ObjectID, 0, 30)
		for id := range objects(t, a.Store, crdt.Catalog, catalog.TypeArticle) {
			articles = append(articles, id)
		}
		slices.SortFunc(articles, crdt.ObjectID.Compare)
		left := 60
		m := &meddler{Gate: a.Gate}
		meddle := func() {
			if left--; left < 0 {
				return
			}
			switch random.IntN(4) {
			case 0:
				a.Sell(1)
			case 1:
				a.EditArticle(articles[random.IntN(len(articles))], fmt.Sprint("anders ", left))
			case 2:
				a.Restart()
				a.Article("neu")
			}
		}
		m.live = func(int) { meddle() }
		m.still = meddle
		file := bytesOf(t, m, a.About())
		rep, err := backup.Verify(t.Context(), bytes.NewReader(file), nil)
		require.NoError(t, err)
		require.Empty(t, rep.Problems)
		st, _ := restore(t, "", file)
		same(t, a.Store, st) // nothing was written after the gate was held
	}
}

// A till so busy that every look finds too much news gets an error, not half a backup.
func TestTooBusy(t *testing.T) {
	a := backuptest.Found(t, "", 3)
	m := &meddler{Gate: a.Gate}
	big := bytes.Repeat([]byte("x"), 200<<10)
	m.still = func() {
		for range 22 {
			id := a.Shop.NewID()
			a.Make(crdt.Stock, []crdt.Piece{{Kind: crdt.KindItem, Type: "picture", Object: id, Raw: big}})
		}
		a.Flush()
	}
	_, err := backup.Write(t.Context(), new(bytes.Buffer), m, a.About(), nil)
	require.ErrorIs(t, err, backup.ErrBusy)
}

func TestTheGateHoldsWrites(t *testing.T) {
	a := backuptest.Found(t, "", 3)
	wrote := make(chan error, 1)
	err := a.Gate.Still(t.Context(), func() error {
		go func() {
			_, err := a.Gate.Apply(context.Background(), nil)
			wrote <- err
		}()
		canceled, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, a.Gate.Still(canceled, func() error { return errors.New("twice") }), context.Canceled)
		require.Empty(t, wrote)
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, <-wrote)
}

func TestLoadRefuses(t *testing.T) {
	a := small(t, "")
	file := bytesOf(t, a.Gate, a.About())
	rep, err := backup.Verify(t.Context(), bytes.NewReader(file), nil)
	require.NoError(t, err)
	_, err = backup.Load(t.Context(), bytes.NewReader(file), a.Store, rep, nil)
	require.ErrorIs(t, err, backup.ErrNotEmpty)

	a.Sell(1)
	other := bytesOf(t, a.Gate, a.About())
	_, st := backuptest.OpenStore(t, "")
	_, err = backup.Load(t.Context(), bytes.NewReader(other), st, rep, nil)
	require.ErrorIs(t, err, backup.ErrChanged)

	ctx, cancel := context.WithCancel(t.Context())
	_, st = backuptest.OpenStore(t, "")
	_, err = backup.Load(ctx, bytes.NewReader(file), st, rep, func(backup.Progress) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	_, err = st.Identity(t.Context())
	require.ErrorIs(t, err, store.ErrNoIdentity)
}

// A commit that the digest counts and the stream lost makes the restore fail, whatever the reason.
type forgetful struct{ *backup.Gate }

func (f forgetful) Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error) {
	list, at, err := f.Gate.Live(ctx, scope, want, at, maxBytes)
	if scope == crdt.Sales && len(list) > 3 {
		list = slices.Delete(slices.Clone(list), 2, 3)
	}
	return list, at, err
}

func TestALostCommitIsNoticed(t *testing.T) {
	a := small(t, "")
	file := bytesOf(t, forgetful{a.Gate}, a.About())
	rep, err := backup.Verify(t.Context(), bytes.NewReader(file), nil)
	require.NoError(t, err)
	require.NotEmpty(t, rep.Problems)
	_, st := backuptest.OpenStore(t, "")
	_, err = backup.Load(t.Context(), bytes.NewReader(file), st, rep, nil)
	require.ErrorIs(t, err, backup.ErrIncomplete)
}
