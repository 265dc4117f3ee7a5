package health

// Code names a cause. Codes are stable: tests, the API and the back-office match on them.
type Code string

// The causes.
const (
	AllWell Code = "all-well"

	DiskLow       Code = "disk-low"
	DiskNoNewTabs Code = "disk-no-new-tabs"
	DiskClosed    Code = "disk-closed"
	DiskFull      Code = "disk-full"
	DiskReadOnly  Code = "disk-read-only"
	DiskFailing   Code = "disk-failing"

	ClockAhead      Code = "clock-ahead"
	ClockBehind     Code = "clock-behind"
	ClockSplit      Code = "clock-split"
	ClockImpossible Code = "clock-impossible"
	ClockUnchecked  Code = "clock-unchecked"
	PeerAhead       Code = "peer-clock-ahead"
	PeerBehind      Code = "peer-clock-behind"

	NoCable       Code = "no-cable"       // no adapter has a cable or a Wi-Fi link
	NoAddress     Code = "no-address"     // linked, but the router gave no address
	WrongAdapter  Code = "wrong-adapter"  // --iface names one that is not there or not the one of the others
	PortInUse     Code = "port-in-use"    // another program has the port
	ListenFailed  Code = "listen-failed"  // a port could not be opened for another reason
	Alone         Code = "alone"          // no other till shows a sign of life
	NoRouter      Code = "no-router"      // not even the router answers
	OtherNetwork  Code = "other-network"  // the others are in another network
	Isolation     Code = "isolation"      // both alive, neither reaches the other
	FirewallHere  Code = "firewall-here"  // others cannot open connections to this till
	FirewallThere Code = "firewall-there" // this till cannot open connections to another one that is there
	NotRunning    Code = "not-running"    // the machine answers, the program does not
	OtherAnswers  Code = "other-answers"  // another machine has the address
	UnknownThere  Code = "unknown-there"  // the other till does not take this one for a till of the shop
	VersionApart  Code = "version-apart"  // the programs cannot speak to each other
	HandshakeBad  Code = "handshake-bad"  // connected, but something between breaks the encryption
	NotSeen       Code = "not-seen"       // no sign of life of one till
	Relayed       Code = "relayed"        // reached through a third till, cause not known
	NoMulticast   Code = "no-multicast"   // the network does not carry multicast
	MulticastHere Code = "multicast-here" // this machine does not send or hear multicast
	ShopKey       Code = "shop-key"       // gossip is encrypted with a key this till or the other lacks
	GossipDown    Code = "gossip-down"    // gossip could not begin
	GossipBlocked Code = "gossip-blocked" // links work, gossip does not get through
	Copy          Code = "copy"           // two machines use the key of one till
	Flood         Code = "flood"          // somebody floods the network
	OtherShop     Code = "other-shop"     // information
	OtherProgram  Code = "other-program"  // information: linked, but other versions

	NoRoute     Code = "no-route"         // no other till is reached, and this machine knows no router
	ShopThere   Code = "other-shop-there" // a till of another shop has the address
	NoTillThere Code = "no-till-there"    // something that is no till has the address
	SignerFails Code = "signing-device"   // the signing device does not work
	ToldRemoved Code = "told-removed"     // another till says that this one was removed from the shop
)

// Severity says how urgent a finding is.
type Severity uint8

// Severities, in the order of screens from the bottom.
const (
	Info  Severity = 1 // good to know
	Warn  Severity = 2 // somebody should do something
	Error Severity = 3 // data or sales are at risk, or tills are cut off
)

// String returns "info", "warn" or "error".
func (s Severity) String() string {
	return map[Severity]string{Info: "info", Warn: "warn", Error: "error"}[s]
}

// MarshalText returns the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

var severities = map[Code]Severity{
	AllWell: Info, DiskLow: Warn, DiskNoNewTabs: Error, DiskClosed: Error, DiskFull: Error, DiskReadOnly: Error, DiskFailing: Error,
	ClockAhead: Warn, ClockBehind: Warn, ClockSplit: Warn, ClockImpossible: Error, ClockUnchecked: Warn, PeerAhead: Warn, PeerBehind: Warn,
	NoCable: Error, NoAddress: Error, WrongAdapter: Error, PortInUse: Error, ListenFailed: Error, Alone: Error, NoRouter: Error,
	OtherNetwork: Error, Isolation: Error, FirewallHere: Warn, FirewallThere: Warn, NotRunning: Warn, OtherAnswers: Warn,
	UnknownThere: Error, VersionApart: Error, HandshakeBad: Warn, NotSeen: Warn, Relayed: Info, NoMulticast: Warn, MulticastHere: Warn,
	ShopKey: Warn, GossipDown: Warn, GossipBlocked: Warn, Copy: Error, Flood: Warn, OtherShop: Info, OtherProgram: Info,
	NoRoute: Error, ShopThere: Warn, NoTillThere: Warn, ToldRemoved: Error, SignerFails: Error,
}
