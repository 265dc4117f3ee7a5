package rksv

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// Config is what a [Signer] needs from outside.
type Config struct {
	CashBox      string // Kassen-ID
	Suite        string // SuiteClosed, or R1-AT and the number of the trust provider
	Key          AESKey
	CounterBytes int // 5 to 16; 0: 8. It never changes for a cash box
	Unit         Unit
	File         File // of this cash box alone; used by one goroutine at a time
}

// Signer continues the chain of one cash box. Its methods may be called from any goroutine; receipts are chained in the
// order of the calls.
type Signer struct {
	cfg  Config
	turn chan struct{} // holds a token while a receipt is made; waited for with a context

	mu    sync.Mutex
	state State
	made  uint64 // receipts since the signer was opened

	disk    sync.Mutex // held while writing; never taken with mu held
	written uint64     // how many of them are durable
}

// Open returns the signer of a cash box at the state of its file, which is that of a new cash box if nothing was ever
// saved. It returns [ErrState] if there is a state and it is not usable, or [ErrRequest] if the configuration is not.
func Open(cfg Config) (*Signer, error) {
	if cfg.CounterBytes == 0 {
		cfg.CounterBytes = DefaultCounterBytes
	}
	state := State{Version: stateVersion, CashBox: cfg.CashBox, CounterBytes: cfg.CounterBytes}
	if err := cmp.Or(checkSuite(cfg.Suite), state.check(), checkCertificate(cfg.Suite, cfg.Unit.Certificate())); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	b, err := cfg.File.Load()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrState, err)
	}
	if b != nil {
		was, err := ParseState(b)
		if err != nil {
			return nil, err
		}
		if was.CashBox != cfg.CashBox || was.CounterBytes != cfg.CounterBytes {
			return nil, fmt.Errorf("%w: it is that of cash box %s with a counter of %d bytes", ErrState, was.CashBox, was.CounterBytes)
		}
		state = was
	}
	return &Signer{cfg: cfg, turn: make(chan struct{}, 1), state: state}, nil
}

// State returns where the chain stands. The last receipts of it may not be durable yet.
func (s *Signer) State() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state
}

// Sign makes the next receipt of the chain and returns when it is durable; see [Signer.Next].
func (s *Signer) Sign(ctx context.Context, r Receipt) (Signed, error) {
	signed, durable, err := s.Next(ctx, r)
	if err != nil {
		return Signed{}, err
	}
	return signed, durable()
}

// Next makes the next receipt of the chain. It is durable once the returned function has returned nil; so the next one
// can be made meanwhile, and several share one write. That function may be called again if it fails.
//
// ctx bounds how long the unit is waited for. If it ends by a deadline, or the unit fails otherwise, the receipt carries
// [OutageText]; if the caller cancels it, nothing happens. Asking for a receipt that is among the last 64 returns it
// again, so an answer that was lost is found.
//
// It returns [ErrRequest] for a receipt that cannot follow, a [UsedError] (which wraps it) for a number that was used
// for another one, and [ErrUnavailable] if the receipt must be signed and the unit fails. Then nothing was used.
func (s *Signer) Next(ctx context.Context, r Receipt) (Signed, func() error, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return Signed{}, nil, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	state := s.State()
	if again, err := state.again(r); err != nil || again.JWS.Text != "" {
		return again, s.durable(), err
	}
	p, next, err := s.cfg.payload(state, r)
	if err != nil {
		return Signed{}, nil, err
	}
	signed, err := s.cfg.sign(ctx, p, state.Outage && !r.Kind.Null(), r.Kind.mustBeSigned())
	if err != nil {
		return Signed{}, nil, err
	}
	next.Outage = signed.JWS.Outage() || state.Outage && !r.Kind.Null()
	next.Recent = push(state.Recent, signed.JWS.Text)
	s.mu.Lock()
	s.state = next
	s.made++
	s.mu.Unlock()
	return signed, s.durable(), nil
}

// UsedError means that a number was used before, for another receipt. It wraps [ErrRequest].
type UsedError struct{ Signed Signed }

// Error names the number.
func (e *UsedError) Error() string {
	return fmt.Sprintf("%v: number %s was used for another receipt of %s", ErrRequest, e.Signed.JWS.Payload.Number, e.Signed.JWS.Payload.Date)
}

// Unwrap returns [ErrRequest].
func (e *UsedError) Unwrap() error { return ErrRequest }

// again finds a receipt among the last ones.
func (s State) again(r Receipt) (Signed, error) {
	for _, text := range s.Recent {
		j, err := ParseJWS(text)
		if err != nil || j.Payload.Number != r.Number {
			continue
		}
		signed := Signed{JWS: j}
		amounts, err := j.Payload.Parse()
		same := err == nil && amounts == r.Amounts && r.CashBox == s.CashBox && j.Payload.Date >= r.Date && // the clock may have gone back
			j.Payload.Training() == (r.Kind == Training) && j.Payload.Cancellation() == (r.Kind == Cancellation)
		if !same {
			return Signed{}, &UsedError{signed}
		}
		return signed, nil
	}
	return Signed{}, nil
}

