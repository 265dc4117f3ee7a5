package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/books"
)

func TestMain(m *testing.M) {
	if err := os.Unsetenv("CLOUD_DB"); err != nil {
		panic(err)
	}
	os.Exit(databasetest.Main(m))
}

// result is how a run of the program ended.
type result struct {
	out, err string
	code     int
}

// cloud runs a command line to its end.
func cloud(t testing.TB, args ...string) result {
	t.Helper()
	var out, problem bytes.Buffer
	code := run(t.Context(), args, &console{out: &out, err: &problem, env: func(string) string { return "" }})
	return result{out.String(), problem.String(), code}
}

// done runs a command that has to work, and reads its result.
func done[T any](t testing.TB, args ...string) (out T) {
	t.Helper()
	got := cloud(t, append(args, "--json")...)
	require.Equal(t, exitDone, got.code, got.err)
	require.Empty(t, got.err)
	require.NoError(t, json.Unmarshal([]byte(got.out), &out), got.out)
	return out
}

const owner = "wirt@example.org"

// home is where a cloud has its data, with the flags that name it.
type home struct {
	t       *testing.T
	options database.Options
	flags   []string
}

// with runs do with the database open.
func (h *home) with(do func(db *database.DB)) {
	h.t.Helper()
	db, err := database.Open(h.t.Context(), h.options)
	require.NoError(h.t, err)
	do(db)
	require.NoError(h.t, db.Close())
}

func homeOf(t *testing.T, o database.Options) *home {
	h := &home{t: t, options: o, flags: []string{"--data", o.Dir}}
	if o.DSN != "" {
		h.flags = []string{"--db", o.DSN}
	}
	return h
}

// newHome makes the data of a cloud with one account that holds a shop.
func newHome(t *testing.T, o database.Options, s *archivetest.Shop) *home {
	t.Helper()
	h := homeOf(t, o)
	h.with(func(db *database.DB) {
		people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID, Hash: accounts.HashParams{Memory: 64, Passes: 1, Threads: 1}})
		require.NoError(t, err)
		account, err := people.Create(t.Context(), accounts.NewAccount{Name: owner, Password: "Geheim+4711"})
		require.NoError(t, err)
		require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
			_, err := tx.Exec(t.Context(), `INSERT INTO shops (shop, account, name, coupled_at, coupled_by) VALUES (?, ?, 'Café', 1788422400000, 'code')`, s.ID[:], account.ID[:])
			return err
		}))
	})
	h.archive(s)
	return h
}

// archive puts what a shop did since into its archive.
func (h *home) archive(s *archivetest.Shop) {
	h.t.Helper()
	h.with(func(db *database.DB) {
		people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID})
		require.NoError(h.t, err)
		account, err := people.Named(h.t.Context(), owner)
		require.NoError(h.t, err)
		logs := merkle.New(db)
		for _, c := range s.Commits {
			require.NoError(h.t, db.Tx(h.t.Context(), func(tx *database.Tx) error {
				_, err := logs.Append(h.t.Context(), tx, archive.AccountID(account.ID), archive.Entries(s.ID, c), time.UnixMilli(archivetest.NowMS))
				return err
			}))
		}
		s.Commits = nil
		b, err := books.New(books.Options{DB: db, Logs: logs})
		require.NoError(h.t, err)
		_, err = b.Seal(h.t.Context(), archive.AccountID(account.ID))
		require.NoError(h.t, err)
	})
}

// args are the flags of the data behind a command.
func (h *home) args(command ...string) []string { return append(command, h.flags...) }

func file(t *testing.T) string { return filepath.Join(t.TempDir(), "file") }
