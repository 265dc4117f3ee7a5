package clock

import (
	"cmp"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
)

// split is the gap in the middle of the clocks. steady: this till's was right before, and it is the others that changed.
type split struct {
	lo, hi vote
	steady bool
}

// vote is what one clock says: how far it is ahead of the own one, give or take.
type vote struct {
	till     crdt.TillID // zero: this till
	offset   int64
	err      int64
	age      int64
	possible bool // it shows a time that can be
}

// votes returns what the own clock and those of reachable tills say, the earliest first.
func (c *Clock) votes() []vote {
	list := []vote{{possible: c.now.WallMS >= c.floor && !c.suspect}}
	for till, s := range c.peers {
		if v := s.best(c.now); v.age <= staleAfter {
			v.till, v.possible = till, c.now.WallMS+v.offset >= c.floor
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b vote) int { return cmp.Or(cmp.Compare(a.offset, b.offset), a.till.Compare(b.till)) })
	return list
}

// decide applies the rules of the package to what is known now.
func (c *Clock) decide() {
	if c.cloud != nil {
		if v := c.cloud.best(c.now); v.age <= staleAfter {
			c.split = nil
			c.settle(v.offset, Cloud)
			c.byCloud = c.agreed
			return
		}
		c.cloud = nil
	}
	all := c.votes()
	for _, v := range all {
		far := abs(v.offset)-v.err >= Tolerance
		c.contradicted = c.contradicted || far
		if !far && !v.till.IsZero() && !c.suspect && len(c.met) < maxPeers {
			c.met[v.till] = true
		}
	}
	if len(all) == 1 {
		c.split = nil
		c.alone()
		return
	}
	valid := slices.DeleteFunc(slices.Clone(all), func(v vote) bool { return !v.possible })
	if len(valid) == 0 {
		c.contradicted, c.split = true, nil
		return // all of them are wrong
	}
	lo, hi := valid[(len(valid)-1)/2], valid[len(valid)/2]
	if hi.offset-lo.offset-lo.err-hi.err >= Tolerance {
		c.split = &split{lo: lo, hi: hi, steady: c.steady(valid)}
		return
	}
	c.split = nil
	c.settle(min(max(0, lo.offset), hi.offset), Tills)
}

// steady reports whether the own clock was found right in this run by the cloud or by each of those that now contradict it.
func (c *Clock) steady(votes []vote) bool {
	if !c.agreed || c.suspect {
		return false
	}
	return c.byCloud || !slices.ContainsFunc(votes, func(v vote) bool {
		return abs(v.offset)-v.err >= Tolerance && !c.met[v.till]
	})
}

// alone keeps what was decided last.
func (c *Clock) alone() {
	if c.source > Remembered {
		c.source = Remembered
	}
	if c.now.WallMS+c.offset < c.floor {
		c.offset = c.floor - c.now.WallMS
	}
}

func (c *Clock) settle(offset int64, from Source) {
	c.offset, c.source, c.decided, c.pending = offset, from, true, false
	c.decidedMS = c.now.WallMS + offset
	if c.agreed = abs(offset) < Tolerance; c.agreed {
		c.suspect = false
	}
	c.contradicted = c.contradicted || !c.agreed
}
