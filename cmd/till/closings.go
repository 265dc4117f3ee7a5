package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/node/client"
)

// closingCommands are the commands about closings.
type closingCommands struct {
	List closingListCommand `cmd:"" default:"withargs" help:"List the closings of all tills, the newest first."`
	Show closingShowCommand `cmd:"" help:"Show a closing."`
	X    closingXCommand    `cmd:"" name:"x" help:"Show what a closing of this till would say now; nothing is stored."`
	Z    closingZCommand    `cmd:"" name:"z" help:"Make the closing of this till, or of the whole shop. It is final."`
	Day  closingDayCommand  `cmd:"" help:"Show a business day of the shop, and which tills are missing in it."`
}

type closingListCommand struct {
	askFlags `embed:""`
	Day      string `placeholder:"YYYY-MM-DD" help:"Only those of this business day."`
	Till     string `placeholder:"TILL" help:"Only those of this till: its prefix, name or ID."`
	Limit    int    `default:"50" help:"How many."`
}

// Run lists closings.
func (r *closingListCommand) Run(ctx context.Context, c *console) error {
	if r.Limit < 1 || r.Limit > 1000 {
		return usage(fmt.Errorf("--limit %d is out of range", r.Limit), "1 to 1000 closings are listed at once")
	}
	return r.withTill(c, func(till *client.Client) error {
		page, err := till.Closings(ctx, client.List{Limit: r.Limit}, r.Day, r.Till)
		if err != nil {
			return err
		}
		text, err := closingsText(page.Items)
		if err != nil {
			return err
		}
		return c.print(page.Items, text)
	})
}

func closingsText(list []client.ClosingEntry) (string, error) {
	if len(list) == 0 {
		return "there is no closing yet\n", nil
	}
	rows := [][]string{{"CLOSING", "TILL", "DAY", "RECEIPTS", "TOTAL", "DIFFERENCE"}}
	for _, z := range list {
		difference := "not counted"
		if z.CashCounted != nil {
			difference = money(z.CashDifference, z.Currency)
		}
		rows = append(rows, []string{z.Name, z.TillName, z.BusinessDay, rangeText(z), money(z.Gross, z.Currency), difference})
	}
	var b strings.Builder
	err := table(&b, rows)
	return b.String(), err
}

func rangeText(z client.ClosingEntry) string {
	if z.To < z.From {
		return "none"
	}
	return fmt.Sprintf("%s-%06d to %06d", z.Series, z.From, z.To)
}

type closingShowCommand struct {
	askFlags `embed:""`
	Closing  string `arg:"" help:"Name of the closing such as K2-Z-17, or its ID."`
}

// Run shows a closing.
func (r *closingShowCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		z, err := till.Closing(ctx, r.Closing)
		if err != nil {
			return err
		}
		return c.print(z, closingText(z))
	})
}

type closingXCommand struct {
	askFlags `embed:""`
}

// Run shows the interim report.
func (r *closingXCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		x, err := till.MakeClosing(ctx, client.NewClosing{Kind: "x"})
		if err != nil {
			return err
		}
		return c.print(x, closingText(x))
	})
}

type closingZCommand struct {
	askFlags  `embed:""`
	User      string   `placeholder:"NAME" help:"Who makes it."`
	Reason    string   `placeholder:"TEXT" help:"Is on the closing."`
	Counted   string   `placeholder:"AMOUNT" help:"Cash in the drawer, such as 214.50."`
	Pieces    []string `name:"piece" placeholder:"VALUE:COUNT" sep:"none" help:"Coins or notes in the drawer: 50:3 are three notes of 50, 0.20:7 seven coins; may be given again."`
	Why       string   `name:"difference-reason" placeholder:"TEXT" help:"Why there is more or less in the drawer than expected."`
	Drop      string   `placeholder:"AMOUNT" help:"Taken out of the drawer, such as to the bank."`
	Float     string   `placeholder:"AMOUNT" help:"Stays in the drawer; the rest is taken out. Without --drop and --float all stays."`
	Keep      bool     `name:"keep-tabs" help:"Open tabs that are not named stay open."`
	KeepTab   []string `placeholder:"TAB" sep:"none" help:"This tab stays open; may be given again."`
	Hand      []string `name:"hand-tab" placeholder:"TAB:TILL" sep:"none" help:"Give this tab to another till; may be given again."`
	Series    string   `placeholder:"PREFIX" help:"Close a former number series of this till to its end."`
	WholeShop bool     `name:"shop" help:"Ask the other tills for their closings too."`
}

// Help is the longer help.
func (r *closingZCommand) Help() string {
	return "Covers exactly the receipts of this till since its last closing. Nothing is forgotten silently: say what becomes of open tabs, " +
		"and why the drawer holds more or less than expected. With --shop each other till that can be reached makes its own, keeping its open tabs."
}

