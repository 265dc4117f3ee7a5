package receipt_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestCloseIsAVerifiableReceipt(t *testing.T) {
	s := shopOf(t, 1)[0]
	tab := s.open("Tisch 7")
	list := receipt.Amount(400)
	l := line(0)
	l.ListPrice, l.Overridden, l.Takeaway, l.Modifiers, l.User, l.Number = &list, true, true, []string{"ohne Zucker"}, "Jule", "101"
	tea := s.add(tab, l)
	gone := s.add(tab, line(1))
	s.commit(receipt.NewVoid(s.newID(), receipt.Void{Line: gone, Reason: "vertippt", Till: tillID(), MS: 5}))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: tea, On: receipt.OnLine, Kind: receipt.DiscountAmount, Amount: 50, Till: tillID()}))
	s.commit(receipt.EditTab(tab, s.obj(receipt.TypeTab, tab), receipt.TabEdit{Customer: &receipt.Customer{Number: "D-1", Name: "Knurrhahn"},
		Note: &receipt.Note{Text: "Allergie:\nNüsse"}}))
	s.pay(tab, receipt.CashType, 300, 500, "")
	declined := s.pay(tab, "ECKarte", 300, 0, receipt.PaymentDeclined)
	sent := s.pay(tab, "ECKarte", 300, 0, receipt.PaymentSent)

	closed, commit := s.close(tab, "K2")
	require.Equal(t, receipt.ReceiptID(crdt.ShopID{1, 2, 3}, tillID(), "K2", 1), closed.ID)
	require.Equal(t, "K2-000001", closed.Receipt.NumberText())
	back, err := receipt.ParseReceipt(commit.Pieces[0].Raw)
	require.NoError(t, err)
	require.Equal(t, closed.Receipt, back)
	d, err := back.Verify(closed.ID)
	require.NoError(t, err)
	require.Empty(t, d.Check())
	require.Equal(t, receipt.Amount(300), d.Totals.Gross)
	require.Equal(t, receipt.Amount(200), d.Totals.Change)
	require.Equal(t, "Allergie:\nNüsse", d.Note)
	require.Equal(t, "Knurrhahn", d.Customer.Name)
	require.Equal(t, &list, d.Lines[0].ListPrice)
	require.Equal(t, receipt.Takeaway, d.Lines[0].TaxKind)
	require.Len(t, d.Voids, 1)
	require.Len(t, d.Payments, 1, "only what was captured stands on the receipt")
	require.True(t, verify(t, []receipt.Signed{back.Signed}, expected()).OK())

	_, err = back.Verify(receipt.ReceiptID(crdt.ShopID{1, 2, 3}, tillID(), "K2", 2))
	require.ErrorIs(t, err, receipt.ErrInvalid)
	forged := back
	forged.Signature = slices.Clone(back.Signature)
	forged.Signature[0]++
	_, err = forged.Verify(closed.ID)
	require.ErrorIs(t, err, receipt.ErrSign)
	renumbered := back
	renumbered.Number = 2
	_, err = renumbered.Verify(closed.ID)
	require.ErrorIs(t, err, receipt.ErrInvalid)

	for k, o := range s.state.Objects {
		switch {
		case k.Type == receipt.TypeReceipt, k.Object == sent:
			require.True(t, o.Live(), "%s %v", k.Type, k.Object)
		default:
			require.False(t, o.Live(), "%s %v must leave with the closing", k.Type, k.Object)
		}
	}
	require.True(t, s.obj(receipt.TypePayment, declined).Gone)
}

func TestReceiptIDs(t *testing.T) {
	shop, till := crdt.ShopID{1}, crdt.TillID{2}
	first, last := receipt.SeriesRange(shop, till, "K2")
	previous := crdt.ObjectID{}
	for _, n := range []int64{1, 2, 255, 256, 65536, 1 << 40} {
		id := receipt.ReceiptID(shop, till, "K2", n)
		require.Equal(t, n, receipt.NumberOf(id))
		require.Positive(t, id.Compare(previous), "in the order of numbers")
		require.True(t, first.Compare(id) <= 0 && id.Compare(last) < 0)
		previous = id
	}
	for _, other := range []crdt.ObjectID{receipt.ReceiptID(shop, till, "K2b", 1), receipt.ReceiptID(shop, crdt.TillID{3}, "K2", 1),
		receipt.ReceiptID(crdt.ShopID{2}, till, "K2", 1)} {
		require.False(t, first.Compare(other) <= 0 && other.Compare(last) <= 0, "another series")
	}
}

func TestTheSameNumberTwiceIsAnAlarm(t *testing.T) {
	tills := shopOf(t, 2)
	for _, s := range tills {
		tab := s.open("")
		s.add(tab, line(0))
		s.pay(tab, receipt.CashType, 350, 0, "")
		s.close(tab, "K2")
	}
	meet(tills...)
	require.True(t, tills[0].obj(receipt.TypeReceipt, receipt.ReceiptID(crdt.ShopID{1, 2, 3}, tillID(), "K2", 1)).Alarm())
}

