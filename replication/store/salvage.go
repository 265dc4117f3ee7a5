package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// Source is what is left of a damaged store: badger.Rescue of its files, or [Readable] of rows that can be opened. Each
// calls f for every row that reads, in any order; of several versions of a key the highest counts, and nil is a row that was
// removed. What does not read is left out.
type Source interface {
	Each(ctx context.Context, f func(key, value []byte, version uint64) error) error
}

// Salvaged tells what was found.
type Salvaged struct {
	Identity *Identity                   // nil if it did not read
	Boot     uint32                      // highest start
	Commits  int                         // different ones, with bytes that read, given to the new store
	Forks    int                         // of them such of which another one exists
	Refused  int                         // rows of commits that are not what their key or the commit after them says
	Known    map[crdt.Scope]crdt.Context // what the old store held or claimed to hold, as far as that reads
	Heads    map[crdt.Scope]crdt.Seq     // own last number in each scope, by the old store's own word
	Series   map[string]uint64           // last number of each series, by prefix
	Notes    int                         // given to the new store
}

const salvageBytes = 400 << 10

// Salvage gives what reads of a damaged store to a new one: own and foreign commits through Apply, as commits of others,
// and the till's notes. Nothing is claimed: the new store's context holds exactly the commits it got, so other tills bring
// whatever else there is, also what superseded some of these. Numbers of the old lineage must not be used again: the new
// store needs a new one; Salvaged says how far the old one went, together with the high-water record. found, if not nil, is
// called for every commit that was given over, for instance to look for the highest number of a series among the
// receipts. It may be repeated after a crash.
func Salvage(ctx context.Context, from Source, to *Store, found func(*crdt.Commit)) (Salvaged, error) {
	s := &salvager{ctx: ctx, to: to, found: found, notes: make(map[string]versioned)}
	s.out.Known, s.out.Series = make(map[crdt.Scope]crdt.Context), make(map[string]uint64)
	s.out.Heads, s.read = make(map[crdt.Scope]crdt.Seq), make(map[crdt.Scope]crdt.Context)
	err := from.Each(ctx, s.row)
	if err == nil {
		s.take(nil)
		err = s.flush()
	}
	if err == nil {
		err = s.keepNotes()
	}
	if err != nil {
		return s.out, fmt.Errorf("salvage a damaged store: %w", err)
	}
	return s.out, nil
}

type versioned struct {
	value   []byte
	version uint64
}

type salvager struct {
	ctx   context.Context
	to    *Store
	found func(*crdt.Commit)
	out   Salvaged

	last  *crdt.Commit // whose successor may contradict it
	ops   []replication.Op
	size  int
	read  map[crdt.Scope]crdt.Context // what the ops are
	notes map[string]versioned
	ident uint64 // version of the identity found
}

func (s *salvager) row(key, value []byte, version uint64) error {
	if len(key) < 2 {
		return nil
	}
	switch key[0] {
	case rowCommit, rowFork:
		if value != nil {
			return s.commit(bytes.Clone(key), bytes.Clone(value))
		}
	case rowNote:
		if old, ok := s.notes[string(key[1:])]; !ok || old.version <= version {
			s.notes[string(key[1:])] = versioned{bytes.Clone(value), version}
		}
		s.series(string(key[1:]), value)
	case rowContext:
		s.context(key, value)
	case rowHead:
		if scope, rest, err := crdt.CutScopeKey(key[1:]); err == nil && len(rest) == 0 && len(value) == 40 {
			s.out.Heads[scope] = max(s.out.Heads[scope], readHead(value).Seq)
		}
	case rowMeta:
		s.meta(string(key[1:]), value, version)
	}
	return nil
}

// commit takes a commit if its bytes say what its key says.
func (s *salvager) commit(key, value []byte) error {
	c, err := crdt.DecodeCommit(value)
	if err != nil || !bytes.Equal(dotKey(key[0], c.Scope, c.Dot), key[:len(key)-forkTag(key)]) {
		s.out.Refused++
		return nil
	}
	if key[0] == rowFork {
		tag := c.Hash()
		if !bytes.Equal(tag[:16], key[len(key)-16:]) {
			s.out.Refused++
			return nil
		}
		s.out.Forks++
		return nil // what it is a fork of comes from somebody who knows which of the two counts
	}
	s.take(c)
	if s.size < salvageBytes {
		return nil
	}
	return s.flush()
}

func forkTag(key []byte) int {
	if key[0] == rowFork && len(key) > 16 {
		return 16
	}
	return 0
}

