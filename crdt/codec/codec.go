// Package codec reads and writes the msgpack of documents, commits and frames.
//
// It works on byte slices without reflection and without allocating, and it never trusts a declared length: [Check]
// walks foreign bytes once, and [Reader] refuses whatever it cannot read with [ErrMalformed]. It hands out the exact
// bytes of a value where those bytes are hashed or relayed (see [Reader.Raw]); nothing that was signed or hashed is
// ever encoded a second time.
package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// ErrMalformed is wrapped by every error about bytes that are not the msgpack they should be.
var ErrMalformed = errors.New("malformed data")

// Limits of design §8 for one foreign value.
const (
	MaxDepth    = 16      // nested arrays and maps
	MaxElements = 100_000 // values in all, containers included
)

// Check walks one msgpack value and reports whether it is complete, within [MaxDepth] and [MaxElements], declares no
// length beyond the bytes that are there, and is followed by nothing. Foreign bytes are decoded only after it.
func Check(b []byte) error { return CheckUpTo(b, MaxElements) }

// CheckUpTo is [Check] with another limit of values, for what is bounded in bytes and read without a copy for each value.
func CheckUpTo(b []byte, values int) error {
	r := Reader{b: b}
	left := values
	r.skip(MaxDepth, &left)
	if r.err == nil && r.i != len(b) {
		r.fail("%d bytes after the end of the value", len(b)-r.i)
	}
	return r.err
}

// Reader reads msgpack values from a byte slice. The first problem sticks: later reads return zero values and [Reader.Err]
// returns that first problem. The zero value reads nothing. It is not safe for concurrent use.
type Reader struct {
	b   []byte
	i   int
	err error
}

// NewReader returns a reader at the start of b. Slices it hands out share b.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// Err returns the first problem, wrapping [ErrMalformed], or nil.
func (r *Reader) Err() error { return r.err }

// Rest returns how many bytes were not read yet.
func (r *Reader) Rest() int { return len(r.b) - r.i }

// Offset returns how many bytes were read.
func (r *Reader) Offset() int { return r.i }

// Done returns the first problem, or one about bytes that were left over.
func (r *Reader) Done() error {
	if r.err == nil && r.i != len(r.b) {
		r.fail("%d bytes left over", len(r.b)-r.i)
	}
	return r.err
}

// Fail records a problem found by the caller, unless there is one already.
func (r *Reader) Fail(format string, args ...any) { r.fail(format, args...) }

func (r *Reader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w at byte %d: %s", ErrMalformed, r.i, fmt.Sprintf(format, args...))
	}
}

func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n < 0 || n > len(r.b)-r.i {
		r.fail("%d bytes announced, %d there", n, len(r.b)-r.i)
		return nil
	}
	p := r.b[r.i : r.i+n : r.i+n]
	r.i += n
	return p
}

func (r *Reader) code() byte {
	if p := r.take(1); p != nil {
		return p[0]
	}
	return 0xc1
}

func (r *Reader) big(n int) uint64 {
	p := r.take(n)
	if p == nil {
		return 0
	}
	switch n {
	case 1:
		return uint64(p[0])
	case 2:
		return uint64(binary.BigEndian.Uint16(p))
	case 4:
		return uint64(binary.BigEndian.Uint32(p))
	default:
		return binary.BigEndian.Uint64(p)
	}
}

// Peek returns the first byte of the next value, or 0xc1 (which msgpack never uses) at the end.
func (r *Reader) Peek() byte {
	if r.err != nil || r.i >= len(r.b) {
		return 0xc1
	}
	return r.b[r.i]
}

// Nil reads a nil if one is next and reports whether it did.
func (r *Reader) Nil() bool {
	if r.Peek() == 0xc0 {
		r.i++
		return true
	}
	return false
}

// Bool reads a boolean.
func (r *Reader) Bool() bool {
	switch c := r.code(); c {
	case 0xc2:
		return false
	case 0xc3:
		return true
	default:
		r.fail("want a boolean, found code %#x", c)
		return false
	}
}

// Uint reads an integer that is not negative.
func (r *Reader) Uint() uint64 {
	c := r.code()
	switch {
	case c <= 0x7f:
		return uint64(c)
	case c == 0xcc:
		return r.big(1)
	case c == 0xcd:
		return r.big(2)
	case c == 0xce:
		return r.big(4)
	case c == 0xcf:
		return r.big(8)
	}
	v := r.signed(c)
	if v < 0 {
		r.fail("want a number that is not negative, found %d", v)
		return 0
	}
	return uint64(v)
}

// Int reads an integer.
func (r *Reader) Int() int64 {
	c := r.code()
	switch {
	case c <= 0x7f:
		return int64(c)
	case c == 0xcc:
		return int64(r.big(1))
	case c == 0xcd:
		return int64(r.big(2))
	case c == 0xce:
		return int64(r.big(4))
	case c == 0xcf:
		v := r.big(8)
		if v > math.MaxInt64 {
			r.fail("number %d is too large", v)
			return 0
		}
		return int64(v)
	}
	return r.signed(c)
}

func (r *Reader) signed(c byte) int64 {
	switch {
	case c >= 0xe0:
		return int64(int8(c))
	case c == 0xd0:
		return int64(int8(r.big(1)))
	case c == 0xd1:
		return int64(int16(r.big(2)))
	case c == 0xd2:
		return int64(int32(r.big(4)))
	case c == 0xd3:
		return int64(r.big(8))
	}
	r.fail("want an integer, found code %#x", c)
	return 0
}

