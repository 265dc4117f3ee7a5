package store

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// TestRowsOfRunsSayWhatThePlainFormSays: whatever a replica gains, near the end, anywhere, a little or a lot, its rows
// together are its runs, each row holds its own and not too many, and what is read back divides alike.
func TestRowsOfRunsSayWhatThePlainFormSays(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	of := scopedReplica{crdt.Sales, crdt.ReplicaID{1}}
	for range 6 {
		var plain []crdt.Interval
		var d division
		rows := make(map[crdt.Seq][]crdt.Interval)
		last := crdt.Seq(1)
		most := 0
		for step := range 120 {
			gained := gain(random, plain, &last, step)
			if len(gained) == 0 {
				continue
			}
			if random.IntN(20) == 0 {
				d.loose = true // as if a row had been found where it does not belong
			}
			writes, next := d.grow(plain, gained)
			plain, d = joined(plain, gained), next
			for _, w := range writes {
				if len(w.runs) == 0 {
					delete(rows, w.start)
				} else {
					rows[w.start] = w.runs
				}
			}
			most = max(most, len(d.starts))
			requireRows(t, rows, plain, d)
			if random.IntN(10) == 0 {
				d = reopened(t, of, rows, plain, d)
			}
		}
		require.Greater(t, most, 2, "nothing was divided")
	}
}

// gain returns runs that a replica may gain, not all of them new.
func gain(random *rand.Rand, plain []crdt.Interval, last *crdt.Seq, step int) []crdt.Interval {
	c := make(crdt.Context)
	var r crdt.ReplicaID
	switch n := random.IntN(12); {
	case n < 6: // a batch of a join: a gap before each
		for range 1 + random.IntN(3000) {
			*last += crdt.Seq(2 + random.IntN(3))
			c.Add(r, crdt.Interval{After: *last - 1, To: *last})
		}
	case n < 10: // some anywhere
		for range 1 + random.IntN(40) {
			from := 1 + crdt.Seq(random.Uint64N(uint64(*last)+10))
			c.Add(r, crdt.Interval{After: from, To: from + crdt.Seq(1+random.IntN(5))})
		}
	case n < 11 && len(plain) > 0: // a part joins up
		from, to := random.IntN(len(plain)), random.IntN(len(plain))
		c.Add(r, crdt.Interval{After: plain[min(from, to)].After, To: plain[max(from, to)].To})
	case step%40 == 39: // all of it does
		c.Add(r, crdt.Interval{After: 0, To: *last})
	}
	return c[r]
}

func requireRows(t *testing.T, rows map[crdt.Seq][]crdt.Interval, plain []crdt.Interval, d division) {
	t.Helper()
	require.False(t, d.loose)
	require.True(t, slices.IsSorted(d.starts))
	var all []crdt.Interval
	for row := range len(d.starts) + 1 {
		runs := rows[d.start(row)]
		from, to := d.within(plain, row, row)
		require.Equal(t, to-from, len(runs))
		require.LessOrEqual(t, len(runs), maxRunsOfRow)
		all = append(all, runs...)
	}
	require.True(t, slices.Equal(plain, all))
	require.LessOrEqual(t, len(rows), len(d.starts)+1, "no other row is left")
	if len(plain) <= maxRunsOfRow/2 {
		require.Empty(t, d.starts, "few runs are one row")
	}
}

func reopened(t *testing.T, of scopedReplica, rows map[crdt.Seq][]crdt.Interval, plain []crdt.Interval, d division) division {
	t.Helper()
	s := &Store{contexts: make(map[crdt.Scope]crdt.Context), divided: make(map[scopedReplica]division)}
	starts := make([]crdt.Seq, 0, len(rows))
	for start := range rows {
		starts = append(starts, start)
	}
	slices.Sort(starts)
	for _, start := range starts {
		key, value := runsKey(of, start), crdt.AppendIntervals(nil, rows[start])
		back, r, err := readRuns(key, value)
		require.NoError(t, err)
		require.Equal(t, of, back)
		s.takeRow(of, r)
	}
	require.True(t, slices.Equal(plain, s.contexts[of.scope][of.replica]))
	require.Equal(t, d, s.divided[of])
	return s.divided[of]
}

// TestRowsOfRunsThatDoNotFit: rows that overlap, as an engine may give that lost removals, say together what is held, and
// the next change puts them right.
func TestRowsOfRunsThatDoNotFit(t *testing.T) {
	of := scopedReplica{crdt.Sales, crdt.ReplicaID{1}}
	s := &Store{contexts: make(map[crdt.Scope]crdt.Context), divided: make(map[scopedReplica]division)}
	s.takeRow(of, rowOfRuns{0, []crdt.Interval{{After: 0, To: 100}}})
	s.takeRow(of, rowOfRuns{50, []crdt.Interval{{After: 50, To: 60}, {After: 90, To: 120}}})
	s.takeRow(of, rowOfRuns{300, []crdt.Interval{{After: 200, To: 201}, {After: 300, To: 400}}})
	plain := s.contexts[of.scope][of.replica]
	require.Equal(t, []crdt.Interval{{After: 0, To: 120}, {After: 200, To: 201}, {After: 300, To: 400}}, plain)
	writes, next := s.divided[of].grow(plain, []crdt.Interval{{After: 500, To: 501}})
	require.Equal(t, []rowOfRuns{{0, append(slices.Clone(plain), crdt.Interval{After: 500, To: 501})}, {start: 50}, {start: 300}}, writes)
	require.Equal(t, division{}, next)
}

// FuzzRowsOfRuns: whatever a context row holds, it is read or refused, and what is read is written alike.
func FuzzRowsOfRuns(f *testing.F) {
	of := scopedReplica{crdt.Sales, crdt.ReplicaID{1}}
	f.Add(runsKey(of, 0), crdt.AppendIntervals(nil, []crdt.Interval{{After: 0, To: 3}, {After: 9, To: 12}}))
	f.Add(runsKey(of, 7), crdt.AppendIntervals(nil, []crdt.Interval{{After: 7, To: 8}}))
	f.Add(runsKey(of, 7)[:20], []byte{0x90})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if len(key) == 0 {
			return // no engine has such a row
		}
		of, r, err := readRuns(key, value)
		if err != nil {
			return
		}
		s := &Store{contexts: make(map[crdt.Scope]crdt.Context), divided: make(map[scopedReplica]division)}
		s.takeRow(of, r)
		writes, _ := s.divided[of].grow(s.contexts[of.scope][of.replica], []crdt.Interval{{After: 5, To: 6}})
		held := make(crdt.Context)
		for _, w := range writes {
			held.AddAll(crdt.Context{of.replica: w.runs})
		}
		require.True(t, held.Covers(crdt.Context{of.replica: r.runs}))
	})
}
