package node

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// CodeGap refuses a closing because a receipt of its range is not on this till. It is part of the API.
const CodeGap = "gap"

// rangeSums adds up the documents of a series that no closing covers yet. It reads them one after another, a bounded number
// at a time, so it may begin before the series is held and finish with what came meanwhile.
type rangeSums struct {
	till *Till
	key  seriesKey
	sums *receipt.ZSums // nil until the first document says in which currency it is

	before   receipt.ClosingItem // the closing before it, zero if there is none
	previous receipt.Digest      // its hash, or what the chain of closings starts from
	from     int64
	next     int64          // the number to read next
	last     receipt.Digest // hash of the document before it
	closed   string         // when that one was closed, empty if there is none
	day      string         // business day of the last one that is no movement of cash, empty if there is none
	firstDay string         // of the first one
	currency string         // of the shop, for a range without documents
	progress func(done, of int64)
}

// openRange begins the sums after the last closing of a series of this till.
func (t *Till) openRange(ctx context.Context, series string) (*rangeSums, error) {
	settings, err := t.Settings(ctx)
	if err != nil {
		return nil, err
	}
	r := &rangeSums{till: t, key: seriesKey{t.id.Till, series}, currency: settings.Money.Currency,
		previous: receipt.FirstZ(t.id.Shop, t.id.Till, series), last: receipt.First(t.id.Shop, t.id.Till, series), from: 1}
	before, err := t.lastClosing(ctx, r.key)
	switch {
	case err != nil:
		return nil, err
	case before != nil:
		r.before, r.previous, r.last = before.Item, before.Hash, before.Report.Last
		r.from = before.Report.To + 1
	}
	r.next = r.from
	if before != nil {
		return r, nil
	}
	opening, err := t.store.Object(ctx, salesKey(receipt.TypeOpening, receipt.OpeningID(t.id.Shop, t.id.Till, series)))
	if err != nil {
		return nil, err
	}
	if len(opening.Items) > 0 {
		r.from, r.next = 0, 0
	}
	return r, nil
}

// sumsBlock is how many receipts are read at once.
const sumsBlock = 64

// progressEvery is after how many receipts those who watch are told.
const progressEvery = 500

// upTo adds the documents up to a number.
func (r *rangeSums) upTo(ctx context.Context, number int64) error {
	if r.next == 0 {
		if err := r.addOpening(ctx); err != nil {
			return err
		}
	}
	of := number - r.from + 1
	for r.next <= number {
		if err := r.block(ctx, number); err != nil {
			return err
		}
		if done := r.next - r.from; r.progress != nil && of > progressEvery && (done%progressEvery < sumsBlock || r.next > number) {
			r.progress(done, of)
		}
	}
	return nil
}

func (r *rangeSums) addOpening(ctx context.Context) error {
	opening, err := r.till.opened(ctx, receipt.OpeningID(r.till.id.Shop, r.key.till, r.key.series))
	if err != nil {
		return err
	}
	r.next = 1
	return r.add(&opening.Parsed, opening.Hash)
}

// block reads the next documents, at least one.
func (r *rangeSums) block(ctx context.Context, number int64) error {
	t := r.till
	n := min(number-r.next+1, sumsBlock)
	list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeReceipt, receipt.ReceiptID(t.id.Shop, r.key.till, r.key.series, r.next), int(n))
	if err != nil {
		return err
	}
	refs := make([]crdt.Ref, 0, len(list))
	for i, f := range list {
		if f.ID != receipt.ReceiptID(t.id.Shop, r.key.till, r.key.series, r.next+int64(i)) {
			break
		}
		refs = append(refs, f.Object.Items[0].Ref)
	}
	if len(refs) == 0 {
		return r.gap()
	}
	pieces, err := t.store.Pieces(ctx, crdt.Sales, refs)
	if err != nil {
		return err
	}
	for _, p := range pieces {
		if p == nil {
			return r.gap()
		}
		item, err := receipt.ParseReceipt(p.Raw)
		if err != nil {
			return fmt.Errorf("receipt %s: %w", receipt.NumberText(r.key.series, r.next), err)
		}
		d, err := receipt.ParseDocument(item.Document)
		if err != nil {
			return fmt.Errorf("receipt %s: %w", item.NumberText(), err)
		}
		if err := r.add(&d, receipt.Hash(item.Document)); err != nil {
			return err
		}
		r.next++
	}
	return nil
}

func (r *rangeSums) gap() error {
	return refuse(CodeGap, `connect the other tills, and compare all data with "till audit"`, "receipt %s is not on this till, so nothing after it can be closed",
		receipt.NumberText(r.key.series, r.next))
}

func (r *rangeSums) add(d *receipt.Document, hash receipt.Digest) error {
	if r.sums == nil {
		r.currency = d.Currency
		r.sums = receipt.NewZSums(d.Currency)
	}
	if err := r.sums.Add(d, hash); err != nil {
		return fmt.Errorf("add up receipt %s: %w", receipt.NumberText(d.Series, d.Number), err)
	}
	r.last, r.closed = hash, d.Closed
	if d.Kind != receipt.KindOpening && !onlyCash(d) {
		r.day, r.firstDay = d.BusinessDay, or(r.firstDay, d.BusinessDay)
	}
	return nil
}

// onlyCash reports whether a document moves cash and sells nothing.
func onlyCash(d *receipt.Document) bool {
	for i := range d.Lines {
		if info, _ := receipt.BusinessCase(d.Lines[i].Case); !info.CashOnly {
			return false
		}
	}
	return len(d.Lines) > 0
}

// days warns of a range of several business days.
func (r *rangeSums) days() []ClosingWarning {
	if r.firstDay == r.day {
		return nil
	}
	return []ClosingWarning{{WarnDay, fmt.Sprintf("it covers business days %s to %s", r.firstDay, r.day)}}
}

// done returns the sums; a range without documents has those of nothing.
func (r *rangeSums) done() *receipt.ZSums {
	if r.sums == nil {
		r.sums = receipt.NewZSums(r.currency)
	}
	return r.sums
}
