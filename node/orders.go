package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// What has to be confirmed as an order is noted in the commit that stores it, so that a crash forgets none of it, and the note
// leaves in the commit of the order. It is never replicated.
const (
	orderLineNote = "signing/order/line/" // by line: its tab
	orderVoidNote = "signing/order/void/" // by void: its tab
)

// gatherOrders is how long lines are gathered before they are confirmed together.
const gatherOrders = time.Second

// orders wakes who has them confirmed.
type orders struct {
	wake chan struct{} // one slot
}

// orderNotes returns the notes that belong into the commit of new lines, none if no device confirms orders.
func (t *Till) orderNotes(tab crdt.ObjectID, prefix string, ids ...crdt.ObjectID) []replication.Note {
	t.signing.mu.Lock()
	sign := t.signing.of
	t.signing.mu.Unlock()
	if sign == nil || !sign.Info().Orders {
		return nil
	}
	notes := make([]replication.Note, 0, len(ids))
	for _, id := range ids {
		notes = append(notes, orderNote(prefix, id, tab))
	}
	return notes
}

// orderNote is the note that something of a tab has to be confirmed.
func orderNote(prefix string, id, tab crdt.ObjectID) replication.Note {
	return replication.Note{Key: prefix + id.String(), Value: tab[:]}
}

// ordered wakes who has orders confirmed.
func (t *Till) ordered(notes []replication.Note) {
	if len(notes) == 0 {
		return
	}
	select {
	case t.signing.orders.wake <- struct{}{}:
	default: // it is awake
	}
}

// SignOrders has lines confirmed as orders, about a second after they were entered, until ctx is done. Lines that were settled
// until then are confirmed with their receipt. No sale waits for it.
func (t *Till) SignOrders(ctx context.Context) {
	if t.signing.make == nil {
		return
	}
	if sign, err := t.signer(ctx); err != nil && ctx.Err() == nil {
		t.log.Warn("the signing device is not known", "error", err)
	} else if sign != nil {
		sign.Identify(ctx)
	}
	for left := true; ; { // at first what an earlier start left
		if !left {
			select {
			case <-ctx.Done():
				return
			case <-t.signing.orders.wake:
			}
		}
		if !t.env.wait(ctx, gatherOrders, nil) {
			return
		}
		var err error
		if left, err = t.signOrders(ctx); err != nil {
			t.log.Warn("orders were not signed; it is tried again", "error", err)
			left = t.mayWrite() == nil
		}
	}
}

// toSign is a line, or what was taken back of one, that is to be confirmed.
type toSign struct {
	note string // key of its note
	line crdt.ObjectID
	journal.OrderLine
	user string
}

// signOrders has confirmed what is noted, at most 500 lines at a time, and says whether more is.
func (t *Till) signOrders(ctx context.Context) (more bool, err error) {
	sign, err := t.signer(ctx)
	if err != nil || sign == nil {
		return false, err
	}
	defer t.keepSigning(ctx, sign)
	byTab := make(map[crdt.ObjectID][]toSign)
	var tabs []crdt.ObjectID
	var gone []replication.Note
	for _, prefix := range []string{orderLineNote, orderVoidNote} {
		list, err := t.store.NotesFrom(ctx, prefix, "", receipt.MaxLines)
		if err != nil {
			return false, err
		}
		more = more || len(list) == receipt.MaxLines
		for _, n := range list {
			tab, s, ok := t.toSign(prefix, n)
			if !ok {
				parts, err := t.unsignedParts(ctx, prefix, n)
				if err != nil {
					return false, err
				}
				gone, more = append(append(gone, replication.Note{Key: n.Key}), parts...), more || len(parts) > 0
				continue
			}
			if byTab[tab] == nil {
				tabs = append(tabs, tab)
			}
			byTab[tab] = append(byTab[tab], s)
		}
	}
	if len(gone) > 0 {
		if _, err := t.save(ctx, replication.Local{Notes: gone}); err != nil {
			return false, err
		}
	}
	for _, tab := range tabs {
		if err := t.signTab(ctx, sign, tab, byTab[tab]); err != nil {
			return false, err
		}
	}
	return more, nil
}

