package store

import (
	"bytes"
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// maxTallies bounds the memory of audits: one tally takes at most 256 KiB. The one read longest ago goes first.
const maxTallies = 8

// One chunk of a reading: what a batch may have to wait for. Values of objects and commits are small.
const tallyRows, tallyBytes = 256, 256 << 10

// tally adds up the live pieces of a scope row by row, commits first, then objects, and after them dormant rows. What is written behind the place it
// has reached is added by the batches, so it is right at every moment for all rows before that place.
type tally struct {
	next       []byte // rows with keys below it were added up
	done       bool
	order      int // which reading this is
	buckets    [wire.AuditBuckets]*[wire.AuditLeaves]crdt.Digest
	commits    crdt.Digest
	objects    crdt.Digest
	dormants   crdt.Digest
	unreadable int
}

func (t *tally) leaf(d crdt.Dot) *crdt.Digest {
	n := replication.AuditLeaf(d)
	bucket := &t.buckets[n/wire.AuditLeaves]
	if *bucket == nil {
		*bucket = new([wire.AuditLeaves]crdt.Digest)
	}
	return &(*bucket)[n%wire.AuditLeaves]
}

func (t *tally) addCommit(d crdt.Dot, sum crdt.Digest) {
	leaf := t.leaf(d)
	*leaf, t.commits = leaf.Plus(sum), t.commits.Plus(sum)
}

// begin makes a tally of a scope that has read nothing. s.reading is held.
func (s *Store) begin(scope crdt.Scope) *tally {
	newest, oldest := 0, scope
	for other, t := range s.tallies {
		newest = max(newest, t.order)
		if o := s.tallies[oldest]; o == nil || t.order < o.order {
			oldest = other
		}
	}
	if len(s.tallies) >= maxTallies && s.tallies[scope] == nil {
		delete(s.tallies, oldest)
	}
	t := &tally{next: scopeKey(rowCommit, scope), order: newest + 1}
	s.tallies[scope] = t
	return t
}

// readRows reads the next chunk of a scope and reports whether it was the last.
func (s *Store) readRows(ctx context.Context, scope crdt.Scope, first bool) (done bool, err error) {
	t, list, bitmaps, err := s.readChunk(ctx, scope, first)
	if err != nil {
		return false, fmt.Errorf("read all of %v: %w", scope, err)
	}
	// Adding up needs no lock but for the sum: what a batch changes of these rows from now on, it adds itself.
	var part tally
	for _, row := range list {
		switch row.Key[0] {
		case rowCommit:
			part.countCommit(row, bitmaps[string(row.Key[1:])])
		case rowLive:
			part.countObject(row)
		default:
			part.dormants = part.dormants.Plus(dormantMark(row.Key, row.Value))
		}
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.tallies[scope] != t {
		return false, fmt.Errorf("read all of %v: %w", scope, errNoTally)
	}
	t.add(&part)
	return t.done, nil
}

// readChunk reads rows and says how far, both at one moment. Bitmaps are those of the commits among them.
func (s *Store) readChunk(ctx context.Context, scope crdt.Scope, first bool) (t *tally, list []rows.Row, bitmaps map[string][]byte, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	if t = s.tallies[scope]; first {
		t = s.begin(scope)
	}
	switch {
	case t == nil:
		return nil, nil, nil, errNoTally
	case t.done:
		return t, nil, nil, nil
	}
	prefix := scopeKey(t.next[0], scope)
	if list, err = s.rows.Scan(ctx, t.next, after(prefix), tallyRows, tallyBytes); err != nil {
		return nil, nil, nil, err
	}
	if len(list) == 0 {
		switch t.next[0] {
		case rowCommit:
			t.next = scopeKey(rowLive, scope)
		case rowLive:
			t.next = scopeKey(rowDormant, scope)
		default:
			t.done = true
		}
		return t, nil, nil, nil
	}
	last := list[len(list)-1].Key
	if t.next[0] == rowCommit {
		if bitmaps, err = s.bitmaps(ctx, list[0].Key, last); err != nil {
			return nil, nil, nil, err
		}
	}
	t.next = rows.Next(last)
	return t, list, bitmaps, nil
}

// bitmaps returns the rows of dead pieces for a range of commits, by the key of their dot.
func (s *Store) bitmaps(ctx context.Context, first, last []byte) (map[string][]byte, error) {
	from := append([]byte{rowDead}, first[1:]...)
	to := rows.Next(append([]byte{rowDead}, last[1:]...))
	out := make(map[string][]byte)
	for {
		got, err := s.rows.Scan(ctx, from, to, scanRows, 0)
		if err != nil {
			return nil, err
		}
		for _, row := range got {
			out[string(row.Key[1:])] = row.Value
		}
		if len(got) < scanRows {
			return out, nil
		}
		from = rows.Next(got[len(got)-1].Key)
	}
}

func (t *tally) countCommit(row rows.Row, dead []byte) {
	c, err := crdt.DecodeCommit(row.Value)
	if err != nil || !bytes.Equal(dotKey(rowCommit, c.Scope, c.Dot), row.Key) {
		t.unreadable++
		return
	}
	t.addCommit(c.Dot, replication.AuditSum(c, dead))
}

func (t *tally) countObject(row rows.Row) {
	o, err := decodeObject(row.Value)
	if err != nil {
		t.unreadable++
		return
	}
	t.objects = t.objects.Plus(marks(o))
}

// marks returns the sum of the marks of what an object holds live.
func marks(o *crdt.Object) (sum crdt.Digest) {
	for i := range o.Items {
		sum = sum.Plus(o.Items[i].Mark())
	}
	for i := range o.Registers {
		for j := range o.Registers[i].Siblings {
			sum = sum.Plus(o.Registers[i].Siblings[j].Mark())
		}
	}
	return sum
}

func (t *tally) add(part *tally) {
	for i, bucket := range part.buckets {
		if bucket == nil {
			continue
		}
		if t.buckets[i] == nil {
			t.buckets[i] = new([wire.AuditLeaves]crdt.Digest)
		}
		for j := range bucket {
			t.buckets[i][j] = t.buckets[i][j].Plus(bucket[j])
		}
	}
	t.commits, t.objects = t.commits.Plus(part.commits), t.objects.Plus(part.objects)
	t.dormants = t.dormants.Plus(part.dormants)
	t.unreadable += part.unreadable
}

// tell adds what a batch changed to the tallies that have passed those rows.
func (b *batch) tell(tallies map[crdt.Scope]*tally) {
	if len(tallies) == 0 {
		return
	}
	for id, f := range b.fresh {
		t := tallies[id.scope]
		if t == nil {
			continue
		}
		from := f.commit.Origin()
		row := t.passed(dotKey(rowCommit, id.scope, id.dot))
		for i := range f.commit.Pieces {
			p := &f.commit.Pieces[i]
			alive, had, counted := !isSet(f.dead, i), isSet(f.had, i), f.raw != nil && !isSet(f.before, i)
			if alive == had && alive == counted {
				continue
			}
			mark := crdt.Ref{Origin: from, Piece: i}.Mark()
			if row {
				t.addCommit(id.dot, change(mark, counted, alive))
			}
			if e := b.objects[crdt.Key{Scope: id.scope, Type: p.Type, Object: p.Object}]; t.passed(e.key) {
				t.objects = t.objects.Plus(change(mark, had, alive))
			}
		}
	}
	for id, refs := range b.dead {
		t := tallies[id.scope]
		if t == nil {
			continue
		}
		row := t.passed(dotKey(rowCommit, id.scope, id.dot))
		for _, ref := range refs {
			gone := change(ref.Mark(), true, false)
			if row {
				t.addCommit(id.dot, gone)
			}
			if t.passed(ref.key) {
				t.objects = t.objects.Plus(gone)
			}
		}
	}
	for _, f := range b.fadings {
		if t := tallies[f.scope]; t != nil && t.passed(f.key) {
			t.dormants = t.dormants.Plus(f.change)
		}
	}
}

func (t *tally) passed(key []byte) bool { return t.done || bytes.Compare(key, t.next) < 0 }

// change returns what a piece adds to a sum in which it counted before, or not, and counts now, or not.
func change(mark crdt.Digest, before, now bool) crdt.Digest {
	switch {
	case now && !before:
		return mark
	case before && !now:
		return crdt.Digest{}.Minus(mark)
	}
	return crdt.Digest{}
}
