package node

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// ShopDay is the business day of the shop: a view over the closings of all tills.
type ShopDay struct {
	Day      string
	Revision int       // how many closings are in it
	Complete bool      // every till of the shop is in it, as far as this one knows
	Missing  []Missing // tills that are not; empty if Complete
	Closings []Closing // by till and number
	Sums     DaySums
	Currency string
	Mixed    bool // closings in different currencies: Sums is empty
}

// Missing is a till whose part of a day is not known, or not closed.
type Missing struct {
	Till     crdt.TillID
	Name     string
	Why      string // one of the Missing constants
	Receipts int    // MissingOpen: how many of that day are in no closing
	Heard    time.Time
}

// Why a till is missing in a day.
const (
	MissingOpen    = "not-closed" // receipts of that day are in no closing
	MissingUnheard = "not-heard"  // it was not heard of since that day, or never
)

// DaySums is what closings come to together.
type DaySums struct {
	Gross, CashTotal receipt.Amount
	Rates            []receipt.DocRate
	Payments         []receipt.ZPayment
	Receipts         int64
	Cancelled        receipt.Amount
	Refunded         receipt.Amount
	Difference       receipt.Amount // of the drawers
}

// CodeDay refuses something that is no business day. It is part of the API.
const CodeDay = "day"

// ShopDay returns a business day of the shop as far as this till knows it. day may be empty: today.
func (t *Till) ShopDay(ctx context.Context, day string) (ShopDay, error) {
	now := t.clock.Now()
	today, settings, err := t.today(ctx, now)
	if err != nil {
		return ShopDay{}, err
	}
	day = or(day, today)
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return ShopDay{}, refuse(CodeDay, "write it as 2026-01-31", "%.40q is no day", day)
	}
	local, err := t.local(settings, now)
	if err != nil {
		return ShopDay{}, err
	}
	end, err := settings.Day.Begins(at.AddDate(0, 0, 1).Format(time.DateOnly), local.Location())
	if err != nil {
		return ShopDay{}, err
	}
	t.hear(now)
	out := ShopDay{Day: day, Currency: settings.Money.Currency}
	latest := make(map[crdt.TillID]string) // business day of the last closing
	open := make(map[crdt.TillID]int)
	for _, key := range t.allSeries() {
		list, last, err := t.closingsOf(ctx, key, day)
		if err != nil {
			return out, err
		}
		out.Closings = append(out.Closings, list...)
		if last != nil {
			latest[key.till] = max(latest[key.till], last.Report.BusinessDay)
		}
		n, err := t.notClosed(ctx, key, last, day)
		if err != nil {
			return out, err
		}
		open[key.till] += n
	}
	slices.SortFunc(out.Closings, func(a, b Closing) int {
		return cmp.Or(strings.Compare(a.Report.Series, b.Report.Series), cmp.Compare(a.Report.Number, b.Report.Number))
	})
	out.Revision = len(out.Closings)
	for _, till := range t.roster.activeTills() {
		m := Missing{Till: till, Name: t.roster.name(till), Receipts: open[till], Heard: t.days.heardOf(till)}
		switch {
		case m.Receipts > 0:
			m.Why = MissingOpen
		case latest[till] >= day || till == t.id.Till || !m.Heard.Before(earlier(end, now.Add(-recently))):
			continue
		default:
			m.Why = MissingUnheard
		}
		out.Missing = append(out.Missing, m)
	}
	out.Complete = len(out.Missing) == 0
	if err := out.sum(); err != nil {
		return out, err
	}
	if out.Complete && out.Revision > 0 {
		t.days.show(day, out.Revision)
	}
	return out, nil
}

// recently is for how long a till that was heard of counts as heard of now.
const recently = time.Minute

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// dayPatience is how many closings of earlier days are looked at behind one of a day: days rise with numbers, unless a clock
// was wrong.
const dayPatience = 3

