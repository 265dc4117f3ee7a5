package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type recoverCommand struct {
	askFlags `embed:""`
	Dir      string `arg:"" optional:"" placeholder:"DIR" help:"Data directory of the found till, on the machine of the till that is asked. Without it: what the tills of the shop took so far."`
	Yes      bool   `help:"Take what is listed without asking."`
	By       string `placeholder:"NAME" help:"Who says so; it is kept with what is taken."`
}

// Help is the longer help.
func (r *recoverCommand) Help() string {
	return "For a till that was lost or broken and is found: its receipts that no other till has are listed, and taken after a yes. Nothing is changed in DIR, and nothing else is taken from it: no prices, no tills. --data and --http name the running till of the shop that takes them."
}

// recovered is the result of recover. Taken is left out if nothing was taken.
type recovered struct {
	Found client.Found     `json:"found"`
	Taken *client.Recovery `json:"taken,omitempty"`
}

// Run lists what a found till holds, and takes it after a yes.
func (r *recoverCommand) Run(ctx context.Context, c *console) error {
	till, err := r.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	if r.Dir == "" {
		list, err := till.Recoveries(ctx)
		if err != nil {
			return err
		}
		return c.print(struct {
			Items []client.Recovery `json:"items"`
		}{append([]client.Recovery{}, list...)}, recoveriesText(list))
	}
	dir, err := filepath.Abs(r.Dir)
	if err != nil {
		return fmt.Errorf("where %s is: %w", r.Dir, err)
	}
	list, err := till.Scan(ctx, dir)
	if err != nil {
		return err
	}
	text, err := foundText(list)
	if err != nil {
		return err
	}
	if list.Commits == 0 {
		return c.print(recovered{Found: list}, text)
	}
	yes := r.Yes
	if !yes && c.person && !c.json {
		if yes, err = c.ask(ctx, text+fmt.Sprintf("Take %s over into this shop? [y/N] ", count(len(list.Receipts)+len(list.Payments)+int(list.More), "receipt"))); err != nil {
			return err
		}
		text = "" // it was shown
	}
	if !yes {
		return c.print(recovered{Found: list}, text+"nothing was taken; add --yes to take it\n")
	}
	taken, err := till.TakeOver(ctx, dir, list.ID, r.By)
	if err != nil {
		return err
	}
	return c.print(recovered{list, &taken}, text+takenText(taken))
}

// ask asks a person and waits for a yes.
func (c *console) ask(ctx context.Context, question string) (bool, error) {
	if _, err := io.WriteString(c.err, question); err != nil {
		return false, fmt.Errorf("show the question: %w", err)
	}
	answered := make(chan string, 1)
	// As in compare: nothing ends a read from a terminal.
	go func() {
		line, _ := bufio.NewReader(c.in).ReadString('\n') // an end without an answer is a no
		answered <- line
	}()
	select {
	case <-ctx.Done():
		return false, context.Cause(ctx)
	case line := <-answered:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes", "j", "ja":
			return true, nil
		}
	}
	return false, nil
}

// foundText lists what a found till holds.
func foundText(f client.Found) (string, error) {
	var b strings.Builder
	switch {
	case f.Name == "":
		fmt.Fprintf(&b, "here already: %s\n", count(int(f.Known), "change"))
	case f.State == "revoked":
		fmt.Fprintf(&b, "this was %s, which was revoked; here already: %s\n", f.Name, count(int(f.Known), "change"))
	default:
		fmt.Fprintf(&b, "this was %s; here already: %s\n", f.Name, count(int(f.Known), "change"))
	}
	if len(f.Receipts)+len(f.Payments) == 0 {
		fmt.Fprintf(&b, "it holds no receipt that is not here\n")
	} else {
		rows := [][]string{{"RECEIPT", "CLOSED", "AMOUNT"}}
		for _, r := range f.Receipts {
			rows = append(rows, []string{r.Number, r.ClosedAt, money(r.Gross, r.Currency)})
		}
		for _, p := range f.Payments {
			rows = append(rows, []string{"payment without a receipt (" + p.Type + ")", p.At.Local().Format(time.RFC3339), money(p.Amount, "")})
		}
		if err := table(&b, rows); err != nil {
			return "", err
		}
	}
	if f.More > 0 {
		fmt.Fprintf(&b, "and %d more\n", f.More)
	}
	for _, s := range f.Sums {
		fmt.Fprintf(&b, "in all %s, %s\n", count(int(s.Receipts), "receipt"), money(s.Gross, s.Currency))
	}
	for _, g := range f.Gaps {
		fmt.Fprintf(&b, "look at this: %s\n", g)
	}
	if f.NotTaken > 0 {
		fmt.Fprintf(&b, "not to be taken: %s\n", count(int(f.NotTaken), "change"))
	}
	for i, r := range f.Refused {
		if i == 20 {
			fmt.Fprintf(&b, "  and %d more\n", f.NotTaken-20)
			break
		}
		fmt.Fprintf(&b, "  %s\n", r.Reason)
	}
	for _, d := range f.Damage {
		fmt.Fprintf(&b, "cannot be read: %s\n", d)
	}
	return b.String(), nil
}

func takenText(r client.Recovery) string {
	return fmt.Sprintf("taken from %s: %s; that is marked on all tills of the shop\n", cmp.Or(r.Name, "the found till"), count(int(r.Receipts), "receipt"))
}

func recoveriesText(list []client.Recovery) string {
	if len(list) == 0 {
		return "nothing was taken from a found till yet\n"
	}
	var b strings.Builder
	for _, r := range list {
		by := ""
		if r.By != "" {
			by = " by " + r.By
		}
		fmt.Fprintf(&b, "%s from %s%s: %s (%s)\n", r.At.Local().Format("2006-01-02 15:04"), r.Name, by, count(int(r.Receipts), "receipt"), strings.Join(r.Numbers, ", "))
	}
	return b.String()
}

// money writes an amount in minor units.
func money(amount int64, currency string) string {
	sign := ""
	if amount < 0 {
		sign, amount = "-", -amount
	}
	return strings.TrimSpace(fmt.Sprintf("%s%d.%02d %s", sign, amount/100, amount%100, currency))
}
