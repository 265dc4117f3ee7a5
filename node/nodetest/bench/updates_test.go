//go:build bench

package bench

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

const (
	linesPerReceipt = 8
	// ahead is how many lines a till of the flat-out run may have on their way to its disk. A seller waits for none.
	ahead    = 64
	slowRate = 20 // lines per second of the other run, all tills together
)

// sale is one line of the work: which till adds it, as pieces for us and as a record for the bare log.
type sale struct {
	till   int
	pieces []crdt.Piece
	record []byte
}

// sales are receipts of 8 lines, each line on the till after the one before it.
func sales(t *testing.T, stream uint64, receipts int, tills []*till) (list []sale) {
	r := random(stream)
	for n := range receipts {
		tab := objectID(r)
		for i := range linesPerReceipt {
			l := sale{till: (n + i) % len(tills)}
			var err error
			l.pieces, l.record, err = saleLine(r, tills[l.till].id.Till(), tab)
			require.NoError(t, err)
			list = append(list, l)
		}
	}
	return list
}

// arrivals waits until so many lines are durable on so many tills.
type arrivals struct {
	left atomic.Int64
	done chan struct{}
}

func expect(lines, tills int) *arrivals {
	a := &arrivals{done: make(chan struct{})}
	a.left.Store(int64(lines * tills))
	return a
}

func (a *arrivals) came(n int) {
	if a.left.Add(int64(-n)) == 0 {
		close(a.done)
	}
}

func (a *arrivals) wait(t *testing.T) {
	t.Helper()
	select {
	case <-a.done:
	case <-time.After(patience):
		require.Fail(t, "lines are missing", "%d", a.left.Load())
	}
}

// updateFigures measure lines that three tills add in turns until they are durable on all three.
func updateFigures(t *testing.T, table *report) {
	const tills = 3
	s := newShop(t, tills, 0, 1, 2)
	s.meet()
	s.linked()
	var on atomic.Pointer[arrivals]
	saved := func(_, count int) { on.Load().came(count) }
	on.Store(expect(0, 0))
	s.onTake.Store(&saved)

	// What bounds how much a bare log has on its way to the disk, as seller does for a till.
	slots := make([]chan struct{}, tills)
	for i := range slots {
		slots[i] = make(chan struct{}, ahead)
	}
	var plainBytes, foldBytes atomic.Int64
	came := func(log int, origin byte, _ uint64) {
		on.Load().came(1)
		if int(origin) == log {
			<-slots[log]
		}
	}
	plain, folding := bareLogs(t, tills, false, &plainBytes, came), bareLogs(t, tills, true, &foldBytes, came)
	addTo := func(logs []*bareLog) func(sale) {
		return func(l sale) {
			slots[l.till] <- struct{}{}
			logs[l.till].add(l.record)
		}
	}

	var plainRates, foldRates, ourRates, floorFlat, ourFlat []float64
	rounds, receipts := sized(5, 2), sized(2000, 50)
	for round := range rounds {
		list := sales(t, uint64(10+round), receipts/rounds, s.tills)
		side("floor", func() {
			plainRates = append(plainRates, flatOut(t, &on, tills, list, addTo(plain)))
			before := foldBytes.Load()
			foldRates = append(foldRates, flatOut(t, &on, tills, list, addTo(folding)))
			floorFlat = append(floorFlat, float64(foldBytes.Load()-before)/float64(len(list)))
		})
		side("ours", func() {
			before := s.sent()
			ourRates = append(ourRates, flatOut(t, &on, tills, list, seller(t, s)))
			settle(s)
			ourFlat = append(ourFlat, float64(s.sent()-before)/float64(len(list)))
		})
	}
	pr, fr, or, ff, of := figures.Median(plainRates), figures.Median(foldRates), figures.Median(ourRates), figures.Median(floorFlat), figures.Median(ourFlat)
	table.add(figure{fmt.Sprintf("3 tills, %d receipts of 8 lines, durable on all three", receipts/rounds*rounds),
		fmt.Sprintf("%.0f/s (%.0f/s if it folds)", pr, fr),
		fmt.Sprintf("%.0f/s, %s (%s)", or, figures.Times(or, pr), figures.Times(or, fr)), ">= 0.8x", or >= 0.8*pr})
	table.add(figure{"  bytes per update for two receivers, flat out", fmt.Sprintf("%.0f", ff),
		fmt.Sprintf("%.0f, %s", of, figures.Times(of, ff)), "<= 1x", of <= ff})

	// Both at once: at this rate neither slows the other, and the machine is the same for both.
	list := sales(t, 99, sized(50, 5), s.tills)
	floorBefore, oursBefore := plainBytes.Load(), s.sent()
	on.Store(expect(2*len(list), tills))
	tick := time.NewTicker(time.Second / slowRate)
	defer tick.Stop()
	ours, floor := seller(t, s), addTo(plain)
	for _, l := range list {
		<-tick.C
		floor(l)
		ours(l)
	}
	on.Load().wait(t)
	settle(s)
	ff = float64(plainBytes.Load()-floorBefore) / float64(len(list))
	of = float64(s.sent()-oursBefore) / float64(len(list))
	table.add(figure{fmt.Sprintf("  bytes per update for two receivers, at %d/s", slowRate), fmt.Sprintf("%.0f", ff),
		fmt.Sprintf("%.0f, %s", of, figures.Times(of, ff)), "<= 1.4x", of <= 1.4*ff})
	require.True(t, s.equal())
	for _, l := range s.tills {
		require.Zero(t, l.engine.State().Stats.PushesDropped, "a push queue ran over, so this was not flat out")
	}
	for _, l := range append(plain, folding...) {
		require.NoError(t, l.close())
	}
}

// flatOut lets one seller per till add its lines as fast as its till takes them and returns the lines per second until
// all were durable on all tills.
func flatOut(t *testing.T, on *atomic.Pointer[arrivals], tills int, list []sale, add func(sale)) float64 {
	t.Helper()
	on.Store(expect(len(list), tills))
	began := time.Now()
	var all sync.WaitGroup
	for till := range tills {
		all.Go(func() {
			for _, l := range list {
				if l.till == till {
					add(l)
				}
			}
		})
	}
	all.Wait()
	on.Load().wait(t)
	return float64(len(list)) / time.Since(began).Seconds()
}

// seller returns what adds a line to a till and does not wait for it, unless too many are under way there.
func seller(t *testing.T, s *shop) func(sale) {
	type wait = func(context.Context) (*crdt.Commit, error)
	under := make([][]wait, len(s.tills)) // each is used by one goroutine
	return func(l sale) {
		if len(under[l.till]) == ahead {
			if _, err := under[l.till][0](context.Background()); err != nil {
				t.Errorf("till %d: %v", l.till, err)
			}
			under[l.till] = under[l.till][1:]
		}
		w, err := s.tills[l.till].engine.Submit(change(crdt.Sales, l.pieces))
		if err != nil {
			t.Errorf("till %d: %v", l.till, err)
			return
		}
		under[l.till] = append(under[l.till], w)
	}
}

// settle waits until what the tills tell each other about the last lines was sent.
func settle(s *shop) {
	last, since := s.sent(), time.Now()
	await(50*time.Millisecond, func() bool {
		if now := s.sent(); now != last {
			last, since = now, time.Now()
		}
		return time.Since(since) > 1200*time.Millisecond // Have is gathered for a second
	})
}
