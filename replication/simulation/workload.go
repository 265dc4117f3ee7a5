package simulation

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The simulated documents: registers that everybody writes, items, and items that supersede as a Close does. What
// supersedes is never superseded itself.
const (
	typeRegister = "thing"
	typeItem     = "entry"
	typeClose    = "closing"
	typePlain    = "plain" // items nothing supersedes
	noteKey      = "last"
)

var scopes = []crdt.Scope{crdt.Catalog, crdt.Sales, {Kind: crdt.KindStock, Owner: crdt.TillID{7}}}

// emitted is an item that was written and may be written again by another till.
type emitted struct {
	scope crdt.Scope
	piece crdt.Piece
}

// propose makes one change at a till, from what its store holds now.
func (t *till) propose() {
	if !t.up {
		return
	}
	w := t.w
	if w.percent(30) {
		// Some changes come together, so that later ones were made without knowing those before them.
		defer t.propose()
	}
	t.counter++
	note := binary.BigEndian.AppendUint64(nil, t.counter)
	l := replication.Local{
		Scope: scopes[min(w.rand.IntN(5), 2)], Schema: 1, WallMS: w.now.UnixMilli(),
		Stamp:  crdt.Stamp{Trusted: w.rand.IntN(3) > 0, MS: w.now.UnixMilli() + int64(w.rand.IntN(100_000)) - 50_000},
		Urgent: w.rand.IntN(4) == 0, Notes: []replication.Note{{Key: noteKey, Value: note}},
	}
	if !w.percent(5) {
		pieces := 1 + w.rand.IntN(4)
		written := make(map[string]bool)
		for range pieces {
			p, err := t.piece(l.Scope)
			if errors.Is(err, rows.ErrFailed) {
				return // it is about to start again
			}
			if err != nil {
				w.fail("till %d does not read its objects: %v", t.n, err)
				return
			}
			slot := p.Type + string(p.Object[:]) + p.Name
			if !written[slot] {
				written[slot] = true
				l.Pieces = append(l.Pieces, p)
			}
		}
	}
	ticket := t.core.Propose(l)
	w.trace("till %d proposes %d: %d pieces in %v", t.n, ticket, len(l.Pieces), l.Scope)
	t.poke()
}

func (t *till) piece(scope crdt.Scope) (crdt.Piece, error) {
	w := t.w
	switch n := w.rand.IntN(20); {
	case n < 9:
		return t.register(scope)
	case n < 12:
		return t.closing(scope)
	case n < 13 && len(w.items) > 0:
		if e := w.items[w.rand.IntN(len(w.items))]; e.scope == scope {
			return e.piece, nil
		}
	}
	p := crdt.Piece{Kind: crdt.KindItem, Type: typeItem, Object: t.object(), Raw: t.value()}
	if w.rand.IntN(4) == 0 {
		p.Type = typePlain
	}
	w.items = append(w.items, emitted{scope, p})
	return p, nil
}

func (t *till) register(scope crdt.Scope) (crdt.Piece, error) {
	p := crdt.Piece{
		Kind: crdt.KindRegister, Type: typeRegister, Object: crdt.ObjectID{byte(1 + t.w.rand.IntN(5))},
		Name: string(rune('a' + t.w.rand.IntN(3))), Raw: t.value(),
	}
	o, err := t.store.Object(context.Background(), crdt.Key{Scope: scope, Type: p.Type, Object: p.Object})
	if err == nil {
		p.Clock = o.Seen(p.Name)
	}
	return p, err
}

// closing supersedes some of what the store holds: whole objects, and registers as far as they were seen.
func (t *till) closing(scope crdt.Scope) (crdt.Piece, error) {
	ctx := context.Background()
	p := crdt.Piece{Kind: crdt.KindItem, Type: typeClose, Object: t.object(), Raw: t.value()}
	items, err := t.store.Objects(ctx, scope, typeItem, t.object(), 1+t.w.rand.IntN(4))
	if err != nil {
		return p, err
	}
	var ids []crdt.ObjectID
	for _, found := range items {
		ids = append(ids, found.ID)
	}
	if len(ids) > 0 {
		p.Objects = append(p.Objects, crdt.TypedObjects{Type: typeItem, IDs: ids})
	}
	things, err := t.store.Objects(ctx, scope, typeRegister, crdt.ObjectID{}, 8)
	if err != nil {
		return p, err
	}
	for _, found := range things {
		switch t.w.rand.IntN(12) {
		case 0:
			p.Objects = append(p.Objects, crdt.TypedObjects{Type: typeRegister, IDs: []crdt.ObjectID{found.ID}})
		case 1, 2, 3:
			r := &found.Object.Registers[t.w.rand.IntN(len(found.Object.Registers))]
			p.Registers = append(p.Registers, crdt.RegisterUpTo{
				Type: typeRegister, Object: found.ID, Name: r.Name, Clock: r.Clock,
			})
		}
	}
	return p, nil
}

func (t *till) object() (id crdt.ObjectID) {
	binary.BigEndian.PutUint64(id[:], t.w.rand.Uint64())
	binary.BigEndian.PutUint64(id[8:], t.w.rand.Uint64())
	return id
}

func (t *till) value() []byte {
	n := 1 + t.w.rand.IntN(40)
	if t.w.plan.big && t.w.rand.IntN(3) == 0 {
		n = 50_000
	}
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(t.w.rand.Uint32())
	}
	return b
}
