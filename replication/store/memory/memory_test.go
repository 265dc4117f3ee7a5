package memory_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m, nil)) }

func TestContract(t *testing.T) {
	var disks sync.Map
	storetest.Run(t, storetest.Engine{Open: func(dir string) (rows.Store, error) {
		disk, _ := disks.LoadOrStore(dir, memory.NewDisk())
		return disk.(*memory.Disk).Open()
	}})
}

func write(key string) []rows.Write { return []rows.Write{{Key: []byte(key), Value: []byte("v")}} }

func keys(t *testing.T, disk *memory.Disk) string {
	t.Helper()
	store, err := disk.Open()
	require.NoError(t, err)
	found, err := store.Scan(context.Background(), nil, nil, 100, 0)
	require.NoError(t, err)
	require.NoError(t, store.Close())
	out := ""
	for _, row := range found {
		out += string(row.Key)
	}
	return out
}

func TestFaultsAndCrash(t *testing.T) {
	ctx := context.Background()
	for _, test := range []struct {
		fault   memory.Fault
		lie     bool
		want    error
		crashed string
	}{
		{memory.None, false, nil, "ab"},
		{memory.None, true, nil, ""},
		{memory.Full, false, rows.ErrFull, "a"},
		{memory.BeforeWrite, false, rows.ErrFailed, "a"},
		{memory.AfterWrite, false, rows.ErrFailed, "a"},
		{memory.AfterSync, false, rows.ErrFailed, "ab"},
	} {
		disk := memory.NewDisk()
		disk.Lie(test.lie)
		store, err := disk.Open()
		require.NoError(t, err)
		require.NoError(t, store.Commit(ctx, write("a")))
		disk.FailNext(test.fault)
		require.ErrorIs(t, store.Commit(ctx, write("b")), test.want)
		if test.want == rows.ErrFailed {
			_, err := store.Load(ctx, nil)
			require.ErrorIs(t, err, rows.ErrFailed, "a failed store answers nothing more")
			require.ErrorIs(t, store.Commit(ctx, write("c")), rows.ErrFailed)
		}
		disk.Crash()
		require.ErrorIs(t, store.Commit(ctx, write("d")), rows.ErrClosed)
		require.NoError(t, store.Close())
		require.Equal(t, test.crashed, keys(t, disk), "%+v", test)
	}
}

func TestSyncAndCloneKeepWhatIsDurable(t *testing.T) {
	ctx := context.Background()
	disk := memory.NewDisk()
	store, err := disk.Open()
	require.NoError(t, err)
	disk.Lie(true)
	require.NoError(t, store.Commit(ctx, write("a")))
	disk.Sync()
	require.NoError(t, store.Commit(ctx, write("b")))
	require.Equal(t, 2, disk.Commits())
	require.Equal(t, "a", keys(t, disk.Clone()))
	disk.Crash()
	require.Equal(t, "a", keys(t, disk))
	// A store that crashed and is closed late does not touch its successor.
	next, err := disk.Open()
	require.NoError(t, err)
	require.NoError(t, store.Close())
	require.NoError(t, next.Commit(ctx, write("c")))
	require.NoError(t, next.Close())
	require.Equal(t, "ac", keys(t, disk))
}

func TestManyRowsInRandomOrder(t *testing.T) {
	ctx := context.Background()
	store := memory.New()
	batch := []rows.Write{}
	for _, i := range rand.New(rand.NewPCG(1, 1)).Perm(100_000) {
		if batch = append(batch, write(fmt.Sprintf("k%06d", i))...); len(batch) == 50 {
			require.NoError(t, store.Commit(ctx, batch))
			batch = batch[:0]
		}
	}
	var last []byte
	n := 0
	for {
		found, err := store.Scan(ctx, last, nil, 7777, 0)
		require.NoError(t, err)
		if len(found) == 0 {
			break
		}
		for _, row := range found {
			require.Equal(t, fmt.Sprintf("k%06d", n), string(row.Key))
			n++
		}
		last = rows.Next(found[len(found)-1].Key)
	}
	require.Equal(t, 100_000, n)
}

func BenchmarkCommitOneOf100k(b *testing.B) {
	ctx := context.Background()
	store := memory.New()
	batch := []rows.Write{}
	for i := range 100_000 {
		batch = append(batch, write(fmt.Sprintf("k%06d", i*2))...)
		if len(batch) == 5000 {
			require.NoError(b, store.Commit(ctx, batch))
			batch = batch[:0]
		}
	}
	random := rand.New(rand.NewPCG(1, 1))
	for b.Loop() {
		require.NoError(b, store.Commit(ctx, write(fmt.Sprintf("k%06d", random.IntN(200_000)))))
	}
}

