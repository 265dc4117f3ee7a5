package salvage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/backup/salvage"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// fill writes and deletes rows as a store does, and returns what is there and what ever was.
func fill(t *testing.T, random *rand.Rand, s *badger.Store, rounds int) (have map[string][]byte, ever map[string]bool) {
	t.Helper()
	have, ever = make(map[string][]byte), make(map[string]bool)
	for round := range rounds {
		var batch []rows.Write
		for range 100 {
			sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, random.Uint64N(6000)))
			key := append([]byte{"cdo"[random.IntN(3)]}, sum[:20]...)
			if random.IntN(4) == 0 {
				batch = append(batch, rows.Write{Key: key, Delete: true})
				delete(have, string(key))
				continue
			}
			value := bytes.Repeat(fmt.Appendf(nil, "%d %d ", round, random.Uint64()), 1+random.IntN(30))
			if random.IntN(50) == 0 {
				value = bytes.Repeat(sum[:], 1000)
			}
			batch = append(batch, rows.Write{Key: key, Value: value})
			have[string(key)] = value
			ever[string(key)+" "+string(value)] = true
		}
		require.NoError(t, s.Commit(context.Background(), batch))
	}
	return have, ever
}

func read(t *testing.T, dir, prefix string) (map[string][]byte, []string) {
	t.Helper()
	s, err := salvage.Open(dir)
	require.NoError(t, err)
	out := make(map[string][]byte)
	last := ""
	for row, err := range s.Rows(t.Context(), []byte(prefix)) {
		require.NoError(t, err)
		require.Greater(t, string(row.Key), last)
		last = string(row.Key)
		out[last] = row.Value
	}
	damage, more := s.Damage()
	require.Zero(t, more)
	require.NoError(t, s.Close())
	return out, damage
}

func only(have map[string][]byte, prefix string) map[string][]byte {
	out := make(map[string][]byte)
	for k, v := range have {
		if strings.HasPrefix(k, prefix) {
			out[k] = v
		}
	}
	return out
}

// copyDir copies files as they are, as if the machine had been switched off. Badger may turn a log into a table
// meanwhile: then it begins again.
func copyDir(t *testing.T, from string) string {
	t.Helper()
	for range 100 {
		to := t.TempDir()
		before := files(t, from)
		if err := os.CopyFS(to, os.DirFS(from)); err == nil && before == files(t, from) {
			return to
		}
	}
	require.Fail(t, "the store never rests")
	return ""
}

func files(t *testing.T, dir string) (names string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range list {
		if info, err := e.Info(); err == nil {
			names += fmt.Sprintln(e.Name(), info.Size())
		}
	}
	return names
}

func TestReadsWhatBadgerHolds(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s, _, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	have, _ := fill(t, random, s, 150)
	// A value so long that Badger keeps it elsewhere.
	long := bytes.Repeat([]byte("long"), 262_200)
	require.NoError(t, s.Commit(t.Context(), []rows.Write{{Key: []byte("cz long"), Value: long}}))
	have["cz long"] = long

	for _, prefix := range []string{"c", "d", "o", "cz", "x", string([]byte(keyOf(have))[:3])} {
		got, damage := read(t, copyDir(t, dir), prefix)
		require.Equal(t, only(have, prefix), got, "the store was not closed")
		require.Empty(t, damage)
	}
	require.NoError(t, s.Close())
	got, damage := read(t, dir, "c")
	require.Equal(t, only(have, "c"), got, "the store was closed")
	require.Empty(t, damage)

	_, err = salvage.Open(t.TempDir())
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = salvage.Open(filepath.Join(dir, "none"))
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func keyOf(m map[string][]byte) string {
	for k := range m {
		return k
	}
	return "c??"
}

// Whatever is damaged, nothing is invented, the rest is read, and the file is named.
func TestTakesWhatIsLeft(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	s, _, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	have, ever := fill(t, random, s, 150)
	crashed := copyDir(t, dir)
	require.NoError(t, s.Close())

	all := only(have, "c")
	for range 10 {
		at := copyDir(t, []string{dir, crashed}[random.IntN(2)])
		files, err := filepath.Glob(filepath.Join(at, "*.[sm][se][tm]"))
		require.NoError(t, err)
		name := files[random.IntN(len(files))]
		content, err := os.ReadFile(name)
		require.NoError(t, err)
		used := len(bytes.TrimRight(content, "\x00"))
		if used == 0 {
			continue
		}
		place, cut := random.IntN(used), random.IntN(3) == 0
		if cut {
			content = content[:place]
		} else {
			content[place] ^= 1 << random.IntN(8)
		}
		require.NoError(t, os.WriteFile(name, content, 0o600))
		got, damage := read(t, at, "c")
		for k, v := range got {
			require.True(t, ever[k+" "+string(v)], "a row that nobody wrote")
		}
		log := filepath.Ext(name) == ".mem"
		if log && cut {
			continue // a log that ends early looks like one that was never longer
		}
		same := len(got) == len(all)
		for k, v := range got {
			same = same && bytes.Equal(all[k], v)
		}
		if !same {
			require.NotEmpty(t, damage, "%s at %d", filepath.Base(name), place)
			require.Contains(t, strings.Join(damage, "\n"), filepath.Base(name))
		}
	}
}

// One flipped byte in the log costs the row it is in, not those behind it.
func TestALogGoesOnBehindDamage(t *testing.T) {
	dir := t.TempDir()
	s, _, err := badger.Open(badger.Options{Dir: dir})
	require.NoError(t, err)
	for i := range 200 {
		require.NoError(t, s.Commit(t.Context(), []rows.Write{{Key: fmt.Appendf(nil, "c%03d", i), Value: bytes.Repeat([]byte{byte(i)}, 300)}}))
	}
	at := copyDir(t, dir)
	require.NoError(t, s.Close())
	files, err := filepath.Glob(filepath.Join(at, "*.mem"))
	require.NoError(t, err)
	content, err := os.ReadFile(files[len(files)-1])
	require.NoError(t, err)
	used := len(bytes.TrimRight(content, "\x00"))
	require.Greater(t, used, 200*300)
	for place := 1000; place < used-1000; place += 9973 {
		broken := bytes.Clone(content)
		broken[place] ^= 0x10
		require.NoError(t, os.WriteFile(files[len(files)-1], broken, 0o600))
		got, damage := read(t, at, "c")
		require.GreaterOrEqual(t, len(got), 199, "flipped at %d", place)
		require.NotEmpty(t, damage)
	}
}
