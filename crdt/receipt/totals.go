package receipt

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// Errors of [ComputeTotals], wrapped with the line they are about.
var (
	// ErrQuantity means that a line has no quantity, or a void a negative one.
	ErrQuantity = errors.New("quantity is not usable")
	// ErrDiscount means that a discount is larger than what it is taken from, or is not one kind of discount.
	ErrDiscount = errors.New("discount is not possible")
)

// TaxRef names the tax of a line as it was when the line was entered. Amounts with equal references are taxed together.
type TaxRef struct {
	ID   crdt.ObjectID // the tax rate in the catalog; zero if there was none
	Key  string        // what exports call it, such as "1" for the general rate in Germany; may be empty
	Rate Rate
}

// Compare puts the higher rate first, then orders by key and ID.
func (t TaxRef) Compare(other TaxRef) int {
	return cmp.Or(cmp.Compare(other.Rate, t.Rate), strings.Compare(t.Key, other.Key), t.ID.Compare(other.ID))
}

// Reduction is one discount: either a percentage or a fixed amount, both above or equal to zero; the other field is
// zero. It always moves the amount it is taken from towards zero, so it works on refunds too.
type Reduction struct {
	Percent Rate
	Amount  Amount
}

// DiscountError says which discount is larger than what is left to take it from. It wraps [ErrDiscount].
type DiscountError struct {
	Line     crdt.ObjectID // zero for a discount on the tab
	Discount int           // index in the list of that line or tab
	Amount   Amount        // the discount
	Rest     Amount        // what was left before it, with its sign
}

// Error names the line, the discount and what is left.
func (e *DiscountError) Error() string {
	on := "the tab"
	if !e.Line.IsZero() {
		on = "line " + e.Line.String()
	}
	return fmt.Sprintf("%v: %d minor units off %s, where %d are left: choose a smaller discount", ErrDiscount, e.Amount, on, e.Rest)
}

// Unwrap returns [ErrDiscount].
func (e *DiscountError) Unwrap() error { return ErrDiscount }

// LineInput is what the amounts of a line are computed from.
type LineInput struct {
	ID        crdt.ObjectID
	Quantity  Quantity // as entered, not zero; negative for a return
	Voided    Quantity // how much of it was voided, as a magnitude; more than Quantity voids all of it
	UnitPrice Amount   // gross, per unit; negative for money handed back, such as a deposit
	Tax       TaxRef
	Discounts []Reduction
}

// LineTotal holds the amounts of one line: Base plus all Discounts plus all TabDiscounts is Gross.
type LineTotal struct {
	ID           crdt.ObjectID
	Quantity     Quantity // what is left of it after voids
	Base         Amount   // unit price times Quantity
	Discounts    []Amount // one per discount of the line, in the order given; negative on a sale
	TabDiscounts []Amount // this line's part of each discount on the tab, in the order given; negative on a sale
	Gross        Amount
}

// RateTotal holds what a receipt comes to at one tax. Net plus Tax is Gross.
type RateTotal struct {
	Ref             TaxRef
	Gross, Net, Tax Amount
}

// Totals holds every amount of a receipt before payment.
type Totals struct {
	Lines     []LineTotal // one per line, in the order given
	Discounts []Amount    // one per discount on the tab: the sum of its parts; negative on a sale
	Rates     []RateTotal // one per tax with at least one line that is not voided, by [TaxRef.Compare]
	Gross     Amount      // the sum of all lines and of all rates
}

// ComputeTotals computes every amount of a receipt from its lines and the discounts on its tab.
//
// Unit price times quantity is rounded half away from zero per line. Discounts apply in this order: percentages of the
// line, fixed amounts of the line, percentages of the tab, fixed amounts of the tab; several of a kind in the order
// given, each on what the ones before left. A discount on the tab is cut by [Shares] first over the taxes, then over the
// lines of each tax, so its parts sum to it. On an amount of zero (all of it voided) a discount is zero.
// Tax is computed once per tax by [TaxSplit].
//
// Negating the quantity of every line negates every number of the result.
//
// It returns a [DiscountError] if a fixed discount is larger than what is left, and [ErrQuantity], [ErrRate],
// [ErrDiscount] or [ErrOverflow] for input or results outside the limits.
func ComputeTotals(lines []LineInput, tab []Reduction) (Totals, error) {
	t := Totals{Lines: make([]LineTotal, len(lines)), Discounts: make([]Amount, len(tab))}
	for i, in := range lines {
		line, err := lineTotal(in, len(tab))
		if err != nil {
			return Totals{}, fmt.Errorf("line %d (%s): %w", i+1, in.ID, err)
		}
		t.Lines[i] = line
	}
	groups, err := groupByTax(lines, t.Lines)
	if err != nil {
		return Totals{}, err
	}
	for _, i := range applicationOrder(tab) {
		if t.Discounts[i], err = spread(tab[i], i, groups, t.Lines); err != nil {
			return Totals{}, fmt.Errorf("discount %d on the tab: %w", i+1, err)
		}
	}
	for _, g := range groups {
		rate := RateTotal{Ref: g.ref, Gross: g.gross}
		if rate.Net, rate.Tax, err = TaxSplit(g.gross, g.ref.Rate); err != nil {
			return Totals{}, err
		}
		t.Rates = append(t.Rates, rate)
		if t.Gross, err = t.Gross.Add(g.gross); err != nil {
			return Totals{}, fmt.Errorf("total: %w", err)
		}
	}
	return t, nil
}

