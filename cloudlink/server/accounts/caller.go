package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Right is something that a caller may do.
type Right string

// The rights. A session of the owner has all; an API key has those it was given, never RightManage.
const (
	RightRead    Right = "read"    // shops, tills, receipts, closings, articles, the archive's checkpoints and proofs
	RightWrite   Right = "write"   // change articles
	RightArchive Right = "archive" // exports, reports, legal holds
	RightManage  Right = "manage"  // password, sessions, keys, codes, coupling, revoking tills
)

// KeyRights are the rights that an API key can have.
var KeyRights = []Right{RightRead, RightWrite, RightArchive}

// Caller is who makes a request: always for one account.
type Caller struct {
	Account crdt.ObjectID
	Name    string // of the account
	Role    Role
	Rights  []Right
	Session crdt.ObjectID // zero for an API key
	Key     crdt.ObjectID // zero for a session
	Label   string        // of the session, or name of the key
}

// May reports whether the caller has a right.
func (c Caller) May(r Right) bool { return slices.Contains(c.Rights, r) }

// Need refuses with [CodeRight] if the caller does not have the right.
func (c Caller) Need(r Right) error {
	if c.May(r) {
		return nil
	}
	return refuse(CodeRight, "sign in with the account's password, or use a key with this right", "this needs the right %q", string(r))
}

// By returns who that is, for records.
func (c Caller) By() string {
	if !c.Key.IsZero() {
		return "key " + c.Label
	}
	return "session " + c.Label
}

// seenEvery bounds how often it is stored that a session, key or till was seen.
const seenEvery = time.Minute

var ownerRights = []Right{RightRead, RightWrite, RightArchive, RightManage}

// Authenticate returns who has a token. [CodeUnauthorized] if nobody has, whatever the reason.
func (a *Accounts) Authenticate(ctx context.Context, token string) (Caller, error) {
	prefix, account, ok := tokenAccount(token)
	if !ok {
		return Caller{}, unauthorized()
	}
	c := Caller{Account: account}
	var err error
	if prefix == sessionPrefix {
		err = a.bySession(ctx, &c, token)
	} else {
		err = a.byKey(ctx, &c, token)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return Caller{}, unauthorized()
	}
	if err != nil {
		return Caller{}, fmt.Errorf("look up a token: %w", err)
	}
	return c, nil
}

func unauthorized() error {
	return refuse(CodeUnauthorized, `sign in with POST /api/v1/sessions and send "Authorization: Bearer TOKEN"`, "the token is missing, wrong, or does not count any more")
}

func (a *Accounts) bySession(ctx context.Context, c *Caller, token string) error {
	now := a.now()
	var id []byte
	var seen int64
	err := a.row(ctx, func(scan func(...any) error) error { return scan(&id, &c.Label, &seen, &c.Name, &c.Role) },
		`SELECT s.session, s.label, s.seen_at, a.name, a.role FROM sessions s JOIN accounts a ON a.account = s.account
		WHERE s.account = ? AND s.token = ? AND s.expires_at > ?`, c.Account[:], tokenHash(token), ms(now))
	if err != nil {
		return err
	}
	if c.Role == RoleOwner {
		c.Rights = ownerRights
	}
	if err := objectID(&c.Session, id); err != nil || now.Sub(at(seen)) < seenEvery {
		return err
	}
	return a.exec(ctx, `UPDATE sessions SET seen_at = ? WHERE account = ? AND session = ?`, ms(now), c.Account[:], id)
}

func (a *Accounts) byKey(ctx context.Context, c *Caller, token string) error {
	now := a.now()
	var id []byte
	var rights string
	var seen int64
	err := a.row(ctx, func(scan func(...any) error) error { return scan(&id, &c.Label, &rights, &seen, &c.Name, &c.Role) },
		`SELECT k.api_key, k.name, k.rights, k.seen_at, a.name, a.role FROM api_keys k JOIN accounts a ON a.account = k.account
		WHERE k.account = ? AND k.token = ? AND k.revoked_at = 0`, c.Account[:], tokenHash(token))
	if err != nil {
		return err
	}
	for _, r := range strings.Fields(rights) {
		if slices.Contains(KeyRights, Right(r)) {
			c.Rights = append(c.Rights, Right(r))
		}
	}
	if err := objectID(&c.Key, id); err != nil || now.Sub(at(seen)) < seenEvery {
		return err
	}
	return a.exec(ctx, `UPDATE api_keys SET seen_at = ? WHERE account = ? AND api_key = ?`, ms(now), c.Account[:], id)
}
