package found_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/node/backup/found"
	"github.com/tillmesh/tillmesh/replication"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stolen is a shop whose till K5 was stolen: K1 has the first 50 of its receipts, not the last 4.
type stolen struct {
	own  *backuptest.Till
	k5   *backuptest.Till
	sold []backuptest.Sold
	paid crdt.ObjectID // a payment that no receipt settled
}

func steal(t *testing.T) stolen {
	own := backuptest.Found(t, "", 5)
	k5 := own.Admit(t.TempDir(), "K5", "Kasse 5")
	for range 20 {
		k5.Article("Kaffee")
	}
	k5.Sell(50)
	own.Pull(k5)
	s := stolen{own: own, k5: k5, sold: k5.Sell(4), paid: k5.Open(2)}
	k5.Article("teurer Kaffee")
	p, err := shop.Departure{Revoked: true, Till: k5.ID, By: own.ID, MS: backuptest.Begin.UnixMilli(), Reason: "gestohlen"}.Sign(own.Shop.ID, own.Key)
	require.NoError(t, err)
	own.Commit(crdt.Shop, []crdt.Piece{p})
	return s
}

// lie copies the files of the stolen till as they lie on its disk, and remembers them.
func (s stolen) lie(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(s.k5.Dir, "store"))))
	return dir
}

func hashes(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	out := make(map[string][32]byte)
	require.NoError(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out[path] = sha256.Sum256(b)
		return err
	}))
	return out
}

func open(t *testing.T, dir string) *found.Dir {
	t.Helper()
	d, err := found.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

func (s stolen) scan(t *testing.T, d *found.Dir) found.Found {
	t.Helper()
	f, err := d.Scan(t.Context(), s.own.Store, s.own.Shop.ID, nil)
	require.NoError(t, err)
	return f
}

// into takes commits as an engine would.
func into(own *backuptest.Till) func(context.Context, []*crdt.Commit, []replication.Note) error {
	return func(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error {
		ops := make([]replication.Op, len(list))
		for i, c := range list {
			ops[i].Commit = c
		}
		if len(notes) > 0 {
			ops = append(ops, replication.Op{Notes: notes})
		}
		_, err := own.Gate.Apply(ctx, ops)
		return err
	}
}

func TestFourReceiptsOfAStolenTill(t *testing.T) {
	s := steal(t)
	dir := s.lie(t)
	before := hashes(t, dir)
	d := open(t, dir)
	f := s.scan(t, d)

	require.Empty(t, f.Refused)
	require.Empty(t, f.Damage)
	require.Len(t, f.Receipts, 4)
	total := int64(0)
	for i, r := range f.Receipts {
		require.Equal(t, s.sold[i].Number, r.Number)
		require.Equal(t, s.sold[i].Total, r.Total)
		require.Equal(t, s.k5.ID, r.Till)
		require.NotEmpty(t, r.Closed)
		total += int64(r.Total)
	}
	require.Equal(t, []found.Sum{{Currency: "EUR", Receipts: 4, Total: total}}, f.Sums)
	require.Len(t, f.Payments, 1, "the others were settled")
	require.Equal(t, s.paid, f.Payments[0].ID)
	require.Len(t, f.Tills, 1)
	require.Equal(t, shop.Revoked, f.Tills[0].State)
	require.Equal(t, "Kasse 5", f.Tills[0].Name)
	require.Len(t, f.Series, 1)
	require.True(t, f.Series[0].OK(), "%v", f.Series[0].Findings)
	require.Equal(t, []found.ScopeCount{{Scope: crdt.Catalog, Leave: 1}, {Scope: crdt.Sales, Take: f.Commits}}, f.Scopes)

	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	m, err := d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID, found.Taking{By: "Jule", At: at, Commits: into(s.own)})
	require.NoError(t, err)
	require.Equal(t, found.Mark{By: "Jule", At: at, From: s.k5.ID, Place: dir, ID: f.ID, Commits: f.Commits, Receipts: 4,
		Numbers: []found.Numbers{{Prefix: "K5", First: 51, Last: 54}}, Sums: f.Sums}, m)
	for _, sold := range s.sold {
		raw, err := s.own.Store.ByDot(t.Context(), crdt.Sales, []crdt.Dot{sold.Commit.Dot})
		require.NoError(t, err)
		require.Equal(t, [][]byte{sold.Commit.Bytes()}, raw, "verbatim")
	}
	notes, err := s.own.Store.NotesFrom(t.Context(), found.MarkNote, "", 10)
	require.NoError(t, err)
	require.Len(t, notes, 1)
	back, err := found.DecodeMark(notes[0].Value)
	require.NoError(t, err)
	require.Equal(t, m, back)
	recount, err := s.own.Store.Recount(t.Context(), crdt.Sales)
	require.NoError(t, err)
	require.Equal(t, recount, s.own.Store.Digests()[crdt.Sales])

	again := s.scan(t, d)
	require.Zero(t, again.Commits)
	_, err = d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID, found.Taking{By: "Jule", Commits: into(s.own)})
	require.ErrorIs(t, err, found.ErrChanged)
	require.Equal(t, before, hashes(t, dir), "nothing was written to the found till")
}

