package printer

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// width is how many characters fit on a line.
const width = 42

// Signing is what a receipt has to show of its signing device, as the till says it; each text may be empty.
type Signing struct {
	QR      string // text of the code; a printer that can prints the code itself
	Outage  string // in clear: the device did not work
	Notice  string
	Ordered string // RFC 3339: the first order
}

// Receipt returns the text of a receipt from the canonical bytes of its document. mark stands on it if it is a copy; empty: it
// is the first print. It returns the errors of receipt.ParseDocument.
func Receipt(document []byte, mark string, signing Signing) (string, error) {
	d, err := receipt.ParseDocument(document)
	if err != nil {
		return "", fmt.Errorf("print a receipt: %w", err)
	}
	p := &page{}
	if mark != "" {
		p.centre("*** " + strings.ToUpper(mark) + " ***")
	}
	if d.Training {
		p.centre("*** TRAINING ***")
	}
	p.shop(&d)
	p.pair(receipt.NumberText(d.Series, d.Number), d.Closed)
	if d.User != "" {
		p.pair("Es bediente Sie", d.User)
	}
	for _, t := range d.Tabs {
		if t.Name != "" {
			p.line(t.Name)
		}
	}
	p.rule()
	p.lines(&d)
	p.rule()
	p.pair("Summe "+d.Currency, amount(d.Totals.Gross))
	for _, r := range d.Totals.Rates {
		p.pair(fmt.Sprintf("  %s %% netto %s", percent(r.Ref.Rate), amount(r.Net)), "MwSt. "+amount(r.Tax))
	}
	for _, x := range d.Payments {
		p.pair(x.Type, amount(x.Tendered))
		p.card(x.Card)
	}
	if d.Totals.Change != 0 {
		p.pair("Rückgeld", amount(d.Totals.Change))
	}
	for _, r := range d.References {
		p.line(fmt.Sprintf("zu %s", receipt.NumberText(r.Series, r.Number)))
	}
	if d.Note != "" {
		p.line(d.Note)
	}
	p.signing(signing, &d)
	if mark != "" {
		p.centre("*** " + strings.ToUpper(mark) + " ***")
	}
	p.line("")
	return p.String(), nil
}

// page gathers lines.
type page struct{ strings.Builder }

// line writes a text, cut into lines that fit.
func (p *page) line(s string) {
	for part := range strings.SplitSeq(s, "\n") {
		r := []rune(part)
		for len(r) > width {
			p.WriteString(string(r[:width]) + "\n")
			r = r[width:]
		}
		p.WriteString(string(r) + "\n")
	}
}

func (p *page) centre(s string) {
	p.line(strings.Repeat(" ", max(0, (width-utf8.RuneCountInString(s))/2)) + s)
}

func (p *page) rule() { p.line(strings.Repeat("-", width)) }

// pair writes one text at the left and one at the right, on two lines if they do not fit on one.
func (p *page) pair(left, right string) {
	space := width - utf8.RuneCountInString(left) - utf8.RuneCountInString(right)
	if space < 1 {
		p.line(left)
		left, space = "", width-utf8.RuneCountInString(right)
	}
	p.line(left + strings.Repeat(" ", max(0, space)) + right)
}

func (p *page) shop(d *receipt.Document) {
	a := d.Shop.Address
	for _, s := range []string{d.Shop.Name, a.Street, strings.TrimSpace(a.Postcode + " " + a.Town), d.Shop.TaxID, d.Shop.VATID} {
		if s != "" {
			p.centre(s)
		}
	}
	p.line("")
}

// signing prints what the signing device said. The text of a QR code goes over several lines.
func (p *page) signing(s Signing, d *receipt.Document) {
	if s.Ordered != "" {
		p.pair("Erste Bestellung", s.Ordered)
	}
	if s.QR != "" || s.Outage != "" || s.Notice != "" {
		p.pair("Kasse", d.Till.Serial[:min(len(d.Till.Serial), width-10)])
	}
	for _, text := range []string{s.Outage, s.Notice} {
		if text != "" {
			p.centre("*** " + text + " ***")
		}
	}
	for text := []rune(s.QR); len(text) > 0; {
		n := min(len(text), width)
		p.line(string(text[:n]))
		text = text[n:]
	}
}

// card prints what the terminal said of a payment.
func (p *page) card(c *receipt.DocCard) {
	if c == nil {
		return
	}
	for _, part := range [][2]string{{"", c.Kind}, {"Terminal ", c.Terminal}, {"Trace ", c.Trace}, {"Genehmigung ", c.Authorisation}} {
		if part[1] != "" {
			p.line("  " + part[0] + part[1])
		}
	}
}

func (p *page) lines(d *receipt.Document) {
	for i := range d.Lines {
		l := &d.Lines[i]
		kept := l.Quantity - l.Voided
		if l.Quantity < 0 {
			kept = l.Quantity + l.Voided
		}
		if kept == 0 {
			continue
		}
		p.pair(fmt.Sprintf("%s x %s", quantity(kept), l.Name), amount(l.Gross))
		if kept != receipt.DefaultQuantity {
			p.line("    je " + amount(l.UnitPrice))
		}
		for _, m := range l.Modifiers {
			p.line("    " + m)
		}
	}
}

func amount(a receipt.Amount) string {
	sign := ""
	if a < 0 {
		sign, a = "-", -a
	}
	return fmt.Sprintf("%s%d,%02d", sign, a/100, a%100)
}

func percent(r receipt.Rate) string {
	return strings.TrimSuffix(fmt.Sprintf("%d,%02d", r/100, r%100), ",00")
}

func quantity(q receipt.Quantity) string {
	sign := ""
	if q < 0 {
		sign, q = "-", -q
	}
	s := fmt.Sprintf("%s%d,%03d", sign, q/1000, q%1000)
	return strings.TrimSuffix(strings.TrimRightFunc(s, func(r rune) bool { return r == '0' && slices.Contains([]rune(s), ',') }), ",")
}
