package accounts

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// shopBatch is how many shops one question is about.
const shopBatch = 500

// Revocations returns how many tills of each of some shops were cut off from the cloud; shops without any are left out. It is for a server
// that has sessions of many shops and asks often: who finds another number than before looks at [Accounts.Devices].
func (a *Accounts) Revocations(ctx context.Context, shops []crdt.ShopID) (map[crdt.ShopID]int, error) {
	out := make(map[crdt.ShopID]int)
	for len(shops) > 0 {
		n := min(len(shops), shopBatch)
		ids := make([][]byte, n)
		for i := range ids {
			ids[i] = shops[i][:]
		}
		among, args := a.db.Dialect().Among(ids)
		err := a.rows(ctx, `SELECT shop, count(*) FROM devices WHERE shop `+among+` AND revoked_at > 0 GROUP BY shop`, args,
			func(rows *sql.Rows) error {
				var id []byte
				var count int
				if err := rows.Scan(&id, &count); err != nil {
					return err
				}
				out[crdt.ShopID(id)] = count
				return nil
			})
		if err != nil {
			return nil, fmt.Errorf("look for tills that were cut off: %w", err)
		}
		shops = shops[n:]
	}
	return out, nil
}
