package shop_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// takeover is what one till took from the files of another.
func takeover(by, from *device) shop.Takeover {
	return shop.Takeover{From: from.id, By: by.id, Person: "Jule", MS: 1_780_000_000_000, ID: crdt.Hash{7}, Commits: 9, Receipts: 4,
		Numbers: []shop.NumberRun{{Series: "K5", First: 51, Last: 54}, {Series: "K5b", First: 1, Last: 1}}}
}

func TestTakeoversAreKnownWhoeverSignedThem(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	r := roster(t, s, first, admission(t, s, f, a, "K2", 2))
	add := func(o shop.Takeover, by *device) {
		p, err := o.Sign(s, by.key)
		require.NoError(t, err)
		require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw))
		require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw), "twice is once")
	}
	add(takeover(f, a), f)
	later := takeover(a, f)
	later.MS++
	add(later, a)
	add(takeover(b, a), b)
	require.Equal(t, []shop.Takeover{later, takeover(f, a)}, r.Takeovers(), "b is no till of the shop")
	require.Len(t, r.Problems(), 1)
	require.True(t, later.Holds("K5", 54))
	require.False(t, later.Holds("K5", 55))
	require.False(t, later.Holds("K5b", 54))
	_, err := takeover(f, a).Sign(s, a.key)
	require.ErrorIs(t, err, shop.ErrSignature)
}

func TestATakeoverThatCannotBe(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	for name, change := range map[string]func(*shop.Takeover){
		"no till":       func(o *shop.Takeover) { o.From = crdt.TillID{} },
		"nothing":       func(o *shop.Takeover) { o.Commits = 0 },
		"no ID":         func(o *shop.Takeover) { o.ID = crdt.Hash{} },
		"many receipts": func(o *shop.Takeover) { o.Receipts = 64*o.Commits + 1 },
		"order":         func(o *shop.Takeover) { o.Numbers[0], o.Numbers[1] = o.Numbers[1], o.Numbers[0] },
		"backwards":     func(o *shop.Takeover) { o.Numbers[0].Last = 1 },
		"series":        func(o *shop.Takeover) { o.Numbers[0].Series = "X" },
		"many runs":     func(o *shop.Takeover) { o.Numbers = make([]shop.NumberRun, shop.MaxNumberRuns+1) },
	} {
		o := takeover(f, a)
		change(&o)
		require.ErrorIs(t, o.Check(), shop.ErrInvalid, name)
	}
}
