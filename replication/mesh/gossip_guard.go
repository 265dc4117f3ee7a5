package mesh

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// What memberlist v0.7 puts on the network, as far as it must be read to prove that it comes from the shop: a label, and
// behind it AES-GCM under the shop's key. A packet's body is version, nonce and cipher text, with the label as additional
// data; a stream's body has a type and a length before them, which belong to the additional data, too.
const (
	gossipLabelMark  = 244
	gossipEncrypted  = 10 // type of a stream's only message
	gossipCipher     = 1  // version of the encryption
	gossipNonceSize  = 12
	gossipStreamHead = 1 + 4
)

const (
	// maxGossipPacket is more than any packet of ours: the library fills 1400 bytes at most.
	maxGossipPacket = 2 << 10
	// maxGossipStream is more than all members of a shop take, about 150 bytes each. The library would read 20 MiB from
	// anybody before it looks whether it can be decrypted.
	maxGossipStream = 128 << 10
	// gossipStreamsAtOnce and gossipStreamsPerSource bound the streams being read.
	gossipStreamsAtOnce    = 16
	gossipStreamsPerSource = 4
	// gossipNonces bounds the nonces remembered against replays, in two generations. It is more than a large shop says
	// in a minute.
	gossipNonces = 8 << 10
)

// Reasons why gossip is refused.
var (
	errGossipForeign  = errors.New("gossip of another shop or program")
	errGossipLarge    = errors.New("gossip that is too large")
	errGossipKey      = errors.New("gossip with a key this shop does not use")
	errGossipReplayed = errors.New("gossip that was said before")
	errGossipBroken   = errors.New("gossip that broke off")
)

// GossipRefusals counts what was not let through to the membership, by reason.
type GossipRefusals struct {
	Foreign  uint64 // of another shop, or no gossip at all
	TooLarge uint64
	WrongKey uint64 // said for this shop, with a key it does not use: a revoked till, one that missed a new key, a liar
	Replayed uint64 // a copy of what a till said before
	Broken   uint64 // connections that broke off or were too slow
	Busy     uint64 // connections closed because too many were open
	Overrun  uint64 // proper packets dropped because too many came at once
}

// gossipGuard stands between the network and memberlist, which trusts everybody with its memory. It lets through only
// what a till of the shop said. It outlives memberships.
type gossipGuard struct {
	label     []byte // with its header
	shop      []byte // the label alone
	gate      gate
	strangers *strangers
	ciphers   atomic.Pointer[[]cipher.AEAD]

	foreign, tooLarge, wrongKey, replayed, broken, busy, overrun atomic.Uint64

	mu struct {
		sync.Mutex
		young, old map[[gossipNonceSize]byte]struct{}
	}
}

func newGossipGuard(label string, s *strangers) *gossipGuard {
	g := &gossipGuard{
		label: append([]byte{gossipLabelMark, byte(len(label))}, label...), shop: []byte(label), strangers: s,
		gate: gate{most: gossipStreamsAtOnce, perSource: gossipStreamsPerSource},
	}
	g.mu.young = make(map[[gossipNonceSize]byte]struct{})
	return g
}

// setKeys takes the keys understood from now on.
func (g *gossipGuard) setKeys(keys [][]byte) error {
	var ciphers []cipher.AEAD
	for _, key := range keys {
		block, err := aes.NewCipher(key)
		if err != nil {
			return fmt.Errorf("gossip key: %w", err)
		}
		aead, err := cipher.NewGCM(block)
		if err != nil {
			return fmt.Errorf("gossip key: %w", err)
		}
		ciphers = append(ciphers, aead)
	}
	g.ciphers.Store(&ciphers)
	return nil
}

// packet says why a packet is refused, nil if it comes from a till of the shop. scratch is overwritten.
func (g *gossipGuard) packet(b, scratch []byte) error {
	switch {
	case len(b) > maxGossipPacket:
		return errGossipLarge
	case !bytes.HasPrefix(b, g.label):
		return errGossipForeign
	}
	return g.prove(b[len(g.label):], g.shop, scratch)
}