// The thief's till can close receipts with another key, admit friends and change prices: none of that is taken.
func TestWhatDoesNotProveItself(t *testing.T) {
	s := steal(t)
	_, stranger, err := ed25519.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{9}, 64)))
	require.NoError(t, err)
	forged := s.k5.SellWith(stranger)
	s.k5.Flush()
	friend := crdt.TillIDOf(stranger.Public().(ed25519.PublicKey))
	p, err := shop.Admission{PublicKey: stranger.Public().(ed25519.PublicKey), Name: "Freund", Prefix: "K6.5", By: s.k5.ID, MS: 1}.Sign(s.k5.Shop.ID, s.k5.Key)
	require.NoError(t, err)
	admission := s.k5.Commit(crdt.Shop, []crdt.Piece{p})
	// A store that nobody signed for.
	foreign := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{66}, Seq: crdt.NewSeq(1, 1)}, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: receipt.TypeLine, Object: crdt.ObjectID{6}, Raw: []byte{0x80}}}}
	require.NoError(t, foreign.Seal())
	_, err = s.k5.Gate.Apply(t.Context(), []replication.Op{{Commit: foreign}})
	require.NoError(t, err)

	d := open(t, s.lie(t))
	f := s.scan(t, d)
	require.Len(t, f.Receipts, 4)
	require.Len(t, f.Refused, 2)
	reasons := map[crdt.Dot]string{}
	for _, r := range f.Refused {
		reasons[r.Dot] = r.Reason
	}
	require.Contains(t, reasons[forged.Commit.Dot], "another till")
	require.Contains(t, reasons[foreign.Dot], "no till of this shop")
	_, err = d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID, found.Taking{By: "Jule", Commits: into(s.own)})
	require.NoError(t, err)
	for scope, dot := range map[crdt.Scope]crdt.Dot{crdt.Sales: forged.Commit.Dot, crdt.Shop: admission.Dot} {
		raw, err := s.own.Store.ByDot(t.Context(), scope, []crdt.Dot{dot})
		require.NoError(t, err)
		require.Empty(t, raw)
	}
	j, err := s.own.Store.Object(t.Context(), crdt.Key{Scope: crdt.Shop, Type: shop.TypeAdmission, Object: shop.AdmissionID(friend)})
	require.NoError(t, err)
	require.True(t, j.Empty())
}

// Behind a change that does not follow the one before it, only what is signed is taken.
func TestABrokenChain(t *testing.T) {
	s := steal(t)
	head := s.k5.Store.Heads()[crdt.Sales]
	c := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: s.k5.Replica, Seq: head.Seq + 1}, Pred: head.Seq, Prev: crdt.Hash{1}, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: receipt.TypeVoid, Object: crdt.ObjectID{6}, Raw: []byte{0x80}}}}
	require.NoError(t, c.Seal())
	_, err := s.k5.Gate.Apply(t.Context(), []replication.Op{{Commit: c}})
	require.NoError(t, err)
	f := s.scan(t, open(t, s.lie(t)))
	require.Len(t, f.Receipts, 4)
	require.Len(t, f.Refused, 1)
	require.Equal(t, c.Dot, f.Refused[0].Dot)
	require.Contains(t, f.Refused[0].Reason, "does not follow")
}

// A gap in what was found is shown.
func TestAGapIsShown(t *testing.T) {
	s := steal(t)
	s.k5.Skip()
	s.k5.Sell(1)
	f := s.scan(t, open(t, s.lie(t)))
	require.Len(t, f.Receipts, 5)
	require.Equal(t, "K5-000055 is missing.", f.Series[0].Findings[0].Text)
}

