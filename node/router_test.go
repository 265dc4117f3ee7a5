package node

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/health"
)

func TestARouterIsTriedOnlyIfNobodyIsReached(t *testing.T) {
	at := func(a string, linked bool) health.Till {
		return health.Till{Linked: linked, Addrs: []netip.AddrPort{netip.MustParseAddrPort(a)}}
	}
	for name, one := range map[string]struct {
		tills []health.Till
		want  bool
	}{
		"no other till":                     {nil, false},
		"all missing":                       {[]health.Till{at("192.168.1.12:8481", false), at("192.168.1.13:8481", false)}, true},
		"one is linked":                     {[]health.Till{at("192.168.1.12:8481", false), at("192.168.1.13:8481", true)}, false},
		"a shop tried out on one machine":   {[]health.Till{at("127.0.0.2:8481", false)}, false},
		"a till whose address is not known": {[]health.Till{{}}, false},
	} {
		require.Equal(t, one.want, nobodyReached(health.Facts{Tills: one.tills}), name)
	}
}

func TestWhetherARouterAnswers(t *testing.T) {
	result := func(list ...discovery.Reach) (out []discovery.ProbeResult) {
		for _, r := range list {
			out = append(out, discovery.ProbeResult{Reach: r})
		}
		return out
	}
	yes, no := func() (bool, bool) { return true, true }, func() (bool, bool) { return false, true }
	unknown := func() (bool, bool) { return false, false }
	for name, one := range map[string]struct {
		results        []discovery.ProbeResult
		neighbour      func() (bool, bool)
		answers, known bool
	}{
		"it takes connections":                {result(discovery.TimedOut, discovery.Reachable), no, true, true},
		"it refuses them":                     {result(discovery.Refused, discovery.Refused), no, true, true},
		"the system knows that it is away":    {result(discovery.Unreachable, discovery.Unreachable), yes, false, true},
		"silent, and its adapter answers":     {result(discovery.TimedOut, discovery.TimedOut), yes, true, true},
		"silent, and its adapter, too":        {result(discovery.TimedOut, discovery.Unreachable), no, false, true},
		"silent, and the system does not say": {result(discovery.TimedOut, discovery.TimedOut), unknown, false, false},
	} {
		answers, known := routerAnswers(one.results, one.neighbour)
		require.Equal(t, one.answers, answers, name)
		require.Equal(t, one.known, known, name)
	}
}
