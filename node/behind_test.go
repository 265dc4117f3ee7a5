package node

import (
	"context"
	"net/netip"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

func TestWhoIsBehindAnOpenPort(t *testing.T) {
	for want, last := range map[health.Result][]mesh.DialResult{
		health.Reached:      {{Answer: mesh.AnswerLinked}, {Answer: mesh.AnswerNone}},
		health.OtherMachine: {{Answer: mesh.AnswerOtherTill, Till: crdt.TillID{2}}},
		health.ForeignShop:  {{Answer: mesh.AnswerOtherShop}},
		health.NotKnown:     {{Answer: mesh.AnswerKeyRefused}, {Answer: mesh.AnswerUnknownKey, Till: crdt.TillID{2}}},
		health.NoVersion:    {{Answer: mesh.AnswerOtherProtocol}},
		health.NoTill:       {{Answer: mesh.AnswerNoTill}},
		health.BadHandshake: {{Answer: mesh.AnswerBroken}, {Answer: mesh.AnswerUnknownKey}},
		health.SaysRemoved:  {{Answer: mesh.AnswerRemoved, Till: crdt.TillID{2}}},
	} {
		for _, one := range last {
			require.Equal(t, want, behind(one), "%+v", one)
		}
	}
}

func TestTheOwnEchoIsNotHeard(t *testing.T) {
	shop, self := crdt.ShopID{1}, crdt.TillID{1}
	local := []netip.Prefix{netip.MustParsePrefix("192.168.1.11/24"), netip.MustParsePrefix("fe80::11/64")}
	other := func() discovery.Candidate {
		return discovery.Candidate{Till: crdt.TillID{2}, Shop: shop, Source: discovery.SourceMDNS,
			Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.168.1.12:8481")}}
	}
	require.True(t, heardElsewhere(other(), shop, self, local))
	for name, change := range map[string]func(*discovery.Candidate){
		"the echo of this till":      func(c *discovery.Candidate) { c.Till = self },
		"a till on the same machine": func(c *discovery.Candidate) { c.Addrs = []netip.AddrPort{netip.MustParseAddrPort("192.168.1.11:8491")} },
		"its link-local address": func(c *discovery.Candidate) {
			c.Addrs = []netip.AddrPort{netip.MustParseAddrPort("[fe80::11%eth0]:8491")}
		},
		"a till of another shop":        func(c *discovery.Candidate) { c.Shop = crdt.ShopID{2} },
		"an address that was given":     func(c *discovery.Candidate) { c.Source = discovery.SourceManual },
		"an address remembered of late": func(c *discovery.Candidate) { c.Source = discovery.SourceRemembered },
	} {
		c := other()
		change(&c)
		require.False(t, heardElsewhere(c, shop, self, local), name)
	}
}

// twice is a network in which two addresses claim one till.
type twice struct {
	Network
	claim atomic.Pointer[mesh.Claim]
}

func (n *twice) View() NetworkView {
	v := n.Network.View()
	v.Gossip.Claims = []mesh.Claim{*n.claim.Load()}
	return v
}

// A till that two machines claim to be is an alarm that names both addresses, once, and a finding as long as it goes on.
func TestTwoMachinesThatClaimOneTillAreAnAlarm(t *testing.T) {
	data, state := filepath.Join(t.TempDir(), "till"), t.TempDir()
	_, err := Found(t.Context(), FoundOptions{Data: data, StateDir: state, Shop: "Test", Name: "Kasse 1"})
	require.NoError(t, err)
	m, err := Open(t.Context(), Options{Data: data, StateDir: state, Listen: "127.0.0.1:0", NoMDNS: true})
	require.NoError(t, err)
	now := time.Now()
	claim := mesh.Claim{Till: m.id.Till, Known: netip.MustParseAddrPort("192.168.1.40:8482"), Claimed: netip.MustParseAddrPort("192.168.1.12:8482"),
		Count: 9, Since: now.Add(-time.Minute), Last: now}
	network := &twice{Network: m}
	network.claim.Store(&claim)
	m.Connect(m.engine, network)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	defer func() {
		cancel()
		require.NoError(t, <-ended)
	}()

	require.Equal(t, health.AllWell, m.Examine(ctx).Findings[0].Code, "a till that changed its address is no copy")
	require.Empty(t, m.Alarms())
	lasting := claim
	lasting.Since = now.Add(-3 * time.Minute)
	network.claim.Store(&lasting)
	for range 2 {
		found := m.Examine(ctx).Findings[0]
		require.Equal(t, health.Copy, found.Code)
		require.Equal(t, []string{"Kasse 1"}, found.Tills)
		alarms := m.Alarms()
		require.Len(t, alarms, 1)
		require.Equal(t, AlarmAddresses, alarms[0].Kind)
		require.Equal(t, "Two machines claim to be Kasse 1: 192.168.1.12:8482, 192.168.1.40:8482.", alarms[0].Text)
		require.NotEmpty(t, alarms[0].Next)
	}
	status, err := m.Status(ctx)
	require.NoError(t, err)
	require.Len(t, status.Alarms, 1)
	over := claim
	over.Since, over.Last = now.Add(-2*time.Hour), now.Add(-time.Hour)
	network.claim.Store(&over)
	require.Equal(t, health.AllWell, m.Examine(ctx).Findings[0].Code, "it ended")
	require.Len(t, m.Alarms(), 1)
}
