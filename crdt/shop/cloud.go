package shop

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
)

// Coupled is a coupling that counts, and what ended it.
type Coupled struct {
	Coupling
	Ended []Uncoupling // those that count, the earliest first; none: it holds
}

// Holds reports whether nobody uncoupled it.
func (c Coupled) Holds() bool { return len(c.Ended) == 0 }

// Cloud is what the roster says about a cloud that was ever coupled with the shop.
type Cloud struct {
	ID        crdt.TillID
	PublicKey ed25519.PublicKey
	Coupled   bool      // one of the couplings holds: tills link with it
	Couplings []Coupled // all that count: those that hold first, then by time. The first is the one to show
	Seats     []Seat    // by time; the last that no other one follows is the current one
}

// cloud is what items say about a cloud.
type cloud struct {
	key       ed25519.PublicKey
	couplings []coupled
	seats     []Seat
}

type coupled struct {
	Coupling
	raw []byte
}

// couple notes a coupling that counts.
func (r *Roster) couple(c Coupling, raw []byte) {
	known := r.clouds[c.Cloud()]
	if known == nil {
		known = &cloud{key: c.PublicKey}
		r.clouds[c.Cloud()] = known
	}
	known.couplings = append(known.couplings, coupled{c, raw})
	slices.SortFunc(known.couplings, func(a, b coupled) int { return cmp.Or(cmp.Compare(a.MS, b.MS), bytes.Compare(a.raw, b.raw)) })
}

// uncouple notes an uncoupling that counts.
func (r *Roster) uncouple(u Uncoupling) {
	list := append(r.ended[u.Coupling], u)
	slices.SortFunc(list, func(a, b Uncoupling) int {
		return cmp.Or(cmp.Compare(a.MS, b.MS), a.By.Compare(b.By), strings.Compare(a.Reason, b.Reason))
	})
	r.ended[u.Coupling] = list
}

// sit notes a seat that counts.
func (r *Roster) sit(s Seat) {
	c := r.clouds[s.Cloud]
	c.seats = append(c.seats, s)
	slices.SortFunc(c.seats, compareSeats)
	r.seats[s.Replica] = append(r.seats[s.Replica], s)
	slices.SortFunc(r.seats[s.Replica], compareSeats)
}

func compareSeats(a, b Seat) int {
	return cmp.Or(cmp.Compare(a.MS, b.MS), a.Cloud.Compare(b.Cloud), a.Replica.Compare(b.Replica), a.Predecessor.Compare(b.Predecessor))
}

// Coupled reports whether a cloud is coupled with the shop: tills link with it, and it may push what it writes. The key of a
// till is never that of a cloud, whoever says so.
func (r *Roster) Coupled(id crdt.TillID) bool {
	c := r.clouds[id]
	return c != nil && r.members[id] == nil && slices.ContainsFunc(c.couplings, func(one coupled) bool { return len(r.ended[one.ObjectID()]) == 0 })
}

// Couplings returns every coupling that counts, whatever became of it: those that hold first, then by time.
func (r *Roster) Couplings() []Coupled {
	var out []Coupled
	for _, c := range r.Clouds() {
		out = append(out, c.Couplings...)
	}
	slices.SortStableFunc(out, compareCoupled)
	return out
}

func compareCoupled(a, b Coupled) int {
	x, y := a.ObjectID(), b.ObjectID()
	return cmp.Or(-compareBool(a.Holds(), b.Holds()), cmp.Compare(a.MS, b.MS), x.Compare(y))
}

// Cloud returns what is known about a cloud, and whether it was ever coupled with the shop.
func (r *Roster) Cloud(id crdt.TillID) (Cloud, bool) {
	c := r.clouds[id]
	if c == nil {
		return Cloud{}, false
	}
	out := Cloud{ID: id, PublicKey: c.key, Coupled: r.Coupled(id), Seats: slices.Clone(c.seats)}
	for _, one := range c.couplings {
		out.Couplings = append(out.Couplings, Coupled{one.Coupling, slices.Clone(r.ended[one.ObjectID()])})
	}
	slices.SortStableFunc(out.Couplings, compareCoupled)
	return out, true
}

// Clouds returns every cloud that was ever coupled, those that are first, then by the time of the coupling to show.
func (r *Roster) Clouds() []Cloud {
	out := make([]Cloud, 0, len(r.clouds))
	for id := range r.clouds {
		c, _ := r.Cloud(id)
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Cloud) int {
		return cmp.Or(-compareBool(a.Coupled, b.Coupled), compareCoupled(a.Couplings[0], b.Couplings[0]), a.ID.Compare(b.ID))
	})
	return out
}

