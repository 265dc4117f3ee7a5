package node

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

// Whether a receipt may be printed, by the rule of the shop that held when it was closed.
const (
	Waiting    = "waiting"    // it is on too few tills
	Released   = "released"   // it is on as many as the shop wants, or there was no rule
	Overridden = "overridden" // a person let it go
)

// Codes of refusals about releasing receipts. They are part of the API: append, never change.
const (
	CodeElsewhere = "closed-elsewhere" // another till closed it and decides
	CodeTooEarly  = "too-early"        // the time of the rule is not over
	CodeNoUser    = "user-missing"
)

// Release says whether a receipt may be printed.
type Release struct {
	State  string
	Copies int              // tills that are known to hold it now, this one included
	Wanted int              // how many the shop wanted; 0: no rule
	Until  time.Time        // waiting: from then on a person may let it go
	May    bool             // waiting: a person may let it go now
	By     *receipt.Release // overridden: who did
}

// waitingReceipt is a receipt that was closed under a rule. It is derived again after a restart from a note that is
// written with the closing.
type waitingReceipt struct {
	number string
	dots   []crdt.Dot
	wanted int
	from   time.Time     // business time when it was closed
	until  time.Time     // business time
	since  time.Duration // Steady when it was closed; after a restart when that was
	limit  time.Duration // from since on
	told   bool          // that it may be overridden
}

// waitNote is by receipt: [wanted, closed at, limit in ms]. It leaves with the release.
const waitNote = "print/"

// waits returns what a closing under the rule of the shop notes beside it; nil if there is no rule.
func (t *Till) waits(rule shop.PrintRule) *waitingReceipt {
	if rule.Copies < 2 {
		return nil
	}
	now, limit := t.clock.Now(), time.Duration(rule.Seconds)*time.Second
	return &waitingReceipt{wanted: int(rule.Copies), from: now, until: now.Add(limit), since: t.env.Steady(), limit: limit}
}

// notes returns what is to be written with the closing.
func (w *waitingReceipt) notes(id crdt.ObjectID) []replication.Note {
	if w == nil {
		return nil
	}
	b := codec.AppendUint(codec.AppendArray(nil, 3), uint64(w.wanted))
	b = codec.AppendUint(codec.AppendUint(b, uint64(w.from.UnixMilli())), uint64(w.limit.Milliseconds()))
	return []replication.Note{{Key: waitNote + id.String(), Value: b}}
}

func readWait(b []byte) (*waitingReceipt, error) {
	if err := codec.Check(b); err != nil {
		return nil, fmt.Errorf("receipt that waits to be printed: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(3)
	wanted, from, limit := r.Uint(), r.Uint(), r.Uint()
	r.Skip(more)
	if wanted > shop.MaxPrintCopies || limit > shop.MaxPrintSeconds*1000 {
		r.Fail("a rule that cannot be")
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("receipt that waits to be printed: %w", err)
	}
	w := &waitingReceipt{wanted: int(wanted), from: time.UnixMilli(int64(from)), limit: time.Duration(limit) * time.Millisecond}
	w.until = w.from.Add(w.limit)
	return w, nil
}

// loadWaiting finds the receipts again that waited when the till stopped.
func (t *Till) loadWaiting(ctx context.Context) error {
	from := ""
	for {
		list, err := t.store.NotesFrom(ctx, waitNote, from, 1000)
		if err != nil {
			return fmt.Errorf("read what waits to be printed: %w", err)
		}
		for _, n := range list {
			from = n.Key + "\x00"
			id, err := crdt.ParseObjectID(strings.TrimPrefix(n.Key, waitNote))
			if err != nil {
				return fmt.Errorf("read what waits to be printed: %w", err)
			}
			if err := t.findWaiting(ctx, id, n.Value); err != nil {
				return err
			}
		}
		if len(list) < 1000 {
			return nil
		}
	}
}

func (t *Till) findWaiting(ctx context.Context, id crdt.ObjectID, note []byte) error {
	w, err := readWait(note)
	if err != nil {
		t.log.Warn("a receipt no longer waits to be printed", "receipt", id.String(), "error", err)
		return nil
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeReceipt, id))
	if err != nil || len(obj.Items) == 0 {
		return err
	}
	by, err := t.overrideOf(ctx, id)
	if err != nil || by != nil {
		return err
	}
	w.dots, w.number = dotsOf(obj.Items), id.String()
	if p, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref); err == nil && p != nil {
		if item, err := receipt.ParseReceipt(p.Raw); err == nil {
			w.number = item.NumberText()
		}
	}
	w.since = t.env.Steady()
	// A clock that was put back must not make it wait longer than the rule says.
	if passed := t.clock.Now().Sub(w.from); passed > 0 {
		w.limit = max(0, w.limit-passed)
	}
	t.copies.waiting[id] = w
	return nil
}

// closedUnder notes that a receipt was closed under a rule.
func (t *Till) closedUnder(w *waitingReceipt, id crdt.ObjectID, number string, dot crdt.Dot) {
	if w == nil {
		return
	}
	w.number, w.dots = number, []crdt.Dot{dot}
	t.copies.mu.Lock()
	defer t.copies.mu.Unlock()
	t.copies.waiting[id] = w
	t.Held() // its time runs
}

