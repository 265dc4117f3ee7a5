package receipt

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// Why a receipt takes back what another one sold: the kind of its references.
const (
	ReferCancel = "cancel" // all of it at once, so that it comes to nothing
	ReferRefund = "refund" // some of it, or what was left
)

// Taken is how much of a line of a receipt was taken back.
type Taken struct {
	Line     crdt.ObjectID
	Quantity Quantity // magnitude, above zero
}

// Refund is the item that says that a receipt took back what another one sold. It is committed with that receipt, and lets
// everybody see what was taken back of a receipt without reading all others. It supersedes nothing and stays.
type Refund struct {
	Of    crdt.ObjectID // the receipt that sold it
	By    crdt.ObjectID // the receipt that took it back
	Lines []Taken       // at most [MaxLines], at least one
	MS    int64         // Unix milliseconds, business time of the till that took it back
}

// RefundID returns the object ID of a refund: the first 8 bytes stand for the receipt that sold, so that all refunds of a
// receipt lie together, the others for the receipt that took it back.
func RefundID(of, by crdt.ObjectID) crdt.ObjectID {
	id, _ := RefundRange(of)
	sum := sha256.Sum256(append([]byte("tillmesh refund by\x00"), by[:]...))
	copy(id[8:], sum[:])
	return id
}

// RefundRange returns the lowest and the highest object ID that a refund of a receipt can have, both included.
func RefundRange(of crdt.ObjectID) (first, last crdt.ObjectID) {
	sum := sha256.Sum256(append([]byte("tillmesh refund of\x00"), of[:]...))
	copy(first[:8], sum[:])
	copy(last[:8], sum[:])
	for i := range 8 {
		last[8+i] = 0xff
	}
	return first, last
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (r Refund) Check() error {
	errs := []error{checkMS(r.MS), checkNamed("receipt that sold", r.Of.IsZero()), checkNamed("receipt that took back", r.By.IsZero())}
	if len(r.Lines) == 0 || len(r.Lines) > MaxLines {
		errs = append(errs, fmt.Errorf("%w: a refund of %d lines, 1 to %d", ErrInvalid, len(r.Lines), MaxLines))
	}
	seen := make(map[crdt.ObjectID]bool, min(len(r.Lines), MaxLines))
	for _, l := range r.Lines {
		if l.Quantity <= 0 || l.Line.IsZero() || seen[l.Line] {
			errs = append(errs, fmt.Errorf("%w: a refund of %d of line %v, or it is named twice", ErrInvalid, l.Quantity, l.Line))
		}
		seen[l.Line] = true
		errs = append(errs, l.Quantity.Check())
	}
	return errors.Join(errs...)
}

// Bytes returns the item's value.
func (r Refund) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("o", r.Of)
	rec.SetObject("b", r.By)
	lines := codec.AppendArray(nil, 2*len(r.Lines))
	for _, l := range r.Lines {
		lines = codec.AppendInt(codec.AppendBytes(lines, l.Line[:]), int64(l.Quantity))
	}
	rec.SetRaw("l", lines)
	rec.SetInt("m", r.MS)
	return rec.Bytes()
}

// ParseRefund reads the item of a refund.
func ParseRefund(raw []byte) (Refund, error) {
	f := rules.Parse(raw)
	r := Refund{Of: f.Object("o"), By: f.Object("b"), MS: f.Int("m")}
	f.Nested("l", func(rd *codec.Reader) {
		n := rd.Array()
		if n%2 != 0 || n > 2*MaxLines {
			rd.Fail("%d values, at most %d", n, 2*MaxLines)
			return
		}
		for range n / 2 {
			var t Taken
			rd.Fixed(t.Line[:])
			t.Quantity = Quantity(rd.Int())
			r.Lines = append(r.Lines, t)
		}
	})
	return document.Checked(f, "refund", r)
}

// NewRefund returns the item of a refund. A value against the rules comes back as an error of [Refund.Check].
func NewRefund(r Refund) ([]crdt.Piece, error) {
	w := newWriter(TypeRefund, RefundID(r.Of, r.By), nil)
	w.Item(r)
	return w.Done()
}
