package document

import (
	"bytes"
	"fmt"

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
	Value any        // the value type of the register, nil if this program cannot read it
	Err   error      // why it cannot
}

// Reader parses the value of a register by its name. It returns nil for a register this program does not know.
type Reader func(register string, raw []byte) (any, error)

// Typed makes the result of a parse function that of a [Reader]: no value if there is an error.
func Typed[T any](v T, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

// Conflicts returns the registers of a merged object, nil if nobody wrote it, that wait for a decision, in the order of
// their names.
func Conflicts(obj *crdt.Object, read Reader) (out []Conflict) {
	if obj == nil {
		return nil
	}
	for i := range obj.Registers {
		r := &obj.Registers[i]
		if Agree(r.Siblings) {
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

// Agree reports whether all siblings of a register say the same: then there is nothing a person could decide.
func Agree(siblings []crdt.Sibling) bool {
	for i := 1; i < len(siblings); i++ {
		if !bytes.Equal(siblings[i].Raw, siblings[0].Raw) {
			return false
		}
	}
	return true
}

// Shown reads the value of a register that is to be shown, the zero value if nobody wrote it. obj is the merged object,
// nil if nobody wrote one. The error names the register; what comes with it is what parse returned.
func Shown[T any](obj *crdt.Object, register string, parse func([]byte) (T, error)) (v T, err error) {
	if obj == nil {
		return v, nil
	}
	raw := obj.Value(register)
	if raw == nil {
		return v, nil
	}
	if v, err = parse(raw); err != nil {
		return v, fmt.Errorf("register %q: %w", register, err)
	}
	return v, nil
}

// Collect is [Shown] for a view of several registers: it appends the error to errs.
func Collect[T any](obj *crdt.Object, register string, parse func([]byte) (T, error), errs *[]error) T {
	v, err := Shown(obj, register, parse)
	if err != nil {
		*errs = append(*errs, err)
	}
	return v
}
