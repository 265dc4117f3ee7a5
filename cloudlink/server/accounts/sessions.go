package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

const (
	// SessionTime is how long a session lasts.
	SessionTime = 30 * 24 * time.Hour
	maxSessions = 100 // of one account; the oldest ends when there is one more
)

// Session is one sign-in.
type Session struct {
	ID      crdt.ObjectID
	Label   string
	Created time.Time
	Seen    time.Time // to the minute
	Expires time.Time
}

// Opened is a new session. Token is shown here and never again.
type Opened struct {
	Session
	Account Account
	Token   string
}

// open adds a session.
func (a *Accounts) open(ctx context.Context, tx *database.Tx, account Account, labelled string) (Opened, error) {
	token, stored, err := a.newToken(sessionPrefix, account.ID)
	if err != nil {
		return Opened{}, err
	}
	id, err := a.newID()
	if err != nil {
		return Opened{}, err
	}
	now := a.now()
	if _, err := tx.Exec(ctx, `DELETE FROM sessions WHERE account = ? AND session IN
		(SELECT session FROM sessions WHERE account = ? ORDER BY created_at DESC, session LIMIT 1000 OFFSET ?)`,
		account.ID[:], account.ID[:], maxSessions-1); err != nil {
		return Opened{}, fmt.Errorf("end the oldest session: %w", err)
	}
	s := Session{ID: id, Label: labelled, Created: at(ms(now)), Seen: at(ms(now)), Expires: at(ms(now.Add(SessionTime)))}
	if _, err := tx.Exec(ctx, `INSERT INTO sessions (account, session, token, label, created_at, seen_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		account.ID[:], id[:], stored, labelled, ms(now), ms(now), ms(s.Expires)); err != nil {
		return Opened{}, fmt.Errorf("open a session: %w", err)
	}
	return Opened{Session: s, Account: account, Token: token}, nil
}

// Sessions lists the sessions of the caller's account that last, the newest first.
func (a *Accounts) Sessions(ctx context.Context, c Caller) (out []Session, err error) {
	if err := c.Need(RightManage); err != nil {
		return nil, err
	}
	err = a.rows(ctx, `SELECT session, label, created_at, seen_at, expires_at FROM sessions WHERE account = ? AND expires_at > ?
		ORDER BY created_at DESC, session`, []any{c.Account[:], ms(a.now())}, func(rows *sql.Rows) error {
		var s Session
		var id []byte
		var created, seen, expires int64
		if err := rows.Scan(&id, &s.Label, &created, &seen, &expires); err != nil {
			return err
		}
		s.Created, s.Seen, s.Expires = at(created), at(seen), at(expires)
		out = append(out, s)
		return objectID(&out[len(out)-1].ID, id)
	})
	return out, err
}

// SignOut ends the caller's own session.
func (a *Accounts) SignOut(ctx context.Context, c Caller) error {
	if c.Session.IsZero() {
		return refuse(CodeRight, "revoke the key instead", "an API key has no session to end")
	}
	return a.EndSession(ctx, c, c.Session)
}

// EndSession ends a session of the caller's account. [CodeUnknown] if it has none with this ID.
func (a *Accounts) EndSession(ctx context.Context, c Caller, id crdt.ObjectID) error {
	if err := c.Need(RightManage); err != nil {
		return err
	}
	return a.write(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `DELETE FROM sessions WHERE account = ? AND session = ?`, c.Account[:], id[:])
		if err != nil {
			return fmt.Errorf("end a session: %w", err)
		}
		if err := one(res, "session"); err != nil {
			return err
		}
		return a.note(ctx, tx, c.Account, act{Act: ActSignedOut, By: c.By(), Subject: id.String()})
	})
}

// one refuses with [CodeUnknown] if a statement changed nothing.
func one(res sql.Result, what string) error {
	n, err := res.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return refuse(CodeUnknown, "", "this account has no %s under this ID", what)
	}
	return nil
}
