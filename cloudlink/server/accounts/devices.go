package accounts

import (
	"context"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Device is a till that is coupled.
type Device struct {
	Shop      crdt.ShopID
	Till      crdt.TillID
	Key       ed25519.PublicKey
	Name      string
	Coupled   time.Time
	CoupledBy string    // session, code or roster
	Seen      time.Time // to the minute; when it was last heard
	Revoked   time.Time // zero if it is not
	RevokedBy string
	Why       string // it was revoked
	Program   string // its version, as it said when it called last; empty: it never did
}

const deviceColumns = `shop, till, public_key, name, coupled_at, coupled_by, seen_at, revoked_at, revoked_by, revoked_why, program`

func scanDevice(scan func(...any) error) (d Device, err error) {
	var shopID, till, key []byte
	var coupled, seen, revoked int64
	if err := scan(&shopID, &till, &key, &d.Name, &coupled, &d.CoupledBy, &seen, &revoked, &d.RevokedBy, &d.Why, &d.Program); err != nil {
		return d, err
	}
	copy(d.Shop[:], shopID)
	copy(d.Till[:], till)
	d.Key, d.Coupled, d.Seen, d.Revoked = key, at(coupled), at(seen), at(revoked)
	if crdt.TillIDOf(key) != d.Till || len(shopID) != len(d.Shop) {
		return d, fmt.Errorf("the row of till %s in the database does not fit its key", d.Till.Short())
	}
	return d, nil
}

// Device returns a coupled till of a shop. Refusals: [CodeNotCoupled] if the shop belongs to no account, [CodeNoDevice] if
// this till was never coupled (see [Accounts.Enrol]), [CodeRevoked] with the device. It needs no password and counts no
// attempts: whoever calls it has checked the device key.
func (a *Accounts) Device(ctx context.Context, shopID crdt.ShopID, till crdt.TillID) (d Device, err error) {
	err = a.db.View(ctx, func(tx *database.Tx) error {
		if _, found, err := shopOwner(ctx, tx, shopID); err != nil {
			return err
		} else if !found {
			return notCoupled()
		}
		d, err = usable(ctx, tx, shopID, till)
		if err == nil && d.Till.IsZero() {
			err = noDevice()
		}
		return err
	})
	return d, err
}

func notCoupled() error {
	return refuse(CodeNotCoupled, `couple it with "till cloud couple", or sign in with "till cloud login"`, "this shop is coupled with no account here")
}

func noDevice() error {
	return refuse(CodeNoDevice, "", "no till with this ID is coupled in this shop")
}

// usable returns a device, the zero one if there is none, and refuses if it is revoked.
func usable(ctx context.Context, tx *database.Tx, shopID crdt.ShopID, till crdt.TillID) (Device, error) {
	d, err := scanDevice(tx.QueryRow(ctx, `SELECT `+deviceColumns+` FROM devices WHERE shop = ? AND till = ?`, shopID[:], till[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return Device{}, nil
	}
	if err != nil {
		return d, fmt.Errorf("look up a till: %w", err)
	}
	if !d.Revoked.IsZero() {
		r := refuse(CodeRevoked, "if that was wrong, add the till to the shop anew", "till %q was cut off from the cloud on %s by %s: %s",
			d.Name, d.Revoked.Format(time.RFC3339), d.RevokedBy, d.Why)
		r.Since = d.Revoked
		return d, r
	}
	return d, nil
}

// addDevice couples a till, or finds that it is.
func (a *Accounts) addDevice(ctx context.Context, tx *database.Tx, account crdt.ObjectID, shopID crdt.ShopID, key ed25519.PublicKey, name, by string) (Device, error) {
	till, now := crdt.TillIDOf(key), a.now()
	res, err := tx.Exec(ctx, `INSERT INTO devices (`+deviceColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', '', '') ON CONFLICT (shop, till) DO NOTHING`,
		shopID[:], till[:], []byte(key), name, ms(now), by, ms(now))
	if err != nil {
		return Device{}, fmt.Errorf("couple a till: %w", err)
	}
	added, err := res.RowsAffected()
	if err != nil {
		return Device{}, err
	}
	if added == 1 {
		if err := a.note(ctx, tx, account, act{Act: ActDevice, By: by, Subject: till.String(), Detail: name}); err != nil {
			return Device{}, err
		}
		return usable(ctx, tx, shopID, till)
	}
	if _, err := usable(ctx, tx, shopID, till); err != nil {
		return Device{}, err
	}
	if _, err := tx.Exec(ctx, `UPDATE devices SET name = ?, seen_at = ? WHERE shop = ? AND till = ?`, name, ms(now), shopID[:], till[:]); err != nil {
		return Device{}, fmt.Errorf("couple a till: %w", err)
	}
	return usable(ctx, tx, shopID, till)
}

// Enrol couples a till of a shop that is coupled, because the shop's roster says that it is an active till: later tills
// need no code. The caller has checked the roster and the device key. Refusals: [CodeNotCoupled], [CodeRevoked].
func (a *Accounts) Enrol(ctx context.Context, shopID crdt.ShopID, key ed25519.PublicKey, name string) (d Device, err error) {
	if name, err = label("the name of the till", name, maxText); err != nil {
		return d, err
	}
	if len(key) != ed25519.PublicKeySize {
		return d, refuse(CodeProof, "", "the key of a till has %d bytes, not %d", ed25519.PublicKeySize, len(key))
	}
	err = a.write(ctx, func(tx *database.Tx) error {
		account, found, err := shopOwner(ctx, tx, shopID)
		if err != nil {
			return err
		}
		if !found {
			return notCoupled()
		}
		d, err = a.addDevice(ctx, tx, account, shopID, key, name, "roster")
		return err
	})
	return d, err
}

// Heard stores when a till was last heard. It writes at most once a minute.
func (a *Accounts) Heard(ctx context.Context, d Device) error {
	now := a.now()
	if now.Sub(d.Seen) < seenEvery {
		return nil
	}
	if err := a.exec(ctx, `UPDATE devices SET seen_at = ? WHERE shop = ? AND till = ? AND seen_at < ?`,
		ms(now), d.Shop[:], d.Till[:], ms(now.Add(-seenEvery))); err != nil {
		return fmt.Errorf("store when a till was heard: %w", err)
	}
	return nil
}

// Greeted stores which program a till runs, as it said when it called. It writes when that changed.
func (a *Accounts) Greeted(ctx context.Context, d Device, program string) error {
	if program == d.Program || !utf8.ValidString(program) || len(program) > maxText {
		return nil
	}
	if err := a.exec(ctx, `UPDATE devices SET program = ? WHERE shop = ? AND till = ?`, program, d.Shop[:], d.Till[:]); err != nil {
		return fmt.Errorf("store which program a till runs: %w", err)
	}
	return nil
}

// Devices lists the tills of a shop that were ever coupled, revoked ones too, by their IDs. It asks for no account: of a
// request, check the shop with [Accounts.Shop] before.
func (a *Accounts) Devices(ctx context.Context, shopID crdt.ShopID) (out []Device, err error) {
	err = a.rows(ctx, `SELECT `+deviceColumns+` FROM devices WHERE shop = ? ORDER BY till`, []any{shopID[:]}, func(rows *sql.Rows) error {
		d, err := scanDevice(rows.Scan)
		out = append(out, d)
		return err
	})
	return out, err
}

// RevokeDevice cuts a till off from the cloud, for ever, from the next question about it on: servers with a session of it
// ask [Accounts.Device] again at every renewal. Its receipts stay. Refusals: [CodeRight], [CodeLabel] without a reason,
// [CodeNoShop], [CodeNoDevice]. Revoking it again changes nothing.
func (a *Accounts) RevokeDevice(ctx context.Context, c Caller, shopID crdt.ShopID, till crdt.TillID, why string) (d Device, err error) {
	if err := c.Need(RightManage); err != nil {
		return d, err
	}
	if why, err = label("the reason", why, maxText); err != nil {
		return d, err
	}
	err = a.write(ctx, func(tx *database.Tx) error {
		owner, found, err := shopOwner(ctx, tx, shopID)
		if err != nil {
			return err
		}
		if !found || owner != c.Account {
			return noShop()
		}
		res, err := tx.Exec(ctx, `UPDATE devices SET revoked_at = ?, revoked_by = ?, revoked_why = ? WHERE shop = ? AND till = ? AND revoked_at = 0`,
			ms(a.now()), c.By(), why, shopID[:], till[:])
		if err != nil {
			return fmt.Errorf("revoke a till: %w", err)
		}
		n, err := res.RowsAffected()
		if err != nil {
			return err
		}
		if n == 1 {
			if err := a.note(ctx, tx, c.Account, act{Act: ActRevoked, By: c.By(), Subject: till.String(), Detail: why}); err != nil {
				return err
			}
		}
		if d, err = usable(ctx, tx, shopID, till); err == nil {
			return noDevice()
		}
		if r, ok := errors.AsType[*Refusal](err); ok && r.Code == CodeRevoked {
			return nil
		}
		return err
	})
	return d, err
}
