package receipt

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"
)

// Check says what is wrong with the closing in itself, wrapping [ErrDocument]: sums that do not agree, a range that is none,
// texts out of format. Whether the sums are those of the documents only they can tell; see [ZSums].
func (z *ZReport) Check() error {
	for _, check := range []func() error{z.checkHead, z.checkRange, z.checkSums, z.checkDrawer, z.checkTabs} {
		if err := check(); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrDocument, ZText(clip(z.Series), z.Number), err)
		}
	}
	return nil
}

func (z *ZReport) checkHead() error {
	closed, err := time.Parse(time.RFC3339, z.Closed)
	day, dayErr := time.Parse(time.DateOnly, z.BusinessDay)
	switch {
	case z.Version != DocumentVersion || z.Kind != KindClosing:
		return fmt.Errorf("version %d of a %q cannot be checked here", z.Version, clip(z.Kind))
	case !validSeries(z.Series) || z.Number < 1:
		return errors.New("the series or the number is not usable")
	case z.Shop.ID.IsZero() || z.Till.ID.IsZero() || z.Replica.IsZero():
		return errors.New("the ID of the shop, the till or the replica is missing")
	case err != nil || closed.Format(time.RFC3339) != z.Closed || dayErr != nil || day.Format(time.DateOnly) != z.BusinessDay:
		return errors.New("the time or the business day is not in its format")
	case utf8.RuneCountInString(z.Reason) > MaxText || utf8.RuneCountInString(z.Cash.Reason) > MaxText || utf8.RuneCountInString(z.User) > MaxText:
		return fmt.Errorf("a reason or the user is longer than %d characters", MaxText)
	}
	return nil
}

// checkRange checks that every number of the range was counted once.
func (z *ZReport) checkRange() error {
	c := z.Sums.Counts
	if z.From < 0 || z.To < 0 || z.To < z.From-1 || c.Documents != z.To-z.From+1 {
		return fmt.Errorf("numbers %d to %d are not %d documents", z.From, z.To, c.Documents)
	}
	opening := int64(0)
	if z.From == 0 {
		opening = 1
	}
	for _, n := range []int64{c.Receipts, c.Training, c.Aborted, c.Controls, c.Failed} {
		if n < 0 || n > c.Documents {
			return fmt.Errorf("%d of %d documents is no number of documents", n, c.Documents)
		}
	}
	if n := c.Receipts + c.Training + c.Aborted + c.Controls + c.Failed + opening; n != c.Documents {
		return fmt.Errorf("%d documents are in the range, %d were counted", c.Documents, n)
	}
	return nil
}

