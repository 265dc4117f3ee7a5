package client

import (
	"context"
	"io"
	"net/http"
)

// Signing is how the signing device of a till is doing. Kind is tse, rksv, or empty if it has none.
type Signing struct {
	Kind        string          `json:"kind"`
	Description string          `json:"description,omitempty"`
	Client      string          `json:"client,omitempty"`
	Serial      string          `json:"serial,omitempty"`
	PublicKey   string          `json:"public_key,omitempty"`
	Check       string          `json:"check_value,omitempty"`
	Notice      string          `json:"notice,omitempty"`
	Works       bool            `json:"works"`
	Since       Time            `json:"since,omitzero"`
	Reason      string          `json:"reason,omitempty"`
	Print       string          `json:"print,omitempty"`
	Turnover    *int64          `json:"turnover,omitempty"`
	Unsigned    int64           `json:"unsigned"`
	Outages     []SigningOutage `json:"outages"`
}

// SigningOutage is a time in which a signing device did not work. End is zero while it goes on.
type SigningOutage struct {
	Begin  Time   `json:"begin"`
	End    Time   `json:"end,omitzero"`
	Reason string `json:"reason"`
	First  string `json:"first,omitempty"`
	Last   string `json:"last,omitempty"`
	Count  int64  `json:"count"`
}

// ReceiptSigning is what a receipt has to show of its signing device.
type ReceiptSigning struct {
	Kind    string `json:"kind,omitempty"`
	QR      string `json:"qr,omitempty"`
	Print   string `json:"print,omitempty"`
	Failure string `json:"failure,omitempty"`
	Notice  string `json:"notice,omitempty"`
	Ordered string `json:"ordered_at,omitempty"`
}

// SigningStatus says in short how a signing device is doing.
type SigningStatus struct {
	Kind   string `json:"kind"`
	Works  bool   `json:"works"`
	Since  Time   `json:"since"`
	Reason string `json:"reason,omitempty"`
	Print  string `json:"print,omitempty"`
	Notice string `json:"notice,omitempty"`
}

// Signing returns how the signing device is doing.
func (c *Client) Signing(ctx context.Context) (s Signing, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/signing", nil, nil, &s)
	return s, err
}

// CheckSigning has the device sign a receipt that comes to nothing.
func (c *Client) CheckSigning(ctx context.Context, user string, options ...Option) (r Receipt, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/signing/check", nil, map[string]string{"user": user}, &r, options...)
	return r, err
}

// SigningDEP copies the log of signed receipts (DEP 7) into w. After an error what was written is not whole.
func (c *Client) SigningDEP(ctx context.Context, w io.Writer) error {
	return c.download(ctx, "/api/v1/signing/dep", w, func(_ context.Context, err error) error { return err })
}
