package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
)

// adminCommands are for the operator, who has the database. They work beside servers and without any.
type adminCommands struct {
	Accounts adminAccounts `cmd:"" help:"List the accounts."`
	Shops    adminShops    `cmd:"" help:"List the shops of an account."`
	Devices  adminDevices  `cmd:"" help:"List the tills of an account, and when each was heard."`
	Status   adminStatus   `cmd:"" help:"Say which tills of an account are silent, and which numbers are missing."`
	Servers  adminServers  `cmd:"" help:"List the servers on this database, and which are silent."`
	Holds    adminHolds    `cmd:"" help:"List the legal holds of an account, ended ones too."`
	Hold     adminHold     `cmd:"" help:"Begin a legal hold: what it covers is kept beyond its time."`
	Release  adminRelease  `cmd:"" help:"End a legal hold."`
}

// accountFlags name an account of a database.
type accountFlags struct {
	databaseFlags `embed:""`
	Account       string `required:"" placeholder:"NAME" help:"Name of the account."`
}

// named runs do with the account.
func (f accountFlags) named(ctx context.Context, do func(*data, accounts.Account) error) error {
	return f.open(ctx, func(d *data) error {
		account, err := d.accounts.Named(ctx, f.Account)
		if err != nil {
			return refusal(err)
		}
		return do(d, account)
	})
}

// refusal shows what a refusal says to do.
func refusal(err error) error {
	if r, ok := errors.AsType[*accounts.Refusal](err); ok && r.Next != "" {
		return &advice{err, r.Next}
	}
	return err
}

// show prints a list as a table or as JSON.
func show[T any](c *console, list []T, none string, head []string, row func(T) []string) error {
	if list == nil {
		list = []T{}
	}
	if len(list) == 0 {
		return c.print(list, none+"\n")
	}
	rows := [][]string{head}
	for _, x := range list {
		rows = append(rows, row(x))
	}
	var b strings.Builder
	if err := table(&b, rows); err != nil {
		return err
	}
	return c.print(list, b.String())
}

// when is a time for people; "never" if there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format(time.DateTime)
}

type adminAccounts struct {
	databaseFlags `embed:""`
}

type listedAccount struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Created time.Time `json:"created"`
	Shops   int       `json:"shops"`
	Records int64     `json:"records"` // of its archive
}

// accountsPage is how many accounts are read at a time.
const accountsPage = 500

// Run lists the accounts.
func (a *adminAccounts) Run(ctx context.Context, c *console) error {
	return a.open(ctx, func(d *data) error {
		var list []listedAccount
		for after := ""; ; {
			page, err := d.accounts.List(ctx, after, accountsPage)
			if err != nil {
				return err
			}
			for _, x := range page {
				shops, err := d.accounts.ShopsOf(ctx, x.ID)
				if err != nil {
					return err
				}
				size, _, err := d.logs.Size(ctx, archive.AccountID(x.ID))
				if err != nil {
					return err
				}
				list = append(list, listedAccount{x.ID.String(), x.Name, x.Created, len(shops), size})
			}
			if len(page) < accountsPage {
				break
			}
			after = page[len(page)-1].Name
		}
		return show(c, list, "there is no account yet", []string{"ACCOUNT", "CREATED", "SHOPS", "RECORDS", "ID"}, func(x listedAccount) []string {
			return []string{x.Name, when(x.Created), fmt.Sprint(x.Shops), fmt.Sprint(x.Records), x.ID}
		})
	})
}

type adminShops struct {
	accountFlags `embed:""`
}

type listedShop struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"`
	Coupled time.Time `json:"coupled"`
	By      string    `json:"by"`
}

// Run lists the shops of an account.
func (a *adminShops) Run(ctx context.Context, c *console) error {
	return a.named(ctx, func(d *data, account accounts.Account) error {
		shops, err := d.accounts.ShopsOf(ctx, account.ID)
		if err != nil {
			return err
		}
		var list []listedShop
		for _, s := range shops {
			list = append(list, listedShop{s.ID.String(), s.Name, s.Coupled, s.CoupledBy})
		}
		return show(c, list, "no shop is coupled with this account", []string{"SHOP", "COUPLED", "BY", "ID"}, func(s listedShop) []string {
			return []string{s.Name, when(s.Coupled), s.By, s.ID}
		})
	})
}

type adminDevices struct {
	accountFlags `embed:""`
}

type listedDevice struct {
	Shop    string     `json:"shop"`
	Till    string     `json:"till"`
	Name    string     `json:"name"`
	Coupled time.Time  `json:"coupled"`
	Heard   time.Time  `json:"heard"` // to the minute
	Revoked *time.Time `json:"revoked"`
	Why     string     `json:"why"`
}

// Run lists the tills of an account.
func (a *adminDevices) Run(ctx context.Context, c *console) error {
	return a.named(ctx, func(d *data, account accounts.Account) error {
		shops, err := d.accounts.ShopsOf(ctx, account.ID)
		if err != nil {
			return err
		}
		var list []listedDevice
		for _, s := range shops {
			devices, err := d.accounts.Devices(ctx, s.ID)
			if err != nil {
				return err
			}
			for _, x := range devices {
				l := listedDevice{Shop: s.ID.String(), Till: x.Till.String(), Name: x.Name, Coupled: x.Coupled, Heard: x.Seen, Why: x.Why}
				if !x.Revoked.IsZero() {
					l.Revoked = &x.Revoked
				}
				list = append(list, l)
			}
		}
		return show(c, list, "no till is coupled with this account", []string{"TILL", "HEARD", "STATE", "SHOP", "ID"}, func(x listedDevice) []string {
			state := "coupled"
			if x.Revoked != nil {
				state = "cut off since " + when(*x.Revoked) + ": " + x.Why
			}
			return []string{x.Name, when(x.Heard), state, x.Shop, x.Till}
		})
	})
}

type adminServers struct {
	databaseFlags `embed:""`
}

type listedServer struct {
	ID      string    `json:"id"`
	Address string    `json:"address"`
	Started time.Time `json:"started"`
	Ago     float64   `json:"seconds_ago"` // since it was heard of
	Silent  bool      `json:"silent"`
	Shops   int       `json:"shops"` // that it works on
}

// Run lists the servers.
func (a *adminServers) Run(ctx context.Context, c *console) error {
	return a.open(ctx, func(d *data) error {
		found, err := seats.List(ctx, d.DB)
		if err != nil {
			return err
		}
		var list []listedServer
		for _, s := range found {
			list = append(list, listedServer{s.ID, s.Address, s.Started, s.Ago.Seconds(), s.Silent, s.Seats})
		}
		return show(c, list, "no server runs on this database", []string{"ADDRESS", "STATE", "SHOPS", "STARTED", "ID"}, func(s listedServer) []string {
			state := "works"
			if s.Silent {
				state = fmt.Sprintf("silent for %.0f s", s.Ago)
			}
			return []string{s.Address, state, fmt.Sprint(s.Shops), when(s.Started), s.ID}
		})
	})
}
