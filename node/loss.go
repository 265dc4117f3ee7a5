package node

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/verify"
	"github.com/tillmesh/tillmesh/replication/store"
)

const (
	// lossBlock is how many receipts are looked at in one step.
	lossBlock = 512
	// lossTime is how long other tills may take to say what they hold; one that is asked passes the question on for lossRelayTime.
	lossTime      = 8 * time.Second
	lossRelayTime = 3 * time.Second
	// openListed bounds the open tabs, and the payments, that are listed.
	openListed = 100
)

// wholes remembers up to which number series are held without a gap: nothing of them ever goes, so it is not looked at again.
type wholes struct {
	mu   sync.Mutex
	last map[seriesKey]int64
}

// Loss makes the statement of what is lost with a till, as this one knows it, and signs it with this till's key. It asks the tills that are linked
// what they hold.
func (t *Till) Loss(ctx context.Context, ref string) (loss.Signed, error) {
	about, err := t.FindTill(ref)
	if err != nil {
		return loss.Signed{}, err
	}
	settings, err := t.Settings(ctx)
	if err != nil {
		return loss.Signed{}, err
	}
	series := prefixesOf(about)
	ask := loss.Ask{
		Made: t.clock.Now().UTC().Format(time.RFC3339), By: loss.Party{ID: t.id.Till.String(), Kind: loss.ByTill, Name: t.roster.name(t.id.Till)},
		Shop: t.id.Shop, Name: settings.Shop.Name, Till: about.ID, Label: t.roster.name(about.ID), State: about.State.String(), Prefix: series,
		Contact: t.heardLast(about.ID), Open: t.openAt(about.ID), Said: t.saidLast(about.ID),
	}
	src := lossSource{Store: verify.Store{Rows: t.store}, t: t}
	archived, err := t.heldByArchive(ctx, about.ID, series)
	if err != nil {
		return loss.Signed{}, err
	}
	ask.Held = append(ask.Held, archived...)
	asking, cancel := context.WithTimeout(ctx, lossTime)
	answers := t.askHeld(asking, loss.Question{Till: about.ID, Series: series})
	cancel()
	for _, a := range answers {
		ask.Held = append(ask.Held, a.HeldBy(t.roster.name(a.Till), series))
	}
	s, err := loss.Build(ctx, src, ask)
	if err != nil {
		return loss.Signed{}, err
	}
	return loss.Sign(s, t.key)
}

// prefixesOf returns the series of a till in the order in which it had them.
func prefixesOf(till shop.Till) (out []string) {
	for _, l := range till.Lineages {
		if !slices.Contains(out, l.Prefix) && len(out) < loss.MaxSeries {
			out = append(out, l.Prefix)
		}
	}
	if len(out) == 0 && till.Prefix != "" {
		out = append(out, till.Prefix)
	}
	return out
}

// heardLast says when a till was heard; nil: nobody knows here.
func (t *Till) heardLast(till crdt.TillID) *loss.Contact {
	at, ok := t.lastHeard(till)
	if !ok {
		return nil
	}
	return &loss.Contact{Heard: at.UTC().Format(time.RFC3339), How: loss.HeardItself}
}

// lastHeard returns when a till was heard: now if it is linked, else when it last answered what would be lost with it, which it is asked once a
// minute; that is known over a restart, too.
func (t *Till) lastHeard(till crdt.TillID) (time.Time, bool) {
	if till == t.id.Till || t.Linked()[till] {
		return t.clock.Now(), true
	}
	said, ok := t.copies.said.of(till)
	return said.at, ok
}

// saidLast is what a till said last about what only it held; nil: it never did.
func (t *Till) saidLast(till crdt.TillID) *loss.Said {
	said, ok := t.copies.said.of(till)
	if !ok {
		return nil
	}
	out := &loss.Said{At: said.at.UTC().Format(time.RFC3339), Receipts: int64(said.risk.Receipts), More: said.risk.More, Tabs: int64(said.risk.Tabs),
		Sums: []loss.Sum{}, TabSums: []loss.Sum{}}
	for _, s := range said.risk.Sums {
		out.Sums = append(out.Sums, loss.Sum{Currency: s.Currency, Amount: int64(s.Amount)})
	}
	for _, s := range said.risk.TabSums {
		out.TabSums = append(out.TabSums, loss.Sum{Currency: s.Currency, Amount: int64(s.Amount)})
	}
	return out
}

