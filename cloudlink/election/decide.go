package election

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
)

// Detector names what noticed that a till no longer forwards.
type Detector string

// The detectors. The words appear in status and logs.
const (
	None         Detector = ""              // nobody forwarded before
	Removed      Detector = "removed"       // the till is no longer of the shop
	LinkClosed   Detector = "link-closed"   // its link ended and did not come back within the grace
	Membership   Detector = "membership"    // the gossip of the mesh calls it dead
	Silence      Detector = "silence"       // it said nothing for too long
	Unreachable  Detector = "unreachable"   // it says itself that it cannot reach the cloud
	LeaseExpired Detector = "lease-expired" // it says itself that its lease ran out
	Newer        Detector = "newer-lease"   // another till holds a newer lease
	Better       Detector = "lower-id"      // nobody holds a lease, and a till that comes first was found
)

// Text returns what is shown of it.
func (d Detector) Text() string {
	switch d {
	case Removed:
		return "it is no longer a till of this shop"
	case LinkClosed:
		return "its connection was closed"
	case Membership:
		return "the other tills cannot reach it"
	case Silence:
		return "it stopped answering"
	case Unreachable:
		return "it cannot reach the cloud"
	case LeaseExpired:
		return "the cloud did not hear from it"
	case Newer:
		return "the cloud chose another till"
	case Better, None:
	}
	return "another till is first in line"
}

// Decide returns who forwards, as far as is known now.
func (e *Election) Decide(now time.Time) Decision {
	members := e.members(now)
	holder := holderOf(members)
	if e.last.Uplink.IsZero() && holder.Till.IsZero() && now.Sub(e.began) < e.timing.Settle {
		return e.last
	}
	switch {
	case !holder.Till.IsZero() && holder.Term >= e.lost.term:
		e.lost = lease{holder.Till, holder.Term}
		e.last.Gone = 0
	case holder.Till.IsZero() && e.lost.term > 0 && e.lost.till != e.self:
		e.last.Gone = e.lost.term
	}
	e.last.Holder = holder.Till
	if uplink := Elect(members); uplink != e.last.Uplink {
		e.last.Before, e.last.Detector = e.last.Uplink, e.detector(now, holder)
		e.last.Uplink, e.last.Self, e.last.Since = uplink, uplink == e.self, now
	}
	return e.last
}

// members are this till and those others that may be elected. Who never spoke may be an older program and cannot.
func (e *Election) members(now time.Time) []Member {
	list := []Member{{e.self, e.own.Reach, e.own.Term}}
	for till := range e.active {
		if m := e.known[till]; m != nil && !m.heardAt.IsZero() && e.missing(now, till) == None {
			list = append(list, Member{till, m.claim.Reach, m.claim.Term})
		}
	}
	return list
}

// missing returns why a till cannot be elected, whatever it claimed; None if it can.
func (e *Election) missing(now time.Time, till crdt.TillID) Detector {
	m := e.known[till]
	switch {
	case !e.active[till]:
		return Removed
	case m == nil || !m.linked && now.Sub(m.since) >= e.timing.Grace:
		return LinkClosed
	case m.dead:
		return Membership
	case !m.heardAt.IsZero() && now.Sub(m.heardAt) >= e.patience(m):
		return Silence
	}
	return None
}

func (e *Election) patience(m *member) time.Duration {
	if m.claim.Term > 0 {
		return e.timing.Silence
	}
	return 3 * e.timing.Idle
}

// holderOf returns the member with the newest lease; the zero Member if none has one that it can use.
func holderOf(members []Member) Member {
	var best Member
	for _, m := range members {
		if m.Term > 0 && m.Reach != Cannot && (best.Term == 0 || m.Term > best.Term || m.Term == best.Term && m.Till.Compare(best.Till) < 0) {
			best = m
		}
	}
	return best
}

// detector returns why the till that was elected is not any more.
func (e *Election) detector(now time.Time, holder Member) Detector {
	was := e.last.Uplink
	if was.IsZero() {
		return None
	}
	claim := e.own
	if was != e.self {
		if why := e.missing(now, was); why != None {
			return why
		}
		claim = e.known[was].claim
	}
	switch {
	case claim.Reach == Cannot:
		return Unreachable
	case e.lost.till == was && claim.Term == 0 && e.lost.term > 0:
		return LeaseExpired
	case holder.Term > claim.Term:
		return Newer
	}
	return Better
}

// Next returns when something may be due or decided otherwise if nothing comes in before.
func (e *Election) Next(now time.Time) time.Time {
	next := now.Add(e.timing.Idle)
	sooner := func(at time.Time) {
		if at.After(now) && at.Before(next) {
			next = at
		}
	}
	sooner(e.began.Add(e.timing.Settle))
	for till, m := range e.known {
		if !e.active[till] {
			continue
		}
		if !m.linked {
			sooner(m.since.Add(e.timing.Grace))
		} else if !m.telling {
			if m.told != e.spoken {
				return now
			}
			sooner(m.toldAt.Add(e.every()))
		}
		if !m.heardAt.IsZero() {
			sooner(m.heardAt.Add(e.patience(m)))
		}
	}
	return next
}
