package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tillmesh/tillmesh/node/client"
)

// askFlags say which till to ask, and prove the right to.
type askFlags struct {
	HTTP      string `name:"http" default:"http://127.0.0.1:8480" placeholder:"URL" help:"Where the till serves HTTP (${default})."`
	Data      string `placeholder:"DIR" help:"Data directory of the till, for its token."`
	TokenFile string `placeholder:"FILE" help:"File with the till's token. Without it the variable TILL_TOKEN counts, then --data."`
}

// client makes a client with the token that was named: by --token-file, else TILL_TOKEN, else --data.
func (a *askFlags) client(c *console) (*client.Client, error) {
	var token string
	var err error
	switch {
	case a.TokenFile != "":
		token, err = client.ReadToken(a.TokenFile)
	case c.env("TILL_TOKEN") != "":
		token = c.env("TILL_TOKEN")
	case a.Data != "":
		token, err = client.ReadToken(client.TokenPath(a.Data))
	default:
		return nil, usage(errors.New("the till wants a token"),
			"name its data directory with --data DIR, its token file with --token-file FILE, or set TILL_TOKEN")
	}
	if errors.Is(err, client.ErrNoToken) {
		return nil, &advice{err, "name the directory that was given to \"till run --data\""}
	}
	if err != nil {
		return nil, err
	}
	made, err := client.New(client.Config{URL: a.HTTP, Token: token})
	if err != nil {
		return nil, usage(err, "name the till with --http http://HOST:PORT")
	}
	return made, nil
}

type inviteCommand struct {
	askFlags `embed:""`
}

// Run makes an invitation.
func (i *inviteCommand) Run(ctx context.Context, c *console) error {
	till, err := i.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	invitation, err := till.Invite(ctx)
	if err != nil {
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", invitation.Token)
	if !invitation.ExpiresAt.IsZero() {
		fmt.Fprintf(&b, "lets one till join until %s:\n", invitation.ExpiresAt.Local().Format(time.TimeOnly))
	}
	fmt.Fprintf(&b, "  till join --data DIR --name NAME --token %s", invitation.Token)
	if len(invitation.Addresses) > 0 {
		fmt.Fprintf(&b, " --peer %s", invitation.Addresses[0])
	}
	b.WriteString("\n")
	return c.print(invitation, b.String())
}

type statusCommand struct {
	askFlags `embed:""`
}

// Run shows how a till is.
func (s *statusCommand) Run(ctx context.Context, c *console) error {
	till, err := s.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	status, err := till.Status(ctx)
	if err != nil {
		return err
	}
	text, err := statusText(status, time.Now())
	if err != nil {
		return err
	}
	return c.print(status, text)
}

type meshCommand struct {
	askFlags `embed:""`
}

// Run shows the tills of the shop.
func (m *meshCommand) Run(ctx context.Context, c *console) error {
	till, err := m.client(c)
	if err != nil {
		return err
	}
	defer till.Close()
	mesh, err := till.Mesh(ctx)
	if err != nil {
		return err
	}
	text, err := meshText(mesh, time.Now())
	if err != nil {
		return err
	}
	return c.print(mesh, text)
}

// table lays out rows in columns; the first row is the heading.
func table(b *strings.Builder, rows [][]string) error {
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		if _, err := fmt.Fprintln(w, strings.Join(row, "\t")); err != nil {
			return fmt.Errorf("lay out a table: %w", err)
		}
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("lay out a table: %w", err)
	}
	return nil
}
