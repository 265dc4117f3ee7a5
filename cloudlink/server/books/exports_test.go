package books_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
	"github.com/tillmesh/tillmesh/crdt"
)

// running runs exports until stop is called.
func running(t *testing.T, b *books.Books, dir string) (e *books.Exports, stop func()) {
	t.Helper()
	e, err := books.NewExports(books.ExportOptions{Books: b, Dir: dir})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { require.NoError(t, e.Run(ctx)) })
	stop = sync.OnceFunc(func() { cancel(); work.Wait() })
	t.Cleanup(stop)
	return e, stop
}

// start begins an export as soon as Run is there.
func start(t *testing.T, e *books.Exports, of crdt.ObjectID, want server.ExportRange) (x server.Export) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		x, err = e.StartExport(t.Context(), of, want)
		return err == nil
	}, 10*time.Second, time.Millisecond)
	require.Equal(t, "running", x.State)
	return x
}

// ended waits until an export has ended.
func ended(t *testing.T, e *books.Exports, of, id crdt.ObjectID) (x server.Export) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		x, err = e.Export(t.Context(), of, id)
		require.NoError(t, err)
		return x.State != "running"
	}, 20*time.Second, time.Millisecond)
	return x
}

func TestAnExportInTheBackground(t *testing.T) {
	b := sqlite(t)
	s := archivetest.Day(t, 1, 5)
	b.archive(s)
	s.Series.Sell(100)
	s.Fill()
	dir := filepath.Join(t.TempDir(), "exports")
	old, young := filepath.Join(dir, "cloud-exports-1"), filepath.Join(dir, "cloud-exports-2")
	require.NoError(t, os.MkdirAll(old, 0o700))
	require.NoError(t, os.MkdirAll(young, 0o700))
	require.NoError(t, os.Chtimes(old, now, now.Add(-49*time.Hour)))
	require.NoError(t, os.Chtimes(young, now, now.Add(-47*time.Hour)))
	e, stop := running(t, b.Books, dir)
	x := start(t, e, account, server.ExportRange{Shop: s.ID, From: "2026-09-03"})
	x = ended(t, e, account, x.ID)
	require.Equal(t, "done", x.State, x.Error)
	require.Positive(t, x.Leaves)

	f, size, err := e.OpenExport(t.Context(), account, x.ID)
	require.NoError(t, err)
	raw, err := io.ReadAll(f)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.EqualValues(t, size, len(raw))
	require.Equal(t, x.Size, size)
	require.Equal(t, x.SHA256, sha256.Sum256(raw))
	r, err := export.Verify(t.Context(), bytes.NewReader(raw), size, export.VerifyOptions{Key: b.db.Installation().Key.Public().(ed25519.PublicKey)})
	require.NoError(t, err)
	require.True(t, r.OK(), r.Text())
	require.True(t, r.Expected)
	require.Equal(t, s.ID, r.Manifest.Shop)
	require.Equal(t, "2026-09-03", r.Manifest.FromDay)
	require.Equal(t, x.Leaves, r.Manifest.Leaves)

	stranger := crdt.ObjectID{9}
	_, err = e.Export(t.Context(), stranger, x.ID)
	require.ErrorIs(t, err, server.ErrNotFound)
	_, _, err = e.OpenExport(t.Context(), stranger, x.ID)
	require.ErrorIs(t, err, server.ErrNotFound)
	list, err := e.Exports(t.Context(), stranger)
	require.NoError(t, err)
	require.Empty(t, list)

	stop()
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "this run's and the one that crashed are gone")
	require.Equal(t, filepath.Base(young), left[0].Name())
	_, err = e.StartExport(t.Context(), account, server.ExportRange{})
	require.ErrorIs(t, err, server.ErrBusy)
}

func TestOldExportsMakeRoom(t *testing.T) {
	b := sqlite(t)
	b.archive(archivetest.Day(t, 1, 1))
	e, _ := running(t, b.Books, "")
	first := start(t, e, account, server.ExportRange{})
	ended(t, e, account, first.ID)
	for range 5 {
		ended(t, e, account, start(t, e, account, server.ExportRange{}).ID)
	}
	_, err := e.Export(t.Context(), account, first.ID)
	require.ErrorIs(t, err, server.ErrNotFound)
	list, err := e.Exports(t.Context(), account)
	require.NoError(t, err)
	require.Len(t, list, 5)
	require.False(t, list[0].Begun.Before(list[4].Begun), "the newest first")
}

func TestTooManyExports(t *testing.T) {
	b := sqlite(t)
	e, err := books.NewExports(books.ExportOptions{Books: b.Books})
	require.NoError(t, err)
	_, err = e.StartExport(t.Context(), account, server.ExportRange{})
	require.ErrorIs(t, err, server.ErrBusy, "before Run")
	ctx, cancel := context.WithCancel(t.Context())
	// The database is held, so that nothing ends.
	write, _ := b.db.Pools()
	hold, err := write.BeginTx(t.Context(), nil)
	require.NoError(t, err)
	var work sync.WaitGroup
	work.Go(func() { require.NoError(t, e.Run(ctx)) })
	for range 5 {
		start(t, e, account, server.ExportRange{})
	}
	_, err = e.StartExport(t.Context(), account, server.ExportRange{})
	require.ErrorIs(t, err, server.ErrBusy)
	for i := range 59 {
		start(t, e, crdt.ObjectID{7, byte(i / 5)}, server.ExportRange{})
	}
	_, err = e.StartExport(t.Context(), crdt.ObjectID{8}, server.ExportRange{})
	require.ErrorIs(t, err, server.ErrBusy)
	cancel() // those under way end early
	require.NoError(t, hold.Rollback())
	work.Wait()
}

// A failure says what people can do, and nothing about the machine.
func TestAnExportThatFails(t *testing.T) {
	b := sqlite(t)
	s := archivetest.Day(t, 1, 3)
	b.archive(s)
	write, _ := b.db.Pools()
	_, err := write.ExecContext(t.Context(), `UPDATE archive_tiles SET hashes = zeroblob(32)`)
	require.NoError(t, err)
	s.Series.Sell(100)
	s.Fill()
	for _, c := range s.Commits {
		b.append(s, c)
	}
	dir := t.TempDir()
	e, _ := running(t, b.Books, dir)
	x := ended(t, e, account, start(t, e, account, server.ExportRange{}).ID)
	require.Equal(t, "failed", x.State)
	require.Contains(t, x.Error, "is not the one that was signed before")
	require.NotContains(t, x.Error, dir)
	_, _, err = e.OpenExport(t.Context(), account, x.ID)
	require.ErrorIs(t, err, server.ErrNotFound)
	left, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	require.NoError(t, err)
	require.Empty(t, left)
	_, err = b.Seal(t.Context(), [16]byte(account))
	require.ErrorIs(t, err, merkle.ErrRewritten)
}
