package main

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// haltedText is the status of a till that does not sell.
func haltedText(s client.Status, now time.Time) string {
	text := fmt.Sprintf("till %s does not sell (since %s): %s\n", cmp.Or(s.Till.Prefix, s.Till.ID), age(s.Halted.Since, now), s.Halted.Text)
	if s.Halted.Hint != "" {
		text += fmt.Sprintf("  to do: %s\n", s.Halted.Hint)
	}
	return text
}

// clockText says what is wrong with clocks; nothing if nothing is.
func clockText(b *strings.Builder, c client.Clock) {
	if c.Text != "" {
		fmt.Fprintf(b, "%s\n", c.Text)
		if c.Hint != "" {
			fmt.Fprintf(b, "  to do: %s\n", c.Hint)
		}
	}
	if c.OffsetMS != 0 && c.Warn {
		fmt.Fprintf(b, "this till writes %s instead of what its own clock shows (%s of correction)\n",
			c.Now.Local().Format(time.DateTime), correction(c.OffsetMS))
	}
	if !c.Trusted {
		b.WriteString("the time of this till is not to be relied on, and its receipts say so\n")
	}
	for _, w := range c.Wrong {
		fmt.Fprintf(b, "wrong clock: %s, %s\n", w.Name, correction(w.AheadMS)+" off")
	}
}

// correction is a span with its sign: "+26 h", "-3 s".
func correction(ms int64) string {
	sign := "+"
	if ms < 0 {
		sign = "-"
	}
	switch d := time.Duration(max(ms, -ms)) * time.Millisecond; {
	case d < 2*time.Minute:
		return fmt.Sprintf("%s%.1f s", sign, d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%s%d min", sign, d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%s%d h", sign, d/time.Hour)
	default:
		return fmt.Sprintf("%s%d days", sign, d/(24*time.Hour))
	}
}
