// Package engine drives a replication.Core over real links and a real store: one goroutine that commits, one that
// keeps time, and two per link. It decides nothing; what is sent, stored or claimed is the Core's.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	batchBytes = 900 << 10 // about how much one transaction takes
	// maxWaiting is how much may wait for the disk before links are read no further.
	maxWaiting  = 2 << 20
	askPatience = 5 * time.Second
	// settleAfter is how long nothing is written before the store is asked to settle.
	settleAfter = 20 * time.Millisecond
)

// ErrStopped is returned for changes that were asked for when the engine had ended.
var ErrStopped = errors.New("the till is stopping")

// Config is what an Engine needs.
type Config struct {
	Core  *replication.Core
	Store replication.Store
	Log   *slog.Logger

	// Applied is called with commits that became durable and changed something, in their order, before those who wait for
	// them are answered. Only one call runs at a time. nil: nobody is told.
	Applied func([]replication.Taken)

	// Asked answers a question of a peer; it may block. ok false refuses with body as the reason.
	Asked func(ctx context.Context, till crdt.TillID, topic string, body []byte) (answer []byte, ok bool)

	// Notify is called when the state of links or the equality with peers changed. It must not block.
	Notify func()

	// Held is called when another till said that it holds more, so that Holders may answer otherwise. It must not block and
	// must not call the Engine. nil: nobody is told.
	Held func()

	// Settle is called when nothing was written for a moment after own changes were; nil if nothing needs it.
	Settle func() error

	// Unknown reports whether an error of the store leaves the outcome of a write unknown.
	Unknown func(error) bool

	// Now is the wall clock that peers are told of; nil: time.Now. It may be wrong and may jump: timers do not follow it.
	Now func() time.Time

	// Doubt is called when the lineage of the store comes into doubt; nothing own is written any more from then on, and
	// Run is about to return the same doubt. It must not block and must not call the Engine. nil: nobody is told.
	Doubt func(replication.DoubtError)

	// Event is called with what else should be known: forks, keys that speak twice, differences that an audit found. It must
	// not block and must not call the Engine. nil: it is only logged.
	Event func(replication.Event)
}

// Engine runs one till's replication. All methods may be called at any time.
type Engine struct {
	cfg Config

	mu       sync.Mutex
	core     *replication.Core
	drained  *sync.Cond // less waits for the disk
	waiters  map[uint64]chan replication.Result
	kicks    map[replication.LinkID]chan struct{}
	asks     map[askKey]chan answer
	stopped  bool
	told     uint64 // Told of the core, when Held was called last
	fatal    error
	doubt    *replication.DoubtError
	audits   map[uint64]chan struct{} // closed when an audit that was asked for has ended
	auditCh  chan struct{}            // an audit wants rows
	commitCh chan struct{}            // something waits for the committer
	timeCh   chan struct{}            // the deadline may have changed
	asked    sync.WaitGroup
}

type askKey struct {
	link replication.LinkID
	id   uint64
}

type answer struct {
	ok   bool
	body []byte
}

// New returns an engine; it does nothing until Run.
func New(cfg Config) *Engine {
	e := &Engine{
		cfg:      cfg,
		core:     cfg.Core,
		waiters:  make(map[uint64]chan replication.Result),
		kicks:    make(map[replication.LinkID]chan struct{}),
		asks:     make(map[askKey]chan answer),
		audits:   make(map[uint64]chan struct{}),
		auditCh:  make(chan struct{}, 1),
		commitCh: make(chan struct{}, 1),
		timeCh:   make(chan struct{}, 1),
	}
	e.drained = sync.NewCond(&e.mu)
	return e
}

// Run commits, keeps time and audits until ctx is done or the till must not go on: then the error is a
// *replication.DoubtError or wraps replication.ErrStoreFailed. Links are served by Serve. Everything that waits is answered
// before it returns, and no goroutine it started is left.
func (e *Engine) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var timers sync.WaitGroup
	timers.Go(func() { e.keepTime(ctx) })
	timers.Go(func() { e.auditRows(ctx) })
	err := e.commit(ctx)
	cancel()
	timers.Wait()

	e.mu.Lock()
	e.stopped = true
	if err != nil {
		e.fatal = err
	}
	for ticket, ch := range e.waiters {
		delete(e.waiters, ticket)
		ch <- replication.Result{Ticket: ticket, Err: e.stopErrLocked()}
	}
	for id, ch := range e.audits {
		delete(e.audits, id)
		close(ch)
	}
	e.drained.Broadcast()
	e.mu.Unlock()
	e.asked.Wait()
	return err
}

func (e *Engine) stopErrLocked() error {
	if e.fatal != nil {
		return fmt.Errorf("%w: %w", ErrStopped, e.fatal)
	}
	return ErrStopped
}

