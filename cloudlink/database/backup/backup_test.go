package backup_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/backup"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

func TestMain(m *testing.M) { os.Exit(databasetest.Main(m)) }

var update = flag.Bool("update", false, "write the golden bytes anew")

var about = backup.About{Program: "v1", Now: time.UnixMilli(1788422400123)}

// exec runs a statement.
func exec(t testing.TB, db *database.DB, statement string, args ...any) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
		_, err := tx.Exec(t.Context(), statement, args...)
		return err
	}))
}

func count(t testing.TB, db *database.DB, statement string, args ...any) (n int64) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx *database.Tx) error { return tx.QueryRow(t.Context(), statement, args...).Scan(&n) }))
	return n
}

var shop = crdt.ShopID{7, 1}

// fill puts something into a database: what is there, what is nothing, what is NULL, and the store of a shop.
func fill(t testing.TB, db *database.DB) store.Identity {
	t.Helper()
	leaf := `INSERT INTO archive_leaves (account, leaf_index, origin, shop, kind, type, object, name, number, day, archived_at, leaf, content, salt)
		VALUES (?, ?, ?, ?, 1, 'receipt', ?, 'K1', 1, '2026-09-03', 5, ?, ?, ?)`
	a := []byte{1, 2}
	exec(t, db, leaf, a, 0, []byte{0}, shop[:], a, []byte{9}, []byte("content ä\x00"), nil)
	exec(t, db, leaf, a, 1, []byte{1}, shop[:], a, []byte{9}, nil, nil)
	exec(t, db, leaf, a, 2, []byte{2}, shop[:], a, []byte{9}, []byte{}, []byte{})
	exec(t, db, leaf, a, -1<<63, []byte{3}, shop[:], a, []byte{9}, bytes.Repeat([]byte("long "), 200_000), nil)
	exec(t, db, `INSERT INTO seats (shop, server, epoch, since) VALUES (?, 'one', 41, 5)`, shop[:])
	exec(t, db, `INSERT INTO servers (server, address, started, seen) VALUES ('one', 'http://one', 1, 2)`)
	exec(t, db, `INSERT INTO attempts (subject, failures, last_at, until) VALUES ('ö "quoted"', 1, 2, 3)`)
	exec(t, db, `INSERT INTO sessions (account, session, token, label, created_at, seen_at, expires_at) VALUES (?, ?, ?, '', 1, 1, 1)`, a, a, a)
	id := store.Identity{Shop: shop, Till: db.Installation().ID, Replica: crdt.ReplicaID{5}}
	openStore(t, db, 41, func(s *store.Store) {
		require.NoError(t, s.SetIdentity(t.Context(), id))
		_, err := s.NextBoot(t.Context(), 1000)
		require.NoError(t, err)
	})
	return id
}

