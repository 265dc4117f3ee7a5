//go:build bench

package scale

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/node/nodetest/flood"
)

// floodRows measure sales at three real tills, quiet and while a stranger floods every port that they open to the
// network. The stranger runs on the same cores and the same address, with a low priority.
func floodRows(t *testing.T, table *report) {
	during := sized(14*time.Second, 2*time.Second)
	shop := nodetest.Open(t, 3)
	tea := shop.Tills[0].PutArticle("Ostfriesentee", 310, shop.Tills[0].PutTax(1900))
	shop.Equal()
	sellFor(shop, tea, during/4) // what is done once was done
	quiet := sellFor(shop, tea, during)

	status, err := shop.Tills[0].API().Status(t.Context())
	require.NoError(t, err)
	attack := flood.Config{Shop: status.Shop.ID, For: during + 2*time.Second, Seed: 1}
	for _, till := range shop.Tills {
		at := till.Link()
		attack.Tills = append(attack.Tills, till.ID())
		attack.Links = append(attack.Links, at)
		attack.Gossip = append(attack.Gossip, netip.AddrPortFrom(at.Addr(), at.Port()+1))
	}
	variable, err := attack.Variable()
	require.NoError(t, err)
	stranger := exec.CommandContext(t.Context(), "nice", "-n", "19", os.Args[0])
	var out bytes.Buffer
	stranger.Env, stranger.Stdout, stranger.Stderr = append(os.Environ(), variable), &out, &out
	require.NoError(t, stranger.Start())
	sellFor(shop, tea, time.Second) // until the flood is there
	loud := sellFor(shop, tea, during-time.Second)
	require.NoError(t, stranger.Wait(), out.String())
	made, err := flood.ReadReport(out.String())
	require.NoError(t, err)
	attempts := uint64(0)
	for _, n := range made {
		attempts += n
	}
	shop.Equal()

	q50, q99, l50, l99 := figures.Percentile(quiet, 50), figures.Percentile(quiet, 99), figures.Percentile(loud, 50), figures.Percentile(loud, 99)
	table.add(fmt.Sprintf("a sale by HTTP at three tills (%d, one at a time), quiet: p50 / p99", len(quiet)), figures.Duration(q50)+" / "+figures.Duration(q99), "-")
	table.add(fmt.Sprintf("  the same under a flood of %d attacks in %v (%d sales)", attempts, attack.For, len(loud)),
		fmt.Sprintf("%s / %s, p99 %s", figures.Duration(l50), figures.Duration(l99), figures.Times(l99, q99)), "p99 at most 2x")
}

// sellFor sells at all tills in turn until the time is over, and returns how long each sale took.
func sellFor(shop *nodetest.Shop, article string, during time.Duration) (took []time.Duration) {
	end := time.Now().Add(during)
	for n := 0; time.Now().Before(end); n++ {
		began := time.Now()
		shop.Tills[n%len(shop.Tills)].Sell(article)
		took = append(took, time.Since(began))
	}
	return took
}
