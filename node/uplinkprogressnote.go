package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

const (
	// progressNote holds, by cloud, how far the first transfer is, so that a till that is started again goes on counting where it was instead
	// of reading everything once more. It is removed when the transfer has ended.
	progressNote = "cloud/progress/"
	// progressSaved is how often it is saved: what was counted since is counted again after a start.
	progressSaved = 5 * time.Second
)

// counted is how far the first transfer is.
type counted struct {
	totals, done map[crdt.Scope]uint64
	held         map[crdt.Scope]crdt.Context // that done counts
}

// encode returns [1, [[scope, total, done, held], ...]].
func (c counted) encode() []byte {
	scopes := slices.SortedFunc(maps.Keys(c.totals), func(a, b crdt.Scope) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.Owner.Compare(b.Owner)) })
	b := codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), 1), len(scopes))
	for _, scope := range scopes {
		b = scope.Append(codec.AppendArray(b, 4))
		b = codec.AppendUint(codec.AppendUint(b, c.totals[scope]), c.done[scope])
		b = c.held[scope].Append(b)
	}
	return b
}

func decodeCounted(b []byte) (counted, error) {
	c := counted{totals: make(map[crdt.Scope]uint64), done: make(map[crdt.Scope]uint64), held: make(map[crdt.Scope]crdt.Context)}
	if err := codec.Check(b); err != nil {
		return counted{}, fmt.Errorf("how far the first transfer was: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return counted{}, fmt.Errorf("how far the first transfer was: version %d: %w", v, crdt.ErrVersion)
	}
	for n := r.Array(); n > 0 && r.Err() == nil; n-- {
		rest := r.ArrayOf(4)
		scope := crdt.ReadScope(r)
		c.totals[scope], c.done[scope] = r.Uint(), r.Uint()
		c.held[scope] = crdt.ReadContext(r)
		r.Skip(rest)
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return counted{}, fmt.Errorf("how far the first transfer was: %w", err)
	}
	return c, nil
}

// resume returns how far the first transfer was when the till was stopped; without totals if nothing was saved.
func (p *progress) resume(ctx context.Context, cloud crdt.TillID) counted {
	got, err := p.till.store.Notes(ctx, progressNote+cloud.String())
	var c counted
	if err == nil && got[0] != nil {
		c, err = decodeCounted(got[0])
	}
	if err != nil {
		p.till.log.Warn("how far the first transfer was is not known; it is counted anew", "error", err)
		return counted{}
	}
	return c
}

// save keeps how far the first transfer is, now and then; ended removes it.
func (p *progress) save(ctx context.Context, cloud crdt.TillID, c counted, ended bool) error {
	now := p.till.env.Steady()
	if !ended && p.savedAt != 0 && now-p.savedAt < progressSaved {
		return nil
	}
	p.savedAt = max(now, 1)
	note := replication.Note{Key: progressNote + cloud.String()}
	if !ended {
		note.Value = c.encode()
	}
	return p.till.keepNotes(ctx, note)
}
