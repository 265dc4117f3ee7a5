package shop

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// fields reads a record; the first problem sticks.
type fields struct {
	rec crdt.Record
	err error
}

func parse(raw []byte) *fields {
	rec, err := crdt.ParseRecord(raw, Schema)
	return &fields{rec, err}
}

func field[T any](f *fields, key string, get func(*crdt.Record, string) (T, error)) (v T) {
	if f.err == nil {
		v, f.err = get(&f.rec, key)
	}
	return v
}

func (f *fields) text(key string) string      { return field(f, key, (*crdt.Record).String) }
func (f *fields) int(key string) int64        { return field(f, key, (*crdt.Record).Int) }
func (f *fields) till(key string) crdt.TillID { return field(f, key, (*crdt.Record).Till) }

// fixed reads bytes of exactly this length and reports whether the field is there.
func (f *fields) fixed(key string, into []byte) bool {
	b := field(f, key, (*crdt.Record).Binary)
	if f.err != nil || b == nil {
		return false
	}
	if len(b) != len(into) {
		f.err = fmt.Errorf("record field %q: %w: %d bytes, want %d", key, codec.ErrMalformed, len(b), len(into))
		return false
	}
	copy(into, b)
	return true
}

// edit writes known fields over the record shown and returns the new bytes. A record that asks for a newer program is
// refused; one that is no record has nothing worth keeping and is replaced.
func edit(old []byte, set func(*crdt.Record)) ([]byte, error) {
	var rec crdt.Record
	if old != nil {
		var err error
		if rec, err = crdt.ParseRecord(old, Schema); errors.Is(err, crdt.ErrUpdateNeeded) {
			return nil, err
		} else if err != nil {
			rec = crdt.Record{}
		}
	}
	set(&rec)
	return rec.Bytes(), nil
}

// checkText refuses text that no screen or printer shows as meant.
func checkText(what, s string, runes int) error {
	if !utf8.ValidString(s) {
		return fmt.Errorf("%w: %s is not valid UTF-8", ErrInvalid, what)
	}
	if n := utf8.RuneCountInString(s); n > runes {
		return fmt.Errorf("%w: %s has %d characters, at most %d", ErrInvalid, what, n, runes)
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: %s contains the control character %U", ErrInvalid, what, r)
		}
	}
	return nil
}

func checkRange(what string, v, low, high int64) error {
	if v < low || v > high {
		return fmt.Errorf("%w: %s is %d, %d to %d", ErrInvalid, what, v, low, high)
	}
	return nil
}
