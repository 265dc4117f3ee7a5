package store

import (
	"context"
	"fmt"
	"maps"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// halves divides ops in two; there is no second half of what cannot be divided. A claim can: to claim less is as sound.
func halves(ops []replication.Op) (first, second []replication.Op) {
	if n := len(ops) / 2; n > 0 {
		return ops[:n], ops[n:]
	}
	op := ops[0]
	if op.Claim == nil || op.Commit != nil {
		return ops, nil
	}
	runs := 0
	for _, list := range op.Claim.Context {
		runs += len(list)
	}
	a, b := make(crdt.Context), make(crdt.Context)
	left := runs / 2
	for _, r := range op.Claim.Context.Replicas() {
		list := op.Claim.Context[r]
		n := min(left, len(list))
		left -= n
		if n > 0 {
			a[r] = list[:n]
		}
		if n < len(list) {
			b[r] = list[n:]
		}
	}
	if len(a) == 0 || len(b) == 0 {
		return ops, nil
	}
	op.Claim = &replication.Claim{Scope: op.Claim.Scope, Context: a}
	rest := replication.Op{Claim: &replication.Claim{Scope: op.Claim.Scope, Context: b}}
	return []replication.Op{op}, []replication.Op{rest}
}

// applyHalves applies so many ops in two transactions.
func (s *Store) applyHalves(ctx context.Context, a, b []replication.Op, count int) (replication.Applied, error) {
	first, err := s.Apply(ctx, a)
	if err != nil {
		return replication.Applied{}, err
	}
	second, err := s.Apply(ctx, b)
	if err != nil {
		// The caller must not believe that nothing was written and give the numbers to other commits.
		return replication.Applied{}, fmt.Errorf("%w: half of the changes are there: %w", rows.ErrFailed, err)
	}
	if first.Outcomes = append(first.Outcomes, second.Outcomes...); len(first.Outcomes) > count { // one claim
		first.Outcomes = []replication.Outcome{{New: first.Outcomes[0].New || first.Outcomes[1].New}}
	}
	for scope, grown := range second.Grown {
		if first.Grown[scope] == nil {
			first.Grown[scope] = grown
		} else {
			first.Grown[scope].AddAll(grown)
		}
	}
	maps.Copy(first.Digests, second.Digests)
	return first, nil
}
