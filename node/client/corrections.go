package client

import (
	"context"
	"net/http"
	"net/url"
)

// Correction says how a receipt is taken back. Without Lines it is all that is left, without Payments the money goes back as it
// was paid; their amounts are below zero where money is paid out.
type Correction struct {
	User     string      `json:"user,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Payments []Payment   `json:"payments,omitempty"`
	Lines    []TakenLine `json:"lines,omitempty"`
	InCash   bool        `json:"in_cash,omitempty"` // all of it, however it was paid
}

// TakenLine is a line of a receipt, or a part of it; the quantity in thousandths, zero: all that is left.
type TakenLine struct {
	Line     string `json:"line"`
	Quantity int64  `json:"quantity,omitempty"`
}

// RefundedBy is a receipt that took back lines of another one.
type RefundedBy struct {
	Receipt string      `json:"receipt"`
	Number  string      `json:"number"`
	Till    string      `json:"till"`
	At      string      `json:"at"`
	Lines   []TakenLine `json:"lines"`
}

// CashMove is cash to be moved; the amount is above zero, in minor units.
type CashMove struct {
	Amount int64  `json:"amount"`
	Text   string `json:"text,omitempty"`
	Reason string `json:"reason,omitempty"`
	User   string `json:"user,omitempty"`
}

// Drawer is the cash that should be in the drawer of a till.
type Drawer struct {
	Series     string `json:"series"`
	From       int64  `json:"from"`
	To         int64  `json:"to"`
	Began      string `json:"began"`
	Currency   string `json:"currency"`
	Expected   int64  `json:"expected"`
	Currencies []Sum  `json:"currencies"`
}

// Case is something about sales that a person has to decide, or decided. State is open or resolved.
type Case struct {
	ID        string           `json:"id"`
	Kind      string           `json:"kind"`
	State     string           `json:"state"`
	Tabs      []string         `json:"tabs"`
	Receipts  []CaseReceipt    `json:"receipts"`
	Lines     []string         `json:"lines"`
	Objects   []string         `json:"objects"`
	Detail    string           `json:"detail"`
	Ways      []CaseWay        `json:"ways"`
	Drafts    []DraftedReceipt `json:"drafts,omitempty"`
	Decisions []CaseDecision   `json:"decisions,omitempty"`
}

// CaseReceipt names a receipt of a case.
type CaseReceipt struct {
	ID     string `json:"id"`
	Number string `json:"number"`
}

// CaseWay is one thing that can be done about a case.
type CaseWay struct {
	Way  string `json:"way"`
	Text string `json:"text"`
	Call string `json:"call,omitempty"`
}

// DraftedReceipt is a receipt that accepting a case writes. Kind is cancel, refund or correct; Gross is below zero where money
// goes back, in minor units.
type DraftedReceipt struct {
	Kind     string           `json:"kind"`
	Of       CaseReceipt      `json:"of"`
	Lines    []DraftedLine    `json:"lines"`
	Payments []DraftedPayment `json:"payments"`
	Gross    int64            `json:"gross"`
	Currency string           `json:"currency"`
}

// DraftedLine is a line that is taken back, or a part of it; the quantity in thousandths.
type DraftedLine struct {
	Line     string `json:"line"`
	Name     string `json:"name"`
	Quantity int64  `json:"quantity"`
}

// DraftedPayment is how money goes back. Shared: it stands on the receipt that stays too, and nothing is handed out for it.
type DraftedPayment struct {
	Type   string `json:"type"`
	Name   string `json:"name,omitempty"`
	Amount int64  `json:"amount"`
	Shared bool   `json:"shared,omitempty"`
	// Terminal: a card terminal gives it back first.
	Terminal bool `json:"terminal,omitempty"`
}

// CaseDecision is what somebody decided about a case.
type CaseDecision struct {
	Decision string        `json:"decision"`
	User     string        `json:"user"`
	TillName string        `json:"till_name"`
	At       Time          `json:"at"`
	Reason   string        `json:"reason"`
	Stay     []string      `json:"stay"`
	Written  []CaseReceipt `json:"written"`
}

// Deciding is a decision about a case: accept, keep or dismiss. Receipt is the one that stays of a tab that was settled twice.
type Deciding struct {
	Decision string    `json:"decision"`
	Receipt  string    `json:"receipt,omitempty"`
	Payments []Payment `json:"payments,omitempty"`
	User     string    `json:"user"`
	Reason   string    `json:"reason,omitempty"`
}

// ResolvedCase is a case that was decided, and the receipts that were written for it.
type ResolvedCase struct {
	Case     Case      `json:"case"`
	Receipts []Receipt `json:"receipts"`
	// Asked is the payment that the card terminal is asked to give back first; the case is open until it did. Nil: nothing is waited for.
	Asked *CardPayment `json:"asked,omitempty"`
}

func receiptPath(id, what string) string {
	return "/api/v1/receipts/" + url.PathEscape(id) + "/" + what
}

// Corrected is the receipt that takes another one back. While Asked is there it is not written yet: the card terminal is asked to
// give money back, and the till writes it as soon as that went back. PayingBack of the receipt that is taken back says so.
type Corrected struct {
	Receipt
	Asked *CardPayment `json:"asked,omitempty"`
}

// CancelReceipt takes a whole receipt back; the answer is the receipt that does it. Lines of the correction do not count.
func (c *Client) CancelReceipt(ctx context.Context, idOrNumber string, how Correction, options ...Option) (r Corrected, err error) {
	how.Lines = nil
	err = c.call(ctx, http.MethodPost, receiptPath(idOrNumber, "cancel"), nil, how, &r, options...)
	return r, err
}

// RefundReceipt takes lines of a receipt back, or parts of them.
func (c *Client) RefundReceipt(ctx context.Context, idOrNumber string, how Correction, options ...Option) (r Corrected, err error) {
	err = c.call(ctx, http.MethodPost, receiptPath(idOrNumber, "refund"), nil, how, &r, options...)
	return r, err
}

// AbandonTab gives a tab up; the answer is the document about it.
func (c *Client) AbandonTab(ctx context.Context, tab, user, reason string, options ...Option) (r Receipt, err error) {
	in := struct {
		User   string `json:"user,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{user, reason}
	err = c.call(ctx, http.MethodPost, tabPath(tab, "abandon"), nil, in, &r, options...)
	return r, err
}

// MoveCash books a movement of cash: in, out, drop, pickup, float, private-in, private-out or wages.
func (c *Client) MoveCash(ctx context.Context, movement string, m CashMove, options ...Option) (r Receipt, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cash/"+url.PathEscape(movement), nil, m, &r, options...)
	return r, err
}

// Cash returns what should be in the drawer of the asked till.
func (c *Client) Cash(ctx context.Context) (d Drawer, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/cash", nil, nil, &d)
	return d, err
}

// Cases lists what people have to decide about sales, and after it what they decided lately.
func (c *Client) Cases(ctx context.Context) ([]Case, error) {
	var out struct {
		Items []Case `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/cases", nil, nil, &out)
	return out.Items, err
}

// ResolveCase decides a case.
func (c *Client) ResolveCase(ctx context.Context, id string, d Deciding, options ...Option) (r ResolvedCase, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cases/"+url.PathEscape(id)+"/resolve", nil, d, &r, options...)
	return r, err
}
