package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// ErrDoubt is wrapped by every reason for which a store must not be written: it may be an older or another state than
// the one this till last confirmed.
var ErrDoubt = errors.New("this till is in doubt about its store")

// SeriesNote is how the notes begin that hold the last number of a series of receipts: "series/K2". Their value begins
// with the number; see [AppendSeries].
const SeriesNote = "series/"

// AppendSeries writes the value of a series note: the last number given out and the hash of its document.
func AppendSeries(b []byte, number uint64, hash crdt.Hash) []byte {
	return codec.AppendBytes(codec.AppendUint(codec.AppendArray(b, 2), number), hash[:])
}

// ReadSeries reads what [AppendSeries] wrote.
func ReadSeries(b []byte) (number uint64, hash crdt.Hash, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	number = r.Uint()
	r.Fixed(hash[:])
	r.Skip(more)
	if err := r.Done(); err != nil {
		return 0, hash, fmt.Errorf("series: %w", err)
	}
	return number, hash, nil
}

// Marks are the numbers that must never be given out again.
type Marks struct {
	Scopes map[crdt.Scope]crdt.Seq
	Series map[string]uint64
}

func (m Marks) clone() Marks { return Marks{maps.Clone(m.Scopes), maps.Clone(m.Series)} }

// Record is what is kept beside the store (design §3.5).
//
// It is written in parallel with the store's own sync, and those who wait are answered after both. A crash between the
// two leaves numbers that nobody was ever told; so that this is no reason for doubt, the record tells apart what was
// Confirmed, durable in the store before this write began, from what is Pending.
type Record struct {
	Replica   crdt.ReplicaID
	Boot      uint32
	Confirmed Marks
	Pending   Marks
}

// Encode returns the record's bytes.
func (r Record) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 5), 1)
	b = codec.AppendBytes(b, r.Replica[:])
	b = codec.AppendUint(b, uint64(r.Boot))
	return appendMarks(appendMarks(b, r.Confirmed), r.Pending)
}

func appendMarks(b []byte, m Marks) []byte {
	b = codec.AppendArray(b, 2)
	b = codec.AppendArray(b, 2*len(m.Scopes))
	for _, s := range slices.SortedFunc(maps.Keys(m.Scopes), crdt.Scope.Compare) {
		b = codec.AppendUint(s.Append(b), uint64(m.Scopes[s]))
	}
	b = codec.AppendArray(b, 2*len(m.Series))
	for _, s := range slices.SortedFunc(maps.Keys(m.Series), cmp.Compare[string]) {
		b = codec.AppendUint(codec.AppendString(b, s), m.Series[s])
	}
	return b
}

// DecodeRecord reads what Encode wrote.
func DecodeRecord(b []byte) (rec Record, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(5)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return rec, fmt.Errorf("high-water record of version %d: %w", v, crdt.ErrVersion)
	}
	r.Fixed(rec.Replica[:])
	rec.Boot = uint32(r.Uint())
	rec.Confirmed, rec.Pending = readMarks(r), readMarks(r)
	r.Skip(more)
	if err := r.Done(); err != nil {
		return rec, fmt.Errorf("high-water record: %w", err)
	}
	return rec, nil
}

func readMarks(r *codec.Reader) Marks {
	m := Marks{make(map[crdt.Scope]crdt.Seq), make(map[string]uint64)}
	more := r.ArrayOf(2)
	for range r.Array() / 2 {
		s := crdt.ReadScope(r)
		m.Scopes[s] = crdt.Seq(r.Uint())
	}
	for range r.Array() / 2 {
		s := r.String()
		m.Series[s] = r.Uint()
	}
	r.Skip(more)
	return m
}

