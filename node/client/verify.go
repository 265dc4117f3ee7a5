package client

import (
	"context"
	"net/http"
)

// Verification is what checking every receipt and closing came to.
type Verification struct {
	OK        bool             `json:"ok"`
	Documents int64            `json:"documents"`
	Closings  int64            `json:"closings"`
	Wrong     int64            `json:"wrong"`
	Series    []VerifiedSeries `json:"series"`
	// Findings are the first 1000, notes with which nothing is wrong included.
	Findings []VerifyFinding `json:"findings"`
}

// VerifiedSeries is what was found of one series.
type VerifiedSeries struct {
	Series      string `json:"series"`
	Till        string `json:"till"`
	Name        string `json:"name"`
	First       int64  `json:"first"`
	Last        int64  `json:"last"`
	LastHash    string `json:"last_hash"`
	Documents   int64  `json:"documents"`
	Missing     int64  `json:"missing"`
	Closings    int64  `json:"closings"`
	LastClosing int64  `json:"last_closing"`
	Unclosed    int64  `json:"unclosed"`
	Unsigned    int64  `json:"unsigned"`
	Wrong       int64  `json:"wrong"`
}

// VerifyFinding is one thing that is wrong, or a note.
type VerifyFinding struct {
	Code   string `json:"code"`
	Note   bool   `json:"note,omitempty"`
	About  string `json:"about"`
	Series string `json:"series"`
	Number int64  `json:"number"`
	Last   int64  `json:"last"`
	Text   string `json:"text"`
}

// VerifyState is how far a verification is.
type VerifyState struct {
	Running   bool   `json:"running"`
	BeganAt   Time   `json:"began_at"`
	EndedAt   Time   `json:"ended_at"`
	Documents int64  `json:"documents"`
	Series    string `json:"series"`
	Wrong     int64  `json:"wrong"`
	Problem   string `json:"problem"`
}

// Verify checks every receipt and closing that the till holds. It takes as long as reading all of them does; canceling ctx ends
// it.
func (c *Client) Verify(ctx context.Context) (v Verification, err error) {
	err = c.exchange(ctx, http.MethodGet, "/api/v1/verify", nil, nil, &v)
	return v, err
}

// VerifyState says how far the verification is, or how the last one ended.
func (c *Client) VerifyState(ctx context.Context) (s VerifyState, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/verify/state", nil, nil, &s)
	return s, err
}
