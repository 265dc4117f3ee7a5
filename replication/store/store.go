// Package store holds the rules of a till's store, written once over the small port of package rows: which rows a
// commit becomes, what superseding removes, what the context and the digest say. Every adapter gets the same rules.
//
// A commit, its place in the context and its effect on objects and digest are written in one transaction, always.
// The bytes of a commit stay while one of its pieces is live and leave in the transaction that ends the last one.
//
// # Concurrency
//
// Apply is called by one goroutine at a time (the committer). Everything else may be called at any time.
package store

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// ErrNoIdentity is returned by [Store.Identity] of a store that belongs to no shop yet.
var ErrNoIdentity = errors.New("the store belongs to no shop yet")

// Store is one till's replicated data.
type Store struct {
	rows rows.Store
	// Apply alone uses these: filters, nil for scopes that held something at first, and how contexts are divided into rows
	// where it is not one for each replica.
	seen    map[crdt.Scope]*seen
	divided map[scopedReplica]division

	// reading is held while a batch is written and while an audit reads a chunk of rows, so that each chunk is read
	// before or after a batch and never in between. It guards tallies and is taken before mu.
	reading sync.Mutex
	tallies map[crdt.Scope]*tally

	mu       sync.RWMutex // guards what follows; Apply alone changes it
	contexts map[crdt.Scope]crdt.Context
	digests  map[crdt.Scope]crdt.Digest
	dormants map[crdt.Scope]crdt.Digest // sums over dormant rows
	heads    map[crdt.Scope]replication.Head
}

// Open reads the bookkeeping of a store: contexts, digests and heads. Its cost grows with the number of replicas and
// starts, not with what is stored.
func Open(ctx context.Context, r rows.Store) (*Store, error) {
	s := &Store{
		rows:     r,
		seen:     make(map[crdt.Scope]*seen),
		divided:  make(map[scopedReplica]division),
		tallies:  make(map[crdt.Scope]*tally),
		contexts: make(map[crdt.Scope]crdt.Context),
		digests:  make(map[crdt.Scope]crdt.Digest),
		dormants: make(map[crdt.Scope]crdt.Digest),
		heads:    make(map[crdt.Scope]replication.Head),
	}
	err := s.each(ctx, []byte{rowContext}, func(row rows.Row) error {
		of, r, err := readRuns(row.Key, row.Value)
		if err != nil {
			return fmt.Errorf("context of %v: %w", of.scope, err)
		}
		s.takeRow(of, r)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	err = s.each(ctx, []byte{rowDigest}, func(row rows.Row) error {
		scope, rest, err := crdt.CutScopeKey(row.Key[1:])
		digest, dormant, ok := readSums(row.Value)
		if err != nil || len(rest) != 0 || !ok {
			return fmt.Errorf("digest row of %d bytes: %w", len(row.Value), codec.ErrMalformed)
		}
		s.digests[scope], s.dormants[scope] = digest, dormant
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	err = s.each(ctx, []byte{rowHead}, func(row rows.Row) error {
		scope, rest, err := crdt.CutScopeKey(row.Key[1:])
		if err != nil || len(rest) != 0 || len(row.Value) != 40 {
			return fmt.Errorf("head row of %d bytes: %w", len(row.Value), codec.ErrMalformed)
		}
		s.heads[scope] = readHead(row.Value)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	return s, nil
}

// Close closes the rows.
func (s *Store) Close() error { return s.rows.Close() }

// Contexts returns a copy of what the store holds, per scope.
func (s *Store) Contexts() map[crdt.Scope]crdt.Context {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[crdt.Scope]crdt.Context, len(s.contexts))
	for scope, c := range s.contexts {
		out[scope] = c.Clone()
	}
	return out
}

// Digests returns a copy of the digests, per scope.
func (s *Store) Digests() map[crdt.Scope]crdt.Digest {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[crdt.Scope]crdt.Digest, len(s.digests))
	for scope, d := range s.digests {
		out[scope] = d
	}
	return out
}

// Heads returns a copy of the last own commit of every scope.
func (s *Store) Heads() map[crdt.Scope]replication.Head {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[crdt.Scope]replication.Head, len(s.heads))
	for scope, h := range s.heads {
		out[scope] = h
	}
	return out
}

// context returns the context of a scope to change it; s.mu is held or nobody else has the store yet.
func (s *Store) context(scope crdt.Scope) crdt.Context {
	c := s.contexts[scope]
	if c == nil {
		c = make(crdt.Context)
		s.contexts[scope] = c
	}
	return c
}

const scanRows, scanBytes = 1024, 1 << 20

// each calls f for every row whose key begins with prefix, a bounded number at a time.
func (s *Store) each(ctx context.Context, prefix []byte, f func(rows.Row) error) error {
	from, to := prefix, after(prefix)
	for {
		got, err := s.rows.Scan(ctx, from, to, scanRows, scanBytes)
		if err != nil {
			return err
		}
		for _, row := range got {
			if err := f(row); err != nil {
				return err
			}
		}
		if len(got) == 0 {
			return nil
		}
		from = rows.Next(got[len(got)-1].Key)
	}
}
