//go:build bench

package bench

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bdgr "github.com/dgraph-io/badger/v4"
	"github.com/stretchr/testify/require"
)

// floorOptions are the options of a till's store (package replication/store/badger).
func floorOptions(dir string) bdgr.Options {
	return bdgr.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(true).WithDetectConflicts(false).
		WithMemTableSize(8 << 20).WithNumMemtables(2).WithValueLogFileSize(16 << 20).WithBlockCacheSize(8 << 20).
		WithIndexCacheSize(8 << 20).WithNumCompactors(2).WithNumLevelZeroTables(2).WithNumLevelZeroTablesStall(8).
		WithNumGoroutines(2).WithMetricsEnabled(false)
}

func openFloor(t testing.TB) *bdgr.DB {
	t.Helper()
	var db *bdgr.DB
	labelled("floor", func() {
		var err error
		db, err = bdgr.Open(floorOptions(t.TempDir()))
		require.NoError(t, err)
	})
	return db
}

// floorTLS is TLS 1.3 with Ed25519 on both sides, as the links have it.
func floorTLS() (*tls.Config, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, public, private)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, ClientAuth: tls.RequireAnyClientCert,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
	}, nil
}

// counted counts what is written to a connection.
type counted struct {
	net.Conn
	out *atomic.Int64
}

// Write is a method of net.Conn.
func (c counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.out.Add(int64(n))
	return n, err
}

// tlsPair returns both ends of a TLS connection over loopback, after the handshake. out counts the bytes of both.
func tlsPair(t testing.TB, out *atomic.Int64) (a, b net.Conn) {
	t.Helper()
	cfg, err := floorTLS()
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan net.Conn, 1)
	go func() {
		c, err := listener.Accept()
		if err != nil {
			close(accepted)
			return
		}
		accepted <- c
	}()
	near, err := net.Dial("tcp", listener.Addr().String())
	require.NoError(t, err)
	far, ok := <-accepted
	require.True(t, ok)
	require.NoError(t, listener.Close())
	client, server := tls.Client(counted{near, out}, cfg), tls.Server(counted{far, out}, cfg)
	shaken := make(chan error, 1)
	go func() { shaken <- server.Handshake() }()
	require.NoError(t, client.Handshake())
	require.NoError(t, <-shaken)
	return client, server
}

// bareLog is what a till would be with nothing but a log per origin: entries of all origins in one Badger, own ones sent
// to every peer after their own sync. Each origin has one writer, which syncs entry by entry (Badger joins what several
// writers sync at once) or, if it folds, all that queued in one transaction. It merges nothing and forgets what a link
// lost.
type bareLog struct {
	origin byte
	db     *bdgr.DB
	folds  bool
	// saved is called with an entry that is durable here, in the order of each origin.
	saved func(origin byte, seq uint64)
	lanes []*lane // by origin

	mu     sync.Mutex
	closed bool
	peers  []*barePeer
	parts  sync.WaitGroup
	err    error // the first
}

// lane is the entries of an origin that wait for their writer.
type lane struct {
	mu     sync.Mutex
	more   *sync.Cond
	queue  []entry
	next   uint64
	closed bool
}

type entry struct {
	origin byte
	seq    uint64
	value  []byte
}

// barePeer is the sending half of a connection.
type barePeer struct {
	conn net.Conn
	mu   sync.Mutex
	more *sync.Cond
	out  []byte
	done bool
}

func newBareLog(db *bdgr.DB, origin byte, origins int, folds bool, saved func(byte, uint64)) *bareLog {
	l := &bareLog{origin: origin, db: db, folds: folds, saved: saved}
	for range origins {
		one := new(lane)
		one.more = sync.NewCond(&one.mu)
		l.lanes = append(l.lanes, one)
		l.parts.Go(func() { l.fail(l.write(one)) })
	}
	return l
}

// link begins to speak with another log.
func (l *bareLog) link(conn net.Conn) {
	p := &barePeer{conn: conn}
	p.more = sync.NewCond(&p.mu)
	l.mu.Lock()
	l.peers = append(l.peers, p)
	l.mu.Unlock()
	l.parts.Go(func() { l.fail(p.send()) })
	l.parts.Go(func() { l.fail(l.read(conn)) })
}

