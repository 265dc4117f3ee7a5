// Package storetest is the contract of package rows as a test suite. Every adapter runs it:
//
//	func TestMain(m *testing.M) { os.Exit(storetest.Main(m, open)) }
//	func TestContract(t *testing.T) { storetest.Run(t, storetest.Engine{Open: open, OnDisk: true, Kills: 8}) }
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Engine is an adapter under test.
type Engine struct {
	// Open opens the store in dir, which is empty the first time; the same dir again is the same store.
	Open func(dir string) (rows.Store, error)
	// OnDisk: the store is on disk, so other processes can be sent against it. Needs Main.
	OnDisk bool
	// Kills is how often a writing process is killed.
	Kills int
	// Newer turns the closed store in dir into one of a newer format. Nil if the engine has no format.
	Newer func(t *testing.T, dir string)
}

// Run runs the suite.
func Run(t *testing.T, e Engine) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Engine)
	}{
		{"missing and empty values", testMissingAndEmpty},
		{"order of binary keys", testOrder},
		{"scan bounds and limits", testScanBounds},
		{"scan bytes", testScanBytes},
		{"last write to a key counts", testDuplicates},
		{"batch too large", testTooLarge},
		{"largest batch", testLargest},
		{"keys not allowed", testBadKeys},
		{"slices are not shared", testOwnership},
		{"context", testContext},
		{"closed", testClosed},
		{"reopened", testReopened},
		{"model", testModel},
		{"readers during commits", testReaders},
		{"close during calls", testCloseDuringCalls},
		{"second opener", testSecondOpener},
		{"newer format", testNewer},
		{"second process", testSecondProcess},
		{"kill -9", testKill},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, e) })
	}
}

// fixture is an open store with short helpers.
type fixture struct {
	rows.Store
	t *testing.T
}

func open(t *testing.T, e Engine, dir string) fixture {
	t.Helper()
	store, err := e.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	return fixture{store, t}
}

func (f fixture) commit(batch ...rows.Write) {
	f.t.Helper()
	require.NoError(f.t, f.Commit(context.Background(), batch))
}

// scan returns "key=value" of all rows in the range.
func (f fixture) scan(from, to []byte, limit, maxBytes int) []string {
	f.t.Helper()
	found, err := f.Scan(context.Background(), from, to, limit, maxBytes)
	require.NoError(f.t, err)
	texts := []string{}
	for _, row := range found {
		require.NotNil(f.t, row.Value)
		texts = append(texts, string(row.Key)+"="+string(row.Value))
	}
	return texts
}

func (f fixture) load(keys ...string) [][]byte {
	f.t.Helper()
	asked := make([][]byte, len(keys))
	for i, key := range keys {
		asked[i] = []byte(key)
	}
	values, err := f.Load(context.Background(), asked)
	require.NoError(f.t, err)
	require.Len(f.t, values, len(keys))
	return values
}

func set(key, value string) rows.Write { return rows.Write{Key: []byte(key), Value: []byte(value)} }
func del(key string) rows.Write        { return rows.Write{Key: []byte(key), Delete: true} }

func testMissingAndEmpty(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	require.Empty(t, s.scan(nil, nil, 10, 0))
	require.Empty(t, s.load())
	s.commit()
	s.commit(set("full", "x"), set("empty", ""), rows.Write{Key: []byte("nil")}, del("never there"))
	values := s.load("empty", "missing", "full", "nil", "never there", "full")
	require.NotNil(t, values[0])
	require.Empty(t, values[0])
	require.Nil(t, values[1])
	require.Equal(t, "x", string(values[2]))
	require.NotNil(t, values[3])
	require.Empty(t, values[3])
	require.Nil(t, values[4])
	require.Equal(t, "x", string(values[5]))
	require.Equal(t, []string{"empty=", "full=x", "nil="}, s.scan(nil, nil, 10, 0))
	s.commit(del("full"), set("empty", "y"))
	require.Equal(t, []string{"empty=y", "nil="}, s.scan(nil, nil, 10, 0))
	require.Nil(t, s.load("full")[0])
	s.commit(set("full", "z"))
	require.Equal(t, "z", string(s.load("full")[0]))
}

func testOrder(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	sorted := []string{"\x01", "\x01\x00", "\x01\x00\x00", "\x01\xff", "\"", "A", "A\x00", "A\x00b", "Aa", "a",
		"\x7f", "\x80", "\xc3\x28", "\xff", "\xff\x00", "\xff\xff"}
	batch := []rows.Write{}
	want := []string{}
	for i, key := range sorted {
		batch = append(batch, set(key, fmt.Sprint(i)))
		want = append(want, key+"="+fmt.Sprint(i))
	}
	random := rand.New(rand.NewPCG(1, 2))
	random.Shuffle(len(batch), func(i, j int) { batch[i], batch[j] = batch[j], batch[i] })
	for _, w := range batch {
		s.commit(w)
	}
	require.Equal(t, want, s.scan(nil, nil, 100, 0))
}

