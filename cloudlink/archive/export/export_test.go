package export_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

var (
	update = flag.Bool("update", false, "write the golden bytes anew")

	account = archive.AccountID{1, 2, 3}
	now     = time.UnixMilli(archivetest.NowMS)
)

func public() ed25519.PublicKey {
	key, _ := archivetest.CloudKey().Public().(ed25519.PublicKey)
	return key
}

// archived puts shops into an archive, a checkpoint after each, on different days.
func archived(t testing.TB, db *database.DB, shops ...*archivetest.Shop) *merkle.Logs {
	t.Helper()
	logs := merkle.New(db)
	signer, err := archive.NewSigner(archivetest.CloudKey())
	require.NoError(t, err)
	for i, s := range shops {
		at := now.Add(time.Duration(i) * 24 * time.Hour)
		for _, c := range s.Commits {
			require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
				_, err := logs.Append(t.Context(), tx, account, archive.Entries(s.ID, c), at)
				return err
			}))
		}
		for more := true; more; {
			more, err = logs.Review(t.Context(), account, at)
			require.NoError(t, err)
		}
		_, err := logs.Checkpoint(t.Context(), account, at, signer)
		require.NoError(t, err)
	}
	return logs
}

func sqlite(t testing.TB) *database.DB { return databasetest.Open(t, databasetest.SQLite(t)) }

func write(t testing.TB, logs *merkle.Logs, o export.Options) []byte {
	t.Helper()
	o.Account, o.Key = account, archivetest.CloudKey()
	var out bytes.Buffer
	s, err := export.Write(t.Context(), &out, logs, o)
	require.NoError(t, err)
	require.EqualValues(t, out.Len(), s.Bytes)
	return out.Bytes()
}

func verify(t testing.TB, raw []byte) *export.Report {
	t.Helper()
	r, err := export.Verify(t.Context(), bytes.NewReader(raw), int64(len(raw)), export.VerifyOptions{})
	require.NoError(t, err)
	return r
}

// odd returns a shop with everything that an export may hold.
func odd(t testing.TB) *archivetest.Shop {
	s := archivetest.Day(t, 1, 3)
	fork := s.Books.Sold[1]
	s.Series.Resigned(&fork, func(d *receipt.Document) { d.User = "Mallory" })
	s.Books.Sold = append(s.Books.Sold, fork)
	s.Fill()
	s.Customer(3, "Bob")
	s.Forget(2)
	return s
}

func TestAnExportVerifies(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := odd(t), archivetest.Day(t, 2, 120)
		logs := archived(t, db, a, b)
		raw := write(t, logs, export.Options{})
		require.Equal(t, raw, write(t, logs, export.Options{}), "the same state gives the same bytes")
		r, err := export.Verify(t.Context(), bytes.NewReader(raw), int64(len(raw)), export.VerifyOptions{Key: public()})
		require.NoError(t, err)
		require.True(t, r.OK(), r.Text())
		require.True(t, r.Expected)
		require.EqualValues(t, 126, r.Documents)
		require.EqualValues(t, 1, r.Erased)
		require.Len(t, r.Completeness.Shops, 2)
		require.Contains(t, r.Text(), "K1-000002 is there twice with different content.")
		require.Contains(t, r.Text(), "Every byte of this file is as the archive wrote and signed it.")

		z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
		require.NoError(t, err, "any program can open it")
		require.Len(t, z.File, 9)
		for _, f := range z.File {
			in, err := f.Open()
			require.NoError(t, err)
			_, err = io.Copy(io.Discard, in)
			require.NoError(t, err)
		}

		for name, o := range map[string]export.Options{
			"a shop": {Shop: b.ID}, "some days": {FromDay: "2026-09-03", ToDay: "2026-09-03"}, "no day": {FromDay: "2030-01-01"}, "days of a shop": {Shop: a.ID, ToDay: "2026-09-03"},
		} {
			r := verify(t, write(t, logs, o))
			require.True(t, r.OK(), "%s: %s", name, r.Text())
			require.Equal(t, o.FromDay == "" && o.ToDay == "", r.Completeness != nil, name)
		}
	})
}

func TestALargeExportWithOneFlippedByte(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	raw := write(t, archived(t, sqlite(t), archivetest.Day(t, 1, 300)), export.Options{})
	for range 8 {
		at, mask := random.IntN(len(raw)), byte(1+random.IntN(255))
		raw[at] ^= mask
		r := verify(t, raw)
		require.False(t, r.OK(), "byte %d, mask %x", at, mask)
		raw[at] ^= mask
	}
}

func TestWhatIsCutOrAddedIsFound(t *testing.T) {
	raw := write(t, archived(t, sqlite(t), odd(t)), export.Options{})
	for n := 0; n < len(raw); n += 1 + len(raw)/97 {
		require.False(t, verify(t, raw[:n]).OK(), "cut at %d", n)
	}
	for _, n := range []int{1, 2, 22, 80} {
		require.False(t, verify(t, raw[:len(raw)-n]).OK(), "%d bytes less", n)
		require.False(t, verify(t, append(bytes.Clone(raw), make([]byte, n)...)).OK(), "%d bytes more", n)
	}
	at := bytes.Index(raw, []byte(`{"document"`))
	require.False(t, verify(t, append(append(bytes.Clone(raw[:at]), '\n'), raw[at:]...)).OK())
}

