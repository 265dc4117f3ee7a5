package book_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

// history lets tills do random things to a few tabs, meeting now and then.
func history(t testing.TB, r *rand.Rand, steps int) *shop {
	s := newShop(t, 3)
	tabs := []crdt.ObjectID{s.newID()} // one that is never opened
	var lines []crdt.ObjectID
	pick := func(from []crdt.ObjectID) crdt.ObjectID { return from[r.IntN(len(from))] }
	for range 3 {
		tabs = append(tabs, s.tills[0].open("Tisch"))
	}
	s.meet(s.tills...)
	for range steps {
		x := s.tills[r.IntN(len(s.tills))]
		tab := pick(tabs)
		gone := func(typ string, id crdt.ObjectID) bool { o := x.obj(typ, id); return o != nil && o.Gone }
		switch n := r.IntN(20); {
		case n < 7:
			lines = append(lines, x.add(tab))
		case len(lines) == 0:
		case n < 8:
			tabs = append(tabs, x.open("neu"))
		case n < 10:
			if l := pick(lines); !gone(receipt.TypeLine, l) {
				x.commit(receipt.MoveLine(l, x.obj(receipt.TypeLine, l), tab))
			}
		case n < 12:
			x.void(pick(lines))
		case n < 14:
			if r.IntN(2) == 0 {
				x.discount(tab, receipt.OnTab, receipt.Rate(r.IntN(3)*500))
			} else {
				x.discount(pick(lines), receipt.OnLine, receipt.Rate(r.IntN(3)*500))
			}
		case n < 15:
			if into := pick(tabs); into != tab && !gone(receipt.TypeTab, tab) {
				x.merge(tab, into)
			}
		case n < 16:
			id := x.pay(tab, receipt.Amount(1+r.IntN(300)), []string{"", receipt.PaymentIntended, receipt.PaymentSent}[r.IntN(3)])
			if r.IntN(2) == 0 {
				x.commit(receipt.SetProgress(id, x.obj(receipt.TypePayment, id), receipt.Progress{State: []string{receipt.PaymentCaptured,
					receipt.PaymentDeclined}[r.IntN(2)]}))
			}
		case n < 17:
			if !gone(receipt.TypeTab, tab) {
				x.commit(receipt.EditTab(tab, x.obj(receipt.TypeTab, tab), receipt.TabEdit{Note: &receipt.Note{Text: "eilig"},
					Claim: &receipt.Claim{Till: tillID, Epoch: receipt.HolderOf(x.obj(receipt.TypeTab, tab)).Epoch + 1}}))
			}
		case n < 18:
			if v, _, ok := x.book.Tab(tab); ok && len(v.Lines) > 0 {
				x.close(v.ID)
			}
		default:
			s.meet(x, s.tills[r.IntN(len(s.tills))])
		}
		if r.IntN(8) == 0 {
			x.book.Tabs() // fills what is remembered of tabs
		}
	}
	return s
}

func TestFedAndLoadedBooksAgree(t *testing.T) {
	r := seeded(t)
	doubles, continuations, late := 0, 0, 0
	for range 60 {
		s := history(t, r, 120)
		for _, x := range s.tills {
			requireEqual(t, x.state, x.book)
		}
		s.meet(s.tills...)
		for _, x := range s.tills {
			requireEqual(t, x.state, x.book)
		}
		require.Equal(t, s.tills[0].book.Cases(), s.tills[1].book.Cases(), "the same on every till")
		for _, c := range s.tills[0].book.Cases() {
			switch c.Kind {
			case book.CaseDouble:
				doubles++
				require.Greater(t, len(c.Receipts), 1)
			case book.CaseContinuation:
				continuations++
			default:
				late++
			}
		}
	}
	require.NotZero(t, doubles)
	require.NotZero(t, continuations)
	require.NotZero(t, late)
}

func TestAnyOrderAndAnyBatches(t *testing.T) {
	r := seeded(t)
	for range 15 {
		s := history(t, r, 100)
		var first *till
		for range 4 {
			x := newTill(t, 99, s)
			order := slices.Clone(s.commits)
			r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
			for len(order) > 0 {
				n := min(len(order), 1+r.IntN(10))
				x.take(order[:n]...)
				if order = order[n:]; r.IntN(10) == 0 {
					requireEqual(t, x.state, x.book)
				}
			}
			requireEqual(t, x.state, x.book)
			if first == nil {
				first = x
				continue
			}
			require.Equal(t, first.book.Tabs(), x.book.Tabs())
			require.Equal(t, first.book.Cases(), x.book.Cases())
		}
	}
}

