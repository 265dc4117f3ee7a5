package lineage_test

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication/lineage"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, file string, raw []byte) {
	t.Helper()
	path := filepath.Join("..", "..", "testdata", "lineage", "v1", file+".hex")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(hex.EncodeToString(raw)+"\n"), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), hex.EncodeToString(raw), file)
}

var (
	here    = lineage.MachineOf([]byte("0123456789abcdef0123456789abcdef\n"))
	place   = lineage.Place{Path: "/var/lib/till", Node: []byte{1, 2, 3}}
	replica = crdt.ReplicaID{1, 1, 1}
	binding = lineage.Binding{Machine: here, Place: place, Replica: replica, Prefix: "K2b", Boot: 217_382_912}
)

func bindings() map[string]lineage.Binding {
	begun := binding
	begun.Begun = true
	return map[string]lineage.Binding{
		"binding": binding, "binding.begun": begun,
		"binding.least": {Place: lineage.Place{Path: "/"}, Replica: replica},
	}
}

func TestBindingsGolden(t *testing.T) {
	for name, b := range bindings() {
		raw, err := b.Encode()
		require.NoError(t, err)
		golden(t, name, raw)
		back, err := lineage.DecodeBinding(raw)
		require.NoError(t, err)
		require.Equal(t, b, back)
	}
}

func TestEveryDamageToABindingIsSeen(t *testing.T) {
	raw, err := binding.Encode()
	require.NoError(t, err)
	for i := range raw {
		for bit := range 8 {
			bad := append([]byte{}, raw...)
			bad[i] ^= 1 << bit
			_, err := lineage.DecodeBinding(bad)
			require.ErrorIs(t, err, lineage.ErrDamaged, "bit %d of byte %d", bit, i)
		}
		_, err := lineage.DecodeBinding(raw[:i])
		require.ErrorIs(t, err, lineage.ErrDamaged, "cut after %d bytes", i)
	}
	_, err = lineage.DecodeBinding(make([]byte, lineage.MaxBinding+1))
	require.ErrorIs(t, err, lineage.ErrDamaged)
	newer := sum(append(codec.AppendUint(codec.AppendArray(nil, 3), 2), 0xc0))
	_, err = lineage.DecodeBinding(newer)
	require.ErrorIs(t, err, crdt.ErrVersion, "a newer program wrote it: that is no damage")
}

func TestBindingsThatCannotBeWritten(t *testing.T) {
	for name, change := range map[string]func(*lineage.Binding){
		"no replica": func(b *lineage.Binding) { b.Replica = crdt.ReplicaID{} },
		"no place":   func(b *lineage.Binding) { b.Place.Path = "" },
		"long place": func(b *lineage.Binding) { b.Place.Path = strings.Repeat("x", 4097) },
		"long node":  func(b *lineage.Binding) { b.Place.Node = make([]byte, 65) },
		"no prefix":  func(b *lineage.Binding) { b.Prefix = "nonsense" },
	} {
		b := binding
		change(&b)
		_, err := b.Encode()
		require.ErrorIs(t, err, lineage.ErrDamaged, name)
	}
}

func FuzzDecodeBinding(f *testing.F) {
	for _, b := range bindings() {
		raw, err := b.Encode()
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := lineage.DecodeBinding(raw)
		if err != nil {
			return
		}
		again, err := b.Encode()
		require.NoError(t, err)
		back, err := lineage.DecodeBinding(again)
		require.NoError(t, err)
		require.Equal(t, b, back)
	})
}

func TestBindingFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state", "tillmesh")
	f := lineage.NewBindingFile(dir, crdt.ShopID{1}, crdt.TillID{2})
	_, err := f.Read()
	require.ErrorIs(t, err, lineage.ErrMissing)
	require.NoError(t, f.Remove())
	require.NoError(t, f.Write(binding))
	got, err := f.Read()
	require.NoError(t, err)
	require.Equal(t, binding, got)

	// What an interrupted write left beside it does not matter.
	require.NoError(t, os.WriteFile(f.Path()+".new", []byte("half"), 0o600))
	got, err = f.Read()
	require.NoError(t, err)
	require.Equal(t, binding, got)
	next := binding
	next.Boot++
	require.NoError(t, f.Write(next))
	got, err = f.Read()
	require.NoError(t, err)
	require.Equal(t, next, got)

	other := lineage.NewBindingFile(dir, crdt.ShopID{1}, crdt.TillID{3})
	_, err = other.Read()
	require.ErrorIs(t, err, lineage.ErrMissing, "tills share a directory")

	info, err := os.Stat(f.Path())
	require.NoError(t, err)
	require.NoError(t, os.Truncate(f.Path(), info.Size()-1))
	_, err = f.Read()
	require.ErrorIs(t, err, lineage.ErrDamaged)
	require.NoError(t, os.Truncate(f.Path(), 0))
	_, err = f.Read()
	require.ErrorIs(t, err, lineage.ErrDamaged)
	bad := binding
	bad.Replica = crdt.ReplicaID{}
	require.Error(t, f.Write(bad))
	require.NoError(t, f.Remove())
	_, err = f.Read()
	require.ErrorIs(t, err, lineage.ErrMissing)

	blocked := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(blocked, nil, 0o600))
	require.Error(t, lineage.NewBindingFile(filepath.Join(blocked, "state"), crdt.ShopID{1}, crdt.TillID{2}).Write(binding))
}

func TestHere(t *testing.T) {
	root := t.TempDir()
	data := filepath.Join(root, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	machine, place, err := lineage.Here(data)
	require.NoError(t, err)
	again, same, err := lineage.Here(filepath.Join(root, ".", "data"))
	require.NoError(t, err)
	require.Equal(t, machine, again)
	require.True(t, place.Equal(same))
	link := filepath.Join(root, "link")
	require.NoError(t, os.Symlink(data, link))
	_, same, err = lineage.Here(link)
	require.NoError(t, err)
	require.True(t, place.Equal(same), "another way to the same directory")

	// A till is made in a directory that is renamed; its binding is known before.
	fresh := filepath.Join(root, "fresh.new")
	require.NoError(t, os.Mkdir(fresh, 0o700))
	_, soon, err := lineage.HereAs(fresh, filepath.Join(root, "fresh"))
	require.NoError(t, err)
	require.NoError(t, os.Rename(fresh, filepath.Join(root, "fresh")))
	_, place, err = lineage.Here(filepath.Join(root, "fresh"))
	require.NoError(t, err)
	require.True(t, place.Equal(soon))

	// A copy that is put in its place is another directory.
	require.NoError(t, os.Rename(filepath.Join(root, "fresh"), filepath.Join(root, "old")))
	require.NoError(t, os.CopyFS(filepath.Join(root, "fresh"), os.DirFS(filepath.Join(root, "old"))))
	_, copied, err := lineage.Here(filepath.Join(root, "fresh"))
	require.NoError(t, err)
	require.Equal(t, place.Path, copied.Path)
	require.False(t, place.Equal(copied))
	_, moved, err := lineage.Here(filepath.Join(root, "old"))
	require.NoError(t, err)
	require.False(t, place.Equal(moved))

	_, _, err = lineage.Here(filepath.Join(root, "nowhere"))
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Equal(t, lineage.Machine{}, lineage.MachineOf([]byte(" \n")), "a system that says nothing")
	require.Equal(t, here, lineage.MachineOf([]byte("0123456789abcdef0123456789abcdef")))
}