func testScanBounds(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	s.commit(set("a", "1"), set("b", "2"), set("b\x00", "3"), set("c", "4"), set("\xff\xff", "5"))
	for _, test := range []struct {
		from, to string
		limit    int
		want     string
	}{
		{"", "-", 9, "a=1 b=2 b\x00=3 c=4 \xff\xff=5"},
		{"", "-", 2, "a=1 b=2"},
		{"a", "b", 9, "a=1"},
		{"b", "c", 9, "b=2 b\x00=3"},
		{"b\x00", "-", 2, "b\x00=3 c=4"},
		{"b\x01", "d", 9, "c=4"},
		{"aa", "c", 1, "b=2"},
		{"c", "c", 9, ""},
		{"c", "a", 9, ""},
		{"d", "-", 9, "\xff\xff=5"},
		{"\xff\xff\x00", "-", 9, ""},
		{"\x00", "\x01", 9, ""},
		{"", "a", 9, ""},
	} {
		to := []byte(test.to)
		if test.to == "-" {
			to = nil
		}
		require.Equal(t, test.want, strings.Join(s.scan([]byte(test.from), to, test.limit, 0), " "), "%q", test)
	}
	require.Empty(t, s.scan(nil, []byte{}, 9, 0), "an empty end is before every key")
	_, err := s.Scan(context.Background(), nil, nil, 0, 0)
	require.Error(t, err)
	_, err = s.Scan(context.Background(), nil, nil, 1, -1)
	require.Error(t, err)
}

func testScanBytes(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	big := strings.Repeat("v", 300_000)
	s.commit(set("a", big), set("b", "12"), set("c", "34"), set("d", big))
	keys := func(from string, limit, maxBytes int) string {
		var out bytes.Buffer
		for _, text := range s.scan([]byte(from), nil, limit, maxBytes) {
			out.WriteByte(text[0])
		}
		return out.String()
	}
	require.Equal(t, "a", keys("a", 9, 1), "the first row comes whatever its length")
	require.Equal(t, "a", keys("a", 9, 300_003))
	require.Equal(t, "ab", keys("a", 9, 300_004))
	require.Equal(t, "bc", keys("b", 9, 6))
	require.Equal(t, "b", keys("b", 9, 5))
	require.Equal(t, "b", keys("b", 1, 6))
	require.Equal(t, "abcd", keys("", 9, 0))
	require.Equal(t, "abcd", keys("", 9, 1<<30))
}

func testDuplicates(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	s.commit(set("a", "1"), set("b", "1"), set("a", "2"), del("b"), del("c"), set("c", "3"), set("a", "4"))
	require.Equal(t, []string{"a=4", "c=3"}, s.scan(nil, nil, 9, 0))
	s.commit(del("a"), set("a", "5"), set("c", "6"), del("c"))
	require.Equal(t, []string{"a=5"}, s.scan(nil, nil, 9, 0))
}

func testTooLarge(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	maxBytes, maxRows := s.MaxBatch()
	require.GreaterOrEqual(t, maxBytes, 1<<20+64<<10, "one item of 1 MiB and its index must fit")
	require.GreaterOrEqual(t, maxRows, 1000)
	many := make([]rows.Write, maxRows+1)
	for i := range many {
		many[i] = set(fmt.Sprintf("k%06d", i), "")
	}
	ctx := context.Background()
	require.ErrorIs(t, s.Commit(ctx, many), rows.ErrTooLarge)
	value := string(make([]byte, maxBytes-1-rows.Overhead))
	err := s.Commit(ctx, []rows.Write{set("a", value), del("b")})
	require.ErrorIs(t, err, rows.ErrTooLarge)
	require.Less(t, len(err.Error()), 300, "an error never holds the data")
	require.Empty(t, s.scan(nil, nil, 9, 0))
	s.commit(set("still", "works"))
}

