package clock

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// State is what a restart must know, see [Clock.State].
type State struct {
	Decided      bool  // an offset was decided once
	Contradicted bool  // a clock beyond [Tolerance] was seen once
	OffsetMS     int64 // the last one decided
	DecidedMS    int64 // business time when it was
	BusinessMS   int64 // business time when this was saved
}

// State returns what to save: after each change of [Clock.Trusted], when the offset moved by a second, and every few
// minutes.
func (c *Clock) State(now Reading) State {
	return State{
		Decided: c.decided, Contradicted: c.contradicted, OffsetMS: c.offset, DecidedMS: c.decidedMS, BusinessMS: c.BusinessMS(now),
	}
}

// The saved state and the answer to a probe, in msgpack. A later program may append elements; other changes need
// another version.
//
//	state   [1, decided bool, contradicted bool, offset int, decided at int, business time int]
//	answer  [1, wall clock int]       the question has an empty body
const version = 1

const maxOffset = latest

// Topic is the topic of Ask under which tills ask each other for the time.
const Topic = "clock"

// Encode returns the bytes of a state.
func (s State) Encode() []byte {
	b := codec.AppendArray(nil, 6)
	b = codec.AppendUint(b, version)
	b = codec.AppendBool(b, s.Decided)
	b = codec.AppendBool(b, s.Contradicted)
	b = codec.AppendInt(b, s.OffsetMS)
	b = codec.AppendInt(b, s.DecidedMS)
	return codec.AppendInt(b, s.BusinessMS)
}

// DecodeState reads what Encode wrote. The error wraps [codec.ErrMalformed]; a till goes on with the zero state then.
func DecodeState(b []byte) (State, error) {
	r, extra, err := open(b, 6)
	if err != nil {
		return State{}, fmt.Errorf("saved clock state: %w", err)
	}
	s := State{Decided: r.Bool(), Contradicted: r.Bool(), OffsetMS: r.Int(), DecidedMS: r.Int(), BusinessMS: r.Int()}
	r.Skip(extra)
	if s.OffsetMS < -maxOffset || s.OffsetMS > maxOffset || s.DecidedMS < 0 || s.DecidedMS > latest || s.BusinessMS < 0 || s.BusinessMS > latest {
		r.Fail("a time that cannot be")
	}
	if err := r.Done(); err != nil {
		return State{}, fmt.Errorf("saved clock state: %w", err)
	}
	return s, nil
}

// EncodeAnswer returns the answer to a probe: what the own wall clock, not the business time, says. Clocks that were
// corrected by each other would prove nothing.
func EncodeAnswer(wallMS int64) []byte {
	b := codec.AppendArray(nil, 2)
	b = codec.AppendUint(b, version)
	return codec.AppendInt(b, wallMS)
}

// DecodeAnswer reads the answer of another till. The error wraps [codec.ErrMalformed].
func DecodeAnswer(b []byte) (wallMS int64, err error) {
	r, extra, err := open(b, 2)
	if err != nil {
		return 0, fmt.Errorf("answer about the time: %w", err)
	}
	wallMS = r.Int()
	r.Skip(extra)
	if wallMS < 0 || wallMS > latest {
		r.Fail("a time that cannot be")
	}
	if err := r.Done(); err != nil {
		return 0, fmt.Errorf("answer about the time: %w", err)
	}
	return wallMS, nil
}

func open(b []byte, elements int) (r *codec.Reader, extra int, err error) {
	if err := codec.Check(b); err != nil {
		return nil, 0, err
	}
	r = codec.NewReader(b)
	extra = r.ArrayOf(elements)
	if v := r.Uint(); r.Err() == nil && v != version {
		r.Fail("version %d, this program knows %d", v, version)
	}
	return r, extra, r.Err()
}
