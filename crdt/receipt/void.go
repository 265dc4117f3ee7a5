package receipt

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Void is the item that takes a line, or part of it, back before the tab is closed.
type Void struct {
	Line     crdt.ObjectID
	Quantity Quantity // magnitude, also of a return; zero: all of the line
	Reason   string   // may be empty
	User     string   // may be empty
	Till     crdt.TillID
	MS       int64 // Unix milliseconds, business time of that till
}

// Check says what is wrong with the value, wrapping [ErrInvalid], [ErrQuantity] or [ErrOverflow].
func (v Void) Check() error {
	if v.Quantity < 0 {
		return fmt.Errorf("void: %w: it is negative", ErrQuantity)
	}
	return errors.Join(v.Quantity.Check(), checkTexts("reason", v.Reason, "user", v.User), checkMS(v.MS),
		checkNamed("line", v.Line.IsZero()), checkNamed("till", v.Till.IsZero()))
}

// Bytes returns the item's value.
func (v Void) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("l", v.Line)
	rec.SetInt("q", int64(v.Quantity))
	rec.SetString("r", v.Reason)
	rec.SetString("u", v.User)
	rec.SetTill("d", v.Till)
	rec.SetInt("m", v.MS)
	return rec.Bytes()
}

// ParseVoid reads the item of a void.
func ParseVoid(raw []byte) (Void, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "void", Void{Line: f.Object("l"), Quantity: Quantity(f.Int("q")), Reason: f.Text("r"),
		User: f.Text("u"), Till: f.Till("d"), MS: f.Int("m")})
}

// NewVoid returns the item of a new void. A value against the rules comes back as an error of [Void.Check]. Voids add
// up; more than the line has takes all of it.
func NewVoid(id crdt.ObjectID, v Void) ([]crdt.Piece, error) {
	w := newWriter(TypeVoid, id, nil)
	w.Item(v)
	return w.Done()
}
