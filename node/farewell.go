package node

import (
	"context"
	"time"
)

// farewell is how long a link outlives the revocation of its till: as long as it takes until that till has heard of it on
// this way. What it pushes meanwhile is refused, and so is every new connection.
const farewell = 2 * time.Second

// RosterChanged ends links to tills that left and looks for those that joined.
func (m *Machine) RosterChanged() {
	m.uplink.RosterChanged()
	m.links.Wake()
	m.wakeKeys()
	wakeUp(m.rosterWake)
}

// Notify tells that links or the equality with other tills changed. It does not block.
func (m *Machine) Notify() {
	m.Till.Notify()
	m.wakeKeys()
}

// endLinks ends links to tills that were revoked, until ctx is done.
func (m *Machine) endLinks(ctx context.Context) {
	for m.env.wait(ctx, housekeeping, m.rosterWake) {
		for _, l := range m.links.All() {
			if m.roster.mayLink(l.Peer()) {
				continue
			}
			if !m.env.wait(ctx, farewell, nil) {
				return
			}
			break
		}
		m.links.Recheck()
	}
}