// take keeps a commit back until the one after it was seen: each names the one before it by its hash, and bytes that still
// decode can be wrong nevertheless.
func (s *salvager) take(next *crdt.Commit) {
	c := s.last
	s.last = next
	if c == nil {
		return
	}
	if next != nil && next.Scope == c.Scope && next.Dot.Replica == c.Dot.Replica && next.Pred == c.Dot.Seq && next.Prev != c.Hash() {
		s.out.Refused++
		return
	}
	s.ops = append(s.ops, replication.Op{Commit: c})
	s.size += len(c.Bytes())
	if s.read[c.Scope] == nil {
		s.read[c.Scope] = make(crdt.Context)
	}
	s.read[c.Scope].Add(c.Dot.Replica, c.Interval())
}

func (s *salvager) flush() error {
	if len(s.ops) == 0 {
		return nil
	}
	applied, err := s.to.Apply(s.ctx, s.ops)
	if err != nil {
		return err
	}
	for i, out := range applied.Outcomes {
		if out.Fork {
			s.out.Forks++
		}
		if !out.New {
			continue // it came before, in another version of its row
		}
		s.out.Commits++
		if s.found != nil {
			s.found(s.ops[i].Commit)
		}
	}
	for scope, c := range s.read {
		s.know(scope, c)
	}
	clear(s.read)
	s.ops, s.size = nil, 0
	return nil
}

func (s *salvager) know(scope crdt.Scope, c crdt.Context) {
	if s.out.Known[scope] == nil {
		s.out.Known[scope] = make(crdt.Context)
	}
	s.out.Known[scope].AddAll(c)
}

func (s *salvager) context(key, value []byte) {
	if value == nil {
		return
	}
	if of, r, err := readRuns(key, value); err == nil && len(r.runs) > 0 {
		s.know(of.scope, crdt.Context{of.replica: r.runs})
	}
}

func (s *salvager) meta(name string, value []byte, version uint64) {
	switch {
	case name == "boot" && len(value) == 4:
		s.out.Boot = max(s.out.Boot, binary.BigEndian.Uint32(value))
	case name == "identity" && value != nil && (s.out.Identity == nil || version >= s.ident):
		if id, err := decodeIdentity(value); err == nil {
			s.out.Identity, s.ident = &id, version
		}
	}
}

// series remembers the highest number, also of an older version of the note: numbers only rise.
func (s *salvager) series(key string, value []byte) {
	prefix, ok := strings.CutPrefix(key, SeriesNote)
	if !ok || value == nil {
		return
	}
	if number, _, err := ReadSeries(value); err == nil {
		s.out.Series[prefix] = max(s.out.Series[prefix], number)
	}
}

// keepNotes gives the notes over, but those that are about the old rows and the old lineage.
func (s *salvager) keepNotes() error {
	var notes []replication.Note
	size := 0
	write := func() error {
		if len(notes) == 0 {
			return nil
		}
		_, err := s.to.Apply(s.ctx, []replication.Op{{Notes: notes}})
		s.out.Notes += len(notes)
		notes, size = nil, 0
		return err
	}
	for key, n := range s.notes {
		if n.value == nil || strings.HasPrefix(key, replication.AgreedPrefix) || strings.HasPrefix(key, replication.DamagePrefix) {
			continue
		}
		notes = append(notes, replication.Note{Key: key, Value: n.value})
		if size += len(n.value) + len(key); size > salvageBytes {
			if err := write(); err != nil {
				return err
			}
		}
	}
	return write()
}

// Readable is the [Source] of rows that can be opened, whatever of them does not read.
func Readable(r rows.Store) Source { return readable{r} }

type readable struct{ rows rows.Store }

// Each is a method of Source. Where a range of rows does not read, it tries the one after it, in ever larger steps. It ends
// early if the rows refuse everything.
func (r readable) Each(ctx context.Context, f func(key, value []byte, version uint64) error) error {
	from := []byte{1}
	for from != nil {
		got, err := r.rows.Scan(ctx, from, nil, scanRows, scanBytes)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, rows.ErrFailed) || errors.Is(err, rows.ErrClosed) {
				return err
			}
			if from, err = r.beyond(ctx, from, f); err != nil {
				return err
			}
			continue
		}
		for _, row := range got {
			if err := f(row.Key, row.Value, 0); err != nil {
				return err
			}
		}
		if len(got) == 0 {
			return nil
		}
		from = rows.Next(got[len(got)-1].Key)
	}
	return nil
}

// beyond returns where rows read again behind a place where they do not, nil if nowhere.
func (r readable) beyond(ctx context.Context, from []byte, f func(key, value []byte, version uint64) error) ([]byte, error) {
	if got, err := r.rows.Scan(ctx, from, nil, 1, 0); err == nil && len(got) == 1 { // the chunk was bad, its first row is not
		return rows.Next(got[0].Key), f(got[0].Key, got[0].Value, 0)
	}
	for n := len(from); n > 0; n-- {
		for next := after(from[:n]); len(next) == n; next = after(next) {
			if _, err := r.rows.Scan(ctx, next, nil, 1, 0); err == nil {
				return next, nil
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}