// prove checks that a body was made with a key of the shop, and not handed in before.
func (g *gossipGuard) prove(body, additional, scratch []byte) error {
	if len(body) < 1+gossipNonceSize || body[0] != gossipCipher {
		return errGossipKey
	}
	nonce, text := body[1:1+gossipNonceSize], body[1+gossipNonceSize:]
	for _, aead := range *g.ciphers.Load() {
		if _, err := aead.Open(scratch[:0], nonce, text, additional); err == nil {
			if !g.first([gossipNonceSize]byte(nonce)) {
				return errGossipReplayed
			}
			return nil
		}
	}
	return errGossipKey
}

// first reports whether a nonce comes for the first time, as far as is remembered. What is older than that is for
// memberlist to judge: it numbers what it says.
func (g *gossipGuard) first(nonce [gossipNonceSize]byte) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, known := g.mu.young[nonce]; known {
		return false
	}
	if _, known := g.mu.old[nonce]; known {
		return false
	}
	if len(g.mu.young) >= gossipNonces {
		g.mu.old, g.mu.young = g.mu.young, make(map[[gossipNonceSize]byte]struct{})
	}
	g.mu.young[nonce] = struct{}{}
	return true
}

// stream reads the one message of a stream and returns the connection with that message put back. The caller bounded
// the time.
func (g *gossipGuard) stream(conn net.Conn) (net.Conn, error) {
	head := make([]byte, len(g.label)+gossipStreamHead)
	if _, err := io.ReadFull(conn, head[:len(g.label)]); err != nil {
		return nil, fmt.Errorf("%w: %w", errGossipBroken, err)
	}
	if !bytes.HasPrefix(head, g.label) {
		return nil, errGossipForeign
	}
	kind := head[len(g.label):]
	if _, err := io.ReadFull(conn, kind); err != nil {
		return nil, fmt.Errorf("%w: %w", errGossipBroken, err)
	}
	if kind[0] != gossipEncrypted {
		return nil, errGossipKey
	}
	size := binary.BigEndian.Uint32(kind[1:])
	if size > maxGossipStream {
		return nil, errGossipLarge
	}
	body, err := io.ReadAll(io.LimitReader(conn, int64(size)))
	if err != nil || len(body) < int(size) {
		return nil, errors.Join(errGossipBroken, err)
	}
	if err := g.prove(body, append(bytes.Clone(kind), g.shop...), nil); err != nil {
		return nil, err
	}
	return &readConn{Conn: conn, rest: bytes.NewReader(append(head, body...))}, nil
}

// refuse counts what was refused, and from whom.
func (g *gossipGuard) refuse(from netip.Addr, err error) {
	for _, r := range []struct {
		reason  error
		counter *atomic.Uint64
	}{
		{errGossipForeign, &g.foreign}, {errGossipLarge, &g.tooLarge}, {errGossipKey, &g.wrongKey},
		{errGossipReplayed, &g.replayed}, {errBusy, &g.busy}, {errGossipBroken, &g.broken},
	} {
		if errors.Is(err, r.reason) {
			r.counter.Add(1)
			g.strangers.note(from, r.reason, time.Now())
			return
		}
	}
}

func (g *gossipGuard) refusals() GossipRefusals {
	return GossipRefusals{
		Foreign: g.foreign.Load(), TooLarge: g.tooLarge.Load(), WrongKey: g.wrongKey.Load(), Replayed: g.replayed.Load(),
		Broken: g.broken.Load(), Busy: g.busy.Load(), Overrun: g.overrun.Load(),
	}
}

// readConn is a connection of which only what was read before, or so many bytes, may be read.
type readConn struct {
	net.Conn
	rest io.Reader
}

func (c *readConn) Read(b []byte) (int, error) { return c.rest.Read(b) }
