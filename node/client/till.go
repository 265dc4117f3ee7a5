package client

import (
	"context"
	"net/http"
)

// Status is what a till says about itself.
type Status struct {
	Program string `json:"program"`
	Version string `json:"version"`
	// Shop is nil while the data directory belongs to no shop; Found then lists the shops seen on the network.
	Shop  *Named      `json:"shop"`
	Found []FoundShop `json:"found,omitempty"`
	Till  Till        `json:"till"`
	// Since is when the till started.
	Since Time       `json:"since"`
	Clock Clock      `json:"clock"`
	Store StoreState `json:"store"`
	Peers []Peer     `json:"peers"`
	// Equal says that every other active till is linked and holds the same.
	Equal bool `json:"equal"`
	// StateHash is the same on two tills exactly when they hold the same.
	StateHash string  `json:"state_hash"`
	Scopes    []Scope `json:"scopes"`
	Disk      Disk    `json:"disk"`
	OpenTabs  int     `json:"open_tabs"`
	// NextNumber is what the next receipt gets, LastNumber what the last one got, empty if there is none.
	NextNumber string `json:"next_number"`
	LastNumber string `json:"last_number"`
}

// Named is a thing with an ID and a name.
type Named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// FoundShop is a shop seen on the network by a till that belongs to none.
type FoundShop struct {
	ShopID string `json:"shop_id"`
	Tills  []struct {
		Till      string   `json:"till"`
		Addresses []string `json:"addresses"`
	} `json:"tills"`
}

// Till names a till. Prefix begins the numbers of its receipts.
type Till struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Prefix  string `json:"prefix"`
	Replica string `json:"replica,omitempty"`
}

// Clock is how right the till's clock is.
type Clock struct {
	Trusted  bool  `json:"trusted"`
	OffsetMS int64 `json:"offset_ms"`
}

// StoreState is the store in figures. Receipts counts those that this till closed since its start. Doubt is why its lineage is in doubt, empty if it is not.
type StoreState struct {
	Receipts     int64  `json:"receipts"`
	WaitingBytes int64  `json:"waiting_bytes"`
	Doubt        string `json:"doubt,omitempty"`
}

// Peer is another till as this one sees it.
type Peer struct {
	Till     string `json:"till"`
	Name     string `json:"name"`
	Prefix   string `json:"prefix"`
	Linked   bool   `json:"linked"`
	EqualAt  Time   `json:"equal_at"`
	LastSeen Time   `json:"last_seen"`
	Pulling  bool   `json:"pulling"`
}

// Scope is the state of one scope.
type Scope struct {
	Scope   string `json:"scope"`
	Context string `json:"context"`
	Digest  string `json:"digest"`
}

// Disk is the file system of the data directory.
type Disk struct {
	FreeBytes int64 `json:"free_bytes"`
}

// Mesh is the roster of the shop and how its tills are reached.
type Mesh struct {
	Tills []MeshTill `json:"tills"`
	// Own is where this till takes links.
	Own []string `json:"own_addresses"`
	// Counters count what was refused, by reason.
	Counters  map[string]int64 `json:"counters"`
	Discovery Discovery        `json:"discovery"`
	Gossip    Gossip           `json:"gossip"`
	// Problems are those of the roster and of addresses that were given, in words.
	Problems []string `json:"problems"`
}

// MeshTill is a till of the roster.
type MeshTill struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Prefix string `json:"prefix"`
	// State is active, retired or revoked.
	State     string   `json:"state"`
	Self      bool     `json:"self"`
	Linked    bool     `json:"linked"`
	Address   string   `json:"address"`
	Alive     bool     `json:"alive"`
	LastSeen  Time     `json:"last_seen"`
	EqualAt   Time     `json:"equal_at"`
	Program   string   `json:"program"`
	Addresses []string `json:"addresses"`
}

// Discovery is how tills are found. MDNS is "running", "off" or "error: …".
type Discovery struct {
	MDNS       string   `json:"mdns"`
	Interfaces []string `json:"interfaces"`
}

// Gossip is how tills learn who is alive. Problem is why it is not up.
type Gossip struct {
	Up      bool   `json:"up"`
	Address string `json:"address"`
	Problem string `json:"problem"`
}

// Invitation admits one till to the shop until it expires.
type Invitation struct {
	Token     string   `json:"token"`
	ExpiresAt Time     `json:"expires_at"`
	Addresses []string `json:"addresses"`
}

// Settings are those of the shop. When they are written, an absent member stays as it is.
type Settings struct {
	ShopName         string    `json:"shop_name,omitempty"`
	Business         *Business `json:"business,omitempty"`
	Currency         string    `json:"currency,omitempty"`
	TimeZone         string    `json:"time_zone,omitempty"`
	DayCutoffMinutes *int      `json:"day_cutoff_minutes,omitempty"`
}

// Business is who sells, as receipts must say it. Country is DE or AT.
type Business struct {
	Name      string `json:"name"`
	Street    string `json:"street"`
	Postcode  string `json:"postcode"`
	Town      string `json:"town"`
	Country   string `json:"country"`
	TaxNumber string `json:"tax_number"`
	VATID     string `json:"vat_id"`
}

// Status asks the till how it is.
func (c *Client) Status(ctx context.Context) (s Status, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/status", nil, nil, &s)
	return s, err
}

// Mesh asks for the tills of the shop.
func (c *Client) Mesh(ctx context.Context) (m Mesh, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/mesh", nil, nil, &m)
	return m, err
}

// Invite makes a one-time token that admits a till.
func (c *Client) Invite(ctx context.Context, options ...Option) (i Invitation, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/pairing/invite", nil, struct{}{}, &i, options...)
	return i, err
}

// Settings returns the settings of the shop.
func (c *Client) Settings(ctx context.Context) (s Settings, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/settings", nil, nil, &s)
	return s, err
}

// PutSettings changes the members of s that are set.
func (c *Client) PutSettings(ctx context.Context, s Settings) error {
	return c.call(ctx, http.MethodPut, "/api/v1/settings", nil, s, nil)
}
