//go:build bench

package cloud

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// line is the way of a shop to the cloud: what a till's engine does when it pushes own commits, and nothing else.
type line struct {
	shop    *branch
	conn    *cloudlink.Connection
	encoder *wire.Encoder
	decoder *wire.Decoder
	buffer  []byte
	pull    *wire.Pull                  // the last one
	held    map[crdt.Scope]crdt.Context // what the cloud said is durable there
}

// call links with the cloud and says Hello.
func (b *branch) call(ctx context.Context, base string, cloud crdt.TillID) (*line, error) {
	dialer, err := cloudlink.NewDialer(cloudlink.DialerConfig{Shop: b.Shop.ID, Key: b.Key, Program: "bench"})
	if err != nil {
		return nil, err
	}
	l := &line{shop: b, held: make(map[crdt.Scope]crdt.Context)}
	for l.conn == nil { // too many are greeted at once now and then
		l.conn, err = dialer.Dial(ctx, cloudlink.Coupling{Cloud: cloud, Base: base})
		if failure := (*cloudlink.Failure)(nil); errors.As(err, &failure) && failure.Retry > 0 && ctx.Err() == nil {
			wait(failure.Retry)
		} else if err != nil {
			return nil, err
		}
	}
	if l.encoder, err = wire.NewEncoder(); err != nil {
		return nil, err
	}
	if l.decoder, err = wire.NewDecoder(bufio.NewReaderSize(l.conn.Conn, 4<<10)); err != nil {
		return nil, err
	}
	return l, l.send(&wire.Hello{Oldest: wire.Oldest, Newest: wire.Version, Shop: b.Shop.ID, Till: b.ID, Replica: b.Replica, Nonce: [16]byte{1}, Program: "bench"})
}

// send writes a frame, compressed as a till would.
func (l *line) send(m wire.Message) (err error) {
	if l.conn.Conn.Compress() {
		l.buffer, err = l.encoder.AppendStream(l.buffer[:0], m)
	} else {
		l.buffer, err = l.encoder.Append(l.buffer[:0], m, false)
	}
	if err == nil {
		_, err = l.conn.Conn.Write(l.buffer)
	}
	return err
}

// next reads a frame and notes what it says.
func (l *line) next() error {
	m, _, err := l.decoder.Next()
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *wire.Bye:
		return fmt.Errorf("the cloud ends the link: %s: %s", m.Code, m.Text)
	case *wire.Pull:
		l.pull = m
	case *wire.Have:
		if l.held[m.Scope] == nil {
			l.held[m.Scope] = make(crdt.Context)
		}
		l.held[m.Scope].AddAll(m.Entries)
	}
	return nil
}

// durable reads until more is durable at the cloud than n commits of a scope of this till, and returns how many are.
func (l *line) durable(scope crdt.Scope, n int) (int, error) {
	for {
		if now := count(l.held[scope][l.shop.Replica]); now > n {
			return now, nil
		}
		if err := l.next(); err != nil {
			return 0, err
		}
	}
}

// count returns how many commits runs stand for: those of one start follow one another.
func count(runs []crdt.Interval) (n int) {
	for _, r := range runs {
		n += int(r.To - r.After)
	}
	return n
}

// found brings who belongs to the shop, which the cloud asks for, and waits until that is durable.
func (l *line) found() error {
	list, context := l.shop.founding(), l.shop.Store.Contexts()[crdt.Shop]
	if err := l.send(&wire.Context{Scope: crdt.Shop, Full: true, Entries: context, Hash: context.Hash()}); err != nil {
		return err
	}
	for l.pull == nil {
		if err := l.next(); err != nil {
			return err
		}
	}
	if err := l.send(&wire.Commits{Pull: l.pull.ID, List: list}); err != nil {
		return err
	}
	if err := l.send(&wire.End{Pull: l.pull.ID, Complete: true, Frames: 1, Covers: l.pull.Want, Hash: context.Hash()}); err != nil {
		return err
	}
	_, err := l.durable(crdt.Shop, len(list)-1)
	return err
}

// push brings all sales, so many at most without an answer, and returns when all are durable. What became durable at once is
// followed by as many in one frame.
func (l *line) push(window int) error {
	sent, durable := 0, 0
	for durable < len(l.shop.sales) {
		var next [][]byte
		for sent < len(l.shop.sales) && sent-durable < window {
			next = append(next, l.shop.sales[sent].Bytes())
			sent++
		}
		if len(next) > 0 {
			if err := l.send(&wire.Push{List: next, Urgent: true}); err != nil {
				return err
			}
		}
		var err error
		if durable, err = l.durable(crdt.Sales, durable); err != nil {
			return err
		}
	}
	return nil
}

func (l *line) close() {
	l.decoder.Close()
	_ = l.conn.Conn.Close()
}

// each does something with every one of a list at once and waits.
func each[T any](t *testing.T, list []T, do func(int, T) error) {
	t.Helper()
	var all sync.WaitGroup
	for i, one := range list {
		all.Go(func() {
			if err := do(i, one); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
}
