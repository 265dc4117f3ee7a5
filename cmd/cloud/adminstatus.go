package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/watch"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

type adminStatus struct {
	accountFlags `embed:""`
}

// Help is the longer help.
func (a *adminStatus) Help() string {
	return "A till counts as heard when the cloud heard it, or when a till that the cloud speaks with was linked with it. It is silent when it was not heard for a day while " +
		"others of its shop were. A gap are numbers that are missing although later ones are archived."
}

// watchedShop is what was noticed about a shop.
type watchedShop struct {
	Shop   string        `json:"shop"`
	Name   string        `json:"name"`
	Silent bool          `json:"silent"` // no till of it was heard for a day
	Tills  []watchedTill `json:"tills"`
	Gaps   []watchedGap  `json:"gaps"`
}

type watchedTill struct {
	Till    string     `json:"till"`
	Name    string     `json:"name"`
	Prefix  string     `json:"prefix"`
	State   string     `json:"state"`
	Silent  bool       `json:"silent"`
	Heard   *time.Time `json:"heard"` // null: never
	ToldBy  string     `json:"told_by"`
	Program string     `json:"program"`
}

type watchedGap struct {
	Kind    string    `json:"kind"`
	Series  string    `json:"series"`
	First   int64     `json:"first"`
	Last    int64     `json:"last"`
	Noticed time.Time `json:"noticed"`
	Settled bool      `json:"settled"` // it is there for longer than a transfer takes to put things in order
}

// Run shows what was noticed about the shops of an account.
func (a *adminStatus) Run(ctx context.Context, c *console) error {
	return a.named(ctx, func(d *data, account accounts.Account) error {
		shops, err := d.accounts.ShopsOf(ctx, account.ID)
		if err != nil {
			return err
		}
		list := []watchedShop{}
		for _, s := range shops {
			w, err := watched(ctx, d, archive.AccountID(account.ID), s)
			if err != nil {
				return err
			}
			list = append(list, w)
		}
		text, err := watchedText(list)
		if err != nil {
			return err
		}
		return c.print(list, text)
	})
}

func watched(ctx context.Context, d *data, account archive.AccountID, of accounts.Shop) (out watchedShop, err error) {
	w, now := watch.New(d.DB, d.logs), time.Now()
	out = watchedShop{Shop: of.ID.String(), Name: of.Name, Tills: []watchedTill{}, Gaps: []watchedGap{}}
	roster, err := d.logs.Roster(ctx, account, of.ID)
	if err != nil {
		return out, err
	}
	heard, err := w.LastHeard(ctx, of.ID)
	if err != nil {
		return out, err
	}
	devices, err := d.accounts.Devices(ctx, of.ID)
	if err != nil {
		return out, err
	}
	programs := make(map[crdt.TillID]string)
	for _, x := range devices {
		programs[x.Till] = x.Program
	}
	var active []watch.Heard
	for _, t := range roster.Tills() {
		h, known := heard[t.ID]
		show := watchedTill{Till: t.ID.String(), Name: t.Name, Prefix: t.Prefix, State: t.State.String(), Program: programs[t.ID]}
		if known {
			show.Heard, show.ToldBy = &h.At, h.By.String()
		} else {
			h = watch.Heard{Till: t.ID, At: time.UnixMilli(t.AdmittedMS)}
		}
		if t.State == shop.Active {
			active = append(active, h)
		}
		out.Tills = append(out.Tills, show)
	}
	silence := watch.Silent(active, now)
	out.Silent = silence.Shop
	for i := range out.Tills {
		for _, t := range silence.Tills {
			out.Tills[i].Silent = out.Tills[i].Silent || out.Tills[i].Till == t.String()
		}
	}
	// As servers noticed them: looking anew would write.
	gaps, err := w.Gaps(ctx, account, of.ID)
	for _, g := range gaps {
		out.Gaps = append(out.Gaps, watchedGap{g.Type, g.Series, g.First, g.Last, g.Noticed, now.Sub(g.Noticed) >= watch.NamedAfter})
	}
	return out, err
}

func watchedText(list []watchedShop) (string, error) {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "%s (%s)\n", s.Name, s.Shop)
		if s.Silent {
			b.WriteString("no till of this shop was heard for a day\n")
		}
		rows := [][]string{{"TILL", "NAME", "STATE", "HEARD", "PROGRAM", "ID"}}
		for _, t := range s.Tills {
			state, heard := t.State, "never"
			if t.Heard != nil {
				heard = when(*t.Heard)
			}
			if t.Silent {
				state += ", SILENT"
			}
			rows = append(rows, []string{t.Prefix, t.Name, state, heard, t.Program, t.Till})
		}
		if err := table(&b, rows); err != nil {
			return "", err
		}
		for _, g := range s.Gaps {
			mark := "!!"
			if !g.Settled {
				mark = "  "
			}
			fmt.Fprintf(&b, "%s %s %s: %d to %d missing since %s\n", mark, g.Series, g.Kind, g.First, g.Last, when(g.Noticed))
		}
		b.WriteString("\n")
	}
	if len(list) == 0 {
		b.WriteString("no shop is coupled with this account\n")
	}
	return b.String(), nil
}
