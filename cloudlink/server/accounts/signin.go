package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"

	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// Credentials are what somebody signs in with.
type Credentials struct {
	Name     string
	Password string
	Label    string     // of the session, for the list: "Kasse 2", "Firefox on Linux"
	From     netip.Addr // who asks; counted
}

// prove checks a password, counting the attempt. It does the same work whether there is such an account or not.
// done must be called in the transaction that follows a right one.
func (a *Accounts) prove(ctx context.Context, folded, password string, from netip.Addr) (s secret, done func(*database.Tx) (int, error), err error) {
	if err := a.hasher.busy(); err != nil {
		return s, nil, err
	}
	subjects := []subject{nameSubject(folded), addressSubject("address", perAddress, from)}
	if err := a.attempt(ctx, subjects...); err != nil {
		return s, nil, err
	}
	if s, err = a.secret(ctx, folded); err != nil && !errors.Is(err, sql.ErrNoRows) {
		return s, nil, err
	}
	right, outdated := false, false
	if len(password) <= 4*maxPasswordBytes {
		if right, outdated, err = a.hasher.verify(ctx, password, s.password); err != nil {
			return s, nil, err
		}
	}
	if !right {
		return s, nil, refuse(CodeSignIn, "check both; upper and lower case letters are different in the password", "the name or the password is wrong")
	}
	anew := ""
	if outdated {
		if anew, err = a.hashNew(ctx, password); err != nil {
			return s, nil, err
		}
	}
	return s, func(tx *database.Tx) (int, error) {
		if anew != "" {
			if _, err := tx.Exec(ctx, `UPDATE accounts SET password = ? WHERE account = ? AND password = ?`, anew, s.ID[:], s.password); err != nil {
				return 0, fmt.Errorf("store the password with present parameters: %w", err)
			}
		}
		return a.succeeded(ctx, tx, subjects...)
	}, nil
}

// SignIn opens a session. Refusals: [CodeSignIn], which is the same for a wrong name and a wrong password, and
// [CodeAttempts].
func (a *Accounts) SignIn(ctx context.Context, c Credentials) (Opened, error) {
	labelled, err := label("the name of the session", c.Label, maxLabel)
	if err != nil {
		return Opened{}, err
	}
	name, err := ParseName(c.Name)
	if err != nil {
		name.Key = "no name" // no account has it; the answer is the one of any wrong name
	}
	s, done, err := a.prove(ctx, name.Key, c.Password, c.From)
	if err != nil {
		return Opened{}, err
	}
	var out Opened
	err = a.write(ctx, func(tx *database.Tx) error {
		failed, err := done(tx)
		if err != nil {
			return err
		}
		if out, err = a.open(ctx, tx, s.Account, labelled); err != nil {
			return err
		}
		detail := ""
		if failed > 0 {
			detail = fmt.Sprintf("after %d wrong passwords", failed)
		}
		return a.note(ctx, tx, s.ID, act{Act: ActSignedIn, By: s.Name, Subject: labelled, Detail: detail})
	})
	return out, err
}

// ChangePassword sets a new password and ends all other sessions of the account. API keys stay. Refusals: [CodeSignIn] if
// the present one is wrong, [CodePassword], [CodeAttempts], [CodeRight].
func (a *Accounts) ChangePassword(ctx context.Context, c Caller, present, next string, from netip.Addr) error {
	if err := c.Need(RightManage); err != nil {
		return err
	}
	name, err := ParseName(c.Name)
	if err != nil {
		return err
	}
	if err := checkNew(next, name.Shown); err != nil {
		return err
	}
	s, done, err := a.prove(ctx, name.Key, present, from)
	if err != nil {
		return err
	}
	hash, err := a.hashNew(ctx, next)
	if err != nil {
		return err
	}
	return a.write(ctx, func(tx *database.Tx) error {
		if _, err := done(tx); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `UPDATE accounts SET password = ?, changed_at = ? WHERE account = ?`, hash, ms(a.now()), s.ID[:]); err != nil {
			return fmt.Errorf("store the password: %w", err)
		}
		if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE account = ? AND session <> ?`, s.ID[:], c.Session[:]); err != nil {
			return fmt.Errorf("end the other sessions: %w", err)
		}
		return a.note(ctx, tx, s.ID, act{Act: ActPassword, By: c.By()})
	})
}
