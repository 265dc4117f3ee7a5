// Package discovery finds addresses under which other tills might be reached.
//
// Everything here is a suggestion. A candidate says "somebody claims that this till listens there"; whether it is true
// is decided by the link, which checks the device key against the roster. So a candidate may be forged, late or wrong,
// and the package only makes sure that it costs little: everything is bounded, nothing is dialled, nothing is believed.
//
// Candidates come from a [Finder] (multicast in package mdns, a configured list in [Static], an in-memory network in
// [Network]), from the peers that worked before ([Remembered]) and from gossip. A [Table] merges them all.
package discovery

import (
	"context"
	"net/netip"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Where a candidate comes from. Tables keep the sources apart so that a flood in one cannot push out another.
const (
	SourceManual     = "manual"     // configured by a person, such as --peer
	SourceRemembered = "remembered" // a link worked there before
	SourceGossip     = "gossip"     // told by a member of the shop
	SourceMDNS       = "mdns"       // multicast on the LAN: anybody can say anything
)

// Candidate is a suggestion where a till might listen.
type Candidate struct {
	Till   crdt.TillID      // who is said to listen there; zero if unknown
	Shop   crdt.ShopID      // the shop it claims to belong to; zero if unknown
	Addrs  []netip.AddrPort // where links are accepted; IPv6 link-local addresses carry a zone
	Source string           // one of the Source constants
	SeenAt time.Time        // when the suggestion was made
}

// Self is what a till tells others about itself. It never holds a name a person gave.
type Self struct {
	Till    crdt.TillID
	Shop    crdt.ShopID
	Port    uint16       // where links are accepted
	Version string       // of the program, for support; may be empty
	Addrs   []netip.Addr // if not empty: tell these addresses instead of those of the interfaces
}

// Finder makes a till findable and finds others. Implementations are safe for concurrent use.
type Finder interface {
	// Announce makes self findable until ctx is done and then returns nil. It waits for every goroutine it started.
	// A missing network is not an error, it is waited for; an error means that self can never be announced.
	Announce(ctx context.Context, self Self) error

	// Watch delivers candidates until ctx is done, again and again the same ones. The channel is buffered: what a slow
	// reader misses is dropped, and comes again with the next round. It is closed when all goroutines have ended.
	Watch(ctx context.Context) <-chan Candidate
}
