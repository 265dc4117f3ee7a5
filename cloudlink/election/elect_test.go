package election_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/election"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestElect(t *testing.T) {
	a, b, c := crdt.TillID{1}, crdt.TillID{2}, crdt.TillID{3}
	tests := []struct {
		name string
		in   []election.Member
		want crdt.TillID
	}{
		{"nobody", nil, crdt.TillID{}},
		{"alone", []election.Member{{Till: b, Reach: election.Cannot}}, b},
		{"lowest ID", []election.Member{{Till: b, Reach: election.Can}, {Till: a, Reach: election.Can}}, a},
		{"who can before who may", []election.Member{{Till: a}, {Till: b, Reach: election.Can}}, b},
		{"who may before who cannot", []election.Member{{Till: a, Reach: election.Cannot}, {Till: b}}, b},
		{"the holder stays", []election.Member{{Till: a, Reach: election.Can}, {Till: c, Reach: election.Can, Term: 3}}, c},
		{"unless it cannot", []election.Member{{Till: a, Reach: election.Can}, {Till: c, Reach: election.Cannot, Term: 3}}, a},
		{"the newer lease", []election.Member{{Till: a, Reach: election.Can, Term: 3}, {Till: c, Reach: election.Can, Term: 4}}, c},
	}
	for _, test := range tests {
		require.Equal(t, test.want, election.Elect(test.in), test.name)
	}
}

func TestElectionObeysItsLaws(t *testing.T) {
	rnd := seeded(t)
	for range 5000 {
		members := make([]election.Member, 1+rnd.IntN(6))
		for i := range members {
			members[i] = election.Member{Till: crdt.TillID{byte(i + 1)}, Reach: election.Reach(rnd.IntN(3)), Term: rnd.Uint64N(3) * rnd.Uint64N(2)}
		}
		got := election.Elect(members)
		find := func(till crdt.TillID) election.Member {
			return members[slices.IndexFunc(members, func(m election.Member) bool { return m.Till == till })]
		}
		chosen := find(got)
		can := slices.ContainsFunc(members, func(m election.Member) bool { return m.Reach == election.Can })
		require.True(t, !can || chosen.Reach == election.Can, "%v chose one that cannot", members)

		rnd.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		require.Equal(t, got, election.Elect(members), "the order counts in %v", members)

		// Sticky: with the newest lease it stays, whoever comes or gets better.
		for i := range members {
			members[i].Term = min(members[i].Term, 2)
			if members[i].Till == got {
				members[i].Reach, members[i].Term = election.Can, 9
			}
		}
		members = append(members, election.Member{Till: crdt.TillID{0, 1}, Reach: election.Can})
		require.Equal(t, got, election.Elect(members))
		require.Equal(t, got, election.Elect(slices.DeleteFunc(slices.Clone(members), func(m election.Member) bool { return m.Till != got && rnd.IntN(2) == 0 })))
	}
}
