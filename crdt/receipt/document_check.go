package receipt

import (
	"fmt"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of a document, in items or runes.
const (
	MaxLines     = 500
	MaxSeries    = 40 // bytes of the prefix of a number
	MaxVoids     = 2000
	MaxDiscounts = 20 // per line, and on the tab
	MaxPayments  = 100
	MaxTabs      = 100
	MaxOrders    = 500
	MaxModifiers = 50
	MaxText      = 200 // names and all other short texts
	MaxNote      = 1000
)

// Codes of [Problem]. They are stable; a program may match on them.
const (
	ProblemVersion  = "version"   // not a version or kind this program can check
	ProblemMissing  = "missing"   // something that must be there is not
	ProblemFormat   = "format"    // a time, currency, series or other text is not in its format
	ProblemLimit    = "limit"     // too many items, too long a text, too large a number
	ProblemTwice    = "twice"     // an ID that must be unique is there twice
	ProblemUnknown  = "unknown"   // something points to a line that is not there
	ProblemKind     = "kind"      // a part that does not belong into a document of this kind, or an unknown word
	ProblemLine     = "line-sum"  // an amount of a line does not recompute
	ProblemDiscount = "discount"  // a discount does not recompute
	ProblemRate     = "rate-sum"  // an amount at a tax does not recompute
	ProblemTotal    = "total-sum" // the total is not the sum of the lines
	ProblemPayment  = "payment"   // payments do not recompute or do not come to the total
)

// Problem is one thing wrong with a document.
type Problem struct {
	Code string // one of the Problem constants
	Path string // where, such as "/lines/3/gross"; empty: the whole document
	Text string // a sentence for a person
}

// Check returns everything that is wrong with the document: amounts that do not recompute from quantities, unit
// prices, taxes and discounts, payments that do not come to the total, texts out of format, limits. Fields it does not
// know are not looked at. An empty result means that nothing is wrong.
func (d *Document) Check() []Problem {
	if d.Version != DocumentVersion {
		return []Problem{{ProblemVersion, "/version", fmt.Sprintf("Version %d cannot be checked here.", d.Version)}}
	}
	c := checker{d: d}
	c.head()
	switch d.Kind {
	case KindReceipt, KindOpening, KindVoid, KindAborted, KindControl:
		c.kind()
	default:
		c.add(ProblemVersion, "/kind", "A document of kind %q cannot be checked here.", clip(d.Kind))
		return c.problems
	}
	c.limits()
	for i := range d.Lines {
		c.line(i)
	}
	c.voids()
	c.sums()
	c.payments()
	return c.problems
}

// checker gathers the problems of one document.
type checker struct {
	d        *Document
	problems []Problem
}

func (c *checker) add(code, path, format string, args ...any) {
	c.problems = append(c.problems, Problem{code, path, fmt.Sprintf(format, args...)})
}

func (c *checker) text(path, s string, most int, need bool) {
	switch {
	case need && s == "":
		c.add(ProblemMissing, path, "A text is missing.")
	case utf8.RuneCountInString(s) > most:
		c.add(ProblemLimit, path, "The text is longer than %d characters.", most)
	}
}

// texts checks texts that may be empty, given as names and texts in turn.
func (c *checker) texts(at string, namesAndTexts ...string) {
	for i := 0; i+1 < len(namesAndTexts); i += 2 {
		c.text(at+namesAndTexts[i], namesAndTexts[i+1], MaxText, false)
	}
}

func (c *checker) count(path string, n, most int) {
	if n > most {
		c.add(ProblemLimit, path, "There are %d, the limit is %d.", n, most)
	}
}

func (c *checker) time(path, s string, need bool) {
	if s == "" && !need {
		return
	}
	if t, err := time.Parse(time.RFC3339, s); err != nil || t.Format(time.RFC3339) != s {
		c.add(ProblemFormat, path, "%q is not a time in whole seconds with offset.", clip(s))
	}
}

func (c *checker) currency(path, s string) {
	if len(s) != 3 || s[0] < 'A' || s[0] > 'Z' || s[1] < 'A' || s[1] > 'Z' || s[2] < 'A' || s[2] > 'Z' {
		c.add(ProblemFormat, path, "%q is not a currency of three capital letters.", clip(s))
	}
}

func (c *checker) equal(code, path string, have, want Amount) {
	if have != want {
		c.add(code, path, "It is %d and should be %d.", have, want)
	}
}

func (c *checker) head() {
	d := c.d
	if !validSeries(d.Series) {
		c.add(ProblemFormat, "/series", "%q is not a prefix of numbers: letters, digits and dots within.", clip(d.Series))
	}
	if d.Number < 1 && (d.Number < 0 || d.Kind != KindOpening) {
		c.add(ProblemFormat, "/number", "Number %d is below 1.", d.Number)
	}
	if d.Shop.ID.IsZero() || d.Till.ID.IsZero() || d.Replica.IsZero() {
		c.add(ProblemMissing, "", "The ID of the shop, the till or the replica is missing.")
	}
	c.currency("/currency", d.Currency)
	c.time("/opened", d.Opened, true)
	c.time("/closed", d.Closed, true)
	if t, err := time.Parse(time.DateOnly, d.BusinessDay); err != nil || t.Format(time.DateOnly) != d.BusinessDay {
		c.add(ProblemFormat, "/business_day", "%q is not a day as YYYY-MM-DD.", clip(d.BusinessDay))
	}
	c.text("/shop/name", d.Shop.Name, MaxText, true)
	c.texts("/shop/", "tax_number", d.Shop.TaxID, "vat_id", d.Shop.VATID)
	c.address("/shop/address", d.Shop.Address)
	c.text("/till/name", d.Till.Name, MaxText, true)
	c.text("/till/serial", d.Till.Serial, MaxText, true)
	c.text("/till/software", d.Till.Software, MaxText, false)
	c.text("/user", d.User, MaxText, false)
	c.text("/note", d.Note, MaxNote, false)
	c.text("/reason", d.Reason, MaxText, false)
	for i, t := range d.Tabs {
		c.text(path("/tabs", i, "name"), t.Name, MaxText, false)
	}
	if cu := d.Customer; cu != nil {
		c.texts("/customer/", "number", cu.Number, "name", cu.Name, "kind", cu.Kind, "vat_id", cu.VATID)
		c.address("/customer/address", cu.Address)
	}
}

func (c *checker) address(at string, a DocAddress) {
	c.texts(at+"/", "street", a.Street, "postcode", a.Postcode, "town", a.Town, "country", a.Country)
}

// kind checks what belongs into a document of its kind.
func (c *checker) kind() {
	d := c.d
	if (d.Kind == KindOpening) != (d.Opening != nil) {
		c.add(ProblemKind, "/opening", "It belongs into each document that opens a series, and into no other.")
	}
	if (d.Kind == KindVoid) != (d.Failure != nil) {
		c.add(ProblemKind, "/failure", "It belongs into each document of a number that holds no receipt, and into no other.")
	}
	if d.Failure != nil {
		c.text("/failure/reason", d.Failure.Reason, MaxText, true)
	}
	if o := d.Opening; o != nil {
		c.text("/opening/reason", o.Reason, MaxText, false)
		if d.Number != 0 {
			c.add(ProblemKind, "/number", "A series is opened by its number 0, not by %d.", d.Number)
		}
		if o.LastNumber < 0 || o.Series == "" && (o.LastNumber != 0 || o.LastHash != nil) || o.Series != "" && !validSeries(o.Series) {
			c.add(ProblemFormat, "/opening", "The last number does not name a usable series.")
		}
	}
	if (d.Kind == KindControl) != (d.Control != nil) {
		c.add(ProblemKind, "/control", "It belongs into each document that says something about the till itself, and into no other.")
	}
	if d.Control != nil {
		c.text("/control/period", d.Control.Period, MaxText, false)
		if !slices.Contains(controls, d.Control.What) {
			c.add(ProblemKind, "/control/what", "%q is none of %v.", clip(d.Control.What), controls)
		}
	}
	if d.Kind != KindReceipt && d.Kind != KindAborted && len(d.Lines)+len(d.Voids)+len(d.Discounts)+len(d.Orders) > 0 {
		c.add(ProblemKind, "", "Only a receipt and a tab that was given up have lines, voids, discounts and orders.")
	}
	if d.Kind != KindReceipt && len(d.Payments) > 0 {
		c.add(ProblemKind, "/payments", "Only a receipt has payments.")
	}
	c.orders()
	if d.Kind == KindReceipt && len(d.Lines) == 0 {
		c.add(ProblemMissing, "/lines", "A receipt has at least one line.")
	}
	for i, r := range d.References {
		at := path("/references", i, "")
		c.text(at+"kind", r.Kind, MaxText, true)
		c.texts(at, "series", r.Series, "name", r.Name)
	}
}

var controls = []string{ControlStart, ControlMonth, ControlYear, ControlCollective, ControlFinal, ControlCheck}

func (c *checker) orders() {
	c.count("/orders", len(c.d.Orders), MaxOrders)
	c.unique("/orders", len(c.d.Orders), func(i int) crdt.ObjectID { return c.d.Orders[i].ID })
	for i, o := range c.d.Orders {
		c.count(path("/orders", i, "lines"), len(o.Lines), MaxLines)
		c.time(path("/orders", i, "time"), o.Time, true)
	}
}

func (c *checker) limits() {
	d := c.d
	c.count("/lines", len(d.Lines), MaxLines)
	c.count("/voids", len(d.Voids), MaxVoids)
	c.count("/discounts", len(d.Discounts), MaxDiscounts)
	c.count("/payments", len(d.Payments), MaxPayments)
	c.count("/tabs", len(d.Tabs), MaxTabs)
	c.count("/references", len(d.References), MaxLines)
	c.unique("/lines", len(d.Lines), func(i int) crdt.ObjectID { return d.Lines[i].ID })
	c.unique("/voids", len(d.Voids), func(i int) crdt.ObjectID { return d.Voids[i].ID })
	c.unique("/payments", len(d.Payments), func(i int) crdt.ObjectID { return d.Payments[i].ID })
	c.unique("/tabs", len(d.Tabs), func(i int) crdt.ObjectID { return d.Tabs[i].ID })
}

func (c *checker) unique(at string, n int, id func(int) crdt.ObjectID) {
	seen := make(map[crdt.ObjectID]bool, n)
	for i := range n {
		switch id := id(i); {
		case id.IsZero():
			c.add(ProblemMissing, path(at, i, "id"), "The ID is missing.")
		case seen[id]:
			c.add(ProblemTwice, path(at, i, "id"), "%s is there twice.", id)
		default:
			seen[id] = true
		}
	}
}

func (c *checker) line(i int) {
	l, at := &c.d.Lines[i], path("/lines", i, "")
	c.text(at+"name", l.Name, MaxText, true)
	c.text(at+"business_case", l.Case, MaxText, true)
	c.texts(at, "number", l.Number, "gtin", l.GTIN, "unit", l.Unit, "user", l.User, "voucher", l.Voucher,
		"business_case_name", l.CaseName, "tax_key", l.Tax.Key)
	if l.Group != nil {
		c.texts(at, "group/name", l.Group.Name, "group/number", l.Group.Number)
	}
	if l.TaxKind != "" && l.TaxKind != EatIn && l.TaxKind != Takeaway {
		c.add(ProblemKind, at+"tax_kind", "%q is neither %s nor %s.", clip(l.TaxKind), EatIn, Takeaway)
	}
	c.time(at+"time", l.Time, true)
	c.count(at+"modifiers", len(l.Modifiers), MaxModifiers)
	for k, m := range l.Modifiers {
		c.text(path(at+"modifiers", k, ""), m, MaxText, true)
	}
	c.discounts(at+"discounts", l.Discounts)
}

func (c *checker) discounts(at string, ds []DocDiscount) {
	c.count(at, len(ds), MaxDiscounts)
	for i, d := range ds {
		if d.Kind != DiscountPercent && d.Kind != DiscountAmount || d.Kind == DiscountAmount && d.Percent != 0 {
			c.add(ProblemKind, path(at, i, "kind"), "It is neither a percentage nor an amount.")
		}
		c.texts(path(at, i, ""), "reason", d.Reason, "user", d.User)
		c.time(path(at, i, "time"), d.Time, false)
	}
}

func (c *checker) voids() {
	for i, v := range c.d.Voids {
		if !slices.ContainsFunc(c.d.Lines, func(l DocLine) bool { return l.ID == v.Line }) {
			c.add(ProblemUnknown, path("/voids", i, "line"), "Line %s is not on the receipt.", v.Line)
		}
		if v.Quantity < 0 || v.Quantity > MaxQuantity {
			c.add(ProblemLimit, path("/voids", i, "quantity"), "Quantity %d is not usable.", v.Quantity)
		}
		c.texts(path("/voids", i, ""), "reason", v.Reason, "user", v.User)
		c.time(path("/voids", i, "time"), v.Time, true)
	}
	c.discounts("/discounts", c.d.Discounts)
}

// sums recomputes every amount from the lines.
func (c *checker) sums() {
	totals, voided, err := c.d.compute()
	if err != nil {
		c.add(ProblemTotal, "", "The amounts cannot be computed: %v.", err)
		return
	}
	for i, want := range totals.Lines {
		l, at := &c.d.Lines[i], path("/lines", i, "")
		if l.Voided != voided[i] {
			c.add(ProblemLine, at+"voided", "It is %d and should be %d.", l.Voided, voided[i])
		}
		c.equal(ProblemLine, at+"base", l.Base, want.Base)
		c.equal(ProblemLine, at+"gross", l.Gross, want.Gross)
		for k, d := range l.Discounts {
			c.equal(ProblemDiscount, path(at+"discounts", k, "amount"), d.Amount, want.Discounts[k])
		}
		if !slices.Equal(l.TabDiscounts, want.TabDiscounts) {
			c.add(ProblemDiscount, at+"tab_discounts", "They are %d and should be %d.", l.TabDiscounts, want.TabDiscounts)
		}
	}
	for i, d := range c.d.Discounts {
		c.equal(ProblemDiscount, path("/discounts", i, "amount"), d.Amount, totals.Discounts[i])
	}
	rates := c.d.Totals.Rates
	if len(rates) != len(totals.Rates) {
		c.add(ProblemRate, "/totals/rates", "There are %d and should be %d.", len(rates), len(totals.Rates))
	}
	for i, want := range totals.Rates[:min(len(rates), len(totals.Rates))] {
		at := path("/totals/rates", i, "")
		if rates[i].Ref != want.Ref {
			c.add(ProblemRate, at+"rate", "This tax is not the one that belongs here.")
		}
		c.text(at+"name", rates[i].Name, MaxText, false)
		c.equal(ProblemRate, at+"gross", rates[i].Gross, want.Gross)
		c.equal(ProblemRate, at+"net", rates[i].Net, want.Net)
		c.equal(ProblemRate, at+"tax", rates[i].Tax, want.Tax)
	}
	c.equal(ProblemTotal, "/totals/gross", c.d.Totals.Gross, totals.Gross)
}

func (c *checker) payments() {
	t := c.d.Totals
	var paid, change Amount
	for i, p := range c.d.Payments {
		at := path("/payments", i, "")
		c.text(at+"type", p.Type, MaxText, true)
		c.texts(at, "name", p.Name, "user", p.User)
		c.time(at+"time", p.Time, true)
		switch p.Progress {
		case "", PaymentSent, PaymentCaptured, PaymentUnknown:
		default:
			c.add(ProblemPayment, at+"progress", "A payment that is %q does not count.", clip(p.Progress))
		}
		if x := p.Card; x != nil {
			c.texts(at+"card/", "authorisation", x.Authorisation, "kind", x.Kind, "terminal", x.Terminal, "trace", x.Trace)
		}
		if p.Foreign != nil {
			c.currency(at+"foreign/currency", p.Foreign.Currency)
			c.amount(at+"foreign/amount", p.Foreign.Amount)
		}
		if !c.amount(at+"tendered", p.Tendered) || !c.amount(at+"change", p.Change) {
			return
		}
		c.equal(ProblemPayment, at+"amount", p.Amount, p.Tendered-p.Change)
		var err1, err2 error
		paid, err1 = paid.Add(p.Tendered)
		change, err2 = change.Add(p.Change)
		if err1 != nil || err2 != nil {
			c.add(ProblemLimit, "/payments", "The sum of the payments is too large.")
			return
		}
	}
	c.equal(ProblemPayment, "/totals/paid", t.Paid, paid)
	c.equal(ProblemPayment, "/totals/change", t.Change, change)
	if paid-change != t.Gross {
		c.add(ProblemPayment, "/totals", "Paid %d less change %d is not the total of %d.", paid, change, t.Gross)
	}
}

func (c *checker) amount(at string, a Amount) bool {
	err := a.Check()
	if err != nil {
		c.add(ProblemLimit, at, "Amount %d is too large.", a)
	}
	return err == nil
}

// validSeries reports whether s can be a prefix of numbers.
func validSeries(s string) bool {
	if s == "" || len(s) > MaxSeries || s[0] == '.' || s[len(s)-1] == '.' {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '.' {
			return false
		}
	}
	return true
}

// path joins the place of an item of a list and a field of it.
func path(list string, i int, field string) string {
	return list + "/" + strconv.Itoa(i) + "/" + field
}
