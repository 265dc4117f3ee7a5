//go:build bench

package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
)

// kasse is a whole till without its HTTP side and without a signing device.
type kasse struct {
	t    *testing.T
	data string
	till *node.Machine
	stop func()
}

func openKasse(t *testing.T) *kasse {
	c := &kasse{t: t, data: filepath.Join(t.TempDir(), "kasse1")}
	_, err := node.Found(t.Context(), node.FoundOptions{Data: c.data, Shop: "Café Mitte", Name: "Kasse 1", Country: "CH"})
	require.NoError(t, err)
	c.till, err = node.Open(t.Context(), node.Options{Data: c.data, Listen: "127.0.0.1:0", NoMDNS: true, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- c.till.Run(ctx) }()
	c.stop = func() {
		cancel()
		require.NoError(t, <-ended)
	}
	tax := catalog.TaxEdit{Names: &catalog.Names{Name: map[string]string{"de": "Normal"}},
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 2000, FiscalKey: 1}}}
	require.NoError(t, c.till.EditTax(t.Context(), crdt.ObjectID{1}, tax))
	return c
}

// tab opens a tab with so many lines of 1.00.
func (c *kasse) tab(ctx context.Context, lines int) (crdt.ObjectID, error) {
	tab, err := c.till.OpenTab(ctx, node.NewTab{User: "Anna"})
	if err != nil {
		return crdt.ObjectID{}, err
	}
	list := make([]node.NewLine, lines)
	for i := range list {
		list[i] = node.NewLine{Open: &node.OpenItem{Name: fmt.Sprintf("Kaffee %d", i), Price: 100, Tax: crdt.ObjectID{1}}, Quantity: 1000, User: "Anna"}
	}
	_, _, err = c.till.AddLines(ctx, tab.ID, list)
	return tab.ID, err
}

// tabs opens so many, by 64 at once.
func (c *kasse) tabs(n, lines int) chan crdt.ObjectID {
	out := make(chan crdt.ObjectID, n)
	g, ctx := errgroup.WithContext(c.t.Context())
	g.SetLimit(sellers)
	for range n {
		g.Go(func() error {
			id, err := c.tab(ctx, lines)
			out <- id
			return err
		})
	}
	require.NoError(c.t, g.Wait())
	return out
}

// close settles tabs of so many lines, by so many sellers at once, and returns how long each took and all together.
func (c *kasse) close(tabs chan crdt.ObjectID, by, lines int) (each []time.Duration, all time.Duration) {
	took := make([]time.Duration, len(tabs))
	var next atomic.Int64
	began := time.Now()
	g, ctx := errgroup.WithContext(c.t.Context())
	for range by {
		g.Go(func() error {
			for {
				at := next.Add(1) - 1
				if at >= int64(len(took)) {
					return nil
				}
				began := time.Now()
				if _, err := c.till.CloseTab(ctx, <-tabs, "Anna", []node.NewPayment{{Type: "Bar", Amount: receipt.Amount(100 * lines)}}); err != nil {
					return err
				}
				took[at] = time.Since(began)
			}
		})
	}
	require.NoError(c.t, g.Wait())
	return took, time.Since(began)
}

// written returns how many bytes the commit of a receipt has on the average; the till does not run.
func (c *kasse) written() int {
	rows, _, err := badger.Open(badger.Options{Dir: filepath.Join(c.data, "store")})
	require.NoError(c.t, err)
	st, err := store.Open(context.Background(), rows)
	require.NoError(c.t, err)
	bytes, count := 0, 0
	for at := (replication.Cursor{}); !at.Done; {
		var list [][]byte
		list, at, err = st.Live(context.Background(), crdt.Sales, st.Contexts()[crdt.Sales], at, 1<<20)
		require.NoError(c.t, err)
		for _, raw := range list {
			commit, err := crdt.DecodeCommit(raw)
			require.NoError(c.t, err)
			if commit.Pieces[0].Type == receipt.TypeReceipt {
				bytes, count = bytes+len(raw), count+1
			}
		}
	}
	require.NoError(c.t, rows.Close())
	require.Positive(c.t, count)
	return bytes / count
}

// receiptFigures measure how many receipts a till closes, whole: locks, document, number, signature of the till and fsync.
func receiptFigures(t *testing.T, table *report) {
	count := sized(2000, 100)
	type figures64 struct {
		by   int
		p50  time.Duration
		rate float64
	}
	var ours []figures64
	c := openKasse(t)
	c.close(c.tabs(count/4, 1), 8, 1)
	for _, by := range []int{1, 8, sellers} {
		tabs := c.tabs(count, 1)
		side("ours", func() {
			each, all := c.close(tabs, by, 1)
			ours = append(ours, figures64{by, figures.Percentile(each, 50), float64(count) / all.Seconds()})
		})
	}
	long, _ := c.close(c.tabs(sized(300, 30), 40), 1, 40)
	c.stop()
	size := c.written()

	db := openFloor(t)
	var keys atomic.Uint64
	for _, o := range ours {
		var rate float64
		side("floor", func() {
			var left atomic.Int64
			g := new(errgroup.Group)
			began := time.Now()
			for range o.by {
				g.Go(func() error {
					for left.Add(1) <= int64(count) {
						key := binary.BigEndian.AppendUint64(make([]byte, 17, 25), keys.Add(1))
						if err := db.Update(func(txn *bdgr.Txn) error { return txn.Set(key, make([]byte, size)) }); err != nil {
							return err
						}
					}
					return nil
				})
			}
			require.NoError(t, g.Wait())
			rate = float64(count) / time.Since(began).Seconds()
		})
		table.add(figure{fmt.Sprintf("receipts of one line, %d at once", o.by), fmt.Sprintf("%.0f/s of %d bytes", rate, size),
			fmt.Sprintf("%.0f/s, p50 %s, %s", o.rate, figures.Duration(o.p50), figures.Times(o.rate, rate)), ">= 0.8x", o.rate >= 0.8*rate})
	}
	table.add(figure{"receipt of 40 lines", "-", figures.Duration(figures.Percentile(long, 50)) + " p50, " + figures.Duration(figures.Percentile(long, 99)) + " p99", "-", true})
	require.NoError(t, db.Close())
}
