package client

import (
	"context"
	"net/http"
	"net/url"
)

// CardPayment is a payment with what is known of it. State is intended, sent, captured, declined or unknown; Receipt is the
// receipt that holds it, empty if none does.
type CardPayment struct {
	ID       string `json:"id"`
	Tab      string `json:"tab"`
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
	User     string `json:"user"`
	Till     string `json:"till"`
	At       Time   `json:"at"`
	State    string `json:"state"`
	Running  bool   `json:"running"`
	Receipt  string `json:"receipt,omitempty"`
	Terminal string `json:"terminal,omitempty"`
	Kind     string `json:"kind,omitempty"`
	Of       string `json:"of,omitempty"`
	Trace    string `json:"trace,omitempty"`
	Card     string `json:"card,omitempty"`
	// Authorisation is the number by which the bank agreed; ByHand: a person decided the state; GivesBack is the receipt whose
	// money it gives back.
	Authorisation string     `json:"authorisation,omitempty"`
	ByHand        bool       `json:"decided_by_hand,omitempty"`
	GivesBack     string     `json:"gives_back,omitempty"`
	Text          string     `json:"text,omitempty"`
	Merchant      []string   `json:"merchant_receipt,omitempty"`
	Customer      []string   `json:"customer_receipt,omitempty"`
	Steps         []CardStep `json:"steps,omitempty"`
}

// CardStep is a state that a payment came to.
type CardStep struct {
	State string `json:"state"`
	At    Time   `json:"at"`
	Text  string `json:"text,omitempty"`
}

// Paid is how a tab stands after a payment was entered. State is that of the payment.
type Paid struct {
	Payment struct {
		ID    string `json:"id"`
		State string `json:"state"`
	} `json:"payment"`
	Due    int64 `json:"due"`
	Change int64 `json:"change"`
}

// Pay enters a payment for a tab. With Terminal it has only begun then: Payment says what became of it.
func (c *Client) Pay(ctx context.Context, tab string, p Payment, options ...Option) (out Paid, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/tabs/"+url.PathEscape(tab)+"/payments", nil, p, &out, options...)
	return out, err
}

// Payments lists the card payments that are not decided, of all tills.
func (c *Client) Payments(ctx context.Context) ([]CardPayment, error) {
	var out struct {
		Items []CardPayment `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/payments", nil, nil, &out)
	return out.Items, err
}

// Payment returns one payment.
func (c *Client) Payment(ctx context.Context, id string) (p CardPayment, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/payments/"+url.PathEscape(id), nil, nil, &p)
	return p, err
}

// QueryPayment has the terminal asked what became of a payment.
func (c *Client) QueryPayment(ctx context.Context, id string) (CardPayment, error) {
	return c.onPayment(ctx, id, "query", nil)
}

// CancelPayment gives a card payment up, if it is not too late.
func (c *Client) CancelPayment(ctx context.Context, id string) (CardPayment, error) {
	return c.onPayment(ctx, id, "cancel", nil)
}

// ReversePayment gives a captured card payment back; the answer is the payment that says so.
func (c *Client) ReversePayment(ctx context.Context, id, user string, options ...Option) (CardPayment, error) {
	return c.onPayment(ctx, id, "reverse", map[string]string{"user": user}, options...)
}

// DecidePayment says what became of a card payment whose terminal nobody can ask any more.
func (c *Client) DecidePayment(ctx context.Context, id string, paid bool, user, reason string, options ...Option) (CardPayment, error) {
	return c.onPayment(ctx, id, "decide", map[string]any{"paid": paid, "user": user, "reason": reason}, options...)
}

func (c *Client) onPayment(ctx context.Context, id, what string, in any, options ...Option) (p CardPayment, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/payments/"+url.PathEscape(id)+"/"+what, nil, in, &p, options...)
	return p, err
}
