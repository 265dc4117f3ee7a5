package node_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
)

// BenchmarkClosing is what an interim report and a closing cost over so many receipts, and how long others wait for it.
func BenchmarkClosing(b *testing.B) {
	till := run(b, found(b))
	stock(b, till)
	n := 0
	for _, receipts := range []int{100, 5000} {
		for ; n < receipts; n++ {
			sellCups(b, till, 1+n%5, []string{"Bar", "ECKarte"}[n%2])
		}
		b.Run(fmt.Sprintf("X over %d receipts", receipts), func(b *testing.B) {
			for b.Loop() {
				_, err := till.Interim(b.Context())
				require.NoError(b, err)
			}
		})
	}
	b.Run("Z over 5000 receipts, once", func(b *testing.B) { // a second one would be over none
		if n == 0 {
			return
		}
		n = 0
		begin := time.Now()
		z, err := till.CloseTill(b.Context(), node.NewClosing{Counted: amountOf(100_000), Why: "Probe", Float: amountOf(20_000)})
		require.NoError(b, err)
		require.EqualValues(b, 5000, z.Report.Sums.Counts.Receipts-2)
		b.Logf("%v for the count, two movements of cash, the closing and the float", time.Since(begin))
	})
}
