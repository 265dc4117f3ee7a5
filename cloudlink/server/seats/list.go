package seats

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// List returns the servers of this installation in the order of their start, with the silent ones that were not forgotten yet.
func List(ctx context.Context, db *database.DB) ([]Listed, error) {
	var list []Listed
	err := db.View(ctx, func(tx *database.Tx) (err error) {
		list = nil
		found, err := tx.Query(ctx, `SELECT server, address, started, `+db.Dialect().Now()+` - seen, `+silence(db)+`,
			(SELECT count(*) FROM seats WHERE seats.server = servers.server) FROM servers ORDER BY started, server`)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, found.Close()) }()
		for found.Next() {
			var l Listed
			var started, ago int64
			if err := found.Scan(&l.ID, &l.Address, &started, &ago, &l.Silent, &l.Seats); err != nil {
				return err
			}
			l.Started, l.Ago = time.UnixMilli(started).UTC(), time.Duration(ago)*time.Millisecond
			list = append(list, l)
		}
		return found.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list the servers: %w", err)
	}
	return list, nil
}
