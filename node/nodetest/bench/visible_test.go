//go:build bench

package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// visibleFigure measures real processes: a line that is added by HTTP on the first till until the event streams of the
// other two tell it, and until a GET that follows at once shows it there.
func visibleFigure(t *testing.T, table *report) {
	real := nodetest.Open(t, 3)
	first := real.Tills[0].API()
	articles := sell(t, first, 200)
	real.Equal()
	w := watch(t, real.Tills[1:])

	var floor []time.Duration
	var mu sync.Mutex
	began := make(map[uint64]time.Time)
	var saved atomic.Int64
	var bytes atomic.Int64
	logs := bareLogs(t, 3, false, &bytes, func(log int, origin byte, seq uint64) {
		now := time.Now()
		if log == int(origin) {
			return
		}
		mu.Lock()
		floor = append(floor, now.Sub(began[seq]))
		mu.Unlock()
		saved.Add(1)
	})

	r, rounds, lines := random(2), sized(5, 1), sized(4*slowRate, 10)
	every := time.Second / slowRate
	for range rounds {
		labelled("floor", func() {
			paced(every, lines, func() {
				_, record, err := saleLine(r, crdt.TillID{1}, objectID(r))
				require.NoError(t, err)
				mu.Lock() // so that nobody looks for it before it is there
				now := time.Now()
				began[logs[0].add(record)] = now
				mu.Unlock()
			})
		})
		require.True(t, await(time.Millisecond, func() bool { return saved.Load() == int64(2*len(began)) }))
		labelled("ours", func() {
			n, tab := 0, ""
			paced(every, lines, func() {
				if n%linesPerReceipt == 0 {
					opened, err := first.OpenTab(t.Context(), client.NewTab{Name: fmt.Sprintf("Tisch %d", n)})
					require.NoError(t, err)
					tab = opened.ID
				}
				n++
				id := objectID(r).String()
				w.begin(id)
				_, err := first.AddLine(t.Context(), tab, client.NewLine{ID: id, Article: articles[r.IntN(len(articles))]})
				require.NoError(t, err)
			})
			require.True(t, await(time.Millisecond, w.all), "every line is seen on both tills")
		})
	}
	streamed, shown := w.stop(t)
	for _, l := range logs {
		require.NoError(t, l.close())
	}
	f50, f99 := figures.Percentile(floor, 50), figures.Percentile(floor, 99)
	s50, s99 := figures.Percentile(streamed, 50), figures.Percentile(streamed, 99)
	g50, g99 := figures.Percentile(shown, 50), figures.Percentile(shown, 99)
	table.add(figure{fmt.Sprintf("line added by HTTP on till 1 -> on the stream of tills 2 and 3 (%d/s): p50 / p99", slowRate),
		figures.Duration(f50) + " / " + figures.Duration(f99), figures.Duration(s50) + " / " + figures.Duration(s99), "<= 2 ms / 5 ms",
		s50 <= 2*time.Millisecond && s99 <= 5*time.Millisecond})
	table.add(figure{"  the same until a GET of the tab shows it there", "-", figures.Duration(g50) + " / " + figures.Duration(g99), "<= 2 ms / 5 ms",
		g50 <= 2*time.Millisecond && g99 <= 5*time.Millisecond})
}

// paced does something so many times, once per interval.
func paced(every time.Duration, count int, do func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for range count {
		<-tick.C
		do()
	}
}

// sell writes two taxes and so many articles and returns the IDs of the articles.
func sell(t *testing.T, api *client.Client, articles int) (ids []string) {
	t.Helper()
	for tax, rate := range map[crdt.ObjectID]int64{standard: 1900, reduced: 700} {
		require.NoError(t, api.PutTax(t.Context(), client.Tax{ID: tax.String(), Names: map[string]string{"de": fmt.Sprint(rate)},
			Rates: []client.Rate{{From: "2020-01-01", Rate: rate, Key: 1 + rate%2}}}))
	}
	for n := 0; n < articles; {
		var batch []client.Article
		for ; n < articles && len(batch) < 1000; n++ {
			p := productAt(n)
			ids = append(ids, p.id.String())
			batch = append(batch, client.Article{
				ID: p.id.String(), Names: map[string]string{"de": p.name}, Short: kinds[p.kind], Barcodes: []string{p.code},
				PLU: p.plu, Prices: []client.Price{{From: priceDay, Price: p.price, Currency: "EUR", Tax: p.tax.String()}},
			})
		}
		done, err := api.PutArticles(t.Context(), batch)
		require.NoError(t, err)
		require.Empty(t, done.Rejected)
	}
	return ids
}

// watchers follow the events of tills.
type watchers struct {
	mu              sync.Mutex
	began           map[string]time.Time
	streamed, shown []time.Duration
	tills           int
	errs            []error
	cancel          context.CancelFunc
	parts           sync.WaitGroup
}

func watch(t *testing.T, tills []*nodetest.Till) *watchers {
	t.Helper()
	w := &watchers{began: make(map[string]time.Time), tills: len(tills)}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	t.Cleanup(func() { w.cancel(); w.parts.Wait() })
	opened := make(chan struct{}, len(tills))
	for _, till := range tills {
		api := till.API()
		w.parts.Go(func() {
			err := api.Follow(ctx, "", func() { opened <- struct{}{} }, func(e client.Event) error { return w.take(ctx, api, e) })
			w.mu.Lock()
			defer w.mu.Unlock()
			if err != nil {
				w.errs = append(w.errs, err)
			}
		})
	}
	for range tills {
		select {
		case <-opened:
		case <-time.After(nodetest.Patience):
			require.Fail(t, "no stream of events")
		}
	}
	return w
}

func (w *watchers) begin(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.began[line] = time.Now()
}

// take takes an event and looks at once whether the tab shows what it tells.
func (w *watchers) take(ctx context.Context, api *client.Client, e client.Event) error {
	now := time.Now()
	var what struct{ Tab, Change, Line string }
	if e.Kind != "tab" || json.Unmarshal(e.Data, &what) != nil || what.Change != "line" {
		return nil
	}
	w.mu.Lock()
	began, ours := w.began[what.Line]
	w.mu.Unlock()
	if !ours {
		return nil
	}
	for {
		tab, err := api.Tab(ctx, what.Tab)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(tab.Lines, func(l client.Line) bool { return l.ID == what.Line }) {
			break
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streamed, w.shown = append(w.streamed, now.Sub(began)), append(w.shown, time.Since(began))
	return nil
}

// all reports whether every line was seen on every till, or something went wrong.
func (w *watchers) all() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.shown) == w.tills*len(w.began) || len(w.errs) > 0
}

func (w *watchers) stop(t *testing.T) (streamed, shown []time.Duration) {
	t.Helper()
	w.cancel()
	w.parts.Wait()
	require.Empty(t, w.errs)
	return w.streamed, w.shown
}
