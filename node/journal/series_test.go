package journal_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type anyone struct{}

func (anyone) MayPush(crdt.TillID, *crdt.Commit) bool { return true }

// start runs an engine on a disk and returns the writer of series K1 on it.
func start(t *testing.T, disk *memory.Disk) (*journal.Series, *store.Store) {
	t.Helper()
	engineRows, err := disk.Open()
	require.NoError(t, err)
	st, err := store.Open(t.Context(), engineRows)
	require.NoError(t, err)
	core := replication.NewCore(replication.Config{Shop: crdt.ShopID{1}, Till: crdt.TillID{1}, Replica: crdt.ReplicaID{1}, Boot: 1,
		Roster: anyone{}, Heads: st.Heads(), Contexts: st.Contexts(), Digests: st.Digests()})
	e := engine.New(engine.Config{Core: core, Store: st, Log: slog.New(slog.DiscardHandler),
		Unknown: func(err error) bool { return errors.Is(err, rows.ErrFailed) }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return journal.New("K1", journal.Head{Hash: crdt.Hash{0xff}}, e.Submit), st
}

// build makes a document that says its number and the hash before it.
func build(n uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error) {
	id := crdt.ObjectID{byte(n)}
	return replication.Local{Scope: crdt.Sales, Schema: 1, Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "receipt", Object: id, Raw: append([]byte{byte(n)}, previous[:]...)}}},
		crdt.Hash{byte(n)}, nil
}

func TestManyWritersGetEveryNumberOnceAndInOrder(t *testing.T) {
	s, st := start(t, memory.NewDisk())
	var mu sync.Mutex
	previous := make(map[uint64]crdt.Hash)
	var all sync.WaitGroup
	for range 40 {
		all.Go(func() {
			_, err := s.Issue(t.Context(), func(n uint64, before crdt.Hash) (replication.Local, crdt.Hash, error) {
				mu.Lock()
				previous[n] = before
				mu.Unlock()
				return build(n, before)
			})
			require.NoError(t, err)
		})
	}
	all.Wait()
	require.Len(t, previous, 40)
	for n := uint64(2); n <= 40; n++ {
		require.Equal(t, crdt.Hash{byte(n - 1)}, previous[n], "number %d is built on the one before", n)
	}
	require.Equal(t, journal.Head{Number: 40, Hash: crdt.Hash{40}}, s.Head())
	got, err := st.Notes(t.Context(), store.SeriesNote+"K1")
	require.NoError(t, err)
	n, hash, err := store.ReadSeries(got[0])
	require.NoError(t, err)
	require.Equal(t, uint64(40), n)
	require.Equal(t, crdt.Hash{40}, hash)
}

func TestADocumentThatIsNotBuiltUsesNoNumber(t *testing.T) {
	s, _ := start(t, memory.NewDisk())
	sorry := errors.New("not paid")
	_, err := s.Issue(t.Context(), func(uint64, crdt.Hash) (replication.Local, crdt.Hash, error) {
		return replication.Local{}, crdt.Hash{}, sorry
	})
	require.ErrorIs(t, err, sorry)
	_, err = s.Issue(t.Context(), build)
	require.NoError(t, err)
	require.Equal(t, uint64(1), s.Head().Number)
}

func TestWhatWasBuiltOnALostDocumentIsLostWithIt(t *testing.T) {
	disk := memory.NewDisk()
	s, st := start(t, disk)
	_, err := s.Issue(t.Context(), build)
	require.NoError(t, err)
	disk.FailNext(memory.Full)
	// Several at once: whichever are built on the one that fails must not be saved either.
	var all sync.WaitGroup
	var mu sync.Mutex
	saved := make(map[uint64]bool)
	for range 16 {
		all.Go(func() {
			var mine uint64
			_, err := s.Issue(t.Context(), func(n uint64, before crdt.Hash) (replication.Local, crdt.Hash, error) {
				mine = n
				return build(n, before)
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				require.False(t, saved[mine], "number %d was given twice", mine)
				saved[mine] = true
			} else {
				require.ErrorIs(t, err, rows.ErrFull)
			}
		})
	}
	all.Wait()
	for n := uint64(2); n <= s.Head().Number; n++ {
		require.True(t, saved[n], "number %d is missing although %d was given", n, s.Head().Number)
		obj, err := st.Object(t.Context(), crdt.Key{Scope: crdt.Sales, Type: "receipt", Object: crdt.ObjectID{byte(n)}})
		require.NoError(t, err)
		require.Len(t, obj.Items, 1)
		require.False(t, obj.Alarm())
	}
	before := s.Head().Number
	_, err = s.Issue(t.Context(), build)
	require.NoError(t, err, "there is room again")
	require.Equal(t, before+1, s.Head().Number)
}

// slow is a disk of which the test decides what becomes of each change, one after another.
type slow struct {
	locals    []replication.Local
	ends      []chan error
	submitted chan struct{}
}

func (d *slow) submit(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	end := make(chan error, 1)
	d.locals, d.ends = append(d.locals, l), append(d.ends, end)
	d.submitted <- struct{}{}
	return func(context.Context) (*crdt.Commit, error) {
		if err := <-end; err != nil {
			return nil, err
		}
		return new(crdt.Commit), nil
	}, nil
}

func TestALateFailureOfAnOldChainDoesNotTouchTheNewOne(t *testing.T) {
	d := &slow{submitted: make(chan struct{})}
	s := journal.New("K1", journal.Head{}, d.submit)
	issue := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, err := s.Issue(t.Context(), build)
			done <- err
		}()
		<-d.submitted
		return done
	}
	full := errors.New("full")
	first, second := issue(), issue()
	d.ends[0] <- full
	require.ErrorIs(t, <-first, full)
	again, next := issue(), issue() // numbers 1 and 2 once more
	require.True(t, d.locals[2].Restart)
	require.False(t, d.locals[3].Restart)
	d.ends[1] <- full
	require.ErrorIs(t, <-second, full)
	third := issue()
	require.False(t, d.locals[4].Restart)
	for i, done := range []chan error{again, next, third} {
		d.ends[2+i] <- nil
		require.NoError(t, <-done)
	}
	require.Equal(t, uint64(3), s.Head().Number)
}
