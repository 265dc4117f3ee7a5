package mesh

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestRestartedTillsLinkAgainAtOnce restarts one of three tills again and again, at any moment: while links are made,
// when they were just made, while the others still try the one that is away.
func TestRestartedTillsLinkAgainAtOnce(t *testing.T) {
	const tills, restarts = 3, 60
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]*testTill, tills)
	start := func(i int, addr string) {
		all[i] = startTill(t, testIdentity(t, i+1), addr, nil)
		for j := range all {
			all[i].allow(testIdentity(t, j+1))
		}
	}
	aim := func(i int) {
		var others []Target
		for j := range all {
			if j != i {
				others = append(others, all[j].target())
			}
		}
		all[i].aim(others...)
	}
	for i := range all {
		// An address of its own: nothing else takes its port while it is away.
		start(i, fmt.Sprintf("127.66.%d.%d:0", 1+os.Getpid()%250, i+1))
	}
	for i := range all {
		aim(i)
	}
	together := func() bool {
		for i, a := range all {
			for _, b := range all[i+1:] {
				if !sameLink(a, b) {
					return false
				}
			}
		}
		return true
	}
	var longest time.Duration
	for range restarts {
		i := random.IntN(tills)
		all[i].stop()
		if random.IntN(2) == 0 {
			other := all[(i+1)%tills]
			soon(t, func() bool { return !other.linked(all[i].id.Till()) }, "another till noticed")
		}
		begin := time.Now()
		start(i, all[i].addr)
		aim(i)
		if random.IntN(4) > 0 {
			soon(t, together, "all are linked")
			longest = max(longest, time.Since(begin))
		}
	}
	soon(t, together, "all are linked")
	require.Less(t, longest, 3*time.Second, "without waiting for anybody's next try")
	t.Logf("linked after %v at most", longest.Round(time.Millisecond))
}

// sameLink reports whether both tills have a session over the same connection, and no other with each other.
func sameLink(a, b *testTill) bool {
	ends := func(x, y *testTill) (out [][2]string) {
		for _, l := range x.running() {
			if l.Peer() == y.id.Till() {
				out = append(out, [2]string{l.LocalAddr().String(), l.RemoteAddr().String()})
			}
		}
		return out
	}
	x, y := ends(a, b), ends(b, a)
	return len(x) == 1 && len(y) == 1 && x[0][0] == y[0][1] && x[0][1] == y[0][0]
}
