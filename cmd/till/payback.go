package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

const (
	// payBackPatience is how long the command waits for a card terminal; the till goes on by itself.
	payBackPatience = 5 * time.Minute
	payBackLook     = 200 * time.Millisecond
)

var (
	errBackDeclined = errors.New("the card terminal did not give the money back, and nothing was written")
	errBackAlone    = errors.New("the card terminal gave the money back, and what takes the receipt back could not be written")
	errBackUnknown  = errors.New("it is not known yet whether the card terminal gave the money back")
)

// takenBack prints which receipt took another one back. If a card terminal gives the money back first it waits for that.
func takenBack(ctx context.Context, c *console, till *client.Client, of string, done client.Corrected, what string) error {
	if done.Asked == nil {
		return c.print(done, fmt.Sprintf("%s %s %s\n", done.Number, what, of))
	}
	tick := time.NewTicker(payBackLook)
	defer tick.Stop()
	last := *done.Asked
	for end := time.Now().Add(payBackPatience); time.Now().Before(end); {
		r, err := till.Receipt(ctx, of)
		switch {
		case err != nil:
			return err
		case r.PayingBack != nil:
			last = *r.PayingBack
		default:
			return backOver(ctx, c, till, last.ID, func(number string) string { return fmt.Sprintf("%s %s %s", number, what, of) })
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return &advice{fmt.Errorf("%w: %s", errBackUnknown, last.Text), "nothing has to be done: the till asks the terminal and writes the receipt by itself; \"till payments " +
		last.ID + "\" shows how far it is"}
}

// backOver prints what became of it when nothing is waited for any more.
func backOver(ctx context.Context, c *console, till *client.Client, payment string, done func(number string) string) error {
	p, err := till.Payment(ctx, payment)
	switch {
	case err != nil:
		return err
	case p.Receipt != "" && p.State == "captured":
		return c.print(p, "the card terminal gave the money back; "+done(p.Receipt)+"\n")
	case p.State == "captured":
		return &advice{errBackAlone, "look at it with \"till cases\""}
	}
	return &advice{fmt.Errorf("%w: %s", errBackDeclined, p.Text), "try again, or give it back in cash with --cash"}
}

type paymentsDecideCommand struct {
	askFlags `embed:""`
	ID       string `arg:"" help:"The payment."`
	Paid     bool   `required:"" xor:"outcome" help:"The money moved."`
	NotPaid  bool   `required:"" xor:"outcome" help:"The money did not move."`
	User     string `required:"" placeholder:"NAME" help:"Who decides; it is recorded."`
	Reason   string `required:"" placeholder:"TEXT" help:"How that is known: from the journal of the terminal, or from the bank."`
}

// Help is the longer help.
func (p *paymentsDecideCommand) Help() string {
	return "For a card payment whose terminal is gone for good. As long as the terminal answers it decides. A till decides about its own payments, and about " +
		"those of a till that cannot be reached."
}

// Run decides about a payment.
func (p *paymentsDecideCommand) Run(ctx context.Context, c *console) error {
	return p.withTill(c, func(till *client.Client) error {
		one, err := till.DecidePayment(ctx, p.ID, p.Paid, p.User, p.Reason)
		if err != nil {
			return err
		}
		return c.print(one, paymentText(one))
	})
}