func TestAnotherCloud(t *testing.T) {
	raw := write(t, archived(t, sqlite(t), odd(t)), export.Options{})
	other := ed25519.NewKeyFromSeed(make([]byte, 32))
	key, _ := other.Public().(ed25519.PublicKey)
	r, err := export.Verify(t.Context(), bytes.NewReader(raw), int64(len(raw)), export.VerifyOptions{Key: key})
	require.NoError(t, err)
	require.False(t, r.OK())
	require.Equal(t, export.FileKeys, r.Findings[0].File)
	require.Contains(t, r.Text(), "which was expected")
}

// What was changed in the database before the export was made is found, too: the manifest is in order, and the contents do not fit what was signed.
func TestADamagedDatabaseShowsInTheExport(t *testing.T) {
	db, s := sqlite(t), archivetest.Day(t, 1, 5)
	logs := archived(t, db, s)
	x, err := logs.At(t.Context(), account, 7)
	require.NoError(t, err)
	x.Content[40] ^= 1
	require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), `UPDATE archive_leaves SET content = ? WHERE leaf_index = 7`, x.Content)
		return err
	}))
	r := verify(t, write(t, logs, export.Options{}))
	require.EqualValues(t, 1, r.Wrong, r.Text())
	require.Equal(t, "K1-000004", r.Findings[0].Document)
	require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), `DELETE FROM archive_leaves WHERE leaf_index = 7`)
		return err
	}))
	r = verify(t, write(t, logs, export.Options{}))
	require.EqualValues(t, 1, r.Wrong)
	require.Contains(t, r.Text(), "1 of them are not here: the archive had lost them.")
	r = verify(t, write(t, logs, export.Options{Shop: s.ID}))
	require.True(t, r.OK(), "the leaf is not in the file, and its hash stands for it: %s", r.Text())
	require.False(t, r.Completeness.OK())
	require.Contains(t, r.Text(), "K1-000004 is missing.")
}

func TestItStopsWhenItIsTold(t *testing.T) {
	logs := archived(t, sqlite(t), archivetest.Day(t, 1, 1100))
	ctx, cancel := context.WithCancel(t.Context())
	told := 0
	_, err := export.Write(ctx, io.Discard, logs, export.Options{Account: account, Key: archivetest.CloudKey(), Progress: func(p export.Progress) { told++; cancel() }})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, told)
	raw := write(t, logs, export.Options{})
	ctx, cancel = context.WithCancel(t.Context())
	_, err = export.Verify(ctx, bytes.NewReader(raw), int64(len(raw)), export.VerifyOptions{Progress: func(export.Progress) { cancel() }})
	require.ErrorIs(t, err, context.Canceled)
}

type failing struct{ left int }

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAnErrorOfTheDiskIsReturned(t *testing.T) {
	logs := archived(t, sqlite(t), odd(t))
	for n := 0; n < 20_000; n += 4000 {
		_, err := export.Write(t.Context(), &failing{n}, logs, export.Options{Account: account, Key: archivetest.CloudKey()})
		require.ErrorIs(t, err, io.ErrShortWrite, "%d bytes", n)
	}
	_, err := export.Write(t.Context(), io.Discard, logs, export.Options{Account: archive.AccountID{9}, Key: archivetest.CloudKey()})
	require.ErrorIs(t, err, merkle.ErrNotFound)
	_, err = export.Write(t.Context(), io.Discard, logs, export.Options{Account: account, Key: archivetest.CloudKey(), FromDay: "soon"})
	require.Error(t, err)
	_, err = export.Write(t.Context(), io.Discard, logs, export.Options{Account: account})
	require.Error(t, err, "without a key")
}

func TestGoldenExport(t *testing.T) {
	raw := write(t, archived(t, sqlite(t), odd(t), archivetest.Day(t, 2, 2)), export.Options{Shop: archivetest.NewShop(t, 1).ID})
	path := filepath.Join("../../../testdata/archive/v1", "export.zip")
	if *update {
		require.NoError(t, os.WriteFile(path, raw, 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, raw), "these bytes must never change; a new version of the format gets a file of its own")
	require.True(t, verify(t, want).OK())
}

func FuzzVerify(f *testing.F) {
	raw, err := os.ReadFile("../../../testdata/archive/v1/export.zip")
	require.NoError(f, err)
	f.Add(raw, 0, []byte{})
	f.Add(raw[:len(raw)/2], 10, []byte("tillmesh export 1\n"))
	f.Add([]byte("tillmesh export 1\nPK\x07\x08"), 0, []byte{})
	f.Fuzz(func(t *testing.T, b []byte, at int, patch []byte) {
		b = bytes.Clone(b)
		if at >= 0 && at < len(b) {
			copy(b[at:], patch)
		}
		r, err := export.Verify(t.Context(), bytes.NewReader(b), int64(len(b)), export.VerifyOptions{Key: public()})
		if err == nil && r.OK() && !bytes.Equal(b, raw) {
			t.Fatal("another file passes")
		}
		if r != nil {
			_ = r.Text()
		}
	})
}

func TestTexts(t *testing.T) {
	r := verify(t, nil)
	require.False(t, r.OK())
	require.Contains(t, r.Text(), "this is no export")
	require.NotContains(t, fmt.Sprint(r.Text()), "%!")
}
