package sql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// group lets the commits of many shops that wait for the one writer of SQLite share a transaction, and so its sync. Each
// has a savepoint: one that fails is undone alone. PostgreSQL has many writers and does the same with its log by itself.
//
// There is no goroutine. The first that comes writes for all that wait; then the first of those who came meanwhile does.
type group struct {
	table *table

	mu      sync.Mutex
	queue   []*member // in the order they came; guarded by mu
	leading bool      // somebody writes; guarded by mu
}

// member is a commit that waits.
type member struct {
	store  *Store
	change change
	err    error
	turn   chan bool // true: write for those who wait, this one first; false: it was done
}

// A transaction takes at least one commit, and no further ones above these sums. Others wait for its end.
const (
	groupBytes = 4 << 20
	groupRows  = 10_000
)

// Waiting returns how many commits wait for the writer of SQLite: for metrics.
func (s *Shops) Waiting() int {
	if s.group == nil {
		return 0
	}
	s.group.mu.Lock()
	defer s.group.mu.Unlock()
	return len(s.group.queue)
}

var errNotTried = errors.New("the transaction of several shops ended before this one was written")

func (g *group) commit(ctx context.Context, s *Store, c change) error {
	m := &member{store: s, change: c, turn: make(chan bool, 1)}
	g.mu.Lock()
	g.queue = append(g.queue, m)
	leads := !g.leading
	g.leading = true
	g.mu.Unlock()
	if leads || <-m.turn {
		g.lead(context.WithoutCancel(ctx), m)
	}
	return m.err
}

// lead writes for those who wait, and passes the lead on, also if a hook panics.
func (g *group) lead(ctx context.Context, first *member) {
	together := g.take()
	defer func() {
		for _, m := range together {
			if m != first {
				m.turn <- false
			}
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.leading = len(g.queue) > 0; g.leading {
			g.queue[0].turn <- true
		}
	}()
	for _, m := range together {
		m.err = errNotTried
	}
	if len(together) > 1 {
		err := g.write(ctx, together)
		if err == nil {
			return
		}
		if errors.Is(err, rows.ErrFailed) {
			for _, m := range together {
				m.err = err
			}
			return
		}
		// It was undone as a whole: the disk is full, or the lock was not free. Whoever fails alone fails.
	}
	for _, m := range together {
		m.err = g.table.dialect.Transact(ctx, g.table.write, func(ctx context.Context, tx *sql.Tx) error { return m.store.put(ctx, tx, m.change) })
	}
}

// take removes the first commits from the queue.
func (g *group) take() []*member {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, bytes, count := 0, 0, 0
	for _, m := range g.queue {
		bytes, count = bytes+m.change.size(), count+len(m.change.keys)+len(m.change.gone)
		if n > 0 && (bytes > groupBytes || count > groupRows) {
			break
		}
		n++
	}
	together := append([]*member(nil), g.queue[:n]...)
	g.queue = append([]*member(nil), g.queue[n:]...)
	return together
}

// write runs several commits in one transaction. After nil each has its own error.
func (g *group) write(ctx context.Context, together []*member) error {
	ends := make([]error, len(together)) // they count when all is durable
	err := g.table.dialect.Transact(ctx, g.table.write, func(ctx context.Context, tx *sql.Tx) error {
		for i, m := range together {
			if _, err := tx.ExecContext(ctx, `SAVEPOINT shop`); err != nil {
				return err
			}
			end := `RELEASE shop`
			if ends[i] = m.store.put(ctx, tx, m.change); ends[i] != nil {
				end = `ROLLBACK TO shop; RELEASE shop`
			}
			if _, err := tx.ExecContext(ctx, end); err != nil {
				return fmt.Errorf("end a part of a transaction: %w", errors.Join(ends[i], err))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, m := range together {
		m.err = g.table.dialect.Map(ends[i])
	}
	return nil
}
