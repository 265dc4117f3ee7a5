package election

import "github.com/tillmesh/tillmesh/crdt"

// Reach says whether a till can reach the cloud, as far as it knows itself.
type Reach uint8

// What is known of the way to the cloud. The numbers travel in claims.
const (
	Unknown Reach = 0 // it did not try for a while
	Can     Reach = 1
	Cannot  Reach = 2 // its last try failed, or the cloud refused it
)

// String returns a word for logs and status.
func (r Reach) String() string {
	switch r {
	case Can:
		return "can"
	case Cannot:
		return "cannot"
	case Unknown:
	}
	return "unknown"
}

// rank orders what is known: who can comes before who may.
func (r Reach) rank() int {
	switch r {
	case Can:
		return 2
	case Unknown:
		return 1
	case Cannot:
	}
	return 0
}

// Member is a till that may be elected.
type Member struct {
	Till  crdt.TillID
	Reach Reach
	Term  uint64 // of the lease that it holds; 0: it holds none
}

// Elect returns which till forwards; zero if there is none to choose from. Of those who can reach the cloud (or, if nobody can, those
// who may, or else all) it is the one with the newest lease, and if none has one, the one with the lowest ID. The order of
// members does not matter.
func Elect(members []Member) crdt.TillID {
	var best Member
	for i, m := range members {
		if i == 0 || before(m, best) {
			best = m
		}
	}
	return best.Till
}

// before reports whether a is the better choice.
func before(a, b Member) bool {
	switch {
	case a.Reach.rank() != b.Reach.rank():
		return a.Reach.rank() > b.Reach.rank()
	case a.Term != b.Term:
		return a.Term > b.Term
	}
	return a.Till.Compare(b.Till) < 0
}
