package database_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

// numbered is a batch that says its number in several rows.
func numbered(n int) []rows.Write {
	batch := []rows.Write{{Key: []byte("last"), Value: fmt.Append(nil, n)}}
	for i := range 20 {
		batch = append(batch, rows.Write{Key: fmt.Appendf(nil, "n%06d/%02d", n, i), Value: make([]byte, 100)})
	}
	return batch
}

// last returns the number of the last batch, and checks that each up to it is whole and nothing else is there.
func last(t *testing.T, s rows.Store) (n int) {
	t.Helper()
	values, err := s.Load(t.Context(), [][]byte{[]byte("last")})
	require.NoError(t, err)
	if values[0] != nil {
		_, err = fmt.Sscan(string(values[0]), &n)
		require.NoError(t, err)
	}
	found, err := s.Scan(t.Context(), []byte("n"), []byte("o"), 1_000_000, 0)
	require.NoError(t, err)
	require.Len(t, found, n*20)
	return n
}

// TestTheDatabaseIsKilled: the server of the database dies again and again while shops write. What was acknowledged is
// there, nothing is half there, and the cloud goes on with the same pools once the database is back.
func TestTheDatabaseIsKilled(t *testing.T) {
	server := databasetest.Start(t)
	db := databasetest.Open(t, database.Options{DSN: server.Database(t)})
	ctx := context.Background()
	write, read := db.Pools()
	shops, err := sql.OpenShops(ctx, sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
	require.NoError(t, err)
	const writers = 4
	acknowledged := make([]int, writers)
	for round := range 3 {
		me := seats.New(db, fmt.Sprint("server", round), "nowhere")
		_, err := me.Beat(ctx)
		require.NoError(t, err)
		if round > 0 {
			require.NoError(t, seats.New(db, fmt.Sprint("server", round-1), "nowhere").Leave(ctx))
		}
		var all sync.WaitGroup
		ready := make(chan struct{}, writers)
		ends := make([]error, writers)
		for w := range writers {
			shop := crdt.ShopID{byte(w)}
			seat, err := me.Take(ctx, shop)
			require.NoError(t, err)
			s := shops.Open(sql.ShopOptions{Shop: shop, Epoch: seat.Epoch})
			n := last(t, s)
			require.GreaterOrEqual(t, n, acknowledged[w], "round %d: an acknowledged batch is missing", round)
			require.LessOrEqual(t, n, acknowledged[w]+1, "round %d: more than one batch was under way", round)
			all.Go(func() {
				for first := n + 1; ends[w] == nil; {
					n++
					if ends[w] = s.Commit(ctx, numbered(n)); ends[w] == nil {
						acknowledged[w] = n
					}
					if n == first+10 {
						ready <- struct{}{}
					}
				}
			})
		}
		for range writers {
			<-ready
		}
		server.Kill(t)
		all.Wait()
		for _, end := range ends {
			require.True(t, errors.Is(end, rows.ErrUnreachable) || errors.Is(end, rows.ErrFailed), "%v", end)
		}
		require.ErrorIs(t, db.Ping(ctx), rows.ErrUnreachable)
		err = db.Tx(ctx, func(*database.Tx) error { t.Error("there is no transaction"); return nil })
		require.ErrorIs(t, err, rows.ErrUnreachable)
		require.NotErrorIs(t, err, rows.ErrFailed)
		_, err = database.Open(ctx, database.Options{DSN: server.DSN("db1")})
		require.ErrorIs(t, err, rows.ErrUnreachable)
		server.Run(t)
	}
	require.NoError(t, db.Ping(ctx))
}

// TestTheLineBreaks: the connection ends in the middle of a batch. Before COMMIT nothing was written, and the store goes
// on. At COMMIT nobody knows, so the store says so and refuses everything; a new epoch then finds what is true.
func TestTheLineBreaks(t *testing.T) {
	server := databasetest.Start(t)
	server.Exec(t, "postgres", "CREATE DATABASE cloud")
	line := databasetest.Cut(t, server)
	db := databasetest.Open(t, database.Options{DSN: line.DSN("cloud")})
	s := openShops(t, db, 1)[0]
	ctx := t.Context()
	require.NoError(t, s.Commit(ctx, numbered(1)))

	for _, arrives := range []bool{false, true} {
		line.BreakAt("n000002/07", arrives) // in the arguments of the statement
		err := s.Commit(ctx, numbered(2))
		require.ErrorIs(t, err, rows.ErrUnreachable)
		require.NotErrorIs(t, err, rows.ErrFailed)
		line.BreakAt("", false)
		require.Equal(t, 1, last(t, s))
	}
	require.NoError(t, s.Commit(ctx, numbered(2)), "it goes on by itself")

	for n, arrives := range []bool{false, true} {
		me := seats.New(db, "me", "nowhere")
		line.BreakAt("commit", arrives)
		err := s.Commit(ctx, numbered(3))
		require.ErrorIs(t, err, rows.ErrFailed)
		line.BreakAt("", false)
		_, err = s.Load(ctx, [][]byte{[]byte("last")})
		require.ErrorIs(t, err, rows.ErrFailed, "it refuses everything")

		mine, err := me.Mine(ctx)
		require.NoError(t, err)
		shop := crdt.ShopID{0xff}
		require.NoError(t, me.Release(ctx, mine[shop]))
		seat, err := me.Take(ctx, shop)
		require.NoError(t, err)
		write, read := db.Pools()
		shops, err := sql.OpenShops(ctx, sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
		require.NoError(t, err)
		s = shops.Open(sql.ShopOptions{Shop: shop, Epoch: seat.Epoch})
		require.Equal(t, 2+n, last(t, s))
	}
}

// TestConflictsAreTriedAgain: as often as it makes sense, and with nothing left of what failed.
func TestConflictsAreTriedAgain(t *testing.T) {
	db := databasetest.Open(t, databasetest.Postgres(t))
	for _, state := range []string{"40001", "40P01"} {
		conflict := `DO $$ BEGIN RAISE EXCEPTION 'conflict' USING ERRCODE = '` + state + `'; END $$`
		calls := 0
		run := func(failures int) error {
			calls = 0
			return db.Tx(t.Context(), func(tx *database.Tx) error {
				calls++
				if _, err := tx.Exec(t.Context(), `INSERT INTO rows (shop, key, value) VALUES (?, ?, '')`, []byte(state), fmt.Append(nil, failures, calls)); err != nil {
					return err
				}
				if calls <= failures {
					_, err := tx.Exec(t.Context(), conflict)
					return err
				}
				return nil
			})
		}
		require.NoError(t, run(2))
		require.Equal(t, 3, calls)
		require.Equal(t, 1, count(t, db, state))
		require.ErrorContains(t, run(1000), "conflict")
		require.Equal(t, 6, calls)
		require.Equal(t, 1, count(t, db, state))
	}
}

func count(t *testing.T, db *database.DB, shop string) (n int) {
	t.Helper()
	require.NoError(t, db.View(t.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(t.Context(), `SELECT count(*) FROM rows WHERE shop = ?`, []byte(shop)).Scan(&n)
	}))
	return n
}

func TestTransactions(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		insert := func(tx *database.Tx, key string) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO rows (shop, key, value) VALUES (?, ?, '?')`, []byte("s"), []byte(key))
			return err
		}
		stop := errors.New("stop")
		require.ErrorIs(t, db.Tx(t.Context(), func(tx *database.Tx) error { return errors.Join(insert(tx, "a"), stop) }), stop)
		require.Equal(t, 0, count(t, db, "s"), "undone")
		require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error { return insert(tx, "a") }))
		err := db.Tx(t.Context(), func(tx *database.Tx) error { return insert(tx, "a") })
		require.True(t, db.Duplicate(err), "%v", err)
		require.False(t, db.Duplicate(stop))
		require.Error(t, db.View(t.Context(), func(tx *database.Tx) error { return insert(tx, "b") }), "a view writes nothing")
		require.Panics(t, func() { _ = db.Tx(t.Context(), func(*database.Tx) error { panic("a bug") }) })
		require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error { return insert(tx, "c") }), "the connection is clean")

		done, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, db.Tx(done, func(*database.Tx) error { t.Error("it ran"); return nil }), context.Canceled)
		require.ErrorIs(t, db.View(done, func(*database.Tx) error { t.Error("it ran"); return nil }), context.Canceled)
		require.Equal(t, 2, count(t, db, "s"))
	})
}

// TestBesideIsInTheTransaction: what the hook writes is there exactly if the rows are.
func TestBesideIsInTheTransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := t.Context()
		write, read := db.Pools()
		shops, err := sql.OpenShops(ctx, sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
		require.NoError(t, err)
		defer func() { require.NoError(t, shops.Close()) }()
		me := seats.New(db, "me", "nowhere")
		_, err = me.Beat(ctx)
		require.NoError(t, err)
		seat, err := me.Take(ctx, crdt.ShopID{})
		require.NoError(t, err)
		var fail error
		n := 0
		s := shops.Open(sql.ShopOptions{Epoch: seat.Epoch, Beside: func(ctx context.Context, tx *stdsql.Tx) error {
			n++
			_, err := db.In(tx).Exec(ctx, `INSERT INTO rows (shop, key, value) VALUES (?, ?, '')`, []byte("beside"), fmt.Append(nil, n))
			return errors.Join(err, fail)
		}})
		require.NoError(t, s.Commit(ctx, numbered(1)))
		require.Equal(t, 1, count(t, db, "beside"))
		fail = errors.New("the archive refuses")
		err = s.Commit(ctx, numbered(2))
		require.ErrorIs(t, err, fail)
		require.NotErrorIs(t, err, rows.ErrFailed)
		require.Equal(t, 1, count(t, db, "beside"))
		require.Equal(t, 1, last(t, s))
		fail = nil
		require.NoError(t, s.Commit(ctx, numbered(2)))
		require.Equal(t, 2, count(t, db, "beside"))
		require.Equal(t, 2, last(t, s))
		require.NoError(t, s.Close())
	})
}

// TestFullSQLite limits the database instead of the disk: SQLite answers the same.
func TestFullSQLite(t *testing.T) {
	db := databasetest.Open(t, databasetest.SQLite(t))
	s := openShops(t, db, 1)[0]
	require.NoError(t, s.Commit(t.Context(), numbered(1)))
	db.LimitPages(t, "1") // as many as there are
	n := 1
	var err error
	for ; err == nil; n++ {
		require.Less(t, n, 1000)
		err = s.Commit(t.Context(), numbered(n+1))
	}
	require.ErrorIs(t, err, rows.ErrFull)
	require.NotErrorIs(t, err, rows.ErrFailed)
	require.Equal(t, n-1, last(t, s), "what was there is there")
	db.LimitPages(t, "100000")
	require.NoError(t, s.Commit(t.Context(), numbered(n)), "it goes on when there is room")
	require.Equal(t, n, last(t, s))
}

func TestDirectoriesThatCannotBeUsed(t *testing.T) {
	_, err := database.Open(t.Context(), database.Options{})
	require.ErrorIs(t, err, database.ErrAddress)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = database.Open(t.Context(), database.Options{Dir: file})
	require.ErrorContains(t, err, file)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, database.File), []byte(strings.Repeat("no database ", 1000)), 0o600))
	_, err = database.Open(t.Context(), database.Options{Dir: dir})
	require.ErrorIs(t, err, rows.ErrCorrupt)
	dir = filepath.Join(t.TempDir(), "new", "deep")
	require.NoError(t, databasetest.Open(t, database.Options{Dir: dir}).Ping(t.Context()))
	for _, name := range []string{database.File, database.File + "-wal"} {
		info, err := os.Stat(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), "%s holds a key", name)
	}
}

func TestAddresses(t *testing.T) {
	host, name, user, conns, err := database.Parse("postgres://kasse:geheim@db.example/cloud?sslmode=disable&pool_max_conns=7")
	require.NoError(t, err)
	require.Equal(t, "db.example cloud kasse 7", fmt.Sprint(host, " ", name, " ", user, " ", conns))
	host, name, _, conns, err = database.Parse("host=/run/postgresql dbname=cloud")
	require.NoError(t, err)
	require.Equal(t, "/run/postgresql cloud 20", fmt.Sprint(host, " ", name, " ", conns))
	for _, dsn := range []string{"mysql://u:geheim@h/d", "cloud.db", "", "postgres://u:geheim@h:port/d", "host=h pool_max_conns=1 password=geheim",
		"postgres://u:geheim@h/d?sslmode=maybe"} {
		_, _, _, _, err := database.Parse(dsn)
		require.ErrorIs(t, err, database.ErrAddress, dsn)
		require.NotContains(t, err.Error(), "geheim", "no error holds a password")
	}
}

func TestRefusedLogins(t *testing.T) {
	o := databasetest.Postgres(t) // starts the server
	db := databasetest.Open(t, o)
	role := func(ctx context.Context, statement string) {
		require.NoError(t, db.Tx(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		}))
	}
	role(t.Context(), `CREATE ROLE `+databasetest.Locked+` LOGIN PASSWORD 'right'`)
	t.Cleanup(func() { role(context.Background(), `DROP ROLE `+databasetest.Locked) })
	require.NotEmpty(t, db.Warnings(), "the test server has no fsync")
	other := func(from, to string) error {
		require.Contains(t, o.DSN, from)
		_, err := database.Open(t.Context(), database.Options{DSN: strings.Replace(o.DSN, from, to, 1)})
		return err
	}
	err := other("tillmesh@", databasetest.Locked+":geheim@")
	require.ErrorIs(t, err, database.ErrRefused)
	require.ErrorContains(t, err, "password")
	require.NotContains(t, err.Error(), "geheim")
	err = other("@/db", "@/missing")
	require.ErrorIs(t, err, database.ErrRefused)
	require.ErrorContains(t, err, "createdb missing")
	err = other("tillmesh@", "nobody@")
	require.ErrorIs(t, err, database.ErrRefused)
	err = other("host=", "host=%2Fnowhere")
	require.ErrorIs(t, err, rows.ErrUnreachable)
}
