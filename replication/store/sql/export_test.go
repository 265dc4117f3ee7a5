package sql

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// LimitPages makes the database full at a number of pages.
func (s *Store) LimitPages(t *testing.T, pages int) {
	t.Helper()
	_, err := s.table.write.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
	require.NoError(t, err)
}
