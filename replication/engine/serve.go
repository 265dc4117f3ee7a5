package engine

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Conn is one authenticated connection to a peer.
type Conn struct {
	io.ReadWriteCloser
	Peer crdt.TillID
	// Compress reports whether compressing pays on this connection now: it does below about 100 MB/s. nil means no.
	Compress func() bool
	// ReadSize is how much the connection gives at a time at most, so that no more room is kept for it; zero means 32 KiB or more.
	ReadSize int
	// WriteDeadline sets a deadline for writing; nil means none is set.
	WriteDeadline func(time.Time) error
}

// writePatience is how long a peer may take nothing before its link is given up.
const writePatience = 10 * time.Second

// Serve speaks the protocol on a connection until it ends, and closes it. It returns what ended it: nil if ctx did.
func (e *Engine) Serve(ctx context.Context, conn Conn) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	kick := make(chan struct{}, 1)

	e.mu.Lock()
	if e.stopped {
		defer e.mu.Unlock()
		return errors.Join(e.stopErrLocked(), conn.Close())
	}
	id := e.core.LinkUp(e.nowLocked(), conn.Peer)
	e.kicks[id] = kick
	e.afterLocked(ctx)
	e.mu.Unlock()

	var both sync.WaitGroup
	var refused error // why this side ends the link; set before the writer says so
	both.Go(func() { cancel(e.read(ctx, conn, id, &refused)) })
	both.Go(func() { cancel(e.write(ctx, conn, id, kick)) })
	<-ctx.Done()
	closed := conn.Close()
	e.mu.Lock()
	e.drained.Broadcast()
	e.mu.Unlock()
	both.Wait()

	e.mu.Lock()
	e.core.LinkDown(e.nowLocked(), id)
	delete(e.kicks, id)
	for key, ch := range e.asks {
		if key.link == id {
			delete(e.asks, key)
			ch <- answer{false, []byte("the link ended")}
		}
	}
	e.afterLocked(context.WithoutCancel(ctx))
	if e.cfg.Notify != nil {
		e.cfg.Notify()
	}
	e.mu.Unlock()

	if refused != nil {
		return refused
	}
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if closed != nil && !errors.Is(closed, io.ErrClosedPipe) {
		return fmt.Errorf("close link: %w", closed)
	}
	return nil
}

// errBye ends the writer after it told the peer why.
var errBye = errors.New("said goodbye")

func (e *Engine) read(ctx context.Context, conn Conn, id replication.LinkID, refused *error) error {
	d, err := wire.NewDecoder(bufio.NewReaderSize(conn, cmp.Or(conn.ReadSize, 32<<10)))
	if err != nil {
		return err
	}
	defer d.Close()
	for {
		m, _, err := d.Next()
		if err != nil && !errors.Is(err, wire.ErrFrame) {
			return fmt.Errorf("read from till %s: %w", conn.Peer.Short(), err)
		}
		prepared := replication.Prepare(m)
		e.mu.Lock()
		for e.core.Waiting() > maxWaiting && !e.stopped && ctx.Err() == nil {
			e.drained.Wait()
		}
		if ctx.Err() != nil {
			e.mu.Unlock()
			return context.Cause(ctx)
		}
		if err == nil {
			err = e.core.ReceivePrepared(e.nowLocked(), id, prepared)
		}
		if err != nil {
			*refused = err
			e.core.Refuse(id, err)
		}
		e.afterLocked(ctx)
		e.mu.Unlock()
		if err != nil {
			<-ctx.Done() // the writer says goodbye and ends the link
			return err
		}
	}
}

func (e *Engine) write(ctx context.Context, conn Conn, id replication.LinkID, kick <-chan struct{}) error {
	enc, err := wire.NewEncoder()
	if err != nil {
		return err
	}
	var buf []byte
	for {
		e.mu.Lock()
		out := e.core.Next(id)
		if len(out) > 0 && e.core.HasAudit() {
			signal(e.auditCh) // it waited until this was gone
		}
		var read replication.Read
		pending := false
		if len(out) == 0 {
			read, pending = e.core.NextRead(id)
		}
		e.mu.Unlock()
		switch {
		case len(out) > 0:
			compress := conn.Compress != nil && conn.Compress()
			buf = buf[:0]
			for _, m := range out {
				if compress {
					buf, err = enc.AppendStream(buf, m)
				} else {
					buf, err = enc.Append(buf, m, false)
				}
				if err != nil {
					return fmt.Errorf("write to till %s: %w", conn.Peer.Short(), err)
				}
			}
			if err := e.send(conn, buf); err != nil {
				return err
			}
			if _, bye := out[len(out)-1].(*wire.Bye); bye {
				return errBye
			}
			if cap(buf) > 1<<20 {
				buf = nil
			}
		case pending:
			commits, at, err := e.perform(ctx, read)
			if err != nil && ctx.Err() != nil {
				return context.Cause(ctx) // the link ends; nothing is wrong with the rows
			}
			e.mu.Lock()
			e.core.ReadDone(read, commits, at, err)
			e.afterLocked(ctx)
			e.mu.Unlock()
		default:
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-kick:
			}
		}
	}
}

func (e *Engine) send(conn Conn, b []byte) error {
	if conn.WriteDeadline != nil {
		if err := conn.WriteDeadline(time.Now().Add(writePatience)); err != nil {
			return fmt.Errorf("write to till %s: %w", conn.Peer.Short(), err)
		}
	}
	if _, err := conn.Write(b); err != nil {
		return fmt.Errorf("write to till %s: %w", conn.Peer.Short(), err)
	}
	return nil
}

func (e *Engine) perform(ctx context.Context, r replication.Read) ([][]byte, replication.Cursor, error) {
	if r.Dots != nil {
		commits, err := e.cfg.Store.ByDot(ctx, r.Scope, r.Dots)
		return commits, r.At, err
	}
	return e.cfg.Store.Live(ctx, r.Scope, r.Want, r.At, r.Bytes)
}