// add queues an own entry and returns its number.
func (l *bareLog) add(value []byte) uint64 {
	own := l.lanes[l.origin]
	own.mu.Lock()
	defer own.mu.Unlock()
	own.next++
	own.queue = append(own.queue, entry{l.origin, own.next, value})
	own.more.Signal()
	return own.next
}

func (l *bareLog) fail(err error) {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil && !l.closed {
		l.err = err
	}
}

// close ends the log and returns what went wrong.
func (l *bareLog) close() error {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	for _, one := range l.lanes {
		one.mu.Lock()
		one.closed = true
		one.more.Broadcast()
		one.mu.Unlock()
	}
	for _, p := range l.peers {
		p.mu.Lock()
		p.done = true
		p.more.Broadcast()
		p.mu.Unlock()
		l.fail(p.conn.Close())
	}
	l.parts.Wait()
	return errors.Join(l.err, l.db.Close())
}

// write is the writer of an origin.
func (l *bareLog) write(one *lane) error {
	most := 1
	if l.folds {
		most = 2000
	}
	for {
		one.mu.Lock()
		for len(one.queue) == 0 && !one.closed {
			one.more.Wait()
		}
		if one.closed {
			one.mu.Unlock()
			return nil
		}
		n := min(len(one.queue), most)
		batch := one.queue[:n:n]
		one.queue = one.queue[n:]
		one.mu.Unlock()
		err := l.db.Update(func(txn *bdgr.Txn) error {
			for _, e := range batch {
				key := binary.BigEndian.AppendUint64([]byte{'c', e.origin}, e.seq)
				if err := txn.Set(key, e.value); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("write %d entries: %w", n, err)
		}
		if batch[0].origin == l.origin {
			l.mu.Lock()
			peers := l.peers
			l.mu.Unlock()
			for _, p := range peers {
				p.queue(batch)
			}
		}
		for _, e := range batch {
			l.saved(e.origin, e.seq)
		}
	}
}

// queue takes entries to send; what gathers while a write runs leaves as one.
func (p *barePeer) queue(batch []entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range batch {
		p.out = binary.AppendUvarint(p.out, uint64(len(e.value)))
		p.out = append(p.out, e.origin)
		p.out = binary.AppendUvarint(p.out, e.seq)
		p.out = append(p.out, e.value...)
	}
	p.more.Signal()
}

func (p *barePeer) send() error {
	for {
		p.mu.Lock()
		for len(p.out) == 0 && !p.done {
			p.more.Wait()
		}
		out, done := p.out, p.done
		p.out = nil
		p.mu.Unlock()
		if done {
			return nil
		}
		if _, err := p.conn.Write(out); err != nil {
			return err
		}
	}
}

func (l *bareLog) read(conn net.Conn) error {
	r := bufio.NewReaderSize(conn, 32<<10)
	for {
		size, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		origin, err := r.ReadByte()
		if err != nil {
			return err
		}
		seq, err := binary.ReadUvarint(r)
		if err != nil {
			return err
		}
		value := make([]byte, size)
		if _, err := io.ReadFull(r, value); err != nil {
			return err
		}
		if int(origin) >= len(l.lanes) {
			return fmt.Errorf("an entry of origin %d", origin)
		}
		one := l.lanes[origin]
		one.mu.Lock()
		one.queue = append(one.queue, entry{origin, seq, value})
		one.more.Signal()
		one.mu.Unlock()
	}
}

// bareLogs returns so many logs, each linked with each. saved is called with the log that saved an entry.
func bareLogs(t testing.TB, count int, folds bool, out *atomic.Int64, saved func(log int, origin byte, seq uint64)) []*bareLog {
	t.Helper()
	var logs []*bareLog
	labelled("floor", func() {
		for n := range count {
			logs = append(logs, newBareLog(openFloor(t), byte(n), count, folds,
				func(origin byte, seq uint64) { saved(n, origin, seq) }))
		}
		for i := range logs {
			for j := range i {
				a, b := tlsPair(t, out)
				logs[i].link(a)
				logs[j].link(b)
			}
		}
	})
	return logs
}
