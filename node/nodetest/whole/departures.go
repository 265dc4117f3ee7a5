package whole

import (
	"context"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// departure is what a cashier was told about another till that left.
type departure struct {
	by, till *Till
	state    shop.State
}

// depart lets a till say that another one is lost, or no longer used. The till that stays is left alone, so a shop is
// left whatever tills say about each other at the same time.
func (s *Shop) depart(by, other *Till, state shop.State) {
	if !by.Idle() || other.M.Till() == by.M.Till() || other.M.Till() == s.stays {
		return
	}
	if state == shop.Revoked {
		if s.copied && s.heard() < 3 {
			return
		}
		s.lost[other.M.Till()] = true
	}
	s.lineagesChange()
	how := (*node.Till).Retire
	if state == shop.Revoked {
		how = (*node.Till).Revoke
	}
	s.do(by, state.String(), other.Name, func(ctx context.Context, till *node.Till) error {
		_, err := how(till, ctx, other.M.Till().String(), "not there")
		return err
	}, func(f fate) {
		if f == saved {
			s.told.departures = append(s.told.departures, departure{by, other, state})
		}
	})
}

// heard counts the tills that nobody tried to revoke. A copy of a till never links with it: they hear of each other from
// another one, or never.
func (s *Shop) heard() int {
	keys := make(map[crdt.TillID]bool)
	for _, t := range s.Tills {
		if id := t.M.Till(); !t.M.Gone() && !s.lost[id] {
			keys[id] = true
		}
	}
	return len(keys)
}

// state is what the shop knows of a till: as the till that stays shows it, if it runs.
func (s *Shop) state(t *Till) shop.State {
	for _, o := range s.Tills {
		if o.M.Till() == s.stays && o.life != nil {
			return stateAt(o, t)
		}
	}
	return shop.Active
}

// stateAt is what a running till knows of another one.
func stateAt(at, of *Till) shop.State {
	known, err := at.Node().FindTill(of.M.Till().String())
	if err != nil {
		return shop.Unknown
	}
	return known.State
}

// member reports whether a till belongs to the shop: a retired one does, it hands over what it has. One that was admitted
// by a till that was revoked without hearing of it does not, nor what is left of one that was stolen.
func (s *Shop) member(t *Till) bool {
	state := s.state(t)
	return state == shop.Active || state == shop.Retired
}

// revoked are the tills that the shop no longer hears, and that exist.
func (s *Shop) revoked() []*Till {
	return slices.DeleteFunc(slices.Clone(s.Tills), func(t *Till) bool { return t.M.Gone() || s.state(t) != shop.Revoked })
}

// lose lets everybody who was revoked sell on, stops them, and takes over what they hold, as a person does who found them.
func (s *Shop) lose() {
	lost := s.revoked()
	if len(lost) == 0 || s.W.Err() != nil {
		return
	}
	s.CheckStrangers(lost)
	for _, t := range lost {
		t.Restart = func() time.Duration { return -1 }
		t.M.Stop()
	}
	s.W.RunUntil(time.Minute, func() bool { return !slices.ContainsFunc(lost, func(t *Till) bool { return t.life != nil }) })
	for _, t := range lost {
		at := s.sellers()
		s.recover(at[s.rand.IntN(len(at))], t)
	}
	s.everybody()
	s.W.RunFor(2 * housekeeping)
	s.everybody()
}

// sellers are the tills of the shop that sell.
func (s *Shop) sellers() []*Till {
	return slices.DeleteFunc(s.present(), func(t *Till) bool { return t.life == nil || t.handing != "" || s.state(t) != shop.Active })
}

// recover takes over what a found till holds, at another one, and returns what was listed.
func (s *Shop) recover(at, lost *Till) node.FoundTill {
	var list node.FoundTill
	dir, err := s.directory(lost)
	if err != nil {
		s.W.Fail("the directory of %s: %v", lost.Name, err)
		return list
	}
	s.W.Count("found till")
	s.W.RunUntil(time.Minute, at.Idle)
	at.Do("takes over what "+lost.Name+" holds", func(ctx context.Context, till *node.Till) (err error) {
		if list, err = till.ScanFound(ctx, dir); err != nil || list.Commits == 0 {
			return err
		}
		_, err = till.TakeFound(ctx, dir, list.ID, "Jule")
		return err
	})
	s.W.Trace("%s took %d changes and %d receipts of %s, refused %v", at.Name, list.Commits, len(list.Receipts), lost.Name, list.Refused)
	if len(list.Receipts) > 0 {
		s.W.Count("found receipts")
	}
	lost.recovered = true
	return list
}
