package node

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

func number(series string, n uint64) string { return receipt.NumberText(series, int64(n)) }

// seriesKey names a series of a till.
type seriesKey struct {
	till   crdt.TillID
	series string
}

// heads knows the highest number of each series in the store, of receipts and of closings. The first eight bytes of such an
// ID name its series.
type heads struct {
	mu   sync.Mutex
	last map[[8]byte]uint64
}

func (h *heads) apply(c *crdt.Commit) {
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || p.Type != receipt.TypeReceipt && p.Type != receipt.TypeClosing {
			continue
		}
		h.mu.Lock()
		series := [8]byte(p.Object[:8])
		// Of closings nobody looks up the last one at the start: what arrives says nothing of those before.
		if last, known := h.last[series]; known || p.Type == receipt.TypeReceipt {
			h.last[series] = max(last, binary.BigEndian.Uint64(p.Object[8:]))
		}
		h.mu.Unlock()
	}
}

// lastNumber returns the highest number of a series that the store holds, 0 if it holds none. What is not known from
// what arrived since the start is looked up in a few steps, whatever the number of receipts.
func (t *Till) lastNumber(ctx context.Context, key seriesKey) (uint64, error) {
	return t.lastOf(ctx, receipt.TypeReceipt, func(n uint64) crdt.ObjectID {
		return receipt.ReceiptID(t.id.Shop, key.till, key.series, int64(n))
	})
}

// lastOf returns the highest number of documents of a type whose IDs are a series and their number.
func (t *Till) lastOf(ctx context.Context, typ string, idOf func(n uint64) crdt.ObjectID) (uint64, error) {
	first := idOf(1)
	series := [8]byte(first[:8])
	t.heads.mu.Lock()
	last, known := t.heads.last[series]
	t.heads.mu.Unlock()
	if known {
		return last, nil
	}
	has := func(n uint64) (uint64, error) {
		list, err := t.store.Objects(ctx, crdt.Sales, typ, idOf(n), 1)
		if err != nil || len(list) == 0 || [8]byte(list[0].ID[:8]) != series {
			return 0, err
		}
		return uint64(receipt.NumberOf(list[0].ID)), nil
	}
	low, err := has(1)
	if err != nil || low == 0 {
		return low, err
	}
	var high uint64
	for step := uint64(1); ; step *= 2 {
		at, err := has(low + step)
		if err != nil {
			return 0, err
		}
		if at == 0 {
			high = low + step
			break
		}
		low = at
	}
	for low+1 < high {
		mid := low + (high-low)/2
		at, err := has(mid)
		if err != nil {
			return 0, err
		}
		if at == 0 {
			high = mid
		} else {
			low = at
		}
	}
	t.heads.mu.Lock()
	defer t.heads.mu.Unlock()
	t.heads.last[series] = max(t.heads.last[series], low)
	return t.heads.last[series], nil
}

// loadSeries begins the writer of this till's own series where the store left it.
func (t *Till) loadSeries(ctx context.Context) error {
	prefix := t.id.Prefix
	if self, ok := t.roster.till(t.id.Till); ok {
		for _, l := range self.Lineages {
			if l.Replica == t.id.Replica {
				prefix = l.Prefix
			}
		}
	}
	head := journal.Head{Hash: crdt.Hash(receipt.First(t.id.Shop, t.id.Till, prefix))}
	got, err := t.store.Notes(ctx, store.SeriesNote+prefix)
	if err != nil {
		return err
	}
	if got[0] != nil {
		if head.Number, head.Hash, err = store.ReadSeries(got[0]); err != nil {
			return err
		}
	}
	t.series = journal.New(prefix, head, func(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
		return t.submit(l)
	})
	return nil
}

// allSeries returns every series of the roster, sorted.
func (t *Till) allSeries() []seriesKey {
	var out []seriesKey
	for _, till := range t.roster.tills() {
		seen := make(map[string]bool)
		for _, l := range till.Lineages {
			if !seen[l.Prefix] {
				seen[l.Prefix] = true
				out = append(out, seriesKey{till.ID, l.Prefix})
			}
		}
	}
	slices.SortFunc(out, func(a, b seriesKey) int { return cmp.Or(cmp.Compare(a.series, b.series), a.till.Compare(b.till)) })
	return out
}

// run walks one series from a number down to 1.
type run struct {
	key  seriesKey
	next uint64 // the number to look at next, 0 at the end
	held []ReceiptSummary
}

const runBlock = 64

