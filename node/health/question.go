package health

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Topic is the topic of Ask for the question of a doctor.
const Topic = "probe"

// maxAddrs bounds the addresses of one question.
const maxAddrs = 8

// version of questions and answers. A later program may append elements; other changes need another one.
const version = 1

// Question asks a till to dial the asker back. In msgpack:
//
//	[1, from bytes[32], to bytes[32], relay bool, addresses [bytes, ...]]
//
// An address is 4 or 16 bytes and the port, big endian; IPv6 link-local ones are not sent, their zone means nothing
// elsewhere.
type Question struct {
	From  crdt.TillID // who wants to be dialled
	To    crdt.TillID // who shall dial
	Relay bool        // the receiver is a third till: pass it on to To, with Relay false
	Addrs []netip.AddrPort
}

// Answer is what the asked till found. In msgpack:
//
//	[1, tries [[address, result uint], ...], linked bool, alive bool, heard int, program text]
type Answer struct {
	Tries   []Try         // at the addresses of the question; At is not sent
	Linked  bool          // it has a link to the asker
	Alive   bool          // it sees the asker by gossip
	Heard   time.Duration // since it heard the asker by multicast; negative: never
	Program string
}

// ErrQuestion is wrapped by errors about questions and answers that are not what they should be.
var ErrQuestion = errors.New("malformed probe")

const maxProgram = 64

// Encode returns the bytes of a question. Of more than 8 addresses the first ones are taken.
func (q Question) Encode() []byte {
	b := codec.AppendArray(nil, 5)
	b = codec.AppendUint(b, version)
	b = codec.AppendBytes(b, q.From[:])
	b = codec.AppendBytes(b, q.To[:])
	b = codec.AppendBool(b, q.Relay)
	addrs := sendable(q.Addrs)
	b = codec.AppendArray(b, len(addrs))
	for _, a := range addrs {
		b = appendAddr(b, a)
	}
	return b
}

func sendable(list []netip.AddrPort) []netip.AddrPort {
	var out []netip.AddrPort
	for _, a := range list {
		a = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
		if checkAddr(a) == nil && len(out) < maxAddrs {
			out = append(out, a)
		}
	}
	return out
}

// checkAddr refuses what no till listens on.
func checkAddr(a netip.AddrPort) error {
	ip := a.Addr()
	if !ip.IsValid() || a.Port() < 1024 || ip.Zone() != "" || ip.IsUnspecified() || ip.IsMulticast() || ip.Is6() && ip.IsLinkLocalUnicast() {
		return fmt.Errorf("%w: %s is no address of a till", ErrQuestion, a)
	}
	return nil
}

func appendAddr(b []byte, a netip.AddrPort) []byte {
	raw := a.Addr().AsSlice()
	return codec.AppendBytes(b, append(raw, byte(a.Port()>>8), byte(a.Port())))
}

func readAddr(r *codec.Reader) netip.AddrPort {
	raw := r.Bytes()
	if len(raw) != 6 && len(raw) != 18 {
		r.Fail("an address of %d bytes", len(raw))
		return netip.AddrPort{}
	}
	n := len(raw) - 2
	ip, _ := netip.AddrFromSlice(raw[:n])
	a := netip.AddrPortFrom(ip, uint16(raw[n])<<8|uint16(raw[n+1]))
	if err := checkAddr(a); err != nil || ip.Is4In6() {
		r.Fail("%s is no address to dial", a)
	}
	return a
}

// DecodeQuestion reads a question. The error wraps [ErrQuestion].
func DecodeQuestion(b []byte) (Question, error) {
	var q Question
	r, extra := open(b, 5)
	r.Fixed(q.From[:])
	r.Fixed(q.To[:])
	q.Relay = r.Bool()
	for range bounded(r) {
		q.Addrs = append(q.Addrs, readAddr(r))
	}
	r.Skip(extra)
	if err := r.Done(); err != nil {
		return Question{}, fmt.Errorf("%w: %w", ErrQuestion, err)
	}
	return q, nil
}

// Encode returns the bytes of an answer.
func (a Answer) Encode() []byte {
	b := codec.AppendArray(nil, 6)
	b = codec.AppendUint(b, version)
	tries := a.Tries[:min(len(a.Tries), maxAddrs)]
	b = codec.AppendArray(b, len(tries))
	for _, t := range tries {
		b = codec.AppendArray(b, 2)
		b = appendAddr(b, t.Addr)
		b = codec.AppendUint(b, uint64(t.Result))
	}
	b = codec.AppendBool(b, a.Linked)
	b = codec.AppendBool(b, a.Alive)
	b = codec.AppendInt(b, max(a.Heard, -1*time.Millisecond).Milliseconds())
	return codec.AppendString(b, clip(a.Program, maxProgram))
}

// DecodeAnswer reads an answer. Results that this program does not know become "no answer". The error wraps
// [ErrQuestion].
func DecodeAnswer(b []byte) (Answer, error) {
	var a Answer
	r, extra := open(b, 6)
	for range bounded(r) {
		more := r.ArrayOf(2)
		t := Try{Addr: readAddr(r)}
		if n := r.Uint(); n >= uint64(Reached) && n <= uint64(SaysRemoved) {
			t.Result = Result(n)
		} else {
			t.Result = TimedOut
		}
		r.Skip(more)
		a.Tries = append(a.Tries, t)
	}
	a.Linked, a.Alive = r.Bool(), r.Bool()
	const year = 366 * 24 * 3_600_000
	a.Heard = time.Duration(min(max(r.Int(), -1), year)) * time.Millisecond
	if program := r.StringBytes(); len(program) <= maxProgram {
		a.Program = clip(string(program), maxProgram)
	} else {
		r.Fail("a version of %d bytes", len(program))
	}
	r.Skip(extra)
	if err := r.Done(); err != nil {
		return Answer{}, fmt.Errorf("%w: %w", ErrQuestion, err)
	}
	return a, nil
}

func open(b []byte, elements int) (r *codec.Reader, extra int) {
	r = codec.NewReader(b)
	if err := codec.Check(b); err != nil {
		r.Fail("%v", err)
	}
	extra = r.ArrayOf(elements)
	if v := r.Uint(); r.Err() == nil && v != version {
		r.Fail("version %d, this program knows %d", v, version)
	}
	return r, extra
}

// bounded reads the head of a list of addresses.
func bounded(r *codec.Reader) int {
	n := r.Array()
	if n > maxAddrs {
		r.Fail("%d addresses, at most %d", n, maxAddrs)
		return 0
	}
	return n
}
