package main

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/node"
)

type initCommand struct {
	Data     string `required:"" placeholder:"DIR" help:"Data directory of this till; it must be empty or missing."`
	Shop     string `required:"" placeholder:"NAME" help:"Name of the shop."`
	Name     string `required:"" placeholder:"NAME" help:"Name of this till, such as \"Kasse 1\"."`
	Country  string `default:"DE" enum:"DE,AT" help:"Country of the shop: ${enum}."`
	Currency string `default:"EUR" help:"Currency of the shop (ISO 4217)."`
	State    string `placeholder:"DIR" help:"Where the till keeps what it knows of its machine, outside of the data directory ($$TILLMESH_STATE, or the system's place for such things)."`
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
		Data: i.Data, StateDir: i.State, Shop: i.Shop, Name: i.Name, Country: i.Country, Currency: i.Currency, Mode: i.Mode,
	})
	if err != nil {
		return err
	}
	m := made{Data: i.Data, Shop: f.Shop.String(), ShopName: i.Shop, Till: f.Till.String(), Name: i.Name, Prefix: f.Prefix}
	return c.print(m, fmt.Sprintf("%s is founded; %s numbers its receipts %s-000001 and on\nstart it with: till run --data %s\n",
		m.ShopName, m.Name, m.Prefix, m.Data))
}
