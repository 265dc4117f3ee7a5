package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// doubleNote begins the notes that say which two receipts settled the same lines: "double/", the lower ID, the higher ID.
// Their value is the list of lines. A note is written with the receipt that came second, so it is there whenever both are.
const doubleNote = "double/"

// maxDoubles bounds how many such notes are read at once.
const maxDoubles = 1000

// double is two receipts that settled the same lines.
type double struct {
	receipts [2]crdt.ObjectID // the lower ID first
	lines    []crdt.ObjectID
}

// Witness is the store of a till as changes are written to it. It looks at every receipt that comes: a line of it that
// another receipt took out before was settled twice, however long ago. The book remembers a few days; the store names the
// receipt of every line for ever, but only one, and the one that comes may be the one that it names from then on.
type Witness struct {
	*store.Guard
	till *Till
}

// Witness returns the store through which all changes of this till have to be written.
func (t *Till) Witness() *Witness { return &Witness{t.store, t} }

// Apply is the store's. What was settled twice is written down in the same transaction.
func (w *Witness) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	ops, found, err := w.look(ctx, ops)
	if err != nil {
		return replication.Applied{}, fmt.Errorf("look for lines that were settled before: %w", err)
	}
	ops, over, err := w.lookRefunds(ctx, ops)
	if err != nil {
		return replication.Applied{}, fmt.Errorf("look for what was taken back before: %w", err)
	}
	applied, err := w.Guard.Apply(ctx, ops)
	if err == nil {
		w.till.rememberOvers(over)
	}
	if err == nil && len(found) > 0 {
		if err := w.till.remember(ctx, found); err != nil {
			w.till.log.Error("lines were settled twice; it is shown after the next start", "error", err)
		}
		w.till.events.post(Event{What: "case", Change: ChangeOpened})
	}
	return applied, err
}

// look finds what the receipts of some ops settle a second time, and adds notes about it to their ops.
func (w *Witness) look(ctx context.Context, ops []replication.Op) ([]replication.Op, []double, error) {
	settling, lines := settlements(ops)
	if len(settling) == 0 {
		return ops, nil, nil
	}
	var keys []crdt.Key
	for _, id := range lines {
		if _, open := w.till.book.Line(id); !open {
			keys = append(keys, salesKey(receipt.TypeLine, id))
		}
	}
	objects, err := w.ObjectsByID(ctx, keys)
	if err != nil {
		return nil, nil, err
	}
	by := make(map[crdt.ObjectID]crdt.ObjectID) // the receipt that took a line out
	for i, obj := range objects {
		if obj.Gone {
			by[keys[i].Object] = obj.By
		}
	}
	var found []double
	ops = slices.Clone(ops)
	for _, c := range settling {
		first := len(found)
		for _, line := range c.lines {
			other, gone := by[line]
			switch {
			case !gone:
				by[line] = c.receipt
			case other != c.receipt:
				found = addDouble(found, first, other, c.receipt, line)
			}
		}
		op := &ops[c.op]
		for _, d := range found[first:] {
			op.Notes = append(slices.Clip(op.Notes), d.note())
		}
	}
	return ops, found, nil
}

// settlement is a receipt among ops.
type settlement struct {
	op      int
	receipt crdt.ObjectID
	lines   []crdt.ObjectID
}

// settlements returns the receipts of ops and all lines that they take out.
func settlements(ops []replication.Op) (list []settlement, lines []crdt.ObjectID) {
	for i := range ops {
		c := ops[i].Commit
		if c == nil || c.Scope != crdt.Sales {
			continue
		}
		for k := range c.Pieces {
			p := &c.Pieces[k]
			if p.Kind != crdt.KindItem || p.Type != receipt.TypeReceipt {
				continue
			}
			for _, o := range p.Objects {
				if o.Type == receipt.TypeLine {
					list = append(list, settlement{i, p.Object, o.IDs})
					lines = append(lines, o.IDs...)
				}
			}
		}
	}
	return list, lines
}

// addDouble adds a line to the double of two receipts, one of those from first on.
func addDouble(found []double, first int, a, b, line crdt.ObjectID) []double {
	if b.Compare(a) < 0 {
		a, b = b, a
	}
	pair := [2]crdt.ObjectID{a, b}
	i := slices.IndexFunc(found[first:], func(d double) bool { return d.receipts == pair })
	if i < 0 {
		return append(found, double{pair, []crdt.ObjectID{line}})
	}
	found[first+i].lines = append(found[first+i].lines, line)
	return found
}

func (d double) note() replication.Note {
	b := codec.AppendArray(nil, len(d.lines))
	for i := range d.lines {
		b = codec.AppendBytes(b, d.lines[i][:])
	}
	return replication.Note{Key: doubleNote + d.receipts[0].String() + d.receipts[1].String(), Value: b}
}

func readDouble(n replication.Note) (d double, err error) {
	ids := n.Key[len(doubleNote):]
	half := len(ids) / 2
	var problems [2]error
	d.receipts[0], problems[0] = crdt.ParseObjectID(ids[:half])
	d.receipts[1], problems[1] = crdt.ParseObjectID(ids[half:])
	r := codec.NewReader(n.Value)
	for i := r.Array(); i > 0 && r.Err() == nil; i-- {
		var line crdt.ObjectID
		r.Fixed(line[:])
		d.lines = append(d.lines, line)
	}
	if err := errors.Join(problems[0], problems[1], r.Done()); err != nil {
		return d, fmt.Errorf("note %q: %w", n.Key, err)
	}
	return d, nil
}

// loadDoubles hands all that was settled twice to the book.
func (t *Till) loadDoubles(ctx context.Context) error {
	for from := ""; ; {
		list, err := t.store.NotesFrom(ctx, doubleNote, from, maxDoubles)
		if err != nil {
			return err
		}
		found := make([]double, 0, len(list))
		for _, n := range list {
			d, err := readDouble(n)
			if err != nil {
				return err
			}
			found = append(found, d)
		}
		if err := t.remember(ctx, found); err != nil {
			return err
		}
		if len(list) < maxDoubles {
			return nil
		}
		from = list[len(list)-1].Key + "\x00"
	}
}

// remember tells the book about lines that were settled twice.
func (t *Till) remember(ctx context.Context, found []double) error {
	for _, d := range found {
		keys := []crdt.Key{salesKey(receipt.TypeReceipt, d.receipts[0]), salesKey(receipt.TypeReceipt, d.receipts[1])}
		objects, err := t.store.ObjectsByID(ctx, keys)
		if err != nil {
			return err
		}
		var list []store.Found
		for i, obj := range objects {
			if obj.Live() {
				list = append(list, store.Found{ID: d.receipts[i], Object: obj})
			}
		}
		var both []book.Stored
		if both, err = t.stored(ctx, receipt.TypeReceipt, list); err != nil {
			return err
		}
		if len(both) == len(d.receipts) {
			t.book.SettledTwice(d.lines, both...)
		}
	}
	return nil
}
