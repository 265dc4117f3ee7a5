package book_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
)

// What was settled twice is remembered whatever its day, in whatever order the book hears of it.
func TestSettledTwiceIsNotForgotten(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.tills[0], s.tills[1]
	tab := a.open("Tisch 7")
	tea := a.add(tab)
	s.meet(a, b)
	first, _ := a.close(tab)
	more, _ := b.close(tab)
	s.meet(a, b)
	double := a.book.Cases()
	require.Len(t, double, 1)

	stored := func(c receipt.Closed) book.Stored {
		return book.Stored{Type: receipt.TypeReceipt, ID: c.ID, Object: a.obj(receipt.TypeReceipt, c.ID), Item: &c.Piece}
	}
	a.book.SettledTwice([]crdt.ObjectID{tea}, stored(first), stored(more))
	a.book.SettledTwice([]crdt.ObjectID{tea}, stored(more), stored(first))
	require.Equal(t, double, a.book.Cases(), "told twice")
	a.book.SetDay("2036-01-01")
	require.Equal(t, double, a.book.Cases(), "years later")

	// A book that is loaded then knows nothing but what it is told.
	later := book.New()
	later.SetDay("2036-01-01")
	later.Load([]book.Stored{stored(first), stored(more)})
	require.Empty(t, later.Cases())
	later.SettledTwice([]crdt.ObjectID{tea}, stored(first), stored(more))
	require.Equal(t, double, later.Cases())
}

// A payment that was moved is on the tab it was moved to.
func TestPaymentsMoveToAnotherTab(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.tills[0], s.tills[1]
	tab, other := a.open("Tisch 7"), a.open("Tisch 8")
	a.add(tab)
	s.meet(a, b)
	a.close(tab)
	late := b.pay(tab, 100, "")
	s.meet(a, b)
	orphan := func(x *till) (n int) {
		for _, c := range x.book.Cases() {
			if c.Kind == book.CaseOrphan {
				n++
			}
		}
		return n
	}
	require.Equal(t, 1, orphan(a))
	changes := a.commit(handover.MovePayment(late, a.obj(receipt.TypePayment, late), other))
	require.Equal(t, book.Paid, changes[len(changes)-1].What)
	require.Equal(t, other, changes[len(changes)-1].Tab)
	s.meet(a, b)
	for _, x := range s.tills {
		require.Zero(t, orphan(x))
		v, _, ok := x.book.Tab(other)
		require.True(t, ok)
		require.Len(t, v.Payments, 1)
		p, ok := x.book.Payment(late)
		require.True(t, ok)
		require.Equal(t, other, p.Tab)
	}
}
