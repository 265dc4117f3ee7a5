package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
	"github.com/tillmesh/tillmesh/node/client"
)

// memoryLimit keeps a till small: most of what the store would hold is garbage that waits for the collector. The
// environment variable GOMEMLIMIT overrides it.
const memoryLimit = 48 << 20

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
	if c.env("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	log := c.logger(slog.LevelInfo)
	// The port first: whether it is free is known at once, and nothing was opened yet.
	web, err := listenHTTP(ctx, r.HTTP)
	if err != nil {
		return err
	}
	till, err := node.Open(ctx, node.Options{
		Data: r.Data, Listen: r.Listen, Advertise: r.Advertise, Iface: r.Iface, NoMDNS: r.NoMDNS, Peers: r.Peer,
		Version: version, Log: log,
	})
	if err != nil {
		err = errors.Join(err, web.Close())
		if errors.Is(err, node.ErrNoShop) {
			return errors.Join(err, r.listShops(ctx, c))
		}
		return err
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
	err = serve(serving, web, handler)
	stop()
	return errors.Join(err, <-ended)
}

// listShops prints the shops on the network that a directory without one could join.
func (r *runCommand) listShops(ctx context.Context, c *console) error {
	type shop struct {
		ID    string `json:"shop_id"`
		Tills int    `json:"tills"`
	}
	found := struct {
		Found []shop `json:"found"`
	}{[]shop{}}
	text := "no shop was found on the network\n"
	for i, s := range node.FindShops(ctx, r.Iface, r.NoMDNS, searchTime) {
		found.Found = append(found.Found, shop{s.ID.String(), len(s.Tills)})
		if i == 0 {
			text = ""
		}
		text += fmt.Sprintf("found on the network: shop %s with %s\n", s.ID, count(len(s.Tills), "till"))
	}
	return c.print(found, text)
}
