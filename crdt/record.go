package crdt

import (
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// ErrUpdateNeeded is wrapped by errors about a document that says it must not be read by a program this old.
var ErrUpdateNeeded = errors.New("made by a newer program; update this till to read it")

// minReaderField holds the lowest schema that may interpret a record, absent if any may.
const minReaderField = "!"

// Record is the value of a register or item as documents write it: a msgpack map with short text keys, sorted, so
// equal records have equal bytes. Fields this program does not know stay in it and are written back unchanged when a
// known field is edited. A field that is absent means its zero value; defaults are computed by the reader and never
// written. The zero value is an empty record.
type Record struct{ fields []field }

type field struct {
	key string
	raw []byte
}

// ParseRecord reads a record from raw bytes, which it shares. schema is the document schema of this program: a record
// that asks for a newer reader is refused with [ErrUpdateNeeded], anything that is no record with [codec.ErrMalformed].
func ParseRecord(raw []byte, schema uint32) (Record, error) {
	if err := codec.Check(raw); err != nil {
		return Record{}, fmt.Errorf("record: %w", err)
	}
	r := codec.NewReader(raw)
	n := r.Map()
	if r.Err() != nil {
		return Record{}, fmt.Errorf("record: %w", r.Err())
	}
	rec := Record{fields: make([]field, 0, n)}
	sorted := true
	for range n {
		f := field{key: intern2(r.StringBytes()), raw: r.Raw()}
		if r.Err() != nil {
			return Record{}, fmt.Errorf("record: %w", r.Err())
		}
		sorted = sorted && (len(rec.fields) == 0 || rec.fields[len(rec.fields)-1].key < f.key)
		rec.fields = append(rec.fields, f)
	}
	if !sorted {
		slices.SortStableFunc(rec.fields, func(a, b field) int { return compare(a.key, b.key) })
		for i := 1; i < len(rec.fields); i++ {
			if rec.fields[i].key == rec.fields[i-1].key {
				return Record{}, fmt.Errorf("record: %w: field %q twice", codec.ErrMalformed, rec.fields[i].key)
			}
		}
	}
	min, err := rec.Uint(minReaderField)
	if err != nil {
		return Record{}, err
	}
	if min > uint64(schema) {
		return Record{}, fmt.Errorf("record of schema %d, this program knows %d: %w", min, schema, ErrUpdateNeeded)
	}
	return rec, nil
}

// intern2 avoids allocating the one- and two-letter keys that records consist of.
func intern2(b []byte) string {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	if len(b) == 1 && b[0] >= 'a' && b[0] <= 'z' {
		return letters[b[0]-'a' : b[0]-'a'+1]
	}
	return string(b)
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (r *Record) find(key string) (int, bool) {
	return slices.BinarySearchFunc(r.fields, key, func(f field, key string) int { return compare(f.key, key) })
}

// Bytes returns the encoded record.
func (r *Record) Bytes() []byte {
	size := 3
	for _, f := range r.fields {
		size += 2 + len(f.key) + len(f.raw)
	}
	b := codec.AppendMap(make([]byte, 0, size), len(r.fields))
	for _, f := range r.fields {
		b = append(codec.AppendString(b, f.key), f.raw...)
	}
	return b
}

// Len returns the number of fields.
func (r *Record) Len() int { return len(r.fields) }

// Keys returns the fields in order.
func (r *Record) Keys() []string {
	keys := make([]string, len(r.fields))
	for i, f := range r.fields {
		keys[i] = f.key
	}
	return keys
}

// Raw returns the encoded value of a field, nil if it is absent.
func (r *Record) Raw(key string) []byte {
	if i, ok := r.find(key); ok {
		return r.fields[i].raw
	}
	return nil
}

// SetRaw sets a field to an encoded value; nil removes it.
func (r *Record) SetRaw(key string, raw []byte) {
	i, ok := r.find(key)
	switch {
	case ok && raw == nil:
		r.fields = slices.Delete(slices.Clone(r.fields), i, i+1)
	case ok:
		r.fields = slices.Clone(r.fields)
		r.fields[i].raw = raw
	case raw != nil:
		r.fields = slices.Insert(slices.Clip(r.fields), i, field{key, raw})
	}
}

// RequireReader makes programs that know only older schemas refuse the record instead of guessing.
func (r *Record) RequireReader(schema uint32) { r.SetUint(minReaderField, uint64(schema)) }

func read[T comparable](r *Record, key string, get func(*codec.Reader) T) (v T, err error) {
	raw := r.Raw(key)
	if raw == nil {
		return v, nil
	}
	rd := codec.NewReader(raw)
	v = get(rd)
	if err := rd.Done(); err != nil {
		var zero T
		return zero, fmt.Errorf("record field %q: %w", key, err)
	}
	return v, nil
}

// Uint returns a number that is not negative, 0 if the field is absent.
func (r *Record) Uint(key string) (uint64, error) { return read(r, key, (*codec.Reader).Uint) }

// Int returns a number, 0 if the field is absent.
func (r *Record) Int(key string) (int64, error) { return read(r, key, (*codec.Reader).Int) }

// Bool returns a boolean, false if the field is absent.
func (r *Record) Bool(key string) (bool, error) { return read(r, key, (*codec.Reader).Bool) }

// String returns a text, empty if the field is absent. Text that is not UTF-8 is an error.
func (r *Record) String(key string) (string, error) {
	s, err := read(r, key, (*codec.Reader).String)
	if err == nil && !utf8.ValidString(s) {
		return "", fmt.Errorf("record field %q: %w: not UTF-8", key, codec.ErrMalformed)
	}
	return s, err
}

// Binary returns bytes, nil if the field is absent.
func (r *Record) Binary(key string) ([]byte, error) {
	raw := r.Raw(key)
	if raw == nil {
		return nil, nil
	}
	rd := codec.NewReader(raw)
	v := rd.Bytes()
	if err := rd.Done(); err != nil {
		return nil, fmt.Errorf("record field %q: %w", key, err)
	}
	return v, nil
}

// Object returns an object ID, zero if the field is absent.
func (r *Record) Object(key string) (ObjectID, error) {
	var id ObjectID
	err := r.fixed(key, id[:])
	return id, err
}

// Till returns a till ID, zero if the field is absent.
func (r *Record) Till(key string) (TillID, error) {
	var id TillID
	err := r.fixed(key, id[:])
	return id, err
}

func (r *Record) fixed(key string, into []byte) error {
	b, err := r.Binary(key)
	if err != nil || b == nil {
		return err
	}
	if len(b) != len(into) {
		return fmt.Errorf("record field %q: %w: an ID of %d bytes, want %d", key, codec.ErrMalformed, len(b), len(into))
	}
	copy(into, b)
	return nil
}

// SetUint sets a number; 0 removes the field.
func (r *Record) SetUint(key string, v uint64) { r.set(key, v == 0, codec.AppendUint(nil, v)) }

// SetInt sets a number; 0 removes the field.
func (r *Record) SetInt(key string, v int64) { r.set(key, v == 0, codec.AppendInt(nil, v)) }

// SetBool sets a boolean; false removes the field.
func (r *Record) SetBool(key string, v bool) { r.set(key, !v, codec.AppendBool(nil, v)) }

// SetString sets a text; an empty one removes the field.
func (r *Record) SetString(key, v string) { r.set(key, v == "", codec.AppendString(nil, v)) }

// SetBinary sets bytes; none remove the field.
func (r *Record) SetBinary(key string, v []byte) { r.set(key, len(v) == 0, codec.AppendBytes(nil, v)) }

// SetObject sets an object ID; the zero ID removes the field.
func (r *Record) SetObject(key string, id ObjectID) {
	r.set(key, id.IsZero(), codec.AppendBytes(nil, id[:]))
}

// SetTill sets a till ID; the zero ID removes the field.
func (r *Record) SetTill(key string, id TillID) {
	r.set(key, id.IsZero(), codec.AppendBytes(nil, id[:]))
}

func (r *Record) set(key string, absent bool, raw []byte) {
	if absent {
		raw = nil
	}
	r.SetRaw(key, raw)
}
