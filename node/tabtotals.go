package node

import (
	"errors"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// totalsOf returns what lines come to with the discounts of a tab.
func totalsOf(lines []receipt.LineView, tab []receipt.Reduction) (receipt.Totals, error) {
	in := make([]receipt.LineInput, 0, len(lines))
	for i := range lines {
		if lines[i].Err == nil {
			in = append(in, inputOf(&lines[i]))
		}
	}
	return receipt.ComputeTotals(in, tab)
}

func inputOf(l *receipt.LineView) receipt.LineInput {
	return receipt.LineInput{ID: l.ID, Quantity: l.Line.Quantity, Voided: l.Voided, UnitPrice: l.Line.UnitPrice, Tax: l.Line.Tax,
		Discounts: reductionsOf(l.Discounts)}
}

// reductionsOf returns the discounts that count.
func reductionsOf(list []receipt.DiscountView) (out []receipt.Reduction) {
	for _, d := range list {
		if !d.Refused {
			out = append(out, receipt.Reduction{Percent: d.Discount.Percent, Amount: d.Discount.Amount})
		}
	}
	return out
}

// bare is the same as reductions, without the fixed amounts.
func bare(list []receipt.Reduction) (out []receipt.Reduction, fixed receipt.Amount) {
	for _, r := range list {
		if r.Amount == 0 {
			out = append(out, r)
		}
		fixed += r.Amount
	}
	return out, fixed
}

func isRefusal(err error) (*Refusal, bool) { return errors.AsType[*Refusal](err) }

func magnitude[T ~int64](x T) T {
	if x < 0 {
		return -x
	}
	return x
}
