package simulation

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// The simulated documents: registers that everybody writes, items, items that supersede as a Close does, lines that stand
// on a tab, and numbered receipts that close them. What supersedes is never superseded itself.
const (
	typeRegister = "thing"
	typeItem     = "entry"
	typeClose    = "closing"
	typePlain    = "plain" // items nothing supersedes
	typeLine     = "line"
	typeReceipt  = "receipt"
	typeOpening  = "opening" // of a series
	onTab        = "tab"     // register of a line: the tab it stands on
)

// places are the scopes of the random changes.
var places = []crdt.Scope{crdt.Catalog, crdt.Sales, {Kind: crdt.KindStock, Owner: crdt.TillID{7}}}

// local returns an empty change of now.
func (t *till) local(scope crdt.Scope) replication.Local {
	w := t.m.w
	ms := t.m.Wall().UnixMilli()
	return replication.Local{
		Scope: scope, Schema: 1, WallMS: ms, Urgent: w.rand.IntN(4) == 0,
		Stamp: crdt.Stamp{Trusted: w.rand.IntN(3) > 0, MS: ms + int64(w.rand.IntN(100_000)) - 50_000},
	}
}

// write makes random changes, from what the store holds now; several come together, so that later ones were made without
// knowing those before them.
func (t *till) write(n int) error {
	for range n {
		if t.m.life == nil {
			return nil
		}
		if err := t.change(); err != nil {
			if errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) {
				return nil // it is about to start again
			}
			return fmt.Errorf("%s does not read its objects: %w", t.m.name, err)
		}
	}
	return nil
}

func (t *till) change() error {
	w := t.m.w
	l := t.local(places[min(w.rand.IntN(5), 2)])
	if w.Percent(5) {
		l.Notes = []replication.Note{{Key: "last", Value: []byte{byte(w.rand.Uint32())}}}
	} else {
		written := make(map[string]bool)
		for range 1 + w.rand.IntN(4) {
			p, err := t.piece(l.Scope)
			if err != nil {
				return err
			}
			slot := p.Type + string(p.Object[:]) + p.Name
			if !written[slot] {
				written[slot] = true
				l.Pieces = append(l.Pieces, p)
			}
		}
	}
	t.m.life.Propose(l, func(replication.Result) {})
	return nil
}

func (t *till) piece(scope crdt.Scope) (crdt.Piece, error) {
	w := t.m.w
	switch n := w.rand.IntN(20); {
	case n < 9:
		return t.register(scope)
	case n < 12:
		return t.closing(scope)
	case n < 13 && len(t.s.items) > 0:
		if e := t.s.items[w.rand.IntN(len(t.s.items))]; e.scope == scope {
			return e.piece, nil
		}
	}
	p := crdt.Piece{Kind: crdt.KindItem, Type: typeItem, Object: w.objectID(), Raw: w.value()}
	if w.rand.IntN(4) == 0 {
		p.Type = typePlain
	}
	t.s.items = append(t.s.items, emitted{scope, p})
	return p, nil
}

func (t *till) register(scope crdt.Scope) (crdt.Piece, error) {
	w := t.m.w
	return t.overwrite(scope, crdt.Piece{
		Kind: crdt.KindRegister, Type: typeRegister, Object: crdt.ObjectID{byte(1 + w.rand.IntN(5))},
		Name: string(rune('a' + w.rand.IntN(3))), Raw: w.value(),
	})
}

// overwrite gives a register piece the clock of what the store holds.
func (t *till) overwrite(scope crdt.Scope, p crdt.Piece) (crdt.Piece, error) {
	o, err := t.store.Object(background, crdt.Key{Scope: scope, Type: p.Type, Object: p.Object})
	if err == nil {
		p.Clock = o.Seen(p.Name)
	}
	return p, err
}

