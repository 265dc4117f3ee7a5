package cloudlink_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// anyone is a roster in which everybody may push everything.
type anyone struct{}

func (anyone) MayPush(crdt.TillID, *crdt.Commit) bool { return true }

// replica runs an engine over memory until the test ends.
func replica(t *testing.T, id crdt.TillID, asked func(context.Context, crdt.TillID, string, []byte) ([]byte, bool)) *engine.Engine {
	ctx, cancel := context.WithCancel(context.Background())
	st, err := store.Open(ctx, memory.New())
	require.NoError(t, err)
	e := engine.New(engine.Config{
		Core:  replication.NewCore(replication.Config{Shop: shopID, Till: id, Replica: crdt.ReplicaID(id[:16]), Boot: 1, Nonce: [16]byte(id[:16]), Roster: anyone{}, AuditEvery: time.Hour}),
		Store: st, Log: slog.New(slog.DiscardHandler), Asked: asked,
	})
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, e.Run(ctx)) })
	t.Cleanup(func() { cancel(); running.Wait() })
	return e
}

func write(t *testing.T, e *engine.Engine, object int, raw []byte) {
	_, err := e.Commit(t.Context(), replication.Local{Scope: crdt.Sales, Schema: 1, WallMS: 1, Stamp: crdt.Stamp{Trusted: true, MS: 1},
		Pieces: []crdt.Piece{{Kind: crdt.KindRegister, Type: "article", Object: crdt.ObjectID{byte(object), byte(object >> 8)}, Name: "names", Raw: raw}}})
	require.NoError(t, err)
}

// A whole way: two engines, an Uplink, WebSockets on loopback, a cloud that restarts.
func TestCommitsTravelOverTheUplink(t *testing.T) {
	var mu sync.Mutex
	var state lease.State
	cloud := replica(t, cloudID, func(_ context.Context, till crdt.TillID, topic string, body []byte) ([]byte, bool) {
		mu.Lock()
		defer mu.Unlock()
		q, err := lease.DecodeQuestion(body)
		assert.NoError(t, err)
		assert.Equal(t, lease.Topic, topic)
		return state.Ask(till, q, time.Now().UnixMilli()).Encode(), true
	})
	host := ""
	begin := func() (*accept.Handler, *httptest.Server) {
		h := accept.New(accept.Config{
			Key: cloudKey, Mine: func(h string) bool { return h == host }, Log: slog.New(slog.DiscardHandler),
			Admit: func(context.Context, accept.Caller) (accept.Admission, error) {
				mu.Lock()
				defer mu.Unlock()
				session := state.Open()
				return accept.Admission{Welcome: greeting.Welcome{Session: session, Term: state.Term, Holder: state.Holder}, Serve: cloud.Serve, Left: func() {
					mu.Lock()
					defer mu.Unlock()
					state.End(session, time.Now().UnixMilli())
				}}, nil
			},
		})
		server := httptest.NewServer(h)
		host = server.Listener.Addr().String()
		return h, server
	}
	h, server := begin()
	till := replica(t, tillID, nil)
	d := dialer(t, nil)
	changed := make(chan struct{}, 1)
	var samples []int64
	u := cloudlink.NewUplink(cloudlink.Config{
		Self: tillID, Dial: d.Dial, Probe: d.Probe, Serve: till.Serve, Ask: till.Ask, Log: slog.New(slog.DiscardHandler),
		Jitter:   func(time.Duration) time.Duration { return 0 },
		Progress: func() (cloudlink.Progress, bool) { return progress(0, 0), true },
		Clock: func(ms int64, round time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			samples = append(samples, ms)
			assert.Less(t, round, 5*time.Second)
		},
		Changed: func() {
			select {
			case changed <- struct{}{}:
			default:
			}
		},
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { assert.NoError(t, u.Run(ctx)) })
	defer running.Wait()
	defer cancel()
	u.Active([]crdt.TillID{tillID})
	for i := range 40 {
		write(t, till, i, append([]byte{0xc5, 0x40, 0}, make([]byte, 0x4000)...))
	}
	u.Couple(&cloudlink.Coupling{Cloud: cloudID, Base: server.URL}, false)
	equal := func() bool { return cloud.State().Hash == till.State().Hash }
	require.Eventually(t, equal, 10*time.Second, 5*time.Millisecond)
	write(t, cloud, 1000, []byte("\xa5cloud"))
	require.Eventually(t, equal, 10*time.Second, 5*time.Millisecond, "what is edited at the cloud comes down")
	require.Eventually(t, func() bool { st := u.Status(); return st.Term == 1 && st.State == cloudlink.UpToDate }, 5*time.Second, 5*time.Millisecond)
	select {
	case <-changed:
	default:
		t.Fatal("nobody was told")
	}

	h.Close()
	server.Close()
	write(t, till, 2000, []byte("\xa4till"))
	require.Eventually(t, func() bool { return u.Status().State == cloudlink.Stuck && u.Status().Cause == cloudlink.ServerDown }, 10*time.Second, 5*time.Millisecond)
	before := cloud.State().Stats
	h, server = begin()
	defer h.Close()
	u.Couple(&cloudlink.Coupling{Cloud: cloudID, Base: server.URL}, true)
	require.Eventually(t, equal, 10*time.Second, 5*time.Millisecond)
	require.Eventually(t, func() bool { return u.Status().Term == 2 }, 10*time.Second, 5*time.Millisecond)
	after := cloud.State().Stats
	require.Equal(t, before.CommitsForeign+1, after.CommitsForeign, "nothing is repeated that arrived")
	require.Zero(t, after.CommitsKnown)
	cancel()
	running.Wait()
	server.Close()
	mu.Lock()
	defer mu.Unlock()
	require.NotEmpty(t, samples)
}