// closingsOf returns the closings of a series with a business day, and the last one of all.
func (t *Till) closingsOf(ctx context.Context, key seriesKey, day string) (list []Closing, last *Closing, err error) {
	n, err := t.lastClosingNumber(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	r := &closingRun{key: key, next: n}
	for before := 0; before < dayPatience; {
		if err := t.fillClosings(ctx, r); err != nil {
			return nil, nil, err
		}
		if len(r.held) == 0 {
			break
		}
		c := r.held[0]
		r.held = r.held[1:]
		if last == nil {
			last = &c
		}
		switch {
		case c.Report.BusinessDay == day:
			list = append(list, c)
		case c.Report.BusinessDay < day:
			before++
		}
	}
	return list, last, nil
}

// notClosed counts the receipts of a day that are in no closing. What only carries cash over into the next period does not
// wait for one.
func (t *Till) notClosed(ctx context.Context, key seriesKey, last *Closing, day string) (n int, err error) {
	to, err := t.lastNumber(ctx, key)
	if err != nil {
		return 0, err
	}
	from := int64(1)
	if last != nil {
		from = last.Report.To + 1
	}
	for before, at := 0, int64(to); at >= from && before < sumsBlock; at-- {
		d, err := t.documentOf(ctx, receipt.ReceiptID(t.id.Shop, key.till, key.series, at))
		switch {
		case errors.Is(err, ErrNotFound): // on its way: a gap is nothing of this day until it is here
		case err != nil:
			return 0, err
		case d.BusinessDay == day && !onlyFloat(&d):
			n++
		case d.BusinessDay < day:
			before++
		}
	}
	return n, nil
}

func onlyFloat(d *receipt.Document) bool {
	return len(d.Lines) > 0 && !slices.ContainsFunc(d.Lines, func(l receipt.DocLine) bool { return l.Case != receipt.CaseFloat })
}

func (t *Till) documentOf(ctx context.Context, id crdt.ObjectID) (receipt.Document, error) {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeReceipt, id))
	if err != nil {
		return receipt.Document{}, err
	}
	if len(obj.Items) == 0 {
		return receipt.Document{}, ErrNotFound
	}
	piece, err := t.store.Piece(ctx, crdt.Sales, obj.Items[0].Ref)
	if err != nil {
		return receipt.Document{}, err
	}
	if piece == nil {
		return receipt.Document{}, ErrNotFound
	}
	item, err := receipt.ParseReceipt(piece.Raw)
	if err != nil {
		return receipt.Document{}, fmt.Errorf("receipt %v: %w", id, err)
	}
	return receipt.ParseDocument(item.Document)
}

// sum adds up what the closings of the day say.
func (d *ShopDay) sum() error {
	s := &d.Sums
	add := func(to *receipt.Amount, a receipt.Amount) (err error) { *to, err = to.Add(a); return err }
	for i := range d.Closings {
		z := &d.Closings[i].Report
		if i == 0 {
			d.Currency = z.Currency
		}
		if z.Currency != d.Currency {
			d.Mixed, d.Sums = true, DaySums{}
			return nil
		}
		errs := []error{add(&s.Gross, z.Sums.Gross), add(&s.CashTotal, z.Sums.CashTotal), add(&s.Difference, z.Cash.Difference),
			add(&s.Cancelled, z.Sums.Counts.Cancelled), add(&s.Refunded, z.Sums.Counts.Refunded)}
		s.Receipts += z.Sums.Counts.Receipts
		for _, r := range z.Sums.Rates {
			i := slices.IndexFunc(s.Rates, func(x receipt.DocRate) bool { return x.Ref == r.Ref })
			if i < 0 {
				i, s.Rates = len(s.Rates), append(s.Rates, receipt.DocRate{Ref: r.Ref, Name: r.Name})
			}
			x := &s.Rates[i]
			errs = append(errs, add(&x.Gross, r.Gross), add(&x.Net, r.Net), add(&x.Tax, r.Tax))
		}
		for _, p := range z.Sums.Payments {
			i := slices.IndexFunc(s.Payments, func(x receipt.ZPayment) bool { return x.Type == p.Type && x.Name == p.Name })
			if i < 0 {
				i, s.Payments = len(s.Payments), append(s.Payments, receipt.ZPayment{Type: p.Type, Name: p.Name})
			}
			s.Payments[i].Count += p.Count
			errs = append(errs, add(&s.Payments[i].Amount, p.Amount))
		}
		if err := errors.Join(errs...); err != nil {
			return fmt.Errorf("add up %s: %w", d.Day, err)
		}
	}
	slices.SortFunc(s.Rates, func(a, b receipt.DocRate) int { return a.Ref.Compare(b.Ref) })
	slices.SortFunc(s.Payments, func(a, b receipt.ZPayment) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name))
	})
	return nil
}

const (
	// daysNote is the note of the store that holds what days were shown complete, and when other tills were heard of.
	daysNote    = "days"
	daysVersion = 1
	// daysKept is how many days are remembered, the latest ones.
	daysKept = 400
	// saveHeard is how often it is saved that a till was heard of.
	saveHeard = 10 * time.Minute
)

// shownDays remembers which days this till showed complete, so that it can say when one is revised, and when the other tills
// were heard of last.
type shownDays struct {
	mu    sync.Mutex
	shown map[string]int // day: revision
	heard map[crdt.TillID]time.Time
	look  map[string]bool // days of closings that came
	dirty bool            // something is to be saved at once
	saved time.Time
}

func newShownDays() *shownDays {
	return &shownDays{shown: make(map[string]int), heard: make(map[crdt.TillID]time.Time), look: make(map[string]bool)}
}

