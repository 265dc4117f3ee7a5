package engine_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// anyone is a roster in which every till may push everything.
type anyone struct{}

func (anyone) MayPush(crdt.TillID, *crdt.Commit) bool { return true }

type till struct {
	id     crdt.TillID
	engine *engine.Engine
	store  *store.Store
	rows   *memory.Store
	ended  error // what Run returned; read after the till has stopped

	mu    sync.Mutex
	taken []replication.Taken
}

func (a *till) took() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.taken)
}

// start runs n tills of one shop; asked answers their questions.
func start(t *testing.T, n int, asked func(context.Context, crdt.TillID, string, []byte) ([]byte, bool)) []*till {
	t.Helper()
	return startWith(t, n, func(cfg *engine.Config) { cfg.Asked = asked })
}

// startWith is start with a change to each engine's configuration.
func startWith(t *testing.T, n int, change func(*engine.Config)) []*till {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	tills := make([]*till, n)
	for i := range tills {
		r := memory.New()
		st, err := store.Open(ctx, r)
		require.NoError(t, err)
		a := &till{id: crdt.TillID{byte(i + 1)}, store: st, rows: r}
		core := replication.NewCore(replication.Config{
			Shop: crdt.ShopID{1}, Till: a.id, Replica: crdt.ReplicaID{byte(i + 1)}, Boot: 1, Nonce: [16]byte{byte(i + 1)}, Roster: anyone{},
			AuditEvery: time.Hour,
		})
		cfg := engine.Config{
			Core: core, Store: st, Log: slog.New(slog.DiscardHandler),
			Applied: func(list []replication.Taken) {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.taken = append(a.taken, list...)
			},
		}
		change(&cfg)
		a.engine = engine.New(cfg)
		running.Go(func() {
			if a.ended = a.engine.Run(ctx); cfg.Doubt == nil {
				require.NoError(t, a.ended)
			}
		})
		tills[i] = a
	}
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return tills
}

// join links two tills and returns a function that cuts the link and waits until both sides noticed.
func join(t *testing.T, a, b *till) (cut func()) {
	t.Helper()
	left, right := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var both sync.WaitGroup
	compress := func() bool { return true }
	both.Go(func() { _ = a.engine.Serve(ctx, engine.Conn{ReadWriteCloser: left, Peer: b.id, Compress: compress}) })
	both.Go(func() { _ = b.engine.Serve(ctx, engine.Conn{ReadWriteCloser: right, Peer: a.id, Compress: compress}) })
	var once sync.Once
	cut = func() { once.Do(func() { cancel(); both.Wait() }) }
	t.Cleanup(cut)
	return cut
}

func write(t *testing.T, a *till, scope crdt.Scope, object byte, text string) *crdt.Commit {
	t.Helper()
	c, err := a.engine.Commit(t.Context(), replication.Local{Scope: scope, Schema: 1, WallMS: 1, Stamp: crdt.Stamp{Trusted: true, MS: 1},
		Pieces: []crdt.Piece{{Kind: crdt.KindRegister, Type: "article", Object: crdt.ObjectID{object}, Name: "names", Raw: []byte(text)}}})
	require.NoError(t, err)
	return c
}

func equal(tills ...*till) bool {
	for _, b := range tills[1:] {
		if b.engine.State().Hash != tills[0].engine.State().Hash {
			return false
		}
	}
	return true
}

func TestPushReachesEveryLinkedTill(t *testing.T) {
	tills := start(t, 3, nil)
	join(t, tills[0], tills[1])
	join(t, tills[0], tills[2])
	join(t, tills[1], tills[2])
	c := write(t, tills[0], crdt.Sales, 1, "a")
	require.Eventually(t, func() bool { return tills[1].took() == 1 && tills[2].took() == 1 }, 5*time.Second, time.Millisecond)
	require.True(t, equal(tills...))
	require.Eventually(t, func() bool { return len(tills[0].engine.Holders(crdt.Sales, c.Dot)) == 2 }, 5*time.Second, time.Millisecond,
		"the writer learns who holds its commit")
}

func TestTillsThatWereApartBecomeEqual(t *testing.T) {
	tills := start(t, 2, nil)
	for i := range byte(100) {
		write(t, tills[0], crdt.Catalog, i, fmt.Sprint("left ", i))
		write(t, tills[1], crdt.Catalog, i+50, fmt.Sprint("right ", i))
	}
	cut := join(t, tills[0], tills[1])
	require.Eventually(t, func() bool { return equal(tills...) }, 5*time.Second, time.Millisecond)
	cut()
	write(t, tills[0], crdt.Catalog, 7, "again")
	require.False(t, equal(tills...))
	join(t, tills[0], tills[1])
	require.Eventually(t, func() bool { return equal(tills...) }, 5*time.Second, time.Millisecond)
	obj, err := tills[1].store.Object(t.Context(), crdt.Key{Scope: crdt.Catalog, Type: "article", Object: crdt.ObjectID{60}})
	require.NoError(t, err)
	require.Len(t, obj.Get("names").Siblings, 2, "both tills wrote it without knowing of the other")
}

func TestManyWritersFoldIntoFewTransactions(t *testing.T) {
	tills := start(t, 2, nil)
	join(t, tills[0], tills[1])
	var all sync.WaitGroup
	for g := range byte(32) {
		all.Go(func() {
			for i := range 20 {
				write(t, tills[0], crdt.Sales, g, fmt.Sprint(i))
			}
		})
	}
	all.Wait()
	require.Eventually(t, func() bool { return equal(tills...) }, 5*time.Second, time.Millisecond)
	require.Equal(t, uint64(640), tills[0].engine.State().Stats.CommitsOwn)
}

func TestAskIsAnsweredOverTheLink(t *testing.T) {
	tills := start(t, 2, func(_ context.Context, _ crdt.TillID, topic string, body []byte) ([]byte, bool) {
		return append([]byte(topic+" "), body...), topic == "claim"
	})
	_, err := tills[0].engine.Ask(t.Context(), tills[1].id, "claim", nil)
	require.ErrorIs(t, err, engine.ErrNotLinked)
	cut := join(t, tills[0], tills[1])
	require.Eventually(t, func() bool {
		got, err := tills[0].engine.Ask(t.Context(), tills[1].id, "claim", []byte("tab 7"))
		return err == nil && string(got) == "claim tab 7"
	}, 5*time.Second, time.Millisecond)
	_, err = tills[0].engine.Ask(t.Context(), tills[1].id, "weather", nil)
	require.ErrorIs(t, err, engine.ErrRefused)
	cut()
	_, err = tills[0].engine.Ask(t.Context(), tills[1].id, "claim", nil)
	require.ErrorIs(t, err, engine.ErrNotLinked)
}

func TestAfterStoppingEveryCallReturns(t *testing.T) {
	st, err := store.Open(t.Context(), memory.New())
	require.NoError(t, err)
	core := replication.NewCore(replication.Config{Shop: crdt.ShopID{1}, Till: crdt.TillID{1}, Replica: crdt.ReplicaID{1}, Boot: 1, Roster: anyone{}})
	e := engine.New(engine.Config{Core: core, Store: st, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, e.Run(ctx))
	_, err = e.Commit(t.Context(), replication.Local{Scope: crdt.Sales})
	require.ErrorIs(t, err, engine.ErrStopped)
	left, right := net.Pipe()
	require.ErrorIs(t, e.Serve(t.Context(), engine.Conn{ReadWriteCloser: left, Peer: crdt.TillID{2}}), engine.ErrStopped)
	require.NoError(t, right.Close())
}
