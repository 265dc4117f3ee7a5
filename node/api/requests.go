package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
)

// requestList are the new tills that wait for a person at this till.
type requestList struct {
	Items       []joinRequest `json:"items" nullable:"false" doc:"The oldest first"`
	ClosedUntil string        `json:"closed_until" doc:"After three that failed no more are taken until then, RFC 3339; empty: they are"`
	Replaceable []replaceable `json:"replaceable" nullable:"false" doc:"Tills of the shop that are not seen now, whose place a new one may take"`
}

// joinRequest is a new till that asks to join. Its texts are a stranger's: show the digits apart from them, and first.
type joinRequest struct {
	ID           string `json:"id" doc:"Four characters" example:"7z3k"`
	Digits       string `json:"digits" doc:"To be the same on the screen of the new till" example:"048 213"`
	Name         string `json:"name" doc:"As it calls itself"`
	Version      string `json:"version"`
	Mode         string `json:"mode"`
	Till         string `json:"till" doc:"The ID it will have"`
	Replaces     string `json:"replaces" doc:"ID of the till whose place it wants to take, empty if none"`
	ReplacesName string `json:"replaces_name" doc:"Name of that till; empty if this shop does not know it"`
	Address      string `json:"address" doc:"Where it is"`
	Since        string `json:"since" doc:"RFC 3339"`
	ExpiresAt    string `json:"expires_at" doc:"When it is forgotten, RFC 3339"`
}

// replaceable is a till that nobody sees.
type replaceable struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Prefix  string `json:"prefix"`
	State   string `json:"state" doc:"active, retired or revoked"`
	EqualAt string `json:"equal_at" doc:"When it and this till last held the same, RFC 3339; empty if not since this start"`
}

// decision is what a person says about a request.
type decision struct {
	Accept   bool   `json:"accept" doc:"true only if both screens show the same digits"`
	Replaces string `json:"replaces,omitempty" maxLength:"200" doc:"ID, prefix or name of the till whose place the new one takes; left out: as it asked itself" example:"K3"`
}

// decidedRequest is what became of it.
type decidedRequest struct {
	Accepted    bool   `json:"accepted"`
	Name        string `json:"name" doc:"Of the new till"`
	Till        string `json:"till"`
	Unconfirmed bool   `json:"unconfirmed,omitempty" doc:"It is admitted, but did not say yet that it stored that; if it does not appear, it asks again"`
}

func (s *server) addRequests() {
	add(s, operation(http.MethodGet, "/api/v1/pairing/requests", "Till", "list-requests", "List the new tills that wait here",
		`A new till that asks to join without a token waits here for five minutes. It shows six digits: say yes only if they are the same.
The event pairing tells when this list changes.`), s.listRequests)
	add(s, operation(http.MethodPost, "/api/v1/pairing/requests/open", "Till", "open-requests", "Take requests again after three that failed",
		`Three requests that a person refused or that failed within 15 minutes close the door for 15 minutes. See who is in the network first.`),
		func(_ context.Context, _ *openIn) (requestList, error) {
			s.till.OpenDoor()
			return showRequests(s.till.Requests()), nil
		})
	add(s, operation(http.MethodPost, "/api/v1/pairing/requests/{id}", "Till", "decide-request", "Let a new till join, or refuse it",
		`Answers when the new till has stored its admission, at the latest after 20 seconds.`), s.decideRequest)
}

type openIn struct {
	Body *newInvitation
}

func (s *server) listRequests(context.Context, *struct{}) (requestList, error) {
	return showRequests(s.till.Requests()), nil
}

func showRequests(v node.Requests) requestList {
	out := requestList{Items: []joinRequest{}, ClosedUntil: instant(v.ClosedUntil), Replaceable: []replaceable{}}
	for _, r := range v.List {
		shown := joinRequest{
			ID: r.ID, Digits: r.Digits.String(), Name: r.Name, Version: r.Version, Mode: r.Mode, Till: tillText(r.Till),
			Replaces: tillText(r.Replaces), ReplacesName: r.ReplacesName, Since: instant(r.Since), ExpiresAt: instant(r.Expires),
		}
		if r.Address.IsValid() {
			shown.Address = r.Address.String()
		}
		out.Items = append(out.Items, shown)
	}
	for _, r := range v.Replaceable {
		out.Replaceable = append(out.Replaceable, replaceable{tillText(r.Till), r.Name, r.Prefix, r.State, instant(r.EqualAt)})
	}
	return out
}

type decideIn struct {
	ID   string `path:"id" minLength:"1" maxLength:"20" doc:"Of the request" example:"7z3k"`
	Body decision
}

func (s *server) decideRequest(ctx context.Context, in *decideIn) (decidedRequest, error) {
	d, err := s.till.Decide(ctx, in.ID, in.Body.Accept, in.Body.Replaces)
	if err != nil {
		return decidedRequest{}, err
	}
	return showDecided(d.Accepted, d.Unconfirmed, d.Request), nil
}

func showDecided(accepted, unconfirmed bool, w pairing.Waiting) decidedRequest {
	return decidedRequest{Accepted: accepted, Unconfirmed: unconfirmed, Name: w.Name, Till: tillText(w.Till)}
}
