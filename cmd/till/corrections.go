package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type cancelCommand struct {
	askFlags `embed:""`
	Receipt  string `arg:"" help:"Number of the receipt such as K2-000418, or its ID; it may be of any till."`
	User     string `placeholder:"NAME" help:"Who takes it back."`
	Reason   string `placeholder:"TEXT" help:"Why; it is on the receipt."`
	Cash     bool   `help:"All of it goes back in cash, however it was paid."`
}

// Help is the longer help.
func (r *cancelCommand) Help() string {
	return "Takes all of a receipt back with a receipt of this till. The money goes back as it was paid, cash first; what a card terminal took goes " +
		"back through the terminal before anything is written. No other till has to be reached."
}

// Run takes a whole receipt back.
func (r *cancelCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		receipt, err := till.CancelReceipt(ctx, r.Receipt, client.Correction{User: r.User, Reason: r.Reason, InCash: r.Cash})
		if err != nil {
			return err
		}
		return takenBack(ctx, c, till, r.Receipt, receipt, "takes back")
	})
}

type refundCommand struct {
	askFlags `embed:""`
	Receipt  string   `arg:"" help:"Number of the receipt such as K2-000418, or its ID; it may be of any till."`
	Lines    []string `name:"line" placeholder:"ID[:PIECES]" sep:"none" help:"A line of the receipt, or so many pieces of it; may be given again. Without it: all that is left."`
	User     string   `placeholder:"NAME" help:"Who takes it back."`
	Reason   string   `placeholder:"TEXT" help:"Why; it is on the receipt."`
	Cash     bool     `help:"All of it goes back in cash, however it was paid."`
}

// Run takes lines of a receipt back.
func (r *refundCommand) Run(ctx context.Context, c *console) error {
	how := client.Correction{User: r.User, Reason: r.Reason, InCash: r.Cash}
	for _, given := range r.Lines {
		line, pieces, _ := strings.Cut(given, ":")
		quantity, err := thousandths(pieces)
		if err != nil {
			return usage(err, "write a line as ID, or ID:1.5 for one and a half pieces")
		}
		how.Lines = append(how.Lines, client.TakenLine{Line: line, Quantity: quantity})
	}
	return r.withTill(c, func(till *client.Client) error {
		receipt, err := till.RefundReceipt(ctx, r.Receipt, how)
		if err != nil {
			return err
		}
		return takenBack(ctx, c, till, r.Receipt, receipt, "takes back a part of")
	})
}

type cashCommand struct {
	askFlags `embed:""`
	Movement string `arg:"" optional:"" help:"in, out, drop (to the bank, a safe or another till), pickup (from there), float, private-in, private-out or wages. Without it: show what should be in the drawer."`
	Amount   string `arg:"" optional:"" help:"How much, such as 200.00."`
	Text     string `placeholder:"TEXT" help:"What is printed; without it the name of the business case."`
	User     string `placeholder:"NAME" help:"Who moves it."`
	Reason   string `placeholder:"TEXT" help:"Why; it is on the receipt."`
}

// Run moves cash, or shows the drawer.
func (r *cashCommand) Run(ctx context.Context, c *console) error {
	if r.Movement == "" {
		return r.withTill(c, func(till *client.Client) error {
			d, err := till.Cash(ctx)
			if err != nil {
				return err
			}
			return c.print(d, drawerText(d))
		})
	}
	amount, err := minorUnits(r.Amount)
	if err != nil {
		return usage(err, "write it as 200.00")
	}
	return r.withTill(c, func(till *client.Client) error {
		receipt, err := till.MoveCash(ctx, r.Movement, client.CashMove{Amount: amount, Text: r.Text, Reason: r.Reason, User: r.User})
		if err != nil {
			return err
		}
		return c.print(receipt, fmt.Sprintf("booked with receipt %s\n", receipt.Number))
	})
}

var errAmount = errors.New("this is no amount of money above zero")

// minorUnits reads an amount with two decimals, or none.
func minorUnits(text string) (int64, error) {
	whole, cents, split := strings.Cut(text, ".")
	if !split {
		cents = "00"
	}
	n, err := strconv.ParseInt(whole+cents, 10, 64)
	if err != nil || len(cents) != 2 || whole == "" || n <= 0 {
		return 0, fmt.Errorf("%q: %w", text, errAmount)
	}
	return n, nil
}

