package nodetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/crdt"
)

// leaseRow is the key of the row in which the cloud keeps the lease of a shop.
var leaseRow = []byte("nuplink/lease")

// Given is a lease that was given.
type Given struct {
	At     time.Time // when it was seen, at most a few milliseconds late
	Term   uint64
	Holder crdt.TillID
}

// Leases watches who forwards and what the cloud notes of the progress, in the database of a cloud with one shop, and judges each change:
// terms only grow, each has one holder, and nobody moves the cursor but who holds the newest term.
type Leases struct {
	t    testing.TB
	read *sql.DB
	stop context.CancelFunc
	done chan struct{}

	mu    sync.Mutex
	given []Given
	last  lease.State
	moved int // how often the cursor changed
	wrong []error
}

// WatchLeases begins; the end of the test ends it.
func (c *Cloud) WatchLeases() *Leases {
	c.t.Helper()
	db := c.Database()
	ctx, stop := context.WithCancel(context.Background())
	_, read := db.Pools()
	l := &Leases{t: c.t, read: read, stop: stop, done: make(chan struct{})}
	go l.run(ctx, db.Dialect().Rebind(`SELECT value FROM rows WHERE key = ?`))
	c.t.Cleanup(l.end)
	return l
}

func (l *Leases) end() {
	l.stop()
	<-l.done
}

func (l *Leases) run(ctx context.Context, query string) {
	defer close(l.done)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var value []byte
		err := l.read.QueryRowContext(ctx, query, leaseRow).Scan(&value)
		switch {
		case ctx.Err() != nil:
			return
		case err == nil:
			l.take(value)
		case !errors.Is(err, sql.ErrNoRows):
			l.failed(fmt.Errorf("read the lease: %w", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (l *Leases) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.wrong) < 10 {
		l.wrong = append(l.wrong, err)
	}
}

func (l *Leases) take(value []byte) {
	now, err := lease.DecodeState(value)
	if err != nil {
		l.failed(err)
		return
	}
	l.mu.Lock()
	was := l.last
	l.last = now
	if now.Term > was.Term {
		l.given = append(l.given, Given{time.Now(), now.Term, now.Holder})
	}
	if now.Cursor.AtMS != was.Cursor.AtMS || now.Cursor.Term != was.Cursor.Term {
		l.moved++
	}
	l.mu.Unlock()
	if err := judge(was, now); err != nil {
		l.failed(err)
	}
}

// judge says what must not become of a lease.
func judge(was, now lease.State) error {
	switch {
	case now.Term < was.Term:
		return fmt.Errorf("after term %d came term %d", was.Term, now.Term)
	case now.Term == was.Term && now.Holder != was.Holder:
		return fmt.Errorf("term %d went from %s to %s", now.Term, was.Holder, now.Holder)
	case now.Cursor.Term < was.Cursor.Term:
		return fmt.Errorf("the cursor went back from term %d to %d", was.Cursor.Term, now.Cursor.Term)
	case now.Cursor.Term == was.Cursor.Term && now.Cursor.Till != was.Cursor.Till:
		return fmt.Errorf("in term %d both %s and %s moved the cursor", now.Cursor.Term, was.Cursor.Till, now.Cursor.Till)
	case now.Cursor.AtMS != was.Cursor.AtMS && now.Cursor.Term < was.Term:
		return fmt.Errorf("term %d moved the cursor although there was term %d", now.Cursor.Term, was.Term)
	case now.Cursor.Term == now.Term && now.Term > 0 && now.Cursor.Till != now.Holder:
		return fmt.Errorf("%s moved the cursor in term %d of %s", now.Cursor.Till, now.Term, now.Holder)
	}
	return nil
}

// Holder returns the newest lease.
func (l *Leases) Holder() (h Given) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.given) > 0 {
		h = l.given[len(l.given)-1]
	}
	return h
}

// AwaitOther waits until a lease was given to a till that is not the given one, and returns it.
func (l *Leases) AwaitOther(within time.Duration, not *Till) (h Given) {
	l.t.Helper()
	Eventually(l.t, within, "another till than "+not.Name+" forwards", func() error {
		if h = l.Holder(); h.Term == 0 || h.Holder.String() == not.ID() {
			return errNobody
		}
		return nil
	})
	return h
}

// Judge fails the test if anything was wrong, and returns the last state and how often the cursor moved.
func (l *Leases) Judge() (last lease.State, moved int) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.wrong {
		l.t.Error(err)
	}
	return l.last, l.moved
}
