package verify_test

import (
	"flag"
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	verifier "github.com/tillmesh/tillmesh/crdt/receipt/verify"
	"github.com/tillmesh/tillmesh/node/backup/backuptest"
	"github.com/tillmesh/tillmesh/node/verify"
)

func TestAStoreIsVerified(t *testing.T) {
	till := backuptest.Found(t, "", 3)
	till.Sell(300) // more than two blocks
	other := till.Admit("", "K2", "Bar")
	other.Sell(5)
	till.Pull(other)
	r := run(t, verify.Store{Rows: till.Store})
	require.True(t, r.OK(), "%+v", r.Findings)
	require.EqualValues(t, 305, r.Documents)
	require.Len(t, r.Series, 2)

	till.Skip()
	till.Sell(1)
	r = run(t, verify.Store{Rows: till.Store})
	require.Contains(t, found(r), "gap "+till.Prefix+"-000301")
}

var receipts = flag.Int("receipts", 20_000, "how many receipts the store of BenchmarkStore has")

// BenchmarkStore verifies receipts as a till holds them, on a real disk. A million: -receipts 1000000 -benchtime 1x.
func BenchmarkStore(b *testing.B) {
	b.Run(fmt.Sprint(*receipts), func(b *testing.B) {
		till := backuptest.Found(b, b.TempDir(), 3)
		for left := *receipts; left > 0; left -= 10_000 {
			till.Sell(min(left, 10_000))
		}
		runtime.GC()
		highest := heap()
		o := verifier.Options{Progress: func(verifier.Progress) { highest = max(highest, heap()) }}
		b.ResetTimer()
		began := time.Now()
		for range b.N {
			r, err := verifier.Run(b.Context(), verify.Store{Rows: till.Store}, o)
			require.NoError(b, err)
			require.True(b, r.OK(), "%+v", r.Findings)
			require.EqualValues(b, *receipts, r.Documents)
		}
		b.ReportMetric(float64(*receipts*b.N)/time.Since(began).Seconds(), "receipts/s")
		b.ReportMetric(float64(highest)/1e6, "MB-heap")
	})
}

// heap returns the bytes of the Go heap in use, garbage included.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
