package client

import (
	"context"
	"net/http"
	"net/url"
)

// Why is where a receipt is on its way. First is the name of the first step that is not done; empty: all is well.
type Why struct {
	Asked  string    `json:"asked"`
	Number string    `json:"number"`
	ID     string    `json:"id"`
	Till   string    `json:"till"`
	First  string    `json:"first"`
	Steps  []WhyStep `json:"steps"`
}

// WhyStep is one step. Name is issued, here, tills, uplink or archive; State is done, waits, broken, none or unknown.
type WhyStep struct {
	Name  string    `json:"name"`
	State string    `json:"state"`
	Text  string    `json:"text"`
	Cause string    `json:"cause,omitempty"`
	Do    string    `json:"do,omitempty"`
	Tills []WhyTill `json:"tills,omitempty"`
}

// WhyTill is another till and the receipt.
type WhyTill struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Has    bool   `json:"has"`
	Linked bool   `json:"linked"`
	Text   string `json:"text"`
}

// Explanation is everything that happened to something, in the order of time.
type Explanation struct {
	ID     string     `json:"id"`
	Kind   string     `json:"kind"`
	Title  string     `json:"title"`
	State  string     `json:"state"`
	Events []Happened `json:"events"`
	More   int        `json:"more,omitempty"`
	Beside []Beside   `json:"beside"`
	Notes  []string   `json:"notes"`
}

// Happened is one thing that happened. Name is that of the till; Source is where it is told from.
type Happened struct {
	At      Time   `json:"at"`
	Trusted bool   `json:"trusted"`
	Till    string `json:"till"`
	Name    string `json:"name"`
	User    string `json:"user"`
	What    string `json:"what"`
	Text    string `json:"text"`
	Object  string `json:"object"`
	Source  string `json:"source"`
}

// Beside are values of one register that tills wrote apart; the first is shown, Rule says why.
type Beside struct {
	Register string        `json:"register"`
	Rule     string        `json:"rule"`
	Values   []BesideValue `json:"values"`
}

// BesideValue is one of them.
type BesideValue struct {
	Text    string `json:"text"`
	Till    string `json:"till"`
	Name    string `json:"name"`
	At      Time   `json:"at"`
	Trusted bool   `json:"trusted"`
}

// Why asks where a receipt is on its way, by its ID or number; also one that nobody knows.
func (c *Client) Why(ctx context.Context, idOrNumber string) (w Why, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/why/"+url.PathEscape(idOrNumber), nil, nil, &w)
	return w, err
}

// Explain asks what happened to a tab, line, receipt, payment, article or case.
func (c *Client) Explain(ctx context.Context, idOrNumber string) (e Explanation, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/explain/"+url.PathEscape(idOrNumber), nil, nil, &e)
	return e, err
}
