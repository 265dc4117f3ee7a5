package whole

import (
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// inventory is where things are, by their IDs.
type inventory struct {
	tabs     map[crdt.ObjectID]bool            // open, or on a receipt
	open     map[crdt.ObjectID]crdt.ObjectID   // tab of a line on an open tab
	lines    map[crdt.ObjectID][]crdt.ObjectID // receipts of a line
	voids    map[crdt.ObjectID]bool
	payments map[crdt.ObjectID]bool
	receipts map[crdt.ObjectID]receipt.Digest
	closings map[crdt.ObjectID]receipt.Digest
}

func (s *Shop) inventory(v view) inventory {
	i := inventory{
		tabs: make(map[crdt.ObjectID]bool), open: make(map[crdt.ObjectID]crdt.ObjectID), lines: make(map[crdt.ObjectID][]crdt.ObjectID), voids: make(map[crdt.ObjectID]bool),
		payments: make(map[crdt.ObjectID]bool), receipts: make(map[crdt.ObjectID]receipt.Digest),
		closings: make(map[crdt.ObjectID]receipt.Digest),
	}
	for _, tab := range v.tabs {
		i.tabs[tab.ID] = true
		for _, m := range tab.Merged {
			i.tabs[m.ID] = true
		}
		for _, l := range tab.Lines {
			if other, twice := i.open[l.ID]; twice {
				s.W.Fail("line %v is on the tabs %v and %v", l.ID, other, tab.ID)
			}
			i.open[l.ID] = tab.ID
			for _, x := range l.Voids {
				i.voids[x.ID] = true
			}
		}
		for _, p := range tab.Payments {
			i.payments[p.ID] = true
		}
	}
	for _, c := range v.closings {
		i.closings[c.ID] = c.Hash
	}
	for _, r := range v.receipts {
		i.receipts[r.ID] = r.Hash
		for _, tab := range r.Parsed.Tabs {
			i.tabs[tab.ID] = true
		}
		for _, l := range r.Parsed.Lines {
			if !ofTab(r) {
				break
			}
			i.lines[l.ID] = append(i.lines[l.ID], r.ID)
		}
		for _, x := range r.Parsed.Voids {
			i.voids[x.ID] = true
		}
		for _, p := range r.Parsed.Payments {
			i.payments[p.ID] = true
		}
	}
	for _, c := range v.allCases() {
		switch {
		case len(c.Objects) == 0: // what it was about is somewhere else by now
		case c.Kind == book.CaseLateVoid:
			i.voids[c.Objects[0]] = true
		case c.Kind == book.CaseOrphan:
			i.payments[c.Objects[0]] = true
		}
	}
	return i
}

// away is what tills hold that no longer belong to the shop, or are not asked.
func (s *Shop) away(present []*Till) inventory {
	all := s.inventory(view{})
	for _, t := range s.Tills {
		if slices.Contains(present, t) || t.M.Gone() || t.recovered {
			continue
		}
		v, err := t.rebuilt()
		if err != nil {
			s.W.Fail("%s, which is not of the shop, cannot be read: %v", t.Name, err)
			return all
		}
		one := s.inventory(v)
		maps.Copy(all.tabs, one.tabs)
		maps.Copy(all.open, one.open)
		maps.Copy(all.lines, one.lines)
		maps.Copy(all.closings, one.closings)
		maps.Copy(all.voids, one.voids)
		maps.Copy(all.payments, one.payments)
		maps.Copy(all.receipts, one.receipts)
	}
	return all
}
