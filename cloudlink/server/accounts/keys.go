package accounts

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

const maxKeys = 100 // of one account that count

// Key is an API key of a program.
type Key struct {
	ID        crdt.ObjectID
	Name      string
	Rights    []Right
	Created   time.Time
	CreatedBy string
	Seen      time.Time // to the minute, zero if it was never used
	Revoked   time.Time // zero if it counts
}

// MadeKey is a new key. Token is shown here and never again.
type MadeKey struct {
	Key
	Token string
}

// CreateKey makes a key with rights of [KeyRights]. Refusals: [CodeRight], [CodeLabel], [CodeTooMany].
func (a *Accounts) CreateKey(ctx context.Context, c Caller, name string, rights []Right) (MadeKey, error) {
	if err := c.Need(RightManage); err != nil {
		return MadeKey{}, err
	}
	name, err := label("the name of the key", name, maxLabel)
	if err != nil {
		return MadeKey{}, err
	}
	rights = slices.Compact(slices.Sorted(slices.Values(rights)))
	var texts []string
	for _, r := range rights {
		if !slices.Contains(KeyRights, r) {
			return MadeKey{}, refuse(CodeRight, "give it some of read, write, archive", "a key cannot have the right %.30q", string(r))
		}
		texts = append(texts, string(r))
	}
	if len(rights) == 0 {
		return MadeKey{}, refuse(CodeRight, "give it some of read, write, archive", "a key without rights is of no use")
	}
	id, err := a.newID()
	if err != nil {
		return MadeKey{}, err
	}
	token, stored, err := a.newToken(keyPrefix, c.Account)
	if err != nil {
		return MadeKey{}, err
	}
	now := a.now()
	err = a.write(ctx, func(tx *database.Tx) error {
		var n int
		if err := tx.QueryRow(ctx, `SELECT count(*) FROM api_keys WHERE account = ? AND revoked_at = 0`, c.Account[:]).Scan(&n); err != nil {
			return fmt.Errorf("count API keys: %w", err)
		}
		if n >= maxKeys {
			return refuse(CodeTooMany, "revoke one that is not used any more", "there are %d keys already", n)
		}
		if _, err := tx.Exec(ctx, `INSERT INTO api_keys (account, api_key, token, name, rights, created_at, created_by, seen_at, revoked_at)
			VALUES (?, ?, ?, ?, ?, ?, ?, 0, 0)`, c.Account[:], id[:], stored, name, strings.Join(texts, " "), ms(now), c.By()); err != nil {
			return fmt.Errorf("make an API key: %w", err)
		}
		return a.note(ctx, tx, c.Account, act{Act: ActKeyMade, By: c.By(), Subject: name, Detail: strings.Join(texts, " ")})
	})
	if err != nil {
		return MadeKey{}, err
	}
	return MadeKey{Key{ID: id, Name: name, Rights: rights, Created: at(ms(now)), CreatedBy: c.By()}, token}, nil
}

// Keys lists the keys of the caller's account, revoked ones too, the newest first.
func (a *Accounts) Keys(ctx context.Context, c Caller) (out []Key, err error) {
	if err := c.Need(RightManage); err != nil {
		return nil, err
	}
	err = a.rows(ctx, `SELECT api_key, name, rights, created_at, created_by, seen_at, revoked_at FROM api_keys WHERE account = ?
		ORDER BY created_at DESC, api_key LIMIT 1000`, []any{c.Account[:]}, func(rows *sql.Rows) error {
		var k Key
		var id []byte
		var rights string
		var created, seen, revoked int64
		if err := rows.Scan(&id, &k.Name, &rights, &created, &k.CreatedBy, &seen, &revoked); err != nil {
			return err
		}
		for _, r := range strings.Fields(rights) {
			k.Rights = append(k.Rights, Right(r))
		}
		k.Created, k.Seen, k.Revoked = at(created), at(seen), at(revoked)
		out = append(out, k)
		return objectID(&out[len(out)-1].ID, id)
	})
	return out, err
}

// RevokeKey makes a key of the caller's account useless, at once. Once revoked it stays so.
func (a *Accounts) RevokeKey(ctx context.Context, c Caller, id crdt.ObjectID) error {
	if err := c.Need(RightManage); err != nil {
		return err
	}
	return a.write(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `UPDATE api_keys SET revoked_at = CASE WHEN revoked_at = 0 THEN ? ELSE revoked_at END
			WHERE account = ? AND api_key = ?`, ms(a.now()), c.Account[:], id[:])
		if err != nil {
			return fmt.Errorf("revoke an API key: %w", err)
		}
		if err := one(res, "API key"); err != nil {
			return err
		}
		return a.note(ctx, tx, c.Account, act{Act: ActKeyRevoked, By: c.By(), Subject: id.String()})
	})
}
