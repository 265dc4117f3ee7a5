package accounts

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// What follows is for the operator of the installation, who has its database: it asks for no caller, and no request may reach it.

// List lists accounts by their names as they are compared, at most limit. after is the name of the last one of the list before, empty at first.
func (a *Accounts) List(ctx context.Context, after string, limit int) (out []Account, err error) {
	folded := ""
	if after != "" {
		folded = foldName(strings.TrimSpace(after))
	}
	err = a.rows(ctx, `SELECT `+accountColumns+` FROM accounts WHERE folded > ? ORDER BY folded LIMIT ?`, []any{folded, limit}, func(rows *sql.Rows) error {
		s, err := scanSecret(rows.Scan)
		out = append(out, s.Account)
		return err
	})
	return out, err
}

// Named returns the account with a name. [CodeUnknown]: there is none; [CodeName]: it is no name.
func (a *Accounts) Named(ctx context.Context, text string) (Account, error) {
	name, err := ParseName(text)
	if err != nil {
		return Account{}, err
	}
	s, err := a.secret(ctx, name.Key)
	if errors.Is(err, sql.ErrNoRows) {
		return Account{}, refuse(CodeUnknown, `"cloud admin accounts" lists them`, "there is no account %q", name.Shown)
	}
	return s.Account, err
}

// IsNamed reports whether an account has this name, however it is spelled.
func (a *Accounts) IsNamed(ctx context.Context, account crdt.ObjectID, text string) (bool, error) {
	of, err := a.Account(ctx, Caller{Account: account})
	if err != nil {
		return false, err
	}
	return foldName(of.Name) == foldName(strings.TrimSpace(text)), nil
}

// ShopsOf lists the shops of an account by their IDs.
func (a *Accounts) ShopsOf(ctx context.Context, account crdt.ObjectID) ([]Shop, error) {
	return a.Shops(ctx, Caller{Account: account, Rights: []Right{RightRead}})
}
