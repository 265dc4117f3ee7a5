package lineage

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// draft lets the rules of a store work on rows without changing them: reads see what is there, writes are gathered. So what
// takes several steps by the rules becomes one transaction.
type draft struct {
	rows.Store
	batch []rows.Write
}

func (d *draft) Commit(_ context.Context, batch []rows.Write) error {
	d.batch = append(d.batch, batch...)
	return nil
}

// LastBoot returns the number of the last start that a store knows of, 0 if it was never started. Nothing is written.
func LastBoot(ctx context.Context, r rows.Store) (uint32, error) {
	st, err := store.Open(ctx, &draft{Store: r})
	if err != nil {
		return 0, err
	}
	next, err := st.NextBoot(ctx, 0) // a clock at 1970 makes it the last one plus one
	if err != nil {
		return 0, err
	}
	return next - 1, nil
}

// Heads returns the last commits of this very lineage, for the core. A store remembers the last own commit of every scope,
// whatever lineage wrote it; a new lineage begins its own chain in each scope.
func Heads(heads map[crdt.Scope]replication.Head, contexts map[crdt.Scope]crdt.Context, replica crdt.ReplicaID) map[crdt.Scope]replication.Head {
	out := make(map[crdt.Scope]replication.Head, len(heads))
	for scope, h := range heads {
		if contexts[scope].Has(crdt.Dot{Replica: replica, Seq: h.Seq}) {
			out[scope] = h
		}
	}
	return out
}

// Commits is what is read of a store; *store.Store is one.
type Commits interface {
	Heads() map[crdt.Scope]replication.Head
	Contexts() map[crdt.Scope]crdt.Context
	Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error)
}

// readBytes is about how much is read at once.
const readBytes = 1 << 20

// checkedLast is how many of the newest own commits of a scope are checked: a start does not take longer the more was ever
// sold. What is older is a matter of audits, and of [CheckChain] at the starts before.
const checkedLast = 10_000

// CheckChain reads the own commits of the last start that are still held, the newest [checkedLast] of them in each scope, and
// returns an error that wraps [ErrDoubt] if one does not follow the one before it, or if the last one is not the one that was
// noted as such. Other errors say that the store could not be read.
func CheckChain(ctx context.Context, st Commits, replica crdt.ReplicaID) error {
	contexts := st.Contexts()
	heads := Heads(st.Heads(), contexts, replica)
	for _, scope := range slices.SortedFunc(maps.Keys(heads), crdt.Scope.Compare) { // the same one is named every time
		head := heads[scope]
		runs := contexts[scope][replica]
		if last := contexts[scope].Last(replica); last != head.Seq {
			return fmt.Errorf("%w: own changes in %v go to %v, the last one noted is %v", ErrDoubt, scope, last, head.Seq)
		}
		if err := checkRun(ctx, st, scope, replica, lastStart(runs[len(runs)-1]), head); err != nil {
			return err
		}
	}
	return nil
}

// lastStart returns what of a run is to be checked. A run may hold many starts: those that were joined.
func lastStart(run crdt.Interval) crdt.Interval {
	run.After = max(run.After, crdt.NewSeq(run.To.Boot(), 0))
	if run.To.K() > checkedLast {
		run.After = max(run.After, run.To-checkedLast)
	}
	return run
}

func checkRun(ctx context.Context, st Commits, scope crdt.Scope, replica crdt.ReplicaID, run crdt.Interval, head replication.Head) error {
	var before *crdt.Commit
	for at := (replication.Cursor{}); !at.Done; {
		list, next, err := st.Live(ctx, scope, crdt.Context{replica: {run}}, at, readBytes)
		if err != nil {
			return fmt.Errorf("read own changes: %w", err)
		}
		at = next
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			if err != nil {
				return fmt.Errorf("%w: an own change in %v cannot be read: %w", ErrDoubt, scope, err)
			}
			if before != nil && c.Pred == before.Dot.Seq && c.Prev != before.Hash() {
				return fmt.Errorf("%w: change %v of %v was not written after the %v that is here", ErrDoubt, c.Dot, scope, before.Dot)
			}
			if c.Dot.Seq == head.Seq && c.Hash() != head.Hash {
				return fmt.Errorf("%w: change %v of %v is not the one that was written last", ErrDoubt, c.Dot, scope)
			}
			before = c
		}
	}
	return nil
}
