package server

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

func (s *Server) addWatch() {
	op := operation(http.MethodGet, "/api/v1/shops/{shop}/status", "Shops", "get-shop-status", "Say which tills are silent and which numbers are missing",
		`A till counts as heard when the cloud heard it, or when a till that the cloud speaks with was linked with it. It is named as silent when it was not heard
for a day while others of the shop were. A gap are numbers of a series that are missing although later ones are archived.`)
	add(s, op, read, s.getShopStatus)
	s.mark(op, func(r *route) { r.replica = true })
	op = operation(http.MethodGet, "/api/v1/shops/{shop}/tills/{till}/loss", "Archive", "get-loss", "Get the signed statement of what is lost with a till",
		`Per series: the numbers that are known and where, those that are missing with what other documents bound of them, and from which number on nobody
knows anything. Signed with the key of the cloud; "cloud verify FILE" checks it without any server. Tills that are reached are asked what they hold.`)
	add(s, op, read, s.getLoss)
	s.mark(op, func(r *route) { r.replica = true })
}

// shopStatus is what the cloud noticed about a shop.
type shopStatus struct {
	Now      string       `json:"now" doc:"By the cloud's clock, RFC 3339"`
	Silent   bool         `json:"silent" doc:"No till of the shop was heard for a day"`
	Oldest   string       `json:"oldest_program" doc:"Oldest program among the active tills, as they said when they called; empty: none did"`
	Forwards string       `json:"forwards" doc:"Till that said last how far the cloud is; empty: none did yet"`
	Pending  uint64       `json:"pending" doc:"Records that the cloud lacked then, as that till said"`
	SaidAt   string       `json:"said_at" doc:"When it said so, RFC 3339"`
	Complete string       `json:"complete_at" doc:"When the cloud last had all that the till which forwards had, RFC 3339; empty: never yet"`
	Tills    []tillStatus `json:"tills" nullable:"false"`
	Gaps     []gap        `json:"gaps" nullable:"false" doc:"By series and number"`
	Problems []string     `json:"problems" nullable:"false" doc:"What is worth a look, for people"`
}

// tillStatus is what is known of a till.
type tillStatus struct {
	Till       string `json:"till"`
	Name       string `json:"name" example:"Kasse 3"`
	Prefix     string `json:"prefix" example:"K3"`
	State      string `json:"state" enum:"active,retired,revoked"`
	Silent     bool   `json:"silent" doc:"Not heard for a day, while others of the shop were"`
	Connected  bool   `json:"connected" doc:"It speaks with the cloud itself, now"`
	HeardAt    string `json:"heard_at" doc:"RFC 3339, to the minute; empty: never"`
	AgeSeconds int64  `json:"age_seconds" doc:"Since then; -1: never"`
	ToldBy     string `json:"told_by" doc:"Who heard it: the till itself if it called the cloud, else the till that was linked with it and said so; empty: never"`
	Program    string `json:"program" doc:"As it said when it called last; empty: it never called itself"`
}

// gap is a range of numbers that is missing although later ones are archived.
type gap struct {
	Kind    string   `json:"kind" enum:"receipt,closing"`
	Series  string   `json:"series" example:"K2"`
	Till    string   `json:"till"`
	First   int64    `json:"first"`
	Last    int64    `json:"last"`
	Since   string   `json:"noticed_at" doc:"RFC 3339"`
	Age     int64    `json:"age_seconds"`
	Settled bool     `json:"settled" doc:"It is there for longer than a transfer takes to put things in order"`
	At      []string `json:"at" nullable:"false" doc:"Tills that hold all of it: it is on its way, or does not get through"`
	Asked   int      `json:"asked" doc:"Tills that gave an answer when they were asked for it. What they do not hold may be at one that is away"`
}

func (s *Server) getShopStatus(ctx context.Context, in *inShop) (shopStatus, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return shopStatus{}, err
	}
	got, err := s.o.Watch.ShopStatus(ctx, v.ID)
	if err != nil {
		return shopStatus{}, err
	}
	return showShopStatus(got), nil
}

func showShopStatus(v ShopStatus) shopStatus {
	out := shopStatus{Now: instant(v.Now), Silent: v.Silent, Oldest: v.OldestProgram, Forwards: tillText(v.Forwards), Pending: v.Pending, SaidAt: instant(v.SaidAt),
		Complete: instant(v.Complete), Tills: []tillStatus{}, Gaps: []gap{}, Problems: []string{}}
	if v.Silent {
		out.Problems = append(out.Problems, "No till of this shop was heard for a day. If it is open, look at its internet connection.")
	}
	for _, t := range v.Tills {
		show := tillStatus{t.Till.String(), t.Name, t.Prefix, t.State, t.Silent, t.Connected, instant(t.Heard), -1, tillText(t.ToldBy), t.Program}
		if !t.Heard.IsZero() {
			show.AgeSeconds = max(0, int64(v.Now.Sub(t.Heard).Seconds()))
		}
		if t.Silent {
			since := "ever"
			if !t.Heard.IsZero() {
				since = show.HeardAt
			}
			out.Problems = append(out.Problems, fmt.Sprintf("%s was not heard since %s, by no till of the shop. What it sold after that is nowhere else: switch it on, or ask for the statement of what is lost with it.",
				t.Name, since))
		}
		out.Tills = append(out.Tills, show)
	}
	for _, g := range v.Gaps {
		out.Gaps = append(out.Gaps, gap{g.Type, g.Series, tillText(g.Till), g.First, g.Last, instant(g.Noticed), max(0, int64(v.Now.Sub(g.Noticed).Seconds())), g.Named, orEmpty(g.At), g.Asked})
		if g.Named {
			text := fmt.Sprintf("%s is missing", g.NumberText())
			if g.Last > g.First {
				text = fmt.Sprintf("%d numbers from %s on are missing", g.Numbers(), g.NumberText())
			}
			out.Problems = append(out.Problems, fmt.Sprintf("%s in the archive since %s.", text, instant(g.Noticed)))
		}
	}
	return out
}

type getLossIn struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	Till string `path:"till" minLength:"52" maxLength:"52" doc:"ID of the till, 52 characters"`
}

func (s *Server) getLoss(ctx context.Context, in *getLossIn) (loss.Signed, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return loss.Signed{}, err
	}
	till, err := parseTill("path.till", in.Till)
	if err != nil {
		return loss.Signed{}, err
	}
	return s.o.Watch.Loss(ctx, v.ID, till)
}
