package backup

import (
	"context"
	"fmt"
	"io"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
)

// Contents is what a backup holds beside the commits, for who completes a restore.
type Contents struct {
	Report  Report
	Secrets Secrets
}

// Load fills a fresh store with the state of a backup that [Verify] accepted; r is the same file from its beginning.
// Afterwards the store holds the same commits, contexts and digests as the till had at that moment, which is checked. The
// notes of that till and its identity are not restored: the store belongs to nobody until its caller calls SetIdentity
// with a new lineage.
//
// The transactions are as large as a block, about 512 KiB. The context of a scope is written before its commits, so a
// store that was filled in part must never be used: fill it in a directory that takes its place when all is done, and
// remove it after an error. Load may be canceled at any time.
func Load(ctx context.Context, r io.Reader, into *store.Store, verified Report, progress func(Progress)) (Contents, error) {
	for scope, have := range into.Contexts() {
		if len(have) > 0 {
			return Contents{}, fmt.Errorf("restore backup: %w: it has changes of %v", ErrNotEmpty, scope)
		}
	}
	w := &walker{}
	w.progress = report(progress, "load", verified.Written.Bytes, w)
	w.take = func(list []*crdt.Commit, first *replication.Claim) error {
		ops := make([]replication.Op, 0, len(list)+1)
		for _, c := range list {
			ops = append(ops, replication.Op{Commit: c})
		}
		if first != nil {
			ops = append(ops, replication.Op{Claim: first})
		}
		_, err := into.Apply(ctx, ops)
		return err
	}
	if err := w.walk(ctx, r); err != nil {
		return Contents{}, fmt.Errorf("restore backup: %w", err)
	}
	if w.written.Hash != verified.Written.Hash {
		return Contents{}, fmt.Errorf("restore backup: %w", ErrChanged)
	}
	if err := same(&w.content, into); err != nil {
		return Contents{}, fmt.Errorf("restore backup: %w", err)
	}
	return Contents{Report: verified, Secrets: w.secrets}, nil
}

// same compares what was loaded with what the backup stands for.
func same(c *content, st *store.Store) error {
	contexts, digests := st.Contexts(), st.Digests()
	for _, scope := range sorted(c.union) {
		if !contexts[scope].Equal(c.union[scope]) {
			return fmt.Errorf("%w: the list of changes of %v differs", ErrIncomplete, scope)
		}
		if digests[scope] != c.digests[scope] {
			return fmt.Errorf("%w: the digest of %v differs", ErrIncomplete, scope)
		}
	}
	for scope, have := range contexts {
		if len(have) > 0 && c.union[scope] == nil {
			return fmt.Errorf("%w: changes of %v came from elsewhere", ErrIncomplete, scope)
		}
	}
	return nil
}
