package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// NewClosing says how a period is to be closed. Amounts are in minor units; a nil one is left to the till.
type NewClosing struct {
	// Kind is x, an interim report of which nothing is stored, or z.
	Kind   string      `json:"kind"`
	User   string      `json:"user,omitempty"`
	Reason string      `json:"reason,omitempty"`
	Series string      `json:"series,omitempty"`
	Pieces []CashPiece `json:"pieces,omitempty"`
	// Counted is the cash in the drawer; DifferenceReason is needed if something else was expected.
	Counted          *int64 `json:"counted,omitempty"`
	DifferenceReason string `json:"difference_reason,omitempty"`
	// CountedAfter is the number of the last receipt when the drawer was counted.
	CountedAfter *int64       `json:"counted_after,omitempty"`
	Drop         *int64       `json:"drop,omitempty"`
	Float        *int64       `json:"float,omitempty"`
	Tabs         []ClosingTab `json:"tabs,omitempty"`
	KeepTabs     bool         `json:"keep_tabs,omitempty"`
	// Shop asks the other tills for their closings too.
	Shop bool `json:"shop,omitempty"`
}

// CashPiece is a number of coins or notes of one value.
type CashPiece struct {
	Value int64 `json:"value"`
	Count int64 `json:"count"`
}

// ClosingTab says what becomes of an open tab: kept, handed (to the till To) or settled.
type ClosingTab struct {
	ID   string `json:"id"`
	What string `json:"what"`
	To   string `json:"to,omitempty"`
}

// ClosingEntry is a closing in a list. ID and Hash are empty for an interim report, whose N is 0.
type ClosingEntry struct {
	ID             string `json:"id"`
	Name           string `json:"name"`
	Till           string `json:"till"`
	TillName       string `json:"till_name"`
	Series         string `json:"series"`
	N              int64  `json:"n"`
	BusinessDay    string `json:"business_day"`
	ClosedAt       Time   `json:"closed_at"`
	From           int64  `json:"from"`
	To             int64  `json:"to"`
	Receipts       int64  `json:"receipts"`
	Gross          int64  `json:"gross"`
	CashExpected   int64  `json:"cash_expected"`
	CashCounted    *int64 `json:"cash_counted,omitempty"`
	CashDifference int64  `json:"cash_difference,omitempty"`
	Currency       string `json:"currency"`
	Hash           string `json:"hash,omitempty"`
}

// Closing is a closing with its document. Tills are those of the whole shop that were asked for theirs.
type Closing struct {
	ClosingEntry
	Document  json.RawMessage `json:"document"`
	Canonical []byte          `json:"canonical"`
	Signature string          `json:"signature,omitempty"`
	Key       string          `json:"key,omitempty"`
	Verified  bool            `json:"verified"`
	Alarm     bool            `json:"alarm,omitempty"`
	Copies    Copies          `json:"copies"`
	Warnings  []struct {
		Code string `json:"code"`
		Text string `json:"text"`
	} `json:"warnings"`
	Tills []TillClosing `json:"tills,omitempty"`
}

// TillClosing is what became of the closing of another till. State is made, not-reachable or refused.
type TillClosing struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Closing string `json:"closing,omitempty"`
	ID      string `json:"id,omitempty"`
	Code    string `json:"code,omitempty"`
	Text    string `json:"text,omitempty"`
}

// ShopDay is a business day of the shop. State is complete or provisional.
type ShopDay struct {
	Day      string         `json:"day"`
	State    string         `json:"state"`
	Revision int            `json:"revision"`
	Missing  []MissingTill  `json:"missing"`
	Closings []ClosingEntry `json:"closings"`
	Currency string         `json:"currency"`
	Mixed    bool           `json:"mixed,omitempty"`
	Sums     struct {
		Gross          int64       `json:"gross"`
		CashTotal      int64       `json:"cash_total"`
		Receipts       int64       `json:"receipts"`
		Cancelled      int64       `json:"cancelled"`
		Refunded       int64       `json:"refunded"`
		CashDifference int64       `json:"cash_difference"`
		Rates          []RateTotal `json:"rates"`
		Payments       []struct {
			Type   string `json:"type"`
			Name   string `json:"name"`
			Amount int64  `json:"amount"`
			Count  int64  `json:"count"`
		} `json:"payments"`
	} `json:"sums"`
}

// MissingTill is a till that is missing in a day. Why is not-closed (Receipts of that day are in no closing) or not-heard.
type MissingTill struct {
	Till     string `json:"till"`
	Name     string `json:"name"`
	Why      string `json:"why"`
	Receipts int    `json:"receipts,omitempty"`
	HeardAt  Time   `json:"heard_at"`
}

// MakeClosing makes a closing of the asked till, or an interim report.
func (c *Client) MakeClosing(ctx context.Context, n NewClosing, options ...Option) (out Closing, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/closings", nil, n, &out, options...)
	return out, err
}

// Closings lists the closings of all tills, the newest first. day and till may be empty.
func (c *Client) Closings(ctx context.Context, l List, day, till string) (p Page[ClosingEntry], err error) {
	q := l.query()
	if q == nil {
		q = url.Values{}
	}
	if day != "" {
		q.Set("from", day)
		q.Set("to", day)
	}
	if till != "" {
		q.Set("till", till)
	}
	err = c.call(ctx, http.MethodGet, "/api/v1/closings", q, nil, &p)
	return p, err
}

// Closing returns a closing by its ID, or its name such as K2-Z-17.
func (c *Client) Closing(ctx context.Context, ref string) (out Closing, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/closings/"+url.PathEscape(ref), nil, nil, &out)
	return out, err
}

// ShopDay returns a business day of the shop, YYYY-MM-DD or today.
func (c *Client) ShopDay(ctx context.Context, day string) (out ShopDay, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/closings/days/"+url.PathEscape(day), nil, nil, &out)
	return out, err
}
