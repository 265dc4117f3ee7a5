package serverclient

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"

	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
)

// Code is a coupling code without the code itself.
type Code struct {
	ID        string `json:"id"`
	TillName  string `json:"till_name"`
	Created   string `json:"created"`
	CreatedBy string `json:"created_by"`
	Expires   string `json:"expires"`
	Used      string `json:"used,omitempty"`
	Till      string `json:"till,omitempty"`
	Failures  int    `json:"failures"`
}

// MadeCode is a new coupling code, which is shown only here.
type MadeCode struct {
	Entry Code   `json:"entry"`
	Code  string `json:"code"`
}

// Codes lists the coupling codes of the account.
func (c *Client) Codes(ctx context.Context) (out Page[Code], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/codes", nil, nil, &out)
	return out, err
}

// CreateCode makes a coupling code for the till of this name.
func (c *Client) CreateCode(ctx context.Context, tillName string, o ...Option) (out MadeCode, err error) {
	in := struct {
		TillName string `json:"till_name"`
	}{tillName}
	err = c.call(ctx, http.MethodPost, "/api/v1/codes", nil, in, &out, o...)
	return out, err
}

// WithdrawCode makes a coupling code useless.
func (c *Client) WithdrawCode(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/codes/"+url.PathEscape(id), nil, nil, nil)
}

// Access is what an account may do with one kind of data.
type Access struct {
	Kind  string `json:"kind"`
	Text  string `json:"text"`
	Read  bool   `json:"read"`
	Write bool   `json:"write"`
}

// Terms say what an account may read and write of a shop.
type Terms struct {
	Version int      `json:"version"`
	Access  []Access `json:"access"`
	NotRead string   `json:"not_read"`
}

// Terms returns the terms. It needs no token.
func (c *Client) Terms(ctx context.Context) (out Terms, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/coupling/terms", nil, nil, &out)
	return out, err
}

// Asked is the till that asks to be coupled.
type Asked struct {
	Code     string `json:"code,omitempty"` // left out with a session
	Shop     string `json:"shop"`
	Till     string `json:"till"`
	TillName string `json:"till_name"`
}

// Prepared is what the till shows before somebody confirms.
type Prepared struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Cloud   string `json:"cloud"`
	Nonce   string `json:"nonce"`
	Expires string `json:"expires"`
	Shop    string `json:"shop"` // new or known
	Terms   Terms  `json:"terms"`
}

// PrepareCoupling begins to couple a till. Nothing is coupled yet.
func (c *Client) PrepareCoupling(ctx context.Context, in Asked) (out Prepared, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/coupling/prepare", nil, in, &out)
	return out, err
}

// Claim returns what the till has to sign with its device key.
func (c *Client) Claim(in Asked, p Prepared) (claim coupling.Claim, err error) {
	bad := func(what string, err error) (coupling.Claim, error) {
		return claim, fmt.Errorf("coupling: %s: %w", what, err)
	}
	claim.Host, claim.Name = c.host, in.TillName
	nonce, err := hex.DecodeString(p.Nonce)
	if err != nil || len(nonce) != len(claim.Nonce) {
		return bad("nonce of the cloud", fmt.Errorf("it is not %d bytes in hexadecimal", len(claim.Nonce)))
	}
	copy(claim.Nonce[:], nonce)
	if claim.Cloud, err = crdt.ParseTillID(p.Cloud); err != nil {
		return bad("ID of the cloud", err)
	}
	if claim.Account, err = crdt.ParseObjectID(p.Account); err != nil {
		return bad("account", err)
	}
	if claim.Shop, err = crdt.ParseShopID(in.Shop); err != nil {
		return bad("shop", err)
	}
	if claim.Till, err = crdt.ParseTillID(in.Till); err != nil {
		return bad("till", err)
	}
	return claim, nil
}

// RosterItem is one item of the shop's roster.
type RosterItem struct {
	Type string `json:"type"`
	ID   string `json:"id"`
	Raw  []byte `json:"raw"`
}

// Couple is what a till sends once somebody confirmed.
type Couple struct {
	Code      string       `json:"code,omitempty"`
	Confirmed bool         `json:"confirmed"`
	Shop      string       `json:"shop"`
	ShopName  string       `json:"shop_name"`
	Till      string       `json:"till"`
	TillName  string       `json:"till_name"`
	Host      string       `json:"host"`
	Nonce     string       `json:"nonce"`
	Signature string       `json:"signature"` // of the claim, hexadecimal
	Roster    []RosterItem `json:"roster"`
}

// Coupled is what came of it.
type Coupled struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	First   bool   `json:"first"`
	Device  Device `json:"device"`
	Key     string `json:"key"`   // of the cloud, hexadecimal
	Proof   string `json:"proof"` // its signature that it took the claim, hexadecimal
}

// CloudKey returns the key of the cloud, which proved to have it by signing that it took the claim. The error wraps
// [coupling.ErrCloud] if it did not.
func (c Coupled) CloudKey(claim coupling.Claim) (ed25519.PublicKey, error) {
	key, err := hex.DecodeString(c.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", coupling.ErrCloud, err)
	}
	proof, err := hex.DecodeString(c.Proof)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", coupling.ErrCloud, err)
	}
	return key, claim.Confirmed(key, proof)
}

// Couple couples a till and its shop. Codes of refusals: wrong-account, coupling-code, coupling-proof, device-revoked.
func (c *Client) Couple(ctx context.Context, in Couple, o ...Option) (out Coupled, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/couplings", nil, in, &out, o...)
	return out, err
}
