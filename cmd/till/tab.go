package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// tabCommands are the commands about open tabs.
type tabCommands struct {
	List     tabListCommand     `cmd:"" help:"List the open tabs of all tills, and who works on them."`
	Show     tabShowCommand     `cmd:"" help:"Show a tab with its lines."`
	Claim    tabClaimCommand    `cmd:"" help:"Take a tab over, to take payment for it."`
	Move     tabMoveCommand     `cmd:"" help:"Put lines of a tab on another one."`
	Split    tabSplitCommand    `cmd:"" help:"Split a tab by lines, by parts of lines, or into shares."`
	Merge    tabMergeCommand    `cmd:"" help:"Merge a tab into another one."`
	Unmerge  tabUnmergeCommand  `cmd:"" help:"Take a merged tab out again."`
	Transfer tabTransferCommand `cmd:"" help:"Hand a tab over to a user or a till."`
	History  tabHistoryCommand  `cmd:"" help:"Show who took a tab over from whom."`
	Adopt    tabAdoptCommand    `cmd:"" help:"Put what is left over from a closed tab on another one."`
	Payback  tabPaybackCommand  `cmd:"" help:"Give a payment that is on no receipt back in cash."`
	Abandon  tabAbandonCommand  `cmd:"" help:"Give a tab up; its lines are recorded and nothing is paid."`
}

// withTill makes a client, hands it on and closes it.
func (a *askFlags) withTill(c *console, do func(*client.Client) error) error {
	till, err := a.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	return do(till)
}

type tabListCommand struct {
	askFlags `embed:""`
}

// Run lists the open tabs.
func (t *tabListCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		page, err := till.Tabs(ctx, client.List{Limit: 1000})
		if err != nil {
			return err
		}
		text, err := tabsText(page.Items, time.Now())
		if err != nil {
			return err
		}
		return c.print(page.Items, text)
	})
}

type tabShowCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
}

// Run shows a tab.
func (t *tabShowCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		tab, err := till.Tab(ctx, t.Tab)
		if err != nil {
			return err
		}
		text, err := tabText(tab, time.Now())
		if err != nil {
			return err
		}
		return c.print(tab, text)
	})
}

type tabClaimCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
	User     string `placeholder:"NAME" help:"Who asks."`
	Force    bool   `help:"Take it even if somebody works on it; this is recorded."`
}

// Run claims a tab.
func (t *tabClaimCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		claim, err := till.TakeTab(ctx, t.Tab, t.User, t.Force)
		if err != nil {
			return err
		}
		if !claim.Granted {
			return &advice{fmt.Errorf("%s keeps the tab: %s", claim.Holder.TillName, claim.Reason), "ask there, wait until it is idle for 90 s, or use --force"}
		}
		return c.print(claim, claimText(claim))
	})
}

func claimText(claim client.Claim) string {
	text := fmt.Sprintf("held by %s", claim.Holder.TillName)
	if claim.Holder.User != "" {
		text += ", " + claim.Holder.User
	}
	if claim.Unreachable {
		text += "; the till that held it before was not reached"
	}
	if claim.Warning != "" {
		text += "\nWARNING: " + claim.Warning
	}
	return text + "\n"
}

type tabMoveCommand struct {
	askFlags `embed:""`
	Tab      string   `arg:"" help:"ID of the tab."`
	Line     []string `required:"" placeholder:"ID" help:"ID of a line; may be given several times."`
	To       string   `required:"" placeholder:"ID" help:"ID of the other tab."`
}

// Run moves lines.
func (t *tabMoveCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		moved, err := till.MoveLines(ctx, t.Tab, t.To, t.Line)
		if err != nil {
			return err
		}
		return c.print(moved, movedText(moved))
	})
}

func movedText(m client.MovedTabs) string {
	return oneTab(m.From) + oneTab(m.To)
}

func oneTab(t client.Tab) string {
	if t.State == "closed" {
		return fmt.Sprintf("%s: closed with %s\n", t.ID, t.Receipt)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %s", t.ID, t.Name)) + fmt.Sprintf(": %s, %s, due %s\n", count(len(t.Lines), "line"), money(t.Totals.Gross, t.Currency),
		money(t.Totals.Due, t.Currency))
}

