package health

import (
	"net"
	"net/netip"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/node/disk"
)

// Facts are what a till knows. A zero time means "never" or "not known".
type Facts struct {
	At      time.Time
	Till    crdt.TillID // this till
	Name    string
	Program string
	Started time.Time // of this run; nothing is missed that had no time to come

	Interfaces []Interface
	Adapter    string // the only one to use (--iface); empty: all
	Router     Router
	Listens    []Listen
	Port       uint16 // where the other tills dial this one
	Multicast  Multicast
	Gossip     Gossip
	Tills      []Till // the other active tills of the shop
	OtherShops int    // on the same LAN
	Flood      []Rate // of the last minute, see [Meter]
	FloodFrom  []netip.Addr
	Clock      *clock.Report // nil: not known
	Disk       *disk.Report  // nil: not known
	Signer     *Signer       // nil: it works, or there is none
}

// Signer is a signing device that does not work.
type Signer struct {
	Since  time.Time
	Reason string
}

// Interface is a network adapter.
type Interface struct {
	Name      string
	Up        bool // switched on
	Linked    bool // has a cable or a Wi-Fi link
	Loopback  bool
	Multicast bool
	Addrs     []netip.Prefix
}

// Interfaces turns what discovery lists into facts.
func Interfaces(list []discovery.Interface) []Interface {
	out := make([]Interface, 0, len(list))
	for _, i := range list {
		out = append(out, Interface{
			Name: i.Name, Up: i.Flags&net.FlagUp != 0, Linked: i.Flags&net.FlagRunning != 0, Loopback: i.Flags&net.FlagLoopback != 0,
			Multicast: i.Flags&net.FlagMulticast != 0, Addrs: i.Prefixes,
		})
	}
	return out
}

// Router is the way out of the network, as far as the system says. It is tried only if no other till is reached.
type Router struct {
	Known   bool       // whether there is one is known
	Addr    netip.Addr // of the default route; zero: there is none
	Tried   bool       // it is known whether it answers
	Answers bool
}

// Listen is a port this till wants.
type Listen struct {
	What  string // "links", "gossip", "http"
	Port  uint16
	InUse bool   // another program has it
	Error string // why it is not open otherwise; empty: it is open
}

// Multicast is what came of finding tills by multicast. Echo and Heard are of the latest packets.
type Multicast struct {
	Off      bool      // switched off by the user
	Since    time.Time // listening and announcing since; zero: it does neither, Problem says why
	Problem  string
	EchoKept bool      // Echo is known
	Echo     time.Time // of an own packet, which every system hears itself
	Heard    time.Time // of any other machine of the shop
}

// Gossip is how the membership is doing.
type Gossip struct {
	Up           bool
	Since        time.Time // it is so
	Problem      string
	InUse        bool // the reason is that another program has the port
	Port         uint16
	Unreadable   uint64        // packets of the last minutes that the keys of this till do not open
	UnreadableOf netip.Addr    // from where, if known
	Conflicts    uint64        // claims of two addresses to ConflictTill
	ConflictFor  time.Duration // from the first to the last of them
	ConflictTill crdt.TillID
	ConflictAt   []netip.AddrPort // the two
}

// Till is another till of the shop.
type Till struct {
	ID      crdt.TillID
	Name    string
	Prefix  string // of its numbers, such as K2
	Linked  bool
	Since   time.Time // linked, or missing, since
	Program string    // of the link, or the last one known
	Alive   bool      // by gossip
	Heard   time.Time // by multicast
	Seen    time.Time // by anything
	Addrs   []netip.AddrPort
	Tries   []Try     // the latest for each address
	Told    time.Time // since when it says that this till was removed from the shop; zero: it does not
	Via     string    // name of a linked till that has a link to it
	Answer  *Answer   // what it said when asked to dial back; nil: it was not asked or did not answer
}

// Result is how an attempt to reach a till at an address ended. The numbers travel: append only.
type Result uint8

// The results.
const (
	Reached      Result = 1  // connected; for a whole link: it stands
	Refused      Result = 2  // the machine answers, nothing listens on the port
	TimedOut     Result = 3  // no answer at all
	NoWay        Result = 4  // this machine has no way there
	OtherMachine Result = 5  // another till, or a till of another shop, answered
	NotKnown     Result = 6  // it does not take this till for one of the shop, or the other way round
	NoVersion    Result = 7  // it speaks no version in common
	BadHandshake Result = 8  // connected, and then the encryption could not be set up
	ForeignShop  Result = 9  // a till of another shop answered
	NoTill       Result = 10 // something that is no till answered
	SaysRemoved  Result = 11 // it says that this till was removed from the shop
)

// Try is an attempt to reach an address.
type Try struct {
	Addr   netip.AddrPort
	Result Result
	At     time.Time
}

// Tries turns the results of discovery's probe into facts.
func Tries(at time.Time, list []discovery.ProbeResult) []Try {
	results := map[discovery.Reach]Result{
		discovery.Reachable: Reached, discovery.Refused: Refused, discovery.TimedOut: TimedOut, discovery.Unreachable: NoWay,
	}
	out := make([]Try, 0, len(list))
	for _, p := range list {
		out = append(out, Try{Addr: p.Addr, Result: results[p.Reach], At: at})
	}
	return out
}

// Rate is a counter of what was refused, for a minute.
type Rate struct {
	What  string // "noise", "handshakes", "unknown-keys", "other-shops", "busy", "multicast", "gossip"
	Count uint64
}
