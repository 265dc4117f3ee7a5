package node

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// FuzzRoster reads any bytes as the roster file: refused, or commits of the shop scope as they were.
func FuzzRoster(f *testing.F) {
	raw := goldenProof(f)
	f.Add(raw)
	f.Add(raw[:len(raw)-1])
	f.Add([]byte{0x92, 1, 0x90})
	f.Add([]byte{0x92, 2, 0x90})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := decodeProof(b)
		if err != nil {
			return
		}
		for _, c := range list {
			require.Equal(t, crdt.Shop, c.Scope)
			again, err := crdt.DecodeCommit(c.Bytes())
			require.NoError(t, err)
			require.Equal(t, c.Hash(), again.Hash())
		}
	})
}

// FuzzRebuildFile reads any bytes as rebuild.json: refused, or kept as it was read.
func FuzzRebuildFile(f *testing.F) {
	f.Add(goldenRebuildFile(f))
	f.Add([]byte(`{"version":1,"series":null}`))
	f.Add([]byte(`{"version":2}`))
	f.Add([]byte(`{"version":1,"replica":"x"}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRebuild(b)
		if err != nil {
			return
		}
		r.known()
		kept, err := r.encode()
		require.NoError(t, err)
		again, err := decodeRebuild(kept)
		require.NoError(t, err)
		want, err := json.Marshal(r)
		require.NoError(t, err)
		got, err := json.Marshal(again)
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got))
	})
}

// FuzzIdentity reads any bytes as identity.json beside a good key: refused, or the identity of that key.
func FuzzIdentity(f *testing.F) {
	n := goldenShop(f)
	raw, err := json.Marshal(n.Identity)
	require.NoError(f, err)
	f.Add(raw)
	f.Add([]byte(`{"version":1,"till":"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}`))
	f.Add([]byte(`{"version":9}`))
	dir := f.TempDir()
	n.Identity.Version = 1
	require.NoError(f, writeIdentity(dir, n.Identity, n.Key, new(counting)))
	f.Fuzz(func(t *testing.T, b []byte) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, fileIdentity), b, 0o600))
		id, key, _, err := readIdentity(dir)
		if err != nil {
			return
		}
		require.Equal(t, n.Identity.Till, id.Till)
		require.Equal(t, n.Key, key)
		_, _ = firstKeys(id.ShopKey) // it may be refused; it must not break
	})
}

// FuzzNotes reads any bytes as the notes of a till: refused, or read as the same again once they are written.
func FuzzNotes(f *testing.F) {
	f.Add(goldenAlarm().note().Value)
	f.Add(goldenRebuild().note(crdt.ReplicaID{7}).Value)
	f.Add(kept{}.note().Value)
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := readAlarm(replication.Note{Key: alarmNote + "x", Value: b}); err == nil {
			require.Equal(t, "x", k.ID)
			again, err := readAlarm(k.note())
			require.NoError(t, err)
			third, err := readAlarm(again.note())
			require.NoError(t, err)
			require.Equal(t, again, third)
			require.Equal(t, k.ID, k.alarm().ID)
		}
		if _, err := readAct(b, [32]byte{}); err != nil {
			require.NotEmpty(t, err.Error())
		}
		var r Rebuilt
		if json.Unmarshal(b, &r) == nil {
			if _, err := r.At.MarshalJSON(); err == nil {
				r.note(crdt.ReplicaID{1})
			}
		}
	})
}

// FuzzQuestions reads any bytes as what other tills ask, and as what a backup holds of keys.
func FuzzQuestions(f *testing.F) {
	f.Add(encodeClaim(crdt.ObjectID{1}, "Jule", true))
	f.Add(make([]byte, 2*keptKey))
	f.Fuzz(func(t *testing.T, b []byte) {
		if tab, user, force, err := decodeClaim(b); err == nil {
			again, same, by, err := decodeClaim(encodeClaim(tab, user, force))
			require.NoError(t, err)
			require.True(t, tab == again && user == same && force == by)
		}
		list := [][]byte{b}
		if len(b) > keptKey {
			list = [][]byte{b[:keptKey], b[keptKey:]}
		}
		set, shopKey, err := readKeptKeys(list)
		if err != nil {
			return
		}
		require.Len(t, shopKey, 64)
		require.LessOrEqual(t, len(set.All()), len(list))
		out, err := keptKeys(set, shopKey)
		require.NoError(t, err)
		back, same, err := readKeptKeys(out)
		require.NoError(t, err)
		require.Equal(t, shopKey, same)
		require.True(t, set.Merge(back).Equal(back))
	})
}

// FuzzCursor reads any text as the place where a list of receipts goes on.
func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add(crdt.TillID{1}.String() + "~K2~418_" + crdt.TillID{2}.String() + "~K3~1")
	f.Add("~~_")
	f.Fuzz(func(t *testing.T, s string) {
		at, err := parseCursor(s)
		if err != nil {
			require.True(t, errors.Is(err, ErrCursor), "%v", err)
			return
		}
		runs := make([]*run, 0, len(at))
		for key, n := range at {
			runs = append(runs, &run{key: key, next: n})
		}
		back, err := parseCursor(cursor(runs))
		require.NoError(t, err)
		if len(at) > 0 {
			require.Equal(t, at, back)
		}
	})
}

// FuzzReply reads any bytes as a kept answer: refused, or one that is written the same again.
func FuzzReply(f *testing.F) {
	f.Add(Reply{Status: 201, Body: []byte(`{"id":"x"}`)}.bytes([32]byte{7}))
	f.Add(Reply{Status: 99}.bytes([32]byte{7}))
	f.Add([]byte{0x93})
	f.Fuzz(func(t *testing.T, b []byte) {
		reply, err := readReply(b, [32]byte{7})
		if err != nil {
			return
		}
		again, err := readReply(reply.bytes([32]byte{7}), [32]byte{7})
		require.NoError(t, err)
		require.Equal(t, reply.Status, again.Status)
		require.True(t, bytes.Equal(reply.Body, again.Body))
	})
}
