package node

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// FoundOptions say what shop to found. Empty fields have the defaults of the command: DE, EUR, full mode.
type FoundOptions struct {
	Data, Shop, Name, Country, Currency, Mode string
	StateDir                                  string // see [Options]
	Environment
}

// Founded says what was made.
type Founded struct {
	Shop   crdt.ShopID
	Till   crdt.TillID
	Prefix string // of this till's receipt numbers
}

// Found makes a new shop whose first till is this one. The directory must be empty or missing.
func Found(ctx context.Context, o FoundOptions) (Founded, error) {
	if err := checkEmpty(o.Data); err != nil {
		return Founded{}, err
	}
	o.Environment = o.Environment.orReal()
	n, err := NewShop(o, o.deviceKey())
	if err != nil {
		return Founded{}, err
	}
	if err := build(o.Data, func(tmp string) error { return n.writeTo(ctx, tmp, home{o.Data, o.StateDir}, o.Environment) }); err != nil {
		return Founded{}, fmt.Errorf("found shop: %w", err)
	}
	return Founded{Shop: n.Identity.Shop, Till: n.Identity.Till, Prefix: n.Identity.Prefix}, nil
}

// NewShop returns the till with this device key as the first one of a new shop. Data of the options does not matter.
func NewShop(o FoundOptions, key ed25519.PrivateKey) (Newcomer, error) {
	o.Environment = o.Environment.orReal()
	var nonce [shop.NonceSize]byte
	var shopKey [32]byte
	var replica crdt.ReplicaID
	o.draw(nonce[:])
	o.draw(shopKey[:])
	o.draw(replica[:])
	now := o.Now().UnixMilli()
	admission, shopID := shop.Found(key.Public().(ed25519.PublicKey), nonce, o.Name, now)
	country, currency := or(o.Country, shop.DefaultCountry), or(o.Currency, shop.DefaultCurrency)
	settings, err := shop.EditSettings(nil, shop.SettingsEdit{
		Business: &shop.Business{Name: o.Shop, Country: country},
		Money:    &shop.Money{Currency: currency},
		Shop:     &shop.Shop{Name: o.Shop},
	})
	if err != nil {
		return Newcomer{}, fmt.Errorf("found shop: %w", err)
	}
	member, err := admission.Sign(shopID, key)
	if err != nil {
		return Newcomer{}, fmt.Errorf("found shop: %w", err)
	}
	n := Newcomer{Key: key, Identity: Identity{
		Shop: shopID, Till: admission.Till(), Prefix: admission.Prefix, ShopKey: hex.EncodeToString(shopKey[:]),
		Mode: or(o.Mode, string(shop.DefaultMode)), Replica: replica,
	}}
	own, err := ownPieces(n.Identity, key, o.Name, now)
	if err != nil {
		return Newcomer{}, fmt.Errorf("found shop: %w", err)
	}
	secret, recovery, err := o.founderKey(shopID, key, now)
	if err != nil {
		return Newcomer{}, fmt.Errorf("found shop: %w", err)
	}
	n.Founder = secret
	n.Own = append(append([]crdt.Piece{member, recovery}, own...), settings...)
	return n, nil
}

func or(s, byDefault string) string {
	if s == "" {
		return byDefault
	}
	return s
}
