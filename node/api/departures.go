package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
)

// departed is a till that left the shop.
type departed struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Prefix string `json:"prefix" example:"K3"`
	removal
	Again   bool        `json:"again,omitempty" doc:"It had left before; nothing was written now"`
	Series  []seriesEnd `json:"series" nullable:"false" doc:"How far its receipts are known at this till; what comes after that only it may hold"`
	Linked  bool        `json:"linked" doc:"It was linked when it left"`
	Equal   bool        `json:"equal" doc:"It was linked and had nothing that this till lacks: nothing is lost"`
	EqualAt string      `json:"equal_at" doc:"When it and this till last held the same, RFC 3339; empty if not since this start"`
}

// removal says that a till left the shop.
type removal struct {
	State  string `json:"state" doc:"retired or revoked"`
	At     string `json:"at" doc:"RFC 3339, by the clock of the till that said so"`
	By     string `json:"by" doc:"Name of the till that said so"`
	Reason string `json:"reason,omitempty"`
}

// seriesEnd is how far a series is known.
type seriesEnd struct {
	Prefix     string `json:"prefix" example:"K5"`
	LastNumber string `json:"last_number" doc:"Of the last receipt held here, empty if there is none" example:"K5-000054"`
	N          uint64 `json:"n" example:"54"`
}

type departIn struct {
	Till string `path:"id" minLength:"1" maxLength:"250" doc:"ID of the till, prefix of its numbers, or its name if only one has it" example:"K5"`
	Body *reasonOnly
}

// reasonOnly says why.
type reasonOnly struct {
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"For people" example:"stolen"`
}

func (in *departIn) reason() string {
	if in.Body == nil {
		return ""
	}
	return in.Body.Reason
}

func (s *server) addDepartures() {
	add(s, operation(http.MethodPost, "/api/v1/tills/{id}/retire", "Shop", "retire-till", "Take a till out of use",
		`For a till that is no longer used. It sells no more, but still hands over what it holds. Final: the machine comes back as a new till.`),
		func(ctx context.Context, in *departIn) (departed, error) {
			d, err := s.till.Retire(ctx, in.Till, in.reason())
			return showDeparted(d), err
		})
	add(s, operation(http.MethodPost, "/api/v1/tills/{id}/revoke", "Shop", "revoke-till", "Remove a till that is lost or stolen",
		`Its connections end, here at once and at every other till within seconds of hearing of it; nothing more is taken from it, and the tills
talk with a fresh key. What it sold before stays valid and is marked. The answer says how far its receipts are known. Final.`),
		func(ctx context.Context, in *departIn) (departed, error) {
			d, err := s.till.Revoke(ctx, in.Till, in.reason())
			return showDeparted(d), err
		})
}

func showDeparted(d node.Departed) departed {
	out := departed{
		Till: tillText(d.Till), Name: d.Name, Prefix: d.Prefix, removal: showRemoval(d.Removal), Again: d.Again,
		Series: []seriesEnd{}, Linked: d.Linked, Equal: d.Equal, EqualAt: instant(d.Seen),
	}
	for _, e := range d.Series {
		out.Series = append(out.Series, seriesEnd{e.Prefix, e.Last, e.N})
	}
	return out
}

func showRemoval(r node.Removal) removal { return removal{r.State, instant(r.At), r.By, r.Reason} }
