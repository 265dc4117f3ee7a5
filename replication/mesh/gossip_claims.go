package mesh

import (
	"net/netip"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// maxClaims bounds the tills whose claims are remembered. Who holds the shop key could make up tills.
	maxClaims = 64
	// claimPause is after what time without a claim the next one begins anew. While two machines claim one till there is
	// one about every minute, after a burst of some in the first second.
	claimPause = 5 * time.Minute
)

// Claim is a till that two addresses claim to be. It is the own one if another machine says it is this till.
type Claim struct {
	Till    crdt.TillID
	Known   netip.AddrPort // where it is for this till
	Claimed netip.AddrPort // the other address, the last one if there are several
	Count   uint64         // how often it was claimed
	Since   time.Time      // the first one; one after a pause of five minutes is a first one
	Last    time.Time
}

// conflict counts a claim. Claims of tills beyond the bound are in Conflicts only.
func (g *Gossip) conflict(till crdt.TillID, known, claimed netip.AddrPort) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c, old := g.mu.claims[till]
	if !old && len(g.mu.claims) >= maxClaims {
		return
	}
	if g.mu.claims == nil {
		g.mu.claims = make(map[crdt.TillID]Claim)
	}
	now := g.cfg.Now()
	if now.Sub(c.Last) >= claimPause {
		c = Claim{Since: now}
	}
	g.mu.claims[till] = Claim{Till: till, Known: known, Claimed: claimed, Count: c.Count + 1, Since: c.Since, Last: now}
}
