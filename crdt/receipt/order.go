package receipt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// maxSecurity is how many bytes a signing device may say about an order, as canonical JSON.
const maxSecurity = 16 << 10

// Order is the item that says that a signing device confirmed lines when they were ordered. The receipt that closes the tab
// lists it, and it leaves with the tab.
type Order struct {
	Tab      crdt.ObjectID
	Lines    []crdt.ObjectID // at most [MaxLines], at least one
	Till     crdt.TillID     // whose device it was
	User     string          // may be empty
	MS       int64           // Unix milliseconds, business time of that till
	Security Object          // what the device said, in its own terms
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (o Order) Check() error {
	errs := []error{checkTexts("user", o.User), checkMS(o.MS), checkNamed("tab", o.Tab.IsZero()), checkNamed("till", o.Till.IsZero())}
	if len(o.Lines) == 0 || len(o.Lines) > MaxLines {
		errs = append(errs, fmt.Errorf("%w: an order of %d lines, 1 to %d", ErrInvalid, len(o.Lines), MaxLines))
	}
	if slices.ContainsFunc(o.Lines, crdt.ObjectID.IsZero) {
		errs = append(errs, fmt.Errorf("%w: an order of a line without an ID", ErrInvalid))
	}
	raw, err := o.security()
	switch {
	case err != nil:
		errs = append(errs, fmt.Errorf("%w: what the signing device said: %w", ErrInvalid, err))
	case len(raw) > maxSecurity:
		errs = append(errs, fmt.Errorf("%w: the signing device said %d bytes, at most %d", ErrInvalid, len(raw), maxSecurity))
	}
	return errors.Join(errs...)
}

func (o Order) security() ([]byte, error) {
	if o.Security == nil {
		return nil, errors.New("it is missing")
	}
	return AppendCanonical(nil, o.Security)
}

// Bytes returns the item's value.
func (o Order) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("t", o.Tab)
	setObjects(&rec, "l", o.Lines)
	rec.SetTill("d", o.Till)
	rec.SetString("u", o.User)
	rec.SetInt("m", o.MS)
	if raw, err := o.security(); err == nil {
		rec.SetRaw("x", codec.AppendBytes(nil, raw))
	}
	return rec.Bytes()
}

// ParseOrder reads the item of an order.
func ParseOrder(raw []byte) (Order, error) {
	f := rules.Parse(raw)
	o := Order{Tab: f.Object("t"), Lines: objects(f, "l", MaxLines), Till: f.Till("d"), User: f.Text("u"), MS: f.Int("m")}
	if b := f.Binary("x"); len(b) > 0 && len(b) <= maxSecurity {
		v, err := ParseCanonical(b)
		if obj, ok := v.(Object); err == nil && ok {
			o.Security = obj
		}
	}
	return document.Checked(f, "order", o)
}

// NewOrder returns the item of a new order. A value against the rules comes back as an error of [Order.Check].
func NewOrder(id crdt.ObjectID, o Order) ([]crdt.Piece, error) {
	w := newWriter(TypeOrder, id, nil)
	w.Item(o)
	return w.Done()
}
