//go:build bench

package bench

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

const (
	commitRow = 250 // bytes of the row that the floor writes
	sellers   = 64
)

// commitFigures measure how long a line takes until it is durable on its own till, below HTTP.
func commitFigures(t *testing.T, table *report) {
	db := openFloor(t)
	s := newShop(t, 1, 0)
	var keys atomic.Uint64
	bare := func() error {
		key := binary.BigEndian.AppendUint64(make([]byte, 17, 25), keys.Add(1))
		key[0] = 'c'
		return db.Update(func(txn *bdgr.Txn) error { return txn.Set(key, make([]byte, commitRow)) })
	}
	model, _, err := saleLine(random(1), s.tills[0].id.Till(), crdt.ObjectID{1})
	require.NoError(t, err)
	sell := func() error {
		_, err := s.tills[0].engine.Commit(context.Background(), change(crdt.Sales, again(model, keys.Add(1))))
		return err
	}

	// A till has a past, and was started since.
	var past []func(context.Context) (*crdt.Commit, error)
	for range sized(20_000, 500) {
		wait, err := s.tills[0].engine.Submit(change(crdt.Sales, again(model, keys.Add(1))))
		require.NoError(t, err)
		past = append(past, wait)
	}
	for _, wait := range past {
		_, err := wait(context.Background())
		require.NoError(t, err)
	}
	s.tills[0].kept = true
	s.tills[0].stop()
	s.tills[0].start()

	var floor, ours []time.Duration
	one := func(into *[]time.Duration, do func() error) {
		for range sized(500, 50) {
			began := time.Now()
			require.NoError(t, do())
			*into = append(*into, time.Since(began))
		}
	}
	for range sized(7, 2) {
		side("floor", func() { one(&floor, bare) })
		side("ours", func() { one(&ours, sell) })
	}
	f, o := figures.Percentile(floor, 50), figures.Percentile(ours, 50)
	table.add(figure{"durable commit of a line, one seller: p50 (p99)", figures.Duration(f) + " (" + figures.Duration(figures.Percentile(floor, 99)) + ")",
		fmt.Sprintf("%s (%s), %s", figures.Duration(o), figures.Duration(figures.Percentile(ours, 99)), figures.Times(o, f)), "p50 <= 1.5x", o <= f*3/2})

	var floorRates, ourRates []float64
	for range sized(5, 2) {
		side("floor", func() { floorRates = append(floorRates, crowd(t, bare)) })
		side("ours", func() { ourRates = append(ourRates, crowd(t, sell)) })
	}
	fr, or := figures.Median(floorRates), figures.Median(ourRates)
	table.add(figure{"durable commit of a line, 64 sellers at once", fmt.Sprintf("%.0f/s", fr),
		fmt.Sprintf("%.0f/s, %s", or, figures.Times(or, fr)), ">= 4x the rate", or >= 4*fr})
	require.NoError(t, db.Close())
}

// again returns a line like the model under another ID.
func again(model []crdt.Piece, n uint64) []crdt.Piece {
	pieces := slices.Clone(model)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
	for i := range pieces {
		pieces[i].Object = crdt.ObjectID(sum[:16])
		pieces[i].Clock = nil
	}
	return pieces
}

// crowd lets 64 goroutines do something again and again for a while and returns how often it was done per second.
func crowd(t *testing.T, do func() error) float64 {
	t.Helper()
	var done atomic.Int64
	errs := make([]error, sellers)
	var all sync.WaitGroup
	began := time.Now()
	end := began.Add(time.Duration(sized(1500, 300)) * time.Millisecond)
	for i := range sellers {
		all.Go(func() {
			for errs[i] == nil && time.Now().Before(end) {
				if errs[i] = do(); errs[i] == nil {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		require.NoError(t, err)
	}
	return float64(done.Load()) / time.Since(began).Seconds()
}
