package replicas

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
)

// TestGateIsFirstComeFirstServed: nobody overtakes, and who waits too long is told that the cloud is busy, not dropped.
func TestGateIsFirstComeFirstServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const callers, takes, wide = 11, time.Second, 2
		g := make(gate, wide)
		var through, sent []int
		var mu sync.Mutex
		note := func(list *[]int, i int) {
			mu.Lock()
			defer mu.Unlock()
			*list = append(*list, i)
		}
		for i := range callers {
			go func() {
				leave, err := g.enter(t.Context(), 4*takes-time.Millisecond)
				if refusal := greeting.RefusalOf(err); refusal != nil && refusal.Code == greeting.Busy {
					note(&sent, i)
					return
				}
				note(&through, i)
				time.Sleep(takes)
				leave()
			}()
			synctest.Wait() // it stands behind those before it
		}
		time.Sleep(callers * takes)
		synctest.Wait()
		slices.Sort(through[:2]) // those who begin in the same moment
		for i := 2; i+1 < len(through); i += 2 {
			slices.Sort(through[i : i+2])
		}
		require.Equal(t, []int{0, 1, 2, 3, 4, 5, 6, 7}, through)
		slices.Sort(sent)
		require.Equal(t, []int{8, 9, 10}, sent)
		require.Empty(t, g, "every place was given back")
	})
}

func TestGateEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := make(gate, 1)
		leave, err := g.enter(t.Context(), queueTime)
		require.NoError(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		_, err = g.enter(ctx, queueTime)
		require.ErrorIs(t, err, context.Canceled)
		require.Equal(t, time.Second, time.Since(began))
		leave()
		leave, err = g.enter(t.Context(), queueTime)
		require.NoError(t, err)
		leave()
	})
}
