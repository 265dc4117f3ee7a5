package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// SignedLoss is a signed statement of what is lost with a till; whoever relies on it verifies it.
type SignedLoss struct {
	Statement json.RawMessage `json:"statement"`
	Canonical []byte          `json:"canonical"` // the exact bytes that were signed
	Signature string          `json:"signature"`
	Key       string          `json:"key"`
}

// Loss returns the signed statement of what is lost with a till: its ID, the prefix of its numbers, or its name. With many
// receipts it takes some seconds; canceling ctx ends it.
func (c *Client) Loss(ctx context.Context, till string) (s SignedLoss, err error) {
	err = c.exchange(ctx, http.MethodGet, "/api/v1/tills/"+url.PathEscape(till)+"/loss", nil, nil, &s)
	return s, err
}
