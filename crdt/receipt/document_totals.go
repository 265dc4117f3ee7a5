package receipt

import "github.com/tillmesh/tillmesh/crdt"

// FillTotals computes every amount of the document that follows from others: of each line Voided, Base, Gross and
// TabDiscounts, the amount of each discount, and Totals. The caller sets the lines (quantity, unit price, tax),
// the voids, the discounts (basis points, or the amount as a magnitude or already with its sign) and of each payment
// Tendered and Change; Amount follows. Names and unknown fields of rates that stay are kept.
// It returns the errors of [ComputeTotals]; the document is then unchanged.
func (d *Document) FillTotals() error {
	totals, voided, err := d.compute()
	if err != nil {
		return err
	}
	var paid, change Amount
	for _, p := range d.Payments {
		if paid, err = paid.Add(p.Tendered); err != nil {
			return err
		}
		if change, err = change.Add(p.Change); err != nil {
			return err
		}
	}
	for i, t := range totals.Lines {
		l := &d.Lines[i]
		l.Voided, l.Base, l.Gross, l.TabDiscounts = voided[i], t.Base, t.Gross, t.TabDiscounts
		for k := range l.Discounts {
			l.Discounts[k].Amount = t.Discounts[k]
		}
	}
	for i := range d.Discounts {
		d.Discounts[i].Amount = totals.Discounts[i]
	}
	for i := range d.Payments {
		d.Payments[i].Amount = d.Payments[i].Tendered - d.Payments[i].Change
	}
	var rates []DocRate
	for _, r := range totals.Rates {
		rate := DocRate{Ref: r.Ref}
		for _, old := range d.Totals.Rates {
			if old.Ref == r.Ref {
				rate = old
			}
		}
		rate.Gross, rate.Net, rate.Tax = r.Gross, r.Net, r.Tax
		rates = append(rates, rate)
	}
	d.Totals.Gross, d.Totals.Rates, d.Totals.Paid, d.Totals.Change = totals.Gross, rates, paid, change
	return nil
}

// compute returns the totals of the document's lines and how much of each line its voids take, as a magnitude.
func (d *Document) compute() (Totals, []Quantity, error) {
	voids := d.voidedByLine()
	voidedParts := make([]Quantity, len(d.Lines))
	lines := make([]LineInput, len(d.Lines))
	for i, l := range d.Lines {
		voidedParts[i] = Quantity(magnitude(voided(l.Quantity, voids[l.ID])))
		lines[i] = LineInput{
			ID:        l.ID,
			Quantity:  l.Quantity,
			Voided:    voidedParts[i],
			UnitPrice: l.UnitPrice,
			Tax:       l.Tax,
			Discounts: reductions(l.Discounts),
		}
	}
	totals, err := ComputeTotals(lines, reductions(d.Discounts))
	if d.Kind == KindAborted { // its lines say what it would have come to
		totals.Rates, totals.Gross = nil, 0
	}
	return totals, voidedParts, err
}

// voidedByLine sums the voids of each line; a void of all of a line, and any sum beyond the limits, is [MaxQuantity].
func (d *Document) voidedByLine() map[crdt.ObjectID]Quantity {
	sums := make(map[crdt.ObjectID]Quantity, len(d.Voids))
	for _, v := range d.Voids {
		q := min(v.Quantity, MaxQuantity)
		if q <= 0 {
			q = MaxQuantity
		}
		sums[v.Line] = min(sums[v.Line]+q, MaxQuantity)
	}
	return sums
}

func reductions(ds []DocDiscount) []Reduction {
	rs := make([]Reduction, len(ds))
	for i, d := range ds {
		if d.Kind == DiscountPercent {
			rs[i] = Reduction{Percent: d.Percent}
		} else {
			rs[i] = Reduction{Amount: max(d.Amount, -d.Amount)}
		}
	}
	return rs
}
