package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/api"
)

const (
	searchEvery = 10 * time.Second // how often the network is searched again
	lookEvery   = time.Second      // how often the directory is looked at
)

// wait lists the shops on the network, as they change, until the directory belongs to one: "till init" or "till join" in
// another window make it so. Meanwhile the HTTP interface says what was found. It closes web; nil without ctx being done
// means that there is a shop now.
func (r *runCommand) wait(ctx context.Context, c *console, web net.Listener, log *slog.Logger) error {
	var latest atomic.Pointer[[]discovery.Shop]
	latest.Store(&[]discovery.Shop{})
	handler := api.NoShop(api.Options{Version: version, Log: log, Hosts: r.Host}, func() []discovery.Shop { return *latest.Load() })

	waiting, enough := context.WithCancel(ctx)
	defer enough()
	served := make(chan error, 1)
	go func() { served <- serve(waiting, web, handler) }()
	searched := make(chan error, 1)
	go func() { searched <- r.search(waiting, c, &latest) }()
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for ready := false; !ready; {
		select {
		case <-ctx.Done():
			ready = true
		case err := <-searched:
			enough()
			return errors.Join(err, <-served)
		case <-look.C:
			ready = node.BelongsToShop(r.Data)
		}
	}
	enough()
	return errors.Join(<-searched, <-served)
}

// search prints what it finds whenever that changes.
func (r *runCommand) search(ctx context.Context, c *console, latest *atomic.Pointer[[]discovery.Shop]) error {
	type shop struct {
		ID    string `json:"shop_id"`
		Tills int    `json:"tills"`
	}
	before := ""
	again := time.NewTicker(searchEvery)
	defer again.Stop()
	for {
		shops := node.FindShops(ctx, r.Iface, r.NoMDNS, searchTime)
		if ctx.Err() != nil {
			return nil
		}
		latest.Store(&shops)
		found := struct {
			Found []shop `json:"found"`
		}{[]shop{}}
		text := ""
		for _, s := range shops {
			found.Found = append(found.Found, shop{s.ID.String(), len(s.Tills)})
			text += fmt.Sprintf("found on the network: shop %s with %s\n", s.ID, count(len(s.Tills), "till"))
		}
		if text == "" {
			text = "no shop was found on the network yet\n"
		}
		text += fmt.Sprintf("%s belongs to no shop: run \"till join --data %s\" with a token of one, or \"till init\" to found one\n", r.Data, r.Data)
		if text != before {
			before = text
			if err := c.print(found, text); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
		}
	}
}
