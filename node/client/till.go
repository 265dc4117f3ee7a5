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
	// Halted is nil while the till can sell. Else little more than Shop.ID, Till and Disk is set.
	Halted   *Halted `json:"halted"`
	Doctor   Doctor  `json:"doctor"`
	OpenTabs int     `json:"open_tabs"`
	// Risk is what would be lost if this till vanished now; nil if it does not say.
	Risk *Risk `json:"risk,omitempty"`
	// Terminal is the card terminal; nil if the till has none. Undecided are payments of which nobody knows whether the money was
	// taken.
	Terminal *struct {
		Name      string `json:"name"`
		Undecided int    `json:"undecided,omitempty"`
	} `json:"terminal,omitempty"`
	// OpenPrints are receipts that were to be printed and are not known to be.
	OpenPrints int `json:"open_prints,omitempty"`
	// Alarms are those that nobody saw yet.
	Alarms []Alarm `json:"alarms"`
	// Again says that what the number series before wrote is being said again.
	Again bool `json:"again,omitempty"`
	// Removed is set if this till was removed from the shop: it only shows what it has.
	Removed *Removal `json:"removed,omitempty"`
	// ToldRemoved are the tills that say that this one was removed, while it has not heard of it itself.
	ToldRemoved []ToldRemoved `json:"told_removed,omitempty"`
	// Asking is how far a till without a shop is on its way into one.
	Asking *Asking `json:"asking,omitempty"`
	// Signing is how the signing device is doing; nil if this till has none.
	Signing *SigningStatus `json:"signing,omitempty"`
	// Cloud is how the till stands with the cloud; nil if the shop is coupled with none.
	Cloud *CloudBrief `json:"cloud,omitempty"`
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
	Trusted bool `json:"trusted"`
	// OffsetMS is what is added to the clock of the machine to get business time; negative if that clock is ahead.
	OffsetMS int64 `json:"offset_ms"`
	// Source is what the offset rests on: "none", "remembered", "tills" or "cloud".
	Source string `json:"source"`
	Now    Time   `json:"now"`
	Warn   bool   `json:"warn"`
	// Text says what is wrong in one sentence, Hint what to do; empty if nothing is.
	Text string `json:"text"`
	Hint string `json:"hint"`
	// Wrong are other tills whose clocks are wrong.
	Wrong []WrongClock `json:"wrong"`
}

// WrongClock is the clock of another till; AheadMS is negative if it is behind.
type WrongClock struct {
	Till    string `json:"till"`
	Name    string `json:"name"`
	AheadMS int64  `json:"ahead_ms"`
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
	// RoomBytes is what the limits are held against.
	RoomBytes int64 `json:"room_bytes"`
	// Level is "fine", "low", "no-new-tabs", "closed", "full", "read-only" or "failing".
	Level string `json:"level"`
	// Text says how it is in one sentence, Hint what to do; empty if all is well.
	Text string `json:"text"`
	Hint string `json:"hint"`
}

// Halted is why a till does not sell. Code is "disk-full", "disk-read-only", "disk-failing" or "doubt".
type Halted struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Hint  string `json:"hint"`
	Since Time   `json:"since"`
}

// Doctor is in short what is wrong with a till and its network: how many causes somebody should do something about, and
// the worst one.
type Doctor struct {
	Wrong int    `json:"wrong"`
	Code  string `json:"code"`
	Title string `json:"title"`
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
	// Print is the rule for printing receipts.
	Print *PrintRule `json:"print,omitempty"`
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
