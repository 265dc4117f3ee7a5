package found_test

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/backup/found"
)

func sampleMark() found.Mark {
	return found.Mark{By: "Jule", At: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), From: crdt.TillID{5}, Place: "/srv/found", ID: crdt.Hash{7},
		Commits: 9, Receipts: 4, Numbers: []found.Numbers{{Prefix: "K5", First: 51, Last: 54}}, Sums: []found.Sum{{Currency: "EUR", Receipts: 4, Total: 2460}}}
}

// The mark keeps its bytes.
func TestMarkGolden(t *testing.T) {
	want, err := os.ReadFile("testdata/mark.v1.hex")
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), hex.EncodeToString(sampleMark().Encode()))
}

// FuzzMark reads any bytes as a mark: refused, or read as the same again once it is written.
func FuzzMark(f *testing.F) {
	f.Add(sampleMark().Encode())
	f.Add(found.Mark{}.Encode())
	f.Add([]byte{0x9a, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := found.DecodeMark(b)
		if err != nil {
			return
		}
		again, err := found.DecodeMark(m.Encode())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