func (d *shownDays) heardOf(till crdt.TillID) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.heard[till]
}

// show notes that a day was shown complete.
func (d *shownDays) show(day string, revision int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shown[day] != revision {
		d.shown[day], d.dirty = revision, true
	}
}

// hear notes which tills are known to hold the same now: all they wrote until now is here.
func (t *Till) hear(now time.Time) {
	state := t.replicator.State()
	t.days.mu.Lock()
	defer t.days.mu.Unlock()
	for _, l := range state.Links {
		if h := t.days.heard[l.Till]; l.Ready && l.Equal && (now.After(h) || h.After(now.Add(recently))) {
			t.days.heard[l.Till] = now
		}
	}
}

// tookClosings tells of closings that became durable, and of days that were shown complete and are not as they were.
func (t *Till) tookClosings(taken []replication.Taken) (events []Event) {
	for i := range taken {
		for k := range taken[i].Commit.Pieces {
			p := &taken[i].Commit.Pieces[k]
			if p.Kind != crdt.KindItem || p.Type != receipt.TypeClosing {
				continue
			}
			item, err := receipt.ParseClosing(p.Raw)
			if err != nil {
				continue // it is told when it is asked for
			}
			till := t.roster.tillOf(taken[i].Commit.Dot.Replica).String()
			events = append(events, Event{What: "closing", Change: "made", Object: p.Object.String(), Number: receipt.ZText(item.Series, item.Number), Till: till})
			if revision, revised := t.days.came(item.BusinessDay); revised {
				events = append(events, Event{What: "day", Change: "revised", Object: item.BusinessDay, Number: fmt.Sprint(revision), Till: till})
			}
		}
	}
	return events
}

// came notes that one more closing of a day is here. revised says that the day was shown complete; then revision is the new
// one.
func (d *shownDays) came(day string) (revision int, revised bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.look[day] = true
	if d.shown[day] == 0 {
		return 0, false
	}
	d.shown[day]++
	d.dirty = true
	return d.shown[day], true
}

// keepDays looks at the days of closings that came, and saves what is remembered.
func (t *Till) keepDays(ctx context.Context) {
	now, d := t.clock.Now(), t.days
	t.hear(now)
	d.mu.Lock()
	var days []string
	for day := range d.look {
		days = append(days, day)
	}
	clear(d.look)
	d.mu.Unlock()
	slices.Sort(days)
	for _, day := range days {
		if _, err := t.ShopDay(ctx, day); err != nil { // which notes it if it is complete
			t.log.Debug("a business day could not be looked at", "day", day, "error", err)
		}
	}
	d.mu.Lock()
	due := d.dirty || len(d.heard) > 0 && now.Sub(d.saved) >= saveHeard
	b, err := d.encode()
	d.mu.Unlock()
	if !due || err != nil {
		return
	}
	if _, err := t.save(ctx, replication.Local{Notes: []replication.Note{{Key: daysNote, Value: b}}}); err != nil {
		t.log.Debug("which days were shown was not saved", "error", err)
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dirty, d.saved = false, now
}

// daysOnDisk is what the note holds, as JSON.
type daysOnDisk struct {
	Version int              `json:"v"`
	Shown   map[string]int   `json:"shown"`
	Heard   map[string]int64 `json:"heard"` // by till: Unix milliseconds
}

func (d *shownDays) encode() ([]byte, error) {
	if len(d.shown) > daysKept {
		days := slices.Sorted(maps.Keys(d.shown))
		for _, day := range days[:len(days)-daysKept] {
			delete(d.shown, day)
		}
	}
	out := daysOnDisk{Version: daysVersion, Shown: d.shown, Heard: make(map[string]int64, len(d.heard))}
	for till, at := range d.heard {
		out.Heard[till.String()] = at.UnixMilli()
	}
	return json.Marshal(out)
}

func (d *shownDays) decode(b []byte) error {
	var in daysOnDisk
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if in.Version != daysVersion {
		return fmt.Errorf("version %d, this program knows %d", in.Version, daysVersion)
	}
	for day, revision := range in.Shown {
		d.shown[day] = revision
	}
	for text, ms := range in.Heard {
		till, err := crdt.ParseTillID(text)
		if err != nil {
			return err
		}
		d.heard[till] = time.UnixMilli(ms)
	}
	return nil
}

// loadDays reads which days were shown before this start.
func (t *Till) loadDays(ctx context.Context) error {
	kept, err := t.store.Notes(ctx, daysNote)
	if err != nil || kept[0] == nil {
		return err
	}
	if err := t.days.decode(kept[0]); err != nil {
		t.log.Warn("which business days were shown cannot be read", "error", err)
	}
	return nil
}
