package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/printer"
)

type printsCommand struct {
	askFlags `embed:""`
}

// Run lists what was to be printed.
func (p *printsCommand) Run(ctx context.Context, c *console) error {
	till, err := p.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	list, err := till.Prints(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return c.print(list, "everything that was to be printed here was printed\n")
	}
	var b strings.Builder
	rows := [][]string{{"RECEIPT", "PRINTER", "INTENDED", "TIMES", "PRINTED NEXT AS"}}
	for _, p := range list {
		rows = append(rows, []string{p.Number, p.Printer, p.IntendedAt.Local().Format(time.DateTime), fmt.Sprint(p.Count), p.Mark})
	}
	if err := table(&b, rows); err != nil {
		return err
	}
	b.WriteString("print one with \"till print NUMBER\", or say that nobody wants it with \"till print NUMBER --drop\"\n")
	return c.print(list, b.String())
}

type printCommand struct {
	askFlags `embed:""`
	Receipt  string `arg:"" help:"Number of the receipt such as K2-000418, or its ID."`
	To       string `default:"receipts.txt" placeholder:"FILE" help:"File that is the printer; what is printed goes to its end (${default})."`
	Drop     bool   `help:"Do not print it: nobody wants it any more."`
}

// Help is the longer help.
func (p *printCommand) Help() string {
	return "The till is told before something is printed and after it. If printing ends in between, nobody knows whether there is paper, " +
		"and the next print is a copy. A receipt that has to be on more tills first is not printed; see \"till release\"."
}

// Run prints a receipt.
func (p *printCommand) Run(ctx context.Context, c *console) error {
	till, err := p.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	if p.Drop {
		state, err := till.PrintReceipt(ctx, p.Receipt, "dropped", "")
		if err != nil {
			return err
		}
		return c.print(state, fmt.Sprintf("%s is not printed\n", state.Number))
	}
	receipt, err := till.Receipt(ctx, p.Receipt)
	if err != nil {
		return err
	}
	state, err := printReceipt(ctx, till, receipt, printer.File{Path: p.To})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("%s was printed into %s\n", state.Number, p.To)
	if state.Count > 1 || receipt.Number != state.Number {
		text = fmt.Sprintf("%s was printed into %s; it was intended %d times so far\n", state.Number, p.To, state.Count)
	}
	return c.print(state, text)
}

// printReceipt prints a receipt between telling the till that it is intended and that it is done.
func printReceipt(ctx context.Context, till *client.Client, r client.Receipt, to printer.File) (client.Print, error) {
	state, err := till.PrintReceipt(ctx, r.ID, "intended", to.Path)
	if err != nil {
		return state, err
	}
	text, err := printer.Receipt(r.Canonical, state.Mark, signingOf(r))
	if err == nil {
		err = to.Print(text)
	}
	if err != nil {
		return state, &advice{errors.Join(fmt.Errorf("%s was not printed", state.Number), err), "print it again: it is marked as a copy then"}
	}
	return till.PrintReceipt(ctx, r.ID, "done", "")
}