// commit is the committer: one batch after another, each folding what queued while the one before was written.
func (e *Engine) commit(ctx context.Context) error {
	unsettled := false
	idle := time.NewTimer(settleAfter)
	defer idle.Stop()
	for {
		e.mu.Lock()
		ops := e.core.Take(batchBytes)
		refused := e.core.Refused()
		doubt := e.doubt
		e.mu.Unlock()
		e.deliver(refused)
		if doubt != nil { // what was taken is foreign: own changes are refused by now
			return errors.Join(doubt, e.settle(unsettled))
		}
		if len(ops) == 0 {
			select {
			case <-ctx.Done():
				return e.settle(unsettled)
			case <-e.commitCh:
			case <-idle.C:
				if err := e.settle(unsettled); err != nil {
					return err
				}
				unsettled = false
			}
			continue
		}
		unsettled = true
		idle.Reset(settleAfter)
		// A batch that began is finished, also while stopping.
		applied, err := e.cfg.Store.Apply(context.WithoutCancel(ctx), ops)
		unknown := err != nil && e.cfg.Unknown != nil && e.cfg.Unknown(err)
		e.mu.Lock()
		results, taken := e.core.Done(e.nowLocked(), applied, err, unknown)
		e.afterLocked(ctx)
		e.drained.Broadcast()
		e.mu.Unlock()
		if len(taken) > 0 && e.cfg.Applied != nil {
			e.cfg.Applied(taken)
		}
		e.deliver(results)
		if unknown {
			return fmt.Errorf("%w: %w", replication.ErrStoreFailed, err)
		}
		if one := (*replication.Refused)(nil); err != nil && !errors.As(err, &one) {
			e.cfg.Log.Error("changes were not saved", "error", err, "changes", len(ops))
		}
	}
}

func (e *Engine) settle(unsettled bool) error {
	if !unsettled || e.cfg.Settle == nil {
		return nil
	}
	if err := e.cfg.Settle(); err != nil {
		return fmt.Errorf("%w: %w", replication.ErrStoreFailed, err)
	}
	return nil
}

// deliver answers those who wait, and lets them go on first: what they ask for next is in the next batch then.
func (e *Engine) deliver(results []replication.Result) {
	if len(results) == 0 {
		return
	}
	e.mu.Lock()
	for _, r := range results {
		if ch := e.waiters[r.Ticket]; ch != nil {
			ch <- r // has room for its one answer
			delete(e.waiters, r.Ticket)
		}
	}
	e.mu.Unlock()
	runtime.Gosched()
}

// Commit writes an own change and returns when it is durable. If ctx ends first the change may still become durable.
func (e *Engine) Commit(ctx context.Context, l replication.Local) (*crdt.Commit, error) {
	wait, err := e.Submit(l)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// Submit queues an own change and returns a function that waits until it is durable. Changes become durable in the order
// in which they were submitted; if one fails, those submitted after it may still succeed.
func (e *Engine) Submit(l replication.Local) (wait func(context.Context) (*crdt.Commit, error), err error) {
	ch := make(chan replication.Result, 1)
	e.mu.Lock()
	if e.stopped {
		defer e.mu.Unlock()
		return nil, e.stopErrLocked()
	}
	e.waiters[e.core.Propose(l)] = ch
	e.mu.Unlock()
	signal(e.commitCh)
	return func(ctx context.Context) (*crdt.Commit, error) {
		select {
		case r := <-ch:
			return r.Commit, r.Err
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until the change is saved: %w", ctx.Err())
		}
	}, nil
}

// keepTime calls Tick when something is due.
func (e *Engine) keepTime(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		e.mu.Lock()
		now := e.nowLocked()
		if at := e.core.Deadline(); !at.IsZero() && !now.Before(at) {
			e.core.Tick(now)
			e.afterLocked(ctx)
		}
		next := time.Hour
		if at := e.core.Deadline(); !at.IsZero() {
			next = max(time.Until(at), time.Millisecond)
		}
		e.mu.Unlock()
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-e.timeCh:
		}
	}
}

// afterLocked acts on what a step left behind: messages to send, events, work for the committer. e.mu is held.
func (e *Engine) afterLocked(ctx context.Context) {
	for _, ev := range e.core.Events() {
		e.eventLocked(ctx, ev)
	}
	for id, kick := range e.kicks {
		if e.core.HasNext(id) {
			signal(kick)
		}
	}
	if e.core.Waiting() > 0 || e.doubt != nil {
		signal(e.commitCh)
	}
	if e.core.HasAudit() {
		signal(e.auditCh)
	}
	if told := e.core.Told(); told != e.told {
		e.told = told
		if e.cfg.Held != nil {
			e.cfg.Held()
		}
	}
	signal(e.timeCh)
}

// nowLocked returns the time by which the core is driven and tells the core how far the wall clock is from it. e.mu is held.
func (e *Engine) nowLocked() time.Time {
	now := time.Now()
	if e.cfg.Now != nil {
		e.core.SetWall(e.cfg.Now().Sub(now.Round(0)))
	}
	return now
}