func TestDayOfOneTab(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.tills[0], s.tills[1]
	tab := a.open("Tisch 7")
	one := a.add(tab)
	s.meet(a, b)
	two := b.add(tab)
	s.meet(a, b)
	list := a.book.Tabs()
	require.Len(t, list, 1)
	require.Equal(t, "Tisch 7", list[0].Name)
	require.Equal(t, 2, list[0].Lines)
	require.Equal(t, book.StateOpen, list[0].State)
	require.Equal(t, 1, a.book.Len())

	closed, changes := a.close(tab)
	require.Equal(t, []book.Change{
		{Kind: book.KindTab, Tab: tab, What: book.ClosedBy, Receipt: closed.ID, Number: closed.Receipt.NumberText(), Writer: a.replica, Own: true},
		{Kind: book.KindReceipt, Receipt: closed.ID, Number: closed.Receipt.NumberText(), Writer: a.replica, Own: true},
	}, changes)
	s.meet(a, b)
	for _, x := range s.tills {
		_, _, ok := x.book.Tab(tab)
		require.False(t, ok)
		require.Zero(t, x.book.Len())
		require.Empty(t, x.book.Tabs())
		require.Empty(t, x.book.Cases())
		by, ok := x.book.Closed(tab)
		require.True(t, ok)
		require.Equal(t, closed.ID, by)
		for _, l := range []crdt.ObjectID{one, two} {
			_, ok = x.book.Line(l)
			require.False(t, ok)
		}
		_, ok = x.book.LineCount(tab)
		require.False(t, ok)
	}
	_, ok := a.book.Closed(s.newID())
	require.False(t, ok)
}

func TestChanges(t *testing.T) {
	s := newShop(t, 2)
	x, other := s.tills[0], s.tills[1]
	tab, second := x.open("A"), x.open("B")
	id := s.newID()
	own := func(c book.Change) book.Change { c.Kind, c.Writer, c.Own = book.KindTab, x.replica, true; return c }
	pieces, err := receipt.NewLine(id, tab, line(1))
	require.Equal(t, []book.Change{own(book.Change{Tab: tab, What: book.LineAdded, Line: id})}, x.commit(pieces, err), "one for item and location")
	pieces, err = receipt.MoveLine(id, x.obj(receipt.TypeLine, id), second)
	require.Equal(t, []book.Change{own(book.Change{Tab: tab, What: book.Moved, Line: id}), own(book.Change{Tab: second, What: book.Moved, Line: id})},
		x.commit(pieces, err))
	head := receipt.Head{Name: "B2", OpenedMS: 1, Till: tillID}
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Renamed})},
		x.commit(receipt.EditTab(second, x.obj(receipt.TypeTab, second), receipt.TabEdit{Head: &head})))
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Claimed})},
		x.commit(receipt.EditTab(second, x.obj(receipt.TypeTab, second), receipt.TabEdit{Claim: &receipt.Claim{Till: tillID, Epoch: 1}})))
	pieces, err = receipt.NewVoid(s.newID(), receipt.Void{Line: id, Till: tillID})
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Voided, Line: id})}, x.commit(pieces, err))
	d := receipt.Discount{Target: second, On: receipt.OnTab, Kind: receipt.DiscountPercent, Percent: 5, Till: tillID}
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Discounted})}, x.commit(receipt.EditDiscount(nil, d)))
	pieces, err = receipt.NewPayment(s.newID(), receipt.Payment{Tab: second, Type: "Bar", Amount: 5, Till: tillID}, "")
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Paid})}, x.commit(pieces, err))
	require.Equal(t, []book.Change{own(book.Change{Tab: second, What: book.Moved}), own(book.Change{Tab: tab, What: book.Moved})}, x.merge(second, tab))
	v, _, ok := x.book.Tab(second)
	require.True(t, ok)
	require.Equal(t, tab, v.ID, "the ID of a merged tab leads to where it is")

	foreign := other.take(s.commits[0])
	require.Equal(t, []book.Change{{Kind: book.KindTab, Tab: tab, What: book.Opened, Writer: x.replica}}, foreign)
	require.Empty(t, other.take(s.commits[0]), "again")
}

