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
	// CodeTime is how long a coupling code can be used.
	CodeTime        = 15 * time.Minute
	maxCodes        = 50 // of one account that can be used
	maxCodeFailures = 5  // uses of one code by another till
)

// CouplingCode is a code for one till, without the code itself.
type CouplingCode struct {
	ID        crdt.ObjectID
	TillName  string
	Created   time.Time
	CreatedBy string
	Expires   time.Time
	Used      time.Time // zero if it was not
	Till      crdt.TillID
	Failures  int
}

// MadeCode is a new code. Code is shown here and never again.
type MadeCode struct {
	CouplingCode
	Code string // 8 characters
}

// A code is found by its hash, so all have one salt, and codes end when the parameters change. That they last 15 minutes
// is what protects them from somebody who reads the database: trying all of 40 bits takes years.
const codeSalt = "tillmesh coupling code 1"

func (a *Accounts) codeHash(ctx context.Context, code string) ([]byte, error) {
	return a.hasher.derive(ctx, code, []byte(codeSalt), a.hasher.params)
}

// CreateCode makes a code with which the till of this name can couple its shop, once. Refusals: [CodeRight], [CodeLabel],
// [CodeTooMany].
func (a *Accounts) CreateCode(ctx context.Context, c Caller, tillName string) (MadeCode, error) {
	if err := c.Need(RightManage); err != nil {
		return MadeCode{}, err
	}
	tillName, err := label("the name of the till", tillName, maxText)
	if err != nil {
		return MadeCode{}, err
	}
	b, err := a.bytes(5)
	if err != nil {
		return MadeCode{}, err
	}
	code := coupling.NewCode([5]byte(b))
	hash, err := a.codeHash(ctx, code)
	if err != nil {
		return MadeCode{}, err
	}
	id, err := a.newID()
	if err != nil {
		return MadeCode{}, err
	}
	now := a.now()
	made := MadeCode{CouplingCode{ID: id, TillName: tillName, Created: at(ms(now)), CreatedBy: c.By(), Expires: at(ms(now.Add(CodeTime)))}, code}
	err = a.write(ctx, func(tx *database.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM coupling_codes WHERE account = ? AND used_at = 0 AND expires_at > ?`,
			c.Account[:], ms(now)).Scan(&n); err != nil {
			return fmt.Errorf("count coupling codes: %w", err)
		}
		if n >= maxCodes {
			return refuse(CodeTooMany, "withdraw some, or wait until they end", "there are %d codes that were not used yet", n)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO coupling_codes (code, account, id, till_name, created_at, created_by, expires_at, failures, used_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)`, hash, c.Account[:], id[:], tillName, ms(now), c.By(), ms(made.Expires)); err != nil {
			return fmt.Errorf("make a coupling code: %w", err)
		}
		return a.note(ctx, tx, c.Account, act{Act: ActCodeMade, By: c.By(), Subject: tillName})
	})
	return made, err
}

// Codes lists the codes of the caller's account, the newest first. Those that ended are listed for a day.
func (a *Accounts) Codes(ctx context.Context, c Caller) (out []CouplingCode, err error) {
	if err := c.Need(RightManage); err != nil {
		return nil, err
	}
	err = a.rows(ctx, `SELECT id, till_name, created_at, created_by, expires_at, failures, used_at, till FROM coupling_codes
		WHERE account = ? ORDER BY created_at DESC, id LIMIT 1000`, []any{c.Account[:]}, func(rows *sql.Rows) error {
		var k CouplingCode
		var id, till []byte
		var created, expires, used int64
		if err := rows.Scan(&id, &k.TillName, &created, &k.CreatedBy, &expires, &k.Failures, &used, &till); err != nil {
			return err
		}
		k.Created, k.Expires, k.Used = at(created), at(expires), at(used)
		copy(k.Till[:], till)
		out = append(out, k)
		return objectID(&out[len(out)-1].ID, id)
	})
	return out, err
}

// WithdrawCode makes a code of the caller's account useless.
func (a *Accounts) WithdrawCode(ctx context.Context, c Caller, id crdt.ObjectID) error {
	if err := c.Need(RightManage); err != nil {
		return err
	}
	return a.write(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `DELETE FROM coupling_codes WHERE account = ? AND id = ? AND used_at = 0`, c.Account[:], id[:])
		if err != nil {
			return fmt.Errorf("withdraw a coupling code: %w", err)
		}
		if err := one(res, "code that was not used"); err != nil {
			return err
		}
		return a.note(ctx, tx, c.Account, act{Act: ActCodeDropped, By: c.By(), Subject: id.String()})
	})
}

// code is a code that can be used.
type code struct {
	hash    []byte
	account crdt.ObjectID
}

// findCode looks up a code that somebody typed for a till of this name, counting the attempt by address, and by code if
// it is another till's.
func (a *Accounts) findCode(ctx context.Context, typed, tillName string, from netip.Addr) (found code, done func(*database.Tx) error, err error) {
	if err := a.hasher.busy(); err != nil {
		return found, nil, err
	}
	by := addressSubject("code", perAddress, from)
	if err := a.attempt(ctx, by); err != nil {
		return found, nil, err
	}
	plain, ok := coupling.ParseCode(typed)
	if !ok {
		return found, nil, refuse(CodeCoupling, "a code has 8 letters and digits, such as 7K3M-9QXA", "this is not a coupling code")
	}
	if found.hash, err = a.codeHash(ctx, plain); err != nil {
		return found, nil, err
	}
	var account []byte
	var name string
	err = a.row(ctx, func(scan func(...any) error) error { return scan(&account, &name) },
		`SELECT account, till_name FROM coupling_codes WHERE code = ? AND used_at = 0 AND expires_at > ? AND failures < ?`,
		found.hash, ms(a.now()), maxCodeFailures)
	if errors.Is(err, sql.ErrNoRows) {
		return found, nil, refuse(CodeCoupling, "make a new one at the cloud; a code counts once and for 15 minutes", "this code is not known, was used, or is too old")
	}
	if err != nil {
		return found, nil, fmt.Errorf("look up a coupling code: %w", err)
	}
	if foldName(strings.TrimSpace(name)) != foldName(strings.TrimSpace(tillName)) {
		if err := a.exec(ctx, `UPDATE coupling_codes SET failures = failures + 1 WHERE code = ?`, found.hash); err != nil {
			return found, nil, fmt.Errorf("count the use of a coupling code: %w", err)
		}
		return found, nil, refuse(CodeOtherTill, "type it at that till, or make a code for this one", "this code is for the till %q, and this one is called %q", name, clip(tillName))
	}
	done = func(tx *database.Tx) error {
		_, err := a.succeeded(ctx, tx, by)
		return err
	}
	return found, done, objectID(&found.account, account)
}

func clip(s string) string {
	if len(s) <= 80 {
		return s
	}
	return strings.ToValidUTF8(s[:80], "") + "…"
}
