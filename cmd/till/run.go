package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"

	"github.com/tillmesh/tillmesh/node"
)

type runCommand struct {
	Data         string   `required:"" placeholder:"DIR" help:"Data directory of the till."`
	HTTP         string   `name:"http" default:"127.0.0.1:8480" placeholder:"HOST:PORT" help:"Where to serve the HTTP interface (${default})."`
	Listen       string   `default:":8481" placeholder:"HOST:PORT" help:"Where to take links from other tills (${default}); the next port is used, too."`
	Advertise    string   `placeholder:"HOST:PORT" help:"Where the other tills reach --listen, if it is not the same."`
	Iface        string   `placeholder:"NAME" help:"Look for other tills on this network interface only."`
	NoMDNS       bool     `name:"no-mdns" help:"Do not look for other tills by multicast."`
	Peer         []string `placeholder:"HOST:PORT" sep:"none" help:"Where another till takes links; may be repeated."`
	Name         string   `placeholder:"NAME" help:"Name of this till when it joins a shop from an empty directory (the name of the machine)."`
	Shop         string   `placeholder:"ID" help:"Shop to join from an empty directory, if several are found."`
	State        string   `placeholder:"DIR" help:"Where the till keeps what it knows of its machine, outside of the data directory ($$TILLMESH_STATE, or the system's place for such things)."`
	Host         []string `placeholder:"NAME" sep:"none" help:"Name under which browsers may reach the HTTP interface, besides addresses and localhost; may be repeated."`
	diskFlags    `embed:""`
	terminalFlag `embed:""`
	signerFlag   `embed:""`
}

// Help is the longer help.
func (r *runCommand) Help() string {
	return "The till keeps its memory at about 48 MB; the environment variable GOMEMLIMIT sets another limit."
}

// Run runs a till until ctx is done.
func (r *runCommand) Run(ctx context.Context, c *console) (stopped error) {
	if err := r.terminalFlag.check(); err != nil {
		return err
	}
	card := &cardTerminal{flag: r.terminalFlag}
	defer func() { stopped = errors.Join(stopped, card.close()) }()
	fit := limitMemory(c.env)
	log := c.logger(slog.LevelInfo)
	// Libraries that know only the standard log write into ours.
	slog.SetDefault(log)
	// The port first: whether it is free is known at once, and nothing was opened yet.
	web, err := listenHTTP(ctx, r.HTTP)
	if err != nil {
		return err
	}
	// What comes in by HTTP ends before the till does, and the till ends whatever happens to HTTP.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	serving, hangUp := context.WithCancel(ctx)
	defer hangUp()
	d := newDoor()
	till := r.supervisor(c, rootURL(web.Addr()), d, log, card)
	ended := make(chan error, 1)
	go func() {
		err := till.run(running)
		hangUp()
		ended <- err
	}()
	var tidying sync.WaitGroup
	tidying.Go(func() { tidyMemory(running, fit) })
	err = serve(serving, web, d)
	stop()
	tidying.Wait()
	return errors.Join(<-ended, err)
}

func (r *runCommand) open(ctx context.Context, log *slog.Logger, card *cardTerminal) (*node.Machine, error) {
	limits, err := r.limits()
	if err != nil {
		return nil, err
	}
	asked, err := card.of(r.Data)
	if err != nil {
		return nil, err
	}
	return node.Open(ctx, node.Options{
		Data: r.Data, StateDir: r.State, TryStore: tryStore, Listen: r.Listen, Advertise: r.Advertise, Iface: r.Iface, NoMDNS: r.NoMDNS, Peers: r.Peer,
		Version: version, Log: log, Limits: limits, Terminal: asked, Signers: r.signers(r.Data),
	})
}