func TestCases(t *testing.T) {
	s := newShop(t, 2)
	a, b := s.tills[0], s.tills[1]
	tab := a.open("Tisch 7")
	tea, cake := a.add(tab), a.add(tab)
	s.meet(a, b)
	// Apart: both close the tab; b has one line more and is the primary.
	extra := b.add(tab)
	first, _ := a.close(tab)
	more, _ := b.close(tab)
	s.meet(a, b)
	double := book.Case{Kind: book.CaseDouble, Objects: []crdt.ObjectID{tea, cake}, Receipts: []crdt.ObjectID{more.ID, first.ID},
		Numbers: []string{more.Receipt.NumberText(), first.Receipt.NumberText()}}
	require.Equal(t, []book.Case{double}, a.book.Cases())
	require.Equal(t, []book.Case{double}, b.book.Cases())
	lowest, _ := a.book.Closed(tab)
	require.Equal(t, slices.MinFunc([]crdt.ObjectID{first.ID, more.ID}, crdt.ObjectID.Compare), lowest, "as the store says")

	void := a.void(extra)
	removed := a.discount(tea, receipt.OnLine, 500)
	late := a.discount(tab, receipt.OnTab, 500)
	orphan := a.pay(tab, 100, "")
	a.pay(tab, 100, receipt.PaymentIntended)
	require.Equal(t, []book.Case{
		double,
		{Kind: book.CaseLateDiscount, Objects: []crdt.ObjectID{removed}, Target: tea, Receipts: double.Receipts, Numbers: double.Numbers},
		{Kind: book.CaseLateDiscount, Tab: tab, Objects: []crdt.ObjectID{late}, Receipts: []crdt.ObjectID{lowest}, Numbers: numberOf(first, more, lowest)},
		{Kind: book.CaseLateVoid, Objects: []crdt.ObjectID{void}, Target: extra, Receipts: []crdt.ObjectID{more.ID}, Numbers: []string{more.Receipt.NumberText()}},
		{Kind: book.CaseOrphan, Tab: tab, Objects: []crdt.ObjectID{orphan}, Receipts: []crdt.ObjectID{lowest}, Numbers: numberOf(first, more, lowest)},
	}, a.book.Cases())

	a.discount(tea, receipt.OnLine, 0)
	for _, c := range a.book.Cases() {
		require.NotEqual(t, []crdt.ObjectID{removed}, c.Objects, "a discount that was removed is no case")
	}

	// A late line makes a continuation, which takes the late discount and the payment with it.
	lost := b.add(tab)
	s.meet(a, b)
	v, state, ok := a.book.Tab(tab)
	require.True(t, ok)
	require.Equal(t, book.StateContinuation, state)
	require.False(t, v.Open)
	require.Len(t, v.Payments, 2)
	require.Len(t, v.Discounts, 1)
	var kinds []book.CaseKind
	for _, c := range a.book.Cases() {
		kinds = append(kinds, c.Kind)
		if c.Kind == book.CaseContinuation {
			require.Equal(t, book.Case{Kind: book.CaseContinuation, Tab: tab, Objects: []crdt.ObjectID{lost}, Receipts: []crdt.ObjectID{lowest},
				Numbers: numberOf(first, more, lowest)}, c)
		}
	}
	require.Equal(t, []book.CaseKind{book.CaseContinuation, book.CaseDouble, book.CaseLateVoid}, kinds)
	a.close(tab)
	require.Zero(t, a.book.Len())

	// What happened days ago is not remembered.
	a.book.SetDay("no day")
	a.book.SetDay("2026-09-05")
	require.Equal(t, book.CaseDouble, a.book.Cases()[0].Kind)
	a.book.SetDay("2026-09-06")
	require.Equal(t, []book.Case{{Kind: book.CaseLateVoid, Objects: []crdt.ObjectID{void}, Target: extra}}, a.book.Cases())
}

func numberOf(x, y receipt.Closed, id crdt.ObjectID) []string {
	if x.ID == id {
		return []string{x.Receipt.NumberText()}
	}
	return []string{y.Receipt.NumberText()}
}

func TestUnreadableAndForeign(t *testing.T) {
	s := newShop(t, 1)
	x := s.tills[0]
	tab := x.open("")
	var newer crdt.Record
	newer.RequireReader(99)
	payment, l := s.newID(), s.newID()
	x.commit([]crdt.Piece{{Kind: crdt.KindItem, Type: receipt.TypePayment, Object: payment, Raw: newer.Bytes()}}, nil)
	pieces, err := receipt.NewLine(l, tab, line(1))
	require.NoError(t, err)
	pieces[0].Raw = newer.Bytes()
	x.commit(pieces, nil)
	require.Equal(t, []book.Case{{Kind: book.CaseUnreadable, Objects: []crdt.ObjectID{payment}}}, x.book.Cases())
	v, _, _ := x.book.Tab(tab)
	require.ErrorIs(t, v.Err, crdt.ErrUpdateNeeded)
	require.ErrorIs(t, v.Lines[0].Err, crdt.ErrUpdateNeeded)
	require.True(t, x.book.Tabs()[0].Blocked)
	requireEqual(t, x.state, x.book)

	catalog := *s.commits[0]
	catalog.Scope = crdt.Catalog
	fork := *s.commits[0]
	require.Empty(t, book.New().Apply([]replication.Taken{{Commit: &catalog}, {}, {Commit: &fork, Outcome: replication.Outcome{Fork: true}}}))
}

// TestReadersAndOneWriter is for the race detector: what a reader holds is never changed.
func TestReadersAndOneWriter(t *testing.T) {
	s := history(t, seeded(t), 150)
	x := newTill(t, 99, s)
	done := make(chan struct{})
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for _, sum := range x.book.Tabs() {
					if p, ok := x.book.Parts(sum.ID); ok {
						receipt.View(p)
					}
				}
				x.book.Cases()
				runtime.Gosched()
			}
		})
	}
	for _, c := range s.commits {
		x.take(c)
	}
	close(done)
	group.Wait()
	requireEqual(t, x.state, x.book)
}

// TestNothingStaysBehind: what was closed takes no memory but what is remembered on purpose.
func TestNothingStaysBehind(t *testing.T) {
	s := newShop(t, 1)
	x := s.tills[0]
	for range 200 {
		tab := x.open("")
		for range 8 {
			x.add(tab)
		}
		x.void(x.add(tab))
		x.discount(tab, receipt.OnTab, 500)
		x.close(tab)
	}
	require.Zero(t, book.Held(x.book))
}
