package whole

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/simulation"
	"github.com/tillmesh/tillmesh/replication/store"
)

// life is one run of the till program. It is the till's node.Replicator: what goroutines ask of it waits in a mailbox for
// the loop.
type life struct {
	*mailbox
	shop   *Shop
	till   *Till
	sim    *simulation.Life
	node   *node.Till
	uplink *uplink // nil: the shop never had a cloud
	guard  *store.Guard
	disk   *disk.Keeper
	ctx    context.Context // of everything that runs in this life
	cancel context.CancelFunc
	over   bool
	waits  []chan replication.Result // of changes that were proposed
}

// mailbox is where goroutines put what they ask of the world.
type mailbox struct {
	mu   sync.Mutex
	mail []letter
}

// letter is what a goroutine asks of the world. Goroutines that run at the same time write theirs in no certain order, so
// letters are read in that of about.
type letter struct {
	about string
	do    func()
}

func (l *mailbox) post(about string, do func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mail = append(l.mail, letter{about, do})
}

func (l *mailbox) take() []letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	mail := l.mail
	l.mail = nil
	slices.SortStableFunc(mail, func(a, b letter) int { return strings.Compare(a.about, b.about) })
	return mail
}

// Submit is a method of node.Replicator.
func (l *life) Submit(change replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	ch := make(chan replication.Result, 1)
	about := "change of " + change.Scope.String()
	if len(change.Pieces) == 0 {
		about = "note " + change.Notes[0].Key
	}
	l.post(about, func() { l.propose(change, ch) })
	return func(ctx context.Context) (*crdt.Commit, error) {
		select {
		case r := <-ch:
			return r.Commit, r.Err
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting until the change is saved: %w", ctx.Err())
		}
	}, nil
}

func (l *life) propose(change replication.Local, ch chan replication.Result) {
	l.waits = append(l.waits, ch)
	if l.over {
		l.result(ch, replication.Result{Err: engine.ErrStopped})
		return
	}
	if l.till != nil {
		l.till.change(&change)
	}
	l.sim.Propose(change, func(r replication.Result) { l.result(ch, r) })
}

// result answers a change, unless it was answered before.
func (l *life) result(ch chan replication.Result, r replication.Result) {
	l.shop.answer(func() {
		for i, waiting := range l.waits {
			if waiting == ch {
				l.waits = append(l.waits[:i:i], l.waits[i+1:]...)
				ch <- r
				return
			}
		}
	})
}

// Ask is a method of node.Replicator.
func (l *life) Ask(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error) {
	type answer struct {
		body []byte
		err  error
	}
	ch := make(chan answer, 1)
	l.post("question to "+till.String()+" about "+topic, func() {
		l.sim.Ask(till, topic, body, func(body []byte, err error) {
			// An engine that gets no answer waits for it as long as the question may take.
			if !errors.Is(err, simulation.ErrNoAnswer) {
				l.shop.answer(func() { ch <- answer{body, err} })
			}
		})
	})
	select {
	case a := <-ch:
		return a.body, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("ask till %s: %w", till.Short(), ctx.Err())
	}
}

// State is a method of node.Replicator.
func (l *life) State() engine.State {
	l.shop.see()
	return l.sim.State()
}

// Holders is a method of node.Replicator.
func (l *life) Holders(scope crdt.Scope, d crdt.Dot) []crdt.TillID {
	if l.sim == nil {
		return nil
	}
	l.shop.see()
	return l.sim.Holders(scope, d)
}

// Unheld is a method of node.Replicator.
func (l *life) Unheld(scope crdt.Scope) crdt.Context {
	l.shop.see()
	return l.sim.Core().Unheld(scope)
}

// TakeOver is a method of node.Replicator.
func (l *life) TakeOver(ctx context.Context, list []*crdt.Commit, notes []replication.Note) error {
	ch := make(chan replication.Result, len(list))
	l.post("commits of a found till", func() {
		for range list {
			l.waits = append(l.waits, ch)
		}
		l.sim.TakeOver(l.shop.plant.taken(list), notes, func(r replication.Result) { l.result(ch, r) })
	})
	var failed error
	for range list {
		select {
		case r := <-ch:
			failed = cmp.Or(failed, r.Err)
		case <-ctx.Done():
			return fmt.Errorf("waiting until what was found is saved: %w", ctx.Err())
		}
	}
	return failed
}

// end lets everything that still waits in this life go.
func (l *life) end() {
	l.over = true
	l.shop.answer(l.cancel)
	for _, ch := range l.waits {
		l.result(ch, replication.Result{Err: engine.ErrStopped})
	}
	l.shop.soon()
}

// Lacks returns what a peer lacks of what the till holds, as [engine.Engine.Lacks] does.
func (l *life) Lacks(peer crdt.TillID) map[crdt.Scope]crdt.Context {
	l.shop.see()
	return l.sim.Core().Lacks(peer)
}

// network is what a simulated till knows of the network.
type network struct{ life *life }

// RosterChanged is a method of node.Network; the world asks the roster itself.
func (n network) RosterChanged() {
	if u := n.life.uplink; u != nil {
		u.RosterChanged()
	}
}

// View is a method of node.Network.
func (n network) View() node.NetworkView {
	return node.NetworkView{Own: []string{n.life.till.Name + ":8481"}, LinkPort: 8481}
}