// openAt is what is open at a till as this one knows it: the tabs that it holds, and the payments that it took and that are in no receipt here.
func (t *Till) openAt(till crdt.TillID) *loss.Open {
	out := &loss.Open{Tabs: []loss.OpenTab{}, Payments: []loss.Taken{}}
	for _, s := range t.book.Tabs() {
		switch {
		case s.Holder.Till != till:
		case len(out.Tabs) >= openListed:
			out.More++
		default:
			out.Tabs = append(out.Tabs, loss.OpenTab{ID: s.ID.String(), Name: s.Name, Opened: utcText(s.OpenedMS), Gross: int64(s.Total), Currency: s.Currency})
		}
	}
	for _, p := range t.book.Payments() {
		state := or(p.State, receipt.PaymentCaptured)
		if p.Payment.Till != till || state == receipt.PaymentDeclined || state == receipt.PaymentIntended || len(out.Payments) >= openListed {
			continue
		}
		if p.Unknown() {
			state = receipt.PaymentUnknown
		}
		out.Payments = append(out.Payments, loss.Taken{ID: p.ID.String(), Tab: p.Tab.String(), Type: p.Payment.Type, State: state, Amount: int64(p.Payment.Amount),
			Till: till.String(), At: utcText(p.Payment.MS)})
	}
	return out
}

func utcText(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }

// askHeld asks the tills that are linked what they hold of series of a till, and names the other active ones as not asked.
func (t *Till) askHeld(ctx context.Context, q loss.Question) []loss.Answer {
	linked := t.Linked()
	var list []loss.Answer
	for _, till := range t.roster.activeTills() {
		if till != t.id.Till && till != q.Till {
			list = append(list, loss.Answer{Till: till})
		}
	}
	body := loss.Question{Till: q.Till, Series: q.Series}.Encode()
	var asking sync.WaitGroup
	for i := range list {
		if !linked[list[i].Till] {
			continue
		}
		asking.Go(func() {
			raw, err := t.replicator.Ask(ctx, list[i].Till, loss.Topic, body)
			var got []loss.Answer
			if err == nil {
				got, err = loss.DecodeAnswers(raw, len(q.Series))
			}
			if err == nil && len(got) > 0 && got[0].Till == list[i].Till {
				list[i] = got[0]
				return
			}
			t.log.Debug("what another till holds is not known", "till", list[i].Till.Short(), "error", err)
		})
	}
	asking.Wait()
	return list
}

// askedHeld answers which documents of series of a till are held here.
func (t *Till) askedHeld(ctx context.Context, body []byte) ([]byte, bool) {
	q, err := loss.DecodeQuestion(body)
	if err != nil {
		return []byte(err.Error()), false
	}
	own := loss.Answer{Till: t.id.Till, Asked: true}
	for _, prefix := range q.Series {
		runs, err := t.heldRuns(ctx, seriesKey{q.Till, prefix})
		if err != nil {
			t.log.Warn("what is held of a series was not read", "series", prefix, "error", err)
			return []byte("this till cannot read its store now"), false
		}
		own.Runs = append(own.Runs, runs)
	}
	list := []loss.Answer{own}
	if q.Relay {
		ctx, cancel := context.WithTimeout(ctx, lossRelayTime)
		defer cancel()
		list = append(list, t.askHeld(ctx, q)...)
	}
	return loss.EncodeAnswers(list), true
}

// heldRuns returns which numbers of a series are held. What is whole is looked at once.
func (t *Till) heldRuns(ctx context.Context, key seriesKey) (runs []loss.Run, err error) {
	t.whole.mu.Lock()
	whole := t.whole.last[key]
	t.whole.mu.Unlock()
	if whole > 0 {
		runs = append(runs, loss.Run{First: 1, Last: whole})
	}
	for n, err := range t.numbers(ctx, key, whole+1) {
		if err != nil {
			return nil, err
		}
		runs = extend(runs, n.number)
	}
	if len(runs) > 0 && runs[0].First == 1 {
		t.whole.mu.Lock()
		if t.whole.last == nil {
			t.whole.last = make(map[seriesKey]int64)
		}
		t.whole.last[key] = runs[0].Last
		t.whole.mu.Unlock()
	}
	return runs, nil
}

