package mesh

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

const patience = 10 * time.Second // how long a test waits for something that takes milliseconds

var testShop = crdt.ShopID{1, 2, 3}

// testIdentity returns the n-th identity; they are the same in every run.
func testIdentity(t *testing.T, n int) *Identity {
	t.Helper()
	seed := sha256.Sum256(fmt.Appendf(nil, "till %d", n))
	id, err := NewIdentity(ed25519.NewKeyFromSeed(seed[:]))
	require.NoError(t, err)
	return id
}

// pairOfIdentities returns two identities, the one with the lower till ID first.
func pairOfIdentities(t *testing.T) (low, high *Identity) {
	t.Helper()
	low, high = testIdentity(t, 1), testIdentity(t, 2)
	if low.Till().Compare(high.Till()) > 0 {
		low, high = high, low
	}
	return low, high
}

// testTill is a till whose session echoes nothing and holds the link until it breaks.
type testTill struct {
	*Links
	id   *Identity
	addr string
	stop func()

	mu       sync.Mutex
	allowed  map[crdt.TillID]bool
	targets  []Target
	sessions []*Link // running
	served   int     // begun
}

func (n *testTill) allow(ids ...*Identity) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, id := range ids {
		n.allowed[id.Till()] = true
	}
}

func (n *testTill) forbid(id *Identity) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.allowed, id.Till())
}

func (n *testTill) aim(targets ...Target) {
	n.mu.Lock()
	n.targets = targets
	n.mu.Unlock()
	n.Wake()
}

func (n *testTill) running() []*Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.sessions)
}

func (n *testTill) begun() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.served
}

func (n *testTill) serve(_ context.Context, l *Link) error {
	n.mu.Lock()
	n.served++
	for _, other := range n.sessions {
		if other.Peer() == l.Peer() {
			n.mu.Unlock()
			return errors.New("two sessions with one till at once")
		}
	}
	n.sessions = append(n.sessions, l)
	n.mu.Unlock()
	_, err := l.Read(make([]byte, 1))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sessions = slices.DeleteFunc(n.sessions, func(o *Link) bool { return o == l })
	return err
}

// startTill runs the links of an identity on loopback until stop is called or the test ends. change may adjust the
// configuration.
func startTill(t *testing.T, id *Identity, addr string, change func(*LinksConfig)) *testTill {
	t.Helper()
	listener, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	n := &testTill{id: id, addr: listener.Addr().String(), allowed: map[crdt.TillID]bool{}}
	cfg := LinksConfig{
		Identity: id, Shop: testShop, Listener: listener, Serve: n.serve,
		Allowed: func(till crdt.TillID) bool {
			n.mu.Lock()
			defer n.mu.Unlock()
			return n.allowed[till]
		},
		Addresses: func() []Target {
			n.mu.Lock()
			defer n.mu.Unlock()
			return slices.Clone(n.targets)
		},
	}
	if change != nil {
		change(&cfg)
	}
	n.Links, err = NewLinks(cfg)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- n.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			require.NoError(t, err)
		case <-time.After(patience):
			require.Fail(t, "Run did not end")
		}
	})
	t.Cleanup(n.stop)
	return n
}

// target aims at a till where it listens.
func (n *testTill) target() Target { return Target{Till: n.id.Till(), Addrs: []string{n.addr}} }

// soon waits until ok holds.
func soon(t *testing.T, ok func() bool, what string) {
	t.Helper()
	require.Eventually(t, ok, patience, time.Millisecond, what)
}

// linked waits until both tills have one session with each other over the same connection.
func linked(t *testing.T, a, b *testTill) {
	t.Helper()
	soon(t, func() bool {
		x, y := a.running(), b.running()
		return len(x) == 1 && len(y) == 1 && x[0].Peer() == b.id.Till() && y[0].Peer() == a.id.Till() &&
			x[0].LocalAddr().String() == y[0].RemoteAddr().String()
	}, "both tills hold the same link")
}