func drawerText(d client.Drawer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "in the drawer of %s should be %s", d.Series, money(d.Expected, d.Currency))
	for _, x := range d.Currencies {
		if x.Currency != d.Currency {
			fmt.Fprintf(&b, " and %s", money(x.Amount, x.Currency))
		}
	}
	if d.To < d.From {
		b.WriteString("; nothing was booked since the last closing\n")
	} else {
		fmt.Fprintf(&b, " (receipts %d to %d, since the last closing)\n", d.From, d.To)
	}
	return b.String()
}

type casesCommand struct {
	askFlags `embed:""`
}

// Run lists what people have to decide about sales.
func (r *casesCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		list, err := till.Cases(ctx)
		if err != nil {
			return err
		}
		return c.print(list, casesText(list))
	})
}

type resolveCommand struct {
	askFlags `embed:""`
	Case     string `arg:"" help:"ID of the case; \"till cases\" lists them."`
	Decision string `arg:"" enum:"accept,keep,dismiss" help:"accept: write what is drafted; keep: all receipts were meant; dismiss: nothing is to be done."`
	User     string `required:"" placeholder:"NAME" help:"Who decides; it is recorded."`
	Reason   string `placeholder:"TEXT" help:"Why; needed to keep or dismiss."`
	Stays    string `placeholder:"NUMBER" help:"Of a tab that was settled twice: the receipt that stays, if not the first one listed."`
}

// Run decides a case.
func (r *resolveCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		done, err := till.ResolveCase(ctx, r.Case, client.Deciding{Decision: r.Decision, Receipt: r.Stays, User: r.User, Reason: r.Reason})
		if err != nil {
			return err
		}
		text := casesText([]client.Case{done.Case})
		if done.Asked != nil {
			text += fmt.Sprintf("the card terminal is asked for %s first; the case is decided when it did, see \"till payments %s\"\n", money(done.Asked.Amount, ""), done.Asked.ID)
		}
		return c.print(done, text)
	})
}

// casesText lists cases for people.
func casesText(list []client.Case) string {
	if len(list) == 0 {
		return "there is nothing to decide\n"
	}
	var b strings.Builder
	for _, x := range list {
		fmt.Fprintf(&b, "%s  %s\n  %s\n", x.ID, x.Kind, x.Detail)
		if names := numbers(x.Receipts); names != "" {
			fmt.Fprintf(&b, "  receipts: %s\n", names)
		}
		for _, d := range x.Decisions {
			fmt.Fprintf(&b, "  %s by %s at %s, %s", d.Decision, d.User, d.TillName, d.At.Local().Format(time.DateTime))
			if names := numbers(d.Written); names != "" {
				fmt.Fprintf(&b, ", with %s", names)
			}
			if d.Reason != "" {
				fmt.Fprintf(&b, " (%s)", d.Reason)
			}
			b.WriteString("\n")
		}
		for _, d := range x.Drafts {
			fmt.Fprintf(&b, "  accept: %s %s, %s", d.Kind, d.Of.Number, money(d.Gross, d.Currency))
			for _, p := range d.Payments {
				fmt.Fprintf(&b, ", %s %s", p.Type, money(p.Amount, d.Currency))
				if p.Shared {
					b.WriteString(" (was taken once for both, nothing is handed out)")
				}
			}
			b.WriteString("\n")
		}
		for _, w := range x.Ways {
			if w.Way != "resolve" {
				fmt.Fprintf(&b, "  %s: %s\n", w.Way, w.Text)
			}
		}
	}
	return b.String()
}

func numbers(list []client.CaseReceipt) string {
	var out []string
	for _, r := range list {
		if r.Number == "" {
			r.Number = r.ID
		}
		out = append(out, r.Number)
	}
	return strings.Join(out, ", ")
}

type tabAbandonCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
	User     string `placeholder:"NAME" help:"Who gives it up."`
	Reason   string `placeholder:"TEXT" help:"Why; it is on the document."`
}

// Run gives a tab up.
func (t *tabAbandonCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		r, err := till.AbandonTab(ctx, t.Tab, t.User, t.Reason)
		if err != nil {
			return err
		}
		return c.print(r, fmt.Sprintf("given up, recorded as %s\n", r.Number))
	})
}
