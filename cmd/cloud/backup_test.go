package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
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
)

func TestBackupAndRestore(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			h := newHome(t, engine.New(t), archivetest.Day(t, 1, 3))
			path := file(t)
			b := done[backedUp](t, h.args("backup", path)...)
			require.EqualValues(t, 1, b.Accounts)
			require.EqualValues(t, 1, b.Shops)
			require.Positive(t, b.Records)
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, b.Bytes, info.Size())
			require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
			again := cloud(t, h.args("backup", path)...)
			require.Equal(t, exitFailed, again.code)
			require.Contains(t, again.err, "there is a file of this name already\nhint: choose another name; nothing was written over\n")

			looked := done[restored](t, "restore", path)
			require.False(t, looked.Restored)
			require.Equal(t, b, looked.backedUp)

			dir := filepath.Join(t.TempDir(), "new")
			r := done[restored](t, "restore", path, "--data", dir)
			require.True(t, r.Restored)
			n := homeOf(t, database.Options{Dir: dir})
			k := done[checked](t, n.args("check", "--account", owner)...)
			require.True(t, k.OK)
			require.Equal(t, b.Records+1, k.Leaves, "the statement of the restore came on top")

			got := cloud(t, "restore", path, "--data", dir)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, "is not empty")
			require.Contains(t, got.err, "\nhint: name a new directory or an empty database; nothing was changed\n")
			text := cloud(t, "restore", path, "--data", filepath.Join(t.TempDir(), "other"))
			require.Equal(t, exitDone, text.code, text.err)
			require.Contains(t, text.out, "make sure that the old cloud never runs again, then start this one with: cloud serve --data ")
		})
	}
}

func TestRestoreOfADamagedBackup(t *testing.T) {
	h := newHome(t, databasetest.SQLite(t), archivetest.NewShop(t, 1))
	path := file(t)
	done[backedUp](t, h.args("backup", path)...)
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	raw[len(raw)/2] ^= 1
	bad := file(t)
	require.NoError(t, os.WriteFile(bad, raw, 0o600))
	dir := filepath.Join(t.TempDir(), "new")
	got := cloud(t, "restore", bad, "--data", dir)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "the backup is damaged")
	require.Contains(t, got.err, "hint: use another backup")
	require.NoDirExists(t, dir)
	require.NoError(t, os.WriteFile(path, []byte("paper"), 0o600))
	require.Contains(t, cloud(t, "restore", path).err, "this is no backup of a cloud")
	require.Equal(t, exitFailed, cloud(t, "restore", path+"-not").code)
}

// What came after the backup is gone. The archive says so itself: signed, and as its first record behind what the backup held.
func TestARestoredArchiveSaysSo(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			s := archivetest.Day(t, 1, 3)
			h := newHome(t, engine.New(t), s)
			path := file(t)
			b := done[backedUp](t, h.args("backup", path)...)
			h.with(func(db *database.DB) {
				require.Equal(t, b.Records, size(t, db))
			})
			s.Series.Sell(100)
			s.Series.Sell(200)
			s.Fill()
			h.archive(s)
			h.with(func(db *database.DB) { require.Equal(t, b.Records+2, size(t, db)) })
			require.Empty(t, done[restored](t, "restore", path).Statements, "it was only looked at")

			dir := filepath.Join(t.TempDir(), "new")
			began := time.Now()
			r := done[restored](t, "restore", path, "--data", dir)
			require.Len(t, r.Statements, 1)
			said := r.Statements[0]
			require.Equal(t, b.Records, said.Size)
			n := homeOf(t, database.Options{Dir: dir})
			n.with(func(db *database.DB) {
				account := accountOf(t, db)
				require.Equal(t, account.String(), said.Account)
				logs := merkle.New(db)
				require.Equal(t, b.Records+1, size(t, db), "nothing came before or behind it")
				leaf, err := logs.At(t.Context(), account, b.Records)
				require.NoError(t, err)
				l, err := archive.ParseLeaf(leaf.Leaf)
				require.NoError(t, err)
				require.Equal(t, archive.Note, l.Kind)
				require.Equal(t, archive.NoteRestored, l.Type)

				signer, err := archive.NewSigner(db.Installation().Key)
				require.NoError(t, err)
				verifier, err := archive.NewVerifier(db.Installation().Key.Public().(ed25519.PublicKey))
				require.NoError(t, err)
				now, err := logs.Checkpoint(t.Context(), account, time.Now(), signer)
				require.NoError(t, err)
				_, err = archive.OpenCheckpoint(now.Note, account, verifier)
				require.NoError(t, err)
				known := archive.Checkpoint{Account: account, Size: b.Records + 2} // what a till saw before
				excuse, err := logs.Excuse(t.Context(), account, known.Size, 0, verifier)
				require.NoError(t, err)
				what, _, err := excuse.Check(known, verifier)
				require.NoError(t, err, "signed by the cloud, in its archive, right behind what the backup held")
				require.Equal(t, said.Size, what.Size)
				require.Equal(t, said.Root, hex.EncodeToString(what.Root[:]))
				require.Equal(t, b.Made.UnixMilli(), what.Made)
				require.GreaterOrEqual(t, what.Time, began.UnixMilli())
			})
			text := cloud(t, "restore", path, "--data", filepath.Join(t.TempDir(), "other"))
			require.Contains(t, text.out, fmt.Sprintf("the archive of account %s goes on from record %d, and says so\n", said.Account, said.Size))
			require.Contains(t, text.out, "till alarms --accept ID --by NAME\n")
			require.True(t, done[checked](t, n.args("check", "--account", owner)...).OK)
			v := file(t)
			done[exported](t, n.args("export", v, "--account", owner)...)
			require.True(t, done[verified](t, "verify", v).OK, "an export holds with it")
		})
	}
}

// accountOf is the account of the tests.
func accountOf(t *testing.T, db *database.DB) archive.AccountID {
	t.Helper()
	people, err := accounts.New(accounts.Options{DB: db, Cloud: db.Installation().ID})
	require.NoError(t, err)
	account, err := people.Named(t.Context(), owner)
	require.NoError(t, err)
	return archive.AccountID(account.ID)
}

// size is how many records the archive of the account has.
func size(t *testing.T, db *database.DB) int64 {
	t.Helper()
	n, _, err := merkle.New(db).Size(t.Context(), accountOf(t, db))
	require.NoError(t, err)
	return n
}
