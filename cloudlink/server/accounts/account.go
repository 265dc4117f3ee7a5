package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/crdt"
)

// Role says what somebody is to an account. Staff, accountant, partner and support come later.
type Role string

// RoleOwner may do everything.
const RoleOwner Role = "owner"

// Account is one account.
type Account struct {
	ID      crdt.ObjectID
	Name    string
	Role    Role
	Created time.Time
	Changed time.Time // of the password
}

// NewAccount is what an account is made of.
type NewAccount struct {
	Name     string
	Password string
	From     netip.Addr // who asks; counted
}

// Create makes an account. Refusals: [CodeName], [CodePassword] with all rules, [CodeNameTaken], [CodeAttempts] when one
// address makes many.
func (a *Accounts) Create(ctx context.Context, n NewAccount) (Account, error) {
	name, err := ParseName(n.Name)
	if err != nil {
		return Account{}, err
	}
	if err := checkNew(n.Password, name.Shown); err != nil {
		return Account{}, err
	}
	if err := a.hasher.busy(); err != nil {
		return Account{}, err
	}
	if err := a.attempt(ctx, addressSubject("create", perMaker, n.From)); err != nil {
		return Account{}, err
	}
	taken := refuse(CodeNameTaken, "choose another name, or sign in if it is yours", "there is an account with this name already")
	if _, err := a.secret(ctx, name.Key); err == nil {
		return Account{}, taken
	} else if !errors.Is(err, sql.ErrNoRows) {
		return Account{}, err
	}
	hash, err := a.hashNew(ctx, n.Password)
	if err != nil {
		return Account{}, err
	}
	id, err := a.newID()
	if err != nil {
		return Account{}, err
	}
	now := a.now()
	err = a.write(ctx, func(tx *database.Tx) error {
		res, err := tx.Exec(ctx, `INSERT INTO accounts (account, name, folded, password, role, created_at, changed_at)
			VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (folded) DO NOTHING`, id[:], name.Shown, name.Key, hash, string(RoleOwner), ms(now), ms(now))
		if err != nil {
			return fmt.Errorf("make the account: %w", err)
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 { // another server or request was first
			return errors.Join(err, taken)
		}
		return a.note(ctx, tx, id, act{Act: ActCreated, By: name.Shown})
	})
	if err != nil {
		return Account{}, err
	}
	return Account{ID: id, Name: name.Shown, Role: RoleOwner, Created: at(ms(now)), Changed: at(ms(now))}, nil
}

func checkNew(password, name string) error {
	check := CheckPassword(password, name)
	if check.OK() {
		return nil
	}
	r := refuse(CodePassword, "", "the password does not keep all rules")
	r.Rules = check.Rules
	for _, rule := range check.Rules {
		if !rule.Met {
			r.Next = "it needs: " + rule.Text
			break
		}
	}
	return r
}

func (a *Accounts) hashNew(ctx context.Context, password string) (string, error) {
	salt, err := a.bytes(saltSize)
	if err != nil {
		return "", err
	}
	return a.hasher.encode(ctx, password, salt)
}

// secret is an account with its password hash.
type secret struct {
	Account
	password string
}

// secret looks an account up by its folded name; sql.ErrNoRows if there is none.
func (a *Accounts) secret(ctx context.Context, folded string) (s secret, err error) {
	err = a.row(ctx, func(scan func(...any) error) (err error) {
		s, err = scanSecret(scan)
		return err
	}, `SELECT `+accountColumns+` FROM accounts WHERE folded = ?`, folded)
	return s, err
}

const accountColumns = `account, name, role, created_at, changed_at, password`

// accountIn looks an account up by its ID in a transaction.
func accountIn(ctx context.Context, tx *database.Tx, id crdt.ObjectID) (Account, error) {
	s, err := scanSecret(tx.QueryRow(ctx, `SELECT `+accountColumns+` FROM accounts WHERE account = ?`, id[:]).Scan)
	return s.Account, err
}

func scanSecret(scan func(...any) error) (s secret, err error) {
	var id []byte
	var created, changed int64
	if err := scan(&id, &s.Name, &s.Role, &created, &changed, &s.password); err != nil {
		return s, fmt.Errorf("look up an account: %w", err)
	}
	s.Created, s.Changed = at(created), at(changed)
	return s, objectID(&s.ID, id)
}

func objectID(into *crdt.ObjectID, b []byte) error {
	if len(b) != len(into) {
		return fmt.Errorf("an ID in the database has %d bytes, want %d", len(b), len(into))
	}
	copy(into[:], b)
	return nil
}

// Account returns the account of a caller.
func (a *Accounts) Account(ctx context.Context, c Caller) (out Account, err error) {
	err = a.db.View(ctx, func(tx *database.Tx) (err error) {
		out, err = accountIn(ctx, tx, c.Account)
		return err
	})
	return out, err
}
