package replication

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// Auditor is the part of a store that audits need; package replication/store implements it. Audit performs one read, of
// bounded size, beside everything else the store does.
type Auditor interface {
	Audit(ctx context.Context, r AuditRead) (AuditFound, error)
}

// AuditWhat tells audit reads apart.
type AuditWhat uint8

// The reads.
const (
	// ReadRows reads the next rows of a scope and adds up their live pieces and its dormant rows, from the first row on if First is set. The
	// store keeps the sums up to date with what it writes until the scope is read again or let go.
	ReadRows AuditWhat = iota + 1
	// ReadSums returns the sums of a scope that was read to its end.
	ReadSums
	// ReadParts returns the sums of the leaves of Numbers, which are buckets.
	ReadParts
	// ReadEntries returns what is held live in the leaves of Numbers, from At on.
	ReadEntries
	// ReadDamage returns held commits, from At on, whose effect is not in the store as it should be.
	ReadDamage
	// ReadCommits returns the commits under Dots.
	ReadCommits
	// LetGo forgets the sums of a scope.
	LetGo
)

// AuditRead is one read for an audit.
type AuditRead struct {
	What    AuditWhat
	Scope   crdt.Scope
	First   bool
	At      []byte // where to go on, as the read before it said; nil: at the beginning
	Numbers []int  // rising
	Dots    []crdt.Dot
}

// AuditFound is what an audit read found.
type AuditFound struct {
	At   []byte // where to go on
	Done bool   // there is nothing more

	Context    [16]byte    // hash of the context that the sums belong to
	Kept       crdt.Digest // the digest that is kept with every write
	Objects    crdt.Digest // sum over the objects
	Commits    crdt.Digest // sum over the commits; a store that lost nothing has three equal sums
	Unreadable int         // rows that do not read

	KeptDormant crdt.Digest // the sum over dormant rows that is kept with every write
	Dormant     crdt.Digest // that sum over the rows

	Sums    []crdt.Digest
	Parts   []wire.AuditPart
	Entries []wire.AuditEntry
	Forks   []wire.AuditEntry // second commits under a dot; only Dot and Tag are set
	Raw     [][]byte          // encoded commits
	Read    int               // of ReadCommits: how many of the dots were read
}

// AuditLeaf returns the leaf that a commit falls into: its bucket times wire.AuditLeaves plus its place there.
func AuditLeaf(d crdt.Dot) int {
	var b [24]byte
	copy(b[:], d.Replica[:])
	binary.BigEndian.PutUint64(b[16:], uint64(d.Seq))
	sum := sha256.Sum256(b[:])
	return int(sum[0])*wire.AuditLeaves + int(sum[1])%wire.AuditLeaves
}

// AuditSum returns the sum of the marks of a commit's pieces but those whose bit is set in dead.
func AuditSum(c *crdt.Commit, dead []byte) (sum crdt.Digest) {
	from := c.Origin()
	for i := range c.Pieces {
		if i/8 >= len(dead) || dead[i/8]&(1<<(i%8)) == 0 {
			sum = sum.Plus(crdt.Ref{Origin: from, Piece: i}.Mark())
		}
	}
	return sum
}
