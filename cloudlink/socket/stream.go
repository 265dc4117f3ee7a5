package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// Protocol is the WebSocket subprotocol that both sides must name.
	Protocol = family + "1"
	// family and generation are the parts of it.
	family     = "tillmesh."
	generation = 1
	// Path is where the cloud takes uplinks, below its base URL.
	Path = "/api/v1/uplink"
	// ShopHeader names the shop in the request, in text form, so that it can be passed on to the server that serves the shop
	// before anything is proved. Nothing else may follow from it.
	ShopHeader = "Tillmesh-Shop"
	// ReadSize is how much a stream gives at a time at most, so that a slow line is seen to move.
	ReadSize = 4 << 10
	// MaxMessage is the most a receiver takes in one message: a frame of package wire and something over. A sender of this
	// program uses far smaller ones.
	MaxMessage = 4<<20 + 64<<10

	chunk    = 16 << 10 // bytes of a message that is sent
	bulkFrom = 512      // bytes of a write that count for Bulk
	bulkPays = 64 << 10 // bytes of bulk from which on compressing is worth its memory
)

// Reasons why a stream ended. They are matched with errors.Is.
var (
	// ErrSlow: the peer took nothing for too long.
	ErrSlow = errors.New("the other side takes nothing any more")
	// ErrSilent: nothing came for too long.
	ErrSilent = errors.New("nothing was heard from the other side for too long")
	// ErrTooBig: a message above the limit came.
	ErrTooBig = errors.New("a message is larger than allowed")
	// ErrText: a text message came.
	ErrText = errors.New("a text message came where only bytes may")
)

// Limits are how long a stream waits. Zero values mean the defaults.
type Limits struct {
	Write   time.Duration // for one small message to go out; zero means 15 s: a line must take about 1 KB/s
	Beat    time.Duration // of saying nothing until an empty message is sent; zero means 8 s
	Silence time.Duration // of hearing nothing until the stream is given up; zero means 25 s
}

func (l Limits) orDefaults() Limits {
	return Limits{cmp.Or(l.Write, 15*time.Second), cmp.Or(l.Beat, 8*time.Second), cmp.Or(l.Silence, 25*time.Second)}
}

// Stream is a connection. One goroutine may read while another writes; Close may be called at any time and often, and
// must be called once.
type Stream struct {
	conn   *websocket.Conn
	limits Limits

	writing sync.Mutex  // held while something goes out
	message io.Reader   // the one that is being read; nil between two
	reading atomic.Bool // somebody waits for bytes: who does not read cannot call the peer silent

	in, out, bulk     atomic.Int64
	heardAt, spokenAt atomic.Int64 // Unix nanoseconds by began's monotonic clock
	began             time.Time

	mu     sync.Mutex
	cause  error // why this side ended it
	done   context.CancelFunc
	keeper sync.WaitGroup
}

func newStream(limits Limits) *Stream {
	return &Stream{limits: limits.orDefaults(), began: time.Now()}
}

func (s *Stream) attach(conn *websocket.Conn) {
	conn.SetReadLimit(MaxMessage)
	s.conn = conn
	s.heard()
	s.spoke()
}

// answerPing decides about the ping of a proxy: while something is written no pong could get out, and none is needed.
func (s *Stream) answerPing(context.Context, []byte) bool {
	if !s.writing.TryLock() {
		return false
	}
	s.writing.Unlock()
	return true
}

func (s *Stream) heard() { s.heardAt.Store(int64(time.Since(s.began))) }
func (s *Stream) spoke() { s.spokenAt.Store(int64(time.Since(s.began))) }

// Heard returns how long ago something came.
func (s *Stream) Heard() time.Duration {
	return time.Since(s.began) - time.Duration(s.heardAt.Load())
}

// BytesIn returns how many bytes came in messages, without what carries them.
func (s *Stream) BytesIn() int64 { return s.in.Load() }

// BytesOut returns how many bytes went out in messages, without what carries them.
func (s *Stream) BytesOut() int64 { return s.out.Load() }

// Pays reports whether compressing pays: on a stream that carried more than what an idle one does. Until then the memory
// that it takes on both sides would cost more than it saves.
func (s *Stream) Pays() bool { return s.bulk.Load() > bulkPays }

// Send writes one message whole, at most 16 KiB. It is for the greeting.
func (s *Stream) Send(b []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.send(b)
}

