package sql_test

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	store "github.com/tillmesh/tillmesh/replication/store/sql"
	"github.com/tillmesh/tillmesh/replication/store/storetest"
)

func open(dir string) (rows.Store, error) {
	s, _, err := store.Open(context.Background(), store.Options{Dir: dir})
	if err != nil {
		return nil, err
	}
	return s, nil
}

func TestMain(m *testing.M) { os.Exit(storetest.Main(m, open)) }

func TestContract(t *testing.T) {
	storetest.Run(t, storetest.Engine{Open: open, OnDisk: true, Kills: 4, Newer: func(t *testing.T, dir string) {
		newer := fmt.Sprintf("sqlite %d\n", store.Format+1)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "store.format"), []byte(newer), 0o600))
	}})
}

// raw runs a statement on the database of a closed store.
func raw(t *testing.T, dir, statement string) string {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(dir, "rows.db"))
	require.NoError(t, err)
	answer := ""
	if err := db.QueryRow(statement).Scan(&answer); err != sql.ErrNoRows {
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())
	return answer
}

func TestTheNumberInTheDatabaseIsCheckedToo(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Commit(context.Background(), []rows.Write{{Key: []byte("a")}}))
	require.NoError(t, s.Close())
	require.Equal(t, "wal", raw(t, dir, "PRAGMA journal_mode"))
	require.Equal(t, fmt.Sprint(store.Format), raw(t, dir, "PRAGMA user_version"))
	raw(t, dir, fmt.Sprintf("PRAGMA user_version = %d", store.Format+1))
	_, err = open(dir)
	require.ErrorIs(t, err, rows.ErrNewerFormat)
	raw(t, dir, "PRAGMA user_version = 0")
	_, err = open(dir)
	require.ErrorIs(t, err, rows.ErrCorrupt)
}

func TestOtherFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	s, err := open(dir)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "rows.db"), make([]byte, 4096), 0o600))
	for attempt := range 2 {
		_, report, err := store.Open(context.Background(), store.Options{Dir: dir})
		require.ErrorIs(t, err, rows.ErrCorrupt)
		require.Equal(t, attempt, report.FailedBefore)
	}
}

// TestFullDisk limits the database instead of the disk: SQLite answers the same.
func TestFullDisk(t *testing.T) {
	ctx := context.Background()
	s, _, err := store.Open(ctx, store.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	require.NoError(t, s.Commit(ctx, []rows.Write{{Key: []byte("a"), Value: []byte("old")}}))
	s.LimitPages(t, 20)
	err = s.Commit(ctx, []rows.Write{{Key: []byte("a"), Value: []byte("new")}, {Key: []byte("b"), Value: make([]byte, 200_000)}})
	require.ErrorIs(t, err, rows.ErrFull)
	require.NotErrorIs(t, err, rows.ErrFailed)
	found, err := s.Scan(ctx, nil, nil, 9, 0)
	require.NoError(t, err)
	require.Equal(t, []rows.Row{{Key: []byte("a"), Value: []byte("old")}}, found)
	s.LimitPages(t, 2000)
	require.NoError(t, s.Commit(ctx, []rows.Write{{Key: []byte("b"), Value: make([]byte, 200_000)}}))
	require.NoError(t, s.Close())
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 4, 256} {
		b.Run(fmt.Sprintf("rows=%d", size), func(b *testing.B) {
			ctx := context.Background()
			s, err := open(b.TempDir())
			require.NoError(b, err)
			n := uint64(0)
			batch := make([]rows.Write, size)
			for b.Loop() {
				for i := range batch {
					n++
					batch[i] = rows.Write{Key: binary.BigEndian.AppendUint64([]byte("k"), n), Value: make([]byte, 200)}
				}
				if err := s.Commit(ctx, batch); err != nil {
					b.Fatal(err)
				}
			}
			require.NoError(b, s.Close())
		})
	}
}