type tabSplitCommand struct {
	askFlags `embed:""`
	Tab      string   `arg:"" help:"ID of the tab."`
	Line     []string `placeholder:"ID[=PIECES]" help:"A line that goes to another tab, or so many pieces of it such as 1 or 0.5; may be given several times."`
	To       string   `placeholder:"ID" help:"An open tab; without it a new one."`
	Name     string   `placeholder:"NAME" help:"Name of a new tab."`
	User     string   `placeholder:"NAME" help:"Who does it."`
	Equal    int      `placeholder:"N" help:"Show what each of so many guests pays."`
	Amount   []int64  `placeholder:"CENTS" help:"Show the shares of guests who pay these amounts; may be given several times."`
}

// Help is the longer help.
func (t *tabSplitCommand) Help() string {
	return "With --line the lines go to another tab that is closed on its own. With --equal or --amount nothing is changed: enter each share " +
		"as a payment, and close the tab when all are paid; it has one receipt."
}

// Run splits a tab.
func (t *tabSplitCommand) Run(ctx context.Context, c *console) error {
	split := client.Split{To: t.To, Name: t.Name, User: t.User, Equal: t.Equal, Amounts: t.Amount}
	for _, l := range t.Line {
		id, pieces, _ := strings.Cut(l, "=")
		quantity, err := thousandths(pieces)
		if err != nil {
			return err
		}
		split.Lines = append(split.Lines, client.SplitLine{Line: id, Quantity: quantity})
	}
	return t.withTill(c, func(till *client.Client) error {
		out, err := till.SplitTab(ctx, t.Tab, split)
		if err != nil {
			return err
		}
		var b strings.Builder
		for i, s := range out.Shares {
			fmt.Fprintf(&b, "share %d of %d: %s\n", i+1, len(out.Shares), money(s.Amount, ""))
		}
		if out.From != nil && out.To != nil {
			b.WriteString(movedText(client.MovedTabs{From: *out.From, To: *out.To}))
		}
		return c.print(out, b.String())
	})
}

var errPieces = errors.New("no number of pieces")

// thousandths reads a number of pieces with up to three decimals, empty for all of them.
func thousandths(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	whole, decimals, _ := strings.Cut(text, ".")
	n, err := strconv.ParseUint(whole+(decimals + "000")[:3], 10, 40)
	if err != nil || n == 0 || len(decimals) > 3 {
		return 0, usage(fmt.Errorf("--line: %q is %w", text, errPieces), "write 1, 2 or 0.5 behind the =")
	}
	return int64(n), nil
}

type tabMergeCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
	Into     string `required:"" placeholder:"ID" help:"ID of the tab it is merged into."`
}

// Run merges tabs.
func (t *tabMergeCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		moved, err := till.MergeTab(ctx, t.Tab, t.Into)
		if err != nil {
			return err
		}
		return c.print(moved, oneTab(moved.To))
	})
}

type tabUnmergeCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab that was merged."`
}

// Run takes tabs apart.
func (t *tabUnmergeCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		moved, err := till.UnmergeTab(ctx, t.Tab)
		if err != nil {
			return err
		}
		return c.print(moved, movedText(moved))
	})
}

type tabTransferCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
	Till     string `placeholder:"TILL" help:"ID, prefix or name of the till; without it the asked one."`
	User     string `placeholder:"NAME" help:"Who goes on with it."`
	By       string `placeholder:"NAME" help:"Who says so; it is recorded."`
	Force    bool   `help:"Take it from somebody who works on it."`
}

// Run hands a tab over.
func (t *tabTransferCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		claim, err := till.TransferTab(ctx, t.Tab, client.Transfer{Till: t.Till, User: t.User, By: t.By, Force: t.Force})
		if err != nil {
			return err
		}
		return c.print(claim, claimText(claim))
	})
}

type tabHistoryCommand struct {
	askFlags `embed:""`
	Tab      string `arg:"" help:"ID of the tab."`
}

// Run shows who took a tab over.
func (t *tabHistoryCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		list, err := till.TabHistory(ctx, t.Tab)
		if err != nil {
			return err
		}
		var b strings.Builder
		for _, h := range list {
			fmt.Fprintf(&b, "%s  %s: %s -> %s", h.At.Local().Format(time.DateTime), h.How, personText(h.From), personText(h.To))
			if h.By != "" {
				fmt.Fprintf(&b, ", by %s", h.By)
			}
			if h.Payment {
				b.WriteString(", while a card payment was open")
			}
			b.WriteString("\n")
		}
		if len(list) == 0 {
			b.WriteString("nobody took it over\n")
		}
		return c.print(list, b.String())
	})
}

