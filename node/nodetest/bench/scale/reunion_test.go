//go:build bench

package scale

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// reunionCost is what two tills send until they know that they are equal again.
type reunionCost struct {
	took    time.Duration
	sent    int64 // both ways
	commits int64 // the sum of the sizes of what differed
}

// reunionRows measure two tills that meet again when half of d commits are on one side and half on the other.
func reunionRows(t *testing.T, table *report) {
	articles := sized(100_000, 2000)
	s := openShop(t, 2, false)
	defer s.close()
	require.NoError(t, s.tills[0].stock(t.Context(), articles))
	require.True(t, await(time.Millisecond, s.equal), "the shop begins equal")

	p := plot{name: "reunion", title: fmt.Sprintf("Reunion of two tills that hold %d articles", articles), x: "changed articles",
		y: "bytes sent per byte of the commits that differ", logX: true, curves: []curve{{label: "as it is"}, {label: "compressed"}}}
	amount := int64(10_000)
	for _, d := range sized([]int{10, 100, 1000, 10_000}, []int{10, 100}) {
		var costs []reunionCost
		for i, compress := range []bool{false, true} {
			amount++
			c := s.reunion(t, d, amount, compress)
			costs = append(costs, c)
			p.add(i, float64(d), float64(c.sent)/float64(c.commits))
		}
		plain, packed := costs[0], costs[1]
		table.add(fmt.Sprintf("reunion: %d of %d articles changed, half on each side", d, articles),
			fmt.Sprintf("%s, %d B for %d B of commits: %s; compressed %d B: %s", figures.Duration(plain.took), plain.sent, plain.commits,
				figures.Times(plain.sent, plain.commits), packed.sent, figures.Times(packed.sent, packed.commits)), "bytes in proportion to what differs")
	}
	p.draw(t)
}

// reunion parts the tills, changes articles on both sides and lets them meet.
func (s *shop) reunion(t *testing.T, d int, amount int64, compress bool) (c reunionCost) {
	t.Helper()
	s.part()
	for i, l := range s.tills {
		n, err := l.reprice(t.Context(), i*d/2, d/2, amount)
		require.NoError(t, err)
		c.commits += n
	}
	s.compress = compress
	sent := s.sent.Load()
	began := time.Now()
	s.meet()
	require.True(t, await(100*time.Microsecond, s.equal), "two tills with %d changes become equal", d)
	c.took, c.sent = time.Since(began), s.sent.Load()-sent
	return c
}
