package whole

import (
	"iter"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// Check compares what these tills, which are equal, show with each other, with their disks, and with what cashiers were
// told.
func (s *Shop) Check(tills ...*Till) {
	var first view
	var want string
	for i, t := range tills {
		if s.W.Err() != nil {
			return
		}
		live, err := look(t.Node())
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return
		}
		text, err := live.text()
		if err != nil {
			s.W.Fail("%s: %v", t.Name, err)
			return
		}
		if i == 0 {
			first, want = live, text
		} else if text != want {
			s.W.Fail("%s and %s hold the same and show other things:\n%s", tills[0].Name, t.Name, difference(want, text))
			return
		}
		stored, err := t.rebuilt()
		if err != nil {
			s.W.Fail("%s, read again: %v", t.Name, err)
			return
		}
		if again, err := stored.text(); err != nil || again != text {
			s.W.Fail("%s shows other things than its disk says (%v):\n%s", t.Name, err, difference(text, again))
			return
		}
	}
	s.judgeView(first, tills)
}

// judgeView compares what tills show with what cashiers were told.
func (s *Shop) judgeView(first view, tills []*Till) {
	s.chains(first)
	there, away := s.inventory(first), s.away(tills)
	s.places(there, away)
	s.doubles(first, there.lines)
	s.money(first, away)
	s.corrections(first)
	s.signatures(first, tills)
	s.closings(first, away)
	for _, id := range slices.SortedFunc(maps.Keys(s.told.receipts), crdt.ObjectID.Compare) {
		given := s.told.receipts[id]
		hash, found := there.receipts[id]
		if found && hash != given.hash || !found && away.receipts[id] != given.hash {
			s.W.Fail("receipt %s was given out and is not there", given.number)
		}
	}
}

// chains checks every series: numbers without a gap, hashes, signatures, sums.
func (s *Shop) chains(v view) {
	series := make(map[string][]node.Receipt)
	for _, r := range v.receipts {
		if !r.Verified || r.Alarm {
			s.W.Fail("receipt %s: verified %v, alarm %v", r.Number, r.Verified, r.Alarm)
		}
		for _, p := range r.Parsed.Check() {
			s.W.Fail("receipt %s: %+v", r.Number, p)
		}
		key := r.Till.String() + " " + r.Parsed.Series
		series[key] = append(series[key], r)
	}
	for _, key := range slices.Sorted(maps.Keys(series)) {
		list := series[key]
		var documents iter.Seq2[receipt.Signed, error] = func(yield func(receipt.Signed, error) bool) {
			if o, ok := v.openings[list[0].Parsed.Series]; ok && !yield(o.Signed, nil) {
				return
			}
			for _, r := range list {
				if !yield(r.Signed, nil) {
					return
				}
			}
		}
		report, err := receipt.VerifyChain(documents, receipt.Chain{Shop: s.Tills[0].newcomer.Identity.Shop, Till: list[0].Till, Series: list[0].Parsed.Series})
		if err != nil || !report.OK() {
			s.W.Fail("series %s: %v %+v", list[0].Parsed.Series, err, report.Findings)
		}
		if last := report.Last; last != nil && last.Number != int64(len(list)) {
			s.W.Fail("series %s has %d receipts and ends at %d", list[0].Parsed.Series, len(list), last.Number)
		}
	}
}

// places checks that every line is on one tab or on receipts, and that there is nothing that nobody typed.
func (s *Shop) places(i, away inventory) {
	s.whole("tab", s.told.tabs, func(id crdt.ObjectID) (there, elsewhere bool) { return i.tabs[id], away.tabs[id] })
	s.whole("line", s.told.lines, func(id crdt.ObjectID) (there, elsewhere bool) {
		_, open := i.open[id]
		if open && len(i.lines[id]) > 0 {
			s.W.Fail("line %v is on a receipt and still on a tab", id)
		}
		_, openAway := away.open[id]
		return open || len(i.lines[id]) > 0, openAway || len(away.lines[id]) > 0
	})
	s.whole("void", s.told.voids, func(id crdt.ObjectID) (there, elsewhere bool) { return i.voids[id], away.voids[id] })
	s.nothingElse("line", s.told.lines, maps.Keys(i.open), maps.Keys(i.lines))
	s.nothingElse("tab", s.told.tabs, maps.Keys(i.tabs))
	s.nothingElse("void", s.told.voids, maps.Keys(i.voids))
}

// whole checks that what was told to be there is there, and what was refused is not.
func (s *Shop) whole(what string, m map[crdt.ObjectID]fate, find func(crdt.ObjectID) (there, elsewhere bool)) {
	for _, id := range slices.SortedFunc(maps.Keys(m), crdt.ObjectID.Compare) {
		switch there, elsewhere := find(id); {
		case there && m[id] == refused:
			s.W.Fail("%s %v was refused and is there", what, id)
		case !there && !elsewhere && m[id] == saved:
			s.W.Fail("%s %v was saved and is not there", what, id)
		}
	}
}

func (s *Shop) nothingElse(what string, m map[crdt.ObjectID]fate, lists ...iter.Seq[crdt.ObjectID]) {
	for _, list := range lists {
		for _, id := range slices.SortedFunc(list, crdt.ObjectID.Compare) {
			if _, typed := m[id]; !typed {
				s.W.Fail("%s %v is there and nobody typed it", what, id)
			}
		}
	}
}
