package store

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// maxRunsOfRow is how many runs one row of a context holds. Nearly every replica has a few: they are one row. A till that
// joins a shop with a past has a run for each settled receipt until the claim at the end; to write them all again with
// every batch would cost the square of the receipts.
const maxRunsOfRow = 4096

// division says how the runs of a replica are divided into rows. The first row holds the runs that begin before starts[0],
// and each other one those that begin at its start or later and before the next one's. The zero value is one row.
//
// Contexts only grow, so every row, however old, says what is true, and what the rows say together is what is held.
type division struct {
	starts []crdt.Seq
	// loose: some row holds runs that are not its own, which no batch writes but a damaged engine may give. All rows are
	// written by the next batch.
	loose bool
}

// rowOfRuns is a row of a context to be written: without runs it leaves.
type rowOfRuns struct {
	start crdt.Seq // zero for the first one
	runs  []crdt.Interval
}

// grow returns the rows to write when a replica that holds runs gains others, both sorted, and how the runs are divided
// then. Its cost grows with what is gained and the rows that this touches.
func (d division) grow(held, gained []crdt.Interval) (writes []rowOfRuns, next division) {
	if len(d.starts) == 0 && len(held)+len(gained) <= maxRunsOfRow {
		return []rowOfRuns{{runs: joined(held, gained)}}, division{}
	}
	total := len(held)
	done := 0 // rows that next has
	for _, s := range d.touched(held, gained) {
		from, to := d.within(held, s.first, s.last)
		runs := joined(held[from:to], s.gained)
		total += len(runs) - (to - from)
		for ; done < s.first; done++ {
			next.add(d.start(done))
		}
		kept := writesOf(d.start(s.first), runs)
		for _, w := range kept {
			next.add(w.start)
		}
		writes = append(writes, kept...)
		for ; done <= s.last; done++ {
			if start := d.start(done); !slices.ContainsFunc(kept, func(w rowOfRuns) bool { return w.start == start }) {
				writes = append(writes, rowOfRuns{start: start})
			}
		}
	}
	for ; done <= len(d.starts); done++ {
		next.add(d.start(done))
	}
	if len(next.starts) == 0 || total > maxRunsOfRow/2 {
		return writes, next
	}
	// So few that they are one row again.
	writes = []rowOfRuns{{runs: joined(held, gained)}}
	for _, start := range d.starts {
		writes = append(writes, rowOfRuns{start: start})
	}
	return writes, division{}
}

// add adds a row behind the others; the first one needs no word.
func (d *division) add(start crdt.Seq) {
	if start > 0 {
		d.starts = append(d.starts, start)
	}
}

// start returns where a row begins; there are len(d.starts)+1 of them.
func (d division) start(row int) crdt.Seq {
	if row == 0 {
		return 0
	}
	return d.starts[row-1]
}

// row returns the row that a run belongs to that begins after a number.
func (d division) row(after crdt.Seq) int {
	i, found := slices.BinarySearch(d.starts, after)
	if found {
		return i + 1
	}
	return i
}

// within returns which of the runs belong to the rows from first to last.
func (d division) within(runs []crdt.Interval, first, last int) (from, to int) {
	at := func(start crdt.Seq) int {
		i, _ := slices.BinarySearchFunc(runs, start, func(iv crdt.Interval, s crdt.Seq) int { return cmp.Compare(iv.After, s) })
		return i
	}
	if first > 0 {
		from = at(d.start(first))
	}
	if to = len(runs); last < len(d.starts) {
		to = at(d.start(last + 1))
	}
	return from, to
}

// stretch is rows that stand side by side, and the runs that change them.
type stretch struct {
	first, last int
	gained      []crdt.Interval
}

// touched returns the rows that hold what gained runs join, or where they belong.
func (d division) touched(held, gained []crdt.Interval) (list []stretch) {
	if d.loose {
		return []stretch{{0, len(d.starts), gained}}
	}
	begin := 0
	for n, iv := range gained {
		from := iv.After
		i, _ := slices.BinarySearchFunc(held, iv.After, func(run crdt.Interval, after crdt.Seq) int { return cmp.Compare(run.To, after) })
		if i < len(held) {
			from = min(from, held[i].After)
		}
		first, last := d.row(from), d.row(iv.To)
		if k := len(list); k > 0 && first <= list[k-1].last {
			list[k-1].last, list[k-1].gained = max(list[k-1].last, last), gained[begin:n+1]
			continue
		}
		begin = n
		list = append(list, stretch{first, last, gained[n : n+1]})
	}
	return list
}

// writesOf divides runs into rows of about equal length; the first begins at start.
func writesOf(start crdt.Seq, runs []crdt.Interval) (writes []rowOfRuns) {
	count := (len(runs) + maxRunsOfRow - 1) / maxRunsOfRow
	for part := range slices.Chunk(runs, (len(runs)+count-1)/count) {
		if len(writes) > 0 {
			start = part[0].After
		}
		writes = append(writes, rowOfRuns{start, part})
	}
	return writes
}

// joined returns the runs of both lists and changes neither.
func joined(a, b []crdt.Interval) []crdt.Interval {
	var r crdt.ReplicaID
	c := crdt.Context{r: slices.Clone(a)}
	c.AddAll(crdt.Context{r: b})
	return c[r]
}

type scopedReplica struct {
	scope   crdt.Scope
	replica crdt.ReplicaID
}

func runsKey(of scopedReplica, start crdt.Seq) []byte {
	key := replicaKey(rowContext, of.scope, of.replica)
	if start > 0 {
		key = binary.BigEndian.AppendUint64(key, uint64(start))
	}
	return key
}

// readRuns reads a row of a context.
func readRuns(key, value []byte) (of scopedReplica, r rowOfRuns, err error) {
	var rest []byte
	if of.scope, of.replica, rest, err = cutReplica(key); err != nil {
		return of, r, err
	}
	switch len(rest) {
	case 0:
	case 8:
		r.start = crdt.Seq(binary.BigEndian.Uint64(rest))
	default:
		return of, r, malformed("key of a context", nil)
	}
	rd := codec.NewReader(value)
	r.runs = crdt.ReadIntervals(rd)
	return of, r, rd.Done()
}

// takeRow adds a row to the context when the store is opened; rows of a replica come in the order of their starts.
func (s *Store) takeRow(of scopedReplica, r rowOfRuns) {
	c, d := s.context(of.scope), s.divided[of]
	have := c[of.replica]
	d.add(r.start)
	if n := len(have); n > 0 && len(r.runs) > 0 {
		d.loose = d.loose || have[n-1].After >= r.start || have[n-1].To >= r.runs[0].After
	}
	d.loose = d.loose || len(r.runs) > 0 && r.runs[0].After < r.start
	if d.loose {
		c.AddAll(crdt.Context{of.replica: r.runs})
	} else {
		c[of.replica] = append(have, r.runs...)
	}
	if len(d.starts) > 0 {
		s.divided[of] = d
	}
}

// runs appends the rows of a context that a batch changes.
func (b *batch) runs(w []rows.Write, of scopedReplica) []rows.Write {
	writes, next := b.s.divided[of].grow(b.contexts[of.scope][of.replica], b.grown[of.scope][of.replica])
	for _, r := range writes {
		one := rows.Write{Key: runsKey(of, r.start), Delete: len(r.runs) == 0}
		if !one.Delete {
			one.Value = crdt.AppendIntervals(nil, r.runs)
		}
		w = append(w, one)
	}
	if len(next.starts)+len(b.s.divided[of].starts) > 0 {
		b.divided[of] = next
	}
	return w
}
