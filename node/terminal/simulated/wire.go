package simulated

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// maxLine bounds one line between a till and a terminal.
const maxLine = 64 << 10

// question is one line of a till, answer one line of the terminal. A connection carries one question.
type question struct {
	Do       string        `json:"do"` // name, ask, query or cancel
	Payment  string        `json:"payment,omitempty"`
	Kind     terminal.Kind `json:"kind,omitempty"`
	Amount   int64         `json:"amount,omitempty"`
	Currency string        `json:"currency,omitempty"`
	Of       string        `json:"of,omitempty"`
}

type answer struct {
	Name    string           `json:"name,omitempty"`
	Outcome terminal.Outcome `json:"outcome"`
	Error   string           `json:"error,omitempty"`
}

func (q question) request() (r terminal.Request, err error) {
	r = terminal.Request{Kind: q.Kind, Amount: q.Amount, Currency: q.Currency}
	if r.Payment, err = crdt.ParseObjectID(q.Payment); err == nil && q.Of != "" {
		r.Of, err = crdt.ParseObjectID(q.Of)
	}
	return r, err
}

// Server lets tills reach a terminal over TCP.
type Server struct{ Terminal *Terminal }

// Run answers on l until ctx is done. It closes l.
func (s Server) Run(ctx context.Context, l net.Listener) error {
	var open sync.WaitGroup
	defer open.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, net.ErrClosed) {
				return nil
			}
			return fmt.Errorf("simulated terminal: %w", err)
		}
		open.Go(func() {
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			s.serve(ctx, c)
			_ = c.Close() // it was answered, or the till is gone
		})
	}
}

// serve answers one question. Where the device loses the answer, the connection just ends.
func (s Server) serve(ctx context.Context, c net.Conn) {
	line, err := readLine(c)
	if err != nil {
		return
	}
	var q question
	if err := json.Unmarshal(line, &q); err != nil {
		return
	}
	var a answer
	if q.Do == "name" {
		a.Name = s.Terminal.Name()
	} else {
		var r terminal.Request
		if r, err = q.request(); err == nil {
			switch q.Do {
			case "ask":
				a.Outcome, err = s.Terminal.Ask(ctx, r)
			case "query":
				a.Outcome, err = s.Terminal.Query(ctx, r)
			case "cancel":
				err = s.Terminal.Cancel(ctx, r.Payment)
			}
		}
	}
	if errors.Is(err, terminal.ErrNoAnswer) {
		return
	}
	if err != nil {
		a.Error = err.Error()
	}
	out, err := json.Marshal(a)
	if err != nil {
		return
	}
	out = append(out, '\n')
	if q.Do == "ask" && s.Terminal.Device.answersTwice(q.Payment) {
		out = append(out, out...)
	}
	_, _ = c.Write(out) // the till may be gone
}

// answersTwice reports whether the answer about a payment comes twice.
func (d *Device) answersTwice(payment string) bool {
	id, err := crdt.ParseObjectID(payment)
	return err == nil && fateOf(d.c.Seed, id).twice
}

func readLine(r io.Reader) ([]byte, error) {
	b := bufio.NewReader(io.LimitReader(r, maxLine))
	line, err := b.ReadBytes('\n')
	if err != nil {
		return nil, err
	}
	return line, nil
}

// Link asks a device that a [Server] serves. A till can have one before the terminal is there.
type Link struct{ addr string }

// NewLink returns a link to the terminal at an address, "host:port".
func NewLink(addr string) *Link { return &Link{addr} }

// Name is a method of terminal.Terminal: the address, which stays with one device.
func (l *Link) Name() string { return "simulated@" + l.addr }

// Mark is a method of terminal.Terminal. It asks whether the terminal is there.
func (l *Link) Mark(ctx context.Context) (string, error) {
	_, err := l.ask(ctx, question{Do: "name"})
	return "", err
}

// Ask is a method of terminal.Terminal.
func (l *Link) Ask(ctx context.Context, r terminal.Request) (terminal.Outcome, error) {
	a, err := l.ask(ctx, about("ask", r))
	return a.Outcome, err
}

// Query is a method of terminal.Terminal.
func (l *Link) Query(ctx context.Context, r terminal.Request) (terminal.Outcome, error) {
	a, err := l.ask(ctx, about("query", r))
	return a.Outcome, err
}

// Cancel is a method of terminal.Terminal.
func (l *Link) Cancel(ctx context.Context, payment crdt.ObjectID) error {
	_, err := l.ask(ctx, question{Do: "cancel", Payment: payment.String()})
	return err
}

func about(do string, r terminal.Request) question {
	q := question{Do: do, Payment: r.Payment.String(), Kind: r.Kind, Amount: r.Amount, Currency: r.Currency}
	if !r.Of.IsZero() {
		q.Of = r.Of.String()
	}
	return q
}

const dialTime = 2 * time.Second

// ask sends one question. Only the first line of the answer counts.
func (l *Link) ask(ctx context.Context, q question) (a answer, err error) {
	dialer := net.Dialer{Timeout: dialTime}
	c, err := dialer.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return a, fmt.Errorf("%w: %w", terminal.ErrNoAnswer, err)
	}
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	defer func() { err = errors.Join(err, closed(c.Close())) }()
	line, err := json.Marshal(q)
	if err != nil {
		return a, fmt.Errorf("ask the terminal: %w", err)
	}
	if _, err := c.Write(append(line, '\n')); err != nil {
		return a, fmt.Errorf("%w: %w", terminal.ErrNoAnswer, err)
	}
	if line, err = readLine(c); err != nil {
		return a, fmt.Errorf("%w: %w", terminal.ErrNoAnswer, err)
	}
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("%w: its answer cannot be read: %w", terminal.ErrNoAnswer, err)
	}
	if a.Error != "" {
		return a, errors.New(a.Error)
	}
	return a, nil
}

// closed drops the error of closing a connection that ctx closed before.
func closed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
