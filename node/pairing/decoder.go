package pairing

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

const (
	maxFields = 32 // fields of one message, known and unknown
	maxKey    = 16 // bytes of a field's name
	maxDepth  = 4  // containers inside each other in an unknown field
)

var errUnknownField = errors.New("unknown field")

// decoder reads one message of foreign bytes. It asks the msgpack library only for headers and checks every declared
// length against what is there before anything is allocated, because the library does not.
type decoder struct {
	in *bytes.Reader // read by mp without a buffer in between, so in.Len is what remains
	mp *msgpack.Decoder
}

func newDecoder(b []byte, kind byte) (*decoder, error) {
	if len(b) == 0 || b[0] != kind {
		return nil, fmt.Errorf("%w: expected a message of kind %d", ErrMalformed, kind)
	}
	in := bytes.NewReader(b[1:])
	return &decoder{in: in, mp: msgpack.NewDecoder(in)}, nil
}

func malformed(what string, err error) error {
	if errors.Is(err, ErrMalformed) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
}

type fieldNames []string

func (f fieldNames) need(names ...string) error {
	for _, name := range names {
		if !slices.Contains(f, name) {
			return fmt.Errorf("%w: field %q is missing", ErrMalformed, name)
		}
	}
	return nil
}

// fields reads the map that a message is. read takes the value of a field or returns errUnknownField untouched; those are
// stepped over, so that a later program may add fields.
func (d *decoder) fields(read func(key string) error) (fieldNames, error) {
	code, err := d.mp.PeekCode()
	if err != nil || !isMap(code) {
		return nil, fmt.Errorf("%w: a message is a map", ErrMalformed)
	}
	n, err := d.mp.DecodeMapLen()
	if err != nil {
		return nil, malformed("length of the message", err)
	}
	if n < 0 || n > maxFields {
		return nil, fmt.Errorf("%w: %d fields, at most %d", ErrMalformed, n, maxFields)
	}
	seen := make(fieldNames, 0, n)
	for range n {
		var key string
		if err := d.text(&key, maxKey); err != nil {
			return nil, malformed("name of a field", err)
		}
		if slices.Contains(seen, key) {
			return nil, fmt.Errorf("%w: field %q comes twice", ErrMalformed, key)
		}
		seen = append(seen, key)
		err := read(key)
		if errors.Is(err, errUnknownField) {
			err = d.skip(maxDepth)
		}
		if err != nil {
			return nil, malformed(fmt.Sprintf("field %q", key), err)
		}
	}
	if d.in.Len() != 0 {
		return nil, fmt.Errorf("%w: %d bytes after the end of the message", ErrMalformed, d.in.Len())
	}
	return seen, nil
}

// length reads the header of a string or byte string and checks it against the limit and the bytes that remain.
func (d *decoder) length(is func(byte) bool, most int) (int, error) {
	code, err := d.mp.PeekCode()
	if err != nil {
		return 0, err
	}
	if !is(code) {
		return 0, fmt.Errorf("%w: unexpected type 0x%02x", ErrMalformed, code)
	}
	n, err := d.mp.DecodeBytesLen()
	if err != nil {
		return 0, err
	}
	if n < 0 || n > most || n > d.in.Len() {
		return 0, fmt.Errorf("%w: length %d, allowed are %d, left are %d", ErrMalformed, n, most, d.in.Len())
	}
	return n, nil
}

func (d *decoder) bytes(most int) ([]byte, error) {
	n, err := d.length(msgpcode.IsBin, most)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	return b, d.mp.ReadFull(b)
}

// exactly fills into with a byte string of just that length.
func (d *decoder) exactly(into []byte) error {
	n, err := d.length(msgpcode.IsBin, len(into))
	if err != nil {
		return err
	}
	if n != len(into) {
		return fmt.Errorf("%w: %d bytes, must be %d", ErrMalformed, n, len(into))
	}
	return d.mp.ReadFull(into)
}

// till reads the ID of a till, which is not zero where one is named.
func (d *decoder) till(into *crdt.TillID) error {
	if err := d.exactly(into[:]); err != nil {
		return err
	}
	if into.IsZero() {
		return fmt.Errorf("%w: the ID of a till is zero", ErrMalformed)
	}
	return nil
}

func (d *decoder) gossipKey() (GossipKey, error) {
	var k GossipKey
	values := 0
	err := d.list(2, func() error {
		values++
		if values == 1 {
			return d.exactly(k.Key[:])
		}
		n, err := d.integer(0, math.MaxUint32)
		k.Revocations = uint32(n)
		return err
	})
	if err == nil && values != 2 {
		err = fmt.Errorf("%w: a gossip key is a key and a count", ErrMalformed)
	}
	return k, err
}

// text reads a string of at most most bytes; whether it is UTF-8 is for the check of the message.
func (d *decoder) text(into *string, most int) error {
	n, err := d.length(msgpcode.IsString, most)
	if err != nil {
		return err
	}
	b := make([]byte, n)
	if err := d.mp.ReadFull(b); err != nil {
		return err
	}
	*into = string(b)
	return nil
}

func (d *decoder) integer(least, most int64) (int64, error) {
	code, err := d.mp.PeekCode()
	if err != nil {
		return 0, err
	}
	if !msgpcode.IsFixedNum(code) && (code < msgpcode.Uint8 || code > msgpcode.Int64) {
		return 0, fmt.Errorf("%w: unexpected type 0x%02x", ErrMalformed, code)
	}
	n, err := d.mp.DecodeInt64()
	if err != nil {
		return 0, err
	}
	if n < least || n > most { // a uint64 above the int64 range comes out negative, and least is never negative
		return 0, fmt.Errorf("%w: %d is not between %d and %d", ErrMalformed, n, least, most)
	}
	return n, nil
}

func (d *decoder) bool(into *bool) error {
	code, err := d.mp.PeekCode()
	if err != nil {
		return err
	}
	if code != msgpcode.True && code != msgpcode.False {
		return fmt.Errorf("%w: unexpected type 0x%02x", ErrMalformed, code)
	}
	*into, err = d.mp.DecodeBool()
	return err
}

// list reads the header of an array, then each element with read.
func (d *decoder) list(most int, read func() error) error {
	code, err := d.mp.PeekCode()
	if err != nil {
		return err
	}
	if !isArray(code) {
		return fmt.Errorf("%w: unexpected type 0x%02x", ErrMalformed, code)
	}
	n, err := d.mp.DecodeArrayLen()
	if err != nil {
		return err
	}
	if n < 0 || n > most || n > d.in.Len() {
		return fmt.Errorf("%w: %d elements, allowed are %d", ErrMalformed, n, most)
	}
	for range n {
		if err := read(); err != nil {
			return err
		}
	}
	return nil
}
