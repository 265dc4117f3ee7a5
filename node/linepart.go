package node

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// A part of a line is a void of that quantity and a new line, in one change. The rest stays where it is, under its ID: what
// was ordered, signed and typed is still there, and nobody can put the same line on two tabs. The ID of the new line follows
// from that of the void, so a document that shows the void shows which line has the part; see [PartOf].
//
// What stays and the part come to what the line came to, to the cent: the rest is computed as always, the part gets what is
// left. If price times quantity says something else, the unit price of the part is moved until it fits.

// splitReason is the reason of a void that stands for a part that is on another line now.
const splitReason = "split"

// PartOf returns the ID of the line that has what a void took from another line, if the line was split.
func PartOf(void crdt.ObjectID) crdt.ObjectID { return crdt.DeriveObjectID("part of a line", void[:]) }

// linePart is what becomes of a line that is split.
type linePart struct {
	line receipt.Line   // the part
	give receipt.Amount // fixed discount of the part, zero: none
	keep receipt.Amount // what is left of the fixed discount of the line
	// plain: the percentages do not go along, the fixed discount stands for them.
	plain bool
}

// cutLine cuts a part off a line. quantity is a magnitude, above zero and less than what is left of the line.
func cutLine(l *receipt.LineView, quantity receipt.Quantity) (linePart, error) {
	whole, err := worth(*l)
	if err != nil {
		return linePart{}, err
	}
	percents, fixed := bare(reductionsOf(l.Discounts))
	part := linePart{line: l.Line}
	if part.line.Quantity = quantity; l.Line.Quantity < 0 {
		part.line.Quantity = -quantity
	}
	rest := *l
	rest.Voided += quantity
	mine, err := priced(part.line, percents, 0)
	if err != nil {
		return linePart{}, err
	}
	theirs, err := withReductions(rest, percents, 0)
	if err != nil {
		return linePart{}, err
	}
	if fixed != 0 {
		shares, err := receipt.Shares(fixed, []receipt.Amount{magnitude(mine), magnitude(theirs)})
		if err != nil {
			return linePart{}, err
		}
		part.keep = min(shares[1], magnitude(theirs))
	}
	if theirs, err = withReductions(rest, percents, part.keep); err != nil {
		return linePart{}, err
	}
	err = part.fit(whole-theirs, percents, fixed != 0)
	return part, err
}

// fit makes a part come to an amount. One of a line with a fixed discount takes as much of it as it needs. Else the unit price
// is moved, as little as possible; where no price fits, it is the next higher one with a discount for the rest.
func (p *linePart) fit(target receipt.Amount, percents []receipt.Reduction, discounted bool) error {
	price, step := p.line.UnitPrice, receipt.Amount(1)
	if price < 0 {
		step = -1
	}
	over := func(n receipt.Amount) (receipt.Amount, error) {
		p.line.UnitPrice = price + n*step
		is, err := priced(p.line, percents, 0)
		return magnitude(is) - magnitude(target), err
	}
	first, err := over(0)
	if err != nil {
		return err
	}
	if discounted && first > 0 || first == 0 {
		p.give = first
		return nil
	}
	// A thousandth of a piece needs a thousand steps for one cent.
	for n := range receipt.Amount(4000/int64(magnitude(p.line.Quantity)) + 4) {
		for _, by := range []receipt.Amount{n, -n} {
			off, err := over(by)
			if err != nil {
				return err
			}
			if off == 0 {
				p.line.Overridden = p.line.Overridden || p.line.ListPrice != nil
				return nil
			}
		}
	}
	// No price fits: without the percentages, the price of before or the next higher one, and a discount for the rest.
	p.plain, percents = true, nil
	for n := range receipt.Amount(4000/int64(magnitude(p.line.Quantity)) + 4) {
		off, err := over(n)
		if err != nil {
			return err
		}
		if off >= 0 {
			p.give, p.line.Overridden = off, p.line.Overridden || n > 0 && p.line.ListPrice != nil
			return nil
		}
	}
	return refuse(CodeQuantity, "split off another quantity", "the line cannot be split so to the cent")
}

// worth returns what a line comes to without discounts on the tab.
func worth(l receipt.LineView) (receipt.Amount, error) {
	t, err := receipt.ComputeTotals([]receipt.LineInput{inputOf(&l)}, nil)
	return t.Gross, err
}

func withReductions(l receipt.LineView, percents []receipt.Reduction, fixed receipt.Amount) (receipt.Amount, error) {
	in := inputOf(&l)
	in.Discounts = reduced(percents, fixed)
	t, err := receipt.ComputeTotals([]receipt.LineInput{in}, nil)
	return t.Gross, err
}

func priced(l receipt.Line, percents []receipt.Reduction, fixed receipt.Amount) (receipt.Amount, error) {
	t, err := receipt.ComputeTotals([]receipt.LineInput{{Quantity: l.Quantity, UnitPrice: l.UnitPrice, Tax: l.Tax, Discounts: reduced(percents, fixed)}}, nil)
	return t.Gross, err
}

func reduced(percents []receipt.Reduction, fixed receipt.Amount) []receipt.Reduction {
	if fixed == 0 {
		return percents
	}
	return append(append([]receipt.Reduction(nil), percents...), receipt.Reduction{Amount: fixed})
}
