package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/pairing"
)

type restoreCommand struct {
	File   string   `arg:"" placeholder:"FILE" help:"Backup that \"till backup\" wrote."`
	Data   string   `placeholder:"DIR" help:"Data directory of the new till; it must be empty or missing. Without it the backup is only checked and shown."`
	Name   string   `placeholder:"NAME" help:"Name of the new till; that of the till in the backup if left out."`
	Token  string   `xor:"way" help:"Token that \"till invite\" printed on a till of the shop. Without it, and without --alone, this till shows six digits, and a person says yes there (till admit)."`
	Alone  bool     `xor:"way" help:"Ask no other till: only if none is left. Needs a backup of the till that founded the shop."`
	Peer   []string `placeholder:"HOST:PORT" sep:"none" help:"Where a till of the shop takes links, such as 192.168.1.20:8481; may be repeated. Without it the shop is looked for on the network."`
	Yes    bool     `help:"Do not ask."`
	State  string   `placeholder:"DIR" help:"Where the till keeps what it knows of its machine, outside of the data directory ($$TILLMESH_STATE, or the system's place for such things)."`
	Mode   string   `default:"shared" enum:"archive,masterdata,shared,individual" help:"What this till shares with the others: ${enum}."`
	Iface  string   `placeholder:"NAME" help:"Look on this network interface only."`
	NoMDNS bool     `name:"no-mdns" help:"Do not look for the shop by multicast."`
}

// Help is the longer help.
func (r *restoreCommand) Help() string {
	return "The restored till is a new till with numbers of its own. It takes the place of the one that was backed up, which is retired as soon as the new one has begun: do not restore beside a till that still works. What happened after the backup comes from the other tills."
}

// restored is the result of restore.
type restored struct {
	made
	Backup        madeBackup `json:"backup"`
	Replaces      string     `json:"replaces"`
	FounderSecret bool       `json:"founder_secret"`
}

// Run restores a backup, or shows what it holds.
func (r *restoreCommand) Run(ctx context.Context, c *console) error {
	if r.Data == "" {
		report, err := backup.VerifyFile(ctx, r.File, c.backupProgress("checking"))
		if err != nil {
			return &advice{err, "use another backup, or copy this one again from where it comes"}
		}
		m := describeBackup(r.File, report)
		return c.print(m, "the backup is whole; nothing was restored, for that name a directory with --data\n"+m.text())
	}
	var holds madeBackup
	out, err := node.Restore(ctx, node.RestoreOptions{
		JoinOptions: node.JoinOptions{
			StateDir: r.State,
			Data:     r.Data, Name: r.Name, Token: r.Token, Mode: r.Mode, Peers: r.Peer, Iface: r.Iface, NoMDNS: r.NoMDNS,
			Version: version, Log: c.logger(slog.LevelWarn),
			Compare: func(ctx context.Context, d pairing.Digits) error { return c.compare(ctx, d, !r.Yes) },
		},
		File: r.File, Alone: r.Alone,
		Show: func(report backup.Report) error {
			holds = describeBackup(r.File, report)
			return r.confirm(ctx, c, holds)
		},
		Progress: c.backupProgress("restoring"),
	})
	if err != nil {
		return err
	}
	m := restored{
		made:   made{Data: r.Data, Shop: out.Shop.String(), ShopName: holds.ShopName, Till: out.Till.String(), Name: out.Name, Prefix: out.Prefix},
		Backup: holds, Replaces: holds.Till, FounderSecret: out.FounderSecret,
	}
	return c.print(m, fmt.Sprintf("%s is a till of %s now, takes the place of %s (%s) and numbers its receipts %s-000001 and on\nit holds %s from the backup\nstart it with: till run --data %s\n",
		m.Name, m.ShopName, holds.Name, holds.Prefix, m.Prefix, count(int(holds.Receipts), "receipt"), m.Data))
}

var errNotRestored = errors.New("not restored: nothing was made")

// confirm shows what a backup holds and asks whether to go on.
func (r *restoreCommand) confirm(ctx context.Context, c *console, m madeBackup) error {
	if c.json {
		return nil
	}
	if _, err := fmt.Fprint(c.err, m.text()); err != nil {
		return fmt.Errorf("show what the backup holds: %w", err)
	}
	if r.Yes || !c.person {
		return nil
	}
	yes, err := c.ask(ctx, fmt.Sprintf("Make a new till in %s that takes the place of %s? %s then sells no more. [y/N] ", r.Data, m.Name, m.Name))
	if err == nil && !yes {
		err = errNotRestored
	}
	return err
}
