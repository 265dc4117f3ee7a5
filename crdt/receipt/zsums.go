package receipt

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

const rangeDomain = "tillmesh closing range\x00"

// ZSums adds up the documents of a series one by one, in the order of their numbers. It holds the rules R1 to R6 and R12 of
// the closing's arithmetic: everything it says is a sum of what the documents say, nothing is computed anew.
// The zero value is not usable; see [NewZSums].
type ZSums struct {
	totals ZTotals
	hash   hash.Hash
	began  string
	base   string // currency

	rates      map[TaxRef]*DocRate
	cases      map[caseKey]*ZCase
	payments   map[[2]string]*ZPayment
	currencies map[string]Amount
	groups     map[groupKey]*ZGroup
	users      map[string]*ZUser
}

// NewZSums begins the sums of a series that sells in a currency.
func NewZSums(currency string) *ZSums {
	s := &ZSums{
		hash: sha256.New(), base: currency, rates: make(map[TaxRef]*DocRate), cases: make(map[caseKey]*ZCase),
		payments: make(map[[2]string]*ZPayment), currencies: make(map[string]Amount), groups: make(map[groupKey]*ZGroup),
		users: make(map[string]*ZUser),
	}
	s.hash.Write([]byte(rangeDomain))
	return s
}

// Add adds a document with its hash. It returns [ErrOverflow] or [ErrInvalid]; the sums are then not usable any more.
func (s *ZSums) Add(d *Document, sum Digest) error {
	s.hash.Write(sum[:])
	if s.began == "" {
		s.began = d.Closed
	}
	c := &s.totals.Counts
	c.Documents++
	if d.Security.Get(SecurityError) != nil {
		c.Unsigned++
	}
	switch d.Kind {
	case KindAborted:
		c.Aborted++
		return nil
	case KindControl:
		c.Controls++
		return nil
	case KindVoid:
		c.Failed++
		return nil
	case KindOpening:
		return nil
	case KindReceipt:
	default:
		return fmt.Errorf("%w: %s is of kind %q, which this program cannot add up", ErrInvalid, NumberText(clip(d.Series), d.Number), clip(d.Kind))
	}
	if d.Currency != s.base {
		return fmt.Errorf("%w: %s is in %s, the till sells in %s", ErrInvalid, NumberText(clip(d.Series), d.Number), clip(d.Currency), s.base)
	}
	if d.Training {
		c.Training++
		return add(&c.Trained, d.Totals.Gross)
	}
	c.Receipts++
	if err := errors.Join(add(&s.totals.Gross, d.Totals.Gross), s.corrections(d), s.addRates(d), s.addLines(d), s.addPayments(d)); err != nil {
		return fmt.Errorf("add up %s: %w", NumberText(d.Series, d.Number), err)
	}
	u := s.users[d.User]
	if u == nil {
		u = &ZUser{Name: d.User}
		s.users[d.User] = u
	}
	u.Receipts++
	return add(&u.Gross, d.Totals.Gross)
}

// SecurityError is the name under which a document's security says that the signing device did not answer, and why.
const SecurityError = "error"

func add(to *Amount, a Amount) (err error) {
	*to, err = to.Add(a)
	return err
}

// corrections counts what was taken back on the receipt, or by it.
func (s *ZSums) corrections(d *Document) error {
	c := &s.totals.Counts
	var errs []error
	if len(d.References) > 0 {
		switch d.References[0].Kind {
		case ReferCancel:
			c.Cancellations++
			errs = append(errs, add(&c.Cancelled, d.Totals.Gross))
		case ReferRefund:
			c.Refunds++
			errs = append(errs, add(&c.Refunded, d.Totals.Gross))
		}
	}
	c.Voids += int64(len(d.Voids))
	for i := range d.Lines {
		l := &d.Lines[i]
		if l.Voided > 0 {
			whole, err := l.UnitPrice.Mul(l.Quantity)
			errs = append(errs, err, add(&c.Voided, whole-l.Base))
		}
		if off := l.Gross - l.Base; off != 0 {
			c.Discounts++
			errs = append(errs, add(&c.Discounted, off))
		}
	}
	return errors.Join(errs...)
}

func (s *ZSums) addRates(d *Document) error {
	var errs []error
	for _, r := range d.Totals.Rates {
		sum := s.rates[r.Ref]
		if sum == nil {
			sum = &DocRate{Ref: r.Ref, Name: r.Name}
			s.rates[r.Ref] = sum
		}
		errs = append(errs, add(&sum.Gross, r.Gross), add(&sum.Net, r.Net), add(&sum.Tax, r.Tax))
	}
	return errors.Join(errs...)
}

func (s *ZSums) addLines(d *Document) error {
	taxes, err := LineTaxes(d)
	errs := []error{err}
	for i := range d.Lines {
		l := &d.Lines[i]
		if err != nil || l.Voided == Quantity(magnitude(l.Quantity)) {
			continue
		}
		key := caseKey{l.Case, l.CaseName, l.Agency, l.Tax}
		sum := s.cases[key]
		if sum == nil {
			sum = &ZCase{Case: l.Case, Name: l.CaseName, Agency: l.Agency, Ref: l.Tax}
			s.cases[key] = sum
		}
		errs = append(errs, add(&sum.Gross, l.Gross), add(&sum.Tax, taxes[i]), add(&sum.Net, l.Gross-taxes[i]), s.addGroup(l))
	}
	return errors.Join(errs...)
}

// What makes a sum of its own.
type caseKey struct {
	name, own string
	agency    int64
	tax       TaxRef
}

type groupKey struct {
	id   crdt.ObjectID
	name string
}

