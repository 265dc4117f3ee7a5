package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// testModel compares random batches and scans, with reopening, against a plain map.
func testModel(t *testing.T, e Engine) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	s := open(t, e, dir)
	model := map[string]string{}
	key := func() string { return "k" + strconv.Itoa(random.IntN(700)) }
	for step := range 150 {
		batch := []rows.Write{}
		for range 1 + random.IntN(40) {
			w := del(key())
			if random.IntN(3) > 0 {
				w = set(key(), fmt.Sprint(step, "/", random.Uint64()))
			}
			batch = append(batch, w)
			if w.Delete {
				delete(model, string(w.Key))
			} else {
				model[string(w.Key)] = string(w.Value)
			}
		}
		s.commit(batch...)
		if step%40 == 39 {
			require.NoError(t, s.Close())
			s = open(t, e, dir)
		}
		from, to, limit := key(), key(), 1+random.IntN(50)
		want := []string{}
		for _, k := range slices.Sorted(maps.Keys(model)) {
			if k >= from && k < to && len(want) < limit {
				want = append(want, k+"="+model[k])
			}
		}
		require.Equal(t, want, s.scan([]byte(from), []byte(to), limit, 0), "seed %d step %d", seed, step)
		for _, k := range []string{key(), key()} {
			want, found := model[k]
			value := s.load(k)[0]
			require.Equal(t, found, value != nil, "seed %d step %d", seed, step)
			require.Equal(t, want, string(value))
		}
	}
}

// testReaders: all rows of a batch carry its number, so a reader that sees two numbers saw a part of one.
func testReaders(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	ctx := context.Background()
	keys := [][]byte{}
	for i := range 20 {
		keys = append(keys, fmt.Appendf(nil, "k%02d", i))
	}
	commit := func(n int) error {
		batch := []rows.Write{}
		for _, key := range keys {
			batch = append(batch, rows.Write{Key: key, Value: strconv.AppendInt(nil, int64(n), 10)})
		}
		return s.Commit(ctx, batch)
	}
	require.NoError(t, commit(0))
	done := make(chan struct{})
	var readers sync.WaitGroup
	problems := make(chan error, 4)
	for r := range 4 {
		readers.Go(func() {
			if err := readUntil(ctx, done, s, keys, r%2 == 0); err != nil {
				problems <- err
			}
		})
	}
	var failed error
	for n := 1; n <= 100 && failed == nil; n++ {
		failed = commit(n)
	}
	close(done)
	readers.Wait()
	require.NoError(t, failed)
	close(problems)
	for err := range problems {
		require.NoError(t, err)
	}
}

// readUntil reads all keys until done is closed; the numbers it reads must be equal in one read and never go back.
func readUntil(ctx context.Context, done <-chan struct{}, s rows.Store, keys [][]byte, scan bool) error {
	last := 0
	for {
		select {
		case <-done:
			return nil
		default:
		}
		var values [][]byte
		var err error
		if scan {
			var found []rows.Row
			found, err = s.Scan(ctx, nil, nil, 100, 0)
			for _, row := range found {
				values = append(values, row.Value)
			}
		} else {
			values, err = s.Load(ctx, keys)
		}
		if err != nil {
			return err
		}
		if len(values) != len(keys) {
			return fmt.Errorf("read %d rows, want %d", len(values), len(keys))
		}
		for _, value := range values {
			if !bytes.Equal(value, values[0]) {
				return fmt.Errorf("read a part of a batch: %s and %s", values[0], value)
			}
		}
		n, err := strconv.Atoi(string(values[0]))
		if err != nil || n < last {
			return fmt.Errorf("read %d after %d: %w", n, last, err)
		}
		last = n
	}
}

// testCloseDuringCalls: Close waits for the calls that run, the others get ErrClosed; what was acknowledged is there.
func testCloseDuringCalls(t *testing.T, e Engine) {
	dir := t.TempDir()
	s := open(t, e, dir)
	ctx := context.Background()
	var workers sync.WaitGroup
	acknowledged := make([]int, 3)
	ends := make([]error, 6)
	started := make(chan struct{}, 1)
	for w := range 3 {
		workers.Go(func() {
			for ends[w] == nil {
				ends[w] = s.Commit(ctx, []rows.Write{set(fmt.Sprintf("w%d/%06d", w, acknowledged[w]), "x")})
				if ends[w] == nil {
					acknowledged[w]++
				}
				if acknowledged[w] == 5 {
					select {
					case started <- struct{}{}:
					default:
					}
				}
			}
		})
		workers.Go(func() {
			for ends[3+w] == nil {
				_, ends[3+w] = s.Scan(ctx, nil, nil, 1000, 0)
			}
		})
	}
	select {
	case <-started:
	case <-time.After(20 * time.Second):
		t.Error("no worker got five commits through in 20 s")
	}
	require.NoError(t, s.Close())
	workers.Wait()
	for _, end := range ends {
		require.True(t, errors.Is(end, rows.ErrClosed), "%v", end)
	}
	s = open(t, e, dir)
	for w, n := range acknowledged {
		prefix := fmt.Sprintf("w%d/", w)
		require.Len(t, s.scan([]byte(prefix), []byte(prefix+"\xff"), 1_000_000, 0), n)
	}
}
