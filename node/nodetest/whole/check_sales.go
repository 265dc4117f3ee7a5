package whole

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// doubles checks that lines that were settled twice are shown as one case for each set of receipts.
func (s *Shop) doubles(v view, on map[crdt.ObjectID][]crdt.ObjectID) {
	want, got := make(map[string][]string), make(map[string][]string)
	for id, receipts := range on {
		if len(receipts) > 1 {
			key := fmt.Sprint(receipts)
			want[key] = append(want[key], id.String())
		}
	}
	for _, c := range v.allCases() {
		if c.Kind != book.CaseDouble {
			continue
		}
		key := fmt.Sprint(slices.SortedFunc(slices.Values(c.Receipts), crdt.ObjectID.Compare))
		if got[key] != nil {
			s.W.Fail("two cases for the same receipts %v", c.Numbers)
		}
		for _, id := range c.Objects {
			got[key] = append(got[key], id.String())
		}
		s.told.answers["settled twice"]++
	}
	for _, m := range []map[string][]string{want, got} {
		for _, list := range m {
			slices.Sort(list)
		}
	}
	if !maps.EqualFunc(want, got, slices.Equal) {
		s.W.Fail("settled twice is %v, shown as cases is %v", want, got)
	}
}

// money checks that every payment that was taken is somewhere once: on a receipt, on an open tab, or a case.
func (s *Shop) money(v view, away inventory) {
	open, settled := make(map[crdt.ObjectID]receipt.Amount), make(map[crdt.ObjectID]receipt.Amount)
	orphans := make(map[crdt.ObjectID]bool)
	twice := make(map[crdt.ObjectID]bool) // receipts of a double case
	for _, c := range v.allCases() {
		switch {
		case len(c.Objects) == 0: // it is somewhere else by now
		case c.Kind == book.CaseOrphan:
			orphans[c.Objects[0]] = true
		case c.Kind == book.CaseDouble:
			for _, id := range c.Receipts {
				twice[id] = true
			}
		}
	}
	for _, tab := range v.tabs {
		for _, p := range tab.Payments {
			open[p.ID] = p.Payment.Amount
		}
	}
	var taken receipt.Amount
	for _, r := range v.receipts {
		for _, p := range r.Parsed.Payments {
			if _, known := s.told.cards[p.ID]; !ofTab(r) && !known && p.Progress != "" {
				s.told.cards[p.ID] = toldCard{nil, p.Tendered} // the till chose it for a payback; the terminals are asked
				s.told.answers["card on a refund"]++
			} else if !ofTab(r) && !known && s.told.payments[p.ID] == nil {
				continue // it follows from another receipt, or moves cash
			}
			if _, before := settled[p.ID]; before && !twice[r.ID] {
				s.W.Fail("payment %v is on two receipts, and that is no case", p.ID)
			} else if !before {
				taken += p.Tendered
			}
			settled[p.ID] = p.Tendered
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.told.payments), crdt.ObjectID.Compare) {
		p := s.told.payments[id]
		_, isOpen := open[id]
		_, isSettled := settled[id]
		places := 0
		for _, there := range []bool{isOpen, isSettled, orphans[id]} {
			if there {
				places++
			}
		}
		switch {
		case places > 1:
			s.W.Fail("payment %v is in %d places", id, places)
		case places == 0 && p.fate == saved && !away.payments[id]:
			s.W.Fail("a payment of %d for %v was taken and is nowhere", p.amount, p.tab)
		case places == 1 && p.fate == refused:
			s.W.Fail("a payment of %d for %v was refused and is there", p.amount, p.tab)
		case isSettled:
			taken -= settled[id]
		}
	}
	taken -= s.terminals(open, settled, orphans, away)
	s.undecided(v)
	if taken != 0 {
		s.W.Fail("on receipts are payments of %d that nobody typed", taken)
	}
}
