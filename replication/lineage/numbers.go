package lineage

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/replication/store"
)

// boot returns the highest number of a start that anything tells of. It keeps the numbers of a till rising across its lineages.
func (n *Renewal) boot(last []shop.ScopeSeq) uint32 {
	e := &n.Evidence
	high := max(e.Store.Boot, e.Record.Record.Boot, e.Binding.Binding.Boot)
	for _, s := range last {
		high = max(high, s.Seq.Boot())
	}
	return high
}

// last returns the last known number of the predecessor in each scope: of the store, and of the record if it knows more.
func (n *Renewal) last(st *store.Store) []shop.ScopeSeq {
	old := n.predecessor()
	if old.IsZero() {
		return nil
	}
	high := make(map[crdt.Scope]crdt.Seq)
	raise := func(scope crdt.Scope, seq crdt.Seq) {
		if seq > high[scope] {
			high[scope] = seq
		}
	}
	for scope, c := range st.Contexts() {
		raise(scope, c.Last(old))
	}
	if rec := n.Evidence.Record; rec.Condition == Fine && rec.Record.Replica == old {
		for _, m := range []store.Marks{rec.Record.Confirmed, rec.Record.Pending} {
			for scope, seq := range m.Scopes {
				raise(scope, seq)
			}
		}
	}
	var out []shop.ScopeSeq
	for _, scope := range slices.SortedFunc(maps.Keys(high), crdt.Scope.Compare) {
		out = append(out, shop.ScopeSeq{Scope: scope, Seq: high[scope]})
	}
	return out
}

// series is the last number of a series that a note tells of.
type series struct {
	number uint64
	hash   crdt.Hash
}

func seriesNotes(ctx context.Context, st Notes) (map[string]series, error) {
	notes, err := st.NotesFrom(ctx, store.SeriesNote, "", listNotes)
	if err != nil {
		return nil, err
	}
	out := make(map[string]series, len(notes))
	for _, note := range notes {
		number, hash, err := store.ReadSeries(note.Value)
		if err != nil {
			continue // a damaged note says nothing; the record may
		}
		out[strings.TrimPrefix(note.Key, store.SeriesNote)] = series{number, hash}
	}
	return out, nil
}

// prefix returns the number prefix of the new lineage: above everything known anywhere.
func (n *Renewal) prefix(numbers map[string]series) (string, error) {
	e := &n.Evidence
	known := slices.Collect(maps.Keys(numbers))
	for _, m := range []store.Marks{e.Record.Record.Confirmed, e.Record.Record.Pending} {
		known = slices.AppendSeq(known, maps.Keys(m.Series))
	}
	known = append(known, n.Known...)
	if n.Roster != nil {
		if t, ok := n.Roster.Till(n.Evidence.Till); ok {
			for _, l := range t.Lineages {
				known = append(known, l.Prefix)
			}
		}
	}
	known = append(known, n.Base)
	known = slices.DeleteFunc(known, func(s string) bool { return shop.CheckPrefix(s) != nil })
	// A lineage that was begun here and did not come to be leaves its prefix to this one.
	if b := e.Binding.Binding; e.begunHere() && b.Prefix != "" && !slices.Contains(known, b.Prefix) {
		if again, err := shop.NextSeries(n.Base, b.Prefix); err == nil && again != n.Base {
			return b.Prefix, nil
		}
	}
	if b := e.Binding.Binding.Prefix; b != "" {
		known = append(known, b)
	}
	if Copied(n.Doubts) {
		return shop.SeriesApart(n.Base, n.Replica, known...)
	}
	return shop.NextSeries(n.Base, known...)
}

// lastNumber fills in where the numbers of the sealed lineage ended.
func (n *Renewal) lastNumber(now *Renewed, numbers map[string]series) {
	e := &n.Evidence
	old := now.Lineage.Predecessor
	if n.Roster != nil {
		if l, ok := n.Roster.Lineage(old); ok && l.Till == n.Evidence.Till {
			now.LastPrefix = l.Prefix
		}
	}
	if b := e.Binding.Binding; now.LastPrefix == "" && e.Binding.Condition == Fine && b.Replica == old {
		now.LastPrefix = b.Prefix
	}
	if now.LastPrefix == "" {
		return
	}
	if s := numbers[now.LastPrefix]; s.number > 0 {
		hash := s.hash
		now.LastNumber, now.LastHash = s.number, &hash
	}
	for _, m := range []store.Marks{e.Record.Record.Confirmed, e.Record.Record.Pending} {
		if number := m.Series[now.LastPrefix]; number > now.LastNumber {
			now.LastNumber, now.LastHash = number, nil
		}
	}
}

// again says what of the sealed lineage is to be said again.
func (n *Renewal) again(ctx context.Context, st *store.Store, old crdt.ReplicaID) (todo, error) {
	t := todo{Replica: old, Twice: UsedTwice(n.Doubts)}
	from := n.From
	if from == nil {
		var err error
		if from, err = st.Agreed(ctx, old); err != nil {
			return todo{}, err
		}
	}
	if t.Twice {
		from = nil // who confirmed a dot may have meant the other commit under it
	}
	for scope, c := range st.Contexts() {
		if to := c.Last(old); to > from[scope] {
			t.Scopes = append(t.Scopes, span{scope, from[scope], to})
		}
	}
	slices.SortFunc(t.Scopes, func(a, b span) int { return a.Scope.Compare(b.Scope) })
	return t, nil
}
