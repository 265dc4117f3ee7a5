package rksv

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Kind says what a receipt is.
type Kind string

// Kinds of receipt. From Start on they are Nullbelege: they come to nothing.
const (
	Standard     Kind = "standard"
	Cancellation Kind = "cancellation" // Stornobuchung; shows STO, and counts
	Training     Kind = "training"     // Trainingsbuchung; shows TRA, and does not count
	Start        Kind = receipt.ControlStart
	Month        Kind = receipt.ControlMonth
	Year         Kind = receipt.ControlYear
	Collective   Kind = receipt.ControlCollective
	Final        Kind = receipt.ControlFinal
	Check        Kind = receipt.ControlCheck
)

// Null reports whether a receipt of this kind is a Nullbeleg.
func (k Kind) Null() bool {
	switch k {
	case Start, Month, Year, Collective, Final, Check:
		return true
	}
	return false
}

// mustBeSigned reports whether such a receipt is not made while the signature unit fails.
func (k Kind) mustBeSigned() bool { return k == Start || k == Year || k == Collective }

// Receipt is what the signer needs of a receipt.
type Receipt struct {
	Kind    Kind
	CashBox string // Kassen-ID
	Number  string // Belegnummer, never used before by this cash box: longer than the last one, or behind it in the order of bytes
	Date    string // local time, yyyy-MM-ddTHH:mm:ss
	Amounts Amounts
}

// Of returns what is signed of a document that has its number: cash box is the series. A receipt that only gives back,
// with a reference to what it cancels or refunds, is a cancellation. What sells nothing counts nothing: business cases
// that are no turnover, a number without receipt, a tab that was given up. It returns [ErrRequest] for a document of
// another kind and for a tax rate that is not Austrian.
func Of(d *receipt.Document) (Receipt, error) {
	closed, err := time.Parse(time.RFC3339, d.Closed)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: closed %.40q is not a time", ErrRequest, d.Closed)
	}
	r := Receipt{Kind: Standard, CashBox: d.Series, Number: receipt.NumberText(d.Series, d.Number), Date: closed.Format(dateLayout)}
	switch d.Kind {
	case receipt.KindReceipt:
		if r.Amounts, err = AmountsOf(d); err != nil {
			return Receipt{}, err
		}
		switch {
		case d.Training:
			r.Kind = Training
		case takesBack(d):
			r.Kind = Cancellation
		}
	case receipt.KindControl:
		if d.Control != nil {
			r.Kind = Kind(d.Control.What)
		}
		if !r.Kind.Null() {
			return Receipt{}, fmt.Errorf("%w: %.40q is no special receipt", ErrRequest, r.Kind)
		}
	case receipt.KindAborted, receipt.KindVoid:
	default:
		return Receipt{}, fmt.Errorf("%w: a document of kind %.20q is no receipt", ErrRequest, d.Kind)
	}
	return r, nil
}

// AmountsOf returns the gross sums of a document per tax set. A business case that is not of DSFinV-K counts as turnover.
func AmountsOf(d *receipt.Document) (a Amounts, err error) {
	for i, l := range d.Lines {
		if !turnover(l) || l.Gross == 0 {
			continue
		}
		set, err := TaxSet(l.Tax.Rate)
		if err == nil {
			a[set], err = a[set].Add(l.Gross)
		}
		if err != nil {
			return Amounts{}, fmt.Errorf("%w: line %d: %w", ErrRequest, i+1, err)
		}
	}
	return a, nil
}

func turnover(l receipt.DocLine) bool {
	business, known := receipt.BusinessCase(l.Case)
	return business.Turnover || !known
}

// takesBack reports whether a receipt does nothing but take back what another one sold.
func takesBack(d *receipt.Document) bool {
	refers, gives := false, false
	for _, r := range d.References {
		refers = refers || r.Kind == receipt.ReferCancel || r.Kind == receipt.ReferRefund
	}
	for _, l := range d.Lines {
		gives = gives || turnover(l) && l.Quantity > 0 && l.Gross != 0
	}
	return refers && !gives
}
