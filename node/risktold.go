package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// topicRisk asks another till what would be lost with it; the question is empty.
	topicRisk = "risk"
	// askRiskEvery is how often each linked till is asked if nobody wants to know.
	askRiskEvery = time.Minute
	// freshRisk is how old an answer may be when somebody wants to know.
	freshRisk = 2 * time.Second
	// riskPatience is how long one answer is waited for.
	riskPatience = 500 * time.Millisecond
	// riskNote is the note of the store that holds what the others said last.
	riskNote    = "risk"
	riskVersion = 1
	maxSums     = 16
	maxSaid     = 512 // tills
)

// TillRisk is what is known of what would be lost with one till.
type TillRisk struct {
	Till         crdt.TillID
	Name, Prefix string
	State        string // active, retired or revoked
	Self, Linked bool
	Risk         *Risk     // nil: it never said
	Said         time.Time // when it said so; what it sold after that is not known here
}

// saidRisk is what a till said last.
type saidRisk struct {
	risk Risk
	at   time.Time
}

// saidRisks is what the other tills said last.
type saidRisks struct {
	mu      sync.Mutex
	last    map[crdt.TillID]saidRisk
	asked   map[crdt.TillID]time.Duration // Steady
	saved   []byte
	savedAt time.Duration
}

func newSaidRisks() saidRisks {
	return saidRisks{last: make(map[crdt.TillID]saidRisk), asked: make(map[crdt.TillID]time.Duration)}
}

// Risks returns what would be lost with each till of the shop, this one first. With fresh, linked tills whose answer is not
// of now are asked. Of a till that left the shop nothing is said once nothing of it is at risk.
func (t *Till) Risks(ctx context.Context, fresh bool) []TillRisk {
	if fresh {
		t.askRisks(ctx, freshRisk)
	}
	var out []TillRisk
	for _, p := range t.peers(t.replicator.State(), t.network.View()) {
		r := TillRisk{Till: p.Till, Name: p.Name, Prefix: p.Prefix, State: p.State, Self: p.Self, Linked: p.Linked}
		if p.Self {
			own := t.OwnRisk()
			r.Risk, r.Said = &own, t.clock.Now()
		} else if said, ok := t.copies.said.of(p.Till); ok {
			r.Risk, r.Said = &said.risk, said.at
		}
		if p.Self || p.State == shop.Active.String() || r.Risk != nil && !r.Risk.None() {
			out = append(out, r)
		}
	}
	if i := slices.IndexFunc(out, func(r TillRisk) bool { return r.Self }); i > 0 {
		own := out[i]
		out = slices.Insert(slices.Delete(out, i, i+1), 0, own)
	}
	return out
}

func (s *saidRisks) of(till crdt.TillID) (saidRisk, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	said, ok := s.last[till]
	return said, ok
}

// due returns which linked tills are to be asked now.
func (s *saidRisks) due(linked []crdt.TillID, now, age time.Duration) []crdt.TillID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []crdt.TillID
	for _, till := range linked {
		if at, ok := s.asked[till]; !ok || now-at >= age {
			s.asked[till] = now
			out = append(out, till)
		}
	}
	return out
}

// askRisks asks the linked tills whose answer is older than age.
func (t *Till) askRisks(ctx context.Context, age time.Duration) {
	var linked []crdt.TillID
	for _, l := range t.tillLinks() {
		if l.Ready && !slices.Contains(linked, l.Till) {
			linked = append(linked, l.Till)
		}
	}
	var asking sync.WaitGroup
	for _, till := range t.copies.said.due(linked, t.env.Steady(), age) {
		asking.Go(func() { t.askRisk(ctx, till) })
	}
	asking.Wait()
}

func (t *Till) askRisk(ctx context.Context, till crdt.TillID) {
	ctx, done := context.WithTimeout(ctx, riskPatience)
	defer done()
	body, err := t.replicator.Ask(ctx, till, topicRisk, nil)
	now := t.clock.Now()
	var risk Risk
	if err == nil {
		risk, err = decodeRisk(body, now)
	}
	if err != nil { // an older program does not know the question
		t.log.Debug("what would be lost with another till is not known", "till", till.Short(), "error", err)
		return
	}
	s := &t.copies.said
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, known := s.last[till]; known || len(s.last) < maxSaid {
		s.last[till] = saidRisk{risk, now}
	}
}