// Receive reads one message of at most limit bytes within the time given; empty ones are passed over. It is for the greeting.
func (s *Stream) Receive(limit int64, patience time.Duration) ([]byte, error) {
	s.conn.SetReadLimit(limit)
	defer s.conn.SetReadLimit(MaxMessage)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		kind, b, err := s.conn.Read(ctx)
		if ctx.Err() != nil {
			err = ErrSilent
		}
		if err != nil {
			return nil, s.failed("read", err)
		}
		s.heard()
		s.in.Add(int64(len(b)))
		if kind != websocket.MessageBinary {
			return nil, ErrText
		}
		if len(b) > 0 {
			return b, nil
		}
	}
}

// Keep starts what keeps the stream alive and notices when it is not; Close ends it. It is called once, after the greeting.
func (s *Stream) Keep() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cause != nil {
		return // it was closed meanwhile
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.done = cancel
	s.keeper.Go(func() { s.keep(ctx) })
}

func (s *Stream) keep(ctx context.Context) {
	timer := time.NewTimer(s.limits.Beat)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		next, err := s.beat()
		if err != nil {
			s.cut(err)
			return
		}
		timer.Reset(next)
	}
}

// beat says something if that is due, and returns when to look again; an error if nothing was heard for too long.
func (s *Stream) beat() (next time.Duration, err error) {
	silent := s.limits.Silence
	if s.reading.Load() {
		if silent -= s.Heard(); silent <= 0 {
			return 0, ErrSilent
		}
	}
	quiet := s.limits.Beat - (time.Since(s.began) - time.Duration(s.spokenAt.Load()))
	if quiet <= 0 {
		quiet = s.limits.Beat
		if s.writing.TryLock() { // else something is on its way
			err = s.send(nil)
			s.writing.Unlock()
		}
	}
	return max(min(silent, quiet), time.Millisecond), err
}

// cut ends the stream for a reason of this side; the reader and the writer return it.
func (s *Stream) cut(why error) {
	s.mu.Lock()
	s.cause = cmp.Or(s.cause, why)
	s.mu.Unlock()
	_ = s.conn.CloseNow() // it is broken already
}

// Read reads what the peer wrote, as a stream: where messages end means nothing. It returns io.EOF after the peer closed.
func (s *Stream) Read(p []byte) (int, error) {
	s.heard() // the wait begins
	s.reading.Store(true)
	defer s.reading.Store(false)
	for {
		if s.message == nil {
			kind, r, err := s.conn.Reader(context.Background())
			if errors.Is(err, io.EOF) { // between two messages
				return 0, io.EOF
			}
			if err != nil {
				return 0, s.failed("read", err)
			}
			s.heard()
			if kind != websocket.MessageBinary {
				s.cut(ErrText)
				return 0, ErrText
			}
			s.message = r
		}
		n, err := s.message.Read(p[:min(len(p), ReadSize)])
		if n > 0 {
			s.heard()
			s.in.Add(int64(n))
		}
		switch {
		case errors.Is(err, io.EOF):
			s.message = nil
			if n > 0 {
				return n, nil
			}
		case err != nil:
			return n, s.failed("read", err)
		default:
			return n, nil
		}
	}
}

// Write sends b in small messages and blocks as long as the line moves.
func (s *Stream) Write(b []byte) (int, error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if len(b) >= bulkFrom {
		s.bulk.Add(int64(len(b)))
	}
	done := 0
	for done < len(b) {
		n := min(len(b)-done, chunk)
		if err := s.send(b[done : done+n]); err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// send writes one message. s.writing is held.
func (s *Stream) send(b []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.limits.Write)
	defer cancel()
	err := s.conn.Write(ctx, websocket.MessageBinary, b)
	if ctx.Err() != nil && err != nil {
		err = ErrSlow
	}
	if err != nil {
		return s.failed("write", err)
	}
	s.out.Add(int64(len(b)))
	s.spoke()
	return nil
}

// failed says why, in words of this package.
func (s *Stream) failed(what string, err error) error {
	s.mu.Lock()
	cause := s.cause
	s.mu.Unlock()
	switch {
	case cause != nil:
		return cause
	case errors.Is(err, websocket.ErrMessageTooBig):
		return fmt.Errorf("%s: %w", what, ErrTooBig)
	case websocket.CloseStatus(err) != -1:
		return io.EOF
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Close ends the stream at once and returns when nothing of it runs any more.
func (s *Stream) Close() error {
	s.mu.Lock()
	s.cause = cmp.Or(s.cause, error(net.ErrClosed))
	done := s.done
	s.mu.Unlock()
	if done != nil {
		done()
	}
	err := s.conn.CloseNow()
	s.keeper.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