// fill reads the next receipts of a run, highest first.
func (t *Till) fill(ctx context.Context, r *run) error {
	for len(r.held) == 0 && r.next > 0 {
		from := uint64(1)
		if r.next > runBlock {
			from = r.next - runBlock + 1
		}
		list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeReceipt,
			receipt.ReceiptID(t.id.Shop, r.key.till, r.key.series, int64(from)), int(r.next-from+1))
		if err != nil {
			return err
		}
		series, _ := receipt.SeriesRange(t.id.Shop, r.key.till, r.key.series)
		refs := make([]crdt.Ref, 0, len(list))
		ids := make([]crdt.ObjectID, 0, len(list))
		dots := make([][]crdt.Dot, 0, len(list))
		for _, f := range list {
			n := uint64(receipt.NumberOf(f.ID))
			if [8]byte(f.ID[:8]) != [8]byte(series[:8]) || n > r.next {
				break
			}
			refs, ids, dots = append(refs, f.Object.Items[0].Ref), append(ids, f.ID), append(dots, dotsOf(f.Object.Items))
		}
		pieces, err := t.store.Pieces(ctx, crdt.Sales, refs)
		if err != nil {
			return err
		}
		for i := len(pieces) - 1; i >= 0; i-- {
			if pieces[i] == nil {
				continue
			}
			s, err := summary(ids[i], pieces[i].Raw)
			if err != nil {
				return err
			}
			s.Copies, s.Archived, s.Waiting = t.holders(dots[i]...), t.archivedOf(ids[i], dots[i]), t.isWaiting(ids[i])
			r.held = append(r.held, s)
		}
		r.next = from - 1
	}
	return nil
}

func summary(id crdt.ObjectID, raw []byte) (ReceiptSummary, error) {
	item, err := receipt.ParseReceipt(raw)
	if err != nil {
		return ReceiptSummary{}, fmt.Errorf("receipt %v: %w", id, err)
	}
	d, err := receipt.ParseDocument(item.Document)
	if err != nil {
		return ReceiptSummary{}, fmt.Errorf("receipt %s: %w", item.NumberText(), err)
	}
	return ReceiptSummary{
		ID: id, Number: item.NumberText(), Series: item.Series, N: uint64(item.Number), Till: d.Till.ID, Closed: d.Closed,
		Day: item.BusinessDay, Gross: d.Totals.Gross, Currency: d.Currency, Hash: receipt.Hash(item.Document),
	}, nil
}

// ErrCursor means that a list cannot go on from what was given.
var ErrCursor = hint(errors.New("this is no place in the list"), "leave out \"after\" to begin at the top")

// Receipts lists the receipts of all tills, the latest first; next is where to go on, empty at the end.
func (t *Till) Receipts(ctx context.Context, f ReceiptFilter, after string, limit int) (list []ReceiptSummary, next string, err error) {
	if i := strings.LastIndexByte(f.Text, '-'); i > 0 && after == "" {
		if r, err := t.Receipt(ctx, f.Text); err == nil {
			s, err := summary(r.ID, receipt.Receipt{Signed: r.Signed, Series: r.Parsed.Series, Number: r.Parsed.Number, BusinessDay: r.Parsed.BusinessDay}.Bytes())
			s.Revoked, s.Copies, s.Archived, s.Waiting = r.Revoked, r.Copies, r.Archived, r.Release != nil && r.Release.State == Waiting
			return []ReceiptSummary{s}, "", err
		}
	}
	at, err := parseCursor(after)
	if err != nil {
		return nil, "", err
	}
	var runs []*run
	for _, key := range t.allSeries() {
		if !f.Till.IsZero() && key.till != f.Till {
			continue
		}
		from, ok := at[key]
		if !ok {
			if from, err = t.lastNumber(ctx, key); err != nil {
				return nil, "", err
			}
		}
		runs = append(runs, &run{key: key, next: from})
	}
	for {
		var best *run
		for _, r := range runs {
			if err := t.fill(ctx, r); err != nil {
				return nil, "", err
			}
			if len(r.held) > 0 && (best == nil || r.held[0].Closed > best.held[0].Closed) {
				best = r
			}
		}
		if best == nil {
			return list, "", nil
		}
		s := best.held[0]
		if len(list) == limit {
			return list, cursor(runs), nil
		}
		s.Revoked = t.revokedSince(s.Till)
		best.held = best.held[1:]
		if f.From != "" && s.Day < f.From {
			best.next, best.held = 0, nil // numbers rise with time: nothing newer follows
			continue
		}
		if (f.To == "" || s.Day <= f.To) && strings.Contains(strings.ToLower(s.Number), strings.ToLower(f.Text)) {
			list = append(list, s)
		}
	}
}

