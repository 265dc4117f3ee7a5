package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// riskMost is how many receipts that only this till holds are counted. There are more only in a shop that has no other till, or
// at a till that sold alone for weeks: then the older ones are told as "more".
const riskMost = 2000

// Risk is what would be lost if a till vanished now: what no other active till of the shop, and no cloud that is coupled with it, is
// known to hold.
type Risk struct {
	Receipts int
	More     bool // and older receipts than those that were counted
	Sums     []Sum
	Tabs     int   // open tabs of which a part is on no other till
	TabSums  []Sum // what that part comes to
	Oldest   time.Time
}

// None reports whether nothing would be lost.
func (r Risk) None() bool { return r.Receipts == 0 && !r.More && r.Tabs == 0 }

// Sum is an amount of money.
type Sum struct {
	Currency string
	Amount   receipt.Amount
}

// atRisk are the receipts of this till that no other one is known to hold. Its cost grows with what changes: a receipt comes
// when it is closed and leaves when another till says that it holds it.
type atRisk struct {
	entries  []riskEntry // the oldest first
	more     bool        // older ones may be at risk, too
	confirms crdt.Seq    // some other till held all own commits up to this one before this start
}

// riskEntry is one receipt. Its document is read when somebody asks while it is still at risk.
type riskEntry struct {
	id       crdt.ObjectID
	dots     []crdt.Dot
	document []byte // nil: it was read
	gross    receipt.Amount
	currency string
	at       time.Time
}

func (a *atRisk) add(e riskEntry) {
	if len(a.entries) >= riskMost {
		a.entries, a.more = append(a.entries[:0:0], a.entries[riskMost/10:]...), true
	}
	a.entries = append(a.entries, e)
}

// read reads what a receipt is worth.
func (e *riskEntry) read() error {
	if e.document == nil {
		return nil
	}
	d, err := receipt.ParseDocument(e.document)
	e.document = nil
	if err != nil {
		return err
	}
	e.gross, e.currency = d.Totals.Gross, d.Currency
	if e.at, err = time.Parse(time.RFC3339, d.Closed); err != nil {
		return fmt.Errorf("time of a receipt: %w", err)
	}
	return nil
}

// pruneRisk lets go what another till holds by now. copies.mu is held.
func (t *Till) pruneRisk() {
	r := &t.copies.risk
	kept := r.entries[:0:0]
	for i := range r.entries {
		e := &r.entries[i]
		if t.kept(e.dots...) {
			continue
		}
		if err := e.read(); err != nil {
			t.log.Warn("a receipt cannot be read", "receipt", e.id.String(), "error", err)
		}
		kept = append(kept, *e)
	}
	r.entries = kept
}

// loadRisk finds the receipts again of which no other till is known to hold a copy: own ones after the last that another till
// confirmed before this start, newest first, as many as are counted.
func (t *Till) loadRisk(ctx context.Context) error {
	agreed, err := t.store.Agreed(ctx, t.id.Replica)
	if err != nil {
		return err
	}
	r := &t.copies.risk
	if r.confirms = agreed[crdt.Sales]; t.alone() {
		r.confirms = 0 // whoever confirmed it left the shop
	}
	return t.findRisk(ctx, t.confirmed)
}

// confirmed reports whether another till held one of these commits before this start. A commit of an earlier lineage that
// was not said again had been confirmed, too.
func (t *Till) confirmed(dots []crdt.Dot) bool {
	if t.alone() {
		return false
	}
	current := false
	for _, d := range dots {
		if d.Replica == t.id.Replica {
			current = true
			if d.Seq <= t.copies.risk.confirms {
				return true
			}
		}
	}
	return !current
}

// findRisk walks the own series from the newest receipt down to the first that is safe.
func (t *Till) findRisk(ctx context.Context, safe func([]crdt.Dot) bool) error {
	r := &t.copies.risk
	r.entries, r.more = nil, false
	var found []riskEntry // newest first within a series
	for _, key := range t.allSeries() {
		if key.till != t.id.Till {
			continue
		}
		next, err := t.lastNumber(ctx, key)
		if err != nil {
			return err
		}
		for over := false; next > 0 && !over; {
			from := uint64(1)
			if next > runBlock {
				from = next - runBlock + 1
			}
			list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeReceipt,
				receipt.ReceiptID(t.id.Shop, key.till, key.series, int64(from)), int(next-from+1))
			if err != nil {
				return err
			}
			series, _ := receipt.SeriesRange(t.id.Shop, key.till, key.series)
			for _, f := range slices.Backward(list) {
				if [8]byte(f.ID[:8]) != [8]byte(series[:8]) || uint64(receipt.NumberOf(f.ID)) > next || len(f.Object.Items) == 0 {
					continue
				}
				dots := dotsOf(f.Object.Items)
				if over = safe(dots); over {
					break
				}
				if len(found) == riskMost {
					r.more, over = true, true
					break
				}
				e, err := t.riskOf(ctx, f.ID, f.Object, dots)
				if err != nil {
					return err
				}
				found = append(found, e)
			}
			next = from - 1
		}
	}
	slices.SortStableFunc(found, func(a, b riskEntry) int { return a.at.Compare(b.at) })
	r.entries = found
	return nil
}

