package health

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// DialFunc opens and closes a connection to each address and says what came of it, in a second or two for all of them.
type DialFunc func(ctx context.Context, addrs []netip.AddrPort) []Try

// AskFunc asks a linked till, as the engine of replication does.
type AskFunc func(ctx context.Context, till crdt.TillID, topic string, body []byte) ([]byte, error)

const (
	probesAtOnce = 8
	relays       = 2 // third tills that are asked about one that has no link
)

// Prober finds out by trying what a till cannot know by itself.
type Prober struct {
	Dial DialFunc
	Ask  AskFunc
	Own  []netip.AddrPort // where this till takes links
}

// Check dials every other till and asks each to dial back: over its link, or through tills that may have one. It returns
// the facts with what came of it, and changes nothing in f. It takes as long as the slowest of them, a few seconds.
func (p Prober) Check(ctx context.Context, f Facts) Facts {
	f.Tills = slices.Clone(f.Tills)
	var linked []Till
	for _, t := range f.Tills {
		if t.Linked {
			linked = append(linked, t)
		}
	}
	slots := make(chan struct{}, probesAtOnce)
	var all sync.WaitGroup
	for i := range f.Tills {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			p.check(ctx, f, &f.Tills[i], linked)
		})
	}
	all.Wait()
	return f
}

func (p Prober) check(ctx context.Context, f Facts, t *Till, linked []Till) {
	if len(t.Addrs) > 0 {
		t.Tries = append(slices.Clone(t.Tries), p.Dial(ctx, t.Addrs[:min(len(t.Addrs), maxAddrs)])...)
	}
	q := Question{From: f.Till, To: t.ID, Addrs: p.Own}
	if t.Linked {
		if a, err := p.question(ctx, t.ID, q); err == nil {
			t.Answer = &a
		}
		return
	}
	q.Relay = true
	for _, third := range linked[:min(len(linked), relays)] {
		if a, err := p.question(ctx, third.ID, q); err == nil {
			t.Answer, t.Via = &a, third.Name
			return
		}
	}
}

// question returns an error for whatever reason there is no answer; an older program does not know the topic.
func (p Prober) question(ctx context.Context, till crdt.TillID, q Question) (Answer, error) {
	body, err := p.Ask(ctx, till, Topic, q.Encode())
	if err != nil {
		return Answer{}, err
	}
	return DecodeAnswer(body)
}

// About is what a till knows of another one.
type About struct {
	Linked, Alive bool
	Heard         time.Time // by multicast, zero: never
}

// Answerer answers the questions of other tills. It is safe for concurrent use; its fields are set before.
type Answerer struct {
	Self    crdt.TillID
	Program string
	Dial    DialFunc
	Ask     AskFunc
	Allowed func(crdt.TillID) bool // an active till of the shop
	Near    func(netip.Addr) bool  // in a network of this machine; nothing else is dialled for others
	About   func(crdt.TillID) About
	Now     func() time.Time

	mu     sync.Mutex
	last   map[crdt.TillID]time.Time // who asked when
	atOnce int
}

const (
	answersAtOnce = 4
	askPause      = 2 * time.Second // between two questions of one till
)

var (
	errStranger = errors.New("the asker or the till asked for is no till of this shop")
	errNotMine  = errors.New("this question is for another till")
	errTooMany  = errors.New("too many questions, ask again in two seconds")
)

// Answer answers a question that came over the link to the till from. If ok is false the body is the reason.
func (a *Answerer) Answer(ctx context.Context, from crdt.TillID, body []byte) (answer []byte, ok bool) {
	answer, err := a.answer(ctx, from, body)
	if err != nil {
		return []byte(err.Error()), false
	}
	return answer, true
}

func (a *Answerer) answer(ctx context.Context, from crdt.TillID, body []byte) ([]byte, error) {
	q, err := DecodeQuestion(body)
	switch {
	case err != nil:
		return nil, err
	case !a.Allowed(from) || !a.Allowed(q.From):
		return nil, errStranger
	case q.Relay && (q.From != from || q.To == a.Self || !a.Allowed(q.To)), !q.Relay && q.To != a.Self:
		return nil, errNotMine
	}
	if !a.enter(q) {
		return nil, errTooMany
	}
	defer a.leave()
	if q.Relay {
		q.Relay = false
		return a.Ask(ctx, q.To, Topic, q.Encode())
	}
	near := slices.DeleteFunc(q.Addrs, func(p netip.AddrPort) bool { return !a.Near(p.Addr()) })
	about := a.About(q.From)
	out := Answer{Linked: about.Linked, Alive: about.Alive, Heard: -1, Program: a.Program, Tries: a.Dial(ctx, near)}
	if !about.Heard.IsZero() {
		out.Heard = max(a.Now().Sub(about.Heard), 0)
	}
	return out.Encode(), nil
}

// enter takes one of few places. A till may ask each other one through us, so the pause is for the pair only when it is
// this till that dials.
func (a *Answerer) enter(q Question) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.Now()
	if a.last == nil {
		a.last = make(map[crdt.TillID]time.Time)
	}
	for till, at := range a.last {
		if now.Sub(at) >= askPause {
			delete(a.last, till)
		}
	}
	if _, asked := a.last[q.From]; a.atOnce >= answersAtOnce || asked && !q.Relay {
		return false
	}
	if !q.Relay {
		a.last[q.From] = now
	}
	a.atOnce++
	return true
}

func (a *Answerer) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.atOnce--
}
