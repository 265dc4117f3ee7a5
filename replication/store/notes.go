package store

import (
	"context"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// Agreed returns, by scope, up to which own number some other till confirmed to hold everything, for a replica and as far
// as it was written down; see [replication.AgreedNote]. The map is never nil.
func (s *Store) Agreed(ctx context.Context, replica crdt.ReplicaID) (map[crdt.Scope]crdt.Seq, error) {
	out := make(map[crdt.Scope]crdt.Seq)
	err := s.scopeNotes(ctx, replication.AgreedPrefix, func(scope crdt.Scope, value []byte) error {
		of, seq, err := replication.ReadAgreed(value)
		if err == nil && of == replica {
			out[scope] = seq
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what other tills confirmed: %w", err)
	}
	return out, nil
}

// Unconfirmed returns the commits of a replica that are held here and that no other till is written down to hold: what has
// to be emitted again when the replica is given up. Its live commits are what Live returns for it.
func (s *Store) Unconfirmed(ctx context.Context, replica crdt.ReplicaID) (map[crdt.Scope]crdt.Context, error) {
	agreed, err := s.Agreed(ctx, replica)
	if err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make(map[crdt.Scope]crdt.Context)
	for scope, c := range s.contexts {
		own := crdt.Context{replica: c[replica]}
		if seq := agreed[scope]; seq > 0 {
			own = own.Minus(crdt.Context{replica: {{To: seq}}})
		}
		if len(own[replica]) > 0 {
			out[scope] = own.Clone()
		}
	}
	return out, nil
}

// Damaged returns the scopes of which rows were found missing and nobody has confirmed since that nothing is; see
// [replication.DamageNote].
func (s *Store) Damaged(ctx context.Context) (scopes []crdt.Scope, err error) {
	err = s.scopeNotes(ctx, replication.DamagePrefix, func(scope crdt.Scope, _ []byte) error {
		scopes = append(scopes, scope)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read which scopes are damaged: %w", err)
	}
	return scopes, nil
}

func (s *Store) scopeNotes(ctx context.Context, prefix string, f func(crdt.Scope, []byte) error) error {
	notes, err := s.NotesFrom(ctx, prefix, "", 10_000)
	if err != nil {
		return err
	}
	for _, n := range notes {
		scope, rest, err := crdt.CutScopeKey([]byte(n.Key[len(prefix):]))
		if err == nil && len(rest) > 0 {
			err = fmt.Errorf("note %q: %d bytes after its scope", n.Key, len(rest))
		}
		if err == nil {
			err = f(scope, n.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
