package mesh

import (
	"errors"
	"net"
	"sync/atomic"
)

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
	Removed         uint64 // the key is of a till that was retired or revoked
	OtherShop       uint64 // the caller meant another shop
	WrongProtocol   uint64 // TLS, but none of our protocols
	HandshakeFailed uint64 // TLS began and broke off
	TooSlow         uint64 // silent, or TLS did not end in time
	Noise           uint64 // not TLS at all, or closed without a byte
	Busy            uint64 // closed on arrival because too many handshakes were under way
	TooFast         uint64 // closed on arrival because the address came too often

	Paired      uint64 // pairing connections handed over
	PairRefused uint64 // pairing connections refused: nobody pairs here, too many at once, too fast
}

// linkCounters are the same numbers while they grow.
type linkCounters struct {
	accepted, dialled, replaced, notChosen, dialsFailed                atomic.Uint64
	unknownKey, otherShop, wrongProtocol, handshakeFailed, noise, busy atomic.Uint64
	removed, tooSlow, tooFast                                          atomic.Uint64
	paired, pairRefused                                                atomic.Uint64
}

func (c *linkCounters) read() LinkStats {
	return LinkStats{
		Accepted: c.accepted.Load(), Dialled: c.dialled.Load(), Replaced: c.replaced.Load(),
		NotChosen: c.notChosen.Load(), DialsFailed: c.dialsFailed.Load(),
		UnknownKey: c.unknownKey.Load(), Removed: c.removed.Load(), OtherShop: c.otherShop.Load(), WrongProtocol: c.wrongProtocol.Load(),
		HandshakeFailed: c.handshakeFailed.Load(), TooSlow: c.tooSlow.Load(), Noise: c.noise.Load(),
		Busy: c.busy.Load(), TooFast: c.tooFast.Load(),
		Paired: c.paired.Load(), PairRefused: c.pairRefused.Load(),
	}
}

// refusals are the reasons why a connection ends before it is a link, each with its counter. Of an error that is several
// of them the first counts.
func (c *linkCounters) refusals() []refusalKind {
	return []refusalKind{
		{errNotChosen, &c.notChosen}, {errRemoved, &c.removed}, {errUnknownKey, &c.unknownKey}, {errOtherShop, &c.otherShop},
		{errWrongProtocol, &c.wrongProtocol}, {errPairRefused, &c.pairRefused}, {errNoise, &c.noise},
		{errTooSlow, &c.tooSlow}, {errTooFast, &c.tooFast}, {errBusy, &c.busy},
	}
}

type refusalKind struct {
	reason  error
	counter *atomic.Uint64
}

// count adds a connection that became no link to the right counter.
func (s *Links) count(err error) {
	if errors.Is(err, errSelf) {
		return // our own address was among those to try
	}
	for _, r := range s.stats.refusals() {
		if errors.Is(err, r.reason) {
			r.counter.Add(1)
			return
		}
	}
	s.stats.handshakeFailed.Add(1)
}

// stranger remembers whose connection was refused.
func (s *Links) stranger(conn net.Conn, err error) {
	if errors.Is(err, errNotChosen) || errors.Is(err, errSelf) {
		return
	}
	reason := errHandshake
	for _, r := range s.stats.refusals() {
		if errors.Is(err, r.reason) {
			reason = r.reason
			break
		}
	}
	s.strangers.note(ipOf(conn.RemoteAddr()), reason, s.cfg.Now())
}

var errHandshake = errors.New("the handshake broke off")
