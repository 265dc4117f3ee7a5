package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// seat is what lets this server write the rows of a shop; nil lets it always.
type seat struct {
	shop    crdt.ShopID
	epoch   int64
	dialect dialect.Dialect
}

// check returns rows.ErrFenced if the seat is lost. It keeps others from taking it until the transaction ends.
func (s *seat) check(ctx context.Context, tx *sql.Tx) error {
	if s == nil {
		return nil
	}
	var epoch int64
	err := tx.QueryRowContext(ctx, s.dialect.Rebind(`SELECT epoch FROM seats WHERE shop = ?`+s.dialect.ForShare()), s.shop[:]).Scan(&epoch)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return fmt.Errorf("%w: shop %v has no seat", rows.ErrFenced, s.shop)
	case err != nil:
		return fmt.Errorf("look at the seat of shop %v: %w", s.shop, err)
	case epoch != s.epoch:
		return fmt.Errorf("%w: the seat of shop %v is at epoch %d, this server holds %d", rows.ErrFenced, s.shop, epoch, s.epoch)
	}
	return nil
}

// lost says why rows were not set.
func (s *seat) lost(ctx context.Context, tx *sql.Tx) error {
	if err := s.check(ctx, tx); err != nil {
		return err
	}
	return fmt.Errorf("%w: rows of shop %v were not set although it holds its seat", rows.ErrCorrupt, s.shop)
}
