package receipt_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// filledTab opens a tab with random lines, voids and discounts, and pays what is due if it is to be closed.
func filledTab(t *testing.T, paid bool) (receipt.TabView, *shopTill) {
	r := seeded(t)
	s := shopOf(t, 1)[0]
	for {
		tab := s.open("Tisch 7")
		for i := range 1 + r.IntN(6) {
			l := line(r.IntN(20))
			l.Takeaway, l.Tax = r.IntN(2) == 0, pick(r, general, reduced, untaxed)
			id := s.add(tab, l)
			if r.IntN(4) == 0 {
				s.commit(receipt.NewVoid(s.newID(), receipt.Void{Line: id, Quantity: receipt.Quantity(r.IntN(2) * 500), Till: tillID(), MS: int64(i)}))
			}
			if r.IntN(3) == 0 {
				s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: id, On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: 1000, Till: tillID()}))
			}
		}
		if v := s.view(tab); paid && v.Due != 0 {
			s.pay(tab, receipt.CashType, v.Due, v.Due+500, "")
		}
		if v := s.view(tab); v.Err == nil {
			return v, s
		}
	}
}

// TestDraftIsWhatIsSigned: a signing device that is asked before there is a number confirms what then stands on the
// receipt.
func TestDraftIsWhatIsSigned(t *testing.T) {
	for range 100 {
		v, _ := filledTab(t, true)
		early := closing("K2")
		early.Number, early.Previous = 0, receipt.Digest{}
		early.Sign = func([]byte) (receipt.Signed, error) {
			return receipt.Signed{}, errors.New("a draft is signed by nobody")
		}
		draft, err := receipt.DraftClose(v, early)
		require.NoError(t, err)
		c := closing("K2")
		c.Security = receipt.Object{{Name: "transaction", Value: receipt.Int(7)}}
		closed, err := receipt.BuildClose(v, c)
		require.NoError(t, err)
		draft.Number, draft.Previous, draft.ID, draft.Security = 1, c.Previous, closed.ID, c.Security
		raw, err := draft.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(closed.Receipt.Document), string(raw))
	}
}

// TestDraftRefusesWhatCannotBeIssued: before any device is asked.
func TestDraftRefusesWhatCannotBeIssued(t *testing.T) {
	v, _ := filledTab(t, true)
	c := closing("K2")
	c.Shop.Name = ""
	_, err := receipt.DraftClose(v, c)
	require.ErrorIs(t, err, receipt.ErrDocument)
	v.Due = 1
	_, err = receipt.DraftClose(v, closing("K2"))
	require.ErrorIs(t, err, receipt.ErrNotPaid)
	_, err = receipt.DraftClose(receipt.TabView{ID: object(1)}, closing("K2"))
	require.ErrorIs(t, err, receipt.ErrNothing)
}

// TestSecureIsAskedLast: a device that needs the number sees the complete document, and its answer is what is signed.
func TestSecureIsAskedLast(t *testing.T) {
	v, _ := filledTab(t, true)
	c := closing("K2")
	c.Secure = func(d *receipt.Document) (receipt.Object, error) {
		require.EqualValues(t, 1, d.Number)
		require.Equal(t, v.Totals.Gross, d.Totals.Gross)
		return receipt.Object{{Name: "jws", Value: receipt.String("eyJhbGciOiJFUzI1NiJ9.x.y")}}, nil
	}
	closed, err := receipt.BuildClose(v, c)
	require.NoError(t, err)
	back, err := closed.Receipt.Verify(closed.ID)
	require.NoError(t, err)
	require.Equal(t, receipt.String("eyJhbGciOiJFUzI1NiJ9.x.y"), back.Security.Get("jws"))
	away := errors.New("the device is away")
	c.Secure = func(*receipt.Document) (receipt.Object, error) { return nil, away }
	_, err = receipt.BuildClose(v, c)
	require.ErrorIs(t, err, away)
	asked := false
	c.Secure = func(*receipt.Document) (receipt.Object, error) { asked = true; return nil, nil }
	c.Shop.Name = ""
	_, err = receipt.BuildClose(v, c)
	require.ErrorIs(t, err, receipt.ErrDocument)
	require.False(t, asked, "a device that was asked has used a number")
}

