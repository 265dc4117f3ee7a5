package receipt_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// The arithmetic of this file is exact: fractions of whole numbers, rounded once where the rules say so.

func rat(a, b int64) *big.Rat { return big.NewRat(a, b) }

// half rounds a fraction to a whole number, half away from zero.
func half(x *big.Rat) int64 {
	n := new(big.Int).Mul(new(big.Int).Abs(x.Num()), big.NewInt(2))
	n.Add(n, x.Denom())
	n.Quo(n, new(big.Int).Mul(x.Denom(), big.NewInt(2)))
	if x.Sign() < 0 {
		n.Neg(n)
	}
	return n.Int64()
}

// exactTax is the tax within a gross amount, not rounded.
func exactTax(gross receipt.Amount, rate receipt.Rate) *big.Rat {
	return rat(int64(gross)*int64(rate), 10_000+int64(rate))
}

var (
	farmers    = receipt.TaxRef{ID: object(78), Key: "3", Rate: 780}
	businesses = []string{receipt.SaleCase, receipt.SaleCase, receipt.SaleCase, "Pfand", "EinzweckgutscheinKauf"}
)

// anyLine is a line as tills sell them: small and large prices, weighed goods, returns, deposits given back.
func anyLine(r *rand.Rand, i int) receipt.DocLine {
	l := receipt.DocLine{
		ID: crdt.ObjectID{3, byte(i >> 8), byte(i), byte(r.IntN(256))}, Tab: object(100), Name: pick(r, "Tee", "Brot", "Wasser"),
		Quantity: receipt.Quantity(1000 * (1 + r.IntN(5))), UnitPrice: receipt.Amount(r.IntN(3000)), Tax: pick(r, general, reduced, untaxed, farmers),
		Case: pick(r, businesses...), CaseName: pick(r, "", "", "Küche"), Till: tillID(), Time: "2026-09-03T21:40:11+02:00",
		Group: pick(r, nil, &receipt.DocGroup{ID: object(40), Name: "Speisen"}, &receipt.DocGroup{Name: "Getränke"}),
	}
	switch r.IntN(8) {
	case 0:
		l.Quantity = receipt.Quantity(1 + r.IntN(5000))
	case 1:
		l.Quantity = -l.Quantity
	case 2:
		l.UnitPrice, l.Case = -25, "PfandRueckzahlung"
	case 3:
		l.UnitPrice = receipt.Amount(r.Int64N(int64(receipt.MaxAmount) / 1_000_000))
	}
	for range r.IntN(3) {
		l.Discounts = append(l.Discounts, anyDiscount(r))
	}
	return l
}

func anyDiscount(r *rand.Rand) receipt.DocDiscount {
	if r.IntN(2) == 0 {
		return receipt.DocDiscount{Kind: receipt.DiscountPercent, Percent: receipt.Rate(r.IntN(10_001))}
	}
	return receipt.DocDiscount{Kind: receipt.DiscountAmount, Amount: receipt.Amount(r.IntN(300))}
}

// anyReceipt is a receipt without a problem: lines, voids, discounts, and payments of several kinds that come to its total.
func anyReceipt(t testing.TB, r *rand.Rand, number int64) receipt.Document {
	for {
		d := header(receipt.KindReceipt, number)
		d.ID, d.User = receipt.ReceiptID(d.Shop.ID, d.Till.ID, d.Series, number), pick(r, "", "Jule", "Ole")
		d.Tabs = []receipt.DocTab{{ID: object(100)}}
		for i := range 1 + r.IntN(7) {
			d.Lines = append(d.Lines, anyLine(r, i))
		}
		for i := range r.IntN(3) {
			d.Voids = append(d.Voids, receipt.DocVoid{ID: crdt.ObjectID{4, byte(i)}, Line: d.Lines[r.IntN(len(d.Lines))].ID,
				Quantity: receipt.Quantity(r.IntN(3) * 700), Till: tillID(), Time: d.Closed})
		}
		for range r.IntN(3) {
			d.Discounts = append(d.Discounts, anyDiscount(r))
		}
		if d.FillTotals() != nil { // a discount was larger than what it is taken from
			continue
		}
		payAnyhow(r, &d)
		require.NoError(t, d.FillTotals())
		if problems := d.Check(); len(problems) > 0 {
			require.Empty(t, problems)
		}
		return d
	}
}

// payAnyhow pays the total in parts: cash with change, foreign cash with change in the own currency, cards.
func payAnyhow(r *rand.Rand, d *receipt.Document) {
	left := d.Totals.Gross
	for i := 0; left != 0; i++ {
		p := receipt.DocPayment{ID: crdt.ObjectID{5, byte(i)}, Type: pick(r, "Bar", "Bar", "ECKarte", "Kreditkarte"), Tendered: left,
			Name: pick(r, "", "", "Kasse"), Till: tillID(), Time: d.Closed}
		if i < 3 && left > 10 && r.IntN(2) == 0 {
			p.Tendered = 1 + receipt.Amount(r.Int64N(int64(left)))
		}
		left -= p.Tendered
		if p.Type == receipt.CashType && p.Tendered > 0 {
			p.Change = receipt.Amount(r.IntN(3) * 250)
			p.Tendered += p.Change
			if r.IntN(3) == 0 {
				p.Foreign = &receipt.DocForeign{Currency: pick(r, "CHF", "USD"), Amount: p.Tendered * 9 / 10}
			}
		}
		d.Payments = append(d.Payments, p)
	}
}