// checkSums checks that taxes, business cases, payments and users come to the same.
func (z *ZReport) checkSums() error {
	rates, err := z.sumRates()
	if err != nil {
		return err
	}
	var cases, payments, cash, users Amount
	byTax := make(map[TaxRef]DocRate, len(z.Sums.Rates))
	var errs []error
	for _, c := range z.Sums.Cases {
		if c.Net != c.Gross-c.Tax || c.Ref.Rate == 0 && c.Tax != 0 {
			return fmt.Errorf("business case %s: %d is not %d and %d at %d basis points", clip(c.Case), c.Gross, c.Net, c.Tax, c.Ref.Rate)
		}
		sum := byTax[c.Ref]
		errs = append(errs, add(&cases, c.Gross), add(&sum.Gross, c.Gross), add(&sum.Tax, c.Tax))
		byTax[c.Ref] = sum
	}
	for _, p := range z.Sums.Payments {
		errs = append(errs, add(&payments, p.Amount))
		if p.Type == CashType {
			errs = append(errs, add(&cash, p.Amount))
		}
	}
	for _, u := range z.Sums.Users {
		errs = append(errs, add(&users, u.Gross))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, r := range z.Sums.Rates {
		if c := byTax[r.Ref]; c.Gross != r.Gross || c.Tax != r.Tax {
			return fmt.Errorf("at %d basis points the total is %d with %d tax, the business cases come to %d with %d tax",
				r.Ref.Rate, r.Gross, r.Tax, c.Gross, c.Tax)
		}
	}
	if g := z.Sums.Gross; rates != g || cases != g || payments != g || users != g {
		return fmt.Errorf("the total is %d, the taxes come to %d, the business cases to %d, the payments to %d, the users to %d",
			g, rates, cases, payments, users)
	}
	if cash != z.Sums.CashTotal {
		return fmt.Errorf("the cash is %d, the cash payments come to %d", z.Sums.CashTotal, cash)
	}
	return nil
}

func (z *ZReport) sumRates() (sum Amount, err error) {
	seen := make(map[TaxRef]bool, len(z.Sums.Rates))
	for _, r := range z.Sums.Rates {
		if r.Net != r.Gross-r.Tax || r.Ref.Rate == 0 && r.Tax != 0 || seen[r.Ref] {
			return 0, fmt.Errorf("%d is not %d and %d at %d basis points, or that tax is there twice", r.Gross, r.Net, r.Tax, r.Ref.Rate)
		}
		seen[r.Ref] = true
		if err := add(&sum, r.Gross); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

// checkDrawer checks that what is said of the drawer is what the movements of cash come to.
func (z *ZReport) checkDrawer() error {
	c := z.Cash
	if err := errors.Join(c.Expected.Check(), c.Difference.Check(), c.Dropped.Check()); err != nil {
		return err
	}
	stays, moved := c.Expected+c.Difference-c.Dropped, Amount(0)
	if i := slices.IndexFunc(z.Sums.Currencies, func(s ZCurrency) bool { return s.Currency == z.Currency }); i >= 0 {
		moved = z.Sums.Currencies[i].Amount
	}
	switch {
	case c.Counted == nil && (c.Difference != 0 || len(c.Pieces) > 0):
		return errors.New("there is a difference or coins, and nobody counted")
	case c.Counted != nil && *c.Counted != c.Expected+c.Difference:
		return fmt.Errorf("%d were expected and %d counted, and the difference booked is %d", c.Expected, *c.Counted, c.Difference)
	case moved != stays:
		return fmt.Errorf("the drawer holds %d, the movements of cash come to %d", stays, moved)
	}
	if len(c.Pieces) == 0 {
		return nil
	}
	counted, err := CountPieces(c.Pieces)
	if err == nil && counted != *c.Counted {
		err = fmt.Errorf("coins and notes come to %d, %d were counted", counted, *c.Counted)
	}
	return err
}

// CountPieces returns what coins and notes come to. It returns [ErrInvalid] for a value that is not above zero, a negative
// number or a value that is named twice, and [ErrOverflow].
func CountPieces(pieces []ZPiece) (sum Amount, err error) {
	seen := make(map[Amount]bool, len(pieces))
	for _, p := range pieces {
		if p.Value <= 0 || p.Count < 0 || seen[p.Value] {
			return 0, fmt.Errorf("%w: %d coins or notes of %d, or that value is named twice", ErrInvalid, p.Count, p.Value)
		}
		if p.Value > MaxAmount || p.Count > int64(MaxAmount/p.Value) {
			return 0, fmt.Errorf("%w: %d coins or notes of %d", ErrOverflow, p.Count, p.Value)
		}
		seen[p.Value] = true
		if err := add(&sum, p.Value*Amount(p.Count)); err != nil {
			return 0, err
		}
	}
	return sum, nil
}

func (z *ZReport) checkTabs() error {
	if i := slices.IndexFunc(z.Open, func(t ZTab) bool { return t.What != TabKept && t.What != TabHanded && t.What != TabSettled }); i >= 0 {
		return fmt.Errorf("tab %v was %q", z.Open[i].ID, clip(z.Open[i].What))
	}
	return nil
}