// keepRisks saves what the others said, so that it is known after a restart although they are away then.
func (t *Till) keepRisks(ctx context.Context) {
	s, now := &t.copies.said, t.env.Steady()
	s.mu.Lock()
	b := s.encode()
	due := string(b) != string(s.saved) && (s.savedAt == 0 || now-s.savedAt >= askRiskEvery)
	s.mu.Unlock()
	if !due {
		return
	}
	if _, err := t.save(ctx, replication.Local{Notes: []replication.Note{{Key: riskNote, Value: b}}}); err != nil {
		t.log.Debug("what other tills said of what would be lost with them was not saved", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved, s.savedAt = b, now
}

// loadRisks reads what the others said before this start.
func (t *Till) loadRisks(ctx context.Context) error {
	kept, err := t.store.Notes(ctx, riskNote)
	if err != nil || kept[0] == nil {
		return err
	}
	if err := t.copies.said.decode(kept[0]); err != nil {
		t.log.Warn("what other tills said of what would be lost with them cannot be read", "error", err)
	}
	return nil
}

// encode writes [1, [[till, said at in ms, answer]...]].
func (s *saidRisks) encode() []byte {
	tills := make([]crdt.TillID, 0, len(s.last))
	for till := range s.last {
		tills = append(tills, till)
	}
	slices.SortFunc(tills, crdt.TillID.Compare)
	b := codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), riskVersion), len(tills))
	for _, till := range tills {
		said := s.last[till]
		b = codec.AppendBytes(codec.AppendArray(b, 3), till[:])
		b = codec.AppendInt(b, said.at.UnixMilli())
		b = codec.AppendBytes(b, encodeRisk(said.risk, said.at))
	}
	return b
}

func (s *saidRisks) decode(b []byte) error {
	if err := codec.Check(b); err != nil {
		return err
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != riskVersion {
		r.Fail("version %d", v)
	}
	for n := min(r.Array(), maxSaid); n > 0 && r.Err() == nil; n-- {
		var till crdt.TillID
		extra := r.ArrayOf(3)
		r.Fixed(till[:])
		at := time.UnixMilli(r.Int())
		body := r.Bytes()
		r.Skip(extra)
		if r.Err() != nil {
			break
		}
		risk, err := decodeRisk(body, at)
		if err != nil {
			return err
		}
		s.last[till] = saidRisk{risk, at}
	}
	r.Skip(more)
	return r.Done()
}

// encodeRisk writes the answer: [1, receipts, more, sums, open tabs, sums, age of the oldest in ms; 0: none]. Ages, not times: no clock
// has to agree with another.
func encodeRisk(r Risk, now time.Time) []byte {
	var age int64
	if !r.Oldest.IsZero() {
		age = max(1, now.Sub(r.Oldest).Milliseconds())
	}
	b := codec.AppendUint(codec.AppendArray(nil, 7), riskVersion)
	b = codec.AppendBool(codec.AppendUint(b, uint64(r.Receipts)), r.More)
	b = appendSums(b, r.Sums)
	b = appendSums(codec.AppendUint(b, uint64(r.Tabs)), r.TabSums)
	return codec.AppendUint(b, uint64(age))
}

func appendSums(b []byte, sums []Sum) []byte {
	sums = sums[:min(len(sums), maxSums)]
	b = codec.AppendArray(b, len(sums))
	for _, s := range sums {
		b = codec.AppendInt(codec.AppendString(codec.AppendArray(b, 2), s.Currency), int64(s.Amount))
	}
	return b
}

// decodeRisk reads what encodeRisk wrote. The error wraps [codec.ErrMalformed].
func decodeRisk(b []byte, now time.Time) (Risk, error) {
	if err := codec.Check(b); err != nil {
		return Risk{}, fmt.Errorf("what would be lost: %w", err)
	}
	r := codec.NewReader(b)
	extra := r.ArrayOf(7)
	if v := r.Uint(); r.Err() == nil && v != riskVersion {
		r.Fail("version %d, this program knows %d", v, riskVersion)
	}
	const most = 1 << 40
	receipts, more := r.Uint(), r.Bool()
	sums := readSums(r)
	tabs := r.Uint()
	tabSums := readSums(r)
	age := r.Uint()
	r.Skip(extra)
	if receipts > most || tabs > most || age > uint64(100*365*24*time.Hour/time.Millisecond) {
		r.Fail("a number that cannot be")
	}
	if err := r.Done(); err != nil {
		return Risk{}, fmt.Errorf("what would be lost: %w", err)
	}
	out := Risk{Receipts: int(receipts), More: more, Sums: sums, Tabs: int(tabs), TabSums: tabSums}
	if age > 0 {
		out.Oldest = now.Add(-time.Duration(age) * time.Millisecond)
	}
	return out, nil
}

func readSums(r *codec.Reader) (out []Sum) {
	n := r.Array()
	if n > maxSums {
		r.Fail("%d currencies", n)
	}
	for ; n > 0 && r.Err() == nil; n-- {
		extra := r.ArrayOf(2)
		s := Sum{Currency: r.String(), Amount: receipt.Amount(r.Int())}
		r.Skip(extra)
		if len(s.Currency) != 3 {
			r.Fail("currency %.10q", s.Currency)
		}
		out = append(out, s)
	}
	return out
}

// askedForRisk answers another till.
func (t *Till) askedForRisk() ([]byte, bool) { return encodeRisk(t.OwnRisk(), t.clock.Now()), true }
