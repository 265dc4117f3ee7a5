package archive_test

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/crdt"
)

// restored is an archive of 20 leaves that went back to 12, said so, and has 16 now.
func restored(t testing.TB) (known archive.Checkpoint, excuse archive.Excuse) {
	s, v := signer(t)
	before := grown(t, 20, honest)
	known, err := archive.OpenCheckpoint(before.checkpoint(t, 20, 1000), account, v)
	require.NoError(t, err)
	root, err := tlog.TreeHash(12, before)
	require.NoError(t, err)
	r := archive.Restore{Account: account, Size: 12, Root: root, Time: 2000, Made: 500}
	excuse.Note, err = archive.SignRestore(r, s)
	require.NoError(t, err)
	about := archive.Leaf{Kind: archive.Receipt, Shop: crdt.ShopID{7}, Scope: crdt.Sales, Dot: crdt.Dot{Replica: crdt.ReplicaID{5}, Seq: 3}, Object: crdt.ObjectID{8}}
	entry, err := r.Entry(excuse.Note, about, "2026-09-04")
	require.NoError(t, err)
	excuse.Leaf = entry.Leaf.Bytes()
	now := grown(t, 16, func(i int) string {
		switch {
		case i < 12:
			return honest(i)
		case i == 12:
			return string(excuse.Leaf)
		}
		return "another " + honest(i)
	})
	excuse.Checkpoint = now.checkpoint(t, 16, 3000)
	excuse.Inclusion, err = tlog.ProveRecord(16, 12, now)
	require.NoError(t, err)
	excuse.Growth, err = tlog.ProveTree(16, 12, now)
	require.NoError(t, err)
	return known, excuse
}

func TestARestoreThatIsSaid(t *testing.T) {
	_, v := signer(t)
	known, excuse := restored(t)
	r, now, err := excuse.Check(known, v)
	require.NoError(t, err)
	require.EqualValues(t, 12, r.Size)
	require.EqualValues(t, 500, r.Made)
	require.EqualValues(t, 16, now.Size)
	same, err := archive.DecodeExcuse(excuse.Encode())
	require.NoError(t, err)
	require.Equal(t, excuse, same)
	golden(t, "restore.txt", []byte(string(excuse.Note)+hex.EncodeToString(excuse.Encode())+"\n"))

	question := archive.EncodeRestoreQuestion(known)
	require.Equal(t, "930114cd03e8", hex.EncodeToString(question))
	size, since, err := archive.DecodeRestoreQuestion(question)
	require.NoError(t, err)
	require.Equal(t, []int64{20, 1000}, []int64{size, since})
}

func TestARestoreThatExcusesNothing(t *testing.T) {
	s, v := signer(t)
	known, good := restored(t)
	for name, change := range map[string]func(k *archive.Checkpoint, e *archive.Excuse){
		"of another account":             func(k *archive.Checkpoint, _ *archive.Excuse) { k.Account = archive.AccountID{9} },
		"of a time before what was seen": func(k *archive.Checkpoint, _ *archive.Excuse) { k.Time = 2001 },
		"back to more than was seen":     func(k *archive.Checkpoint, _ *archive.Excuse) { k.Size = 11 },
		"not signed":                     func(_ *archive.Checkpoint, e *archive.Excuse) { e.Note[20] ^= 1 },
		"not in the archive":             func(_ *archive.Checkpoint, e *archive.Excuse) { e.Inclusion[0][0] ^= 1 },
		"with another leaf":              func(_ *archive.Checkpoint, e *archive.Excuse) { e.Leaf = []byte(honest(3)) },
		"of an archive that was changed": func(_ *archive.Checkpoint, e *archive.Excuse) { e.Growth[0][0] ^= 1 },
		"of another beginning": func(_ *archive.Checkpoint, e *archive.Excuse) {
			var err error
			e.Note, err = archive.SignRestore(archive.Restore{Account: account, Size: 12, Root: tlog.Hash{1}, Time: 2000, Made: 500}, s)
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			k, e := known, good
			e.Note, e.Inclusion, e.Growth = slices.Clone(good.Note), slices.Clone(good.Inclusion), slices.Clone(good.Growth)
			change(&k, &e)
			_, _, err := e.Check(k, v)
			require.Error(t, err)
		})
	}
	_, err := archive.SignRestore(archive.Restore{Account: account}, s)
	require.ErrorIs(t, err, archive.ErrCheckpoint, "of nothing")
	_, v2 := signer(t)
	_, err = archive.OpenRestore(grown(t, 3, honest).checkpoint(t, 3, 5), account, v2)
	require.ErrorIs(t, err, archive.ErrCheckpoint, "a checkpoint is no statement of a restore")
}

func FuzzExcuse(f *testing.F) {
	known, excuse := restored(f)
	f.Add(excuse.Encode())
	f.Add(archive.EncodeRestoreQuestion(known))
	_, v := signer(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := archive.DecodeExcuse(b); err == nil {
			_, err := archive.DecodeExcuse(e.Encode())
			require.NoError(t, err)
			_, _, _ = e.Check(known, v)
		}
		_, _, _ = archive.DecodeRestoreQuestion(b)
	})
}