func TestRewindGoesBackInTime(t *testing.T) {
	ctx := context.Background()
	disk := memory.NewDisk()
	store, err := disk.Open()
	require.NoError(t, err)
	for n := range 20 {
		require.NoError(t, store.Commit(ctx, write(string(rune('a'+n)))))
	}
	require.False(t, disk.Rewind(1), "not under an open store")
	require.NoError(t, store.Close())
	require.False(t, disk.Rewind(17))
	require.True(t, disk.Rewind(3))
	require.Equal(t, "abcdefghijklmnopq", keys(t, disk))
	require.True(t, disk.Rewind(13))
	require.Equal(t, "abcd", keys(t, disk))
	disk.ForgetHistory()
	require.False(t, disk.Rewind(1))
}

func TestKillKeepsWhatWasWritten(t *testing.T) {
	ctx := context.Background()
	disk := memory.NewDisk()
	store, err := disk.Open()
	require.NoError(t, err)
	require.NoError(t, store.Commit(ctx, write("a")))
	disk.FailNext(memory.AfterWrite)
	require.ErrorIs(t, store.Commit(ctx, write("b")), rows.ErrFailed)
	require.False(t, disk.Durable())
	disk.Kill()
	next, err := disk.Open()
	require.NoError(t, err)
	require.NoError(t, next.Commit(ctx, write("c")))
	require.True(t, disk.Durable(), "a sync takes along what was written before")
	disk.Crash()
	require.Equal(t, "abc", keys(t, disk))
}

func TestFullReadOnlyAndCorrupt(t *testing.T) {
	ctx := context.Background()
	disk := memory.NewDisk()
	require.NoError(t, disk.WriteFile("old", []byte("1")))
	store, err := disk.Open()
	require.NoError(t, err)
	disk.Fill(true)
	require.ErrorIs(t, store.Commit(ctx, write("a")), rows.ErrFull)
	require.NoError(t, disk.WriteFile("old", []byte("2")), "no new block is needed")
	require.ErrorIs(t, disk.WriteFile("new", []byte("1")), rows.ErrFull)
	disk.Fill(false)
	require.NoError(t, store.Commit(ctx, write("a")))
	disk.Protect(true)
	require.ErrorIs(t, store.Commit(ctx, write("b")), rows.ErrFailed)
	require.ErrorIs(t, disk.WriteFile("old", []byte("3")), rows.ErrFailed)
	disk.Kill()
	_, err = disk.Open()
	require.ErrorIs(t, err, rows.ErrFailed)
	disk.Protect(false)
	disk.Corrupt(true)
	_, err = disk.Open()
	require.ErrorIs(t, err, rows.ErrCorrupt)
	other := memory.NewDisk()
	fresh, err := other.Open()
	require.NoError(t, err)
	require.NoError(t, fresh.Commit(ctx, write("z")))
	disk.Replace(other)
	require.Equal(t, "z", keys(t, disk))
	content, found := disk.ReadFile("old")
	require.True(t, found)
	require.Equal(t, "2", string(content))
}

func TestFiles(t *testing.T) {
	disk := memory.NewDisk()
	read := func(d *memory.Disk) string {
		content, found := d.ReadFile("f")
		require.Equal(t, found, content != nil)
		return string(content)
	}
	require.Equal(t, "", read(disk))
	require.NoError(t, disk.RemoveFile("f"))
	require.NoError(t, disk.WriteFile("f", []byte("one")))
	copied := disk.Clone()
	for _, test := range []struct {
		fault   memory.Fault
		want    error
		seen    string
		crashed string
	}{
		{memory.Full, rows.ErrFull, "one", "one"},
		{memory.BeforeWrite, rows.ErrFailed, "one", "one"},
		{memory.AfterWrite, rows.ErrFailed, "two", "one"},
		{memory.AfterSync, rows.ErrFailed, "two", "two"},
	} {
		d := disk.Clone()
		d.FailNextFile(test.fault)
		require.ErrorIs(t, d.WriteFile("f", []byte("two")), test.want)
		require.Equal(t, test.seen, read(d))
		d.Crash()
		require.Equal(t, test.crashed, read(d), "%+v", test)
	}
	require.NoError(t, disk.RemoveFile("f"))
	require.Equal(t, "", read(disk))
	require.Equal(t, "one", read(copied))
}

func TestDamageAndRows(t *testing.T) {
	ctx := context.Background()
	disk := memory.NewDisk()
	store, err := disk.Open()
	require.NoError(t, err)
	require.NoError(t, store.Commit(ctx, append(write("a"), write("b")...)))
	disk.Damage([]rows.Write{{Key: []byte("a"), Delete: true}})
	got, err := store.Load(ctx, [][]byte{[]byte("a"), []byte("b")})
	require.NoError(t, err)
	require.Nil(t, got[0])
	var seen string
	disk.Rows(func(r rows.Row) bool {
		seen += string(r.Key)
		return true
	})
	require.Equal(t, "b", seen)
	disk.Crash()
	require.Equal(t, "b", keys(t, disk))
}