// may reports whether a person may let it go by now.
func (t *Till) may(w *waitingReceipt) bool { return t.env.Steady()-w.since >= w.limit }

// updateWaiting lets go what is on enough tills, and says what to tell and which notes to remove. copies.mu is held.
func (t *Till) updateWaiting() (released []replication.Note, events []Event) {
	for id, w := range t.copies.waiting {
		n := 1 + len(t.holders(w.dots...))
		e := Event{What: "receipt", Object: id.String(), Number: w.number, Change: ChangeRelease, Copies: n, Till: t.id.Till.String()}
		switch {
		case n >= w.wanted:
			delete(t.copies.waiting, id)
			released = append(released, replication.Note{Key: waitNote + id.String()})
			e.Release = Released
			events = append(events, e)
		case !w.told && t.may(w):
			w.told = true
			e.Release = Waiting
			events = append(events, e)
		}
	}
	slices.SortFunc(released, func(a, b replication.Note) int { return cmp.Compare(a.Key, b.Key) })
	slices.SortFunc(events, func(a, b Event) int { return cmp.Compare(a.Object, b.Object) })
	return released, events
}

// nextRelease returns how long until a person may let go of the next receipt that waits; ok is false if none waits.
func (t *Till) nextRelease() (d time.Duration, ok bool) {
	t.copies.mu.Lock()
	defer t.copies.mu.Unlock()
	for _, w := range t.copies.waiting {
		left := w.limit - (t.env.Steady() - w.since)
		if !w.told && (!ok || left < d) {
			d, ok = max(left, 0), true
		}
	}
	return d, ok
}

// releaseOf says whether a receipt may be printed. For one of another till only an override is known: nil else.
func (t *Till) releaseOf(ctx context.Context, id crdt.ObjectID, till crdt.TillID, copies int) (*Release, error) {
	if till == t.id.Till {
		t.copies.mu.Lock()
		w := t.copies.waiting[id]
		t.copies.mu.Unlock()
		if w != nil {
			return t.printing(w, copies), nil
		}
	}
	by, err := t.overrideOf(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case by != nil:
		return &Release{State: Overridden, Copies: copies, Wanted: int(by.Wanted), By: by}, nil
	case till != t.id.Till:
		return nil, nil
	}
	return t.printing(nil, copies), nil
}

// printing says whether a receipt that nobody let go may be printed; w is nil if there was no rule.
func (t *Till) printing(w *waitingReceipt, copies int) *Release {
	switch {
	case w == nil:
		return &Release{State: Released, Copies: copies}
	case copies >= w.wanted:
		return &Release{State: Released, Copies: copies, Wanted: w.wanted}
	}
	return &Release{State: Waiting, Copies: copies, Wanted: w.wanted, Until: w.until, May: t.may(w)}
}

// overrideOf returns the record that a person let a receipt go, nil if nobody did.
func (t *Till) overrideOf(ctx context.Context, id crdt.ObjectID) (*receipt.Release, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeRelease, receipt.ReleaseID(id)))
	if err != nil || len(obj.Items) == 0 {
		return nil, err
	}
	p, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil || p == nil {
		return nil, err
	}
	r, err := receipt.ParseRelease(p.Raw)
	if err != nil {
		return nil, fmt.Errorf("release of receipt %v: %w", id, err)
	}
	return &r, nil
}

// OverrideRelease lets a receipt be printed that is on fewer tills than the shop wants, and records who said so. It is
// possible at the till that closed it, once the time of the rule is over. A receipt that may be printed already stays as
// it is, and nothing is recorded.
func (t *Till) OverrideRelease(ctx context.Context, idOrNumber, user, reason string) (Receipt, error) {
	c := t.copies
	c.overriding.Lock()
	defer c.overriding.Unlock()
	r, err := t.Receipt(ctx, idOrNumber)
	if err != nil {
		return r, err
	}
	switch rel := r.Release; {
	case r.Till != t.id.Till:
		return r, refuse(CodeElsewhere, "do it at "+t.roster.name(r.Till), "%s was closed at %s", r.Number, t.roster.name(r.Till))
	case rel == nil || rel.State != Waiting:
		return r, nil
	case strings.TrimSpace(user) == "":
		return r, refuse(CodeNoUser, "say who lets it go", "nobody was named who lets %s be printed", r.Number)
	case !rel.May:
		return r, refuse(CodeTooEarly, fmt.Sprintf("it may be let go from %s on, unless it is released by itself before", rel.Until.UTC().Format(time.RFC3339)),
			"%s waits until it is on %d tills; it is known to be on %d", r.Number, rel.Wanted, rel.Copies)
	}
	pieces, err := receipt.NewRelease(receipt.Release{Receipt: r.ID, Till: t.id.Till, User: strings.TrimSpace(user), Reason: strings.TrimSpace(reason),
		MS: t.clock.MS(), Copies: int64(min(r.Release.Copies, receipt.MaxCopies)), Wanted: int64(r.Release.Wanted)})
	if err != nil {
		return r, refuseInvalid(err)
	}
	if err := t.room.change(); err != nil {
		return r, err
	}
	change := t.change(crdt.Sales, receipt.Schema, pieces)
	change.Notes = []replication.Note{{Key: waitNote + r.ID.String()}}
	if _, err := t.save(ctx, change); err != nil {
		return r, err
	}
	return t.receipt(ctx, r.ID)
}
