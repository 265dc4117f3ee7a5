package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

type doctorCommand struct {
	askFlags `embed:""`
	Quick    bool   `help:"Say what is known already, and try nothing."`
	Language string `default:"en" enum:"en,de,ru" help:"Language of the findings: ${enum}."`
	Bundle   string `placeholder:"FILE" help:"Also write a file for support (ZIP); it holds no names, receipts or keys. It must not exist."`
}

// Help is the longer help.
func (d *doctorCommand) Help() string {
	return "Tries which tills reach each other, and names what is wrong with this till, its disk, its clock and its network, " +
		"each cause with what to do. Nothing is changed. The exit code is 0 if the answer could be given, whatever it is."
}

// Run examines a till.
func (d *doctorCommand) Run(ctx context.Context, c *console) error {
	till, err := d.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	ask := till.Examine
	if d.Quick {
		ask = till.Diagnosis
	}
	found, err := ask(ctx, d.Language)
	if err != nil {
		return err
	}
	text := diagnosisText(found, time.Now())
	if d.Bundle != "" {
		if err := writeBundle(ctx, till, d.Bundle); err != nil {
			return err
		}
		text += fmt.Sprintf("\nfor support: %s\n", d.Bundle)
	}
	return c.print(found, text)
}

// writeBundle writes the file whole or not at all.
func writeBundle(ctx context.Context, till *client.Client, path string) error {
	var b bytes.Buffer
	if err := till.Bundle(ctx, &b); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return &advice{fmt.Errorf("%s is there already", path), "name a file that does not exist with --bundle"}
	}
	if err != nil {
		return fmt.Errorf("write the file for support: %w", err)
	}
	_, err = f.Write(b.Bytes())
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the file for support: %w", errors.Join(err, os.Remove(path)))
	}
	return nil
}

// diagnosisText is a diagnosis for people.
func diagnosisText(d client.Diagnosis, now time.Time) string {
	var b strings.Builder
	for _, f := range d.Findings {
		mark := map[string]string{"error": "!! ", "warn": "!  "}[f.Severity]
		fmt.Fprintf(&b, "%s%s\n", mark, f.Title)
		if f.Do != "" {
			fmt.Fprintf(&b, "   %s.\n", f.Do)
		}
		if f.Severity != "info" && !f.Since.IsZero() {
			fmt.Fprintf(&b, "   since %s\n", age(f.Since, now))
		}
		for _, line := range f.Details {
			fmt.Fprintf(&b, "   - %s\n", line)
		}
	}
	if len(d.Findings) == 0 {
		b.WriteString("this till has just started; ask again in ten seconds\n")
	}
	if d.ProbedAt.IsZero() {
		b.WriteString("who reaches whom was not tried yet\n")
	}
	return b.String()
}
