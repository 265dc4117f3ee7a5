package node

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/pairing"
)

// Asking is a new till that waits here until a person has compared the digits.
type Asking struct {
	pairing.Waiting
	ReplacesName string // of the till whose place it wants to take, empty if none or not known
}

// Replaceable is a till of the shop that is not seen now, so a new one may take its place.
type Replaceable struct {
	Till         crdt.TillID
	Name, Prefix string
	State        string
	EqualAt      time.Time // when both last held the same, zero if not since this till started
}

// Requests are the new tills that wait here.
type Requests struct {
	List        []Asking
	ClosedUntil time.Time // the door is closed until then; zero: it is open
	Replaceable []Replaceable
}

// replaceWishes are the tills that people at this till said a new one replaces, by the new till's ID.
type replaceWishes struct {
	mu   sync.Mutex
	list map[crdt.TillID]crdt.TillID
}

func (w *replaceWishes) set(newTill, old crdt.TillID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.list == nil || len(w.list) >= 4*pairing.MaxWaiting {
		w.list = make(map[crdt.TillID]crdt.TillID)
	}
	w.list[newTill] = old
}

func (w *replaceWishes) take(newTill crdt.TillID) (old crdt.TillID, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	old, ok = w.list[newTill]
	delete(w.list, newTill)
	return old, ok
}

// Requests lists the new tills that wait here with six digits, and what a person may say about them.
func (t *Till) Requests() Requests {
	var out Requests
	for _, w := range t.requests.Waiting() {
		a := Asking{Waiting: w}
		if !w.Replaces.IsZero() {
			if old, ok := t.roster.till(w.Replaces); ok {
				a.ReplacesName = or(old.Name, old.Prefix)
			}
		}
		out.List = append(out.List, a)
	}
	if until, closed := t.requests.Closed(); closed {
		out.ClosedUntil = until
	}
	out.Replaceable = t.replaceable()
	return out
}

// replaceable lists the tills that nobody sees now. A till that works is not replaced by mistake.
func (t *Till) replaceable() []Replaceable {
	var out []Replaceable
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		if till, ok := t.roster.till(p.Till); p.Self || p.Linked || p.Alive || !ok || len(till.ReplacedBy) > 0 {
			continue
		}
		out = append(out, Replaceable{Till: p.Till, Name: p.Name, Prefix: p.Prefix, State: p.State, EqualAt: p.EqualAt})
	}
	return out
}

// decideTime is how long a decision waits for the new till to have stored its admission.
const decideTime = 20 * time.Second

// Decided is what became of a request.
type Decided struct {
	Request  pairing.Waiting
	Accepted bool
	// Unconfirmed: the new till is admitted and may not know it yet; if it does not appear it asks again.
	Unconfirmed bool
}

// Decide says yes or no to a request that waits here. replaces is the till whose place the new one takes, as FindTill
// understands it; empty: as the new till asked.
func (t *Till) Decide(ctx context.Context, id string, yes bool, replaces string) (Decided, error) {
	out := Decided{Accepted: yes}
	if yes && replaces != "" {
		old, err := t.FindTill(replaces)
		if err != nil {
			return out, err
		}
		if err := t.mayReplace(old.ID); err != nil {
			return out, err
		}
		waiting := t.requests.Waiting()
		i := slices.IndexFunc(waiting, func(w pairing.Waiting) bool { return w.ID == pairing.RequestID(id) })
		if i < 0 {
			return out, pairing.ErrNoRequest
		}
		t.replaces.set(waiting[i].Till, old.ID)
	}
	if yes {
		if err := t.mayWrite(); err != nil {
			return out, err
		}
	}
	waiting, cancel := context.WithTimeout(ctx, decideTime)
	defer cancel()
	var err error
	out.Request, err = t.requests.Decide(waiting, id, yes)
	switch {
	case errors.Is(err, pairing.ErrUnconfirmed), err != nil && waiting.Err() != nil && ctx.Err() == nil && !errors.Is(err, pairing.ErrNoRequest):
		out.Unconfirmed = true
		return out, nil
	}
	return out, err
}

// OpenDoor lets new tills ask again after three that failed.
func (t *Till) OpenDoor() { t.requests.Reopen() }

// mayReplace refuses to put another till in the place of one that works.
func (t *Till) mayReplace(old crdt.TillID) error {
	name := t.roster.name(old)
	if _, ok := t.roster.till(old); !ok {
		return refuse(CodeNoTill, `list the tills of the shop with "till mesh"`, "the till to be replaced is not one of this shop")
	}
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		if p.Till != old || !p.Self && !p.Linked && !p.Alive {
			continue
		}
		return refuse(CodeInUse, "stop it first if the new one is to take its place; nothing was changed", "%s is working now", name)
	}
	return nil
}

// CodeInUse refuses to replace a till that works.
const CodeInUse = "till-in-use"

// replacing returns which till a new one replaces, and why not if it may not.
func (t *Till) replacing(req pairing.Request) (crdt.TillID, error) {
	old := req.Replaces
	if chosen, ok := t.replaces.take(crdt.TillIDOf(req.DeviceKey)); ok {
		old = chosen
	}
	if old.IsZero() {
		return old, nil
	}
	return old, t.mayReplace(old)
}

// declineReplacing tells a new till why it cannot take the place that it asked for.
func declineReplacing(err error) (pairing.Answer, error) {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return pairing.Answer{Code: r.Code, Text: r.Text + "; " + r.Next}, nil
	}
	return pairing.Answer{}, err
}
