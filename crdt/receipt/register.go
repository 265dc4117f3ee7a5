package receipt

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Conflict is a register that was written by several tills which had not seen each other's write, and with different
// values. It stays until somebody writes the register again; see the Resolve field of the edits. Claims of a tab are
// none: a rule decides between them, see [Holder].
type Conflict struct {
	Type     string // one of the Type constants
	Object   crdt.ObjectID
	Register string
	Values   []Candidate // the value to show first
}

// Candidate is one of the values that stand beside each other.
type Candidate struct {
	Dot   crdt.Dot   // who wrote it
	Stamp crdt.Stamp // when
	Raw   []byte     // as stored
	Value any        // the value type of the register (Head, Location, Discount, ...), nil if this program cannot read it
	Err   error      // why it cannot
}

func typed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// readRegister parses the value of a register by its name; nil for one this program does not know.
func readRegister(register string, raw []byte) (any, error) {
	switch register {
	case RegisterHead:
		return typed(ParseHead(raw))
	case RegisterNote:
		return typed(ParseNote(raw))
	case RegisterCustomer:
		return typed(ParseCustomer(raw))
	case RegisterMerge:
		return typed(ParseMerge(raw))
	case RegisterClaim:
		return typed(ParseClaim(raw))
	case RegisterLocation:
		return typed(ParseLocation(raw))
	case RegisterValue:
		return typed(ParseDiscount(raw))
	case RegisterProgress:
		return typed(ParseProgress(raw))
	}
	return nil, nil
}

func conflicts(out []Conflict, typ string, id crdt.ObjectID, obj *crdt.Object) []Conflict {
	if obj == nil {
		return out
	}
	for i := range obj.Registers {
		r := &obj.Registers[i]
		if len(r.Siblings) < 2 || typ == TypeTab && r.Name == RegisterClaim || agree(r.Siblings) {
			continue
		}
		c := Conflict{Type: typ, Object: id, Register: r.Name}
		for _, s := range r.Siblings {
			v := Candidate{Dot: s.Origin.Dot, Stamp: s.Origin.Stamp, Raw: s.Raw}
			v.Value, v.Err = readRegister(r.Name, s.Raw)
			c.Values = append(c.Values, v)
		}
		out = append(out, c)
	}
	return out
}

// agree reports whether all siblings say the same: then there is nothing a person could decide.
func agree(siblings []crdt.Sibling) bool {
	for _, s := range siblings[1:] {
		if !bytes.Equal(s.Raw, siblings[0].Raw) {
			return false
		}
	}
	return true
}

// registerOf returns a register of an object, either of which may not be there.
func registerOf(obj *crdt.Object, name string) *crdt.Register {
	if obj == nil {
		return nil
	}
	return obj.Get(name)
}

// shown reads the value of a register that is to be shown; the zero value if nobody wrote it.
func shown[T any](obj *crdt.Object, register string, read func([]byte) (T, error)) (v T, err error) {
	if obj == nil {
		return v, nil
	}
	raw := obj.Value(register)
	if raw == nil {
		return v, nil
	}
	if v, err = read(raw); err != nil {
		return v, fmt.Errorf("register %q: %w", register, err)
	}
	return v, nil
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

func newWriter(typ string, id crdt.ObjectID, obj *crdt.Object, resolve ...string) *writer {
	if obj == nil {
		obj = new(crdt.Object)
	}
	w := &writer{typ: typ, id: id, obj: obj, resolve: resolve}
	if id.IsZero() {
		w.errs = append(w.errs, fmt.Errorf("%w: the ID is missing", ErrInvalid))
	}
	return w
}

// put adds a piece if the value differs from the one shown, or if the register is to be resolved. A register that
// nobody wrote and a value of nothing but defaults are the same.
func (w *writer) put(register string, v value) {
	raw, err := v.Edit(w.obj.Value(register))
	if err = errors.Join(v.Check(), err); err != nil {
		w.errs = append(w.errs, fmt.Errorf("register %q: %w", register, err))
		return
	}
	if !slices.Contains(w.resolve, register) && bytes.Equal(raw, canonical(w.obj.Value(register))) {
		return
	}
	w.pieces = append(w.pieces, crdt.Piece{
		Kind: crdt.KindRegister, Type: w.typ, Object: w.id, Name: register, Clock: w.obj.Seen(register), Raw: raw,
	})
}

// canonical returns the bytes that an edit which changes nothing would give.
func canonical(old []byte) []byte {
	var rec crdt.Record
	if old != nil {
		var err error
		if rec, err = crdt.ParseRecord(old, Schema); err != nil {
			return nil
		}
	}
	return rec.Bytes()
}

// item adds the item, which is written once.
func (w *writer) item(v interface {
	Check() error
	Bytes() []byte
}) {
	if err := v.Check(); err != nil {
		w.errs = append(w.errs, err)
		return
	}
	w.pieces = append(w.pieces, crdt.Piece{Kind: crdt.KindItem, Type: w.typ, Object: w.id, Raw: v.Bytes()})
}

func (w *writer) done() ([]crdt.Piece, error) {
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("write %s %v: %w", w.typ, w.id, err)
	}
	return w.pieces, nil
}
