package nodetest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/dataset"
)

// replay sells the orders of a data set through the HTTP interfaces of a shop's tills, many at once. Orders walk: each is
// opened on one till, gets its lines on another, and is paid and closed on a third one; while tills are away the others
// sell, and orders that need one of them wait for it. With two tills there the third is one of the first two.
type replay struct {
	shop     *nodetest.Shop
	articles map[string]soldArticle // by key of the set
	orders   []dataset.Order
	workers  int
	// whole sends all lines of an order in one request, else each in its own.
	whole bool
	// walks is that every so many orders one walks, and the others are sold on one till alone; 0: all of them walk.
	walks int

	mu      sync.Mutex
	next    int // of orders
	parked  []*sale
	away    map[*nodetest.Till]bool
	moved   time.Time // when a till left or came back last
	done    int
	last    time.Time              // when an order was finished last
	third   int                    // orders that three tills worked on
	sellers map[int]*nodetest.Till // by number of the order: where its lines were added
	waited  time.Duration          // the longest that a step had to wait while all tills were there
	reason  error                  // for that
	failed  error
}

// soldArticle is an article as the tills have it.
type soldArticle struct {
	id, name string
	price    int64
}

// sale is one order on its way.
type sale struct {
	order                  dataset.Order
	tab                    string
	opener, seller, closer *nodetest.Till
	requests               int // that bring its lines
	step                   int // 0: open, then one for each of these requests, then close
	tries                  int // of this step
	again                  time.Time
	since                  time.Time // of the first try of this step
}

const (
	// tillsAtWork is how many tills a shop of the tests has where nothing else is said.
	tillsAtWork = 3
	// parkTime is how long a sale rests that cannot go on.
	parkTime = 20 * time.Millisecond
	// stepTime is how long one step may wait, while all tills are there, before the replay fails.
	stepTime = time.Minute
	// standstill is how long nothing at all may be sold before the replay fails. How fast the machine is does not matter.
	standstill = 3 * time.Minute
)

// errWait means that a step cannot be done yet.
var errWait = errors.New("it has to wait")

// putArticles writes the articles of a set on the shop's first till.
func putArticles(t *testing.T, shop *nodetest.Shop, list []dataset.Article) map[string]soldArticle {
	t.Helper()
	till := shop.Tills[0]
	tax := till.PutTax(0)
	known := make(map[string]soldArticle, len(list))
	for part := range slices.Chunk(list, 1000) {
		rows := make([]client.Article, len(part))
		for i, a := range part {
			rows[i] = nodetest.NewArticle(nodetest.IDOf(a.Key), a.Name, a.UnitMinor, tax)
			known[a.Key] = soldArticle{rows[i].ID, a.Name, a.UnitMinor}
		}
		batch, err := till.API().PutArticles(t.Context(), rows)
		require.NoError(t, err)
		require.Empty(t, batch.Rejected)
		require.Equal(t, len(rows), batch.Accepted)
	}
	shop.Equal()
	return known
}

// run sells everything. Meanwhile disturb is called once, on the goroutine of the test; it may take tills away.
func (r *replay) run(t *testing.T, disturb func()) {
	t.Helper()
	r.away, r.sellers, r.last = make(map[*nodetest.Till]bool), make(map[int]*nodetest.Till), time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var working sync.WaitGroup
	begin := time.Now()
	for range r.workers {
		working.Go(func() { r.work(ctx) })
	}
	// A test that fails in disturb must not leave the workers behind.
	func() {
		ok := false
		defer func() {
			if !ok {
				cancel()
			}
			working.Wait()
		}()
		disturb()
		ok = true
	}()
	require.NoError(t, r.failed)
	require.Equal(t, len(r.orders), r.done)
	spent := time.Since(begin)
	t.Logf("%d orders sold in %v, %.0f a second; three tills worked on %d of them",
		r.done, spent.Round(time.Millisecond), float64(r.done)/spent.Seconds(), r.third)
	t.Logf("the longest that one step waited while all tills were there: %v (%v)", r.waited.Round(time.Millisecond), r.reason)
}

// leave takes tills away by end, lets the others sell so many orders and brings them back.
func (r *replay) leave(t *testing.T, end func(*nodetest.Till), orders int, tills ...*nodetest.Till) {
	t.Helper()
	before := r.sold()
	for _, till := range tills {
		end(till)
		r.setAway(till, true)
	}
	r.await(t, before+orders)
	for _, till := range tills {
		took := till.Start()
		r.setAway(till, false)
		t.Logf("%s was away for %d orders and answered %v after its start", till.Name, r.sold()-before, took.Round(time.Millisecond))
	}
}

