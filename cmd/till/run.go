package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
	"github.com/tillmesh/tillmesh/node/client"
)

// searchTime is how long shops are looked for on the network.
const searchTime = 4 * time.Second

type runCommand struct {
	Data      string   `required:"" placeholder:"DIR" help:"Data directory of the till."`
	HTTP      string   `name:"http" default:"127.0.0.1:8480" placeholder:"HOST:PORT" help:"Where to serve the HTTP interface (${default})."`
	Listen    string   `default:":8481" placeholder:"HOST:PORT" help:"Where to take links from other tills (${default}); the next port is used, too."`
	Advertise string   `placeholder:"HOST:PORT" help:"Where the other tills reach --listen, if it is not the same."`
	Iface     string   `placeholder:"NAME" help:"Look for other tills on this network interface only."`
	NoMDNS    bool     `name:"no-mdns" help:"Do not look for other tills by multicast."`
	Peer      []string `placeholder:"HOST:PORT" sep:"none" help:"Where another till takes links; may be repeated."`
	Host      []string `placeholder:"NAME" sep:"none" help:"Name under which browsers may reach the HTTP interface, besides addresses and localhost; may be repeated."`
}

// Help is the longer help.
func (r *runCommand) Help() string {
	return "The till keeps its memory at about 48 MB; the environment variable GOMEMLIMIT sets another limit."
}

// Run runs a till until ctx is done.
func (r *runCommand) Run(ctx context.Context, c *console) error {
	fit := limitMemory(c.env)
	log := c.logger(slog.LevelInfo)
	// Libraries that know only the standard log write into ours.
	slog.SetDefault(log)
	// The port first: whether it is free is known at once, and nothing was opened yet.
	web, err := listenHTTP(ctx, r.HTTP)
	if err != nil {
		return err
	}
	till, err := r.open(ctx, log)
	if errors.Is(err, node.ErrNoShop) {
		if err := r.wait(ctx, c, web, log); err != nil || ctx.Err() != nil {
			return err
		}
		if web, err = listenHTTP(ctx, r.HTTP); err != nil {
			return err
		}
		till, err = r.open(ctx, log)
	}
	if err != nil {
		return errors.Join(err, web.Close())
	}
	handler, err := api.New(till, api.Options{Version: version, Log: log, Hosts: r.Host})
	if err != nil {
		return errors.Join(err, web.Close(), till.Close())
	}
	place := struct {
		URL       string `json:"url"`
		API       string `json:"api"`
		TokenFile string `json:"token_file"`
	}{rootURL(web.Addr()), rootURL(web.Addr()) + "/api", client.TokenPath(r.Data)}
	text := fmt.Sprintf("till runs at %s, its token is in %s\n", place.API, place.TokenFile)
	if err := c.print(place, text); err != nil {
		return errors.Join(err, web.Close(), till.Close())
	}

	// What comes in by HTTP ends before the till does, and the till ends whatever happens to HTTP.
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	serving, hangUp := context.WithCancel(ctx)
	defer hangUp()
	ended := make(chan error, 1)
	go func() {
		err := till.Run(running)
		hangUp()
		ended <- err
	}()
	var tidying sync.WaitGroup
	tidying.Go(func() { tidyMemory(running, fit) })
	err = serve(serving, web, handler)
	stop()
	tidying.Wait()
	return errors.Join(err, <-ended)
}

func (r *runCommand) open(ctx context.Context, log *slog.Logger) (*node.Till, error) {
	return node.Open(ctx, node.Options{
		Data: r.Data, Listen: r.Listen, Advertise: r.Advertise, Iface: r.Iface, NoMDNS: r.NoMDNS, Peers: r.Peer,
		Version: version, Log: log,
	})
}