func (t *Till) riskOf(ctx context.Context, id crdt.ObjectID, obj *crdt.Object, dots []crdt.Dot) (riskEntry, error) {
	e := riskEntry{id: id, dots: dots}
	p, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil || p == nil {
		return e, err
	}
	item, err := receipt.ParseReceipt(p.Raw)
	if err == nil {
		e.document = item.Document
		err = e.read()
	}
	if err != nil {
		t.log.Warn("a receipt cannot be read", "receipt", id.String(), "error", err)
	}
	return e, nil
}

// OwnRisk returns what would be lost if this till vanished now.
func (t *Till) OwnRisk() Risk {
	var out Risk
	sums, tabSums := make(map[string]receipt.Amount), make(map[string]receipt.Amount)
	t.copies.mu.Lock()
	t.pruneRisk()
	r := &t.copies.risk
	out.Receipts, out.More = len(r.entries), r.more
	for _, e := range r.entries {
		sums[e.currency] += e.gross
		out.older(e.at)
	}
	t.copies.mu.Unlock()
	for _, s := range t.book.Tabs() {
		t.tabRisk(s, &out, tabSums)
	}
	out.Sums, out.TabSums = sorted(sums), sorted(tabSums)
	return out
}

func (r *Risk) older(at time.Time) {
	if !at.IsZero() && (r.Oldest.IsZero() || at.Before(r.Oldest)) {
		r.Oldest = at
	}
}

func sorted(sums map[string]receipt.Amount) []Sum {
	var out []Sum
	for _, c := range slices.Sorted(maps.Keys(sums)) {
		out = append(out, Sum{c, sums[c]})
	}
	return out
}

// tabRisk adds what of an open tab is on no other till.
func (t *Till) tabRisk(s book.Summary, out *Risk, sums map[string]receipt.Amount) {
	parts, ok := t.book.Parts(s.ID)
	if !ok {
		return
	}
	lost, kept := 0, parts.Lines[:0:0]
	only := func(p receipt.Part) bool {
		at, only := t.onlyHere(p.Object)
		if only {
			lost++
			out.older(at)
		}
		return only
	}
	whole := only(parts.Tab)
	for _, l := range parts.Lines {
		if !only(l) {
			kept = append(kept, l)
		}
	}
	for _, list := range [][]receipt.Part{parts.Voids, parts.Discounts, parts.Payments} {
		for _, p := range list {
			only(p)
		}
	}
	if lost == 0 {
		return
	}
	out.Tabs++
	worth := s.Total
	if !whole {
		parts.Lines = kept
		worth = max(0, s.Total-receipt.View(parts).Totals.Gross)
	}
	if worth != 0 {
		sums[cmp.Or(s.Currency, "EUR")] += worth
	}
}

// onlyHere reports whether something of an open sale was written here and no other till is known to hold it, and when it
// was written.
func (t *Till) onlyHere(obj *crdt.Object) (at time.Time, only bool) {
	if obj == nil {
		return at, false
	}
	mine := func(o crdt.Origin) bool { return o.Dot.Replica == t.id.Replica }
	if i := slices.IndexFunc(obj.Items, func(c crdt.Copy) bool { return mine(c.Origin) }); i >= 0 {
		if dots := dotsOf(obj.Items); !t.safe(dots) {
			return time.UnixMilli(obj.Items[i].Origin.Stamp.MS), true
		}
	}
	for i := range obj.Registers {
		for _, s := range obj.Registers[i].Siblings {
			if mine(s.Origin) && !t.safe([]crdt.Dot{s.Origin.Dot}) {
				return time.UnixMilli(s.Origin.Stamp.MS), true
			}
		}
	}
	return at, false
}

// safe reports whether another till holds one of these commits, or held it before this start.
func (t *Till) safe(dots []crdt.Dot) bool {
	t.copies.mu.Lock()
	confirms := t.copies.risk.confirms
	t.copies.mu.Unlock()
	return slices.ContainsFunc(dots, func(d crdt.Dot) bool { return d.Replica == t.id.Replica && d.Seq <= confirms }) || t.kept(dots...)
}
