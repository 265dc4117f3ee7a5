package simulation

import (
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Plant is a mistake built into a run to prove that the run would notice it. It sits between the parts that ship: in
// the rows port, around Apply, in the network, in the disk, in the program.
type Plant uint8

// The mistakes.
const (
	PlantNone Plant = iota
	// PlantAbsence removes what a peer does not advertise, as if it had been removed there.
	PlantAbsence
	// PlantSplitContext writes the context in a transaction of its own, before the one with the commits.
	PlantSplitContext
	// PlantHighestSeen advances the context to the highest number seen of a replica.
	PlantHighestSeen
	// PlantLostPiece claims a dot with only a part of its commit: foreign ones are applied without their last piece.
	PlantLostPiece
	// PlantStreams claims what was asked for as the answer streams in, before its End.
	PlantStreams
	// PlantEndAll loses frames of an answer and claims nevertheless all that was asked for.
	PlantEndAll
	// PlantEndIncomplete calls answers complete of which a read failed.
	PlantEndIncomplete
	// PlantEndHides lets answers end without telling what the sender took meanwhile, so that claims are taken although
	// something the sender holds is not held.
	PlantEndHides
	// PlantSweepEarly removes what a Close supersedes in a transaction before the one with the Close.
	PlantSweepEarly
	// PlantSameReplica goes on under the same replica ID after a restore, whatever speaks against it.
	PlantSameReplica
	// PlantAckEarly acknowledges before the fsync.
	PlantAckEarly
	// PlantAdvertiseEarly advertises before the fsync.
	PlantAdvertiseEarly
	// PlantSiblingCap keeps at most two siblings of a register.
	PlantSiblingCap
	// PlantForgetsDormant audits without missing what is in no digest: rows of objects that hold nothing live.
	PlantForgetsDormant
	plantEnd
)

var plantNames = [...]string{
	"none", "removal by absence", "context in a second transaction", "highest seen", "part of a commit", "claim as it streams",
	"end claims all", "end claims incomplete", "end hides", "sweep before close", "same replica after restore",
	"acknowledged before fsync", "advertised before fsync", "sibling cap",
	"dormant rows are not missed",
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

// ParsePlant returns the plant with this name.
func ParsePlant(name string) (Plant, error) {
	if i := slices.Index(plantNames[:], name); i >= 0 {
		return Plant(i), nil
	}
	return PlantNone, fmt.Errorf("there is no plant %q", name)
}

// told is what plants remember about one end of a link.
type told struct {
	frames map[uint64]uint64           // PlantEndAll: frames that were let through, by pull
	advert map[crdt.Scope]crdt.Context // PlantEndHides: what the other side was told
	pulls  map[uint64]*wire.Pull       // of this side
}

func (t *told) pulled(m wire.Message) {
	if pull, ok := m.(*wire.Pull); ok {
		if t.pulls == nil {
			t.pulls = make(map[uint64]*wire.Pull)
		}
		t.pulls[pull.ID] = pull
	}
}

// provoke makes the occasion for a mistake frequent enough.
func (p Plant) provoke(plan *plan) {
	switch p {
	case PlantEndIncomplete:
		plan.cond.BadRead = 10
	case PlantEndHides:
		plan.cond.Latency = 300e6
		for range 60 {
			plan.add(plan.when(), plan.anyone(), "writes", "1")
		}
		for range 8 {
			a, b := plan.two()
			plan.add(plan.when(), "", "cut", a, b, FormatTime(plan.under(plan.chaos/4)))
		}
	case PlantSameReplica:
		name := plan.anyone()
		plan.add(plan.chaos/4, "", "backup", name, "P")
		plan.add(plan.chaos/4+1, name, "writes", "3")
		plan.add(plan.chaos/2, "", "restore", name, "P")
		plan.add(plan.chaos*3/4, name, "writes", "3")
	case PlantSweepEarly:
		for range 10 {
			plan.add(plan.when(), plan.anyone(), "orders", "2")
			plan.add(plan.when(), plan.anyone(), "sells", "2")
		}
	case PlantForgetsDormant:
		for range 10 {
			plan.add(plan.under(plan.chaos/2), plan.anyone(), "sells", "2")
		}
	}
}

// rows wraps the rows port of a till.
func (p Plant) rows(l *Life, r rows.Store) rows.Store {
	switch p {
	case PlantSplitContext:
		return &split{Store: r, l: l, first: func(w rows.Write) bool { return w.Key[0] == 'k' }}
	case PlantSweepEarly:
		return &split{Store: r, l: l, first: func(w rows.Write) bool { return w.Delete }}
	}
	return r
}

// audited is called with what a read for an audit found.
func (p Plant) audited(f replication.AuditFound) replication.AuditFound {
	if p == PlantForgetsDormant {
		f.KeptDormant = f.Dormant
	}
	return f
}

// beforeStart is called before the program of a machine starts.
func (p Plant) beforeStart(m *Machine) {
	if p == PlantAckEarly {
		m.data.Lie(true)
	}
}

// beforeWrite is called before a batch is written.
func (p Plant) beforeWrite(l *Life, ops []replication.Op) {
	if p != PlantAdvertiseEarly {
		return
	}
	for i := range ops {
		c := ops[i].Commit
		if c == nil {
			continue
		}
		for _, e := range slices.Clone(l.ends) {
			e.send(&wire.Have{Scope: c.Scope, Entries: crdt.Context{c.Dot.Replica: {c.Interval()}}})
		}
	}
}

// apply writes a batch.
func (p Plant) apply(l *Life, ops []replication.Op) (replication.Applied, error) {
	n := len(ops)
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
	case PlantSiblingCap:
		ops = slices.Clone(ops)
		for i := range ops {
			if ops[i].Commit != nil && !ops[i].Own {
				ops[i].Commit = l.capSiblings(ops[i].Commit)
			}
		}
	case PlantHighestSeen, PlantStreams:
		ops = slices.Clone(ops)
		for _, op := range ops[:n] {
			if c := op.Commit; c != nil && !op.Own {
				if claim := p.claim(l, c); len(claim) > 0 {
					ops = append(ops, replication.Op{Claim: &replication.Claim{Scope: c.Scope, Context: claim}})
				}
			}
		}
	}
	applied, err := l.opened.Store.Apply(background, ops)
	if err == nil {
		applied.Outcomes = applied.Outcomes[:n]
	}
	return applied, err
}

// claim returns what a plant claims because of a foreign commit.
func (p Plant) claim(l *Life, c *crdt.Commit) crdt.Context {
	if p == PlantHighestSeen {
		return crdt.Context{c.Dot.Replica: {{After: crdt.NewSeq(c.Dot.Seq.Boot(), 0), To: c.Dot.Seq}}}
	}
	return l.streamed[scopedDot{c.Scope, c.Dot}]
}

// alter changes a message on its way out; nil loses it.
func (p Plant) alter(e *end, m wire.Message) wire.Message {
	switch p {
	case PlantEndAll:
		return e.endAll(m)
	case PlantEndHides:
		return e.endHides(m)
	case PlantEndIncomplete:
		if end, ok := m.(*wire.End); ok {
			lie := *end
			lie.Complete = true
			return &lie
		}
	case PlantStreams:
		e.told.pulled(m)
	}
	return m
}

// arrived is called with a message before a core takes it.
func (p Plant) arrived(e *end, m wire.Message) {
	switch p {
	case PlantStreams:
		if commits, ok := m.(*wire.Commits); ok {
			e.streams(commits)
		}
	case PlantAbsence:
		if c, ok := m.(*wire.Context); ok && c.Full {
			e.life.removeAbsent(c.Scope, c.Entries)
		}
	}
}
