package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Conflict is a register that was written by several tills which had not seen each other's write, and with different
// values. It stays until somebody writes the register again; see the Resolve field of the edits.
type Conflict struct {
	Register string
	Values   []Candidate // the value to show first
}

// Candidate is one of the values that stand beside each other.
type Candidate struct {
	Dot   crdt.Dot   // who wrote it
	Stamp crdt.Stamp // when
	Raw   []byte     // as stored
	Value any        // the value type of the register (Names, Codes, Price, ...), nil if this program cannot read it
	Err   error      // why it cannot
}

// reader parses the value of a register by its name. It returns nil for a register this program does not know.
type reader func(register string, raw []byte) (any, error)

func typed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func conflicts(obj *crdt.Object, read reader) (out []Conflict) {
	for i := range obj.Registers {
		r := &obj.Registers[i]
		if len(r.Siblings) < 2 || same(r.Siblings) {
			continue
		}
		c := Conflict{Register: r.Name}
		for _, s := range r.Siblings {
			v := Candidate{Dot: s.Origin.Dot, Stamp: s.Origin.Stamp, Raw: s.Raw}
			v.Value, v.Err = read(r.Name, s.Raw)
			c.Values = append(c.Values, v)
		}
		out = append(out, c)
	}
	return out
}

// same reports whether all siblings say the same: then there is nothing a person could decide.
func same(siblings []crdt.Sibling) bool {
	for _, s := range siblings[1:] {
		if !bytes.Equal(s.Raw, siblings[0].Raw) {
			return false
		}
	}
	return true
}

// shown reads the value of a register that is to be shown; the zero value if nobody wrote it.
func shown[T any](obj *crdt.Object, register string, parse func([]byte) (T, error), errs *[]error) (v T) {
	raw := obj.Value(register)
	if raw == nil {
		return v
	}
	v, err := parse(raw)
	if err != nil {
		*errs = append(*errs, fmt.Errorf("register %q: %w", register, err))
	}
	return v
}

// value is what every register's type can do.
type value interface {
	Check() error
	Edit(old []byte) ([]byte, error)
}

// writer collects the pieces of one edit.
type writer struct {
	typ     string
	id      crdt.ObjectID
	obj     *crdt.Object
	resolve []string
	pieces  []crdt.Piece
	errs    []error
}

// put adds a piece if the value differs from the one shown, or if the register is to be resolved. A register that
// nobody wrote and a value of nothing but defaults are the same, unless the register itself says something (dated).
func (w *writer) put(register string, v value, dated bool) {
	raw, err := v.Edit(w.obj.Value(register))
	if err = errors.Join(v.Check(), err); err != nil {
		w.errs = append(w.errs, fmt.Errorf("register %q: %w", register, err))
		return
	}
	if !slices.Contains(w.resolve, register) && bytes.Equal(raw, canonical(w.obj.Value(register), dated)) {
		return
	}
	w.pieces = append(w.pieces, crdt.Piece{
		Kind: crdt.KindRegister, Type: w.typ, Object: w.id, Name: register, Clock: w.obj.Seen(register), Raw: raw,
	})
}

// canonical returns the bytes that an edit which changes nothing would give.
func canonical(old []byte, dated bool) []byte {
	var rec crdt.Record
	if old == nil && dated {
		return nil
	}
	if old != nil {
		var err error
		if rec, err = crdt.ParseRecord(old, Schema); err != nil {
			return nil
		}
	}
	return rec.Bytes()
}

func (w *writer) done() ([]crdt.Piece, error) {
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("edit %s %v: %w", w.typ, w.id, err)
	}
	return w.pieces, nil
}
