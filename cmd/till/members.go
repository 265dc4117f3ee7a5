package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type admitCommand struct {
	askFlags `embed:""`
	Yes      string `placeholder:"ID" xor:"do" help:"Let the new till with this request join. Say it only if both screens show the same digits."`
	No       string `placeholder:"ID" xor:"do" help:"Refuse this request."`
	Open     bool   `xor:"do" help:"Take requests again after three that failed."`
	Replaces string `placeholder:"TILL" help:"With --yes: the till whose place the new one takes, by prefix, name or ID."`
}

// Run lists the requests that wait, or decides on one.
func (a *admitCommand) Run(ctx context.Context, c *console) error {
	if a.Replaces != "" && a.Yes == "" {
		return usage(errors.New("--replaces goes with --yes"), "till admit --yes ID --replaces K3")
	}
	till, err := a.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	switch {
	case a.Yes != "" || a.No != "":
		d, err := till.Decide(ctx, cmp.Or(a.Yes, a.No), a.Yes != "", a.Replaces)
		if err != nil {
			return err
		}
		return c.print(d, decidedText(d))
	case a.Open:
		r, err := till.OpenRequests(ctx)
		if err != nil {
			return err
		}
		return c.print(r, "new tills may ask again\n")
	}
	r, err := till.Requests(ctx)
	if err != nil {
		return err
	}
	return c.print(r, requestsText(r, time.Now()))
}

func decidedText(d client.Decided) string {
	switch {
	case !d.Accepted:
		return fmt.Sprintf("refused: %s\n", d.Name)
	case d.Unconfirmed:
		return fmt.Sprintf("admitted: %s; it did not say yet that it stored that. If it does not appear in \"till mesh\", it asks again\n", d.Name)
	}
	return fmt.Sprintf("admitted: %s\n", d.Name)
}

// requestsText shows requests, the digits first and apart from what a stranger wrote.
func requestsText(r client.Requests, now time.Time) string {
	var b strings.Builder
	if len(r.Items) == 0 {
		b.WriteString("no new till waits here\n")
	}
	for _, q := range r.Items {
		fmt.Fprintf(&b, "\n    %s\n\n", q.Digits)
		fmt.Fprintf(&b, "request %s, asked %s from %s by a machine that calls itself\n  %s\n", q.ID, age(q.Since, now), cmp.Or(q.Address, "an unknown address"), q.Name)
		switch {
		case q.ReplacesName != "":
			fmt.Fprintf(&b, "it wants to take the place of %s\n", q.ReplacesName)
		case q.Replaces != "":
			b.WriteString("it wants to take the place of a till that this shop does not know\n")
		}
		fmt.Fprintf(&b, "the same digits on its screen: till admit --yes %s\nnot the same, or not yours:    till admit --no %s\n", q.ID, q.ID)
	}
	if len(r.Items) > 0 && len(r.Replaceable) > 0 {
		b.WriteString("\nif it takes the place of a till that is gone, say so: till admit --yes ID --replaces ...\n")
		for _, t := range r.Replaceable {
			fmt.Fprintf(&b, "  %s  %s (%s)\n", t.Prefix, t.Name, t.State)
		}
	}
	if !r.ClosedUntil.IsZero() {
		fmt.Fprintf(&b, "no more requests are taken until %s, because three failed: see who is in the network, then till admit --open\n",
			r.ClosedUntil.Local().Format(time.TimeOnly))
	}
	return b.String()
}

type retireCommand struct {
	askFlags `embed:""`
	Till     string `arg:"" help:"Till to take out of use: prefix of its numbers such as K3, its name, or its ID."`
	Reason   string `help:"Why, for people."`
}

// Run retires a till.
func (r *retireCommand) Run(ctx context.Context, c *console) error {
	till, err := r.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	d, err := till.Retire(ctx, r.Till, r.Reason)
	if err != nil {
		return err
	}
	return c.print(d, departedText(d, time.Now()))
}

type revokeCommand struct {
	askFlags `embed:""`
	Till     string `arg:"" help:"Till to remove: prefix of its numbers such as K3, its name, or its ID."`
	Reason   string `help:"Why, for people, such as \"stolen\"."`
}

// Run revokes a till.
func (r *revokeCommand) Run(ctx context.Context, c *console) error {
	till, err := r.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	d, err := till.Revoke(ctx, r.Till, r.Reason)
	if err != nil {
		return err
	}
	return c.print(d, departedText(d, time.Now()))
}

// departedText says how a till left and what may be lost with it.
func departedText(d client.Departed, now time.Time) string {
	var b strings.Builder
	again := ""
	if d.Again {
		again = " already"
	}
	fmt.Fprintf(&b, "%s (%s) is %s%s, since %s by %s\n", d.Name, d.Prefix, d.State, again, d.At.Local().Format("2006-01-02 15:04"), cmp.Or(d.By, "another till"))
	if d.State == "revoked" {
		b.WriteString("its connections end, and nothing more is taken from it; this is final\n")
	} else {
		b.WriteString("it sells no more, and still hands over what it holds; this is final\n")
	}
	for _, s := range d.Series {
		if s.LastNumber == "" {
			fmt.Fprintf(&b, "no receipt %s-… is held here\n", s.Prefix)
			continue
		}
		fmt.Fprintf(&b, "its receipts are held here up to %s\n", s.LastNumber)
	}
	switch {
	case d.Equal:
		b.WriteString("it was connected and had nothing that is not here: nothing is lost\n")
	case d.EqualAt.IsZero():
		b.WriteString("what it sold after that, if anything, only it holds\n")
	default:
		fmt.Fprintf(&b, "it and this till last held the same %s; what it sold after that, if anything, only it holds\n", age(d.EqualAt, now))
	}
	return b.String()
}

// removedText says that the till that was asked left the shop itself.
func removedText(r client.Removal) string {
	text := fmt.Sprintf("THIS TILL WAS REMOVED from the shop on %s by %s (%s", r.At.Local().Format("2006-01-02 15:04"), cmp.Or(r.By, "another till"), r.State)
	if r.Reason != "" {
		text += ": " + r.Reason
	}
	return text + "); it only shows what it has, and its data is kept\n"
}

// askingText says how far a till without a shop is.
func askingText(b *strings.Builder, a *client.Asking) {
	if a == nil {
		return
	}
	if a.Digits != "" {
		b.WriteString(digitsText(a.Digits))
		return
	}
	if a.Problem != "" {
		fmt.Fprintf(b, "not joined: %s\n", oneLine(a.Problem))
	}
	if !a.AgainAt.IsZero() {
		fmt.Fprintf(b, "asking again at %s\n", a.AgainAt.Local().Format(time.TimeOnly))
	}
	if a.Hint != "" {
		fmt.Fprintf(b, "next: %s\n", a.Hint)
	}
}
