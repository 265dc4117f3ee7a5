package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

var errNoTally = errors.New("its rows were not read")

// What one read of an audit takes at most.
const (
	damageRows, damageBytes = 64, 256 << 10
	entryBytes              = 1 << 20
	commitBytes             = 512 << 10
	maxForks                = 1024
)

// Audit performs one read for an audit: see [replication.Auditor]. A batch may have to wait until a chunk of 256 rows
// is read, never longer.
func (s *Store) Audit(ctx context.Context, r replication.AuditRead) (f replication.AuditFound, err error) {
	switch r.What {
	case replication.ReadRows:
		f.Done, err = s.readRows(ctx, r.Scope, r.First)
	case replication.ReadSums:
		err = s.sums(r.Scope, &f)
	case replication.ReadParts:
		err = s.parts(r, &f)
	case replication.ReadEntries:
		err = s.entries(ctx, r, &f)
	case replication.ReadDamage:
		err = s.damage(ctx, r, &f)
	case replication.ReadCommits:
		err = s.commitsOf(ctx, r, &f)
	case replication.LetGo:
		s.reading.Lock()
		defer s.reading.Unlock()
		delete(s.tallies, r.Scope)
	default:
		err = fmt.Errorf("audit read %d is not known", r.What)
	}
	return f, err
}

// sums tells the sums of a scope and the context that they belong to, of one moment.
func (s *Store) sums(scope crdt.Scope, f *replication.AuditFound) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	t := s.tallies[scope]
	if t == nil || !t.done {
		return fmt.Errorf("sums of %v: %w", scope, errNoTally)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	f.Done, f.Context, f.Kept = true, s.contexts[scope].Hash(), s.digests[scope]
	f.Objects, f.Commits, f.Unreadable = t.objects, t.commits, t.unreadable
	f.KeptDormant, f.Dormant = s.dormants[scope], t.dormants
	f.Sums = make([]crdt.Digest, wire.AuditBuckets)
	for i, bucket := range t.buckets {
		if bucket == nil {
			continue
		}
		for j := range bucket {
			f.Sums[i] = f.Sums[i].Plus(bucket[j])
		}
	}
	return nil
}

