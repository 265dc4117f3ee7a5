package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Shop is a shop that is coupled with an account.
type Shop struct {
	ID        crdt.ShopID
	Account   crdt.ObjectID
	Name      string // at coupling
	Coupled   time.Time
	CoupledBy string
}

func scanShop(scan func(...any) error) (s Shop, err error) {
	var id, account []byte
	var coupled int64
	if err := scan(&id, &account, &s.Name, &coupled, &s.CoupledBy); err != nil {
		return s, err
	}
	copy(s.ID[:], id)
	s.Coupled = at(coupled)
	return s, objectID(&s.Account, account)
}

func noShop() error {
	return refuse(CodeNoShop, "GET /api/v1/shops lists those it has", "this account has no such shop")
}

// Shops lists the shops of the caller's account by their IDs.
func (a *Accounts) Shops(ctx context.Context, c Caller) (out []Shop, err error) {
	if err := c.Need(RightRead); err != nil {
		return nil, err
	}
	err = a.rows(ctx, `SELECT shop, account, name, coupled_at, coupled_by FROM shops WHERE account = ? ORDER BY shop`, []any{c.Account[:]},
		func(rows *sql.Rows) error {
			s, err := scanShop(rows.Scan)
			out = append(out, s)
			return err
		})
	return out, err
}

// Shop returns a shop of the caller's account; [CodeNoShop] for all others, whether they exist or not.
func (a *Accounts) Shop(ctx context.Context, c Caller, id crdt.ShopID) (Shop, error) {
	s, err := a.ShopOf(ctx, id)
	if r, ok := errors.AsType[*Refusal](err); ok && r.Code == CodeNotCoupled || err == nil && s.Account != c.Account {
		return Shop{}, noShop()
	}
	return s, err
}

// ShopOf returns a coupled shop, for those who act for no account; [CodeNotCoupled] if it is not.
func (a *Accounts) ShopOf(ctx context.Context, id crdt.ShopID) (Shop, error) {
	var s Shop
	err := a.row(ctx, func(scan func(...any) error) (err error) {
		s, err = scanShop(scan)
		return err
	}, `SELECT shop, account, name, coupled_at, coupled_by FROM shops WHERE shop = ?`, id[:])
	if errors.Is(err, sql.ErrNoRows) {
		return Shop{}, notCoupled()
	}
	if err != nil {
		return Shop{}, fmt.Errorf("look up a shop: %w", err)
	}
	return s, nil
}
