package client

import (
	"context"
	"net/http"
	"net/url"
)

// Print is how printing a receipt stands at a till. State is intended, done or dropped. What is printed with a Mark must show
// it.
type Print struct {
	Receipt    string `json:"receipt"`
	Number     string `json:"number"`
	State      string `json:"state"`
	Printer    string `json:"printer"`
	Count      int    `json:"count"`
	Printed    int    `json:"printed"`
	IntendedAt Time   `json:"intended_at"`
	PrintedAt  Time   `json:"printed_at"`
	Copy       bool   `json:"copy"`
	Mark       string `json:"mark"`
}

// PrintReceipt says of a receipt that its print is intended (before it goes to the printer), done, or dropped.
func (c *Client) PrintReceipt(ctx context.Context, idOrNumber, state, printer string, options ...Option) (p Print, err error) {
	in := struct {
		State   string `json:"state"`
		Printer string `json:"printer,omitempty"`
	}{state, printer}
	err = c.call(ctx, http.MethodPost, "/api/v1/receipts/"+url.PathEscape(idOrNumber)+"/print", nil, in, &p, options...)
	return p, err
}

// Prints lists what was to be printed and is not done.
func (c *Client) Prints(ctx context.Context) ([]Print, error) {
	var out struct {
		Items []Print `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/prints", nil, nil, &out)
	return out.Items, err
}
