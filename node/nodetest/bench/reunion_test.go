//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// reunionFigures measure two tills that meet again after both changed articles.
func reunionFigures(t *testing.T, table *report) {
	articles, changes := sized(100_000, 4000), sized(1000, 50)
	s := newShop(t, 2, 0, 1)
	s.tills[0].stock(0, articles)
	s.meet()
	s.join()
	rounds := sized(5, 2)

	var floor, ours []time.Duration
	var floorBytes, ourBytes []int64
	for round := range rounds {
		side("floor", func() {
			took, bytes := bareReunion(t, changes)
			floor, floorBytes = append(floor, took), append(floorBytes, bytes)
		})
		took, bytes := s.reunion(round, changes)
		ours, ourBytes = append(ours, took), append(ourBytes, bytes)
	}
	f, o, fb, ob := figures.Median(floor), figures.Median(ours), figures.Median(floorBytes), figures.Median(ourBytes)
	table.add(figure{fmt.Sprintf("reunion: two tills with %d articles, %d changed on each side", articles, changes),
		figures.Duration(f), figures.Duration(o), "<= 100 ms", o <= 100*time.Millisecond})
	table.add(figure{"  bytes", figures.Kilobytes(fb), figures.Kilobytes(ob) + ", " + figures.Times(ob, fb), "<= 1.4x", 10*ob <= 14*fb})

	s.tills[0].stock(articles, 2*articles)
	s.join()
	var doubleTimes []time.Duration
	var doubleBytes []int64
	for round := range rounds {
		took, bytes := s.reunion(rounds+round, changes)
		doubleTimes, doubleBytes = append(doubleTimes, took), append(doubleBytes, bytes)
	}
	d := figures.Median(doubleBytes)
	table.add(figure{fmt.Sprintf("  the same with %d stored", 2*articles), "-",
		fmt.Sprintf("%s, %s, %s", figures.Kilobytes(d), figures.Times(d, ob), figures.Duration(figures.Median(doubleTimes))), "the same bytes (within 2%)",
		d <= ob+ob/50})
}

// reunion parts the tills, changes articles on each side, lets them meet and waits until they are equal.
func (s *shop) reunion(round, changes int) (took time.Duration, bytes int64) {
	t := s.t
	t.Helper()
	s.part()
	var both sync.WaitGroup
	errs := make([]error, 2)
	for side := range 2 {
		both.Go(func() { errs[side] = s.tills[side].reprice((2*round+side)*changes, changes, int64(100+10*round)) })
	}
	both.Wait()
	require.NoError(t, errors.Join(errs...))
	side("ours", func() {
		s.meet()
		took, bytes = s.join()
	})
	return took, bytes
}

// reprice changes the prices of articles one after another, as somebody at the till does.
func (l *till) reprice(from, count int, price int64) error {
	ctx := context.Background()
	var waits []func(context.Context) (*crdt.Commit, error)
	for n := from; n < from+count; n++ {
		p := productAt(n)
		obj, err := l.guard.Object(ctx, crdt.Key{Scope: crdt.Catalog, Type: catalog.TypeArticle, Object: p.id})
		if err != nil {
			return err
		}
		pieces, err := p.repriced(obj, price)
		if err != nil {
			return err
		}
		if len(pieces) == 0 {
			return fmt.Errorf("article %d has that price already", n)
		}
		wait, err := l.engine.Submit(change(crdt.Catalog, pieces))
		if err != nil {
			return err
		}
		waits = append(waits, wait)
	}
	for _, wait := range waits {
		if _, err := wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

// bareReunion is the floor: each side sends its changed records over a link that is up, and writes what came.
func bareReunion(t *testing.T, changes int) (took time.Duration, bytes int64) {
	t.Helper()
	stores := [2]*bdgr.DB{openFloor(t), openFloor(t)}
	for i, db := range stores {
		records, _ := catalogue(t, changes)
		for _, b := range records {
			b[len(b)-1] = byte(i)
		}
		require.NoError(t, fillFloor(db, records))
	}
	targets := [2]*bdgr.DB{openFloor(t), openFloor(t)}
	var there, back atomic.Int64
	a, b := tlsPair(t, &there)
	c, d := tlsPair(t, &back)
	handshakes := there.Load() + back.Load()
	began := time.Now()
	errs := make([]error, 4)
	var all sync.WaitGroup
	all.Go(func() { errs[0] = sendAll(stores[0], a) })
	all.Go(func() { errs[1] = sendAll(stores[1], c) })
	all.Go(func() { _, errs[2] = takeAll(targets[1], b) })
	all.Go(func() { _, errs[3] = takeAll(targets[0], d) })
	all.Wait()
	took = time.Since(began)
	require.NoError(t, errors.Join(errs...))
	require.NoError(t, errors.Join(b.Close(), d.Close()))
	// One connection would do, so one handshake counts, as ours does.
	bytes = there.Load() + back.Load() - handshakes/2
	for _, db := range append(stores[:], targets[:]...) {
		require.NoError(t, db.Close())
	}
	return took, bytes
}
