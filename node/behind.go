package node

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/health"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// answeredFor is for how long it counts what an address answered when a link to it was tried.
const answeredFor = time.Minute

// dialAndLook opens and closes a connection to each address, and says who is behind those that are open, as the links found
// out when they tried.
func (m *Machine) dialAndLook(ctx context.Context, addrs []netip.AddrPort) []health.Try {
	tries, now := m.dialForDoctor(ctx, addrs), m.env.Now()
	for i := range tries {
		last, ok := m.links.LastDial(tries[i].Addr.String())
		if ok && tries[i].Result == health.Reached && now.Sub(last.At) < answeredFor {
			tries[i].Result = behind(last)
		}
	}
	return tries
}

// behind says who is behind an open port.
func behind(last mesh.DialResult) health.Result {
	switch last.Answer {
	case mesh.AnswerOtherTill:
		return health.OtherMachine
	case mesh.AnswerOtherShop:
		return health.ForeignShop
	case mesh.AnswerKeyRefused:
		return health.NotKnown
	case mesh.AnswerUnknownKey:
		if last.Till.IsZero() {
			return health.BadHandshake // no key of a till at all: something between the two looks into connections
		}
		return health.NotKnown
	case mesh.AnswerRemoved:
		return health.SaysRemoved
	case mesh.AnswerOtherProtocol:
		return health.NoVersion
	case mesh.AnswerNoTill:
		return health.NoTill
	case mesh.AnswerBroken:
		return health.BadHandshake
	}
	return health.Reached
}

// heard notes that a till of the shop was heard by multicast. What this machine itself said does not count: its own echo, also
// one of a till that runs beside this one.
func (m *Machine) heard(c discovery.Candidate, now time.Time) {
	if heardElsewhere(c, m.id.Shop, m.id.Till, m.localPrefixes()) {
		m.doctor.hear(c.Till, now)
	}
}

func heardElsewhere(c discovery.Candidate, shop crdt.ShopID, self crdt.TillID, local []netip.Prefix) bool {
	own := func(a netip.AddrPort) bool {
		return slices.ContainsFunc(local, func(p netip.Prefix) bool { return p.Addr() == a.Addr().WithZone("") })
	}
	return c.Source == discovery.SourceMDNS && c.Shop == shop && c.Till != self && !allOf(c.Addrs, own)
}

func allOf(list []netip.AddrPort, f func(netip.AddrPort) bool) bool {
	return !slices.ContainsFunc(list, func(a netip.AddrPort) bool { return !f(a) })
}

// AlarmAddresses is the kind of the alarm that two machines claim to be one till.
const AlarmAddresses = "two-addresses"

// claimed returns the till that two addresses claim for the longest time, of those whose claims go on.
func claimed(list []mesh.Claim, now time.Time) (longest mesh.Claim) {
	for _, c := range list {
		if now.Sub(c.Last) < claimGoesOn && c.Last.Sub(c.Since) >= longest.Last.Sub(longest.Since) {
			longest = c
		}
	}
	return longest
}

// claimGoesOn is how long after the last claim it still counts: while two machines claim a till there is one about every minute.
const claimGoesOn = 3 * time.Minute

// raiseCopy raises the alarm about two machines that claim to be one till.
func (t *Till) raiseCopy(ctx context.Context, f health.Finding) {
	t.raise(ctx, AlarmAddresses, f.Title(health.English)+".", f.Do(health.English), "both speak with the key of the shop")
}
