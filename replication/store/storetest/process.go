package storetest

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The environment that turns the test binary into a child process of the suite.
const (
	envRole = "STORETEST_ROLE"
	envDir  = "STORETEST_DIR"
	envSeed = "STORETEST_SEED"
)

// Main runs the tests of an adapter and checks that no goroutine is left; started by the suite as a child process it
// plays its part instead. It returns the exit code. open is what Engine.Open is; nil for a store that is not on disk.
func Main(m *testing.M, open func(dir string) (rows.Store, error)) int {
	role := os.Getenv(envRole)
	if role == "" {
		code := m.Run()
		if err := goleak.Find(); err != nil && code == 0 {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		return code
	}
	dir := os.Getenv(envDir)
	seed, err := strconv.ParseUint(os.Getenv(envSeed), 10, 64)
	if err == nil {
		switch role {
		case "open":
			err = childOpen(open, dir)
		case "write":
			err = childWrite(open, dir, seed)
		default:
			err = fmt.Errorf("unknown role %q", role)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func child(t *testing.T, role, dir string, seed uint64) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	program, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(ctx, program)
	cmd.Env = append(os.Environ(), envRole+"="+role, envDir+"="+dir, envSeed+"="+strconv.FormatUint(seed, 10))
	cmd.Stderr = os.Stderr
	return cmd
}

func childOpen(open func(string) (rows.Store, error), dir string) error {
	store, err := open(dir)
	if errors.Is(err, rows.ErrInUse) {
		fmt.Println("in use")
		return nil
	}
	if err != nil {
		return err
	}
	fmt.Println("opened")
	return store.Close()
}

func testSecondProcess(t *testing.T, e Engine) {
	if !e.OnDisk {
		t.Skip("not on disk")
	}
	dir := t.TempDir()
	s := open(t, e, dir)
	s.commit(set("a", "1"))
	answer := func() string {
		out, err := child(t, "open", dir, 0).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	require.Equal(t, "in use", answer())
	s.commit(set("b", "2"))
	require.NoError(t, s.Close())
	require.Equal(t, "opened", answer())
	require.Equal(t, []string{"a=1", "b=2"}, open(t, e, dir).scan(nil, nil, 9, 0))
}

// testNewer: a store of a newer format is refused, and no byte in its directory changes.
func testNewer(t *testing.T, e Engine) {
	if e.Newer == nil {
		t.Skip("no format")
	}
	dir := t.TempDir()
	s := open(t, e, dir)
	s.commit(set("a", "1"))
	require.NoError(t, s.Close())
	e.Newer(t, dir)
	before := contents(t, dir)
	for range 2 {
		store, err := e.Open(dir)
		if err == nil {
			err = errors.Join(errors.New("was opened"), store.Close())
		}
		require.ErrorIs(t, err, rows.ErrNewerFormat)
		require.Equal(t, before, contents(t, dir))
	}
}

// contents returns the files of a directory with their bytes and times.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		bytes, err := os.ReadFile(path)
		files[path] = info.ModTime().String() + string(bytes)
		return err
	}))
	return files
}

// The writing child: batch n has the rows b/n/0..size-1, takes the rows of batch n-keep away, and
// sets "last" to n. So whoever knows the seed knows what must be there when "last" is n.
const keep = 40

func batchRows(seed, n uint64) []rows.Row {
	random := rand.New(rand.NewPCG(seed, n))
	out := make([]rows.Row, 1+random.IntN(30))
	for i := range out {
		key := binary.BigEndian.AppendUint64([]byte("b/"), n)
		out[i].Key = append(key, byte(i))
		out[i].Value = bytes.Repeat([]byte{byte(random.Uint32())}, random.IntN(3000))
	}
	return out
}

func childWrite(open func(string) (rows.Store, error), dir string, seed uint64) error {
	store, err := open(dir)
	if err != nil {
		return err
	}
	ctx := context.Background()
	last, err := store.Load(ctx, [][]byte{[]byte("last")})
	if err != nil {
		return err
	}
	n := uint64(0)
	if last[0] != nil {
		n = binary.BigEndian.Uint64(last[0])
	}
	for {
		n++
		batch := []rows.Write{{Key: []byte("last"), Value: binary.BigEndian.AppendUint64(nil, n)}}
		for _, row := range batchRows(seed, n) {
			batch = append(batch, rows.Write{Key: row.Key, Value: row.Value})
		}
		if n > keep {
			for _, row := range batchRows(seed, n-keep) {
				batch = append(batch, rows.Write{Key: row.Key, Delete: true})
			}
		}
		if err := store.Commit(ctx, batch); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// testKill kills a writing process again and again. Every batch it acknowledged must be whole, none may be half there.
func testKill(t *testing.T, e Engine) {
	if !e.OnDisk {
		t.Skip("not on disk")
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for round := range e.Kills {
		acknowledged := killAfter(t, dir, seed, 1+random.IntN(150), time.Duration(random.IntN(3000))*time.Microsecond)
		s := open(t, e, dir)
		value := s.load("last")[0]
		require.Len(t, value, 8)
		last := binary.BigEndian.Uint64(value)
		require.GreaterOrEqual(t, last, acknowledged, "seed %d round %d: an acknowledged batch is missing", seed, round)
		require.LessOrEqual(t, last, acknowledged+1, "seed %d round %d: more than one batch was under way", seed, round)
		want := []rows.Row{}
		for n := max(last, keep) - keep + 1; n <= last; n++ {
			want = append(want, batchRows(seed, n)...)
		}
		found, err := s.Scan(context.Background(), []byte("b/"), []byte("b0"), 1_000_000, 0)
		require.NoError(t, err)
		require.Len(t, found, len(want), "seed %d round %d: a batch is half there", seed, round)
		for i := range want {
			require.Equal(t, want[i].Key, found[i].Key, "seed %d round %d", seed, round)
			require.True(t, bytes.Equal(want[i].Value, found[i].Value), "seed %d round %d row %d", seed, round, i)
		}
		require.NoError(t, s.Close())
	}
}

// killAfter starts a writing child, kills it some time after it acknowledged count batches, and returns the number
// of the last batch that it acknowledged.
func killAfter(t *testing.T, dir string, seed uint64, count int, delay time.Duration) uint64 {
	t.Helper()
	cmd := child(t, "write", dir, seed)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	acknowledged, seen := uint64(0), 0
	var timer *time.Timer
	killed := make(chan error, 1)
	for lines.Scan() {
		acknowledged, err = strconv.ParseUint(lines.Text(), 10, 64)
		require.NoError(t, err)
		if seen++; seen == count {
			timer = time.AfterFunc(delay, func() { killed <- cmd.Process.Kill() })
		}
	}
	require.NotNil(t, timer, "the child ended by itself after %d batches: %v", seen, cmd.Wait())
	require.NoError(t, <-killed)
	require.Error(t, cmd.Wait(), "the child must have been killed")
	return acknowledged
}
