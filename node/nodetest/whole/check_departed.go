package whole

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// CheckDepartures checks that these tills, which are equal, agree on who left, that what cashiers were told about it holds,
// that nobody has a link with a till that was revoked, and that none of those knows the present key of the group.
func (s *Shop) CheckDepartures(tills ...*Till) {
	if s.W.Err() != nil {
		return
	}
	first := tills[0]
	for _, t := range tills {
		for _, o := range s.Tills {
			if is, want := stateAt(t, o), stateAt(first, o); is != want {
				s.W.Fail("%s says that %s is %v, for %s it is %v", t.Name, o.Name, is, first.Name, want)
			}
		}
		for _, l := range t.life.State().Links {
			if known, err := t.Node().FindTill(l.Till.String()); err == nil && known.State == shop.Revoked {
				s.W.Fail("%s has a link with %s, which was revoked", t.Name, known.Prefix)
			}
		}
	}
	for _, d := range s.told.departures {
		if is := stateAt(first, d.till); is < d.state && slices.Contains(tills, d.by) {
			s.W.Fail("%s was told that %s is %v, and it is %v", d.by.Name, d.till.Name, d.state, is)
		}
	}
	s.checkKeys(tills)
	s.checkMarks(first)
}

// checkKeys checks that active tills know the same keys of the group, and revoked ones not the one in use.
func (s *Shop) checkKeys(tills []*Till) {
	var keys mesh.GossipKeys
	for _, t := range tills {
		if stateAt(t, t) != shop.Active || t.handing != "" {
			continue
		}
		if keys.IsZero() {
			keys = t.Node().GossipKeys()
		}
		if !keys.Equal(t.Node().GossipKeys()) {
			s.W.Fail("%s knows other keys of the group than the tills before it", t.Name)
		}
	}
	for _, t := range s.Tills {
		if t.M.Gone() || stateAt(tills[0], t) != shop.Revoked {
			continue
		}
		knows, err := t.readKeys()
		if err != nil {
			s.W.Fail("keys of %s: %v", t.Name, err)
		}
		if slices.Contains(knows.All(), keys.Primary()) || keys.Primary().Revocations == 0 {
			s.W.Fail("%s was revoked and knows the key of the group", t.Name)
		}
	}
}

// undecided checks that card payments of which nobody knows what became of them are shown as cases, and also those that tills
// which left the shop were asking their terminals for.
func (s *Shop) undecided(v view) {
	shown := make(map[crdt.ObjectID]bool)
	for _, c := range v.allCases() {
		if c.Kind == book.CaseUnknown {
			shown[c.Objects[0]] = true
		}
	}
	at := s.present()[0]
	for _, id := range slices.SortedFunc(maps.Keys(s.told.cards), crdt.ObjectID.Compare) {
		p, err := at.Node().Payment(context.Background(), id)
		if err != nil || p.Settled != "" || p.State == "" || p.State == receipt.PaymentCaptured || p.State == receipt.PaymentDeclined {
			continue
		}
		asks := slices.ContainsFunc(s.Tills, func(t *Till) bool { return t.M.Till() == p.Payment.Till && stateAt(at, t) == shop.Active })
		if (p.Unknown() || !asks) && !shown[id] {
			s.W.Fail("nobody knows what became of card payment %v (%s), and that is no case", id, p.State)
		}
		if !asks {
			s.told.answers["card of a till that left"]++
		}
	}
}

// checkMarks checks that receipts of revoked tills are marked, and no others.
func (s *Shop) checkMarks(t *Till) {
	v, err := look(t.Node())
	if err != nil {
		s.W.Fail("%s: %v", t.Name, err)
	}
	revoked := make(map[crdt.TillID]bool)
	for _, o := range s.Tills {
		revoked[o.M.Till()] = stateAt(t, o) == shop.Revoked
	}
	for _, r := range v.receipts {
		if r.Revoked.IsZero() == revoked[r.Till] {
			s.W.Fail("%s is marked as of a revoked till: %v", r.Number, !r.Revoked.IsZero())
		}
	}
}

// CheckStrangers checks that revoked tills which know it sell nothing, and that nothing reaches the shop of what others sell.
func (s *Shop) CheckStrangers(revoked []*Till) {
	var sold []crdt.ObjectID
	for _, t := range revoked {
		if !t.Idle() {
			continue
		}
		s.stranger(t, &sold)
	}
	s.W.RunFor(2 * housekeeping)
	for _, t := range s.present() {
		for _, id := range sold {
			if _, err := t.Node().Receipt(context.Background(), id.String()); !errors.Is(err, node.ErrNotFound) {
				s.W.Fail("%s took receipt %v of a till that was revoked before: %v", t.Name, id, err)
			}
		}
	}
}

func (s *Shop) stranger(t *Till, sold *[]crdt.ObjectID) {
	knows := stateAt(t, t) == shop.Revoked
	var err error
	over := false
	s.sell(t, func(r node.Receipt, e error) {
		if err, over = e, true; e == nil {
			*sold = append(*sold, r.ID)
		}
	})
	s.W.RunUntil(time.Minute, func() bool { return over })
	var no *node.Refusal
	if knows && (!errors.As(err, &no) || no.Code != node.CodeRemoved) {
		s.W.Fail("%s knows that it was revoked, and sells: %v", t.Name, err)
	}
}