// await waits until so many orders are sold, or no order is left to begin: those under way may all need a till that is away. It fails only when
// nothing at all is sold for a long time.
func (r *replay) await(t *testing.T, orders int) {
	t.Helper()
	pause := time.NewTicker(10 * time.Millisecond)
	defer pause.Stop()
	for {
		done, still, over := r.state()
		if done >= orders || over {
			return
		}
		if still > standstill {
			t.Fatalf("nothing was sold for %v: %d of %d orders", still.Round(time.Second), done, orders)
		}
		select {
		case <-pause.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// state returns how many orders are sold, for how long none was, and whether none is left to begin.
func (r *replay) state() (done int, still time.Duration, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done, time.Since(r.last), r.failed != nil || r.next == len(r.orders)
}

// finished waits until all orders are sold; no till may be away.
func (r *replay) finished(t *testing.T) {
	t.Helper()
	for !r.over() {
		r.await(t, len(r.orders))
	}
}

func (r *replay) sold() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// over reports that no more will be sold.
func (r *replay) over() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed != nil || r.done == len(r.orders)
}

func (r *replay) setAway(till *nodetest.Till, away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away[till], r.moved = away, time.Now()
}

// work takes one sale after the other as far as it goes.
func (r *replay) work(ctx context.Context) {
	idle := time.NewTicker(5 * time.Millisecond)
	defer idle.Stop()
	for {
		s, over := r.pick(time.Now())
		if over || ctx.Err() != nil {
			return
		}
		if s == nil {
			select {
			case <-idle.C:
			case <-ctx.Done():
				return
			}
			continue
		}
		err := r.advance(ctx, s)
		r.put(s, err)
	}
}

// pick returns a sale that waited long enough, else the next order, else nil.
func (r *replay) pick(now time.Time) (s *sale, over bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed != nil || r.done == len(r.orders) {
		return nil, true
	}
	for i, p := range r.parked {
		if now.After(p.again) && !r.away[p.at()] {
			r.parked = slices.Delete(r.parked, i, i+1)
			return p, false
		}
	}
	if r.next == len(r.orders) {
		return nil, false
	}
	var here []*nodetest.Till
	for _, till := range r.shop.Tills {
		if !r.away[till] {
			here = append(here, till)
		}
	}
	if len(here) < 2 {
		return nil, false
	}
	n, o := r.next, r.orders[r.next]
	r.next++
	s = &sale{order: o, requests: len(o.Lines), tab: nodetest.IDOf(fmt.Sprintf("tab of order %d", o.Number))}
	s.opener = here[n%len(here)]
	s.seller, s.closer = s.opener, s.opener
	if r.walks == 0 || n%r.walks == 0 {
		s.seller, s.closer = here[(n+1)%len(here)], here[(n+2)%len(here)]
		if len(here) == 2 {
			s.closer = here[n/2%2]
		} else {
			r.third++
		}
	}
	if r.whole {
		s.requests = 1
	}
	r.sellers[o.Number] = s.seller
	return s, false
}

// put notes how far a sale came.
func (r *replay) put(s *sale, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.done++
		r.last = time.Now()
	case errors.Is(err, errWait) && r.waitedSince(s) < stepTime:
		_, lost := errors.AsType[*client.Unreachable](err)
		if d := r.waitedSince(s); d > r.waited && !lost {
			r.waited, r.reason = d, fmt.Errorf("order %d, step %d at %s: %w", s.order.Number, s.step, s.at().Name, err)
		}
		s.again = time.Now().Add(parkTime)
		r.parked = append(r.parked, s)
	case r.failed == nil:
		r.failed = fmt.Errorf("order %d, step %d: %w", s.order.Number, s.step, err)
	}
}

// waitedSince returns how long a step has waited while all tills were there: what a till wrote last before it left may be
// nowhere else, and a sale that needs it rests until it is back. r.mu is held.
func (r *replay) waitedSince(s *sale) time.Duration {
	if slices.ContainsFunc(r.shop.Tills, func(till *nodetest.Till) bool { return r.away[till] }) {
		return 0
	}
	since := s.since
	if r.moved.After(since) {
		since = r.moved
	}
	return time.Since(since)
}

// at is the till of the next step.
func (s *sale) at() *nodetest.Till {
	switch {
	case s.step == 0:
		return s.opener
	case s.step <= s.requests:
		return s.seller
	}
	return s.closer
}

// advance does the steps that are left. Each step can be repeated: the IDs are the client's, and so is the key of a close.
func (r *replay) advance(ctx context.Context, s *sale) error {
	for ; s.step <= s.requests+1; s.step++ {
		if s.tries == 0 {
			s.since = time.Now()
		}
		s.tries++
		var err error
		switch {
		case s.step == 0:
			err = r.open(ctx, s)
		case s.step <= s.requests:
			err = r.addLines(ctx, s)
		default:
			err = r.finish(ctx, s)
		}
		if err != nil {
			return err
		}
		s.tries = 0
	}
	return nil
}

// key is new for every try that follows an answer: an answer is given again under the same key.
func (s *sale) key() string {
	return fmt.Sprintf("order %d step %d try %d", s.order.Number, s.step, s.tries)
}

// post makes one request, which can be repeated because it names what it makes. What may pass by itself becomes errWait.
func (r *replay) post(ctx context.Context, till *nodetest.Till, path string, body any) error {
	a, err := till.Send(ctx, http.MethodPost, path, body)
	if err != nil {
		return fmt.Errorf("%w: %w", errWait, err)
	}
	err = a.OK()
	switch code := client.CodeOf(err); {
	case code == "unknown-tab" || code == "unknown-article" || a.Status == http.StatusServiceUnavailable:
		return fmt.Errorf("%w: %w", errWait, err)
	}
	return err
}

func (r *replay) open(ctx context.Context, s *sale) error {
	note := fmt.Sprintf("order=%d date=%s time=%s", s.order.Number, s.order.Date, s.order.Time)
	return r.post(ctx, s.opener, "/api/v1/tabs", client.NewTab{ID: s.tab, Note: note})
}

func (r *replay) addLines(ctx context.Context, s *sale) error {
	lines := make([]client.NewLine, 0, len(s.order.Lines))
	for i, l := range s.order.Lines {
		a := r.articles[l.Article]
		n := client.NewLine{
			ID: nodetest.IDOf(fmt.Sprintf("line %d of order %d", i, s.order.Number)), Article: a.id, Quantity: l.Quantity,
		}
		if l.UnitMinor != a.price {
			n.UnitPrice = &l.UnitMinor
		}
		lines = append(lines, n)
	}
	path := "/api/v1/tabs/" + s.tab + "/lines"
	if r.whole {
		return r.post(ctx, s.seller, path, map[string]any{"lines": lines})
	}
	return r.post(ctx, s.seller, path, lines[s.step-1])
}

// finish closes the tab when all of its lines are there.
func (r *replay) finish(ctx context.Context, s *sale) error {
	var gross int64
	for _, l := range s.order.Lines {
		gross += l.Quantity / dataset.Piece * l.UnitMinor
	}
	var err error
	if s.closer != s.opener || s.closer != s.seller {
		var done bool
		if done, err = r.take(ctx, s, gross); done || errors.Is(err, errWait) {
			return err
		}
	}
	if err == nil {
		err = s.closer.Close(ctx, s.tab, gross, s.key())
	}
	if _, lost := errors.AsType[*client.Unreachable](err); lost {
		s.tries-- // no answer came, so the same request comes again
		return fmt.Errorf("%w: %w", errWait, err)
	}
	return err
}

// take takes over a tab on which other tills worked, once all of it is there, or reports that it is closed.
func (r *replay) take(ctx context.Context, s *sale, gross int64) (done bool, err error) {
	tab, err := s.closer.API().Tab(ctx, s.tab)
	switch {
	case client.CodeOf(err) == "unknown-tab":
		return false, fmt.Errorf("%w: %w", errWait, err)
	case client.CodeOf(err) != "":
		return false, err
	case err != nil:
		return false, fmt.Errorf("%w: %w", errWait, err)
	case tab.State == "closed": // by a request whose answer was lost
		return true, nil
	case tab.Note == "": // the lines came from the till that added them, the head comes from the one that opened the tab
		return false, fmt.Errorf("%w: its head is not there yet", errWait)
	case len(tab.Lines) < len(s.order.Lines):
		return false, fmt.Errorf("%w: %d of %d lines are there", errWait, len(tab.Lines), len(s.order.Lines))
	case tab.Totals.Gross != gross:
		return false, fmt.Errorf("the tab says %d, the order %d", tab.Totals.Gross, gross)
	case tab.Holder.Till != s.closer.ID():
		return false, s.closer.Take(ctx, s.tab)
	}
	return false, nil
}