// A new store of the found till, of which nobody here heard, is known by the lineage it signed.
func TestAnUnknownLineage(t *testing.T) {
	s := steal(t)
	l, err := shop.Lineage{Till: s.k5.ID, Replica: crdt.ReplicaID{77}, Predecessor: s.k5.Replica, Prefix: "K5b", MS: 2}.Sign(s.k5.Shop.ID, s.k5.Key)
	require.NoError(t, err)
	c := &crdt.Commit{Scope: crdt.Shop, Dot: crdt.Dot{Replica: crdt.ReplicaID{77}, Seq: crdt.NewSeq(9, 1)}, Schema: 1, Pieces: []crdt.Piece{l}}
	require.NoError(t, c.Seal())
	sale := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{77}, Seq: crdt.NewSeq(9, 1)}, Schema: 1,
		Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: receipt.TypeVoid, Object: crdt.ObjectID{6}, Raw: []byte{0x80}}}}
	require.NoError(t, sale.Seal())
	_, err = s.k5.Gate.Apply(t.Context(), []replication.Op{{Commit: c}, {Commit: sale}})
	require.NoError(t, err)
	d := open(t, s.lie(t))
	f := s.scan(t, d)
	require.Empty(t, f.Refused)
	_, err = d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID, found.Taking{By: "Jule", Commits: into(s.own)})
	require.NoError(t, err)
	require.True(t, s.own.Store.Contexts()[crdt.Shop].Has(c.Dot))
	require.True(t, s.own.Store.Contexts()[crdt.Sales].Has(sale.Dot))
}

func TestRefusals(t *testing.T) {
	s := steal(t)
	_, err := found.Open(filepath.Join(s.k5.Dir, "store"))
	require.ErrorIs(t, err, found.ErrInUse)
	_, err = found.Open(t.TempDir())
	require.ErrorIs(t, err, found.ErrNothing)
	other := backuptest.Found(t, "", 6)
	d := open(t, s.lie(t))
	_, err = d.Scan(t.Context(), other.Store, other.Shop.ID, nil)
	require.ErrorIs(t, err, found.ErrOtherShop)

	f := s.scan(t, d)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Scan(ctx, s.own.Store, s.own.Shop.ID, nil)
	require.ErrorIs(t, err, context.Canceled)
	full := errors.New("full")
	_, err = d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID,
		found.Taking{Commits: func(context.Context, []*crdt.Commit, []replication.Note) error { return full }})
	require.ErrorIs(t, err, full)
}

// Thousands of unknown receipts are taken in batches; what was cut off goes on with the rest.
func TestManyAndCutOff(t *testing.T) {
	s := steal(t)
	s.k5.Sell(300)
	d := open(t, s.lie(t))
	f := s.scan(t, d)
	require.Len(t, f.Receipts, 304)
	batches, broken := 0, errors.New("power cut")
	take := into(s.own)
	_, err := d.Take(t.Context(), s.own.Store, s.own.Shop.ID, f.ID, found.Taking{By: "Jule",
		Commits: func(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error {
			require.LessOrEqual(t, len(list), 256)
			if batches++; batches == 2 {
				return broken
			}
			return take(ctx, list, notes)
		}})
	require.ErrorIs(t, err, broken)
	rest := s.scan(t, d)
	require.Equal(t, f.Commits-256, rest.Commits)
	m, err := d.Take(t.Context(), s.own.Store, s.own.Shop.ID, rest.ID, found.Taking{By: "Jule", Commits: take})
	require.NoError(t, err)
	require.Equal(t, rest.Commits, m.Commits)
	require.Zero(t, s.scan(t, d).Commits)
}

// Whatever happened to the files, what is listed is genuine, and the rest is still found.
func TestADamagedTill(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := steal(t)
	genuine := make(map[string]receipt.Amount)
	for _, sold := range s.sold {
		genuine[sold.Number] = sold.Total
	}
	damaged := 0
	for i := range 15 {
		dir := s.lie(t)
		files, err := filepath.Glob(filepath.Join(dir, "*"))
		require.NoError(t, err)
		name := files[random.IntN(len(files))]
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		used := len(bytes.TrimRight(content, "\x00"))
		if used == 0 {
			continue
		}
		place := random.IntN(used)
		if i%3 == 0 {
			content = content[:place]
		} else {
			content[place] ^= 1 << random.IntN(8)
		}
		require.NoError(t, os.WriteFile(name, content, 0o600))
		d, err := found.Open(dir)
		require.NoError(t, err)
		f, err := d.Scan(t.Context(), s.own.Store, s.own.Shop.ID, nil)
		require.NoError(t, err)
		require.NoError(t, d.Close())
		for _, r := range f.Receipts {
			require.Equal(t, genuine[r.Number], r.Total, "%s", r.Number)
		}
		if len(f.Receipts) < 4 && !(filepath.Ext(name) == ".mem" && i%3 == 0) {
			damaged++
			require.NotEmpty(t, f.Damage, "%s at %d", filepath.Base(name), place)
			require.Contains(t, strings.Join(f.Damage, "\n"), filepath.Base(name))
		}
		if i%3 != 0 {
			require.GreaterOrEqual(t, len(f.Receipts), 3, "one byte costs at most one receipt")
		}
	}
	t.Log(fmt.Sprint(damaged, " of 15 lost receipts"))
}
