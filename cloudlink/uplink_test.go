package cloudlink_test

import (
	"context"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/engine"
)

// imagined is a cloud and a LAN in one bubble of synctest.
type imagined struct {
	t       *testing.T
	mu      sync.Mutex
	state   lease.State
	down    bool
	tills   map[crdt.TillID]*imaginedTill
	granted []grant
}

type grant struct {
	till crdt.TillID
	at   time.Time
}

type imaginedTill struct {
	id     crdt.TillID
	uplink *cloudlink.Uplink
	stop   context.CancelFunc
	frozen bool
	cut    func() // ends the session
	online bool
}

func newImagined(t *testing.T, n int) *imagined {
	w := &imagined{t: t, tills: make(map[crdt.TillID]*imaginedTill)}
	var all []crdt.TillID
	for i := range n {
		k := &imaginedTill{id: crdt.TillID{byte(i + 1)}, online: true}
		w.tills[k.id] = k
		all = append(all, k.id)
		k.uplink = cloudlink.NewUplink(cloudlink.Config{
			Self: k.id, Log: slog.New(slog.DiscardHandler), Jitter: func(n time.Duration) time.Duration { return n / 2 },
			Dial:  func(ctx context.Context, to cloudlink.Coupling) (*cloudlink.Connection, error) { return w.dial(ctx, k) },
			Probe: func(context.Context, cloudlink.Coupling) error { return w.probe(k) },
			Serve: func(ctx context.Context, conn engine.Conn) error { return w.serve(ctx, k, conn) },
			Ask: func(ctx context.Context, to crdt.TillID, topic string, body []byte) ([]byte, error) {
				return w.ask(ctx, k, to, topic, body)
			},
			Progress: func() (cloudlink.Progress, bool) { return progress(3, 3), true },
		})
	}
	for _, k := range w.tills {
		k.uplink.Active(all)
		k.uplink.Links(all)
		k.uplink.Couple(&home, true)
	}
	return w
}

// run starts all tills; what it returns waits for their end.
func (w *imagined) run() (wait func()) {
	var running sync.WaitGroup
	for _, k := range w.tills {
		ctx, cancel := context.WithCancel(w.t.Context())
		k.stop = cancel
		running.Go(func() { assert.NoError(w.t, k.uplink.Run(ctx)) })
	}
	return func() {
		for _, k := range w.tills {
			k.stop()
		}
		running.Wait()
	}
}

func (w *imagined) probe(k *imaginedTill) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down || !k.online {
		return &cloudlink.Failure{Cause: cloudlink.ServerDown}
	}
	return nil
}

func (w *imagined) dial(ctx context.Context, k *imaginedTill) (*cloudlink.Connection, error) {
	select {
	case <-time.After(100 * time.Millisecond):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := w.probe(k); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	here, there := net.Pipe()
	k.cut = func() { _ = there.Close() } // a pipe's Close has no error
	return &cloudlink.Connection{Conn: engine.Conn{ReadWriteCloser: here, Peer: home.Cloud}, Welcome: greeting.Welcome{Session: w.state.Open()}}, nil
}

func (w *imagined) serve(ctx context.Context, k *imaginedTill, conn engine.Conn) error {
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })() // a pipe's Close has no error
	_, err := io.Copy(io.Discard, conn)
	w.mu.Lock()
	defer w.mu.Unlock()
	k.cut = nil
	return err
}

func (w *imagined) ask(ctx context.Context, from *imaginedTill, to crdt.TillID, topic string, body []byte) ([]byte, error) {
	w.mu.Lock()
	if to != home.Cloud {
		k := w.tills[to]
		silent := k == nil || k.frozen || from.frozen
		w.mu.Unlock()
		if silent {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		answer, ok := k.uplink.Heard(from.id, body)
		assert.True(w.t, ok)
		return answer, nil
	}
	defer w.mu.Unlock()
	assert.Equal(w.t, lease.Topic, topic)
	if from.cut == nil || from.frozen {
		return nil, engine.ErrNotLinked
	}
	q, err := lease.DecodeQuestion(body)
	if err != nil {
		return nil, err
	}
	a := w.state.Ask(from.id, q, time.Now().UnixMilli())
	if a.Granted && a.Reason != lease.Renewed {
		w.granted = append(w.granted, grant{from.id, time.Now()})
	}
	return a.Encode(), nil
}

func (w *imagined) grants() []grant {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.granted
}

func TestOneTillForwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newImagined(t, 3)
		defer w.run()()
		time.Sleep(10 * time.Minute)
		require.Len(t, w.grants(), 1, "once and for all")
		for id, k := range w.tills {
			st := k.uplink.Status()
			require.Equal(t, crdt.TillID{1}, st.Uplink)
			require.Equal(t, crdt.TillID{1}, st.Holder)
			require.Equal(t, id == st.Uplink, st.Connected)
			want := cloudlink.Waiting
			if st.Connected {
				want = cloudlink.UpToDate
			}
			require.Equal(t, want, st.State)
		}
	})
}