// unsignedParts returns notes of what was split off a line that was settled before it was confirmed. A line that was split is
// confirmed as it was ordered, so its parts are not confirmed again; but then nothing ever said that they were ordered.
func (t *Till) unsignedParts(ctx context.Context, prefix string, n replication.Note) (notes []replication.Note, err error) {
	line, err := crdt.ParseObjectID(n.Key[len(prefix):])
	if err != nil || prefix != orderLineNote {
		return nil, nil // no note of ours, or of a void: that was never a part
	}
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeLine, line))
	if err != nil || !obj.Gone {
		return nil, err
	}
	r, err := t.receipt(ctx, obj.By)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	for _, v := range r.Parsed.Voids {
		if v.Line != line {
			continue
		}
		if tab, open := t.book.Line(PartOf(v.ID)); open {
			notes = append(notes, orderNote(orderLineNote, PartOf(v.ID), tab))
		}
	}
	return notes, nil
}

// toSign finds what a note is about; false if it is not on an open tab any more, or practice.
func (t *Till) toSign(prefix string, n replication.Note) (tab crdt.ObjectID, s toSign, ok bool) {
	id, err := crdt.ParseObjectID(n.Key[len(prefix):])
	if err != nil || len(n.Value) != len(tab) {
		return tab, s, false
	}
	tab = crdt.ObjectID(n.Value)
	if prefix == orderLineNote {
		if now, there := t.book.Line(id); there {
			tab = now
		}
	}
	v, state, open := t.book.Tab(tab)
	if !open || state != book.StateOpen || v.Head.Training {
		return tab, s, false
	}
	s.note = n.Key
	for _, l := range v.Lines {
		s.line, s.user = l.ID, l.Line.User
		s.OrderLine = journal.OrderLine{Quantity: l.Line.Quantity, Text: l.Line.Name, UnitPrice: l.Line.UnitPrice}
		if prefix == orderLineNote && l.ID == id {
			return v.ID, s, true
		}
		i := slices.IndexFunc(l.Voids, func(x receipt.VoidView) bool { return x.ID == id })
		if prefix != orderVoidNote || i < 0 {
			continue
		}
		s.user, s.Quantity = l.Voids[i].Void.User, -taken(l, i)
		return v.ID, s, true
	}
	return tab, s, false
}

// taken returns what a void took of a line, below zero if the line is.
func taken(l receipt.LineView, at int) receipt.Quantity {
	whole := max(l.Line.Quantity, -l.Line.Quantity)
	q := l.Voids[at].Void.Quantity
	if q == 0 { // all that was left
		q = whole
		for i, v := range l.Voids {
			if i != at {
				q -= v.Void.Quantity
			}
		}
	}
	if q = max(q, 0); l.Line.Quantity < 0 {
		return -q
	}
	return q
}

// signTab has lines of a tab confirmed.
func (t *Till) signTab(ctx context.Context, sign *journal.Signing, tab crdt.ObjectID, list []toSign) error {
	for len(list) > 0 {
		lines := make([]journal.OrderLine, 0, len(list))
		for _, s := range list {
			lines = append(lines, s.OrderLine)
		}
		said, covered, err := sign.Order(ctx, lines)
		if err != nil {
			return err
		}
		covered = min(covered, len(list))
		o := receipt.Order{Tab: tab, Till: t.id.Till, User: list[0].user, MS: t.clock.MS(), Security: said}
		var notes []replication.Note
		for _, s := range list[:covered] {
			if !slices.Contains(o.Lines, s.line) {
				o.Lines = append(o.Lines, s.line)
			}
			notes = append(notes, replication.Note{Key: s.note})
		}
		list = list[covered:]
		change := replication.Local{Notes: notes}
		if said != nil {
			pieces, err := receipt.NewOrder(t.env.objectID(), o)
			if err != nil {
				return err
			}
			change = t.change(crdt.Sales, receipt.Schema, pieces)
			change.Notes = notes
		}
		if _, err := t.save(ctx, change); err != nil {
			return err
		}
	}
	return nil
}
