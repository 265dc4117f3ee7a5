package simulation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Plant is a mistake built into a run to prove that the run would notice it. It sits between the parts that ship: in
// the rows port, around Apply, in the network, in the disk.
type Plant uint8

// The mistakes.
const (
	PlantNone Plant = iota
	// PlantSplitContext writes the context in a transaction before the one with the commits.
	PlantSplitContext
	// PlantLostPiece applies foreign commits without their last piece.
	PlantLostPiece
	// PlantEndLies loses frames of an answer and says nevertheless that it is complete.
	PlantEndLies
	// PlantEndHides lets answers end without telling what the sender took meanwhile, so that claims are taken although
	// something the sender holds is not held.
	PlantEndHides
	// PlantEndIncomplete calls answers complete of which a read failed.
	PlantEndIncomplete
	// PlantHighestSeen advances the context to the highest number seen of a replica.
	PlantHighestSeen
	// PlantRestored starts a killed till from an old copy of its disk, under the same replica ID.
	PlantRestored
	// PlantLyingDisk acknowledges writes before they are durable.
	PlantLyingDisk
	plantEnd
)

var plantNames = [...]string{
	"none", "split context", "lost piece", "end lies", "end hides", "end incomplete", "highest seen", "restored", "lying disk",
}

// String returns a name for people.
func (p Plant) String() string {
	if p < plantEnd {
		return plantNames[p]
	}
	return fmt.Sprintf("plant %d", uint8(p))
}

// Valid reports whether there is such a plant.
func (p Plant) Valid() bool { return p < plantEnd }

// told is what plants remember about one end of a link.
type told struct {
	frames map[uint64]uint64           // PlantEndLies: frames that were let through, by pull
	advert map[crdt.Scope]crdt.Context // PlantEndHides: what the other side was told
	scopes map[uint64]crdt.Scope       // of the pulls of this side
}

// provoke makes the occasion for a mistake frequent enough.
func (p Plant) provoke(plan *plan) {
	switch p {
	case PlantEndIncomplete:
		plan.read = 10
	case PlantEndHides:
		plan.delay, plan.writes, plan.cuts = 300*time.Millisecond, 100, 10
	}
}

// rows wraps the rows port of a till.
func (p Plant) rows(t *till, r rows.Store) rows.Store {
	if p == PlantSplitContext {
		return &splitContext{Store: r, t: t}
	}
	return r
}

type splitContext struct {
	rows.Store
	t *till
}

// Commit is a method of rows.Store.
func (s *splitContext) Commit(ctx context.Context, batch []rows.Write) error {
	var first, second []rows.Write
	for _, w := range batch {
		if w.Key[0] == 'k' {
			first = append(first, w)
		} else {
			second = append(second, w)
		}
	}
	if err := s.Store.Commit(ctx, first); err != nil {
		return err
	}
	if len(first) > 0 && !s.t.w.healed && s.t.w.percent(10) {
		s.t.after(0, func() { s.t.kill(false) })
		return fmt.Errorf("%w: the power went between two transactions", rows.ErrFailed)
	}
	return s.Store.Commit(ctx, second)
}

// apply writes a batch.
func (p Plant) apply(t *till, ops []replication.Op) (replication.Applied, error) {
	ctx := context.Background()
	switch p {
	case PlantLostPiece:
		ops = slices.Clone(ops)
		for i := range ops {
			if c := ops[i].Commit; c != nil && !ops[i].Own && len(c.Pieces) > 1 {
				part := *c
				part.Pieces = c.Pieces[:len(c.Pieces)-1]
				ops[i].Commit = &part
			}
		}
	case PlantHighestSeen:
		n := len(ops)
		ops = slices.Clone(ops)
		for _, op := range ops[:n] {
			if c := op.Commit; c != nil && !op.Own {
				ops = append(ops, replication.Op{Claim: &replication.Claim{Scope: c.Scope, Context: crdt.Context{
					c.Dot.Replica: {{After: crdt.NewSeq(c.Dot.Seq.Boot(), 0), To: c.Dot.Seq}},
				}}})
			}
		}
		applied, err := t.store.Apply(ctx, ops)
		if err == nil {
			applied.Outcomes = applied.Outcomes[:n]
		}
		return applied, err
	}
	return t.store.Apply(ctx, ops)
}

// restore puts an old copy of the disk in place.
func (p Plant) restore(t *till) {
	if p == PlantRestored && t.old != nil && t.w.percent(50) {
		t.disk, t.old = t.old, nil
	}
}

// alter changes a message on its way out; nil loses it.
func (p Plant) alter(w *world, e *end, m wire.Message) wire.Message {
	switch p {
	case PlantEndLies:
		if e.told.frames == nil {
			e.told.frames = make(map[uint64]uint64)
		}
		switch m := m.(type) {
		case *wire.Commits:
			if w.percent(30) {
				return nil
			}
			e.told.frames[m.Pull]++
		case *wire.End:
			lie := *m
			lie.Frames, lie.Complete = e.told.frames[m.Pull], true
			return &lie
		}
	case PlantEndHides:
		if e.told.advert == nil {
			e.told.advert = make(map[crdt.Scope]crdt.Context)
		}
		switch m := m.(type) {
		case *wire.Context:
			if !m.Full {
				return nil
			}
			e.told.advert[m.Scope] = m.Entries.Clone()
		case *wire.End:
			if advert, ok := e.told.advert[e.peer().told.scopes[m.Pull]]; ok {
				lie := *m
				lie.Hash = advert.Hash()
				return &lie
			}
		case *wire.Pull:
			if e.told.scopes == nil {
				e.told.scopes = make(map[uint64]crdt.Scope)
			}
			e.told.scopes[m.ID] = m.Scope
		}
	case PlantEndIncomplete:
		if end, ok := m.(*wire.End); ok {
			lie := *end
			lie.Complete = true
			return &lie
		}
	}
	return m
}
