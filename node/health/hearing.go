package health

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// multicastFindings says why tills that are reachable are not heard.
func multicastFindings(f Facts, explained map[crdt.TillID]bool) []Finding {
	m := f.Multicast
	if m.Off {
		return nil
	}
	if m.Since.IsZero() {
		if m.Problem == "" {
			return nil // it has not begun yet
		}
		one := found(MulticastHere, time.Time{}, Values{})
		one.Details = []string{m.Problem}
		return []Finding{one}
	}
	if f.At.Sub(m.Since) < multicastGrace {
		return nil
	}
	if m.EchoKept && f.At.Sub(m.Echo) >= multicastGrace {
		return []Finding{found(MulticastHere, m.Echo, Values{})}
	}
	if f.At.Sub(m.Heard) < multicastGrace {
		return nil
	}
	deaf := found(NoMulticast, m.Heard, Values{})
	for _, t := range f.Tills {
		// Only who is reached, long enough and in the same network, should be heard.
		if t.Linked && !explained[t.ID] && f.anyNear(t) && f.At.Sub(t.Since) >= multicastGrace {
			deaf.Tills = append(deaf.Tills, t.Name)
		}
	}
	if len(deaf.Tills) == 0 {
		return nil
	}
	return []Finding{deaf}
}

// gossipFindings says why tills with a link are not alive by gossip.
func gossipFindings(f Facts, explained map[crdt.TillID]bool) []Finding {
	g := f.Gossip
	if !g.Up {
		if g.Problem == "" || f.At.Sub(g.Since) < gossipGrace || f.portReported(g.Port) {
			return nil
		}
		if g.InUse {
			return []Finding{found(PortInUse, g.Since, Values{Port: g.Port})}
		}
		one := found(GossipDown, g.Since, Values{Port: g.Port})
		one.Details = []string{g.Problem}
		return []Finding{one}
	}
	code := GossipBlocked
	if g.Unreadable > 0 {
		code = ShopKey
	}
	one := found(code, time.Time{}, Values{Port: g.Port})
	for _, t := range f.Tills {
		if t.Linked && !t.Alive && !explained[t.ID] && f.At.Sub(later(t.Since, g.Since)) >= gossipGrace {
			one.Tills = append(one.Tills, t.Name)
			one.Since = later(one.Since, t.Since)
		}
	}
	if len(one.Tills) == 0 {
		return nil // packets nobody can open, and nobody missing: somebody else's, see Flood
	}
	return []Finding{one}
}

// portReported: the same port for links and gossip failing is one cause.
func (f Facts) portReported(port uint16) bool {
	for _, l := range f.Listens {
		if l.Port == port && (l.InUse || l.Error != "") {
			return true
		}
	}
	return false
}