func (e *Engine) eventLocked(ctx context.Context, ev replication.Event) {
	switch ev.Kind {
	case replication.EventAsked:
		if e.cfg.Asked == nil || e.stopped {
			e.core.Answer(ev.Link, ev.ID, false, []byte("this till answers no questions"))
			return
		}
		e.asked.Go(func() {
			body, ok := e.cfg.Asked(ctx, ev.Till, ev.Topic, ev.Body)
			e.mu.Lock()
			defer e.mu.Unlock()
			e.core.Answer(ev.Link, ev.ID, ok, body)
			e.afterLocked(ctx)
		})
	case replication.EventAnswered:
		key := askKey{ev.Link, ev.ID}
		if ch := e.asks[key]; ch != nil {
			delete(e.asks, key)
			ch <- answer{ev.OK, ev.Body}
		}
	case replication.EventDoubt:
		doubt := replication.DoubtError{Kind: ev.Doubt, Text: ev.Text, Speakers: ev.Speakers}
		if e.doubt == nil {
			e.doubt = &doubt
		}
		e.cfg.Log.Error("this till is in doubt about its own store and stops writing", "kind", ev.Doubt.String(), "reason", ev.Text)
		if e.cfg.Doubt != nil {
			e.cfg.Doubt(doubt)
		}
	case replication.EventNotice, replication.EventFork, replication.EventTwice, replication.EventCopy, replication.EventAudit:
		e.cfg.Log.Warn("replication", "till", ev.Till.Short(), "what", ev.Text)
		if e.cfg.Event != nil && ev.Kind != replication.EventNotice {
			e.cfg.Event(ev)
		}
	case replication.EventAudited:
		if ch := e.audits[ev.ID]; ch != nil {
			delete(e.audits, ev.ID)
			close(ch)
		}
	case replication.EventReady, replication.EventEqual:
	}
	if e.cfg.Notify != nil && ev.Kind != replication.EventAsked && ev.Kind != replication.EventAnswered {
		e.cfg.Notify()
	}
}

// ErrNotLinked is returned by Ask for a till without a link.
var ErrNotLinked = errors.New("there is no link to that till")

// ErrRefused is returned by Ask when the till refused the question; the text says why.
var ErrRefused = errors.New("the till refused")

// Ask asks a linked till and returns its answer.
func (e *Engine) Ask(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error) {
	ch := make(chan answer, 1)
	e.mu.Lock()
	var key askKey
	found := false
	for _, l := range e.core.Links() {
		if l.Till == till && l.Ready {
			if id, ok := e.core.Ask(l.ID, topic, body); ok {
				key, found = askKey{l.ID, id}, true
				e.asks[key] = ch
				break
			}
		}
	}
	if found {
		e.afterLocked(context.WithoutCancel(ctx))
	}
	e.mu.Unlock()
	if !found {
		return nil, fmt.Errorf("ask till %s: %w", till.Short(), ErrNotLinked)
	}
	defer func() {
		e.mu.Lock()
		delete(e.asks, key)
		e.mu.Unlock()
	}()
	ctx, cancel := context.WithTimeout(ctx, askPatience) // or sooner, if the caller has less patience
	defer cancel()
	select {
	case a := <-ch:
		if !a.ok {
			return nil, fmt.Errorf("ask till %s: %w: %s", till.Short(), ErrRefused, a.body)
		}
		return a.body, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("ask till %s: %w", till.Short(), ctx.Err())
	}
}

// State is what status pages show of the replication.
type State struct {
	Links   []replication.LinkState
	Scopes  []ScopeState
	Hash    [16]byte
	Stats   replication.Stats
	Waiting int    // bytes that wait for the disk
	Doubt   string // why nothing is written any more, empty if all is well
	Damaged []crdt.Scope
	Audits  []replication.AuditResult
}

// ScopeState is the state of one scope.
type ScopeState struct {
	Scope   crdt.Scope
	Context [16]byte
	Digest  crdt.Digest
}

// State returns the present state.
func (e *Engine) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := State{Links: e.core.Links(), Hash: e.core.StateHash(), Stats: e.core.Stats(), Waiting: e.core.Waiting(),
		Damaged: e.core.Damaged(), Audits: e.core.Audits()}
	if e.doubt != nil {
		s.Doubt = e.doubt.Text
	}
	for _, scope := range e.core.Scopes() {
		s.Scopes = append(s.Scopes, ScopeState{scope, e.core.Context(scope).Hash(), e.core.Digest(scope)})
	}
	return s
}

// Holders returns the other tills known to hold a commit durably.
func (e *Engine) Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.Holders(scope, d)
}

// Lacks returns what is held here and a peer is not known to hold, by scope.
func (e *Engine) Lacks(peer crdt.TillID) map[crdt.Scope]crdt.Context {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.core.Lacks(peer)
}

func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}
