package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
)

type joinCommand struct {
	Data     string   `required:"" placeholder:"DIR" help:"Data directory of this till; it must be empty or missing."`
	Name     string   `required:"" placeholder:"NAME" help:"Name of this till, such as \"Kasse 2\"."`
	Token    string   `help:"Token that \"till invite\" printed on a till of the shop. Without it this till shows six digits, and a person says yes there (till admit)."`
	Peer     []string `placeholder:"HOST:PORT" sep:"none" help:"Where a till of the shop takes links, such as 192.168.1.20:8481; may be repeated. Without it the shop is looked for on the network."`
	Shop     string   `placeholder:"ID" help:"Shop to ask, if several are found."`
	Replaces string   `placeholder:"ID" help:"Till whose place this one takes, 52 characters (\"till mesh --json\" in the shop). Who says yes there can choose it, too: till admit --yes ID --replaces K3."`
	Yes      bool     `help:"Do not ask here whether the digits are the same."`
	Mode     string   `default:"shared" enum:"archive,masterdata,shared,individual" help:"What this till shares with the others: ${enum}."`
	State    string   `placeholder:"DIR" help:"Where the till keeps what it knows of its machine, outside of the data directory ($$TILLMESH_STATE, or the system's place for such things)."`
	Iface    string   `placeholder:"NAME" help:"Look on this network interface only."`
	NoMDNS   bool     `name:"no-mdns" help:"Do not look for the shop by multicast."`
}

// Run joins a shop.
func (j *joinCommand) Run(ctx context.Context, c *console) error {
	shop, err := parseShop(j.Shop)
	if err != nil {
		return err
	}
	var replaces crdt.TillID
	if j.Replaces != "" {
		if replaces, err = crdt.ParseTillID(strings.ToLower(strings.TrimSpace(j.Replaces))); err != nil {
			return usage(fmt.Errorf("--replaces %q is no ID of a till: %w", j.Replaces, err),
				`write all 52 characters, or leave it out and let the person at the till of the shop choose: till admit --yes ID --replaces K3`)
		}
	}
	joined, err := node.Join(ctx, node.JoinOptions{
		Data: j.Data, StateDir: j.State, Name: j.Name, Token: j.Token, Mode: j.Mode, Peers: j.Peer, Iface: j.Iface, NoMDNS: j.NoMDNS,
		Version: version, Log: c.logger(slog.LevelWarn), Shop: shop, Replaces: replaces,
		Compare: func(ctx context.Context, d pairing.Digits) error { return c.compare(ctx, d, !j.Yes) },
	})
	if err != nil {
		return err
	}
	m := made{Data: j.Data, Shop: joined.Shop.String(), ShopName: joined.ShopName, Till: joined.Till.String(), Name: j.Name, Prefix: joined.Prefix}
	return c.print(m, fmt.Sprintf("%s is a till of %s now and numbers its receipts %s-000001 and on\nstart it with: till run --data %s\n",
		m.Name, m.ShopName, m.Prefix, m.Data))
}

var errOtherDigits = errors.New("not joined: a till of the shop does not show the same digits")

// compare shows the digits and, on a terminal, asks whether the till of the shop shows the same. What it shows is no result and
// so goes to stderr.
func (c *console) compare(ctx context.Context, d pairing.Digits, ask bool) error {
	var err error
	if c.json {
		_, err = fmt.Fprintf(c.err, "{\"digits\":%q}\n", d.String())
	} else {
		_, err = io.WriteString(c.err, digitsText(d.String()))
	}
	if err != nil {
		return fmt.Errorf("show the digits: %w", err)
	}
	if !ask || !c.person || c.json {
		return nil
	}
	if _, err := io.WriteString(c.err, "Does the till of your shop show the same digits? [y/N] "); err != nil {
		return fmt.Errorf("show the question: %w", err)
	}
	answered := make(chan string, 1)
	// Nothing ends a read from a terminal; this one is left behind if the answer comes from elsewhere, and ends with the
	// program, which has nothing more to do then.
	go func() {
		line, _ := bufio.NewReader(c.in).ReadString('\n') // an end without an answer is a no
		answered <- line
	}()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case line := <-answered:
		switch strings.ToLower(strings.TrimSpace(line)) {
		case "y", "yes", "j", "ja":
			return nil
		}
	}
	return &advice{errOtherDigits, "if they differ, somebody may sit between the two: see who is in the network, or use a token (till invite)"}
}

// isTerminal reports whether a person sits at a file.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	nowhere, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, nowhere)
}
