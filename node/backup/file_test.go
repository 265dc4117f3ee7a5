package backup

// The tests of this file need a disk that fails, so they are inside the package.

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// source is a store with some articles of 1 kB.
func source(t *testing.T, n int) *Gate {
	t.Helper()
	st, err := store.Open(t.Context(), memory.New())
	require.NoError(t, err)
	var ops []replication.Op
	pred := crdt.Seq(0)
	var prev crdt.Hash
	for i := range n {
		raw := make([]byte, 0, 1024)
		for len(raw) < 1000 {
			sum := sha256.Sum256(append(raw, byte(i), byte(i>>8)))
			raw = append(raw, sum[:]...)
		}
		c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: crdt.ReplicaID{1}, Seq: crdt.NewSeq(1, uint32(i+1))}, Pred: pred, Prev: prev,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "article", Object: crdt.ObjectID{byte(i), byte(i >> 8), 1}, Raw: codec.AppendBytes(nil, raw)}}}
		require.NoError(t, c.Seal())
		pred, prev = c.Dot.Seq, c.Hash()
		ops = append(ops, replication.Op{Commit: c})
	}
	_, err = st.Apply(t.Context(), ops)
	require.NoError(t, err)
	return NewGate(st)
}

var about = About{Header: Header{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: crdt.ReplicaID{1}}}

// badFile is a file on a disk that fails after some bytes, at a sync, or when it is closed.
type badFile struct {
	*os.File
	room        int
	err         error
	sync, close error
	flip        bool
}

func (b *badFile) Write(p []byte) (int, error) {
	if b.err != nil && len(p) > b.room {
		n, err := b.File.Write(p[:b.room])
		b.room -= n
		return n, errors.Join(&os.PathError{Op: "write", Err: b.err}, err)
	}
	b.room -= len(p)
	if b.flip && len(p) > 1000 {
		p = append([]byte{}, p...)
		p[500]++
	}
	return b.File.Write(p)
}

func (b *badFile) Sync() error  { return errors.Join(b.sync, b.File.Sync()) }
func (b *badFile) Close() error { return errors.Join(b.close, b.File.Close()) }

// nothing is left of a backup that failed.
func empty(t *testing.T, dir string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, list)
}

func TestDisksThatFail(t *testing.T) {
	src := source(t, 2000)
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		bad  badFile
		want error
	}{
		"full at once":    {badFile{err: syscall.ENOSPC, room: 0}, rows.ErrFull},
		"full later":      {badFile{err: syscall.ENOSPC, room: 700_000}, rows.ErrFull},
		"quota":           {badFile{err: syscall.EDQUOT, room: 700_000}, rows.ErrFull},
		"file too large":  {badFile{err: syscall.EFBIG, room: 700_000}, rows.ErrFull},
		"full at sync":    {badFile{sync: syscall.ENOSPC}, rows.ErrFull},
		"sync":            {badFile{sync: broken}, broken},
		"close":           {badFile{close: broken}, broken},
		"gives back else": {badFile{flip: true}, ErrDamaged},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			_, err := writeFile(t.Context(), filepath.Join(dir, "b"), src, about, nil, func(dir, pattern string) (file, error) {
				f, err := os.CreateTemp(dir, pattern)
				bad := test.bad
				bad.File = f
				return &bad, err
			})
			require.ErrorIs(t, err, test.want)
			if errors.Is(test.want, rows.ErrFull) {
				require.Contains(t, err.Error(), filepath.Join(dir, "b"))
				require.Contains(t, err.Error(), "choose another disk")
			}
			empty(t, dir)
		})
	}
	// A real device without room.
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	require.NoError(t, err)
	_, err = Write(t.Context(), full, src, about, nil)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoError(t, full.Close())
}

func TestNothingIsOverwritten(t *testing.T) {
	src := source(t, 10)
	dir := t.TempDir()
	path := filepath.Join(dir, "b")
	require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
	_, err := WriteFile(t.Context(), path, src, about, nil)
	require.ErrorIs(t, err, ErrExists)

	// The name is taken while the backup is being read back.
	path = filepath.Join(dir, "c")
	_, err = WriteFile(t.Context(), path, src, about, func(p Progress) {
		if p.Stage == "verify" {
			require.NoError(t, os.WriteFile(path, []byte("mine"), 0o600))
		}
	})
	require.ErrorIs(t, err, ErrExists)
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, list, 2, "nothing else is left")
	for _, e := range list {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		require.Equal(t, "mine", string(content))
	}
	_, err = WriteFile(t.Context(), filepath.Join(dir, "none", "b"), src, about, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestCancel(t *testing.T) {
	src := source(t, 2000)
	for _, stage := range []string{"write", "verify"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := WriteFile(ctx, filepath.Join(dir, "b"), src, about, func(p Progress) {
			if p.Stage == stage {
				cancel()
			}
		})
		require.ErrorIs(t, err, context.Canceled, stage)
		empty(t, dir)
	}
}

func TestAboutIsChecked(t *testing.T) {
	src := source(t, 1)
	for name, a := range map[string]About{
		"no shop":     {},
		"long name":   {Header: Header{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: crdt.ReplicaID{1}, ShopName: string(make([]byte, 900))}},
		"long secret": {Header: about.Header, Secrets: Secrets{Founder: make([]byte, 5000)}},
		"empty key":   {Header: about.Header, Secrets: Secrets{Gossip: [][]byte{{}}}},
		"note in two": {Header: about.Header, Notes: []string{"a", "ab"}},
	} {
		_, err := Write(t.Context(), io.Discard, src, a, nil)
		require.Error(t, err, name)
	}
}

// Contexts too long for one block are cut and put together again.
func TestLongContexts(t *testing.T) {
	c := make(crdt.Context)
	for r := range 3 {
		for i := range 45_000 {
			c.Add(crdt.ReplicaID{byte(r + 1)}, crdt.Interval{After: crdt.Seq(10 * i), To: crdt.Seq(10*i + 3)})
		}
	}
	back := make(crdt.Context)
	parts := contextParts(c)
	require.Greater(t, len(parts), 6)
	for _, part := range parts {
		at := section{1, crdt.Sales}
		plain := appendContext(nil, at, part)
		require.Less(t, len(plain), maxPlain)
		got, read, err := readContext(plain)
		require.NoError(t, err)
		require.Equal(t, at, got)
		back.AddAll(read)
	}
	require.Equal(t, c, back)
}