// TestAbortKeepsTheLinesAndComesToNothing: the lines stand in a document of their own, and the tab leaves.
func TestAbortKeepsTheLinesAndComesToNothing(t *testing.T) {
	for range 50 {
		v, s := filledTab(t, false)
		order := s.newID()
		s.commit(receipt.NewOrder(order, receipt.Order{Tab: v.ID, Lines: []crdt.ObjectID{v.Lines[0].ID}, Till: tillID(), MS: 3,
			Security: receipt.Object{{Name: "counter", Value: receipt.Int(1)}}}))
		parts := s.parts(v.ID)
		parts.Orders = append(parts.Orders, receipt.Part{ID: order, Object: s.obj(receipt.TypeOrder, order), Item: s.item(s.obj(receipt.TypeOrder, order))})
		v = receipt.View(parts)
		c := closing("K2")
		c.Reason = "Gast gegangen"
		draft, err := receipt.DraftAbort(v, c)
		require.NoError(t, err)
		closed, err := receipt.Abort(v, c)
		require.NoError(t, err)
		raw, err := draft.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(closed.Receipt.Document), string(raw))
		d := closed.Document
		require.Equal(t, receipt.KindAborted, d.Kind)
		require.Empty(t, d.Check())
		require.Equal(t, []any{receipt.Amount(0), 0, 0}, []any{d.Totals.Gross, len(d.Totals.Rates), len(d.Payments)})
		require.Len(t, d.Lines, len(v.Lines))
		require.Len(t, d.Orders, 1)
		for i, l := range v.Lines {
			require.Equal(t, l.Total.Gross, d.Lines[i].Gross)
		}
		s.commit([]crdt.Piece{closed.Piece}, nil)
		require.True(t, s.obj(receipt.TypeTab, v.ID).Gone)
		require.True(t, s.obj(receipt.TypeOrder, order).Gone, "the order leaves with its tab")
		require.Empty(t, s.view(v.ID).Lines)
	}
}

func TestAbortRefusesWhereMoneyWasTaken(t *testing.T) {
	s := shopOf(t, 1)[0]
	tab := s.open("")
	c := closing("K2")
	c.Currency = "EUR"
	empty, err := receipt.Abort(s.view(tab), c)
	require.NoError(t, err, "a tab without lines can be given up")
	require.Empty(t, empty.Document.Lines)
	s.add(tab, line(0))
	declined := s.pay(tab, "ECKarte", 350, 0, receipt.PaymentDeclined)
	sent := s.pay(tab, "ECKarte", 350, 0, receipt.PaymentSent)
	v := s.view(tab)
	_, err = receipt.Abort(v, closing("K2"))
	require.NoError(t, err)
	require.True(t, slices.Contains(v.Supersedes.Payments, declined))
	require.False(t, slices.Contains(v.Supersedes.Payments, sent), "what is still under way stays, and is a case if it is captured")
	s.pay(tab, receipt.CashType, 350, 0, "")
	_, err = receipt.Abort(s.view(tab), closing("K2"))
	require.ErrorIs(t, err, receipt.ErrPaid)
}

// TestPracticeAndSalesDoNotMix: a merge would hide a sale, or book practice.
func TestPracticeAndSalesDoNotMix(t *testing.T) {
	s := shopOf(t, 1)[0]
	real, practice := s.open("Tisch 7"), s.newID()
	s.commit(receipt.EditTab(practice, nil, receipt.TabEdit{Head: &receipt.Head{OpenedMS: 1, Till: tillID(), Training: true}}))
	s.add(real, line(0))
	s.add(practice, line(1))
	v := s.view(practice)
	s.pay(practice, receipt.CashType, v.Due, 0, "")
	closed, err := receipt.BuildClose(s.view(practice), closing("K2"))
	require.NoError(t, err)
	require.True(t, closed.Document.Training)
	s.commit(receipt.EditTab(practice, s.obj(receipt.TypeTab, practice), receipt.TabEdit{Merge: &receipt.Merge{Into: real}}))
	require.ErrorContains(t, s.view(real).Err, "practice")
	_, err = receipt.BuildClose(s.view(real), closing("K2"))
	require.Error(t, err)
}

