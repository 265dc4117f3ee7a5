package receipt

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// ErrTaken means that less is left of a line than is to be taken back: the rest was taken back before.
var ErrTaken = errors.New("not that much is left to take back")

// TakenError says of which line more is to be taken back than is left. It wraps [ErrTaken].
type TakenError struct {
	Line crdt.ObjectID
	Name string
	Want Quantity // magnitudes
	Left Quantity
}

// Error names the line and what is left of it.
func (e *TakenError) Error() string {
	return fmt.Sprintf("%v: %d thousandths of %q (line %v), %d are left", ErrTaken, e.Want, e.Name, e.Line, e.Left)
}

// Unwrap returns [ErrTaken].
func (e *TakenError) Unwrap() error { return ErrTaken }

// Mirrored is what takes back lines of a receipt: the lines of the new receipt, its references, and the quantities for its
// [Refund].
type Mirrored struct {
	Lines      []DocLine
	References []DocReference
	Taken      []Taken
	All        bool // nothing is left of the receipt
}

// Mirror returns the exact mirror of lines of a receipt, or of parts of them: same price, tax and business case, the
// quantity with the other sign, and its part of every discount as one amount. What is taken back of a line in several
// steps comes to what the line came to, to the cent: each step is the difference of two rounded shares.
//
// takes names lines and quantities (0: all that is left), an empty list means everything that is left. before is what was
// taken back already. till, user and at are who takes it back and when. It returns a [TakenError], [ErrTooMany] or
// [ErrInvalid].
func Mirror(of Document, takes []Taken, before map[crdt.ObjectID]Quantity, till crdt.TillID, user, at string) (Mirrored, error) {
	if of.Kind != KindReceipt {
		return Mirrored{}, fmt.Errorf("%w: %s is no receipt that can be taken back", ErrInvalid, NumberText(of.Series, of.Number))
	}
	if len(takes) == 0 {
		for _, l := range of.Lines {
			if left(l, before) > 0 {
				takes = append(takes, Taken{Line: l.ID})
			}
		}
		if len(takes) == 0 {
			return Mirrored{}, fmt.Errorf("%w: nothing is left of %s", ErrTaken, NumberText(of.Series, of.Number))
		}
	}
	hash, err := of.hash()
	if err != nil {
		return Mirrored{}, err
	}
	var out Mirrored
	after := make(map[crdt.ObjectID]Quantity, len(takes))
	for _, t := range takes {
		i := slices.IndexFunc(of.Lines, func(l DocLine) bool { return l.ID == t.Line })
		if i < 0 || after[t.Line] > 0 {
			return Mirrored{}, fmt.Errorf("%w: line %v is not on %s, or is named twice", ErrInvalid, t.Line, NumberText(of.Series, of.Number))
		}
		l := of.Lines[i]
		rest := left(l, before)
		if t.Quantity == 0 {
			t.Quantity = rest
		}
		if t.Quantity <= 0 || t.Quantity > rest {
			return Mirrored{}, &TakenError{Line: l.ID, Name: l.Name, Want: t.Quantity, Left: rest}
		}
		lines, err := mirrorLine(l, t.Quantity, before[l.ID])
		if err != nil {
			return Mirrored{}, fmt.Errorf("take back line %v: %w", l.ID, err)
		}
		for k := range lines {
			m := &lines[k]
			m.ID = crdt.DeriveObjectID("mirrored line", l.ID[:], till[:], fmt.Appendf(nil, "%s %d %d", at, before[l.ID], k))
			m.Till, m.User, m.Time = till, user, at
		}
		after[l.ID] = t.Quantity
		out.Lines, out.Taken = append(out.Lines, lines...), append(out.Taken, t)
		out.References = append(out.References, DocReference{Kind: ReferRefund, ID: of.ID, Till: of.Till.ID, Series: of.Series,
			Number: of.Number, Hash: &hash, Line: l.ID, Quantity: t.Quantity})
	}
	if len(out.Lines) > MaxLines {
		return Mirrored{}, fmt.Errorf("%w: taking this back needs %d lines, at most %d", ErrTooMany, len(out.Lines), MaxLines)
	}
	out.All = !slices.ContainsFunc(of.Lines, func(l DocLine) bool { return left(l, before) > after[l.ID] })
	if out.All && !slices.ContainsFunc(of.Lines, func(l DocLine) bool { return before[l.ID] > 0 }) {
		for i := range out.References {
			out.References[i].Kind = ReferCancel
		}
	}
	return out, nil
}

// hash returns the SHA-256 of the document's bytes.
func (d *Document) hash() (Digest, error) {
	if d.raw != nil {
		return Hash(d.raw), nil
	}
	b, err := d.Canonical()
	return Hash(b), err
}

// left returns how much of a line can still be taken back, as a magnitude.
func left(l DocLine, before map[crdt.ObjectID]Quantity) Quantity {
	return sold(l) - min(sold(l), before[l.ID])
}

// sold returns how much of a line its receipt sold, or took back, as a magnitude.
func sold(l DocLine) Quantity { return Quantity(magnitude(l.Quantity)) - l.Voided }

// mirrorLine takes back quantity of a line of which before was taken back already. There are two lines if rounding leaves a
// cent that price times quantity cannot express.
func mirrorLine(l DocLine, quantity, before Quantity) ([]DocLine, error) {
	whole := uint64(sold(l))
	upTo, err := scale(l.Gross, true, uint64(before+quantity), whole)
	if err != nil {
		return nil, err
	}
	was, err := scale(l.Gross, true, uint64(before), whole)
	if err != nil {
		return nil, err
	}
	gross := upTo - was
	m := l
	m.Tab, m.Voided, m.TabDiscounts, m.Discounts = crdt.ObjectID{}, 0, nil, nil
	m.Quantity = -quantity
	if l.Quantity < 0 {
		m.Quantity = quantity
	}
	base, err := m.UnitPrice.Mul(m.Quantity)
	if err != nil {
		return nil, err
	}
	switch rest := gross - base; {
	case rest == 0:
	case base != 0 && (rest > 0) != (base > 0) && magnitude(rest) <= magnitude(base):
		m.Discounts = []DocDiscount{{Kind: DiscountAmount, Amount: rest}}
	default:
		cent := m
		cent.Quantity, cent.UnitPrice, cent.ListPrice, cent.Overridden = -DefaultQuantity, -rest, nil, false
		return []DocLine{m, cent}, nil
	}
	return []DocLine{m}, nil
}
