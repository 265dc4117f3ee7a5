package handover

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Location is the register "loc" of a payment: the tab it was moved to.
type Location struct{ Tab crdt.ObjectID }

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (l Location) Check() error {
	if l.Tab.IsZero() {
		return fmt.Errorf("%w: the tab is missing", ErrInvalid)
	}
	return nil
}

// ParseLocation reads a register value.
func ParseLocation(raw []byte) (Location, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "location of a payment", Location{f.Object("t")})
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (l Location) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) { rec.SetObject("t", l.Tab) })
}

// MovePayment returns the piece that moves a payment to another tab, none if it was moved there already and nowhere else. obj
// is the merged payment. Where tills moved it to different tabs, the write decides.
func MovePayment(id crdt.ObjectID, obj *crdt.Object, tab crdt.ObjectID) ([]crdt.Piece, error) {
	var resolve []string
	if obj != nil {
		if r := obj.Get(RegisterLocation); r != nil && !document.Agree(r.Siblings) {
			resolve = []string{RegisterLocation}
		}
	}
	w := rules.Writer(TypePayment, id, obj, resolve...)
	w.Put(RegisterLocation, Location{tab})
	return w.Done()
}

// PaymentTab returns the tab that a payment was moved to, and false if it was not moved. obj may be nil.
func PaymentTab(obj *crdt.Object) (crdt.ObjectID, bool) {
	l, err := document.Shown(obj, RegisterLocation, ParseLocation)
	return l.Tab, err == nil && !l.Tab.IsZero()
}
