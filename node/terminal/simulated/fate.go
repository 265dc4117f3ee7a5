package simulated

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// fate is what is going to happen to a payment.
type fate struct {
	name    string
	think   time.Duration // until it is decided
	decline bool
	stuck   bool          // Cancel comes too late
	lost    bool          // the request never arrives
	mute    bool          // the answer is lost
	twice   bool          // the answer comes twice
	down    time.Duration // the terminal does not answer for so long from the request on
}

// fates with their weights of 100.
var fates = []struct {
	weight int
	make   func(r uint64) fate
}{
	{50, func(r uint64) fate { return fate{name: "quick", think: between(r, 100, 1500)} }},
	{12, func(r uint64) fate { return fate{name: "declined", think: between(r, 100, 2000), decline: true} }},
	{5, func(r uint64) fate { return fate{name: "slow", think: between(r, 5_000, 30_000)} }},
	{8, func(r uint64) fate {
		return fate{name: "late", think: between(r, 3_000, 60_000), stuck: true, mute: true}
	}},
	{8, func(r uint64) fate { return fate{name: "answer lost", think: between(r, 100, 1500), mute: true} }},
	{5, func(r uint64) fate { return fate{name: "answered twice", think: between(r, 100, 1500), twice: true} }},
	{6, func(r uint64) fate { return fate{name: "request lost", lost: true} }},
	{6, func(r uint64) fate {
		return fate{name: "dies", think: between(r, 100, 5000), down: between(r>>32, 2_000, 20_000), decline: r&1 == 1}
	}},
}

// fateOf draws what happens to a payment.
func fateOf(seed uint64, payment crdt.ObjectID) fate {
	if seed == 0 {
		return fate{name: "quick", think: 300 * time.Millisecond}
	}
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(payment[:], seed))
	n, r := int(binary.BigEndian.Uint64(sum[:])%100), binary.BigEndian.Uint64(sum[8:])
	for _, f := range fates {
		if n -= f.weight; n < 0 {
			return f.make(r)
		}
	}
	return fate{name: "quick"}
}

// between draws a time from r, in milliseconds.
func between(r uint64, low, high uint32) time.Duration {
	return time.Duration(low+uint32(r)%(high-low)) * time.Millisecond
}
