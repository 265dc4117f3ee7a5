package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
)

type listedHold struct {
	ID         string     `json:"id"`
	Shop       string     `json:"shop"` // empty: all
	From       string     `json:"from"`
	To         string     `json:"to"`
	Reason     string     `json:"reason"`
	Since      time.Time  `json:"since"`
	By         string     `json:"by"`
	Released   *time.Time `json:"released"`
	ReleasedBy string     `json:"released_by"`
	Why        string     `json:"why"`
}

func holdOf(h server.Hold) listedHold {
	out := listedHold{ID: h.ID.String(), From: h.Range.From, To: h.Range.To, Reason: h.Reason, Since: h.Since, By: h.By, ReleasedBy: h.ReleasedBy, Why: h.Why}
	if !h.Range.Shop.IsZero() {
		out.Shop = h.Range.Shop.String()
	}
	if !h.Released.IsZero() {
		out.Released = &h.Released
	}
	return out
}

type adminHolds struct {
	accountFlags `embed:""`
}

// Run lists the legal holds of an account.
func (a *adminHolds) Run(ctx context.Context, c *console) error {
	return a.named(ctx, func(d *data, account accounts.Account) error {
		found, err := d.books.Holds(ctx, account.ID)
		if err != nil {
			return err
		}
		var list []listedHold
		for _, h := range found {
			list = append(list, holdOf(h))
		}
		return show(c, list, "this account has no legal hold", []string{"SINCE", "SHOP", "DAYS", "STATE", "REASON", "ID"}, func(h listedHold) []string {
			state := "holds"
			if h.Released != nil {
				state = "ended " + when(*h.Released) + " by " + h.ReleasedBy + ": " + h.Why
			}
			return []string{when(h.Since), or(h.Shop, "all"), or(h.From, "…") + " to " + or(h.To, "…"), state, h.Reason, h.ID}
		})
	})
}

func or(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

type adminHold struct {
	accountFlags `embed:""`
	rangeFlags   `embed:""`
	Reason       string `required:"" placeholder:"TEXT" help:"Why, for the record."`
	By           string `required:"" placeholder:"NAME" help:"Who you are, for the record."`
}

// Run begins a legal hold.
func (a *adminHold) Run(ctx context.Context, c *console) error {
	shop, err := a.shop()
	if err != nil {
		return err
	}
	if err := a.days(); err != nil {
		return err
	}
	return a.named(ctx, func(d *data, account accounts.Account) error {
		h, err := d.books.SetHold(ctx, account.ID, server.ExportRange{Shop: shop, From: a.From, To: a.To}, a.Reason, "operator "+a.By)
		if errors.Is(err, merkle.ErrHold) {
			return usage(err, "give a --reason of at most 500 characters")
		}
		if err != nil {
			return err
		}
		return c.print(holdOf(h), fmt.Sprintf("what it covers of %s is kept until the hold is released: %s\n", account.Name, h.ID))
	})
}

type adminRelease struct {
	accountFlags `embed:""`
	Hold         string `arg:"" placeholder:"ID" help:"The hold, as \"cloud admin holds\" lists it."`
	Why          string `required:"" placeholder:"TEXT" help:"Why, for the record."`
	By           string `required:"" placeholder:"NAME" help:"Who you are, for the record."`
}

// Run ends a legal hold.
func (a *adminRelease) Run(ctx context.Context, c *console) error {
	id, err := crdt.ParseObjectID(a.Hold)
	if err != nil {
		return usage(fmt.Errorf("hold %q: %w", a.Hold, err), "\"cloud admin holds --account NAME\" lists them")
	}
	return a.named(ctx, func(d *data, account accounts.Account) error {
		h, err := d.books.ReleaseHold(ctx, account.ID, id, "operator "+a.By, a.Why)
		switch {
		case errors.Is(err, server.ErrNotFound):
			return &advice{err, fmt.Sprintf("\"cloud admin holds --account %s\" lists them", account.Name)}
		case errors.Is(err, merkle.ErrHold):
			return usage(err, "give --why with at most 500 characters")
		case err != nil:
			return err
		}
		return c.print(holdOf(h), fmt.Sprintf("hold %s was released; nothing is deleted by that\n", h.ID))
	})
}
