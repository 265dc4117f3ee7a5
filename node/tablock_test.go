package node

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// Time goes on in the simulator while somebody waits for a tab: who has it may wait for the disk.
func TestTimeGoesOnWhileATabIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l tabLocks
		tab := crdt.ObjectID{1}
		release := l.own(tab)
		var got atomic.Int32
		for range 2 {
			go func() {
				defer l.own(tab)()
				got.Add(1)
			}()
		}
		go func() {
			defer l.share(tab)()
			got.Add(1)
		}()
		<-time.After(time.Minute)
		require.Zero(t, got.Load())
		release()
		synctest.Wait()
		require.EqualValues(t, 3, got.Load())
		require.Empty(t, l.tabs)
	})
}

// Many add at once; who wants the tab alone waits for them, and nobody else gets in before.
func TestManyAddAndOneOwns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l tabLocks
		tab, other := crdt.ObjectID{1}, crdt.ObjectID{2}
		first, second := l.share(tab), l.share(tab)
		var order []string // each waits for the one before
		go func() {
			defer l.own(other, tab)()
			order = append(order, "own")
		}()
		synctest.Wait()
		go func() {
			defer l.share(tab)()
			order = append(order, "share")
		}()
		synctest.Wait()
		first()
		synctest.Wait()
		require.Empty(t, order)
		second()
		synctest.Wait()
		require.Equal(t, []string{"own", "share"}, order)
		require.Empty(t, l.tabs)
	})
}
