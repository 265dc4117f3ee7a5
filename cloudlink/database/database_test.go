package database_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
)

func TestTheInstallationStays(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			first := databasetest.Open(t, o).Installation()
			require.Len(t, first.Key, 64)
			require.False(t, first.ID.IsZero())
			require.False(t, first.Created.IsZero())
			require.Equal(t, first, databasetest.Open(t, o).Installation())
			require.NotEqual(t, first.ID, databasetest.Open(t, e.New(t)).Installation().ID)
		})
	}
}

// TestAmong: a list in a condition means the same on every engine, of whatever length.
func TestAmong(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			db := databasetest.Open(t, e.New(t))
			require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
				for i := range 5 {
					if _, err := tx.Exec(t.Context(), `INSERT INTO archive_erased (account, shop, type, object) VALUES (?, ?, ?, ?)`,
						[]byte{1}, []byte{2}, "card", []byte{byte(i)}); err != nil {
						return err
					}
				}
				for want, list := range map[int][][]byte{0: {{9}}, 1: {{4}}, 2: {{0}, {3}, {7}, {3}}} {
					among, args := tx.Dialect().Among(list)
					var n int
					if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM archive_erased WHERE account = ? AND object `+among,
						append([]any{[]byte{1}}, args...)...).Scan(&n); err != nil {
						return err
					}
					require.Equal(t, want, n)
				}
				return nil
			}))
		})
	}
}
