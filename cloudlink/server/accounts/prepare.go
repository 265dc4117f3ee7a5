package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	nonceTime = 10 * time.Minute // between showing the terms and confirming them
	maxNonces = 200              // of one account
	maxItems  = 4096             // of a roster that proves a till
)

// Warrant is by what somebody couples: a session, or else a code.
type Warrant struct {
	Caller   *Caller // nil: by the code
	Code     string
	TillName string     // of the till that asks; a code is for one name
	From     netip.Addr // who asks; counted for codes
}

// warranted is a warrant that counts.
type warranted struct {
	account crdt.ObjectID
	by      string
	code    []byte                   // hash, nil for a session
	done    func(*database.Tx) error // to be called in the transaction that follows
}

func (a *Accounts) check(ctx context.Context, w Warrant) (out warranted, err error) {
	if w.Caller != nil {
		if err := w.Caller.Need(RightManage); err != nil {
			return out, err
		}
		return warranted{w.Caller.Account, w.Caller.By(), nil, func(*database.Tx) error { return nil }}, nil
	}
	found, done, err := a.findCode(ctx, w.Code, w.TillName, w.From)
	return warranted{found.account, "code for " + strings.TrimSpace(w.TillName), found.hash, done}, err
}

// Prepared is what a till shows before somebody confirms.
type Prepared struct {
	Account Account
	Cloud   crdt.TillID
	Nonce   [coupling.NonceSize]byte
	Expires time.Time // of the nonce
	Shop    ShopState
}

// ShopState says what is known of a shop, from the side of one account.
type ShopState string

// The states.
const (
	ShopNew   ShopState = "new"   // will be coupled
	ShopKnown ShopState = "known" // is coupled with this account
)

// Prepare begins coupling. It changes nothing but that a nonce is kept for ten minutes; a code is not used up. Refusals:
// [CodeRight], [CodeCoupling], [CodeOtherTill], [CodeAttempts], [CodeWrongAccount], [CodeRevoked].
func (a *Accounts) Prepare(ctx context.Context, w Warrant, shopID crdt.ShopID, till crdt.TillID) (Prepared, error) {
	by, err := a.check(ctx, w)
	if err != nil {
		return Prepared{}, err
	}
	nonce, err := a.bytes(coupling.NonceSize)
	if err != nil {
		return Prepared{}, err
	}
	now := a.now()
	out := Prepared{Cloud: a.cloud, Nonce: [coupling.NonceSize]byte(nonce), Expires: at(ms(now.Add(nonceTime))), Shop: ShopNew}
	err = a.write(ctx, func(tx *database.Tx) error {
		if err := by.done(tx); err != nil {
			return err
		}
		var err error
		if out.Account, err = accountIn(ctx, tx, by.account); err != nil {
			return err
		}
		owner, found, err := shopOwner(ctx, tx, shopID)
		switch {
		case err != nil:
			return err
		case found && owner != by.account:
			return wrongAccount()
		case found:
			out.Shop = ShopKnown
			if _, err := usable(ctx, tx, shopID, till); err != nil {
				return err
			}
		}
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM coupling_nonces WHERE account = ? AND expires_at > ?`, by.account[:], ms(now)).Scan(&n); err != nil {
			return fmt.Errorf("count what is being coupled: %w", err)
		}
		if n >= maxNonces {
			return refuse(CodeTooMany, "wait ten minutes", "too many tills are being coupled at once")
		}
		if _, err := tx.Exec(ctx, `INSERT INTO coupling_nonces (account, nonce, shop, till, expires_at) VALUES (?, ?, ?, ?, ?)`,
			by.account[:], nonce, shopID[:], till[:], ms(out.Expires)); err != nil {
			return fmt.Errorf("prepare coupling: %w", err)
		}
		return nil
	})
	return out, err
}

func wrongAccount() error {
	return refuse(CodeWrongAccount, "sign in with the account of this shop", "this shop is coupled with another account")
}

// shopOwner returns the account of a shop.
func shopOwner(ctx context.Context, tx *database.Tx, id crdt.ShopID) (account crdt.ObjectID, found bool, err error) {
	var b []byte
	err = tx.QueryRow(ctx, `SELECT account FROM shops WHERE shop = ?`, id[:]).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) {
		return account, false, nil
	}
	if err != nil {
		return account, false, fmt.Errorf("look up a shop: %w", err)
	}
	return account, true, objectID(&account, b)
}
