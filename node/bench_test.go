package node_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
)

// BenchmarkAddLine is what a line costs on one till, from the use case to the disk.
func BenchmarkAddLine(b *testing.B) {
	till := run(b, found(b))
	stock(b, till)
	tab := func() node.TabView {
		v, err := till.OpenTab(b.Context(), node.NewTab{Shared: true})
		require.NoError(b, err)
		return v
	}
	b.Run("one seller", func(b *testing.B) {
		v, n := tab(), 0
		for b.Loop() {
			if n++; n%50 == 0 {
				v = tab()
			}
			_, _, err := till.AddLines(b.Context(), v.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
			require.NoError(b, err)
		}
	})
	b.Run("64 sellers", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(p *testing.PB) {
			v, n := tab(), 0
			for p.Next() {
				if n++; n%50 == 0 {
					v = tab()
				}
				_, _, err := till.AddLines(b.Context(), v.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
				require.NoError(b, err)
			}
		})
	})
}
