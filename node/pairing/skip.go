package pairing

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// skip steps over one value of a field that this program does not know. Extensions are not part of the protocol.
func (d *decoder) skip(depth int) error {
	code, err := d.mp.PeekCode()
	if err != nil {
		return err
	}
	switch {
	case isArray(code), isMap(code):
		if depth == 0 {
			return fmt.Errorf("%w: nested too deeply", ErrMalformed)
		}
		values, err := d.elements(code)
		if err != nil {
			return err
		}
		for range values {
			if err := d.skip(depth - 1); err != nil {
				return err
			}
		}
		return nil
	case msgpcode.IsString(code), msgpcode.IsBin(code):
		n, err := d.length(func(byte) bool { return true }, d.in.Len())
		if err != nil {
			return err
		}
		_, err = d.in.Seek(int64(n), 1)
		return err
	case msgpcode.IsExt(code):
		return fmt.Errorf("%w: unexpected type 0x%02x", ErrMalformed, code)
	}
	return d.mp.Skip() // a number, bool or nil: at most nine bytes
}

// elements reads the header of an array or map and returns how many values follow, each of at least one byte.
func (d *decoder) elements(code byte) (int, error) {
	each, read := 1, d.mp.DecodeArrayLen
	if isMap(code) {
		each, read = 2, d.mp.DecodeMapLen
	}
	n, err := read()
	if err != nil {
		return 0, err
	}
	if n < 0 || n > d.in.Len()/each { // below zero where an int has 32 bits
		return 0, fmt.Errorf("%w: %d elements, %d bytes left", ErrMalformed, n, d.in.Len())
	}
	return n * each, nil
}

func isArray(code byte) bool {
	return msgpcode.IsFixedArray(code) || code == msgpcode.Array16 || code == msgpcode.Array32
}

func isMap(code byte) bool {
	return msgpcode.IsFixedMap(code) || code == msgpcode.Map16 || code == msgpcode.Map32
}
