package client

import (
	"context"
	"net/http"
	"net/url"
)

// Copies says where a receipt is saved. On is on how many tills it is known to be, the asked one included; Text says the
// same in words.
type Copies struct {
	Here  bool     `json:"here"`
	Tills []string `json:"tills"`
	Names []string `json:"names"`
	On    int      `json:"on"`
	Text  string   `json:"text"`
	// Archived: a cloud is known to have it; it is never one of the tills. ArchivedSince is zero if the time is not known.
	Archived      bool `json:"archived,omitempty"`
	ArchivedSince Time `json:"archived_since,omitzero"`
}

// Release says whether a receipt may be printed. State is waiting, released or overridden.
type Release struct {
	State  string `json:"state"`
	Copies int    `json:"copies"`
	Wanted int    `json:"wanted"`
	// Until is when a person may let a waiting receipt go; MayOverride that it is time.
	Until       Time `json:"until"`
	MayOverride bool `json:"may_override"`
	// Override is who let it go, nil if nobody did.
	Override *Override `json:"override,omitempty"`
}

// Override is the record that a person let a receipt be printed. Till is where.
type Override struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
	Till   string `json:"till"`
	At     Time   `json:"at"`
	Copies int    `json:"copies"`
	Wanted int    `json:"wanted"`
}

// PrintRule says on how many tills a receipt has to be before it is printed, and after how many seconds a person may let it
// go all the same. Copies 0 or 1: it is printed at once.
type PrintRule struct {
	Copies  int `json:"copies"`
	Seconds int `json:"seconds,omitempty"`
}

// Risk is what would be lost if a till vanished now. More: there are older receipts that were not counted.
type Risk struct {
	Receipts int   `json:"receipts"`
	More     bool  `json:"more"`
	Sums     []Sum `json:"sums"`
	Tabs     int   `json:"tabs"`
	TabSums  []Sum `json:"tab_sums"`
	OldestAt Time  `json:"oldest_at"`
}

// Sum is an amount of money in minor units.
type Sum struct {
	Currency string `json:"currency"`
	Amount   int64  `json:"amount"`
}

// TillRisk is what would be lost with one till. Risk is nil if it never said; SaidAt is when it said so.
type TillRisk struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	State  string `json:"state"`
	Self   bool   `json:"self"`
	Linked bool   `json:"linked"`
	Risk   *Risk  `json:"risk,omitempty"`
	SaidAt Time   `json:"said_at"`
}

// Risks asks what would be lost with each till of the shop, the asked one first.
func (c *Client) Risks(ctx context.Context) ([]TillRisk, error) {
	var out struct {
		Tills []TillRisk `json:"tills"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/risk", nil, nil, &out)
	return out.Tills, err
}

// ReleaseReceipt lets a receipt be printed that is on too few tills; who says so is recorded.
func (c *Client) ReleaseReceipt(ctx context.Context, idOrNumber, user, reason string, options ...Option) (r Receipt, err error) {
	in := struct {
		Override bool   `json:"override"`
		User     string `json:"user,omitempty"`
		Reason   string `json:"reason,omitempty"`
	}{true, user, reason}
	err = c.call(ctx, http.MethodPost, "/api/v1/receipts/"+url.PathEscape(idOrNumber)+"/release", nil, in, &r, options...)
	return r, err
}
