package receipt

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// What a discount is on.
const (
	OnLine = "line"
	OnTab  = "tab"
)

// Discount is the register "value" of a discount: a slot that there is once for each line or tab and kind, so that two
// tills which give the same discount apart meet in one conflict and not in two discounts. It is removed by writing zero.
type Discount struct {
	Target  crdt.ObjectID // the line or tab
	On      string        // OnLine or OnTab
	Kind    string        // DiscountPercent or DiscountAmount
	Percent Rate          // above or equal to zero; only for a percentage
	Amount  Amount        // above or equal to zero; only for an amount. It always moves the total towards zero
	Reason  string        // may be empty
	User    string        // may be empty
	Till    crdt.TillID
	MS      int64 // Unix milliseconds, business time of that till
}

// DiscountID returns the object ID of the slot of a line or tab for a kind of discount.
func DiscountID(target crdt.ObjectID, kind string) crdt.ObjectID {
	return crdt.DeriveObjectID(TypeDiscount, target[:], []byte(kind))
}

// ID returns the object ID of the discount's slot.
func (d Discount) ID() crdt.ObjectID { return DiscountID(d.Target, d.Kind) }

// Removed reports whether the slot holds no discount (any more).
func (d Discount) Removed() bool { return d.Percent == 0 && d.Amount == 0 }

// Check says what is wrong with the value, wrapping [ErrInvalid], [ErrDiscount], [ErrRate] or [ErrOverflow].
func (d Discount) Check() error {
	errs := []error{
		d.Percent.Check(), d.Amount.Check(), checkTexts("reason", d.Reason, "user", d.User), checkMS(d.MS),
		checkNamed("line or tab", d.Target.IsZero()), checkNamed("till", d.Till.IsZero()),
	}
	if d.On != OnLine && d.On != OnTab {
		errs = append(errs, fmt.Errorf("%w: a discount on %.20q is neither on a line nor on a tab", ErrInvalid, d.On))
	}
	switch {
	case d.Kind != DiscountPercent && d.Kind != DiscountAmount:
		errs = append(errs, fmt.Errorf("%w: a discount of kind %.20q is neither a percentage nor an amount", ErrInvalid, d.Kind))
	case d.Kind == DiscountPercent && d.Amount != 0, d.Kind == DiscountAmount && d.Percent != 0:
		errs = append(errs, fmt.Errorf("%w: both a percentage and an amount: send two discounts", ErrDiscount))
	case d.Amount < 0:
		errs = append(errs, fmt.Errorf("%w: amount %d is negative", ErrDiscount, d.Amount))
	}
	return errors.Join(errs...)
}

// ParseDiscount reads a register value.
func ParseDiscount(raw []byte) (Discount, error) {
	f := rules.Parse(raw)
	d := Discount{
		Target: f.Object("t"), On: OnLine, Kind: DiscountPercent, Percent: Rate(f.Int("p")), Amount: Amount(f.Int("a")),
		Reason: f.Text("r"), User: f.Text("u"), Till: f.Till("d"), MS: f.Int("m"),
	}
	if f.Bool("o") {
		d.On = OnTab
	}
	if f.Bool("k") {
		d.Kind = DiscountAmount
	}
	return document.Checked(f, "discount", d)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (d Discount) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetObject("t", d.Target)
		rec.SetBool("o", d.On == OnTab)
		rec.SetBool("k", d.Kind == DiscountAmount)
		rec.SetInt("p", int64(d.Percent))
		rec.SetInt("a", int64(d.Amount))
		rec.SetString("r", d.Reason)
		rec.SetString("u", d.User)
		rec.SetTill("d", d.Till)
		rec.SetInt("m", d.MS)
	})
}

// EditDiscount returns the write that gives a discount, changes it, or removes it (zero percent, zero amount); none if
// there is nothing to remove. obj is the merged object under [Discount.ID], nil or empty if nobody wrote it. A value
// against the rules comes back as an error of [Discount.Check].
func EditDiscount(obj *crdt.Object, d Discount) ([]crdt.Piece, error) {
	if d.Removed() && (obj == nil || obj.Value(RegisterValue) == nil) {
		return nil, d.Check()
	}
	// Who gives it and when is part of the value, so writing it again is a new write and decides a conflict.
	w := newWriter(TypeDiscount, d.ID(), obj, RegisterValue)
	w.Put(RegisterValue, d)
	return w.Done()
}
