package receipt

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Conflict is a [document.Conflict] with the object it is in. Claims of a tab are none: a rule decides between them, see
// [Holder].
type Conflict struct {
	Type     string // one of the Type constants
	Object   crdt.ObjectID
	Register string
	Values   []Candidate // the value to show first
}

// Candidate is one of the values of a conflict. Its value is of the register's type (Head, Location, Discount, ...).
type Candidate = document.Candidate

// readRegister parses the value of a register by its name; nil for one this program does not know.
func readRegister(register string, raw []byte) (any, error) {
	switch register {
	case RegisterHead:
		return document.Typed(ParseHead(raw))
	case RegisterNote:
		return document.Typed(ParseNote(raw))
	case RegisterCustomer:
		return document.Typed(ParseCustomer(raw))
	case RegisterMerge:
		return document.Typed(ParseMerge(raw))
	case RegisterClaim:
		return document.Typed(ParseClaim(raw))
	case RegisterLocation:
		return document.Typed(ParseLocation(raw))
	case RegisterValue:
		return document.Typed(ParseDiscount(raw))
	case RegisterProgress:
		return document.Typed(ParseProgress(raw))
	}
	return nil, nil
}

func conflicts(out []Conflict, typ string, id crdt.ObjectID, obj *crdt.Object) []Conflict {
	for _, c := range document.Conflicts(obj, readRegister) {
		if typ != TypeTab || c.Register != RegisterClaim {
			out = append(out, Conflict{Type: typ, Object: id, Register: c.Register, Values: c.Values})
		}
	}
	return out
}

// registerOf returns a register of an object, either of which may not be there.
func registerOf(obj *crdt.Object, name string) *crdt.Register {
	if obj == nil {
		return nil
	}
	return obj.Get(name)
}

// newWriter begins an edit of an object, which must have an ID.
func newWriter(typ string, id crdt.ObjectID, obj *crdt.Object, resolve ...string) *document.Writer {
	w := rules.Writer(typ, id, obj, resolve...)
	if id.IsZero() {
		w.Fail(fmt.Errorf("%w: the ID is missing", ErrInvalid))
	}
	return w
}