// TestNothingIsClosedBeforeItWasBegun: clocks of two tills differ, and times of two offsets are compared as times.
func TestNothingIsClosedBeforeItWasBegun(t *testing.T) {
	for _, c := range []struct{ opened, closed, want string }{
		{"2026-09-03T22:00:05+02:00", "2026-09-03T22:00:00+02:00", "2026-09-03T22:00:00+02:00"},
		{"2026-09-03T21:59:59+02:00", "2026-09-03T22:00:00+02:00", "2026-09-03T21:59:59+02:00"},
		{"2026-10-25T02:59:00+02:00", "2026-10-25T02:01:00+01:00", "2026-10-25T02:59:00+02:00"},
		{"", "2026-09-03T22:00:00+02:00", "2026-09-03T22:00:00+02:00"},
	} {
		h := receipt.Closing{Opened: c.opened, Closed: c.closed}.Header(receipt.KindReceipt)
		require.Equal(t, c.want, h.Opened)
	}
	v, _ := filledTab(t, true)
	late := closing("K2")
	late.Time = func(int64) string { return "2026-09-03T23:00:00+02:00" }
	closed, err := receipt.BuildClose(v, late)
	require.NoError(t, err)
	require.Equal(t, late.Closed, closed.Document.Opened)
}

// TestALateLineOfPracticeIsPractice: the tab is gone with its head, so the line itself has to know what it was for.
func TestALateLineOfPracticeIsPractice(t *testing.T) {
	s := shopOf(t, 1)[0]
	gone := s.newID()
	late := line(0)
	late.Training = true
	s.add(gone, late)
	v := s.view(gone)
	require.False(t, v.Open)
	s.pay(gone, receipt.CashType, v.Due, v.Due, "")
	closed, err := receipt.BuildClose(s.view(gone), closing("K2"))
	require.NoError(t, err)
	require.True(t, closed.Document.Training)

	sale := s.open("Tisch 1")
	s.add(sale, late)
	require.ErrorIs(t, s.view(sale).Err, receipt.ErrInvalid, "practice is not sold")
}

// TestWhatAPersonDecidedGivesWayToTheTerminal: of two tills that could not hear each other, the one that asked is right.
func TestWhatAPersonDecidedGivesWayToTheTerminal(t *testing.T) {
	tills := shopOf(t, 2)
	a, b := tills[0], tills[1]
	tab := a.newID()
	hear := func(s *shopTill, c *crdt.Commit) { s.state.Apply(c) }
	hear(b, a.commit(receipt.EditTab(tab, nil, receipt.TabEdit{Head: &receipt.Head{OpenedMS: 1, Till: tillID()}})))
	id := a.newID()
	hear(b, a.commit(receipt.NewPayment(id, receipt.Payment{Tab: tab, Type: "ECKarte", Amount: 500, Till: tillID(), MS: 1}, receipt.PaymentUnknown)))
	for range 5 {
		b.open("anderswo") // what b decides is the later one
	}
	asked := a.commit(receipt.SetProgress(id, a.obj(receipt.TypePayment, id), receipt.Progress{State: receipt.PaymentCaptured, MS: 5}))
	decided := b.commit(receipt.SetProgress(id, b.obj(receipt.TypePayment, id), receipt.Progress{State: receipt.PaymentDeclined, MS: 9, ByHand: true}))
	hear(a, decided)
	hear(b, asked)
	for _, s := range tills {
		p, err := receipt.ShownProgress(s.obj(receipt.TypePayment, id))
		require.NoError(t, err)
		require.Equal(t, receipt.PaymentCaptured, p.State)
		require.EqualValues(t, 500, s.view(tab).Paid)
	}
}
