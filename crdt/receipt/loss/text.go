package loss

import (
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Text returns a statement as plain text for people.
func (s Statement) Text() string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	p("What is lost with %s (%s), as %s knew it at %s\n", named(s.Till), s.State, signer(s.By), instant(s.Made))
	switch c := s.Contact; {
	case c == nil:
		p("It was never heard.\n")
	case c.How == HeardDocument:
		p("Last heard: nothing is known but its last document, of %s.\n", instant(c.Heard))
	default:
		p("Last heard: %s.\n", instant(c.Heard))
	}
	for _, h := range s.Holders {
		if !h.Asked {
			p("%s gave no answer: what it holds is not counted here.\n", named(Party{ID: h.ID, Name: h.Name}))
		}
	}
	for _, x := range s.Series {
		x.text(p, s.Holders)
	}
	s.Open.text(p)
	if r := s.Said; r != nil {
		p("When it was asked last, at %s, it held alone: %d receipts%s and parts of %d open tabs%s.\n", instant(r.At), r.Receipts, sums(r.Sums), r.Tabs, sums(r.TabSums))
	}
	return b.String()
}

func (x Series) text(p func(string, ...any), holders []Holder) {
	p("\n%s: %d numbers known, %d missing", x.Series, x.KnownNumbers, x.MissingNumbers)
	if x.Last > 0 {
		p(", up to %s (%s)", receipt.NumberText(x.Series, x.Last), x.LastBy)
	}
	p("\n")
	for _, k := range x.Known {
		p("  known    %s  %s\n", rangeText(x.Series, k.Run), places(k.At, holders))
	}
	for _, m := range x.Missing {
		p("  MISSING  %s  %s\n", rangeText(x.Series, m.Run), m.Gross.text(x.Currency))
		if len(m.At) > 0 {
			p("           %s: let it link with the others, and ask again\n", places(m.At, holders))
		}
		switch {
		case m.After != nil && m.Before != nil:
			p("           closed between %s and %s\n", instant(m.After.Closed), instant(m.Before.Closed))
		case m.After != nil:
			p("           closed after %s\n", instant(m.After.Closed))
		case m.Before != nil:
			p("           closed before %s\n", instant(m.Before.Closed))
		}
		m.Device.text(p)
		for _, y := range m.Mentions {
			what := "was taken back by"
			if y.Kind == "release" {
				what = "was printed; let go by"
			}
			p("           %s %s %s\n", receipt.NumberText(x.Series, y.Number), what, y.By)
		}
	}
	if x.Beyond > 0 {
		p("  from %s on ranges are not listed\n", receipt.NumberText(x.Series, x.Beyond))
	}
	for _, c := range x.Closings {
		if d := c.Difference; d != nil {
			p("  in %s %d numbers are missing; they come to %s in %d receipts\n", c.Closing, c.Missing, money(d.Gross, x.Currency), d.Receipts)
		} else {
			p("  in %s %d numbers are missing; %s\n", c.Closing, c.Missing, c.Why)
		}
	}
	p("  from %s on: open", receipt.NumberText(x.Series, x.Tail.From))
	if x.Tail.Since != "" {
		p("; the last known document is of %s", instant(x.Tail.Since))
	}
	if x.Tail.ContinuedBy != "" {
		p("; the till went on with %s", x.Tail.ContinuedBy)
	}
	p("\n")
}

func (o *Open) text(p func(string, ...any)) {
	if o == nil || len(o.Tabs) == 0 && len(o.Payments) == 0 {
		return
	}
	p("\nOpen at it as far as others know; it may have been paid there since:\n")
	for _, t := range o.Tabs {
		p("  %s  %s, since %s\n", or(t.Name, t.ID), money(t.Gross, t.Currency), instant(t.Opened))
	}
	if o.More > 0 {
		p("  and %d more\n", o.More)
	}
	for _, t := range o.Payments {
		p("  payment %s, %s, %s, at %s: in no receipt that is known\n", t.Type, t.State, money(t.Amount, ""), instant(t.At))
	}
}

func (b Bound) text(currency string) string {
	by := strings.Join(b.By, ", ")
	switch {
	case b.Amount == nil:
		return "amount unknown"
	case b.State == Exact:
		return fmt.Sprintf("%s (by %s)", money(*b.Amount, currency), by)
	case b.State == Shared:
		return fmt.Sprintf("%s together with what else is missing in %s", money(*b.Amount, currency), by)
	}
	return fmt.Sprintf("%s of it by %s, the rest unknown", money(*b.Amount, currency), by)
}

func places(at []int64, holders []Holder) string {
	if len(at) == 0 {
		return "nowhere that was asked"
	}
	var names []string
	for _, i := range at {
		if i < 0 || int(i) >= len(holders) {
			continue
		}
		h := holders[i]
		if h.Kind == ByArchive {
			names = append(names, "archive")
		} else {
			names = append(names, named(Party{ID: h.ID, Name: h.Name}))
		}
	}
	return "at " + strings.Join(names, ", ")
}

func signer(p Party) string {
	if p.Kind == ByArchive {
		return "the archive"
	}
	return named(p)
}

func named(p Party) string { return or(p.Name, p.ID[:min(len(p.ID), 8)]) }

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func rangeText(series string, r Run) string {
	if r.First == r.Last {
		return receipt.NumberText(series, r.First)
	}
	return receipt.NumberText(series, r.First) + " to " + receipt.NumberText(series, r.Last)
}

func sums(list []Sum) string {
	text := ""
	for _, s := range list {
		text += ", " + money(s.Amount, s.Currency)
	}
	return text
}

// money writes minor units with two places, as the tills do.
func money(n int64, currency string) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return strings.TrimSpace(fmt.Sprintf("%s%d.%02d %s", sign, n/100, n%100, currency))
}

func instant(s string) string {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return s
	}
	return t.Format("2006-01-02 15:04:05 -0700")
}
