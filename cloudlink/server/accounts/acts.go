package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Acts that are recorded. They are part of the API: append, never change.
const (
	ActCreated     = "account-created"
	ActSignedIn    = "signed-in"
	ActSignedOut   = "session-ended"
	ActPassword    = "password-changed"
	ActKeyMade     = "key-made"
	ActKeyRevoked  = "key-revoked"
	ActCodeMade    = "code-made"
	ActCodeDropped = "code-withdrawn"
	ActCoupled     = "shop-coupled"
	ActDevice      = "device-coupled"
	ActRevoked     = "device-revoked"
)

// act is one record without its time.
type act struct{ Act, By, Subject, Detail string }

// Act is one record of what was done in an account.
type Act struct {
	ID      crdt.ObjectID
	At      time.Time
	Act     string // one of the Act constants
	By      string // session, key or code
	Subject string // what it was done to: the name or ID of a session, key, code, shop or till
	Detail  string
}

// note records an act in the transaction that does it.
func (a *Accounts) note(ctx context.Context, tx *database.Tx, account crdt.ObjectID, n act) error {
	id, err := a.newID()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `INSERT INTO account_acts (account, at, id, act, by_whom, subject, detail) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		account[:], ms(a.now()), id[:], n.Act, n.By, n.Subject, n.Detail); err != nil {
		return fmt.Errorf("record an act: %w", err)
	}
	return nil
}

// Acts lists what was done in the caller's account, the newest first, at most limit. before, the last of a list, goes on
// behind it; its zero value begins.
func (a *Accounts) Acts(ctx context.Context, c Caller, before Act, limit int) (out []Act, err error) {
	if err := c.Need(RightManage); err != nil {
		return nil, err
	}
	when := ms(before.At)
	if before.At.IsZero() {
		when = 1 << 62
	}
	err = a.rows(ctx, `SELECT id, at, act, by_whom, subject, detail FROM account_acts WHERE account = ? AND (at < ? OR at = ? AND id < ?)
		ORDER BY at DESC, id DESC LIMIT ?`, []any{c.Account[:], when, when, before.ID[:], limit}, func(rows *sql.Rows) error {
		var r Act
		var id []byte
		var when int64
		if err := rows.Scan(&id, &when, &r.Act, &r.By, &r.Subject, &r.Detail); err != nil {
			return err
		}
		r.At = at(when)
		out = append(out, r)
		return objectID(&out[len(out)-1].ID, id)
	})
	return out, err
}
