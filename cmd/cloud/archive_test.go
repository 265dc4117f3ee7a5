package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive/archivetest"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestExportAndVerify(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			s := archivetest.Day(t, 1, 3)
			h := newHome(t, engine.New(t), s)
			path := file(t)
			e := done[exported](t, h.args("export", path, "--account", strings.ToUpper(owner))...)
			require.Equal(t, owner, e.Name)
			require.Equal(t, e.Of, e.Leaves)
			raw, err := os.ReadFile(path)
			require.NoError(t, err)
			require.EqualValues(t, e.Bytes, len(raw))

			v := done[verified](t, "verify", path)
			require.True(t, v.OK)
			require.True(t, v.Authentic)
			require.True(t, *v.Complete)
			require.False(t, v.Expected)
			require.Equal(t, e.Cloud, v.Cloud)
			require.EqualValues(t, 4, v.Documents)
			require.True(t, done[verified](t, "verify", path, "--cloud", e.Cloud).Expected)
			text := cloud(t, "verify", path)
			require.Equal(t, exitDone, text.code)
			require.Contains(t, text.out, "Every byte of this file is as the archive wrote and signed it.\n")

			got := cloud(t, "verify", path, "--cloud", crdt.TillID{1}.String())
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, "cloud: the file was signed by another cloud, "+e.Cloud+"\nhint: ")

			again := cloud(t, h.args("export", path, "--account", owner)...)
			require.Equal(t, exitFailed, again.code)
			require.Equal(t, "cloud: "+path+": there is a file of this name already\nhint: choose another name; nothing was written over\n", again.err)

			at := bytes.Index(raw, []byte(`"gross":440`))
			require.Positive(t, at)
			raw[at+8]++
			bad := file(t)
			require.NoError(t, os.WriteFile(bad, raw, 0o600))
			got = cloud(t, "verify", bad)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.out, "documents.jsonl, line ")
			require.Contains(t, got.out, "K1-00000")
			require.Regexp(t, `^cloud: \d+ places? (is|are) of the file|^cloud: `, got.err)
			require.Contains(t, got.err, "hint: ask for a new export, and keep this one\n")

			part := file(t)
			e = done[exported](t, h.args("export", part, "--account", owner, "--shop", s.ID.String(), "--from", "2026-09-04")...)
			require.Zero(t, e.Leaves)
			v = done[verified](t, "verify", part)
			require.True(t, v.OK)
			require.Nil(t, v.Complete)
			require.Equal(t, s.ID.String(), v.Shop)
			require.Equal(t, "2026-09-04", v.From)
		})
	}
}

func TestVerifyOfSomethingElse(t *testing.T) {
	path := file(t)
	require.NoError(t, os.WriteFile(path, []byte("paper"), 0o600))
	got := cloud(t, "verify", path)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "or this is no export")
	require.Equal(t, exitFailed, cloud(t, "verify", t.TempDir()).code)
	got = cloud(t, "verify", path+"-not")
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "cloud: there is no file "+path+"-not\nhint: ")
}

func TestVerifyOfABookWithAGap(t *testing.T) {
	s := archivetest.Day(t, 1, 3)
	h := newHome(t, databasetest.SQLite(t), s)
	s.Series.Sell(100)
	s.Series.Sell(200)
	s.Books.Sold = append(s.Books.Sold[:3:3], s.Books.Sold[4])
	s.Fill()
	h.archive(s)
	path := file(t)
	done[exported](t, h.args("export", path, "--account", owner)...)
	got := cloud(t, "verify", path)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "Every byte of this file is as the archive wrote")
	require.Contains(t, got.out, "K1-000004 is missing.")
	require.Contains(t, got.err, "cloud: the file is as the archive wrote it, but something is missing or wrong in the documents\nhint: ")
	got = cloud(t, h.args("check", "--account", owner)...)
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.out, "each is as it was signed\n")
	require.Contains(t, got.out, "K1-000004 is missing.")
	require.Contains(t, got.err, "cloud: something is missing or wrong in the documents\nhint: ")
}

func TestCheck(t *testing.T) {
	for _, engine := range databasetest.Engines {
		t.Run(engine.Name, func(t *testing.T) {
			s := archivetest.Day(t, 1, 3)
			h := newHome(t, engine.New(t), s)
			k := done[checked](t, h.args("check", "--account", owner)...)
			require.True(t, k.OK)
			require.Positive(t, k.Leaves)
			require.Len(t, k.Shops, 1)
			require.True(t, k.Shops[0].OK)
			require.Len(t, done[checked](t, h.args("check", "--account", owner, "--shop", s.ID.String())...).Shops, 1)
			got := cloud(t, h.args("check", "--account", owner, "--shop", crdt.ShopID{9}.String())...)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.err, "hint: \"cloud admin shops --account "+owner+"\" lists its shops\n")

			h.with(func(db *database.DB) {
				require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
					_, err := tx.Exec(t.Context(), `UPDATE archive_leaves SET content = ? WHERE kind = 4 AND leaf_index = (SELECT min(leaf_index) FROM archive_leaves WHERE kind = 4)`, []byte{0x80})
					return err
				}))
			})
			got = cloud(t, h.args("check", "--account", owner)...)
			require.Equal(t, exitFailed, got.code)
			require.Contains(t, got.out, "1 record is not as it was signed\n!! The content of leaf ")
			require.Contains(t, got.err, "cloud: 1 record is not as it was signed\nhint: ")
		})
	}
}

func TestAnAccountThatIsNotThere(t *testing.T) {
	h := newHome(t, databasetest.SQLite(t), archivetest.NewShop(t, 1))
	for _, args := range [][]string{{"check"}, {"export", file(t)}, {"admin", "shops"}, {"admin", "devices"}, {"admin", "holds"}} {
		got := cloud(t, h.args(append(args, "--account", "nobody@example.org")...)...)
		require.Equal(t, result{code: exitFailed, err: "cloud: there is no account \"nobody@example.org\"\nhint: \"cloud admin accounts\" lists them\n"}, got)
		require.Equal(t, exitFailed, cloud(t, h.args(append(args, "--account", "x")...)...).code)
	}
}