func openStore(t testing.TB, db *database.DB, epoch int64, do func(*store.Store)) {
	t.Helper()
	write, read := db.Pools()
	shops, err := sql.OpenShops(t.Context(), sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
	require.NoError(t, err)
	s, err := store.Open(t.Context(), shops.Open(sql.ShopOptions{Shop: shop, Epoch: epoch}))
	require.NoError(t, err)
	do(s)
	require.NoError(t, errors.Join(s.Close(), shops.Close()))
}

func write(t testing.TB, db *database.DB) ([]byte, backup.Report) {
	t.Helper()
	var out bytes.Buffer
	r, err := backup.Write(t.Context(), &out, db, about)
	require.NoError(t, err)
	got, err := backup.Verify(t.Context(), bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.Equal(t, r, got)
	require.EqualValues(t, out.Len(), r.Bytes)
	return out.Bytes(), r
}

// A backup of each engine is restored on each.
func TestABackupIsRestored(t *testing.T) {
	for _, from := range databasetest.Engines {
		for _, to := range databasetest.Engines {
			t.Run(from.Name+" to "+to.Name, func(t *testing.T) {
				db := databasetest.Open(t, from.New(t))
				fill(t, db)
				raw, report := write(t, db)
				require.Equal(t, from.Name, report.Engine)
				require.Equal(t, db.Installation().ID, report.Cloud)
				require.True(t, about.Now.Equal(report.Made))
				require.EqualValues(t, 4, report.Rows["archive_leaves"])

				o := to.New(t)
				require.NoError(t, backup.Restore(t.Context(), bytes.NewReader(raw), o, report))
				got := databasetest.Open(t, o)
				require.Equal(t, db.Installation().Key, got.Installation().Key)
				require.EqualValues(t, 1, count(t, got, `SELECT count(*) FROM archive_leaves WHERE leaf_index = 0 AND content = ? AND salt IS NULL`, []byte("content ä\x00")))
				require.EqualValues(t, 1, count(t, got, `SELECT count(*) FROM archive_leaves WHERE leaf_index = 1 AND content IS NULL`))
				require.EqualValues(t, 1, count(t, got, `SELECT count(*) FROM archive_leaves WHERE leaf_index = 2 AND content = ? AND salt = ?`, []byte{}, []byte{}))
				require.EqualValues(t, 1_000_000, count(t, got, `SELECT length(content) FROM archive_leaves WHERE leaf_index = ?`, -1<<63))
				require.EqualValues(t, 1, count(t, got, `SELECT count(*) FROM attempts WHERE subject = ?`, `ö "quoted"`))
				require.EqualValues(t, 42, count(t, got, `SELECT epoch FROM seats WHERE server = ''`), "whoever still had the seat is fenced")
				require.Zero(t, count(t, got, `SELECT count(*) FROM servers`))
				require.Zero(t, count(t, got, `SELECT count(*) FROM sessions`))
				openStore(t, got, 42, func(s *store.Store) {
					_, err := s.Identity(t.Context())
					require.ErrorIs(t, err, store.ErrNoIdentity, "two clouds must never write under one replica")
					boot, err := s.NextBoot(t.Context(), 1000)
					require.NoError(t, err)
					require.EqualValues(t, crdt.NextBoot(crdt.NextBoot(0, 1000), 1000), boot, "the rest of the store is there")
				})
				require.ErrorIs(t, backup.Restore(t.Context(), bytes.NewReader(raw), o, report), backup.ErrNotEmpty)
			})
		}
	}
}

func sqlite(t testing.TB) *database.DB { return databasetest.Open(t, databasetest.SQLite(t)) }

// After an error the database is as empty as it was.
func TestNothingHalfIsRestored(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			db := databasetest.Open(t, engine.New(t))
			fill(t, db)
			raw, report := write(t, db)
			o := engine.New(t)
			fails := errors.New("the disk fails")
			cut := len(raw) - 200
			err := backup.Restore(t.Context(), io.MultiReader(bytes.NewReader(raw[:cut]), failing{fails}), o, report)
			require.ErrorIs(t, err, fails)
			other := databasetest.Open(t, engine.New(t))
			fill(t, other)
			changed, _ := write(t, other)
			require.ErrorIs(t, backup.Restore(t.Context(), bytes.NewReader(changed), o, report), backup.ErrChanged)
			ctx, cancel := context.WithCancel(t.Context())
			err = backup.Restore(ctx, io.MultiReader(bytes.NewReader(raw[:cut]), acting{cancel}, bytes.NewReader(raw[cut:])), o, report)
			require.ErrorIs(t, err, context.Canceled)

			empty := databasetest.Open(t, o)
			require.NotEqual(t, db.Installation().ID, empty.Installation().ID)
			for name := range report.Rows {
				if name != "installation" {
					require.Zero(t, count(t, empty, `SELECT count(*) FROM "`+name+`"`), name)
				}
			}
			require.NoError(t, backup.Restore(t.Context(), bytes.NewReader(raw), o, report))
		})
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

type acting struct{ do func() }

func (a acting) Read([]byte) (int, error) { a.do(); return 0, io.EOF }

// What is written while the backup is read is in it as a whole or not at all.
func TestABackupIsOfOneMoment(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		fill(t, db)
		var out bytes.Buffer
		once := false
		w := writerFunc(func(p []byte) (int, error) {
			if out.Len() > 1000 && !once {
				once = true
				exec(t, db, `INSERT INTO attempts (subject, failures, last_at, until) VALUES ('later', 1, 2, 3)`)
				exec(t, db, `INSERT INTO archive_logs (account, size) VALUES (?, 1)`, []byte{9})
				exec(t, db, `INSERT INTO shops (shop, account, name, coupled_at, coupled_by) VALUES (?, ?, '', 1, '')`, []byte{9}, []byte{9})
			}
			return out.Write(p)
		})
		r, err := backup.Write(t.Context(), w, db, about)
		require.NoError(t, err)
		require.True(t, once)
		require.EqualValues(t, 1, r.Rows["attempts"])
		require.Zero(t, r.Rows["shops"])
		require.Zero(t, r.Rows["archive_logs"])
	})
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestEveryChangedByteIsFound(t *testing.T) {
	db := sqlite(t)
	exec(t, db, `INSERT INTO attempts (subject, failures, last_at, until) VALUES ('a', 1, 2, 3)`)
	raw, _ := write(t, db)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for i := range raw {
		x := bytes.Clone(raw)
		x[i] ^= 1 << random.IntN(8)
		_, err := backup.Verify(t.Context(), bytes.NewReader(x))
		require.Error(t, err, "byte %d", i)
		require.True(t, errors.Is(err, backup.ErrDamaged) || errors.Is(err, backup.ErrNoBackup) || errors.Is(err, backup.ErrNewer), "byte %d: %v", i, err)
	}
	for n := range raw {
		_, err := backup.Verify(t.Context(), bytes.NewReader(raw[:n]))
		require.Error(t, err, "%d bytes", n)
	}
	_, err := backup.Verify(t.Context(), bytes.NewReader(append(bytes.Clone(raw), 0)))
	require.ErrorIs(t, err, backup.ErrDamaged)
	_, err = backup.Verify(t.Context(), bytes.NewReader([]byte("tmbackup\x00\x01\x00\x00")))
	require.ErrorIs(t, err, backup.ErrNoBackup)
	_, err = backup.Verify(t.Context(), bytes.NewReader([]byte("tmcloudb\x00\x02\x00\x00")))
	require.ErrorIs(t, err, backup.ErrNewer)
}