// payload returns what is signed of a receipt that follows a state, and the state it leaves.
func (c Config) payload(s State, r Receipt) (Payload, State, error) {
	last, follows := s.Last()
	p := Payload{Suite: c.Suite, CashBox: c.CashBox, Number: r.Number, Date: r.Date, Certificate: c.Unit.Certificate(), Previous: chainValue(c.CashBox)}
	if follows {
		p.Previous = chainValue(last.Text)
		p.Date = max(p.Date, last.Payload.Date) // dates never decrease, not even when summer time ends
	}
	for i, a := range r.Amounts {
		p.Amounts[i] = amountText(a)
	}
	if err := c.check(s, r); err != nil {
		return p, s, err
	}
	if follows && !behind(r.Number, last.Payload.Number) {
		return p, s, fmt.Errorf("%w: number %s does not come after %s", ErrRequest, r.Number, last.Payload.Number)
	}
	sum := r.Amounts.Sum()
	if r.Kind != Training {
		if sum > 0 && s.Counter > math.MaxInt64-sum || sum < 0 && s.Counter < math.MinInt64-sum {
			return p, s, fmt.Errorf("%w: the turnover is too large for any counter", ErrRequest)
		}
		s.Counter += sum
	}
	s.Final = r.Kind == Final
	var err error
	p.Counter, err = c.Key.encrypt(c.CashBox, r.Number, s.Counter, s.CounterBytes)
	switch r.Kind {
	case Training:
		p.Counter = counterTraining
	case Cancellation:
		p.Counter = counterCancellation
	}
	return p, s, err
}

// check refuses a receipt that cannot follow a state.
func (c Config) check(s State, r Receipt) error {
	switch {
	case r.CashBox != c.CashBox:
		return fmt.Errorf("%w: a receipt of cash box %.60q, this is %s", ErrRequest, r.CashBox, c.CashBox)
	case s.Final:
		return fmt.Errorf("%w: the final receipt of %s was made", ErrRequest, c.CashBox)
	case (len(s.Recent) == 0) != (r.Kind == Start):
		return fmt.Errorf("%w: the first receipt of a cash box is its start receipt, and no other is", ErrRequest)
	case !r.Kind.Null() && r.Kind != Standard && r.Kind != Cancellation && r.Kind != Training:
		return fmt.Errorf("%w: %.40q is no kind of receipt", ErrRequest, r.Kind)
	case r.Kind.Null() && r.Amounts != Amounts{}:
		return fmt.Errorf("%w: a %s receipt comes to nothing", ErrRequest, r.Kind)
	}
	if err := cmp.Or(checkElement("number", r.Number), checkDate(r.Date), r.Amounts.check()); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// behind reports whether a number comes after another one; so none is used twice.
func behind(number, last string) bool {
	return cmp.Or(cmp.Compare(len(number), len(last)), strings.Compare(number, last)) > 0
}

// sign asks the unit, unless it is known to fail.
func (c Config) sign(ctx context.Context, p Payload, failing, must bool) (Signed, error) {
	if failing {
		return Signed{JWS: newJWS(p, nil), Failure: "an outage goes on until a Nullbeleg was signed"}, nil
	}
	signature, err := c.Unit.Sign(ctx, []byte(signingInput(p)))
	switch {
	case err == nil && len(signature) != es256.Size:
		err = fmt.Errorf("%w: it answered with %d bytes", ErrUnavailable, len(signature))
	case ctx.Err() == context.Canceled:
		return Signed{}, fmt.Errorf("%w: %w", ErrUnavailable, ctx.Err())
	}
	switch {
	case err == nil:
		return Signed{JWS: newJWS(p, signature)}, nil
	case must:
		return Signed{}, fmt.Errorf("%w: receipt %s must be signed: %w", ErrUnavailable, p.Number, err)
	}
	return Signed{JWS: newJWS(p, nil), Failure: err.Error()}, nil
}

// durable returns a function that returns once all receipts made so far are durable. Whoever gets to the disk first
// writes for all that wait.
func (s *Signer) durable() func() error {
	s.mu.Lock()
	upTo := s.made
	s.mu.Unlock()
	return func() error {
		s.disk.Lock()
		defer s.disk.Unlock()
		if s.written >= upTo {
			return nil
		}
		s.mu.Lock()
		state, made := s.state, s.made
		s.mu.Unlock()
		b, err := state.Bytes()
		if err == nil {
			err = s.cfg.File.Save(b)
		}
		if err != nil {
			return fmt.Errorf("%w: its state cannot be saved: %w", ErrUnavailable, err)
		}
		s.written = made
		return nil
	}
}
