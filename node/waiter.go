package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/discovery"
	"github.com/tillmesh/tillmesh/node/pairing"
)

const (
	searchEvery = 10 * time.Second // how often the network is searched again
	lookEvery   = time.Second      // how often the directory is looked at
	// askAgain is the wait after tills that could not be asked, and unansweredAgain after digits on which nobody decided: so
	// long that requests nobody answers never close the door of a till.
	askAgain        = 10 * time.Second
	unansweredAgain = pairing.TriesWindow
)

// Phases of a [Waiter]. They are part of the API: append, never change.
const (
	PhaseSearching = "searching" // no shop was found yet
	PhaseChoose    = "choose"    // several were found, and a person has to say which one
	PhaseAsking    = "asking"    // a till of the shop is being asked
	PhaseWaiting   = "waiting"   // the digits are shown; a person at the till of the shop decides
	PhaseFailed    = "failed"    // see Err; it is asked again at Again, or when a person says so
)

// WaitingState is how far a machine is on its way into a shop.
type WaitingState struct {
	Found  []discovery.Shop
	Phase  string
	Shop   crdt.ShopID    // that is asked, zero if addresses were given
	Till   crdt.TillID    // the ID that this machine will have
	Digits pairing.Digits // PhaseWaiting only
	Until  time.Time      // PhaseWaiting: when the request is forgotten
	Again  time.Time      // PhaseFailed: when it is asked again; zero: when a person says so
	Err    error          // PhaseFailed: why
}

// Waiter brings a machine whose directory is empty into a shop: it looks for shops for ever, asks the only one there is, or the
// one that a person names, for admission by six digits, and ends when the directory belongs to a shop, however that came.
type Waiter struct {
	joiner  *Joiner
	changed func(WaitingState)

	mu    sync.Mutex
	state WaitingState
	told  *WaitingState
	want  wish
	wake  chan struct{}
}

// wish is what a person said about asking.
type wish struct {
	shop     crdt.ShopID
	replaces crdt.TillID
	now      bool // ask at once
}

// NewWaiter returns one for the options of a join without a token. changed is called with the state whenever that changed, one
// call at a time; it must be quick.
func NewWaiter(o JoinOptions, changed func(WaitingState)) (*Waiter, error) {
	j, err := NewJoiner(o)
	if err != nil {
		return nil, err
	}
	return &Waiter{
		joiner: j, changed: changed, wake: make(chan struct{}, 1), want: wish{shop: o.Shop, replaces: o.Replaces},
		state: WaitingState{Phase: PhaseSearching, Till: j.Till()},
	}, nil
}

// State returns how far it is.
func (w *Waiter) State() WaitingState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state
}

// ErrAsking means that a till of the shop is being asked already.
var ErrAsking = hint(errors.New("this till asks for admission already"), "compare the digits, and decide at the till of the shop")

// Ask says that a person wants this machine to ask now: the shop with this ID, or the only one there is if it is zero. replaces
// is the till whose place it takes, zero if none.
func (w *Waiter) Ask(shop crdt.ShopID, replaces crdt.TillID) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state.Phase == PhaseAsking || w.state.Phase == PhaseWaiting {
		return ErrAsking
	}
	if !shop.IsZero() {
		w.want.shop = shop
	}
	w.want.replaces, w.want.now = replaces, true
	select {
	case w.wake <- struct{}{}:
	default:
	}
	return nil
}

// Run looks and asks until the directory belongs to a shop or ctx is done.
func (w *Waiter) Run(ctx context.Context) error {
	ctx, joined := context.WithCancel(ctx)
	defer joined()
	var looking sync.WaitGroup
	defer looking.Wait()
	defer joined()
	looking.Go(func() {
		w.joiner.o.every(ctx, lookEvery, func() {
			if BelongsToShop(w.joiner.o.Data) {
				joined()
			}
		})
	})
	for ctx.Err() == nil && !BelongsToShop(w.joiner.o.Data) {
		w.look(ctx)
		pause := searchEvery
		if at, due := w.due(); due {
			w.ask(ctx, at)
			pause = time.Second
		}
		if !w.joiner.o.wait(ctx, pause, w.wake) {
			break
		}
	}
	return nil
}

// look searches the network.
func (w *Waiter) look(ctx context.Context) {
	shops := FindShops(ctx, w.joiner.o.Iface, w.joiner.o.NoMDNS, searchTime)
	if ctx.Err() != nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Found = shops // told with what follows from it
}

// due returns whom to ask, if it is time to.
func (w *Waiter) due() (at Shop, due bool) {
	w.mu.Lock()
	want, state := w.want, w.state
	w.mu.Unlock()
	var err error
	if len(w.joiner.o.Peers) > 0 {
		at = Shop{ID: want.shop, Addrs: w.joiner.o.Peers}
	} else {
		at, err = ChooseShop(state.Found, want.shop)
	}
	failed := state.Phase == PhaseFailed && !want.now
	switch {
	case failed && (state.Again.IsZero() || w.joiner.o.Now().Before(state.Again)):
		return at, false
	case err == nil:
		return at, true
	}
	phase := PhaseSearching
	if _, several := errors.AsType[*SeveralShops](err); several {
		phase = PhaseChoose
	}
	if !failed {
		w.set(func(s *WaitingState) { s.Phase, s.Err = phase, nil })
	}
	return at, false
}

func (w *Waiter) ask(ctx context.Context, at Shop) {
	w.mu.Lock()
	w.want.now = false
	replaces := w.want.replaces
	w.mu.Unlock()
	w.set(func(s *WaitingState) {
		s.Phase, s.Shop, s.Err, s.Again = PhaseAsking, at.ID, nil, time.Time{}
	})
	asked, err := w.joiner.Ask(ctx, at, replaces, func(_ context.Context, d pairing.Digits) error {
		w.set(func(s *WaitingState) {
			s.Phase, s.Digits, s.Until = PhaseWaiting, d, w.joiner.o.Now().Add(pairing.RequestLifetime)
		})
		return nil // the person at the till of the shop compares
	})
	if err == nil || ctx.Err() != nil {
		return
	}
	w.set(func(s *WaitingState) {
		s.Phase, s.Err, s.Digits, s.Until = PhaseFailed, err, 0, time.Time{}
		s.Again = w.again(asked, err)
	})
}

// again returns when a machine that nobody attends asks again by itself, zero if only a person may say so.
func (w *Waiter) again(asked Asked, err error) time.Time {
	now := w.joiner.o.Now()
	switch {
	case !asked.Compared && !errors.Is(err, errFinal):
		return now.Add(askAgain)
	case errors.Is(err, pairing.ErrUnanswered), errors.Is(err, pairing.ErrHungUp), errors.Is(err, pairing.ErrTimeout):
		return now.Add(unansweredAgain)
	}
	return time.Time{}
}

// set changes the state and tells it, unless that was told.
func (w *Waiter) set(change func(*WaitingState)) {
	w.mu.Lock()
	change(&w.state)
	now := w.state
	news := w.told == nil || !same(*w.told, now)
	w.told = &now
	w.mu.Unlock()
	if w.changed != nil && news {
		w.changed(now)
	}
}

func same(a, b WaitingState) bool {
	return a.Phase == b.Phase && a.Shop == b.Shop && a.Digits == b.Digits && a.Again.Equal(b.Again) && (a.Err == nil) == (b.Err == nil) &&
		slices.EqualFunc(a.Found, b.Found, func(x, y discovery.Shop) bool { return x.ID == y.ID && len(x.Tills) == len(y.Tills) })
}