func TestCrashedTillIsFollowedWithinThreeSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newImagined(t, 3)
		defer w.run()()
		time.Sleep(time.Minute)
		first := w.tills[crdt.TillID{1}]
		first.stop()
		crashed := time.Now()
		w.mu.Lock()
		delete(w.tills, first.id)
		w.mu.Unlock()
		for _, k := range w.tills {
			k.uplink.Links([]crdt.TillID{{2}, {3}})
		}
		time.Sleep(10 * time.Second)
		require.Len(t, w.grants(), 2)
		took := w.grants()[1]
		require.Equal(t, crdt.TillID{2}, took.till)
		require.LessOrEqual(t, took.at.Sub(crashed), 3*time.Second, "the cloud did not see the end of the session")
		st := w.tills[took.till].uplink.Status()
		require.Equal(t, election.LinkClosed, st.Detector)
		require.Equal(t, first.id, st.Before)
	})
}

func TestFrozenTillIsFollowedWithinTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newImagined(t, 3)
		defer w.run()()
		time.Sleep(time.Minute)
		first := w.tills[crdt.TillID{1}]
		w.mu.Lock()
		first.frozen = true
		w.mu.Unlock()
		froze := time.Now()
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, len(w.grants()), 2)
		took := w.grants()[1]
		require.Equal(t, crdt.TillID{2}, took.till)
		require.LessOrEqual(t, took.at.Sub(froze), 10*time.Second)
		require.Equal(t, election.Silence, w.tills[took.till].uplink.Status().Detector)
		w.mu.Lock()
		first.frozen = false
		w.mu.Unlock()
		time.Sleep(time.Minute)
		for _, k := range w.tills {
			require.Equal(t, took.till, k.uplink.Status().Uplink, "it does not come back")
		}
		require.Len(t, w.grants(), 2)
	})
}

func TestInternetGoesAndComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newImagined(t, 3)
		defer w.run()()
		time.Sleep(time.Minute)
		first := w.tills[crdt.TillID{1}]
		w.mu.Lock()
		first.online = false
		first.cut()
		w.mu.Unlock()
		time.Sleep(10 * time.Second)
		require.Equal(t, crdt.TillID{2}, w.grants()[1].till, "another one has internet")
		require.Equal(t, election.Unreachable, w.tills[crdt.TillID{2}].uplink.Status().Detector)
		require.Equal(t, cloudlink.Waiting, first.uplink.Status().State)

		w.mu.Lock()
		w.down = true
		w.tills[crdt.TillID{2}].cut()
		w.mu.Unlock()
		time.Sleep(5 * time.Minute)
		stuck := 0
		for _, k := range w.tills {
			if k.uplink.Status().State == cloudlink.Stuck {
				require.Equal(t, cloudlink.ServerDown, k.uplink.Status().Cause)
				stuck++
			}
		}
		require.Equal(t, 1, stuck, "one of them keeps calling")
		w.mu.Lock()
		w.down, first.online = false, true
		w.mu.Unlock()
		time.Sleep(70 * time.Second)
		n := len(w.grants())
		require.Equal(t, 3, n)
		time.Sleep(10 * time.Minute)
		require.Len(t, w.grants(), n, "and stays")
	})
}

func TestBrokenClaimIsRefused(t *testing.T) {
	u := cloudlink.NewUplink(cloudlink.Config{Self: me, Jitter: func(time.Duration) time.Duration { return 0 }})
	_, ok := u.Heard(other, []byte("me"))
	require.False(t, ok)
}
