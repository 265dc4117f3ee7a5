package shop

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// Revocations returns every revocation that counts, one for each till and signer, in a fixed order: by till, then time, then
// signer. All tills that hold the same items return the same.
func (r *Roster) Revocations() []Departure {
	var out []Departure
	for _, list := range r.left {
		said := make(map[crdt.TillID]bool)
		for _, d := range list { // the earliest of a signer comes first
			if d.Revoked && !said[d.By] {
				said[d.By] = true
				out = append(out, d)
			}
		}
	}
	slices.SortFunc(out, func(a, b Departure) int { return cmp.Or(a.Till.Compare(b.Till), compareDepartures(a, b)) })
	return out
}

// RevocationCount returns how many revocations count. It never falls; of two gossip keys the one that was made with more
// of them known is the primary.
func (r *Roster) RevocationCount() int { return len(r.Revocations()) }

// Source says who wrote something, for pages that mark what came from a till that was revoked.
type Source struct {
	Till  crdt.TillID // zero if no lineage claims the replica
	State State
	// RevokedMS is when the till was first said to be revoked, Unix milliseconds by the clock of who said it; 0 if it is not.
	RevokedMS int64
	// Late: the stamp says that it was written after that. A till that is lost may have a wrong clock, and so may a thief.
	Late bool
}

// Marked reports whether a page should say that this comes from a revoked till. It stays valid all the same.
func (s Source) Marked() bool { return s.State == Revoked }

// Source returns who wrote under a replica, and whether the stamp is later than the revocation of that till.
func (r *Roster) Source(replica crdt.ReplicaID, stamp crdt.Stamp) Source {
	till, ok := r.TillOf(replica)
	if !ok {
		return Source{}
	}
	s := Source{Till: till, State: r.State(till)}
	if s.State == Revoked {
		s.RevokedMS = r.left[till][0].MS
		s.Late = stamp.MS >= s.RevokedMS
	}
	return s
}

// RecoveryKeys returns the recovery keys that count, by time, then ID.
func (r *Roster) RecoveryKeys() []Recovery {
	out := make([]Recovery, 0, len(r.recover))
	for _, k := range r.recover {
		out = append(out, k.Recovery)
	}
	slices.SortFunc(out, func(a, b Recovery) int { return cmp.Or(cmp.Compare(a.MS, b.MS), a.ID().Compare(b.ID())) })
	return out
}

// RecoveryPrefix returns the number prefix for a till that is admitted by a recovery key. Several may hold the key and not
// know of each other, so what makes the prefix unique comes from the key of the new till; the number before the dot is
// the next one free as far as this roster knows, for people.
func (r *Roster) RecoveryPrefix(newTill ed25519.PublicKey) (string, error) {
	if len(newTill) != ed25519.PublicKeySize {
		return "", fmt.Errorf("prefix of a new till: %w: a key of %d bytes", ErrInvalid, len(newTill))
	}
	next := min(r.highestNumber()+1, MaxNumber)
	p := prefix{next, 1, recoveredPart(crdt.TillIDOf(newTill))}
	return p.String(), CheckPrefix(p.String())
}

func (r *Roster) highestNumber() int {
	highest := 1
	for _, m := range r.members {
		for p := range m.bases() {
			highest = max(highest, p.number)
		}
	}
	return highest
}
