package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type riskCommand struct {
	askFlags `embed:""`
}

// Help is the longer help.
func (r *riskCommand) Help() string {
	return "For each till: the receipts and open tabs that no other till in use is known to hold. Of a till that cannot be reached " +
		"it is what it said last, and when; what it sold after that is not known here."
}

// Run shows what would be lost if a till vanished now.
func (r *riskCommand) Run(ctx context.Context, c *console) error {
	till, err := r.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	list, err := till.Risks(ctx)
	if err != nil {
		return err
	}
	text, err := risksText(list, time.Now())
	if err != nil {
		return err
	}
	return c.print(list, text)
}

type releaseCommand struct {
	askFlags `embed:""`
	Receipt  string `arg:"" help:"Number of the receipt such as K2-000418, or its ID."`
	User     string `required:"" placeholder:"NAME" help:"Who lets it go; it is recorded."`
	Reason   string `placeholder:"TEXT" help:"Why; it is recorded."`
}

// Run lets a receipt be printed that waits until it is on enough tills.
func (r *releaseCommand) Run(ctx context.Context, c *console) error {
	till, err := r.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	receipt, err := till.ReleaseReceipt(ctx, r.Receipt, r.User, r.Reason)
	if err != nil {
		return err
	}
	return c.print(receipt, releaseText(receipt))
}

func releaseText(r client.Receipt) string {
	switch {
	case r.Release == nil:
		return fmt.Sprintf("%s: the till that closed it decides\n", r.Number)
	case r.Release.State == "overridden" && r.Release.Override != nil:
		o := r.Release.Override
		text := fmt.Sprintf("%s may be printed: %s let it go at %s, when it was on %s of %d", r.Number, o.User,
			o.At.Local().Format(time.TimeOnly), count(o.Copies, "till"), o.Wanted)
		if o.Reason != "" {
			text += " (" + o.Reason + ")"
		}
		return text + "\n"
	case r.Release.State == "released":
		return fmt.Sprintf("%s may be printed, it is %s; nothing was recorded\n", r.Number, r.Copies.Text)
	}
	return fmt.Sprintf("%s waits until it is on %d tills; it is %s\n", r.Number, r.Release.Wanted, r.Copies.Text)
}

// riskText says in one line what would be lost; nothing if the till does not say.
func riskText(r *client.Risk, now time.Time) string {
	if r == nil {
		return ""
	}
	lost := lostText(*r, now)
	if lost == "" {
		return "if this till vanished now: nothing would be lost\n"
	}
	return fmt.Sprintf("if this till vanished now: %s would be lost\n", lost)
}

// lostText is such as "3 receipts, 24.60 EUR, and 1 open tab, 8.00 EUR, the oldest of it 5 min ago,"; empty: nothing.
func lostText(r client.Risk, now time.Time) string {
	var parts []string
	add := func(text string, sums []client.Sum) {
		for _, s := range sums {
			text += ", " + money(s.Amount, s.Currency)
		}
		parts = append(parts, text)
	}
	switch {
	case r.More:
		add(fmt.Sprintf("more than %s", count(r.Receipts, "receipt")), r.Sums)
	case r.Receipts > 0:
		add(count(r.Receipts, "receipt"), r.Sums)
	}
	if r.Tabs > 0 {
		add(count(r.Tabs, "open tab"), r.TabSums)
	}
	if len(parts) == 0 {
		return ""
	}
	text := strings.Join(parts, ", and ")
	if !r.OldestAt.IsZero() {
		text += fmt.Sprintf(" (the oldest: %s)", age(r.OldestAt, now))
	}
	return text
}

func risksText(list []client.TillRisk, now time.Time) (string, error) {
	var b strings.Builder
	rows := [][]string{{"TILL", "NAME", "LINK", "SAID", "WOULD BE LOST WITH IT"}}
	for _, t := range list {
		lost, link := "not known: it never said", linkText(t.Linked)
		if t.Risk != nil {
			if lost = lostText(*t.Risk, now); lost == "" {
				lost = "nothing"
			}
		}
		if t.Self {
			link = "this till"
		} else if t.State != "active" {
			link += ", " + t.State
		}
		rows = append(rows, []string{t.Prefix, t.Name, link, age(t.SaidAt, now), lost})
	}
	err := table(&b, rows)
	return b.String(), err
}
