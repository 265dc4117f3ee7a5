package catalog

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

func (f *fields) text(key string) string          { return field(f, key, (*crdt.Record).String) }
func (f *fields) int(key string) int64            { return field(f, key, (*crdt.Record).Int) }
func (f *fields) bool(key string) bool            { return field(f, key, (*crdt.Record).Bool) }
func (f *fields) object(key string) crdt.ObjectID { return field(f, key, (*crdt.Record).Object) }
func (f *fields) binary(key string) []byte        { return field(f, key, (*crdt.Record).Binary) }

// nested reads a field with a container in it. Its keys have no meaning here.
func (f *fields) nested(key string, read func(*codec.Reader)) {
	raw := f.rec.Raw(key)
	if f.err != nil || raw == nil {
		return
	}
	r := codec.NewReader(raw)
	read(r)
	if err := r.Done(); err != nil {
		f.err = fmt.Errorf("record field %q: %w", key, err)
	}
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

// checkCode refuses codes that are not digits and ASCII letters. Check digits are not verified: shops print their own.
func checkCode(what, s string) error {
	if s == "" || len(s) > MaxCode {
		return fmt.Errorf("%w: %s has %d characters, 1 to %d", ErrInvalid, what, len(s), MaxCode)
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			return fmt.Errorf("%w: %s %q has something other than digits and letters", ErrInvalid, what, s)
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
