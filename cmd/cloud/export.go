package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

type exportCommand struct {
	databaseFlags `embed:""`
	rangeFlags    `embed:""`
	Account       string `required:"" placeholder:"NAME" help:"Account whose archive it is."`
	File          string `arg:"" placeholder:"FILE" help:"Where to write the export; there must be no such file yet."`
}

// Help is the longer help.
func (e *exportCommand) Help() string {
	return "Writes everything that the archive holds into one ZIP of open formats with proofs and signatures, and reads it back. \"cloud verify FILE\" checks it anywhere. " +
		"Servers may go on meanwhile."
}

// exported is the result of export.
type exported struct {
	File    string `json:"file"`
	Account string `json:"account"`
	Name    string `json:"name"`
	Shop    string `json:"shop"`
	From    string `json:"from"`
	To      string `json:"to"`
	Leaves  int64  `json:"leaves"`
	Of      int64  `json:"of"`
	Bytes   int64  `json:"bytes"`
	Cloud   string `json:"cloud"`
}

// Run writes an export.
func (e *exportCommand) Run(ctx context.Context, c *console) error {
	o, err := e.options()
	if err != nil {
		return err
	}
	return e.open(ctx, func(d *data) error {
		account, err := d.accounts.Named(ctx, e.Account)
		if err != nil {
			return refusal(err)
		}
		id := archive.AccountID(account.ID)
		if _, err := d.books.Seal(ctx, id); err != nil {
			return err
		}
		var summary export.Summary
		err = saveFile(e.File, func(w io.Writer) (err error) {
			summary, err = d.books.Export(ctx, w, id, o)
			return err
		}, func(f *os.File, size int64) error {
			public, _ := d.Installation().Key.Public().(ed25519.PublicKey)
			r, err := export.Verify(ctx, f, size, export.VerifyOptions{Key: public})
			if err == nil && !r.OK() {
				err = errors.New(r.Findings[0].Text)
			}
			return err
		})
		if err != nil {
			return err
		}
		out := exported{
			File: e.File, Account: account.ID.String(), Name: account.Name, Shop: e.Shop, From: e.From, To: e.To, Leaves: summary.Leaves, Of: summary.Size,
			Bytes: summary.Bytes, Cloud: d.Installation().ID.String(),
		}
		return c.print(out, fmt.Sprintf("%s: %d of %s of %s, %s; written and read back\nsigned by the cloud %s\ncheck it anywhere with: cloud verify %s\n",
			out.File, out.Leaves, count(out.Of, "record"), out.Name, bytesText(out.Bytes), out.Cloud, out.File))
	})
}

func (e *exportCommand) options() (o export.Options, err error) {
	if o.Shop, err = e.shop(); err != nil {
		return o, err
	}
	if err := e.days(); err != nil {
		return o, err
	}
	o.FromDay, o.ToDay = e.From, e.To
	return o, nil
}

// days checks the days.
func (f rangeFlags) days() error {
	for flag, day := range map[string]string{"--from": f.From, "--to": f.To} {
		if day != "" && catalog.CheckDay(day) != nil {
			return usage(fmt.Errorf("%s %q is no day", flag, day), "write it as 2026-01-31")
		}
	}
	if f.From != "" && f.To != "" && f.To < f.From {
		return usage(fmt.Errorf("--to %s is before --from %s", f.To, f.From), "turn them round")
	}
	return nil
}
