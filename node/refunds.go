package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication/store"
)

// refundBlock is how many refunds are read at once.
const refundBlock = 100

// refund is what one receipt took back of another one.
type refund struct {
	receipt.Refund
	from crdt.Origin
}

// refundsOf returns what was taken back of a receipt as far as it is known here, in an order that is the same on every till:
// the earlier trusted stamp first, then the lower dot.
func (t *Till) refundsOf(ctx context.Context, of crdt.ObjectID) ([]refund, error) {
	return refundsIn(ctx, t.store.Store, of)
}

func refundsIn(ctx context.Context, s *store.Store, of crdt.ObjectID) ([]refund, error) {
	var out []refund
	for from, last := receipt.RefundRange(of); ; {
		list, err := s.Objects(ctx, crdt.Sales, receipt.TypeRefund, from, refundBlock)
		if err != nil {
			return nil, fmt.Errorf("what was taken back of receipt %v: %w", of, err)
		}
		end := slices.IndexFunc(list, func(f store.Found) bool { return f.ID.Compare(last) > 0 })
		if end < 0 {
			end = len(list)
		}
		var refs []crdt.Ref
		var origins []crdt.Origin
		for _, f := range list[:end] {
			if len(f.Object.Items) > 0 {
				refs, origins = append(refs, f.Object.Items[0].Ref), append(origins, f.Object.Items[0].Origin)
			}
		}
		pieces, err := s.Pieces(ctx, crdt.Sales, refs)
		if err != nil {
			return nil, fmt.Errorf("what was taken back of receipt %v: %w", of, err)
		}
		for i, p := range pieces {
			if p == nil {
				continue
			}
			r, err := receipt.ParseRefund(p.Raw)
			if err != nil {
				return nil, fmt.Errorf("what was taken back of receipt %v: %w", of, err)
			}
			if r.Of == of { // the range stands for a hash
				out = append(out, refund{r, origins[i]})
			}
		}
		next, more := crdt.ObjectID{}, false
		if end == refundBlock {
			next, more = store.NextID(list[end-1].ID)
		}
		if !more {
			break
		}
		from = next
	}
	slices.SortFunc(out, func(a, b refund) int {
		x, y := a.from.Stamp, b.from.Stamp
		return cmp.Or(trustedFirst(x, y), cmp.Compare(x.MS, y.MS), a.from.Dot.Compare(b.from.Dot), a.By.Compare(b.By))
	})
	return out, nil
}

func trustedFirst(x, y crdt.Stamp) int {
	switch {
	case x.Trusted && !y.Trusted:
		return -1
	case y.Trusted && !x.Trusted:
		return 1
	}
	return 0
}

// takenOf sums up what was taken back, by line.
func takenOf(list []refund) map[crdt.ObjectID]receipt.Quantity {
	if len(list) == 0 {
		return nil
	}
	sums := make(map[crdt.ObjectID]receipt.Quantity)
	for _, r := range list {
		for _, l := range r.Lines {
			sums[l.Line] = min(sums[l.Line]+l.Quantity, receipt.MaxQuantity)
		}
	}
	return sums
}

// soldOf returns how much of a line its receipt sold, or took back, as a magnitude.
func soldOf(l receipt.DocLine) receipt.Quantity { return max(l.Quantity, -l.Quantity) - l.Voided }

// Refunded is one receipt that took back lines of another one.
type Refunded struct {
	Receipt crdt.ObjectID
	Number  string
	Till    string // name
	At      string // RFC 3339
	Lines   []receipt.Taken
}

// Refunded returns what was taken back of a receipt, the earliest first.
func (t *Till) Refunded(ctx context.Context, of crdt.ObjectID) ([]Refunded, error) {
	list, err := t.refundsOf(ctx, of)
	if err != nil {
		return nil, err
	}
	out := make([]Refunded, 0, len(list))
	for _, r := range list {
		shown := Refunded{Receipt: r.By, Till: t.roster.name(t.roster.tillOf(r.from.Dot.Replica)), Lines: r.Lines}
		by, err := t.receipt(ctx, r.By)
		switch {
		case err == nil:
			shown.Number, shown.At = by.Number, by.Parsed.Closed
		case !errors.Is(err, ErrNotFound):
			return nil, err
		}
		out = append(out, shown)
	}
	return out, nil
}
