package mesh

import (
	"log"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/memberlist"
	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

// claimOf returns what a till knows of two addresses that claim one till.
func claimOf(g *gossiper, till crdt.TillID) (Claim, bool) {
	for _, c := range g.State().Claims {
		if c.Till == till {
			return c, true
		}
	}
	return Claim{}, false
}

func TestTwoMachinesThatClaimOneTillAreNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newTestNetwork()
		one := startGossip(t, network, 1, 2, nil)
		two := startGossip(t, network, 2, 2, nil)
		within(t, 20*time.Second, func() bool { return sees(one, two) }, "they meet")
		require.Empty(t, one.State().Claims)
		twin := startGossip(t, network, 3, 2, func(c *GossipConfig) { c.Till = gossipTill(2) })
		for name, g := range map[string]*gossiper{"a third till": one, "the second machine itself": twin} {
			within(t, 10*time.Minute, func() bool { c, _ := claimOf(g, gossipTill(2)); return c.Last.Sub(c.Since) > 4*time.Minute }, "it goes on")
			c, _ := claimOf(g, gossipTill(2))
			at := []netip.AddrPort{c.Known, c.Claimed}
			slices.SortFunc(at, netip.AddrPort.Compare)
			require.Equal(t, []netip.AddrPort{gossipAddr(2), gossipAddr(3)}, at, name)
			require.Equal(t, g.State().Conflicts, c.Count)
		}
		stopAll([]*gossiper{one, two, twin})
	})
}

func TestATillThatMovedIsNoCopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := newTestNetwork()
		one, two := startGossip(t, network, 1, 3, nil), startGossip(t, network, 2, 3, nil)
		three := startGossip(t, network, 3, 3, nil)
		within(t, 20*time.Second, func() bool { return sees(one, two, three) }, "they meet")
		three.crash = true // without goodbye; it comes back with another address while the others still believe the old one
		three.stop()
		again := startGossip(t, network, 3, 3, func(c *GossipConfig) {
			c.Bind, c.Advertise = gossipAddr(9), nil
			c.Transport = func(*log.Logger) (memberlist.Transport, error) { return network.attach(gossipAddr(9)), nil }
		})
		within(t, 5*time.Minute, func() bool { return sees(one, two, again) }, "it is found")
		_, claimed := claimOf(one, gossipTill(3))
		require.True(t, claimed, "it was seen to claim another address")
		time.Sleep(10 * time.Minute)
		for _, g := range []*gossiper{one, two, again} {
			c, _ := claimOf(g, gossipTill(3))
			require.Less(t, c.Last.Sub(c.Since), 2*time.Minute, "it passes")
		}
		stopAll([]*gossiper{one, two, again})
	})
}

func TestClaimsAreBounded(t *testing.T) {
	var g Gossip
	g.cfg.Now = time.Now
	for i := range 3 * maxClaims {
		g.conflict(crdt.TillID{byte(i), byte(i >> 8)}, gossipAddr(1), gossipAddr(2))
	}
	require.Len(t, g.mu.claims, maxClaims)
}
