//go:build bench

package scale

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/replication"
)

// storeRows measure a till with 100,000 articles and up to a million settled receipts: its audit, a closing, and the
// program from its start to the first sale.
func storeRows(t *testing.T, table *report) {
	marks := sized([]int{1000, 10_000, 100_000, 1_000_000}, []int{100, 1000})
	articles := sized(100_000, 1000)
	most := marks[len(marks)-1]
	shop := nodetest.New(t)
	till := shop.Found()
	require.NoError(t, till.API().PutTax(t.Context(), client.Tax{ID: taxID().String(), Names: map[string]string{"de": "ermäßigt"},
		Rates: []client.Rate{{From: priceDay, Rate: 700, Key: 2}}}))
	till.Stop()
	who, key := identity(t, till.Data)
	fill(t, till.Data, who, key, func(b *books) error { return b.stock(t, articles) })

	audits := plot{name: "audit", title: fmt.Sprintf("Audit of all rows, with %d articles", articles), x: "settled receipts", y: "seconds", curves: []curve{{label: "reading"}}}
	sweeps := plot{name: "close", title: "A closing with its sweep: the durable commit", x: "settled receipts", y: "ms", logX: true, curves: []curve{{label: "p50"}, {label: "p99"}}}
	starts := plot{name: "start", title: "From the start of the program", x: "settled receipts", y: "seconds",
		curves: []curve{{label: "first sale"}, {label: "first answer"}, {label: "engine open"}}}
	for _, mark := range marks {
		began := time.Now()
		var audit time.Duration
		fill(t, till.Data, who, key, func(b *books) error {
			if err := b.settleUntil(t.Context(), mark, most); err != nil {
				return err
			}
			t.Logf("%d receipts are there after %v", mark, time.Since(began).Round(time.Second))
			audit = b.audit(t)
			return nil
		})
		start := measureStart(t, till)
		b, opened, err := openBooks(t.Context(), till.Data, who, key)
		require.NoError(t, err)
		closings := b.closings(t)
		require.NoError(t, b.close())
		count, err := tables(filepath.Join(till.Data, "store"))
		require.NoError(t, err)

		p50, p99 := figures.Percentile(closings, 50), figures.Percentile(closings, 99)
		table.add(fmt.Sprintf("store: %d articles, %d settled receipts (%s, %d tables)", articles, mark, figures.Megabytes(sizeOf(t, till.Data)), count), "", "")
		table.add("  audit of all rows", figures.Duration(audit)+" of reading", "twice as long beside work: it rests as long as it reads")
		table.add("  a closing with its sweep, durable: p50 / p99", figures.Duration(p50)+" / "+figures.Duration(p99), "the same with any number")
		table.add("  start of the program to its first answer / to the first receipt", figures.Duration(start.answers)+" / "+figures.Duration(start.sold),
			fmt.Sprintf("of that the engine opens in %s", figures.Duration(opened)))
		table.add("  memory at rest after it: all / without mapped files", figures.Megabytes(start.resident)+" / "+figures.Megabytes(start.own), "-")
		x := float64(mark)
		audits.add(0, x, audit.Seconds())
		sweeps.add(0, x, p50.Seconds()*1e3)
		sweeps.add(1, x, p99.Seconds()*1e3)
		starts.add(0, x, start.sold.Seconds())
		starts.add(1, x, start.answers.Seconds())
		starts.add(2, x, opened.Seconds())
	}
	audits.draw(t)
	sweeps.draw(t)
	starts.draw(t)
}

// identity reads who a data directory belongs to.
func identity(t *testing.T, dir string) (who node.Identity, key ed25519.PrivateKey) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &who))
	b, err = os.ReadFile(filepath.Join(dir, "device.key"))
	require.NoError(t, err)
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return who, ed25519.NewKeyFromSeed(seed)
}

// stock writes articles as an import does.
func (b *books) stock(t *testing.T, articles int) error {
	n := 0
	return b.write(t.Context(), func() (op replication.Op, more bool, err error) {
		if n >= articles {
			return op, false, nil
		}
		err = batches(n, min(articles, n+crdt.MaxObjects), func(pieces []crdt.Piece) error {
			op, err = b.own(crdt.Catalog, time.Now(), pieces)
			return err
		})
		n += crdt.MaxObjects
		return op, true, err
	})
}

// audit reads all rows of articles and sales and returns how long that took. The store must be whole.
func (b *books) audit(t *testing.T) time.Duration {
	t.Helper()
	began := time.Now()
	for _, scope := range []crdt.Scope{crdt.Catalog, crdt.Sales} {
		for first, done := true, false; !done; first = false {
			f, err := b.guard.Audit(t.Context(), replication.AuditRead{What: replication.ReadRows, Scope: scope, First: first})
			require.NoError(t, err)
			done = f.Done
		}
		f, err := b.guard.Audit(t.Context(), replication.AuditRead{What: replication.ReadSums, Scope: scope})
		require.NoError(t, err)
		require.Zero(t, f.Unreadable)
		require.Equal(t, f.Kept, f.Objects, "the digest of %v is that of its objects", scope)
		require.Equal(t, f.Kept, f.Commits, "the digest of %v is that of its commits", scope)
	}
	return time.Since(began)
}

// closings closes tabs one after another and returns how long each took until it was durable, with all that it sweeps.
func (b *books) closings(t *testing.T) (took []time.Duration) {
	t.Helper()
	for range sized(300, 20) {
		s, err := b.sell(time.Now().UTC())
		require.NoError(t, err)
		_, err = b.guard.Apply(t.Context(), s.ops)
		require.NoError(t, err)
		op, err := b.settle(s)
		require.NoError(t, err)
		began := time.Now()
		_, err = b.guard.Apply(t.Context(), []replication.Op{op})
		require.NoError(t, err)
		took = append(took, time.Since(began))
	}
	return took
}

// startCost is what a start of the program costs.
type startCost struct {
	answers, sold time.Duration // until it answers, until the first receipt is there
	resident, own int64         // memory after a rest; own is without mapped files
}

// measureStart starts the program on its data, sells at once, lets it rest and stops it. It goes on in its series: the
// store is not in doubt.
func measureStart(t *testing.T, till *nodetest.Till) (c startCost) {
	t.Helper()
	began := time.Now()
	till.Start()
	c.answers = time.Since(began)
	sold := till.Sell(articleID(7).String())
	c.sold = time.Since(began)
	require.True(t, strings.HasPrefix(sold.Number, "K1-"), "the till goes on in its series, its number is %s", sold.Number)
	<-time.After(sized(10*time.Second, time.Second))
	pid := till.Process().Pid()
	c.resident, c.own = memoryOf(t, pid, "VmRSS"), memoryOf(t, pid, "RssAnon")
	till.Stop()
	return c
}

// memoryOf reads a field of /proc/PID/status in bytes.
func memoryOf(t *testing.T, pid int, field string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			require.NoError(t, err)
			return kb * 1024
		}
	}
	require.Fail(t, "no such field", field)
	return 0
}
