package receipt

import (
	"errors"
	"fmt"
	"strings"
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
func (f *fields) uint(key string) uint64          { return field(f, key, (*crdt.Record).Uint) }
func (f *fields) bool(key string) bool            { return field(f, key, (*crdt.Record).Bool) }
func (f *fields) object(key string) crdt.ObjectID { return field(f, key, (*crdt.Record).Object) }
func (f *fields) till(key string) crdt.TillID     { return field(f, key, (*crdt.Record).Till) }
func (f *fields) binary(key string) []byte        { return field(f, key, (*crdt.Record).Binary) }

// amount reads a number whose absence is not its zero.
func (f *fields) amount(key string) *Amount {
	if f.err != nil || f.rec.Raw(key) == nil {
		return nil
	}
	a := Amount(f.int(key))
	return &a
}

// texts reads an array of texts, nil if the field is absent or the array empty.
func (f *fields) texts(key string, most int) []string {
	raw := f.rec.Raw(key)
	if f.err != nil || raw == nil {
		return nil
	}
	r := codec.NewReader(raw)
	n := r.Array()
	if n > most {
		r.Fail("%d texts, at most %d", n, most)
	}
	var out []string
	for i := 0; i < n && r.Err() == nil; i++ {
		out = append(out, r.String())
	}
	if err := r.Done(); err != nil {
		f.err = fmt.Errorf("record field %q: %w", key, err)
		return nil
	}
	return out
}

func setTexts(rec *crdt.Record, key string, texts []string) {
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
	if len(s) > runes {
		if n := utf8.RuneCountInString(s); n > runes {
			return fmt.Errorf("%w: %s has %d characters, at most %d", ErrInvalid, what, n, runes)
		}
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Errorf("%w: %s contains the control character %U", ErrInvalid, what, r)
		}
	}
	return nil
}

// checkTexts checks texts that may be empty, given as names and texts in turn, by [MaxText].
func checkTexts(namesAndTexts ...string) error {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		if err := checkText(namesAndTexts[i], namesAndTexts[i+1], MaxText); err != nil {
			return err
		}
	}
	return nil
}

func checkCurrency(s string) error {
	if len(s) != 3 || strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return fmt.Errorf("%w: currency %.20q is not a code such as EUR", ErrInvalid, s)
	}
	return nil
}

func checkMS(ms int64) error {
	if ms < 0 || ms > maxUnixMillis {
		return fmt.Errorf("%w: time is %d ms, 0 to %d", ErrInvalid, ms, int64(maxUnixMillis))
	}
	return nil
}

func checkNamed(what string, zero bool) error {
	if zero {
		return fmt.Errorf("%w: the %s is missing", ErrInvalid, what)
	}
	return nil
}