// CloudOf returns the cloud that claims a replica. If two do, which is a problem, it is the one that says it did first. A
// replica of a till is never a cloud's.
func (r *Roster) CloudOf(replica crdt.ReplicaID) (crdt.TillID, bool) {
	claims := r.seats[replica]
	if len(claims) == 0 || len(r.replica[replica]) > 0 {
		return crdt.TillID{}, false
	}
	return claims[0].Cloud, true
}

// Current returns the seat under which the cloud writes, as far as is known: the latest that no other one follows.
func (c Cloud) Current() (Seat, bool) {
	for _, s := range slices.Backward(c.Seats) {
		if !c.followed(s) {
			return s, true
		}
	}
	return Seat{}, false
}

// SealedSeats returns the replicas under which no cloud writes any more, sorted: seats that another one of their cloud
// follows, and those of clouds that are not coupled.
func (r *Roster) SealedSeats() (out []crdt.ReplicaID) {
	for _, c := range r.Clouds() {
		for _, s := range c.Seats {
			if owner, ok := r.CloudOf(s.Replica); ok && owner == c.ID && (!c.Coupled || c.followed(s)) {
				out = append(out, s.Replica)
			}
		}
	}
	slices.SortFunc(out, crdt.ReplicaID.Compare)
	return slices.Compact(out)
}

func (c Cloud) followed(s Seat) bool {
	return slices.ContainsFunc(c.Seats, func(o Seat) bool { return o.Predecessor == s.Replica })
}

// cloudMayPush is [Roster.MayPush] for a cloud.
func (r *Roster) cloudMayPush(id crdt.TillID, replica crdt.ReplicaID) bool {
	owner, ok := r.CloudOf(replica)
	return ok && owner == id && r.Coupled(id)
}

// introducesSeat reports whether a commit is one that a cloud begins a seat with.
func (r *Roster) introducesSeat(id crdt.TillID, c *crdt.Commit) bool {
	if len(r.replica[c.Dot.Replica]) > 0 || len(r.seats[c.Dot.Replica]) > 0 {
		return false // somebody else's
	}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind != crdt.KindItem || p.Type != TypeSeat {
			continue
		}
		s, rec, err := parseSeat(p.Raw)
		if err == nil && s.Cloud == id && s.Replica == c.Dot.Replica && s.ObjectID() == p.Object &&
			verify(TypeSeat, r.shop, rec, r.clouds[id].key) == nil {
			return true
		}
	}
	return false
}

// cloudProblems returns what about clouds a person has to look at.
func (r *Roster) cloudProblems() (out []Problem) {
	var open []Coupled
	for _, c := range r.Clouds() {
		if r.members[c.ID] != nil {
			out = append(out, Problem{c.ID, "the key of this till was coupled as that of a cloud; that does not count"})
			continue
		}
		for _, one := range c.Couplings {
			same := func(o Coupled) bool { return o.Cloud() == one.Cloud() && o.Account == one.Account }
			if one.Holds() && !slices.ContainsFunc(open, same) {
				open = append(open, one)
			}
		}
	}
	if len(open) > 1 {
		slices.SortFunc(open, compareCoupled)
		names := make([]string, len(open))
		for i, c := range open {
			names[i] = fmt.Sprintf("%s at %s", c.Account, c.URL)
		}
		out = append(out, Problem{open[0].By, fmt.Sprintf("the shop is coupled with %d accounts: %s; uncouple all but one",
			len(open), strings.Join(names, ", "))})
	}
	for replica, claims := range r.seats {
		switch {
		case len(r.replica[replica]) > 0:
			out = append(out, Problem{r.replica[replica][0].Till, fmt.Sprintf("replica %v of this till is claimed by cloud %s; that does not count",
				replica, claims[0].Cloud.Short())})
		case slices.ContainsFunc(claims, func(s Seat) bool { return s.Cloud != claims[0].Cloud }):
			out = append(out, Problem{claims[0].Cloud, fmt.Sprintf("replica %v is claimed by %d clouds", replica, len(claims))})
		}
	}
	return out
}

// Ended returns replicas under which nobody writes any more: lineages that another one of their till follows, those of tills that were
// retired or revoked, and seats of which that is true, see [Roster.SealedSeats].
func (r *Roster) Ended() (out []crdt.ReplicaID) {
	for _, till := range r.Tills() {
		for _, l := range till.Lineages {
			if !l.Predecessor.IsZero() {
				out = append(out, l.Predecessor)
			}
			if till.State > Active {
				out = append(out, l.Replica)
			}
		}
	}
	return append(out, r.SealedSeats()...)
}
