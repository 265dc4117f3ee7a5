package accounts

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/database"
)

// keepCodes is how long codes that ended are listed.
const keepCodes = 24 * time.Hour

// Sweep removes what ended: sessions, codes a day after their end, nonces, counts of attempts. Every server
// calls it now and then; it is harmless at any time.
func (a *Accounts) Sweep(ctx context.Context) error {
	now := a.now()
	for _, s := range []struct {
		query  string
		before time.Time
	}{
		{`DELETE FROM sessions WHERE expires_at <= ?`, now},
		{`DELETE FROM coupling_codes WHERE expires_at <= ?`, now.Add(-keepCodes)},
		{`DELETE FROM coupling_nonces WHERE expires_at <= ?`, now},
		{`DELETE FROM attempts WHERE last_at < ?`, now.Add(-forget)},
	} {
		if err := a.write(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, s.query, ms(s.before))
			return err
		}); err != nil {
			return fmt.Errorf("sweep accounts: %w", err)
		}
	}
	return nil
}
