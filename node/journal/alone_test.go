package journal_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// slowDisk makes every change durable after a moment.
func slowDisk(took *atomic.Int64) journal.Submit {
	return func(replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
		return func(context.Context) (*crdt.Commit, error) {
			time.Sleep(5 * time.Millisecond) // the bubble's time
			took.Add(1)
			return new(crdt.Commit), nil
		}, nil
	}
}

func plain(number uint64, _ crdt.Hash) (replication.Local, crdt.Hash, error) {
	return replication.Local{}, crdt.Hash{byte(number)}, nil
}

// TestNothingFallsBetween: who is alone sees every document before it durable, its own follow each other, and all others
// come after.
func TestNothingFallsBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took atomic.Int64
		s := journal.New("K2", journal.Head{}, slowDisk(&took))
		var sellers sync.WaitGroup
		sell := func() {
			sellers.Go(func() {
				_, err := s.Issue(t.Context(), plain)
				require.NoError(t, err)
			})
		}
		for range 20 {
			sell()
		}
		time.Sleep(time.Millisecond)
		require.NoError(t, s.Alone(t.Context(), func(ctx context.Context) error {
			before := s.Head().Number
			require.EqualValues(t, took.Load(), before, "what was begun is durable")
			for range 10 {
				sell()
			}
			for i := range uint64(3) {
				_, err := s.Issue(ctx, plain)
				require.NoError(t, err)
				require.Equal(t, before+i+1, s.Head().Number)
			}
			return s.Alone(ctx, func(context.Context) error {
				require.Equal(t, before+3, s.Head().Number)
				return nil
			})
		}))
		sellers.Wait()
		require.EqualValues(t, 33, s.Head().Number)
	})
}

func TestWaitingToBeAloneEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var took atomic.Int64
		s := journal.New("K2", journal.Head{}, slowDisk(&took))
		hold := make(chan struct{})
		var others sync.WaitGroup
		others.Go(func() {
			require.NoError(t, s.Alone(t.Context(), func(context.Context) error { <-hold; return nil }))
		})
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, s.Alone(ctx, func(context.Context) error { return nil }), context.DeadlineExceeded)
		_, err := s.Issue(ctx, plain)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Zero(t, s.Head().Number)
		close(hold)
		others.Wait()
		broken := errors.New("broken")
		require.ErrorIs(t, s.Alone(t.Context(), func(context.Context) error { return broken }), broken)
		_, err = s.Issue(t.Context(), plain)
		require.NoError(t, err, "others go on after one that failed or gave up")
	})
}