func lineTotal(in LineInput, tabDiscounts int) (LineTotal, error) {
	if in.Quantity == 0 {
		return LineTotal{}, fmt.Errorf("%w: it is zero", ErrQuantity)
	}
	if in.Voided < 0 {
		return LineTotal{}, fmt.Errorf("%w: %d voided", ErrQuantity, in.Voided)
	}
	if err := errors.Join(in.Quantity.Check(), in.UnitPrice.Check(), in.Tax.Rate.Check()); err != nil {
		return LineTotal{}, err
	}
	line := LineTotal{
		ID:        in.ID,
		Quantity:  in.Quantity - voided(in.Quantity, in.Voided),
		Discounts: make([]Amount, len(in.Discounts)),
	}
	if tabDiscounts > 0 {
		line.TabDiscounts = make([]Amount, tabDiscounts)
	}
	var err error
	if line.Base, err = in.UnitPrice.Mul(line.Quantity); err != nil {
		return LineTotal{}, err
	}
	line.Gross = line.Base
	for _, i := range applicationOrder(in.Discounts) {
		part, err := in.Discounts[i].on(line.Gross)
		if err != nil {
			return LineTotal{}, at(err, in.ID, i)
		}
		line.Discounts[i] = part
		line.Gross += part // towards zero: no overflow
	}
	return line, nil
}

// voided returns how much of a line's quantity a void of this magnitude takes, with the sign of the quantity.
func voided(quantity, void Quantity) Quantity {
	if quantity < 0 {
		return max(quantity, -void)
	}
	return min(quantity, void)
}

// applicationOrder returns the indices of all percentages, then those of all fixed amounts.
func applicationOrder(rs []Reduction) []int {
	order := make([]int, 0, len(rs))
	for i, r := range rs {
		if r.Amount == 0 {
			order = append(order, i)
		}
	}
	for i, r := range rs {
		if r.Amount != 0 {
			order = append(order, i)
		}
	}
	return order
}

// on returns what the reduction changes rest by: zero, or the opposite sign of rest and at most its magnitude.
func (r Reduction) on(rest Amount) (Amount, error) {
	if r.Percent != 0 && r.Amount != 0 {
		return 0, fmt.Errorf("%w: both a percentage and an amount: send two discounts", ErrDiscount)
	}
	if r.Amount < 0 {
		return 0, fmt.Errorf("%w: amount %d is negative", ErrDiscount, r.Amount)
	}
	if err := errors.Join(r.Amount.Check(), r.Percent.Check()); err != nil {
		return 0, err
	}
	if r.Amount == 0 {
		part, err := rest.Percent(r.Percent)
		return -part, err
	}
	switch {
	case rest == 0:
		return 0, nil
	case r.Amount > rest && r.Amount > -rest:
		return 0, &DiscountError{Amount: r.Amount, Rest: rest}
	case rest < 0:
		return r.Amount, nil
	}
	return -r.Amount, nil
}

// at fills in where a discount error happened.
func at(err error, line crdt.ObjectID, discount int) error {
	var tooBig *DiscountError
	if errors.As(err, &tooBig) {
		tooBig.Line, tooBig.Discount = line, discount
		return tooBig
	}
	return fmt.Errorf("discount %d: %w", discount+1, err)
}

// taxGroup is the lines (by index) at one tax and their sum.
type taxGroup struct {
	ref   TaxRef
	lines []int
	gross Amount
}

// groupByTax leaves out lines of which nothing is left. Its order does not depend on the order of the lines.
func groupByTax(in []LineInput, lines []LineTotal) ([]*taxGroup, error) {
	var groups []*taxGroup
	for i, line := range lines {
		if line.Quantity == 0 {
			continue
		}
		k := slices.IndexFunc(groups, func(g *taxGroup) bool { return g.ref == in[i].Tax })
		if k < 0 {
			k = len(groups)
			groups = append(groups, &taxGroup{ref: in[i].Tax})
		}
		g := groups[k]
		g.lines = append(g.lines, i)
		var err error
		if g.gross, err = g.gross.Add(line.Gross); err != nil {
			return nil, fmt.Errorf("sum at %d basis points: %w", g.ref.Rate, err)
		}
	}
	slices.SortFunc(groups, func(a, b *taxGroup) int { return a.ref.Compare(b.ref) })
	return groups, nil
}

// spread takes discount number k of the tab off the groups and their lines and returns its whole.
func spread(r Reduction, k int, groups []*taxGroup, lines []LineTotal) (Amount, error) {
	var rest Amount
	weights := make([]Amount, len(groups))
	for i, g := range groups {
		weights[i] = g.gross
		var err error
		if rest, err = rest.Add(g.gross); err != nil {
			return 0, err
		}
	}
	whole, err := r.on(rest)
	if err != nil {
		return 0, at(err, crdt.ObjectID{}, k)
	}
	if whole == 0 {
		return 0, nil
	}
	parts, err := Shares(whole, weights)
	if err != nil {
		return 0, err
	}
	for i, g := range groups {
		if err := g.spread(parts[i], k, lines); err != nil {
			return 0, err
		}
	}
	return whole, nil
}

func (g *taxGroup) spread(part Amount, k int, lines []LineTotal) error {
	weights := make([]Amount, len(g.lines))
	for i, n := range g.lines {
		weights[i] = lines[n].Gross
	}
	parts, err := Shares(part, weights)
	if err != nil {
		return err
	}
	for i, n := range g.lines {
		lines[n].TabDiscounts[k] = parts[i]
		lines[n].Gross += parts[i] // towards zero: no overflow
	}
	g.gross += part
	return nil
}
