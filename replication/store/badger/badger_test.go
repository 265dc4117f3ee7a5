package badger_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/storetest"
)

func open(dir string) (rows.Store, error) {
	store, _, err := badger.Open(badger.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return store, nil
}

func TestMain(m *testing.M) { os.Exit(storetest.Main(m, open)) }

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Engine{Open: open, OnDisk: true, Kills: 8, Newer: func(t *testing.T, dir string) {
		newer := fmt.Sprintf("badger %d\n", badger.Format+1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "store.format"), []byte(newer), 0o600))
	}})
}

// raw opens the files of a closed store with Badger itself.
func raw(t *testing.T, dir string, change func(*bdgr.Txn) error) {
	t.Helper()
	db, err := bdgr.Open(bdgr.DefaultOptions(dir).WithLogger(nil))
	require.NoError(t, err)
	require.NoError(t, db.Update(change))
	require.NoError(t, db.Close())
}

func TestTheFormatRowIsCheckedToo(t *testing.T) {
	key := []byte("\x00format")
	for name, test := range map[string]struct {
		change func(*bdgr.Txn) error
		want   error
	}{
		"newer": {func(txn *bdgr.Txn) error {
			return txn.Set(key, binary.BigEndian.AppendUint16(nil, badger.Format+1))
		}, rows.ErrNewerFormat},
		"missing": {func(txn *bdgr.Txn) error { return txn.Delete(key) }, rows.ErrCorrupt},
		"short":   {func(txn *bdgr.Txn) error { return txn.Set(key, []byte{1}) }, rows.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			store, err := open(dir)
			require.NoError(t, err)
			require.NoError(t, store.Commit(context.Background(), []rows.Write{{Key: []byte("a")}}))
			require.NoError(t, store.Close())
			raw(t, dir, test.change)
			_, err = open(dir)
			require.ErrorIs(t, err, test.want)
		})
	}
}

func TestOpenReport(t *testing.T) {
	dir := t.TempDir()
	store, report, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	require.True(t, report.New)
	require.NoError(t, store.Commit(context.Background(), []rows.Write{{Key: []byte("a"), Value: []byte("b")}}))
	require.NoError(t, store.Close())
	manifest := filepath.Join(dir, "MANIFEST")
	good, err := os.ReadFile(manifest)
	require.NoError(t, err)
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 0xff
	require.NoError(t, os.WriteFile(manifest, bad, 0o600))
	for attempt := range 3 {
		_, report, err = badger.Open(badger.Options{Dir: dir})
		require.ErrorIs(t, err, rows.ErrCorrupt)
		require.Equal(t, attempt, report.FailedBefore)
	}
	require.NoError(t, os.WriteFile(manifest, good, 0o600))
	for _, failed := range []int{3, 0} {
		store, report, err = badger.Open(badger.Options{Dir: dir})
		require.NoError(t, err)
		require.Equal(t, failed, report.FailedBefore)
		require.False(t, report.New)
		require.NoError(t, store.Close())
	}
}

// TestAKillBetweenALogAndItsBytes leaves what a process leaves that ends while Badger makes a log or removes one.
func TestAKillBetweenALogAndItsBytes(t *testing.T) {
	ctx := context.Background()
	for _, name := range []string{"00000.mem", "00099.mem", "000000.vlog", "000099.vlog"} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "store")
			store, err := open(dir)
			require.NoError(t, err)
			require.NoError(t, store.Commit(ctx, []rows.Write{{Key: []byte("a"), Value: []byte("b")}}))
			killed := filepath.Join(t.TempDir(), "store")
			require.NoError(t, os.CopyFS(killed, os.DirFS(dir)))
			require.NoError(t, store.Close())
			require.NoError(t, os.WriteFile(filepath.Join(killed, name), nil, 0o600))
			for n := range 2 {
				again, report, err := badger.Open(badger.Options{Dir: killed})
				require.NoError(t, err)
				require.Zero(t, report.FailedBefore)
				values, err := again.Load(ctx, [][]byte{[]byte("a"), []byte("c")})
				require.NoError(t, err)
				require.Equal(t, "b", string(values[0]))
				require.Equal(t, n > 0, values[1] != nil)
				require.NoError(t, again.Commit(ctx, []rows.Write{{Key: []byte("c"), Value: make([]byte, 1<<20)}})) // in the log of long values
				require.NoError(t, again.Close())
			}
		})
	}
}

func TestLogHasNoDebugLinesOfBadger(t *testing.T) {
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store, _, err := badger.Open(badger.Options{Dir: t.TempDir(), Log: log})
	require.NoError(t, err)
	secret := []byte("Frau Meier")
	require.NoError(t, store.Commit(context.Background(), []rows.Write{{Key: []byte("a"), Value: secret}}))
	require.NoError(t, store.Close())
	require.Contains(t, lines.String(), "msg=badger")
	require.NotContains(t, lines.String(), "writeRequests")
	require.NotContains(t, lines.String(), string(secret))
}

func TestLargerMemTableTakesLargerBatches(t *testing.T) {
	store, _, err := badger.Open(badger.Options{Dir: t.TempDir(), MemTableSize: 4 * badger.DefaultMemTableSize})
	require.NoError(t, err)
	maxBytes, maxRows := store.MaxBatch()
	require.Greater(t, maxBytes, 4_400_000)
	require.Greater(t, maxRows, 36_000)
	require.NoError(t, store.Close())
}

// TestVerify flips bytes of a table at several places. Each must be found, and nothing be read any more.
func TestVerify(t *testing.T) {
	ctx := context.Background()
	for _, at := range []int{100, 20_000, 200_000} {
		dir := t.TempDir()
		store, _, err := badger.Open(badger.Options{Dir: dir})
		require.NoError(t, err)
		next := batches(1000)
		for range 10 {
			require.NoError(t, store.Commit(ctx, next()))
		}
		require.NoError(t, store.Close())
		tables, err := filepath.Glob(filepath.Join(dir, "*.sst"))
		require.NoError(t, err)
		require.Len(t, tables, 1)
		content, err := os.ReadFile(tables[0])
		require.NoError(t, err)
		for _, damage := range []byte{0, 0x5a} {
			content[at] ^= damage
			require.NoError(t, os.WriteFile(tables[0], content, 0o600))
			store, _, err = badger.Open(badger.Options{Dir: dir})
			require.NoError(t, err)
			err = store.Verify(ctx)
			if damage == 0 {
				require.NoError(t, err)
			} else {
				require.ErrorIs(t, err, rows.ErrCorrupt)
				_, err = store.Scan(ctx, nil, nil, 10, 0)
				require.ErrorIs(t, err, rows.ErrCorrupt)
			}
			require.NoError(t, store.Close())
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	dir := b.TempDir()
	store, err := open(dir)
	require.NoError(b, err)
	next := batches(1000)
	for range 100 {
		require.NoError(b, store.Commit(context.Background(), next()))
	}
	require.NoError(b, store.Close())
	again, _, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(b, err)
	for b.Loop() {
		require.NoError(b, again.Verify(context.Background()))
	}
	require.NoError(b, again.Close())
}
