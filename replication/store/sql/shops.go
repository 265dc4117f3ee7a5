package sql

import (
	"context"
	"database/sql"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/sql/dialect"
)

// Database is an open database with the tables of many shops:
//
//	rows (shop, key, value)  primary key (shop, key), all bytes
//	seats (shop, epoch, …)   primary key shop: see [ShopOptions]
type Database struct {
	Dialect dialect.Dialect
	// Write has connections whose transactions may write at once (on SQLite one, that begins them IMMEDIATE), Read those of
	// readers. Both may be the same pool on PostgreSQL.
	Write, Read *sql.DB
}

// Shops gives the stores of the shops in one database. It is safe for concurrent use; a store costs some hundred bytes.
type Shops struct {
	table table
	group *group
}

// OpenShops prepares the statements that all stores share.
func OpenShops(ctx context.Context, d Database) (*Shops, error) {
	s := &Shops{table: table{dialect: d.Dialect, write: d.Write, read: d.Read, statements: shopStatements(d.Dialect)}}
	if d.Dialect == dialect.SQLite {
		s.group = &group{table: &s.table}
	}
	if err := s.table.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close gives the statements back, not the database. The stores must be closed before.
func (s *Shops) Close() error { return s.table.close() }

// ShopOptions names the store of a shop.
type ShopOptions struct {
	Shop crdt.ShopID

	// Epoch is the number under which this server holds the seat of the shop. Every commit looks into table seats, within its
	// own transaction, and keeps the row from being changed until it ended. Is there another number, the commit changes
	// nothing and ends with rows.ErrFenced. So a server that takes the seat waits for commits under way, and none comes after.
	Epoch int64

	// Beside, if not nil, runs at the end of the transaction of every commit that writes something. What it writes is
	// committed with the rows or not at all; its error undoes both and is returned by Commit. It may run more than once for one
	// commit, must not call the store, and must write only what belongs to this commit: on SQLite, commits of other shops
	// may share the transaction, each behind a savepoint.
	Beside func(ctx context.Context, tx *sql.Tx) error
}

// Open returns the store of a shop. It does no I/O. The caller holds the seat, and opens it once at a time.
func (s *Shops) Open(o ShopOptions) *Store {
	return &Store{
		table:  &s.table,
		args:   []any{o.Shop[:]},
		seat:   &seat{shop: o.Shop, epoch: o.Epoch, dialect: s.table.dialect},
		beside: o.Beside,
		group:  s.group,
		end:    func() error { return nil },
	}
}