func TestABackupOfANewerProgramIsRefused(t *testing.T) {
	raw, report := write(t, sqlite(t))
	report.Schema++
	require.ErrorIs(t, backup.Restore(t.Context(), bytes.NewReader(raw), databasetest.SQLite(t), report), backup.ErrNewer)
}

// An older backup is restored by a newer program: its tables first, then what came later.
func TestAnOlderBackup(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			db, err := database.OpenAt(t.Context(), engine.New(t), 1)
			require.NoError(t, err)
			exec(t, db, `INSERT INTO seats (shop, server, epoch, since) VALUES (?, '', 7, 1)`, shop[:])
			raw, report := write(t, db)
			require.NoError(t, db.Close())
			require.EqualValues(t, 1, report.Schema)
			o := engine.New(t)
			require.NoError(t, backup.Restore(t.Context(), bytes.NewReader(raw), o, report))
			got := databasetest.Open(t, o)
			require.EqualValues(t, 8, count(t, got, `SELECT epoch FROM seats`))
			require.Zero(t, count(t, got, `SELECT count(*) FROM accounts`))
		})
	}
}

// The bytes of version 1 are read for ever.
func TestGolden(t *testing.T) {
	path := filepath.FromSlash("../../../testdata/cloud/backup/v1/small.backup")
	if *update {
		db, err := database.OpenAt(t.Context(), database.Options{Dir: t.TempDir(), Random: bytes.NewReader(make([]byte, 32))}, 1)
		require.NoError(t, err)
		exec(t, db, `UPDATE installation SET created = 5`)
		exec(t, db, `INSERT INTO seats (shop, server, epoch, since) VALUES (?, 'one', 7, -1)`, shop[:])
		var out bytes.Buffer
		_, err = backup.Write(t.Context(), &out, db, about)
		require.NoError(t, errors.Join(err, db.Close()))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
	}
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := backup.Verify(t.Context(), bytes.NewReader(raw))
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"installation": 1, "rows": 0, "seats": 1, "servers": 0}, r.Rows)
	require.Equal(t, "v1", r.Program)
	require.EqualValues(t, 1, r.Schema)
	o := databasetest.SQLite(t)
	require.NoError(t, backup.Restore(t.Context(), bytes.NewReader(raw), o, r))
	db := databasetest.Open(t, o)
	require.EqualValues(t, 5, db.Installation().Created.UnixMilli())
	require.EqualValues(t, 1, count(t, db, `SELECT count(*) FROM seats WHERE shop = ? AND epoch = 8 AND since = -1`, shop[:]))
	require.Equal(t, r.Cloud, db.Installation().ID)
}

func FuzzVerify(f *testing.F) {
	raw, err := os.ReadFile(filepath.FromSlash("../../../testdata/cloud/backup/v1/small.backup"))
	require.NoError(f, err)
	f.Add(raw)
	f.Add(raw[:100])
	f.Add([]byte("tmcloudb\x00\x01\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := backup.Verify(t.Context(), bytes.NewReader(b))
		if err == nil {
			require.EqualValues(t, len(b), r.Bytes)
		}
		require.NotEmpty(t, fmt.Sprint(r))
	})
}

// FuzzContent has the decoders behind the checksums read anything.
func FuzzContent(f *testing.F) {
	for _, seed := range backup.Seeds() {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, b []byte) { backup.Decode(t, b) })
}