func (s *ZSums) addGroup(l *DocLine) error {
	if info, _ := BusinessCase(l.Case); info.CashOnly {
		return nil
	}
	var key groupKey
	if l.Group != nil {
		key = groupKey{l.Group.ID, l.Group.Name}
	}
	sum := s.groups[key]
	if sum == nil {
		sum = &ZGroup{ID: key.id, Name: key.name}
		s.groups[key] = sum
	}
	kept := l.Quantity - voided(l.Quantity, l.Voided)
	sum.Quantity += kept
	return errors.Join(kept.Check(), add(&sum.Gross, l.Gross))
}

func (s *ZSums) addPayments(d *Document) error {
	var errs []error
	for _, p := range d.Payments {
		key := [2]string{p.Type, p.Name}
		sum := s.payments[key]
		if sum == nil {
			sum = &ZPayment{Type: p.Type, Name: p.Name}
			s.payments[key] = sum
		}
		sum.Count++
		errs = append(errs, add(&sum.Amount, p.Amount))
		if p.Type != CashType {
			continue
		}
		errs = append(errs, add(&s.totals.CashTotal, p.Amount))
		if p.Foreign == nil {
			errs = append(errs, s.cash(s.base, p.Amount))
			continue
		}
		// The drawer gets the foreign money, and gives its change in the own currency.
		errs = append(errs, s.cash(p.Foreign.Currency, p.Foreign.Amount))
		if p.Change != 0 {
			errs = append(errs, s.cash(s.base, -p.Change))
		}
	}
	return errors.Join(errs...)
}

func (s *ZSums) cash(currency string, a Amount) error {
	sum := s.currencies[currency]
	err := add(&sum, a)
	s.currencies[currency] = sum
	return err
}

// Hash returns the SHA-256 of a domain text and the hashes of all documents in their order.
func (s *ZSums) Hash() Digest { return Digest(s.hash.Sum(nil)) }

// Began returns when the first document was closed, empty if there is none.
func (s *ZSums) Began() string { return s.began }

// Drawer returns what the movements of cash come to in the own currency.
func (s *ZSums) Drawer() Amount { return s.currencies[s.base] }

// Totals returns the sums, every list in an order that follows from its contents alone.
func (s *ZSums) Totals() ZTotals {
	t := s.totals
	t.Rates, t.Cases, t.Payments = sorted(s.rates, func(a, b DocRate) int { return a.Ref.Compare(b.Ref) }),
		sorted(s.cases, func(a, b ZCase) int {
			return cmp.Or(strings.Compare(a.Case, b.Case), strings.Compare(a.Name, b.Name), cmp.Compare(a.Agency, b.Agency), a.Ref.Compare(b.Ref))
		}),
		sorted(s.payments, func(a, b ZPayment) int {
			return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name))
		})
	t.Groups = sorted(s.groups, func(a, b ZGroup) int { return cmp.Or(strings.Compare(a.Name, b.Name), a.ID.Compare(b.ID)) })
	t.Users = sorted(s.users, func(a, b ZUser) int { return strings.Compare(a.Name, b.Name) })
	t.Currencies = nil
	for currency, a := range s.currencies {
		t.Currencies = append(t.Currencies, ZCurrency{Currency: currency, Amount: a})
	}
	slices.SortFunc(t.Currencies, func(a, b ZCurrency) int { return strings.Compare(a.Currency, b.Currency) })
	return t
}

func sorted[K comparable, V any](m map[K]*V, compare func(a, b V) int) []V {
	var out []V
	for _, v := range m {
		out = append(out, *v)
	}
	slices.SortFunc(out, compare)
	return out
}

// LineTaxes cuts the tax of each rate over its lines, so that the parts of a rate sum to what the receipt says: each line's
// tax is rounded down, and what is left goes to the largest remainders, of equal ones to the first line. The mirror of a
// receipt gets the mirror of every part. A line of which nothing is left has none.
func LineTaxes(d *Document) ([]Amount, error) {
	taxes := make([]Amount, len(d.Lines))
	for _, r := range d.Totals.Rates {
		if err := errors.Join(r.Ref.Rate.Check(), r.Tax.Check()); err != nil {
			return nil, err
		}
		sign := d.sign(r)
		var lines []int
		rests := make(map[int]Amount)
		due := sign * r.Tax
		for i := range d.Lines {
			l := &d.Lines[i]
			if l.Tax != r.Ref || l.Voided == Quantity(magnitude(l.Quantity)) {
				continue
			}
			if err := l.Gross.Check(); err != nil {
				return nil, err
			}
			lines = append(lines, i)
			part, whole := sign*l.Gross*Amount(r.Ref.Rate), Amount(MaxRate)+Amount(r.Ref.Rate)
			taxes[i], rests[i] = part/whole, part%whole
			if rests[i] < 0 { // Go rounds towards zero
				taxes[i]--
				rests[i] += whole
			}
			due -= taxes[i]
		}
		if due < 0 || due > Amount(len(lines)) {
			return nil, fmt.Errorf("%w: the tax of %d basis points is %d, which its lines do not come to", ErrInvalid, r.Ref.Rate, r.Tax)
		}
		slices.SortStableFunc(lines, func(a, b int) int { return cmp.Compare(rests[b], rests[a]) })
		for _, i := range lines[:due] {
			taxes[i]++
		}
		for _, i := range lines {
			taxes[i] *= sign
		}
	}
	return taxes, nil
}

// sign returns the sign of what a rate comes to, and of its first line that comes to anything if they cancel out: so the
// mirror of a receipt has the other one.
func (d *Document) sign(r DocRate) Amount {
	gross := r.Gross
	for i := 0; gross == 0 && i < len(d.Lines); i++ {
		if d.Lines[i].Tax == r.Ref {
			gross = d.Lines[i].Gross
		}
	}
	if gross < 0 {
		return -1
	}
	return 1
}
