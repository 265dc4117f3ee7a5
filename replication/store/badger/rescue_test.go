package badger_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// filled returns a closed store with tables, and a copy of it as it was while it was open, with a log.
func filled(t testing.TB) (closed, crashed string) {
	closed, crashed = filepath.Join(t.TempDir(), "store"), filepath.Join(t.TempDir(), "crashed")
	store, err := open(closed)
	require.NoError(t, err)
	next := batches(200)
	for range 5 {
		require.NoError(t, store.Commit(context.Background(), next()))
	}
	require.NoError(t, store.Commit(context.Background(), []rows.Write{{Key: []byte("gone"), Value: []byte("was here")}}))
	require.NoError(t, store.Commit(context.Background(), []rows.Write{{Key: []byte("gone"), Delete: true}}))
	require.NoError(t, os.CopyFS(crashed, os.DirFS(closed)))
	require.NoError(t, store.Close())
	return closed, crashed
}

// TestRescueReadsWhatBadgerReads: from tables and from the log, every row and no other.
func TestRescueReadsWhatBadgerReads(t *testing.T) {
	closed, crashed := filled(t)
	store, err := open(closed)
	require.NoError(t, err)
	want, err := store.Scan(context.Background(), nil, nil, math.MaxInt, 0)
	require.NoError(t, err)
	require.NotEmpty(t, want)
	require.NoError(t, store.Close())
	for name, dir := range map[string]string{"tables": closed, "log": crashed} {
		t.Run(name, func(t *testing.T) {
			got, versions := make(map[string][]byte), make(map[string]uint64)
			r := badger.Rescue{Dirs: []string{dir, badger.OrphanDir(dir)}}
			require.NoError(t, r.Each(context.Background(), func(key, value []byte, version uint64) error {
				if version >= versions[string(key)] {
					got[string(key)], versions[string(key)] = value, version
				}
				return nil
			}))
			require.Empty(t, r.Damage)
			require.Contains(t, got, "gone")
			require.Nil(t, got["gone"])
			delete(got, "gone")
			require.Len(t, got, len(want))
			for _, row := range want {
				require.Equal(t, row.Value, got[string(row.Key)])
			}
		})
	}
}

// TestRescueOfRandomDamage: whatever was done to the files, only rows come out that went in.
func TestRescueOfRandomDamage(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	closed, crashed := filled(t)
	good := make(map[string]bool)
	each := func(dir string, f func(row string)) *badger.Rescue {
		r := &badger.Rescue{Dirs: []string{dir}}
		require.NoError(t, r.Each(context.Background(), func(key, value []byte, version uint64) error {
			f(fmt.Sprintf("%x %x %v %d", key, value, value == nil, version))
			return nil
		}))
		return r
	}
	for _, dir := range []string{closed, crashed} {
		each(dir, func(row string) { good[row] = true })
	}
	for _, pattern := range []string{closed + "/*.sst", crashed + "/*.mem"} {
		list, err := filepath.Glob(pattern)
		require.NoError(t, err)
		whole, err := os.ReadFile(list[0])
		require.NoError(t, err)
		whole = bytes.TrimRight(whole, "\x00")
		for range 150 {
			content := bytes.Clone(whole)
			for range 1 + random.IntN(5) {
				at := random.IntN(len(content))
				switch random.IntN(4) {
				case 0:
					content[at] ^= byte(1 + random.IntN(255))
				case 1:
					clear(content[at:min(len(content), at+random.IntN(4096))])
				case 2:
					if content = content[:at]; at == 0 {
						content = []byte{1}
					}
				case 3:
					copy(content[at:], content[random.IntN(len(content)):])
				}
			}
			dir := t.TempDir()
			require.NoError(t, os.WriteFile(filepath.Join(dir, filepath.Base(list[0])), content, 0o600))
			each(dir, func(row string) { require.True(t, good[row], "a row that nobody wrote") })
		}
	}
}

// TestRescueGoesOnBehindDamage: one byte of the log, whichever it is, takes one entry and no more; a lost sector those that
// it held.
func TestRescueGoesOnBehindDamage(t *testing.T) {
	_, crashed := filled(t)
	list, err := filepath.Glob(crashed + "/*.mem")
	require.NoError(t, err)
	whole, err := os.ReadFile(list[0])
	require.NoError(t, err)
	used := len(bytes.TrimRight(whole, "\x00"))
	dir := t.TempDir()
	count := func(content []byte) (rows int, damage []string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "00001.mem"), content, 0o600))
		r := badger.Rescue{Dirs: []string{dir}}
		require.NoError(t, r.Each(context.Background(), func([]byte, []byte, uint64) error { rows++; return nil }))
		return rows, r.Damage
	}
	all, damage := count(whole)
	require.Positive(t, all)
	require.Empty(t, damage)
	const from = 3000 // somewhere within
	for at := from; at < from+300; at++ {
		for _, bit := range []byte{1, 0x80} {
			content := bytes.Clone(whole[:used+4])
			content[at] ^= bit
			rows, damage := count(content)
			require.GreaterOrEqual(t, rows, all-1, "byte %d", at)
			require.NotEmpty(t, damage)
		}
	}
	content := bytes.Clone(whole)
	clear(content[4096:8192])
	rows, damage := count(content)
	require.NotEmpty(t, damage)
	require.Greater(t, rows, all/2)
	require.Less(t, rows, all)
}

// Whatever is in the files, a rescue neither panics nor ends the process, and says what did not read.
func FuzzRescue(f *testing.F) {
	closed, crashed := filled(f)
	for _, pattern := range []string{closed + "/*.sst", crashed + "/*.mem"} {
		list, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, list)
		content, err := os.ReadFile(list[0])
		require.NoError(f, err)
		f.Add(content[:min(len(content), 2<<10)], filepath.Ext(list[0]) == ".mem")
		f.Add(content[max(0, len(content)-2<<10):], filepath.Ext(list[0]) == ".mem")
	}
	// Lengths that add up to little, modulo 2^64.
	f.Add(append(make([]byte, 22), 9, 0xf8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 2, 3, 4, 5, 6, 7, 8), true)
	f.Add([]byte{}, true)
	f.Add([]byte{}, false)
	f.Fuzz(func(t *testing.T, content []byte, log bool) {
		dir := t.TempDir()
		name := "000001.sst"
		if log {
			name = "00001.mem"
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o600))
		r := badger.Rescue{Dirs: []string{dir}}
		require.NoError(t, r.Each(context.Background(), func([]byte, []byte, uint64) error { return nil }))
	})
}
