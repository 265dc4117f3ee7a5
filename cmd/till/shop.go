package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/tillmesh/tillmesh/node"
)

type initCommand struct {
	Data     string `required:"" placeholder:"DIR" help:"Data directory of this till; it must be empty or missing."`
	Shop     string `required:"" placeholder:"NAME" help:"Name of the shop."`
	Name     string `required:"" placeholder:"NAME" help:"Name of this till, such as \"Kasse 1\"."`
	Country  string `default:"DE" enum:"DE,AT" help:"Country of the shop: ${enum}."`
	Currency string `default:"EUR" help:"Currency of the shop (ISO 4217)."`
	Mode     string `default:"shared" enum:"archive,masterdata,shared,individual" help:"What this till shares with the others: ${enum}."`
}

// made is the result of init and join.
type made struct {
	Data     string `json:"data"`
	Shop     string `json:"shop"`
	ShopName string `json:"shop_name"`
	Till     string `json:"till"`
	Name     string `json:"name"`
	Prefix   string `json:"prefix"`
}

// Run founds a shop.
func (i *initCommand) Run(ctx context.Context, c *console) error {
	f, err := node.Found(ctx, node.FoundOptions{
		Data: i.Data, Shop: i.Shop, Name: i.Name, Country: i.Country, Currency: i.Currency, Mode: i.Mode,
	})
	if err != nil {
		return err
	}
	m := made{Data: i.Data, Shop: f.Shop.String(), ShopName: i.Shop, Till: f.Till.String(), Name: i.Name, Prefix: f.Prefix}
	return c.print(m, fmt.Sprintf("%s is founded; %s numbers its receipts %s-000001 and on\nstart it with: till run --data %s\n",
		m.ShopName, m.Name, m.Prefix, m.Data))
}

type joinCommand struct {
	Data   string   `required:"" placeholder:"DIR" help:"Data directory of this till; it must be empty or missing."`
	Name   string   `required:"" placeholder:"NAME" help:"Name of this till, such as \"Kasse 2\"."`
	Token  string   `help:"Token that \"till invite\" printed on a till of the shop."`
	Peer   []string `placeholder:"HOST:PORT" sep:"none" help:"Where a till of the shop takes links, such as 192.168.1.20:8481; may be repeated. Without it the shop is looked for on the network."`
	Mode   string   `default:"shared" enum:"archive,masterdata,shared,individual" help:"What this till shares with the others: ${enum}."`
	Iface  string   `placeholder:"NAME" help:"Look on this network interface only."`
	NoMDNS bool     `name:"no-mdns" help:"Do not look for the shop by multicast."`
}

// Run joins a shop.
func (j *joinCommand) Run(ctx context.Context, c *console) error {
	joined, err := node.Join(ctx, node.JoinOptions{
		Data: j.Data, Name: j.Name, Token: j.Token, Mode: j.Mode, Peers: j.Peer, Iface: j.Iface, NoMDNS: j.NoMDNS,
		Version: version, Log: c.logger(slog.LevelWarn),
	})
	if err != nil {
		return err
	}
	m := made{Data: j.Data, Shop: joined.Shop.String(), ShopName: joined.ShopName, Till: joined.Till.String(), Name: j.Name, Prefix: joined.Prefix}
	return c.print(m, fmt.Sprintf("%s is a till of %s now and numbers its receipts %s-000001 and on\nstart it with: till run --data %s\n",
		m.Name, m.ShopName, m.Prefix, m.Data))
}