// cursor writes where every run stands: till and series, then the next number.
func cursor(runs []*run) string {
	var b strings.Builder
	for _, r := range runs {
		at := r.next
		if len(r.held) > 0 {
			at = r.held[0].N
		}
		if b.Len() > 0 {
			b.WriteByte('_')
		}
		fmt.Fprintf(&b, "%s~%s~%d", r.key.till, r.key.series, at)
	}
	return b.String()
}

func parseCursor(s string) (map[seriesKey]uint64, error) {
	if s == "" {
		return nil, nil
	}
	out := make(map[seriesKey]uint64)
	for part := range strings.SplitSeq(s, "_") {
		f := strings.Split(part, "~")
		if len(f) != 3 {
			return nil, ErrCursor
		}
		till, err := crdt.ParseTillID(f[0])
		if err != nil {
			return nil, errors.Join(ErrCursor, err)
		}
		n, err := strconv.ParseUint(f[2], 10, 64)
		if err != nil {
			return nil, errors.Join(ErrCursor, err)
		}
		out[seriesKey{till, f[1]}] = n
	}
	return out, nil
}

// Receipt returns a receipt by its ID or number, [ErrNotFound] if this till holds none.
func (t *Till) Receipt(ctx context.Context, idOrNumber string) (Receipt, error) {
	var ids []crdt.ObjectID
	if id, err := crdt.ParseObjectID(idOrNumber); err == nil {
		ids = append(ids, id)
	} else if i := strings.LastIndexByte(idOrNumber, '-'); i > 0 {
		n, err := strconv.ParseInt(idOrNumber[i+1:], 10, 64)
		for _, key := range t.allSeries() {
			if err == nil && n == 0 && key.series == idOrNumber[:i] {
				r, err := t.opened(ctx, receipt.OpeningID(t.id.Shop, key.till, key.series))
				if !errors.Is(err, ErrNotFound) {
					return r, err
				}
			}
			if err == nil && n > 0 && key.series == idOrNumber[:i] {
				ids = append(ids, receipt.ReceiptID(t.id.Shop, key.till, key.series, n))
			}
		}
	}
	for _, id := range ids {
		r, err := t.receipt(ctx, id)
		if !errors.Is(err, ErrNotFound) {
			return r, err
		}
	}
	return Receipt{}, fmt.Errorf("receipt %.60q: %w", idOrNumber, ErrNotFound)
}

func (t *Till) receipt(ctx context.Context, id crdt.ObjectID) (Receipt, error) {
	obj, err := t.store.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: receipt.TypeReceipt, Object: id})
	if err != nil {
		return Receipt{}, err
	}
	if len(obj.Items) == 0 {
		return Receipt{}, fmt.Errorf("receipt %v: %w", id, ErrNotFound)
	}
	ref := obj.Items[0].Ref
	piece, err := t.store.Piece(ctx, crdt.Sales, ref)
	if err != nil {
		return Receipt{}, err
	}
	if piece == nil {
		return Receipt{}, fmt.Errorf("receipt %v: %w", id, ErrNotFound)
	}
	item, err := receipt.ParseReceipt(piece.Raw)
	if err != nil {
		return Receipt{}, fmt.Errorf("receipt %v: %w", id, err)
	}
	r := Receipt{
		ID: id, Number: item.NumberText(), Document: item.Document, Hash: receipt.Hash(item.Document), Signed: item.Signed, Here: true,
		Copies: t.holders(dotsOf(obj.Items)...), Archived: t.archivedOf(id, dotsOf(obj.Items)), Alarm: obj.Alarm(),
	}
	// A signature that does not hold is shown, not hidden: the document is still what was stored.
	parsed, verifyErr := item.Verify(id)
	if verifyErr != nil {
		if parsed, err = receipt.ParseDocument(item.Document); err != nil {
			return r, fmt.Errorf("receipt %s: %w", r.Number, err)
		}
	}
	r.Parsed, r.Till = parsed, parsed.Till.ID
	r.Revoked = t.revokedSince(r.Till)
	if r.Release, err = t.releaseOf(ctx, id, r.Till, 1+len(r.Copies)); err != nil {
		return r, err
	}
	r.Late = t.roster.source(ref.Origin.Dot.Replica, ref.Origin.Stamp).Late
	_, member := t.roster.publicKey(r.Till)
	r.Verified = verifyErr == nil && member
	return r, nil
}