// Run makes a closing.
func (r *closingZCommand) Run(ctx context.Context, c *console) error {
	n, err := r.closing()
	if err != nil {
		return err
	}
	return r.withTill(c, func(till *client.Client) error {
		z, err := till.MakeClosing(ctx, n)
		if err != nil {
			return err
		}
		return c.print(z, closingText(z))
	})
}

func (r *closingZCommand) closing() (n client.NewClosing, err error) {
	n = client.NewClosing{Kind: "z", User: r.User, Reason: r.Reason, Series: r.Series, DifferenceReason: r.Why, KeepTabs: r.Keep, Shop: r.WholeShop}
	for _, a := range []struct {
		flag, text string
		to         **int64
	}{{"--counted", r.Counted, &n.Counted}, {"--drop", r.Drop, &n.Drop}, {"--float", r.Float, &n.Float}} {
		if a.text == "" {
			continue
		}
		v, err := cashAmount(a.text)
		if err != nil {
			return n, usage(fmt.Errorf("%s: %w", a.flag, err), "write it as 200.00")
		}
		*a.to = &v
	}
	for _, p := range r.Pieces {
		value, count, _ := strings.Cut(p, ":")
		v, err := cashAmount(value)
		k, countErr := strconv.ParseInt(count, 10, 64)
		if err != nil || countErr != nil || k < 0 {
			return n, usage(fmt.Errorf("--piece %q is no number of coins or notes", p), "write it as 50:3 for three notes of 50, 0.20:7 for seven coins of 20 cents")
		}
		n.Pieces = append(n.Pieces, client.CashPiece{Value: v, Count: k})
	}
	for _, tab := range r.KeepTab {
		n.Tabs = append(n.Tabs, client.ClosingTab{ID: tab, What: "kept"})
	}
	for _, hand := range r.Hand {
		tab, till, ok := strings.Cut(hand, ":")
		if !ok || till == "" {
			return n, usage(fmt.Errorf("--hand-tab %q names no till", hand), "write it as TAB:K2")
		}
		n.Tabs = append(n.Tabs, client.ClosingTab{ID: tab, What: "handed", To: till})
	}
	return n, nil
}

var errNoCash = errors.New("this is no amount of cash")

// cashAmount reads an amount with two decimals, or none; it may be zero.
func cashAmount(text string) (int64, error) {
	whole, cents, split := strings.Cut(text, ".")
	if !split {
		cents = "00"
	}
	n, err := strconv.ParseUint(whole+cents, 10, 53)
	if err != nil || len(cents) != 2 || whole == "" {
		return 0, fmt.Errorf("%q: %w", text, errNoCash)
	}
	return int64(n), nil
}

func closingText(z client.Closing) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s, business day %s: %s, total %s\n", z.Name, z.TillName, z.BusinessDay, rangeText(z.ClosingEntry), money(z.Gross, z.Currency))
	fmt.Fprintf(&b, "in the drawer %s are expected", money(z.CashExpected, z.Currency))
	if z.CashCounted != nil {
		fmt.Fprintf(&b, ", %s were counted, the difference is %s", money(*z.CashCounted, z.Currency), money(z.CashDifference, z.Currency))
	}
	b.WriteByte('\n')
	for _, w := range z.Warnings {
		fmt.Fprintf(&b, "note: %s\n", w.Text)
	}
	for _, t := range z.Tills {
		if t.State == "made" {
			fmt.Fprintf(&b, "%s: %s\n", t.Name, t.Closing)
		} else {
			fmt.Fprintf(&b, "%s: none, %s\n", t.Name, t.Text)
		}
	}
	return b.String()
}

type closingDayCommand struct {
	askFlags `embed:""`
	Day      string `arg:"" default:"today" help:"Business day, YYYY-MM-DD; without it today."`
}

// Run shows a business day of the shop.
func (r *closingDayCommand) Run(ctx context.Context, c *console) error {
	return r.withTill(c, func(till *client.Client) error {
		day, err := till.ShopDay(ctx, r.Day)
		if err != nil {
			return err
		}
		text, err := dayText(day)
		if err != nil {
			return err
		}
		return c.print(day, text)
	})
}

func dayText(d client.ShopDay) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, %s, total %s of %s\n", d.Day, d.State, count(d.Revision, "closing"), money(d.Sums.Gross, d.Currency), count(int(d.Sums.Receipts), "receipt"))
	for _, m := range d.Missing {
		switch {
		case m.Why == "not-closed":
			fmt.Fprintf(&b, "%s is missing: %s not in a closing\n", m.Name, count(m.Receipts, "receipt"))
		case m.HeardAt.IsZero():
			fmt.Fprintf(&b, "%s is missing: it was never heard of here\n", m.Name)
		default:
			fmt.Fprintf(&b, "%s is missing: last known state %s, anything later has not arrived here yet\n", m.Name, m.HeardAt.Local().Format("2006-01-02 15:04"))
		}
	}
	if len(d.Closings) == 0 {
		return b.String(), nil
	}
	list, err := closingsText(d.Closings)
	return b.String() + list, err
}