// Bytes reads a binary value. The result shares the reader's bytes and is never nil unless there is a problem.
func (r *Reader) Bytes() []byte {
	switch c := r.code(); c {
	case 0xc4:
		return r.take(int(r.big(1)))
	case 0xc5:
		return r.take(int(r.big(2)))
	case 0xc6:
		return r.take(int(r.big(4)))
	default:
		r.fail("want bytes, found code %#x", c)
		return nil
	}
}

// Fixed reads a binary value of exactly len(into) bytes.
func (r *Reader) Fixed(into []byte) {
	p := r.Bytes()
	if r.err != nil {
		return
	}
	if len(p) != len(into) {
		r.fail("want %d bytes, found %d", len(into), len(p))
		return
	}
	copy(into, p)
}

// StringBytes reads a text without copying it.
func (r *Reader) StringBytes() []byte {
	c := r.code()
	switch {
	case c >= 0xa0 && c <= 0xbf:
		return r.take(int(c & 0x1f))
	case c == 0xd9:
		return r.take(int(r.big(1)))
	case c == 0xda:
		return r.take(int(r.big(2)))
	case c == 0xdb:
		return r.take(int(r.big(4)))
	}
	r.fail("want a text, found code %#x", c)
	return nil
}

// String reads a text.
func (r *Reader) String() string { return string(r.StringBytes()) }

// Array reads the head of an array and returns its length, which is never more than the bytes that are left.
func (r *Reader) Array() int {
	c := r.code()
	switch {
	case c >= 0x90 && c <= 0x9f:
		return r.length(uint64(c&0x0f), 1)
	case c == 0xdc:
		return r.length(r.big(2), 1)
	case c == 0xdd:
		return r.length(r.big(4), 1)
	}
	r.fail("want an array, found code %#x", c)
	return 0
}

// ArrayOf reads the head of an array that has at least n elements and returns how many it has beyond those. A newer
// program may append elements; the caller skips them with [Reader.Skip]. After an error it is 0.
func (r *Reader) ArrayOf(n int) int {
	have := r.Array()
	if r.err == nil && have < n {
		r.fail("an array of %d elements, want at least %d", have, n)
	}
	if r.err != nil {
		return 0
	}
	return have - n
}

// Map reads the head of a map and returns its number of pairs, which is never more than half the bytes that are left.
func (r *Reader) Map() int {
	c := r.code()
	switch {
	case c >= 0x80 && c <= 0x8f:
		return r.length(uint64(c&0x0f), 2)
	case c == 0xde:
		return r.length(r.big(2), 2)
	case c == 0xdf:
		return r.length(r.big(4), 2)
	}
	r.fail("want a map, found code %#x", c)
	return 0
}

func (r *Reader) length(n uint64, least int) int {
	if r.err != nil {
		return 0
	}
	if n*uint64(least) > uint64(len(r.b)-r.i) {
		r.fail("%d elements announced, %d bytes there", n, len(r.b)-r.i)
		return 0
	}
	return int(n)
}

// Raw returns the exact bytes of the next value, checked like [Check].
func (r *Reader) Raw() []byte {
	if r.err != nil {
		return nil
	}
	start, left := r.i, MaxElements
	r.skip(MaxDepth, &left)
	if r.err != nil {
		return nil
	}
	return r.b[start:r.i:r.i]
}

// Skip passes over n values.
func (r *Reader) Skip(n int) {
	for ; n > 0 && r.err == nil; n-- {
		r.Raw()
	}
}

// skip passes over one value. depth is how many containers may still be nested, left how many values may still come.
func (r *Reader) skip(depth int, left *int) {
	if *left--; *left < 0 {
		r.fail("too many values")
	}
	if r.err != nil {
		return
	}
	c := r.code()
	n, values := 0, 0
	switch {
	case c <= 0x7f, c >= 0xe0, c == 0xc0, c == 0xc2, c == 0xc3:
		return
	case c <= 0x8f:
		values = 2 * int(c&0x0f)
	case c <= 0x9f:
		values = int(c & 0x0f)
	case c <= 0xbf:
		n = int(c & 0x1f)
	default:
		switch c {
		case 0xc4, 0xd9:
			n = int(r.big(1))
		case 0xc5, 0xda:
			n = int(r.big(2))
		case 0xc6, 0xdb:
			n = int(r.big(4))
		case 0xc7:
			n = int(r.big(1)) + 1
		case 0xc8:
			n = int(r.big(2)) + 1
		case 0xc9:
			n = int(r.big(4)) + 1
		case 0xcc, 0xd0:
			n = 1
		case 0xcd, 0xd1, 0xd4:
			n = 2
		case 0xd5:
			n = 3
		case 0xca, 0xce, 0xd2:
			n = 4
		case 0xd6:
			n = 5
		case 0xcb, 0xcf, 0xd3:
			n = 8
		case 0xd7:
			n = 9
		case 0xd8:
			n = 17
		case 0xdc:
			values = r.length(r.big(2), 1)
		case 0xdd:
			values = r.length(r.big(4), 1)
		case 0xde:
			values = 2 * r.length(r.big(2), 2)
		case 0xdf:
			values = 2 * r.length(r.big(4), 2)
		default:
			r.fail("code %#x is not used", c)
			return
		}
	}
	if n > 0 {
		r.take(n)
		return
	}
	if values > 0 && depth == 0 {
		r.fail("nested deeper than %d", MaxDepth)
		return
	}
	for ; values > 0 && r.err == nil; values-- {
		r.skip(depth-1, left)
	}
}
