package node

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

// overNote begins the notes that name receipts of which more was taken back than they sold: "refunded/" and the receipt. A note is
// written with the refund that was too much, so it is there whenever that is, and no receipt is read for it at a start.
const overNote = "refunded/"

// overs are the receipts that such notes name.
type overs struct {
	mu   sync.Mutex
	list map[crdt.ObjectID]bool
}

func (o *overs) add(ids ...crdt.ObjectID) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.list == nil {
		o.list = make(map[crdt.ObjectID]bool)
	}
	for _, id := range ids {
		o.list[id] = true
	}
}

func (o *overs) all() []crdt.ObjectID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.SortedFunc(maps.Keys(o.list), crdt.ObjectID.Compare)
}

// lookRefunds finds receipts of which some ops take back more than they sold, and adds notes about them to those ops. A receipt
// that is not here yet and is taken back by two is noted, too: it may turn out so.
func (w *Witness) lookRefunds(ctx context.Context, ops []replication.Op) ([]replication.Op, []crdt.ObjectID, error) {
	var found []crdt.ObjectID
	news := make(map[crdt.ObjectID][]refund) // by the receipt that sold
	for i := range ops {
		c := ops[i].Commit
		if c == nil || c.Scope != crdt.Sales {
			continue
		}
		for k := range c.Pieces {
			p := &c.Pieces[k]
			if p.Kind != crdt.KindItem || p.Type != receipt.TypeRefund {
				continue
			}
			r, err := receipt.ParseRefund(p.Raw)
			if err != nil {
				continue // a newer program wrote it; it is shown when it can be read
			}
			over, err := w.over(ctx, ops, r, news[r.Of])
			if err != nil {
				return nil, nil, err
			}
			news[r.Of] = append(news[r.Of], refund{r, c.Origin()})
			if !over {
				continue
			}
			if len(found) == 0 {
				ops = slices.Clone(ops)
			}
			found = append(found, r.Of)
			ops[i].Notes = append(slices.Clip(ops[i].Notes), overOf(r.Of))
		}
	}
	return ops, found, nil
}

// overOf is the note that more of a receipt was taken back than it sold.
func overOf(of crdt.ObjectID) replication.Note {
	return replication.Note{Key: overNote + of.String(), Value: []byte{1}}
}

// over reports whether more of a receipt is taken back with r than it sold. with are refunds that come together with it.
func (w *Witness) over(ctx context.Context, ops []replication.Op, r receipt.Refund, with []refund) (bool, error) {
	known, err := refundsIn(ctx, w.Store, r.Of)
	if err != nil {
		return false, err
	}
	known = slices.DeleteFunc(append(known, with...), func(x refund) bool { return x.By == r.By })
	if len(known) == 0 {
		return false, nil
	}
	sold, held, err := w.sold(ctx, ops, r.Of)
	if err != nil || !held {
		return true, err
	}
	taken := takenOf(append(known, refund{Refund: r}))
	for line, q := range taken {
		if q > sold[line] {
			return true, nil
		}
	}
	return false, nil
}

// sold returns how much of each line a receipt sold, from the store or from ops that come together.
func (w *Witness) sold(ctx context.Context, ops []replication.Op, id crdt.ObjectID) (map[crdt.ObjectID]receipt.Quantity, bool, error) {
	raw, err := w.raw(ctx, ops, id)
	if err != nil || raw == nil {
		return nil, false, err
	}
	item, err := receipt.ParseReceipt(raw)
	if err != nil {
		return nil, false, nil
	}
	d, err := receipt.ParseDocument(item.Document)
	if err != nil {
		return nil, false, nil
	}
	out := make(map[crdt.ObjectID]receipt.Quantity, len(d.Lines))
	for _, l := range d.Lines {
		out[l.ID] = soldOf(l)
	}
	return out, true, nil
}

func (w *Witness) raw(ctx context.Context, ops []replication.Op, id crdt.ObjectID) ([]byte, error) {
	obj, err := w.Object(ctx, salesKey(receipt.TypeReceipt, id))
	if err != nil {
		return nil, err
	}
	if len(obj.Items) > 0 {
		p, err := w.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
		if err != nil {
			return nil, err
		}
		if p != nil {
			return p.Raw, nil
		}
	}
	for i := range ops {
		if c := ops[i].Commit; c != nil && c.Scope == crdt.Sales {
			for k := range c.Pieces {
				if p := &c.Pieces[k]; p.Kind == crdt.KindItem && p.Type == receipt.TypeReceipt && p.Object == id {
					return p.Raw, nil
				}
			}
		}
	}
	return nil, nil
}

// rememberOvers notes receipts of which too much was taken back, and tells screens.
func (t *Till) rememberOvers(found []crdt.ObjectID) {
	if len(found) == 0 {
		return
	}
	t.overs.add(found...)
	t.events.post(Event{What: "case", Change: ChangeOpened})
}

// loadOvers finds again after a start of which receipts too much was taken back.
func (t *Till) loadOvers(ctx context.Context) error {
	for from := ""; ; {
		list, err := t.store.NotesFrom(ctx, overNote, from, maxDoubles)
		if err != nil {
			return fmt.Errorf("read what was taken back twice: %w", err)
		}
		for _, n := range list {
			id, err := crdt.ParseObjectID(strings.TrimPrefix(n.Key, overNote))
			if err != nil {
				return fmt.Errorf("note %q: %w", n.Key, err)
			}
			t.overs.add(id)
		}
		if len(list) < maxDoubles {
			return nil
		}
		from = list[len(list)-1].Key + "\x00"
	}
}

// doubleRefunds returns the cases that too much was taken back.
func (t *Till) doubleRefunds(ctx context.Context) (out []book.Case, err error) {
	for _, id := range t.overs.all() {
		o, ok, err := t.findOver(ctx, id)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, o.asCase())
		}
	}
	return out, nil
}
