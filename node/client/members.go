package client

import (
	"context"
	"net/http"
	"net/url"
)

// Requests are the new tills that wait at a till until a person has compared the digits.
type Requests struct {
	Items []JoinRequest `json:"items"`
	// ClosedUntil is until when no more are taken, after three that failed; zero if they are.
	ClosedUntil Time `json:"closed_until"`
	// Replaceable are tills of the shop that are not seen now.
	Replaceable []Replaceable `json:"replaceable"`
}

// JoinRequest is one of them. Its texts are a stranger's: show Digits apart from them, and first.
type JoinRequest struct {
	ID      string `json:"id"`
	Digits  string `json:"digits"`
	Name    string `json:"name"`
	Version string `json:"version"`
	Mode    string `json:"mode"`
	Till    string `json:"till"`
	// Replaces is the till whose place it wants to take, empty if none.
	Replaces     string `json:"replaces"`
	ReplacesName string `json:"replaces_name"`
	Address      string `json:"address"`
	Since        Time   `json:"since"`
	ExpiresAt    Time   `json:"expires_at"`
}

// Replaceable is a till that is not seen, so a new one may take its place.
type Replaceable struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	Prefix  string `json:"prefix"`
	State   string `json:"state"`
	EqualAt Time   `json:"equal_at"`
}

// Decided is what became of a request.
type Decided struct {
	Accepted bool   `json:"accepted"`
	Name     string `json:"name"`
	Till     string `json:"till"`
	// Unconfirmed: it is admitted and did not say yet that it stored that.
	Unconfirmed bool `json:"unconfirmed"`
}

// Requests lists the new tills that wait.
func (c *Client) Requests(ctx context.Context) (r Requests, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/pairing/requests", nil, nil, &r)
	return r, err
}

// Decide lets a new till join or refuses it. replaces is the till whose place it takes, empty: as it asked itself.
func (c *Client) Decide(ctx context.Context, id string, accept bool, replaces string, options ...Option) (d Decided, err error) {
	in := struct {
		Accept   bool   `json:"accept"`
		Replaces string `json:"replaces,omitempty"`
	}{accept, replaces}
	err = c.call(ctx, http.MethodPost, "/api/v1/pairing/requests/"+url.PathEscape(id), nil, in, &d, options...)
	return d, err
}

// OpenRequests takes requests again after three that failed.
func (c *Client) OpenRequests(ctx context.Context, options ...Option) (r Requests, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/pairing/requests/open", nil, struct{}{}, &r, options...)
	return r, err
}

// Asking is how far a till without a shop is on its way into one.
type Asking struct {
	// Phase is searching, choose, asking, waiting or failed.
	Phase   string `json:"phase"`
	Till    string `json:"till"`
	ShopID  string `json:"shop_id"`
	Digits  string `json:"digits"`
	Until   Time   `json:"until"`
	AgainAt Time   `json:"again_at"`
	Problem string `json:"problem"`
	Hint    string `json:"hint"`
}

// AskToJoin tells a till without a shop to ask for admission: the shop with this ID, or the only one there is.
func (c *Client) AskToJoin(ctx context.Context, shop, replaces string) error {
	in := struct {
		Shop     string `json:"shop_id,omitempty"`
		Replaces string `json:"replaces,omitempty"`
	}{shop, replaces}
	return c.call(ctx, http.MethodPost, "/api/v1/pairing/ask", nil, in, nil)
}

// Removal says that a till left the shop.
type Removal struct {
	// State is retired or revoked.
	State  string `json:"state"`
	At     Time   `json:"at"`
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// Departed is a till that left the shop.
type Departed struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	Removal
	// Again: it had left before.
	Again  bool        `json:"again"`
	Series []SeriesEnd `json:"series"`
	Linked bool        `json:"linked"`
	// Equal: it was linked and had nothing that the asked till lacks.
	Equal   bool `json:"equal"`
	EqualAt Time `json:"equal_at"`
}

// SeriesEnd is how far a series is known.
type SeriesEnd struct {
	Prefix     string `json:"prefix"`
	LastNumber string `json:"last_number"`
	N          int64  `json:"n"`
}

// Retire takes a till out of use. till is its ID, the prefix of its numbers or its name.
func (c *Client) Retire(ctx context.Context, till, reason string, options ...Option) (d Departed, err error) {
	return c.depart(ctx, till, "retire", reason, options)
}

// Revoke removes a till that is lost or stolen. till is its ID, the prefix of its numbers or its name.
func (c *Client) Revoke(ctx context.Context, till, reason string, options ...Option) (d Departed, err error) {
	return c.depart(ctx, till, "revoke", reason, options)
}

func (c *Client) depart(ctx context.Context, till, how, reason string, options []Option) (d Departed, err error) {
	in := struct {
		Reason string `json:"reason,omitempty"`
	}{reason}
	err = c.call(ctx, http.MethodPost, "/api/v1/tills/"+url.PathEscape(till)+"/"+how, nil, in, &d, options...)
	return d, err
}