func TestCloseRefuses(t *testing.T) {
	s := shopOf(t, 1)[0]
	tab := s.open("")
	calls := 0
	c := closing("K2")
	sign := c.Sign
	c.Sign = func(b []byte) (receipt.Signed, error) { calls++; return sign(b) }
	try := func() error {
		_, err := receipt.BuildClose(s.view(tab), c)
		return err
	}
	require.ErrorIs(t, try(), receipt.ErrNothing)
	s.add(tab, line(0))
	require.ErrorIs(t, try(), receipt.ErrNotPaid)
	s.pay(tab, "ECKarte", 400, 0, receipt.PaymentCaptured)
	require.ErrorIs(t, try(), receipt.ErrNotPaid, "a card gives no change")
	s.add(tab, func() receipt.Line { l := line(0); l.UnitPrice = 50; return l }())
	c.Previous, c.Series = receipt.Digest{}, "no series"
	require.ErrorIs(t, try(), receipt.ErrDocument)
	require.Zero(t, calls, "the signing device is asked for a receipt without problems only")
	c.Series = "K2"
	require.NoError(t, try())
	broken := errors.New("device is away")
	c.Sign = func([]byte) (receipt.Signed, error) { return receipt.Signed{}, broken }
	require.ErrorIs(t, try(), broken)
	c.Sign = func([]byte) (receipt.Signed, error) {
		return sign([]byte(signed(t, sample(t, 1, 1), receipt.Digest{}).Document))
	}
	require.ErrorIs(t, try(), receipt.ErrSign)

	p := receipt.Parts{Tab: receipt.Part{ID: tab}}
	free := line(0)
	free.UnitPrice = 0
	for i := range receipt.MaxLines + 1 {
		p.Lines = append(p.Lines, receipt.Part{ID: crdt.ObjectID{7, byte(i >> 8), byte(i)}, Item: free.Bytes()})
	}
	_, err := receipt.BuildClose(receipt.View(p), closing("K2"))
	require.ErrorIs(t, err, receipt.ErrTooMany)
	p.Lines = p.Lines[1:]
	full, err := receipt.BuildClose(receipt.View(p), closing("K2"))
	require.NoError(t, err)
	s.commit([]crdt.Piece{full.Piece}, nil)
	t.Logf("500 lines: %d bytes", len(full.Piece.Raw))
}

// TestLateWritesAfterAClose: whatever comes in whatever order, what the closing listed leaves, what it had not seen stays.
func TestLateWritesAfterAClose(t *testing.T) {
	tills := shopOf(t, 2)
	a, b := tills[0], tills[1]
	tab := a.open("Tisch 7")
	tea := a.add(tab, line(0))
	slot := receipt.DiscountID(tab, receipt.DiscountPercent)
	discount := func(s *shopTill, percent receipt.Rate) *crdt.Commit {
		return s.commit(receipt.EditDiscount(s.obj(receipt.TypeDiscount, slot), receipt.Discount{Target: tab, On: receipt.OnTab,
			Kind: receipt.DiscountPercent, Percent: percent, Till: tillID()}))
	}
	discount(a, 1000)
	meet(tills...)

	// Apart: a closes the tab, b goes on with it.
	lateDiscount := discount(b, 2000)
	lateLine := b.add(tab, line(1))
	lateVoid := b.newID()
	b.commit(receipt.NewVoid(lateVoid, receipt.Void{Line: tea, Till: tillID()}))
	b.commit(receipt.EditTab(tab, b.obj(receipt.TypeTab, tab), receipt.TabEdit{Note: &receipt.Note{Text: "zu spät"}}))
	b.commit(receipt.MoveLine(tea, b.obj(receipt.TypeLine, tea), object(99)))
	a.pay(tab, receipt.CashType, 315, 400, "")
	closed, _ := a.close(tab, "K2")

	var all []*crdt.Commit
	for _, s := range tills {
		for _, live := range s.state.Commits[crdt.Sales] {
			all = append(all, live.Commit)
		}
	}
	meet(tills...)
	r := seeded(t)
	for range 50 {
		fresh := &shopTill{t: t, state: crdt.NewState()}
		for _, i := range r.Perm(len(all)) {
			fresh.state.Apply(all[i])
		}
		requireLate(t, fresh, closed.ID, tab, tea, slot, lateLine, lateVoid, lateDiscount.Dot)
		require.Equal(t, a.view(tab), fresh.view(tab))
	}
	requireLate(t, a, closed.ID, tab, tea, slot, lateLine, lateVoid, lateDiscount.Dot)
	requireLate(t, b, closed.ID, tab, tea, slot, lateLine, lateVoid, lateDiscount.Dot)
}

func requireLate(t *testing.T, s *shopTill, closed, tab, tea, slot, lateLine, lateVoid crdt.ObjectID, lateDiscount crdt.Dot) {
	t.Helper()
	require.True(t, s.obj(receipt.TypeReceipt, closed).Live())
	require.True(t, s.obj(receipt.TypeTab, tab).Gone, "the tab with all its registers, the late note too")
	require.True(t, s.obj(receipt.TypeLine, tea).Gone, "the line with its late move")
	require.True(t, s.obj(receipt.TypeLine, lateLine).Live(), "a late line stays")
	require.True(t, s.obj(receipt.TypeVoid, lateVoid).Live(), "a late void stays")
	siblings := s.obj(receipt.TypeDiscount, slot).Get(receipt.RegisterValue).Siblings
	require.Len(t, siblings, 1, "a late discount stays, the one before it does not come back")
	require.Equal(t, lateDiscount, siblings[0].Origin.Dot)
	v := s.view(tab)
	require.False(t, v.Open)
	require.Equal(t, lateLine, v.Lines[0].ID, "and is a continuation")
	require.Len(t, v.Lines, 1)
	require.Equal(t, receipt.Amount(2*890*8/10), v.Due)
}