// closing supersedes some of what the store holds: whole objects, and registers as far as they were seen.
func (t *till) closing(scope crdt.Scope) (crdt.Piece, error) {
	w := t.m.w
	p := crdt.Piece{Kind: crdt.KindItem, Type: typeClose, Object: w.objectID(), Raw: w.value()}
	items, err := t.store.Objects(background, scope, typeItem, w.objectID(), 1+w.rand.IntN(4))
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
	things, err := t.store.Objects(background, scope, typeRegister, crdt.ObjectID{}, 8)
	if err != nil {
		return p, err
	}
	for _, found := range things {
		switch w.rand.IntN(12) {
		case 0:
			p.Objects = append(p.Objects, crdt.TypedObjects{Type: typeRegister, IDs: []crdt.ObjectID{found.ID}})
		case 1, 2, 3:
			r := &found.Object.Registers[w.rand.IntN(len(found.Object.Registers))]
			p.Registers = append(p.Registers, crdt.RegisterUpTo{
				Type: typeRegister, Object: found.ID, Name: r.Name, Clock: r.Clock,
			})
		}
	}
	return p, nil
}

func (w *World) value() []byte {
	b := make([]byte, 1+w.rand.IntN(40))
	for i := range b {
		b[i] = byte(w.rand.Uint32())
	}
	return b
}

// order puts lines on tabs.
func (t *till) order(n int) error {
	for range n {
		if t.m.life == nil {
			return nil
		}
		l, id := t.local(crdt.Sales), t.m.w.objectID()
		l.Pieces = []crdt.Piece{
			{Kind: crdt.KindItem, Type: typeLine, Object: id, Raw: t.m.w.value()},
			{Kind: crdt.KindRegister, Type: typeLine, Object: id, Name: onTab, Raw: t.tab()},
		}
		t.s.lines = append(t.s.lines, id)
		t.m.life.Propose(l, func(replication.Result) {})
	}
	return nil
}

func (t *till) tab() []byte { return []byte{byte('1' + t.m.w.rand.IntN(4))} }

// move puts a line that the till knows on another tab.
func (t *till) move() error {
	if t.m.life == nil || len(t.s.lines) == 0 {
		return nil
	}
	id := t.s.lines[t.m.w.rand.IntN(len(t.s.lines))]
	p, err := t.overwrite(crdt.Sales, crdt.Piece{Kind: crdt.KindRegister, Type: typeLine, Object: id, Name: onTab, Raw: t.tab()})
	if err != nil || len(p.Clock) == 0 {
		return ignoreFailed(err)
	}
	l := t.local(crdt.Sales)
	l.Pieces = []crdt.Piece{p}
	t.m.life.Propose(l, func(replication.Result) {})
	return nil
}

// sell makes numbered receipts, each of which closes what stands on a tab here.
func (t *till) sell(n int) error {
	for range n {
		if t.m.life == nil {
			return nil
		}
		tab := string(t.tab())
		lines, err := t.store.Objects(background, crdt.Sales, typeLine, t.m.w.objectID(), 20)
		if err != nil {
			return ignoreFailed(err)
		}
		var ids []crdt.ObjectID
		for _, found := range lines {
			if len(found.Object.Items) > 0 && string(found.Object.Value(onTab)) == tab {
				ids = append(ids, found.ID)
			}
		}
		l := t.local(crdt.Sales)
		piece, done := t.series.next(&l, t.m.w.rand.Uint64())
		if len(ids) > 0 {
			piece.Objects = []crdt.TypedObjects{{Type: typeLine, IDs: ids}}
		}
		l.Pieces = []crdt.Piece{piece}
		t.m.life.Propose(l, func(r replication.Result) { done(r.Err) })
	}
	return nil
}

func ignoreFailed(err error) error {
	if errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) {
		return nil
	}
	return err
}

// checkLines checks that each line that a commit brought together with its tab stands on one.
func (t *till) checkLines(l *Life, c *crdt.Commit) {
	if c.Scope != crdt.Sales || l.w.oracle.damaged {
		return
	}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		placed := i+1 < len(c.Pieces) && c.Pieces[i+1].Name == onTab // a line that is said again comes alone
		if p.Type == typeLine && p.Kind == crdt.KindItem && placed {
			t.checkLine(l, p.Object)
		}
	}
}

func (t *till) checkLine(l *Life, id crdt.ObjectID) {
	o, err := t.store.Object(background, crdt.Key{Scope: crdt.Sales, Type: typeLine, Object: id})
	switch {
	case err != nil:
		l.w.Fail("%s does not read line %v: %v", t.m.name, id, err)
	case len(o.Items) > 0 && o.Value(onTab) == nil:
		l.w.Fail("%s shows line %v on no tab", t.m.name, id)
	}
}