// Check compares the store with the record kept beside it. An error wraps [ErrDoubt] and names what does not fit.
func (s *Store) Check(ctx context.Context, rec Record, replica crdt.ReplicaID) error {
	if rec.Replica != replica {
		return fmt.Errorf("%w: the record beside the store belongs to lineage %v, the store to %v", ErrDoubt, rec.Replica, replica)
	}
	heads := s.Heads()
	for _, scope := range slices.SortedFunc(maps.Keys(rec.Confirmed.Scopes), crdt.Scope.Compare) {
		seq := rec.Confirmed.Scopes[scope]
		if heads[scope].Seq < seq {
			return fmt.Errorf("%w: change %v of %v was saved, but the store ends at %v: it is older than it was", ErrDoubt, seq, scope, heads[scope].Seq)
		}
	}
	contexts := s.Contexts()
	for _, scope := range slices.SortedFunc(maps.Keys(rec.Confirmed.Scopes), crdt.Scope.Compare) {
		if seq := rec.Confirmed.Scopes[scope]; !contexts[scope].Has(crdt.Dot{Replica: replica, Seq: seq}) {
			return fmt.Errorf("%w: change %v of %v was saved, but the store no longer knows it: its records of what it holds are damaged", ErrDoubt, seq, scope)
		}
	}
	for _, scope := range slices.SortedFunc(maps.Keys(contexts), crdt.Scope.Compare) {
		if last := contexts[scope].Last(replica); last > heads[scope].Seq {
			return fmt.Errorf("%w: change %v of %v came from elsewhere under this till's lineage, its own last is %v", ErrDoubt, last, scope,
				heads[scope].Seq)
		}
	}
	for _, series := range slices.Sorted(maps.Keys(rec.Confirmed.Series)) {
		number := rec.Confirmed.Series[series]
		got, err := s.Notes(ctx, SeriesNote+series)
		if err != nil {
			return err
		}
		last := uint64(0)
		if got[0] != nil {
			if last, _, err = ReadSeries(got[0]); err != nil {
				return err
			}
		}
		if last < number {
			return fmt.Errorf("%w: number %s-%06d was given out, but the store ends at %06d: it is older than it was", ErrDoubt, series, number, last)
		}
	}
	return nil
}

// RecordFile is where the record goes; *highwater.File is one.
type RecordFile interface{ Write(payload []byte) error }

// Guard is a Store that keeps the record beside it up to date. It is a replication.Store.
type Guard struct {
	*Store
	file RecordFile
	rec  Record // only Apply and Settle touch it, which one goroutine calls
}

// NewGuard begins a start with a record that says what is durable: the store's own series, and its heads as far as this
// lineage wrote them (a store remembers the last own commit of every scope, also of the lineage before).
func NewGuard(ctx context.Context, s *Store, file RecordFile, replica crdt.ReplicaID, boot uint32) (*Guard, error) {
	g := &Guard{Store: s, file: file, rec: Record{Replica: replica, Boot: boot,
		Confirmed: Marks{make(map[crdt.Scope]crdt.Seq), make(map[string]uint64)}}}
	contexts := s.Contexts()
	for scope, h := range s.Heads() {
		if contexts[scope].Has(crdt.Dot{Replica: replica, Seq: h.Seq}) {
			g.rec.Confirmed.Scopes[scope] = h.Seq
		}
	}
	notes, err := s.NotesFrom(ctx, SeriesNote, "", 1000)
	if err != nil {
		return nil, err
	}
	for _, n := range notes {
		number, _, err := ReadSeries(n.Value)
		if err != nil {
			return nil, err
		}
		g.rec.Confirmed.Series[strings.TrimPrefix(n.Key, SeriesNote)] = number
	}
	if err := file.Write(g.rec.Encode()); err != nil {
		return nil, fmt.Errorf("high-water record: %w", err)
	}
	return g, nil
}

// Apply writes the ops and, at the same time, the record; it returns when both are durable. See [Store.Apply].
func (g *Guard) Apply(ctx context.Context, ops []replication.Op) (replication.Applied, error) {
	next, moved := g.marks(ops)
	if !moved {
		return g.Store.Apply(ctx, ops)
	}
	written := make(chan error, 1)
	pending := g.rec
	pending.Pending = next
	payload := pending.Encode()
	go func() { written <- g.file.Write(payload) }()
	applied, err := g.Store.Apply(ctx, ops)
	if recordErr := <-written; recordErr != nil && err == nil {
		return replication.Applied{}, fmt.Errorf("high-water record: %w: %w", rows.ErrFailed, recordErr)
	}
	if err == nil {
		g.rec.Confirmed = next
	}
	return applied, err
}

// marks returns the marks after the ops, and whether they moved.
func (g *Guard) marks(ops []replication.Op) (next Marks, moved bool) {
	for i := range ops {
		op := &ops[i]
		series := slices.ContainsFunc(op.Notes, func(n replication.Note) bool { return strings.HasPrefix(n.Key, SeriesNote) })
		if !op.Own && !series {
			continue
		}
		if !moved {
			next, moved = g.rec.Confirmed.clone(), true
		}
		if op.Own {
			next.Scopes[op.Commit.Scope] = op.Commit.Dot.Seq
		}
		for _, n := range op.Notes {
			if prefix, ok := strings.CutPrefix(n.Key, SeriesNote); ok {
				if number, _, err := ReadSeries(n.Value); err == nil {
					next.Series[prefix] = number
				}
			}
		}
	}
	return next, moved
}

// Settle writes down that the last batch is confirmed. It is called when nothing else is to be written for a moment, and
// before the store is closed; between a batch and Settle only the last batch could be lost unnoticed.
func (g *Guard) Settle() error {
	if err := g.file.Write(g.rec.Encode()); err != nil {
		return fmt.Errorf("high-water record: %w", err)
	}
	return nil
}
