package document

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Value is what the type of every register can do.
type Value interface {
	// Check says what is wrong with the value.
	Check() error
	// Edit writes the value over the register value shown, nil if there is none. See [Rules.Edit].
	Edit(old []byte) ([]byte, error)
}

// Item is what the type of an item, which is written once, can do.
type Item interface {
	// Check says what is wrong with the value.
	Check() error
	// Bytes returns the item's value.
	Bytes() []byte
}

// Writer collects the pieces of one edit of one object. It goes on after a value against the rules, so that all of them
// are told at once.
type Writer struct {
	schema  uint32
	typ     string
	id      crdt.ObjectID
	obj     *crdt.Object
	resolve []string
	pieces  []crdt.Piece
	errs    []error
}

// Writer begins an edit. obj is the merged object, nil or empty for a new one; the clocks of the pieces say that the
// edit saw all of it. resolve names registers to write even if the value is the one shown, which decides a conflict for
// it.
func (r Rules) Writer(typ string, id crdt.ObjectID, obj *crdt.Object, resolve ...string) *Writer {
	if obj == nil {
		obj = new(crdt.Object)
	}
	return &Writer{schema: r.Schema, typ: typ, id: id, obj: obj, resolve: resolve}
}

// Written reports whether the register has a value before this edit.
func (w *Writer) Written(register string) bool { return w.obj.Value(register) != nil }

// Put writes a register if the value differs from the one shown, or if the register is to be resolved. A register that
// nobody wrote and a value of nothing but defaults are the same.
func (w *Writer) Put(register string, v Value) {
	w.put(register, v, w.canonical(w.obj.Value(register)))
}

// PutDated is Put for a register whose mere existence says something, because its name holds a start date: a value of
// nothing but defaults is written too if nobody wrote the register.
func (w *Writer) PutDated(register string, v Value) {
	var same []byte
	if old := w.obj.Value(register); old != nil {
		same = w.canonical(old)
	}
	w.put(register, v, same)
}

// put writes a register unless its new bytes would be same.
func (w *Writer) put(register string, v Value, same []byte) {
	raw, err := v.Edit(w.obj.Value(register))
	if err = errors.Join(v.Check(), err); err != nil {
		w.Fail(fmt.Errorf("register %q: %w", register, err))
		return
	}
	if !slices.Contains(w.resolve, register) && bytes.Equal(raw, same) {
		return
	}
	w.pieces = append(w.pieces, crdt.Piece{
		Kind: crdt.KindRegister, Type: w.typ, Object: w.id, Name: register, Clock: w.obj.Seen(register), Raw: raw,
	})
}

// canonical returns the bytes that an edit which changes nothing would give, nil if the old ones cannot stay.
func (w *Writer) canonical(old []byte) []byte {
	var rec crdt.Record
	if old != nil {
		var err error
		if rec, err = crdt.ParseRecord(old, w.schema); err != nil {
			return nil
		}
	}
	return rec.Bytes()
}

// Item adds the item of the object.
func (w *Writer) Item(v Item) {
	if err := v.Check(); err != nil {
		w.Fail(err)
		return
	}
	w.pieces = append(w.pieces, crdt.Piece{Kind: crdt.KindItem, Type: w.typ, Object: w.id, Raw: v.Bytes()})
}

// Fail notes why there can be no such edit.
func (w *Writer) Fail(err error) { w.errs = append(w.errs, err) }

// Done returns the pieces, none if nothing changes, or all problems in one error.
func (w *Writer) Done() ([]crdt.Piece, error) {
	if err := errors.Join(w.errs...); err != nil {
		return nil, fmt.Errorf("write %s %v: %w", w.typ, w.id, err)
	}
	return w.pieces, nil
}
