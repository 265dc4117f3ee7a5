package accounts

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Item is one item of a shop's roster, as the till stores it.
type Item struct {
	Type string
	ID   crdt.ObjectID
	Raw  []byte
}

// Coupling is what a till asks for once somebody confirmed.
type Coupling struct {
	Shop      crdt.ShopID
	ShopName  string
	Till      crdt.TillID
	TillName  string
	Host      string // that the till dialled
	Nonce     [coupling.NonceSize]byte
	Signature []byte // of the device key over [coupling.Claim]
	// Roster proves that the till belongs to the shop: the admissions from the founder to it, and whoever left. The ID of
	// a shop commits to its founder's key, so nobody can couple a shop that he only heard of.
	Roster []Item
}

// Coupled is what came of it.
type Coupled struct {
	Account Account
	Device  Device
	First   bool // the shop was coupled by this; else it was before
}

// Couple couples a till, and its shop with the account if it is the first one. Asking again with a fresh nonce changes
// nothing. Refusals: those of [Accounts.Prepare], and [CodeProof].
func (a *Accounts) Couple(ctx context.Context, w Warrant, c Coupling) (Coupled, error) {
	shopName, err := label("the name of the shop", c.ShopName, maxText)
	if err != nil {
		return Coupled{}, err
	}
	tillName, err := label("the name of the till", c.TillName, maxText)
	if err != nil {
		return Coupled{}, err
	}
	key, others, err := member(c)
	if err != nil {
		return Coupled{}, err
	}
	host := plainHost(c.Host)
	if !a.hostKnown(host) {
		return Coupled{}, refuse(CodeProof, "use the address that the cloud's operator gave you", "this cloud is not reached as %q", clip(host))
	}
	w.TillName = c.TillName
	by, err := a.check(ctx, w)
	if err != nil {
		return Coupled{}, err
	}
	claim := coupling.Claim{Nonce: c.Nonce, Cloud: a.cloud, Host: host, Account: by.account, Shop: c.Shop, Till: c.Till, Name: c.TillName}
	if err := claim.Verify(key, c.Signature); err != nil {
		return Coupled{}, refuse(CodeProof, "begin again", "%v", err)
	}
	var out Coupled
	err = a.write(ctx, func(tx *database.Tx) error {
		if err := by.done(tx); err != nil {
			return err
		}
		if err := a.useNonce(ctx, tx, by.account, c); err != nil {
			return err
		}
		var err error
		if out.Account, err = accountIn(ctx, tx, by.account); err != nil {
			return err
		}
		if out.First, err = a.takeShop(ctx, tx, by, c.Shop, shopName); err != nil {
			return err
		}
		if by.code != nil {
			if err := a.useCode(ctx, tx, by.code, c.Till); err != nil {
				return err
			}
		}
		if out.Device, err = a.addDevice(ctx, tx, by.account, c.Shop, key, tillName, by.by); err != nil {
			return err
		}
		for _, other := range others {
			if err := a.addOther(ctx, tx, by.account, c.Shop, other); err != nil {
				return err
			}
		}
		return nil
	})
	return out, err
}

// otherTill is a till that is coupled with its shop.
type otherTill struct {
	key  ed25519.PublicKey
	name string
}

// addOther couples a till of the shop's roster, unless it was revoked here.
func (a *Accounts) addOther(ctx context.Context, tx *database.Tx, account crdt.ObjectID, shopID crdt.ShopID, other otherTill) error {
	_, err := a.addDevice(ctx, tx, account, shopID, other.key, other.name, "roster")
	if r := (*Refusal)(nil); errors.As(err, &r) && r.Code == CodeRevoked {
		return nil
	}
	return err
}

// member checks that the till belongs to the shop and returns its key, and the other active tills by the roster that it shows: whichever of
// them calls first is let in.
func member(c Coupling) (ed25519.PublicKey, []otherTill, error) {
	no := func(format string, args ...any) error {
		return refuse(CodeProof, "update the program of the till and try again", format, args...)
	}
	if len(c.Roster) > maxItems {
		return nil, nil, no("the roster has %d items, at most %d are looked at", len(c.Roster), maxItems)
	}
	r := shop.NewRoster(c.Shop)
	for _, item := range c.Roster {
		if err := r.AddItem(item.Type, item.ID, item.Raw); err != nil {
			return nil, nil, no("%v", err)
		}
	}
	if state := r.State(c.Till); state != shop.Active {
		return nil, nil, no("by the roster that it shows, the till is %v in this shop", state)
	}
	key, _ := r.PublicKey(c.Till)
	var others []otherTill
	for _, till := range r.Tills() {
		if till.State == shop.Active && till.ID != c.Till {
			public, _ := r.PublicKey(till.ID)
			others = append(others, otherTill{public, till.Name})
		}
	}
	return key, others, nil
}

// useNonce lets a nonce count once.
func (a *Accounts) useNonce(ctx context.Context, tx *database.Tx, account crdt.ObjectID, c Coupling) error {
	res, err := tx.Exec(ctx, `DELETE FROM coupling_nonces WHERE account = ? AND nonce = ? AND shop = ? AND till = ? AND expires_at > ?`,
		account[:], c.Nonce[:], c.Shop[:], c.Till[:], ms(a.now()))
	if err != nil {
		return fmt.Errorf("use up a nonce: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return refuse(CodeProof, "begin again", "too much time has passed since the terms were shown, or it was confirmed already")
	}
	return nil
}

// takeShop gives a shop to the account that is the first to couple it.
func (a *Accounts) takeShop(ctx context.Context, tx *database.Tx, by warranted, id crdt.ShopID, name string) (first bool, err error) {
	res, err := tx.Exec(ctx, `INSERT INTO shops (shop, account, name, coupled_at, coupled_by) VALUES (?, ?, ?, ?, ?) ON CONFLICT (shop) DO NOTHING`,
		id[:], by.account[:], name, ms(a.now()), by.by)
	if err != nil {
		return false, fmt.Errorf("couple a shop: %w", err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return false, err
	}
	if n == 1 {
		return true, a.note(ctx, tx, by.account, act{Act: ActCoupled, By: by.by, Subject: id.String(), Detail: name})
	}
	owner, _, err := shopOwner(ctx, tx, id)
	if err == nil && owner != by.account {
		err = wrongAccount()
	}
	return false, err
}

// useCode uses a code up, unless somebody was faster.
func (a *Accounts) useCode(ctx context.Context, tx *database.Tx, hash []byte, till crdt.TillID) error {
	res, err := tx.Exec(ctx, `UPDATE coupling_codes SET used_at = ?, till = ? WHERE code = ? AND used_at = 0`, ms(a.now()), till[:], hash)
	if err != nil {
		return fmt.Errorf("use up a coupling code: %w", err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return refuse(CodeCoupling, "make a new one at the cloud", "this code was used meanwhile")
	}
	return nil
}

// plainHost returns a host name as it is compared: lower case, without port, brackets or final dot.
func plainHost(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// hostKnown reports whether tills reach this cloud under a name. Whoever is on the same machine is no stranger.
func (a *Accounts) hostKnown(host string) bool {
	if host == "localhost" || slices.Contains(a.hosts, host) {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
