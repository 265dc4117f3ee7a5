package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/node/terminal/simulated"
)

// terminalFlag says which card terminal a till has. It is no setting of the shop: each till has its own.
type terminalFlag struct {
	Terminal string `default:"none" env:"TILL_TERMINAL" placeholder:"WHICH" help:"Card terminal of this till: none, simulated:SEED (no money moves; 0: nothing goes wrong), or simulated@HOST:PORT of \"till terminal\" (${default})."`
}

// terminalBook is the book of a simulated terminal in the data directory of its till.
const terminalBook = "terminal-simulated"

// check refuses a flag that names no terminal.
func (f *terminalFlag) check() error {
	which, about, _ := strings.Cut(f.Terminal, ":")
	_, noSeed := strconv.ParseUint(about, 10, 64)
	_, _, noAddr := net.SplitHostPort(strings.TrimPrefix(f.Terminal, "simulated@"))
	if f.Terminal == "" || f.Terminal == "none" || which == "simulated" && noSeed == nil || strings.HasPrefix(f.Terminal, "simulated@") && noAddr == nil {
		return nil
	}
	return usage(fmt.Errorf("--terminal %q is no terminal", f.Terminal), "use none, simulated:SEED or simulated@HOST:PORT")
}

// cardTerminal is the terminal of a till that runs: opened with its data, however often that is, and closed at the end.
type cardTerminal struct {
	flag     terminalFlag
	terminal terminal.Terminal
	book     *simulated.File // of one in this process; nil: there is none
}

// of returns the terminal for a data directory; nil as long as that holds no till, or if there is no terminal.
func (c *cardTerminal) of(data string) (terminal.Terminal, error) {
	if c.terminal != nil || !node.BelongsToShop(data) {
		return c.terminal, nil
	}
	which, about, _ := strings.Cut(c.flag.Terminal, ":")
	if addr, ok := strings.CutPrefix(c.flag.Terminal, "simulated@"); ok {
		c.terminal = simulated.NewLink(addr)
	} else if seed, err := strconv.ParseUint(about, 10, 64); which == "simulated" && err == nil {
		if c.book, err = simulated.OpenFile(filepath.Join(data, terminalBook), c.flag.Terminal, seed); err != nil {
			return nil, err
		}
		c.terminal = inProcess(c.book.Device())
	}
	return c.terminal, nil
}

func (c *cardTerminal) close() error {
	if c.book == nil {
		return nil
	}
	return c.book.Close()
}

func inProcess(d *simulated.Device) *simulated.Terminal {
	began := time.Now()
	return &simulated.Terminal{Device: d, Now: func() time.Duration { return time.Since(began) }, Wait: func(ctx context.Context, d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-timer.C:
			return true
		}
	}}
}

type terminalCommand struct {
	Listen string `default:"127.0.0.1:8470" placeholder:"HOST:PORT" help:"Where tills reach it (${default})."`
	Seed   uint64 `placeholder:"N" help:"What goes wrong; 0: nothing (${default})." default:"0"`
	Book   string `required:"" placeholder:"FILE" help:"Where it writes down what it did; it goes on there."`
	Name   string `default:"simulated" placeholder:"NAME" help:"Name of the terminal; tills tell terminals apart by it (${default})."`
}

// Help is the longer help.
func (t *terminalCommand) Help() string {
	return "No money moves: it is for trying things out. Start tills with --terminal simulated@HOST:PORT. With a seed above 0 it declines, " +
		"times out, takes money late, loses requests and answers, and is down for a while; the same payment always meets the same fate."
}

// Run is a card terminal until ctx is done.
func (t *terminalCommand) Run(ctx context.Context, c *console) error {
	book, err := simulated.OpenFile(t.Book, t.Name, t.Seed)
	if err != nil {
		return err
	}
	defer func() { _ = book.Close() }() // every line was synced
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", t.Listen)
	if err != nil {
		return &advice{fmt.Errorf("listen on %s: %w", t.Listen, err), "choose another address with --listen"}
	}
	if err := c.print(map[string]string{"listen": l.Addr().String(), "name": t.Name}, fmt.Sprintf("simulated card terminal %s on %s; Ctrl-C ends it\n", t.Name, l.Addr())); err != nil {
		return errors.Join(err, l.Close())
	}
	return simulated.Server{Terminal: inProcess(book.Device())}.Run(ctx, l)
}

