package node

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/store"
)

// rememberedDays is for how many business days the book knows which receipt settled a line.
const rememberedDays = 3

// loadBook reads the open sales, and the receipts of the last business days.
func (t *Till) loadBook(ctx context.Context) error {
	t.book = book.New()
	t.tabs.end = t.book.End
	today, _, err := t.today(ctx, t.clock.Now())
	if err != nil {
		return err
	}
	t.book.SetDay(today)
	for _, typ := range []string{receipt.TypeTab, receipt.TypeLine, receipt.TypeVoid, receipt.TypeDiscount, receipt.TypePayment, receipt.TypeOrder} {
		if err := t.loadOpen(ctx, typ); err != nil {
			return fmt.Errorf("read open sales: %w", err)
		}
	}
	day, err := time.Parse(time.DateOnly, today)
	if err != nil {
		return fmt.Errorf("business day: %w", err)
	}
	first := day.AddDate(0, 0, 1-rememberedDays).Format(time.DateOnly)
	for _, key := range t.allSeries() {
		if err := t.loadSettled(ctx, key, first); err != nil {
			return fmt.Errorf("read receipts of %s: %w", key.series, err)
		}
	}
	if err := t.loadDoubles(ctx); err != nil {
		return fmt.Errorf("read what was settled twice: %w", err)
	}
	if err := t.loadOvers(ctx); err != nil {
		return err
	}
	if err := t.loadDecisions(ctx); err != nil {
		return err
	}
	return nil
}

// loadOpen hands the live objects of a type to the book, a bounded number at a time.
func (t *Till) loadOpen(ctx context.Context, typ string) error {
	var from crdt.ObjectID
	for {
		list, err := t.store.Objects(ctx, crdt.Sales, typ, from, 1000)
		if err != nil || len(list) == 0 {
			return err
		}
		stored, err := t.stored(ctx, typ, list)
		if err != nil {
			return err
		}
		t.book.Load(stored)
		next, more := store.NextID(list[len(list)-1].ID)
		if !more {
			return nil
		}
		from = next
	}
}

// stored reads the items of objects.
func (t *Till) stored(ctx context.Context, typ string, list []store.Found) ([]book.Stored, error) {
	var refs []crdt.Ref
	for _, f := range list {
		if len(f.Object.Items) > 0 {
			refs = append(refs, f.Object.Items[0].Ref)
		}
	}
	pieces, err := t.store.Pieces(ctx, crdt.Sales, refs)
	if err != nil {
		return nil, err
	}
	out := make([]book.Stored, len(list))
	n := 0
	for i, f := range list {
		out[i] = book.Stored{Type: typ, ID: f.ID, Object: f.Object}
		if len(f.Object.Items) > 0 {
			out[i].Item = pieces[n]
			n++
		}
	}
	return out, nil
}

// loadSettled hands the receipts of a series since a business day to the book, the latest first.
func (t *Till) loadSettled(ctx context.Context, key seriesKey, first string) error {
	last, err := t.lastNumber(ctx, key)
	if err != nil {
		return err
	}
	for last > 0 {
		from := uint64(1)
		if last > runBlock {
			from = last - runBlock + 1
		}
		list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeReceipt,
			receipt.ReceiptID(t.id.Shop, key.till, key.series, int64(from)), int(last-from+1))
		if err != nil {
			return err
		}
		stored, err := t.stored(ctx, receipt.TypeReceipt, list)
		if err != nil {
			return err
		}
		t.book.Load(stored)
		if len(stored) == 0 || stored[0].Item == nil {
			return nil
		}
		oldest, err := receipt.ParseReceipt(stored[0].Item.Raw)
		if err != nil || oldest.BusinessDay < first {
			return err
		}
		last = from - 1
	}
	return nil
}

// saleEvent tells screens what a change of the book was.
func (t *Till) saleEvent(ch book.Change) Event {
	e := Event{What: ch.Kind, Till: t.roster.tillOf(ch.Writer).String(), Change: ch.What, Number: ch.Number}
	switch ch.Kind {
	case book.KindReceipt:
		e.Object = ch.Receipt.String()
	default:
		e.Object = ch.Tab.String()
		if !ch.Line.IsZero() {
			e.Line = ch.Line.String()
		}
	}
	return e
}
