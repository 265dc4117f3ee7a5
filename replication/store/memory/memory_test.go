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
