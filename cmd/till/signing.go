package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/printer"
)

// signerFlag says which signing device a till has. It is no setting of the shop: each till has its own.
type signerFlag struct {
	Signer string `default:"auto" env:"TILL_SIGNER" enum:"auto,software,none" placeholder:"WHICH" help:"Signing device of this till: auto (what the country of the shop wants, in software as long as there is no other), software, or none (${default})."`
}

// signers returns what makes the device of the till in a data directory, nil if it has none.
func (f *signerFlag) signers(data string) node.Signers {
	if f.Signer == "none" {
		return nil
	}
	return node.SoftwareSigners(data, node.Environment{})
}

// signingCommands are the commands about the signing device.
type signingCommands struct {
	Show  signingShowCommand  `cmd:"" default:"withargs" help:"Show how the signing device is doing, and its outages."`
	Check signingCheckCommand `cmd:"" help:"Have the device sign a receipt that comes to nothing."`
	Dep   signingDepCommand   `cmd:"" help:"Write the log of signed receipts (DEP 7, Austria) into a file."`
}

type signingShowCommand struct {
	askFlags `embed:""`
}

// Run shows the signing device.
func (s *signingShowCommand) Run(ctx context.Context, c *console) error {
	return s.withTill(c, func(till *client.Client) error {
		state, err := till.Signing(ctx)
		if err != nil {
			return err
		}
		text, err := signingText(state, time.Now())
		if err != nil {
			return err
		}
		return c.print(state, text)
	})
}

func signingText(s client.Signing, now time.Time) (string, error) {
	if s.Kind == "" {
		return "this till has no signing device\n", nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s, registered as %s\n", s.Description, s.Client)
	if s.Serial != "" {
		fmt.Fprintf(&b, "serial number %s\n", s.Serial)
	}
	if s.Notice != "" {
		fmt.Fprintf(&b, "%s: every receipt says so\n", s.Notice)
	}
	if s.Check != "" {
		fmt.Fprintf(&b, "check value of the key for FinanzOnline: %s\n", s.Check)
	}
	if s.Works {
		fmt.Fprintf(&b, "works since %s\n", age(s.Since, now))
	} else {
		fmt.Fprintf(&b, "does not work since %s: %s\n  receipts say %q and selling goes on; the till tries it every 10 seconds\n", age(s.Since, now), s.Reason, s.Print)
	}
	if len(s.Outages) == 0 {
		b.WriteString("no outages\n")
		return b.String(), nil
	}
	fmt.Fprintf(&b, "%s not signed in all outages\n", count(int(s.Unsigned), "number"))
	rows := [][]string{{"from", "to", "numbers", "from number", "to number", "reason"}}
	for _, o := range s.Outages {
		end := "goes on"
		if !o.End.IsZero() {
			end = o.End.Local().Format(time.DateTime)
		}
		rows = append(rows, []string{o.Begin.Local().Format(time.DateTime), end, fmt.Sprint(o.Count), o.First, o.Last, o.Reason})
	}
	err := table(&b, rows)
	return b.String(), err
}

type signingCheckCommand struct {
	askFlags `embed:""`
	User     string `placeholder:"NAME" help:"Who wants it."`
}

// Run has a receipt signed that comes to nothing.
func (s *signingCheckCommand) Run(ctx context.Context, c *console) error {
	return s.withTill(c, func(till *client.Client) error {
		r, err := till.CheckSigning(ctx, s.User)
		if err != nil {
			return err
		}
		text := fmt.Sprintf("%s was signed\n", r.Number)
		if r.Signing != nil && r.Signing.Print != "" {
			text = fmt.Sprintf("%s was not signed: %s\n", r.Number, r.Signing.Failure)
		}
		return c.print(r, text)
	})
}

type signingDepCommand struct {
	askFlags `embed:""`
	File     string `arg:"" help:"File to write; it must not exist."`
}

// Run writes the log of signed receipts. A file that is not whole is removed.
func (s *signingDepCommand) Run(ctx context.Context, c *console) error {
	return s.withTill(c, func(till *client.Client) error {
		f, err := os.OpenFile(s.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return &advice{fmt.Errorf("write the log of signed receipts: %w", err), "name a file that does not exist yet"}
		}
		err = till.SigningDEP(ctx, f)
		if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
			return errors.Join(err, os.Remove(s.File))
		}
		return c.print(map[string]string{"file": s.File}, fmt.Sprintf("the log of signed receipts is in %s\n", s.File))
	})
}

// signingOf is what a receipt has to show when it is printed.
func signingOf(r client.Receipt) printer.Signing {
	if r.Signing == nil {
		return printer.Signing{}
	}
	return printer.Signing{QR: r.Signing.QR, Outage: r.Signing.Print, Notice: r.Signing.Notice, Ordered: r.Signing.Ordered}
}

// signingLine says in a line what is wrong with the signing device, or that it is no certified one; nothing if all is well.
func signingLine(b *strings.Builder, s *client.SigningStatus, now time.Time) {
	if s == nil {
		return
	}
	if !s.Works {
		fmt.Fprintf(b, "the signing device does not work since %s: %s; receipts say %q\n", age(s.Since, now), s.Reason, s.Print)
	}
	if s.Notice != "" {
		fmt.Fprintf(b, "%s: receipts say so\n", s.Notice)
	}
}