func personText(p client.Person) string {
	if p.User == "" {
		return p.TillName
	}
	return p.TillName + " (" + p.User + ")"
}

type tabAdoptCommand struct {
	askFlags `embed:""`
	Case     string `arg:"" help:"ID of the case."`
	To       string `placeholder:"ID" help:"An open tab; without it a new one."`
	Name     string `placeholder:"NAME" help:"Name of a new tab."`
	User     string `placeholder:"NAME" help:"Who does it."`
}

// Run adopts what is left over.
func (t *tabAdoptCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		tab, err := till.AdoptCase(ctx, t.Case, client.Adoption{To: t.To, Name: t.Name, User: t.User})
		if err != nil {
			return err
		}
		return c.print(tab, oneTab(tab))
	})
}

type tabPaybackCommand struct {
	askFlags `embed:""`
	Case     string `arg:"" help:"ID of the case."`
	User     string `placeholder:"NAME" help:"Who gives the money back."`
	Reason   string `placeholder:"TEXT" help:"Why; it is on the receipt."`
}

// Run gives a payment back.
func (t *tabPaybackCommand) Run(ctx context.Context, c *console) error {
	return t.withTill(c, func(till *client.Client) error {
		r, err := till.PayBack(ctx, t.Case, t.User, t.Reason)
		if err != nil {
			return err
		}
		return c.print(r, fmt.Sprintf("given back in cash, receipt %s\n", r.Number))
	})
}

// tabsText lists tabs for people.
func tabsText(list []client.Tab, now time.Time) (string, error) {
	if len(list) == 0 {
		return "there are no open tabs\n", nil
	}
	var b strings.Builder
	rows := [][]string{{"TAB", "NAME", "LINES", "DUE", "OPENED", "HELD BY", "WORKING ON IT"}}
	for _, t := range list {
		holder := t.Holder.TillName
		if !t.HolderReachable {
			holder += " (not reachable)"
		}
		rows = append(rows, []string{t.ID, cmp.Or(t.Name, "-"), fmt.Sprint(len(t.Lines)), money(t.Totals.Due, t.Currency), age(t.OpenedAt, now),
			cmp.Or(holder, "-"), cmp.Or(presentText(t.Present, now), "-")})
	}
	err := table(&b, rows)
	return b.String(), err
}

// presentText is such as "Anna, Kasse 1, since 20 s".
func presentText(list []client.Present, now time.Time) string {
	var parts []string
	for _, p := range list {
		text := p.TillName
		if p.User != "" {
			text = p.User + ", " + text
		}
		text += ", since " + strings.TrimSuffix(age(p.Since, now), " ago")
		if !p.Reachable {
			text += fmt.Sprintf(" (as of %d s ago, not reachable)", p.AgeMS/1000)
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// tabText is a tab for people.
func tabText(t client.Tab, now time.Time) (string, error) {
	var b strings.Builder
	b.WriteString(oneTab(t))
	if t.State == "closed" {
		return b.String(), nil
	}
	rows := [][]string{{"LINE", "QUANTITY", "NAME", "AMOUNT"}}
	for _, l := range t.Lines {
		quantity := fmt.Sprintf("%d.%03d", l.Quantity/1000, max(l.Quantity, -l.Quantity)%1000)
		if l.Voided > 0 {
			quantity += fmt.Sprintf(" (%d.%03d taken back)", l.Voided/1000, l.Voided%1000)
		}
		rows = append(rows, []string{l.ID, quantity, l.Name, money(l.Gross, t.Currency)})
	}
	if err := table(&b, rows); err != nil {
		return "", err
	}
	fmt.Fprintf(&b, "held by %s", cmp.Or(personText(t.Holder), "nobody"))
	if !t.HolderReachable {
		b.WriteString(", not reachable")
	}
	b.WriteString("\n")
	if text := presentText(t.Present, now); text != "" {
		fmt.Fprintf(&b, "working on it: %s\n", text)
	}
	return b.String(), nil
}
