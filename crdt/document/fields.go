package document

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Fields reads a record. The first problem sticks: from then on every field reads as if it were absent, so a value is
// read whole and asked about once, mostly by [Checked]. A field that is absent has its zero value.
type Fields struct {
	rec crdt.Record
	err error
}

// Parse begins to read a record. What is no record, or asks for a newer program, shows in [Fields.Err].
func (r Rules) Parse(raw []byte) *Fields {
	rec, err := crdt.ParseRecord(raw, r.Schema)
	return &Fields{rec, err}
}

// Err returns the first problem, nil if there was none.
func (f *Fields) Err() error { return f.err }

// Fail notes a problem; it does nothing if there was one before.
func (f *Fields) Fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// Record returns the record as it was read, empty if it is none.
func (f *Fields) Record() crdt.Record { return f.rec }

func read[T any](f *Fields, key string, get func(*crdt.Record, string) (T, error)) (v T) {
	if f.err == nil {
		v, f.err = get(&f.rec, key)
	}
	return v
}

// Text reads a text in UTF-8.
func (f *Fields) Text(key string) string { return read(f, key, (*crdt.Record).String) }

// Int reads a number.
func (f *Fields) Int(key string) int64 { return read(f, key, (*crdt.Record).Int) }

// Uint reads a number that is not negative.
func (f *Fields) Uint(key string) uint64 { return read(f, key, (*crdt.Record).Uint) }

// Bool reads a boolean.
func (f *Fields) Bool(key string) bool { return read(f, key, (*crdt.Record).Bool) }

// Object reads an object ID.
func (f *Fields) Object(key string) crdt.ObjectID { return read(f, key, (*crdt.Record).Object) }

// Till reads a till ID.
func (f *Fields) Till(key string) crdt.TillID { return read(f, key, (*crdt.Record).Till) }

// Binary reads bytes, nil if the field is absent. They are shared with what was parsed.
func (f *Fields) Binary(key string) []byte { return read(f, key, (*crdt.Record).Binary) }

// Raw returns the encoded value of a field, nil if it is absent.
func (f *Fields) Raw(key string) []byte {
	if f.err != nil {
		return nil
	}
	return f.rec.Raw(key)
}

// Nested reads a field with a container in it, if it is there. What the function leaves unread is a problem.
func (f *Fields) Nested(key string, get func(*codec.Reader)) {
	raw := f.Raw(key)
	if raw == nil {
		return
	}
	r := codec.NewReader(raw)
	get(r)
	if err := r.Done(); err != nil {
		f.err = fmt.Errorf("record field %q: %w", key, err)
	}
}

// Texts reads an array of at most that many texts, nil if the field is absent or the array empty. what names them, such
// as "barcodes".
func (f *Fields) Texts(key, what string, most int) (texts []string) {
	f.Nested(key, func(r *codec.Reader) {
		n := r.Array()
		if n > most {
			r.Fail("%d %s, at most %d", n, what, most)
			return
		}
		for range n {
			texts = append(texts, r.String())
		}
	})
	if f.err != nil {
		return nil
	}
	return texts
}

// SetTexts sets a field to an array of texts, as [Fields.Texts] reads it; none remove the field.
func SetTexts(rec *crdt.Record, key string, texts []string) {
	if len(texts) == 0 {
		rec.SetRaw(key, nil)
		return
	}
	b := codec.AppendArray(nil, len(texts))
	for _, s := range texts {
		b = codec.AppendString(b, s)
	}
	rec.SetRaw(key, b)
}

// Checked returns a value that was read, or why it cannot be used: the first problem while reading, or what its Check
// says. what is named in the error. With an error the value is zero.
func Checked[T interface{ Check() error }](f *Fields, what string, v T) (T, error) {
	if f.err == nil {
		f.err = v.Check()
	}
	if f.err != nil {
		var none T
		return none, fmt.Errorf("%s: %w", what, f.err)
	}
	return v, nil
}

// Edit writes known fields over the register value shown (nil if there is none) and returns the new one, with the
// fields it does not know as they were. A record that asks for a newer program is refused with [crdt.ErrUpdateNeeded];
// one that is no record has nothing worth keeping and is replaced.
func (r Rules) Edit(old []byte, set func(*crdt.Record)) ([]byte, error) {
	var rec crdt.Record
	if old != nil {
		var err error
		if rec, err = crdt.ParseRecord(old, r.Schema); errors.Is(err, crdt.ErrUpdateNeeded) {
			return nil, err
		} else if err != nil {
			rec = crdt.Record{}
		}
	}
	set(&rec)
	return rec.Bytes(), nil
}
