package engine_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// TestAuditOverALink: rows that one till lost come back over the link, while both sell.
func TestAuditOverALink(t *testing.T) {
	var mu sync.Mutex
	var told []replication.Event
	tills := startWith(t, 2, func(cfg *engine.Config) {
		cfg.Event = func(e replication.Event) {
			mu.Lock()
			defer mu.Unlock()
			told = append(told, e)
		}
	})
	a, b := tills[0], tills[1]
	for i := range byte(200) {
		write(t, a, crdt.Catalog, i, fmt.Sprint("article ", i))
	}
	join(t, a, b)
	require.Eventually(t, func() bool { return equal(a, b) }, 5*time.Second, time.Millisecond)
	got, err := b.rows.Scan(t.Context(), []byte{'c'}, []byte{'p'}, 10_000, 0)
	require.NoError(t, err)
	var batch []rows.Write
	for i, row := range got {
		if i%7 == 0 && (row.Key[0] == 'c' || row.Key[0] == 'o') {
			batch = append(batch, rows.Write{Key: row.Key, Delete: true})
		}
	}
	require.NoError(t, b.rows.Commit(t.Context(), batch))
	stop := make(chan struct{})
	var selling sync.WaitGroup
	selling.Go(func() {
		for i := byte(0); ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
				write(t, a, crdt.Sales, i, "sold")
			}
		}
	})
	results, err := b.engine.Audit(t.Context())
	close(stop)
	selling.Wait()
	require.NoError(t, err)
	var repaired int
	for _, r := range results {
		if r.Till == a.id && r.Scope == crdt.Catalog {
			require.Equal(t, replication.AuditRepaired, r.Outcome, r.Cause)
			repaired = r.Differed
		}
	}
	require.Positive(t, repaired)
	require.Empty(t, b.engine.State().Damaged)
	require.Eventually(t, func() bool { return equal(a, b) }, 5*time.Second, time.Millisecond)
	recount, err := b.store.Recount(t.Context(), crdt.Catalog)
	require.NoError(t, err)
	require.Equal(t, b.store.Digests()[crdt.Catalog], recount)
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, told)
	require.Equal(t, replication.EventAudit, told[0].Kind)
}

// TestDoubtIsAnErrorOfItsOwn: the caller learns which doubt it is, at once and from Run, and every call is refused.
func TestDoubtIsAnErrorOfItsOwn(t *testing.T) {
	doubts := make(chan replication.DoubtError, 1)
	tills := startWith(t, 1, func(cfg *engine.Config) { cfg.Doubt = func(d replication.DoubtError) { doubts <- d } })
	a := tills[0]
	write(t, a, crdt.Sales, 1, "one")
	left, right := net.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	var serving sync.WaitGroup
	serving.Go(func() { _ = a.engine.Serve(ctx, engine.Conn{ReadWriteCloser: left, Peer: crdt.TillID{9}}) })
	defer serving.Wait()
	defer cancel()
	enc, err := wire.NewEncoder()
	require.NoError(t, err)
	known := crdt.Context{crdt.ReplicaID{1}: {{After: crdt.NewSeq(1, 0), To: crdt.NewSeq(1, 9)}}}
	var frames []byte
	for _, m := range []wire.Message{
		&wire.Hello{Oldest: 1, Newest: 1, Shop: crdt.ShopID{1}, Till: crdt.TillID{9}, Replica: crdt.ReplicaID{9}},
		&wire.Have{Scope: crdt.Sales, Entries: known},
	} {
		frames, err = enc.Append(frames, m, false)
		require.NoError(t, err)
	}
	go func() {
		buf := make([]byte, 4096)
		for {
			if _, err := right.Read(buf); err != nil {
				return
			}
		}
	}()
	_, err = right.Write(frames)
	require.NoError(t, err)
	d := <-doubts
	require.Equal(t, replication.DoubtUnknownOwn, d.Kind)
	require.Eventually(t, func() bool {
		_, err := a.engine.Commit(t.Context(), replication.Local{Scope: crdt.Sales})
		return errors.Is(err, engine.ErrStopped) && errors.Is(err, replication.ErrDoubt)
	}, 5*time.Second, time.Millisecond)
	var kind *replication.DoubtError
	_, err = a.engine.Submit(replication.Local{Scope: crdt.Sales})
	require.ErrorAs(t, err, &kind)
	require.Equal(t, d, *kind)
	require.Contains(t, a.engine.State().Doubt, "missing here")
}

// TestAWrongWallClockIsToldAndNothingElse: peers see it, timers do not follow it.
func TestAWrongWallClockIsToldAndNothingElse(t *testing.T) {
	var mu sync.Mutex
	wrong := time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)
	tills := startWith(t, 2, func(cfg *engine.Config) {
		cfg.Now = func() time.Time {
			mu.Lock()
			defer mu.Unlock()
			return wrong
		}
	})
	cut := join(t, tills[0], tills[1])
	told := func(want time.Time) func() bool {
		return func() bool {
			links := tills[1].engine.State().Links
			return len(links) == 1 && links[0].WallMS > want.UnixMilli()-1000 && links[0].WallMS < want.UnixMilli()+1000
		}
	}
	require.Eventually(t, told(wrong), 5*time.Second, time.Millisecond)
	cut()
	mu.Lock()
	wrong = wrong.AddDate(-20, 0, 0) // it jumps back
	mu.Unlock()
	join(t, tills[0], tills[1])
	require.Eventually(t, told(wrong), 5*time.Second, time.Millisecond)
	write(t, tills[0], crdt.Sales, 1, "a")
	require.Eventually(t, func() bool { return equal(tills...) && tills[1].took() == 1 }, 5*time.Second, time.Millisecond)
}

func TestPausedTillTakesSalesOnly(t *testing.T) {
	tills := start(t, 2, nil)
	join(t, tills[0], tills[1])
	require.Eventually(t, func() bool {
		links := tills[0].engine.State().Links
		return len(links) == 1 && links[0].Ready
	}, 5*time.Second, time.Millisecond)
	tills[1].engine.Pause(true)
	write(t, tills[0], crdt.Catalog, 1, "an article")
	sold := write(t, tills[0], crdt.Sales, 1, "sold")
	write(t, tills[1], crdt.Catalog, 2, "its own")
	require.Eventually(t, func() bool { return tills[1].store.Contexts()[crdt.Sales].Has(sold.Dot) }, 5*time.Second, time.Millisecond)
	require.Len(t, tills[1].store.Contexts()[crdt.Catalog], 1, "its own only")
	require.Positive(t, tills[1].engine.State().Stats.Paused)
	tills[1].engine.Pause(false)
	require.Eventually(t, func() bool { return equal(tills...) }, 5*time.Second, time.Millisecond)
}