type paymentsCommand struct {
	Show   paymentsShowCommand   `cmd:"" default:"withargs" help:"Show the card payments that are not decided; ask the terminal, give one up, or give its money back."`
	Decide paymentsDecideCommand `cmd:"" help:"Say what became of a card payment that nobody can ask about any more."`
}

type paymentsShowCommand struct {
	askFlags `embed:""`
	ID       string `arg:"" optional:"" help:"A payment; without it: all card payments that are not decided."`
	Query    bool   `xor:"do" help:"Ask the terminal what became of it, now."`
	Cancel   bool   `xor:"do" help:"Give it up, if it is not too late."`
	Reverse  bool   `xor:"do" help:"Give the money back to the card."`
	User     string `placeholder:"NAME" help:"Who gives it back."`
}

// Run shows payments, and does something about one.
func (p *paymentsShowCommand) Run(ctx context.Context, c *console) error {
	till, err := p.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	var one client.CardPayment
	switch {
	case p.ID == "" && (p.Query || p.Cancel || p.Reverse):
		return usage(errors.New("no payment was named"), "name its ID: \"till payments\" lists those that are not decided")
	case p.ID == "":
		list, err := till.Payments(ctx)
		if err != nil {
			return err
		}
		text, err := paymentsText(list)
		if err != nil {
			return err
		}
		return c.print(list, text)
	case p.Query:
		one, err = till.QueryPayment(ctx, p.ID)
	case p.Cancel:
		one, err = till.CancelPayment(ctx, p.ID)
	case p.Reverse:
		one, err = till.ReversePayment(ctx, p.ID, p.User)
	default:
		one, err = till.Payment(ctx, p.ID)
	}
	if err != nil {
		return err
	}
	return c.print(one, paymentText(one))
}

func paymentsText(list []client.CardPayment) (string, error) {
	if len(list) == 0 {
		return "what became of every card payment is known\n", nil
	}
	var b strings.Builder
	rows := [][]string{{"PAYMENT", "AMOUNT", "STATE", "ENTERED", "TERMINAL SAID"}}
	for _, p := range list {
		rows = append(rows, []string{p.ID, money(p.Amount, ""), p.State, p.At.Local().Format(time.DateTime), p.Text})
	}
	err := table(&b, rows)
	return b.String(), err
}

func paymentText(p client.CardPayment) string {
	var b strings.Builder
	fmt.Fprintf(&b, "payment of %s: %s\n", money(p.Amount, ""), stateText(p.State))
	if p.Text != "" {
		fmt.Fprintf(&b, "  the terminal said: %s\n", p.Text)
	}
	if p.ByHand {
		b.WriteString("  a person decided that, because nobody could ask the terminal\n")
	}
	if p.GivesBack != "" {
		fmt.Fprintf(&b, "  gives money of receipt %s back\n", p.GivesBack)
	}
	if p.Receipt != "" {
		fmt.Fprintf(&b, "  on receipt %s\n", p.Receipt)
	}
	if p.Trace != "" {
		fmt.Fprintf(&b, "  trace %s, %s", p.Trace, p.Card)
		if p.Authorisation != "" {
			fmt.Fprintf(&b, ", authorisation %s", p.Authorisation)
		}
		b.WriteString("\n")
	}
	for _, s := range p.Steps {
		fmt.Fprintf(&b, "  %s  %s  %s\n", s.At.Local().Format("2006-01-02 15:04:05.000"), s.State, s.Text)
	}
	return b.String()
}

// stateText says what a state means.
func stateText(state string) string {
	switch state {
	case "intended":
		return "the terminal is asked soon"
	case "sent":
		return "the terminal is being asked"
	case "captured":
		return "captured, the money was taken"
	case "declined":
		return "declined, no money was taken"
	}
	return "nobody knows yet whether the money was taken; the till goes on asking"
}