func (s *Store) parts(r replication.AuditRead, f *replication.AuditFound) error {
	s.reading.Lock()
	defer s.reading.Unlock()
	t := s.tallies[r.Scope]
	if t == nil || !t.done {
		return fmt.Errorf("sums of %v: %w", r.Scope, errNoTally)
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	f.Done, f.Context = true, s.contexts[r.Scope].Hash()
	for _, n := range r.Numbers {
		p := wire.AuditPart{Bucket: n, Sums: make([]crdt.Digest, wire.AuditLeaves)}
		if bucket := t.buckets[n]; bucket != nil {
			copy(p.Sums, bucket[:])
		}
		f.Parts = append(f.Parts, p)
	}
	return nil
}

// entries lists what is live in some leaves. It looks at every commit of the scope, a bounded number at a time.
func (s *Store) entries(ctx context.Context, r replication.AuditRead, f *replication.AuditFound) error {
	prefix := scopeKey(rowCommit, r.Scope)
	from := prefix
	if r.At == nil {
		if err := s.forks(ctx, r, f); err != nil {
			return err
		}
	} else {
		from = r.At
	}
	s.reading.Lock()
	list, err := s.rows.Scan(ctx, from, after(prefix), scanRows, entryBytes)
	var bitmaps map[string][]byte
	if err == nil && len(list) > 0 {
		bitmaps, err = s.bitmaps(ctx, list[0].Key, list[len(list)-1].Key)
	}
	s.reading.Unlock()
	if err != nil {
		return fmt.Errorf("list commits of %v: %w", r.Scope, err)
	}
	if f.Done = len(list) == 0; f.Done {
		return nil
	}
	f.At = rows.Next(list[len(list)-1].Key)
	for _, row := range list {
		dot, err := cutDot(row.Key)
		if err != nil || !within(r.Numbers, dot) {
			continue
		}
		c, err := crdt.DecodeCommit(row.Value)
		if err != nil || c.Dot != dot || c.Scope != r.Scope {
			continue // it counts as missing
		}
		f.Entries = append(f.Entries, wire.AuditEntry{
			Dot: dot, Tag: c.Origin().Tag, Sum: replication.AuditSum(c, bitmaps[string(row.Key[1:])]),
		})
	}
	return nil
}

func (s *Store) forks(ctx context.Context, r replication.AuditRead, f *replication.AuditFound) error {
	prefix := scopeKey(rowFork, r.Scope)
	got, err := s.rows.Scan(ctx, prefix, after(prefix), maxForks, 4<<20)
	if err != nil {
		return fmt.Errorf("list forks of %v: %w", r.Scope, err)
	}
	for _, row := range got {
		n := len(row.Key) - 16
		if dot, err := cutDot(row.Key[:n]); err == nil && within(r.Numbers, dot) {
			f.Forks = append(f.Forks, wire.AuditEntry{Dot: dot, Tag: [16]byte(row.Key[n:])})
		}
	}
	return nil
}

func within(leaves []int, d crdt.Dot) bool {
	_, found := slices.BinarySearch(leaves, replication.AuditLeaf(d))
	return found
}

// cutDot reads the key of a row that a commit has.
func cutDot(key []byte) (d crdt.Dot, err error) {
	_, replica, rest, err := cutReplica(key)
	if err == nil && len(rest) != 8 {
		err = malformed("key of a commit", nil)
	}
	if err != nil {
		return d, err
	}
	return crdt.Dot{Replica: replica, Seq: crdt.Seq(binary.BigEndian.Uint64(rest))}, nil
}

// damage finds commits among those held whose effect is not there as it should be: it repairs them in memory and looks
// whether that would change anything.
func (s *Store) damage(ctx context.Context, r replication.AuditRead, f *replication.AuditFound) error {
	prefix := scopeKey(rowCommit, r.Scope)
	from := prefix
	if r.At != nil {
		from = r.At
	}
	list, err := s.rows.Scan(ctx, from, after(prefix), damageRows, damageBytes)
	if err != nil {
		return fmt.Errorf("look for damage in %v: %w", r.Scope, err)
	}
	if f.Done = len(list) == 0; f.Done {
		return nil
	}
	f.At = rows.Next(list[len(list)-1].Key)
	var ops []replication.Op
	for _, row := range list {
		c, err := crdt.DecodeCommit(row.Value)
		if err == nil && c.Scope == r.Scope {
			ops = append(ops, replication.Op{Commit: c, Repair: true})
		}
	}
	b := s.newBatch()
	b.mayHold = func(crdt.Key) bool { return true }
	held := make(crdt.Context) // of what these commits are; all of it would be copied for every chunk
	s.mu.RLock()
	for i := range ops {
		if c := ops[i].Commit; s.contexts[r.Scope].CoversRun(c.Dot.Replica, c.Interval()) {
			held.Add(c.Dot.Replica, c.Interval())
		}
	}
	b.contexts = map[crdt.Scope]crdt.Context{r.Scope: held}
	b.digests[r.Scope] = s.digests[r.Scope]
	s.mu.RUnlock()
	if err := b.load(ctx, ops); err != nil {
		return fmt.Errorf("look for damage in %v: %w", r.Scope, err)
	}
	for i := range ops {
		if err := b.apply(&ops[i]); err != nil {
			return err
		}
		if out := b.outcomes[i]; out.Repaired || out.New {
			f.Raw = append(f.Raw, ops[i].Commit.Bytes())
		}
	}
	return nil
}

func (s *Store) commitsOf(ctx context.Context, r replication.AuditRead, f *replication.AuditFound) error {
	const together = 64
	size := 0
	for at := 0; at < len(r.Dots); at += together {
		got, err := s.ByDot(ctx, r.Scope, r.Dots[at:min(at+together, len(r.Dots))])
		if err != nil {
			return err
		}
		f.Raw = append(f.Raw, got...)
		for _, raw := range got {
			size += len(raw)
		}
		if f.Read = min(at+together, len(r.Dots)); size >= commitBytes && f.Read < len(r.Dots) {
			return nil
		}
	}
	f.Done = true
	return nil
}

// recount corrects the sums kept of a scope by what a reading of all its rows found.
func (b *batch) recount(scope crdt.Scope) {
	b.s.reading.Lock()
	defer b.s.reading.Unlock()
	if t := b.s.tallies[scope]; t != nil && t.done {
		b.digests[scope] = b.digest(scope).Plus(t.objects.Minus(b.s.digests[scope]))
		b.dormants[scope] = b.dormants[scope].Plus(t.dormants.Minus(b.s.dormants[scope]))
	}
}

// Recount computes the digest of a scope from its objects. It reads everything at once; audits read in chunks.
func (s *Store) Recount(ctx context.Context, scope crdt.Scope) (d crdt.Digest, err error) {
	err = s.each(ctx, scopeKey(rowLive, scope), func(row rows.Row) error {
		o, err := decodeObject(row.Value)
		if err != nil {
			return malformed("recount", err)
		}
		d = d.Plus(marks(o))
		return nil
	})
	return d, err
}

// RecountDormant computes the sum over the dormant rows of a scope and returns it with the one that is kept. It reads
// everything at once; audits read in chunks.
func (s *Store) RecountDormant(ctx context.Context, scope crdt.Scope) (kept, found crdt.Digest, err error) {
	err = s.each(ctx, scopeKey(rowDormant, scope), func(row rows.Row) error {
		found = found.Plus(dormantMark(row.Key, row.Value))
		return nil
	})
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.dormants[scope], found, err
}