// kept returns the lines of which something is left.
func kept(d *receipt.Document) (lines []int) {
	for i, l := range d.Lines {
		if q := max(l.Quantity, -l.Quantity); l.Voided != q {
			lines = append(lines, i)
		}
	}
	return lines
}

// TestLineTaxesAgainstExactArithmetic: the parts sum to what the receipt says at each tax, each is one of the two whole
// numbers beside the exact tax, and a line whose exact tax is closer to the next number is not passed over for another one.
func TestLineTaxesAgainstExactArithmetic(t *testing.T) {
	r := seeded(t)
	for range 3000 {
		d := anyReceipt(t, r, 1)
		taxes, err := receipt.LineTaxes(&d)
		require.NoError(t, err)
		sums := make(map[receipt.TaxRef]receipt.Amount)
		exact := make(map[receipt.TaxRef]*big.Rat)
		up, down := make(map[receipt.TaxRef]*big.Rat), make(map[receipt.TaxRef]*big.Rat)
		for _, i := range kept(&d) {
			l := d.Lines[i]
			want := exactTax(l.Gross, l.Tax.Rate)
			off := new(big.Rat).Sub(rat(int64(taxes[i]), 1), want) // above zero: rounded up
			require.Negative(t, new(big.Rat).Abs(off).Cmp(rat(1, 1)), "line of %d at %d: %d is not beside %s", l.Gross, l.Tax.Rate, taxes[i], want)
			if up[l.Tax] == nil {
				up[l.Tax], down[l.Tax], exact[l.Tax] = rat(-1, 1), rat(1, 1), rat(0, 1)
			}
			if off.Cmp(up[l.Tax]) > 0 {
				up[l.Tax] = off
			}
			if off.Cmp(down[l.Tax]) < 0 {
				down[l.Tax] = off
			}
			exact[l.Tax].Add(exact[l.Tax], want)
			sums[l.Tax] += taxes[i]
		}
		for _, rate := range d.Totals.Rates {
			require.Equal(t, rate.Tax, sums[rate.Ref])
			require.EqualValues(t, half(exact[rate.Ref]), rate.Tax, "rounded once at each tax")
			// The largest remainders: what was added to one line is at most one more than what was added to another.
			spread := new(big.Rat).Sub(up[rate.Ref], down[rate.Ref])
			require.LessOrEqual(t, spread.Cmp(rat(1, 1)), 0, "%s", spread)
		}
	}
}

// TestLineTaxesMirror: whatever cancels a receipt gets the tax of every line with the other sign, also where the lines of
// a tax cancel each other out and remainders are equal.
func TestLineTaxesMirror(t *testing.T) {
	r := seeded(t)
	for i := range 3000 {
		var d receipt.Document
		if i%2 == 0 {
			d = anyReceipt(t, r, 1)
		} else { // one tax, lines that come to nothing together
			d = header(receipt.KindReceipt, 1)
			var sum receipt.Amount
			for k := range 2 + r.IntN(6) {
				l := anyLine(r, k)
				l.Quantity, l.UnitPrice, l.Tax, l.Discounts = 1000, receipt.Amount(r.IntN(21)-10), general, nil
				sum += l.UnitPrice
				d.Lines = append(d.Lines, l)
			}
			last := anyLine(r, 20)
			last.Quantity, last.UnitPrice, last.Tax, last.Discounts = 1000, -sum, general, nil
			d.Lines = append(d.Lines, last)
			require.NoError(t, d.FillTotals())
			require.Zero(t, d.Totals.Gross)
		}
		taxes, err := receipt.LineTaxes(&d)
		require.NoError(t, err)
		m := d
		m.Lines = append([]receipt.DocLine(nil), d.Lines...)
		for k := range m.Lines {
			m.Lines[k].Quantity = -m.Lines[k].Quantity
		}
		require.NoError(t, m.FillTotals())
		back, err := receipt.LineTaxes(&m)
		require.NoError(t, err)
		for k := range taxes {
			require.Equal(t, -taxes[k], back[k], "line %d of %v", k, fmt.Sprint(taxes, back))
		}
	}
}

func TestLineTaxesRefuseWhatIsNoReceipt(t *testing.T) {
	for name, change := range map[string]func(d *receipt.Document){
		"tax below":        func(d *receipt.Document) { d.Totals.Rates[0].Tax -= 100 },
		"tax above":        func(d *receipt.Document) { d.Totals.Rates[0].Tax += 100 },
		"rate of -100 %":   func(d *receipt.Document) { d.Totals.Rates[0].Ref.Rate, d.Lines[0].Tax.Rate = -10_000, -10_000 },
		"rate beyond all":  func(d *receipt.Document) { d.Totals.Rates[0].Ref.Rate = receipt.MaxInteger },
		"gross beyond all": func(d *receipt.Document) { d.Lines[0].Gross = receipt.MaxInteger },
		"tax beyond all":   func(d *receipt.Document) { d.Totals.Rates[0].Tax = receipt.MaxInteger },
	} {
		d := sample(t, 1, 3)
		change(&d)
		_, err := receipt.LineTaxes(&d)
		require.Error(t, err, name)
	}
}
