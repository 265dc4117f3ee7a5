package election

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Topic is under which tills tell each other their claims: an Ask of package wire whose body is a [Claim]; the answer is empty.
const Topic = "uplink"

// maxAge bounds the durations in a claim.
const maxAge = 366 * 24 * time.Hour

// Claim is what a till says of itself. Whose it is follows from the link that it comes by. Durations are whole milliseconds, counted by
// the sender when it speaks, since clocks differ.
type Claim struct {
	Reach Reach
	Since time.Duration // how long Reach has been so
	Seen  time.Duration // how long ago the cloud answered it last; negative: never
	Term  uint64        // of the lease it holds; 0: it holds none
	Left  time.Duration // how long that lease still holds unless it is renewed
}

// claimVersion is that of the bytes: [1, reach, ms since, ms seen or nil, term, ms left]. A newer program may append elements.
const claimVersion = 1

// Encode returns the bytes of the claim.
func (c Claim) Encode() []byte {
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 6), claimVersion), uint64(c.Reach))
	b = appendAge(b, c.Since)
	if c.Seen < 0 {
		b = codec.AppendNil(b)
	} else {
		b = appendAge(b, c.Seen)
	}
	return appendAge(codec.AppendUint(b, c.Term), c.Left)
}

func appendAge(b []byte, d time.Duration) []byte {
	return codec.AppendUint(b, uint64(min(max(d, 0), maxAge).Milliseconds()))
}

// DecodeClaim reads what another till claims. The error wraps [codec.ErrMalformed].
func DecodeClaim(b []byte) (Claim, error) {
	var c Claim
	if err := codec.Check(b); err != nil {
		return c, fmt.Errorf("read a claim: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(6)
	if v := r.Uint(); r.Err() == nil && v != claimVersion {
		r.Fail("version %d, this program knows %d", v, claimVersion)
	}
	reach := r.Uint()
	if reach > uint64(Cannot) {
		reach = uint64(Unknown) // a word of a newer program
	}
	c.Reach = Reach(reach)
	c.Since = age(r)
	if c.Seen = -1; !r.Nil() {
		c.Seen = age(r)
	}
	c.Term = r.Uint()
	c.Left = age(r)
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Claim{}, fmt.Errorf("read a claim: %w", err)
	}
	return c, nil
}

func age(r *codec.Reader) time.Duration {
	ms := r.Uint()
	if ms > uint64(maxAge.Milliseconds()) {
		r.Fail("%d ms are longer than a year", ms)
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}
