//go:build bench

package scale

import (
	"context"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// days is on how many business days the settled receipts are.
const days = 1000

// settleUntil writes settled receipts until there are so many, on business days that end before today. Each day was a start
// of its own, and audits have joined the starts.
func (b *books) settleUntil(ctx context.Context, count, of int) error {
	const ago = 10
	today := ""
	err := b.write(ctx, func() (replication.Op, bool, error) {
		if b.number >= uint64(count) {
			return replication.Op{}, false, nil
		}
		day := days - int(b.number)*days/of
		at := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -ago-day).Add(12 * time.Hour)
		if is := at.Format(time.DateOnly); is != today {
			today, b.boot = is, b.boot+1
			clear(b.next)
		}
		op, err := b.settled(at)
		return op, true, err
	})
	if err != nil {
		return err
	}
	return b.joinStarts(ctx)
}

// joinStarts makes one run of what this till wrote, as it does when all tills agreed in an audit.
func (b *books) joinStarts(ctx context.Context) error {
	runs := b.guard.Contexts()[crdt.Sales][b.who.Replica]
	if len(runs) < 2 {
		return nil
	}
	whole := crdt.Interval{After: runs[0].After, To: runs[len(runs)-1].To}
	claim := &replication.Claim{Scope: crdt.Sales, Context: crdt.Context{b.who.Replica: {whole}}}
	_, err := b.guard.Apply(ctx, []replication.Op{{Claim: claim}})
	return err
}

// settled makes a receipt like the model, of a tab that was never written here: another number, day, tab and lines. Its
// signature is that of the model, which nobody looks at before the receipt is shown.
func (b *books) settled(at time.Time) (replication.Op, error) {
	if b.model == nil {
		s, err := b.sell(at)
		if err != nil {
			return replication.Op{}, err
		}
		if _, err := b.settle(s); err != nil {
			return replication.Op{}, err
		}
		b.number--
	}
	d := b.model.Document
	d.Number, d.Previous = int64(b.number)+1, receipt.Digest(b.previous)
	d.ID = receipt.ReceiptID(b.who.Shop, b.who.Till, b.who.Prefix, d.Number)
	d.Closed, d.BusinessDay = at.Format(clockFormat), at.Format(time.DateOnly)
	d.Opened = d.Closed
	var gone receipt.Supersedes
	tab, pay := b.object(), b.object()
	gone.Tabs, gone.Payments = []crdt.ObjectID{tab}, []crdt.ObjectID{pay}
	d.Tabs[0].ID, d.Payments[0].ID, d.Payments[0].Time = tab, pay, d.Closed
	for i := range d.Lines {
		l := &d.Lines[i]
		l.ID, l.Tab, l.Time = b.object(), tab, d.Closed
		gone.Lines = append(gone.Lines, l.ID)
	}
	raw, err := d.Canonical()
	if err != nil {
		return replication.Op{}, err
	}
	item := b.model.Receipt
	item.Document, item.Number, item.BusinessDay = raw, d.Number, d.BusinessDay
	piece, err := receipt.NewReceipt(d.ID, item, gone)
	if err != nil {
		return replication.Op{}, err
	}
	return b.issued(piece, receipt.Hash(raw), at)
}
