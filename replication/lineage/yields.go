package lineage

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// Claimant is a machine that speaks as a till.
type Claimant struct {
	Replica crdt.ReplicaID
	// Depth is how many lineages of the till came before its own, and MS when its own began, as far as the roster knows;
	// see [ClaimantOf].
	Depth int
	MS    int64
	Boot  uint32   // of the running start
	Nonce [16]byte // of the running start, or its hash, as replication.Speaker has it; of both the same
}

// unknownDepth is that of a lineage which the roster does not know: it is later than all those it does. If neither of two
// machines knows the other's, both go on until they have told each other through a third one.
const unknownDepth = 1 << 30

// ClaimantOf returns who speaks under a replica ID. A lineage that the roster does not know counts as the latest of all: a
// copy that was renewed elsewhere has one of which this till has not heard yet.
func ClaimantOf(r *shop.Roster, replica crdt.ReplicaID, boot uint32, nonce [16]byte) Claimant {
	c := Claimant{Replica: replica, Boot: boot, Nonce: nonce}
	if _, known := r.Lineage(replica); !known {
		c.Depth = unknownDepth
		return c
	}
	seen := map[crdt.ReplicaID]bool{}
	for at := replica; !seen[at]; {
		seen[at] = true
		l, ok := r.Lineage(at)
		if !ok {
			break
		}
		if at == replica {
			c.MS = l.MS
		}
		if l.Predecessor.IsZero() {
			break
		}
		c.Depth++
		at = l.Predecessor
	}
	return c
}

// Verdict says what a machine does that met another one with its own device key.
type Verdict struct {
	// Copy: there are two machines. If not, a till met itself and nothing follows.
	Copy bool
	// Yields: this one stops selling until a person sets it up as a till of its own.
	Yields bool
	// Renews: this one begins a new lineage, because both wrote under the old one. One that yields does so too, to say its
	// own again, and sells nothing.
	Renews bool
	// Reason is one sentence for people, for the screen of this machine.
	Reason string
}

// Yields decides which of two machines goes on that speak with one device key. Both come to the same answer: exactly one
// of them yields. The machine whose lineage is the older goes on; the other one is the copy. If both write under one replica
// ID, a whole machine was cloned: the one that was started earlier goes on, and of equal starts the one with the lower nonce.
func Yields(own, other Claimant) Verdict {
	if own.Replica == other.Replica && own.Boot == other.Boot && own.Nonce == other.Nonce {
		return Verdict{Reason: "This till met itself; there is nothing to do."}
	}
	twin := own.Replica == other.Replica
	if compareClaimants(own, other) > 0 {
		return Verdict{Copy: true, Yields: true, Renews: twin, Reason: fmt.Sprintf("Another machine runs as this till %s, so this one stops selling; "+
			"its receipts stay valid, and with \"till join --replaces\" it becomes a till of its own.", longer(twin))}
	}
	next := "switch the other machine off or set it up as a till of its own."
	if twin {
		return Verdict{Copy: true, Renews: true, Reason: "A copy of this machine runs as this till; this one goes on in a new number series, " + next}
	}
	return Verdict{Copy: true, Reason: "A copy of this till's data runs on another machine and stopped selling; " + next}
}

func longer(twin bool) string {
	if twin {
		return "and was started before it"
	}
	return "and did so before it"
}

// compareClaimants orders two machines; the lower goes on. Only equal claimants compare equal.
func compareClaimants(a, b Claimant) int {
	if a.Replica == b.Replica {
		return cmp.Or(cmp.Compare(a.Boot, b.Boot), bytes.Compare(a.Nonce[:], b.Nonce[:]))
	}
	return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.MS, b.MS), a.Replica.Compare(b.Replica))
}