func testLargest(t *testing.T, e Engine) {
	dir := t.TempDir()
	s := open(t, e, dir)
	maxBytes, maxRows := s.MaxBatch()
	value := strings.Repeat("x", maxBytes-3-rows.Overhead)
	s.commit(set("one", value))
	many := make([]rows.Write, maxRows)
	for i := range many {
		many[i] = set(fmt.Sprintf("k%06d", i), "v")
	}
	for rows.Size(many) > maxBytes {
		many = many[1:]
	}
	s.commit(many...)
	long := strings.Repeat("l", rows.MaxKey)
	batch := make([]rows.Write, min(maxRows, maxBytes/(rows.MaxKey+rows.Overhead)))
	for i := range batch {
		batch[i] = set(fmt.Sprintf("%s%06d", long[6:], i), "")
	}
	s.commit(batch...)
	require.NoError(t, s.Close())
	s = open(t, e, dir)
	require.Equal(t, value, string(s.load("one")[0]))
	require.Len(t, s.scan([]byte("k"), []byte("l"), maxRows, 0), len(many))
	require.Len(t, s.scan([]byte("l"), []byte("m"), maxRows, 0), len(batch))
}

func testBadKeys(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	ctx := context.Background()
	for _, key := range []string{"", "\x00", "\x00format", "!badger!txn", "!", strings.Repeat("k", rows.MaxKey+1)} {
		err := s.Commit(ctx, []rows.Write{set("good", "x"), set(key, "x")})
		require.ErrorIs(t, err, rows.ErrBadKey)
		require.NotContains(t, err.Error(), "kkkk")
		require.ErrorIs(t, s.Commit(ctx, []rows.Write{del(key)}), rows.ErrBadKey)
		_, err = s.Load(ctx, [][]byte{[]byte("good"), []byte(key)})
		require.ErrorIs(t, err, rows.ErrBadKey)
	}
	require.Empty(t, s.scan(nil, nil, 9, 0))
	require.Empty(t, s.scan([]byte{0}, []byte{1}, 9, 0), "the engine's own rows are not shown")
}

func testOwnership(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	ctx := context.Background()
	w := set("key", "value")
	s.commit(w)
	w.Key[0], w.Value[0] = 'X', 'X'
	values := s.load("key")
	require.Equal(t, "value", string(values[0]))
	values[0][0] = 'X'
	found, err := s.Scan(ctx, nil, nil, 9, 0)
	require.NoError(t, err)
	_ = append(found[0].Key, 'X')
	require.Equal(t, "value", string(found[0].Value))
	found[0].Key[0], found[0].Value[0] = 'X', 'X'
	require.Equal(t, []string{"key=value"}, s.scan(nil, nil, 9, 0))
}

func testContext(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	s.commit(set("a", "1"))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, s.Commit(ctx, []rows.Write{set("b", "2")}), context.Canceled)
	_, err := s.Load(ctx, [][]byte{[]byte("a")})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Scan(ctx, nil, nil, 9, 0)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, []string{"a=1"}, s.scan(nil, nil, 9, 0))
}

func requireClosed(t *testing.T, s rows.Store) {
	t.Helper()
	ctx := context.Background()
	require.ErrorIs(t, s.Commit(ctx, []rows.Write{set("a", "1")}), rows.ErrClosed)
	_, err := s.Load(ctx, [][]byte{[]byte("a")})
	require.ErrorIs(t, err, rows.ErrClosed)
	_, err = s.Scan(ctx, nil, nil, 9, 0)
	require.ErrorIs(t, err, rows.ErrClosed)
}

func testClosed(t *testing.T, e Engine) {
	s := open(t, e, t.TempDir())
	s.commit(set("a", "1"))
	require.NoError(t, s.Close())
	requireClosed(t, s)
	require.NoError(t, s.Close())
	maxBytes, maxRows := s.MaxBatch()
	require.Positive(t, maxBytes)
	require.Positive(t, maxRows)
}

func testReopened(t *testing.T, e Engine) {
	dir := t.TempDir()
	for round := range 3 {
		s := open(t, e, dir)
		want := []string{}
		for i := range round {
			want = append(want, fmt.Sprintf("k%d=%d", i, i))
		}
		require.Equal(t, want, s.scan(nil, nil, 9, 0))
		s.commit(set(fmt.Sprintf("k%d", round), fmt.Sprint(round)))
		require.NoError(t, s.Close())
	}
}

func testSecondOpener(t *testing.T, e Engine) {
	dir := t.TempDir()
	s := open(t, e, dir)
	second, err := e.Open(dir)
	if err == nil {
		err = errors.Join(errors.New("was opened twice"), second.Close())
	}
	require.ErrorIs(t, err, rows.ErrInUse)
	s.commit(set("a", "1"))
	require.NoError(t, s.Close())
	require.Equal(t, []string{"a=1"}, open(t, e, dir).scan(nil, nil, 9, 0))
}
