package serverclient

import (
	"context"
	"net/http"
	"net/url"

	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
)

// ShopStatus is what the cloud noticed about a shop.
type ShopStatus struct {
	Now      string       `json:"now"`
	Silent   bool         `json:"silent"`
	Oldest   string       `json:"oldest_program"`
	Forwards string       `json:"forwards"`
	Pending  uint64       `json:"pending"`
	SaidAt   string       `json:"said_at"`
	Complete string       `json:"complete_at"`
	Tills    []TillStatus `json:"tills"`
	Gaps     []Gap        `json:"gaps"`
	Problems []string     `json:"problems"`
}

// TillStatus is what is known of a till.
type TillStatus struct {
	Till       string `json:"till"`
	Name       string `json:"name"`
	Prefix     string `json:"prefix"`
	State      string `json:"state"`
	Silent     bool   `json:"silent"`
	Connected  bool   `json:"connected"`
	HeardAt    string `json:"heard_at"`
	AgeSeconds int64  `json:"age_seconds"` // -1: never
	ToldBy     string `json:"told_by"`
	Program    string `json:"program"`
}

// Gap is a range of numbers that is missing although later ones are archived.
type Gap struct {
	Kind    string   `json:"kind"`
	Series  string   `json:"series"`
	Till    string   `json:"till"`
	First   int64    `json:"first"`
	Last    int64    `json:"last"`
	Since   string   `json:"noticed_at"`
	Age     int64    `json:"age_seconds"`
	Settled bool     `json:"settled"`
	At      []string `json:"at"`
	Asked   int      `json:"asked"`
}

// ShopStatus says which tills of a shop are silent and which numbers are missing.
func (c *Client) ShopStatus(ctx context.Context, shop string) (out ShopStatus, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/status"), nil, nil, &out)
	return out, err
}

// Loss returns the signed statement of what is lost with a till; see loss.Verify.
func (c *Client) Loss(ctx context.Context, shop, till string) (out loss.Signed, err error) {
	err = c.call(ctx, http.MethodGet, shopPath(shop, "/tills/"+url.PathEscape(till)+"/loss"), nil, nil, &out)
	return out, err
}
