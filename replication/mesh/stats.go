package mesh

import "sync/atomic"

// LinkStats are counters since the start of a [Links], and the links it has now. Refusals count connections of both
// directions.
type LinkStats struct {
	Links int // now

	Accepted    uint64 // links that the peer dialled
	Dialled     uint64 // links that this till dialled
	Replaced    uint64 // links closed because a newer one to the same till took over
	NotChosen   uint64 // connections closed because their till had a link already; normal when both sides dial
	DialsFailed uint64 // attempts to reach a till or an address that gave no link

	UnknownKey      uint64 // the key is not in the roster
	OtherShop       uint64 // the caller meant another shop
	WrongProtocol   uint64 // TLS, but none of our protocols
	HandshakeFailed uint64 // TLS began and broke off, or did not end in time
	Noise           uint64 // not TLS at all, or closed without a byte
	Busy            uint64 // closed on arrival because too many handshakes were under way

	Paired      uint64 // pairing connections handed over
	PairRefused uint64 // pairing connections refused: nobody pairs here, too many at once, too fast
}

// linkCounters are the same numbers while they grow.
type linkCounters struct {
	accepted, dialled, replaced, notChosen, dialsFailed                atomic.Uint64
	unknownKey, otherShop, wrongProtocol, handshakeFailed, noise, busy atomic.Uint64
	paired, pairRefused                                                atomic.Uint64
}

func (c *linkCounters) read() LinkStats {
	return LinkStats{
		Accepted: c.accepted.Load(), Dialled: c.dialled.Load(), Replaced: c.replaced.Load(),
		NotChosen: c.notChosen.Load(), DialsFailed: c.dialsFailed.Load(),
		UnknownKey: c.unknownKey.Load(), OtherShop: c.otherShop.Load(), WrongProtocol: c.wrongProtocol.Load(),
		HandshakeFailed: c.handshakeFailed.Load(), Noise: c.noise.Load(), Busy: c.busy.Load(),
		Paired: c.paired.Load(), PairRefused: c.pairRefused.Load(),
	}
}