// extend adds the next number, which is behind all others.
func extend(runs []loss.Run, n int64) []loss.Run {
	if last := len(runs) - 1; last >= 0 && runs[last].Last+1 == n {
		runs[last].Last = n
		return runs
	}
	return append(runs, loss.Run{First: n, Last: n})
}

// heldNumber is a number of a series that is held, with the commits that brought it.
type heldNumber struct {
	number int64
	dots   []crdt.Dot
}

// numbers gives the numbers of a series that are held from one on. No document is read.
func (t *Till) numbers(ctx context.Context, key seriesKey, from int64) iter.Seq2[heldNumber, error] {
	return func(yield func(heldNumber, error) bool) {
		at := receipt.ReceiptID(t.id.Shop, key.till, key.series, from)
		series := [8]byte(at[:8])
		for {
			list, err := t.store.Objects(ctx, crdt.Sales, receipt.TypeReceipt, at, lossBlock)
			if err != nil {
				yield(heldNumber{}, fmt.Errorf("numbers of %s: %w", key.series, err))
				return
			}
			for _, f := range list {
				if [8]byte(f.ID[:8]) != series {
					return
				}
				if n := receipt.NumberOf(f.ID); n > 0 && len(f.Object.Items) > 0 && !yield(heldNumber{n, dotsOf(f.Object.Items)}, nil) {
					return
				}
			}
			if len(list) == 0 {
				return
			}
			more := false
			if at, more = store.NextID(list[len(list)-1].ID); !more {
				return
			}
		}
	}
}

// heldByArchive says which numbers of series are in the archives of the clouds that the shop is coupled with.
func (t *Till) heldByArchive(ctx context.Context, till crdt.TillID, series []string) ([]loss.Held, error) {
	var clouds []string
	for _, c := range t.Clouds() {
		if c.Coupled {
			clouds = append(clouds, c.ID.String())
		}
	}
	if len(clouds) == 0 {
		return nil, nil
	}
	h := loss.Held{Holder: loss.Holder{ID: clouds[0], Kind: loss.ByArchive, Asked: true}, Runs: make(map[string][]loss.Run)}
	for _, prefix := range series {
		for n, err := range t.numbers(ctx, seriesKey{till, prefix}, 1) {
			if err != nil {
				return nil, err
			}
			if runs := h.Runs[prefix]; t.inArchive(n.dots...) && (len(runs) <= loss.MaxRanges || runs[len(runs)-1].Last+1 == n.number) {
				h.Runs[prefix] = extend(runs, n.number)
			}
		}
	}
	return []loss.Held{h}, nil
}

// lossSource is the store of this till as the source of a statement.
type lossSource struct {
	verify.Store
	t *Till
}

var _ loss.Source = lossSource{}

// Runs is a method of loss.Source.
func (s lossSource) Runs(ctx context.Context, of verify.Series) iter.Seq2[loss.Run, error] {
	return func(yield func(loss.Run, error) bool) {
		runs, err := s.t.heldRuns(ctx, seriesKey{of.Till, of.Prefix})
		if err != nil {
			yield(loss.Run{}, err)
			return
		}
		for _, r := range runs {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// Documents is a method of loss.Source.
func (s lossSource) Documents(ctx context.Context, of verify.Series, r loss.Run) iter.Seq2[verify.Entry, error] {
	return s.Between(ctx, receipt.ReceiptID(of.Shop, of.Till, of.Prefix, r.First), receipt.ReceiptID(of.Shop, of.Till, of.Prefix, r.Last))
}

// Mentions is a method of loss.Source: receipts that took the one with the ID back, and whoever let it be printed.
func (s lossSource) Mentions(ctx context.Context, id crdt.ObjectID) (list []loss.Mention, err error) {
	refunds, err := s.t.refundsOf(ctx, id)
	if err != nil {
		return nil, err
	}
	for _, r := range refunds {
		by, err := s.t.receipt(ctx, r.By)
		if err != nil {
			continue // it is named by one that is missing itself
		}
		list = append(list, loss.Mention{Kind: "refund", By: by.Number, At: utcText(r.MS)})
	}
	obj, err := s.t.store.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: receipt.TypeRelease, Object: receipt.ReleaseID(id)})
	if err != nil || len(obj.Items) == 0 {
		return list, err
	}
	piece, err := s.t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil || piece == nil {
		return list, err
	}
	if r, err := receipt.ParseRelease(piece.Raw); err == nil && r.Receipt == id {
		list = append(list, loss.Released(r))
	}
	return list, nil
}
