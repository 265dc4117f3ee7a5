package receipt_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

func TestViewOfATab(t *testing.T) {
	s := shopOf(t, 1)[0]
	tab := s.open("Tisch 7")
	tea := s.add(tab, line(0))   // 1 x 3.50
	rolls := s.add(tab, line(1)) // 2 x 8.90
	s.commit(receipt.NewVoid(s.newID(), receipt.Void{Line: rolls, Quantity: 1000, Reason: "Bruch", Till: tillID(), MS: 5}))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: tea, On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: 1000, Till: tillID()}))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: tab, On: receipt.OnTab, Kind: receipt.DiscountAmount, Amount: 100, Till: tillID()}))
	s.commit(receipt.EditTab(tab, s.obj(receipt.TypeTab, tab), receipt.TabEdit{Note: &receipt.Note{Text: "eilig"}}))

	v := s.view(tab)
	require.NoError(t, v.Err)
	require.Empty(t, v.Problems)
	require.Empty(t, v.Conflicts)
	require.True(t, v.Open)
	require.Equal(t, "Tisch 7", v.Head.Name)
	require.Equal(t, "eilig", v.Note.Text)
	require.Equal(t, receipt.Holder{Till: tillID(), User: "Jule", MS: 1_788_000_000_000, Replica: s.replica}, v.Holder)
	require.Equal(t, "EUR", v.Currency)
	require.Len(t, v.Lines, 2)
	require.Equal(t, receipt.Quantity(1000), v.Lines[1].Voided)
	require.Equal(t, receipt.Amount(-35), v.Lines[0].Discounts[0].Amount)
	require.Equal(t, receipt.Amount(-100), v.Discounts[0].Amount)
	require.Equal(t, receipt.Amount(350-35+890-100), v.Totals.Gross)
	require.Equal(t, v.Totals.Gross, v.Due)

	s.pay(tab, "ECKarte", 500, 0, receipt.PaymentSent)
	require.Equal(t, receipt.Amount(0), s.view(tab).Paid, "what was only sent does not count")
	card := s.pay(tab, "ECKarte", 500, 0, receipt.PaymentSent)
	s.commit(receipt.SetProgress(card, s.obj(receipt.TypePayment, card), receipt.Progress{State: receipt.PaymentCaptured, MS: 1}))
	s.pay(tab, receipt.CashType, 605, 1000, "")
	v = s.view(tab)
	require.Equal(t, receipt.Amount(1105), v.Paid)
	require.Equal(t, receipt.Amount(395), v.Change)
	require.Zero(t, v.Due)
}

func TestMoneyBeyondTheTotalComesBackFromCash(t *testing.T) {
	for _, c := range []struct {
		name             string
		line             receipt.Line
		payments         [][2]receipt.Amount // type cash if the second is 1
		due, change, all receipt.Amount
	}{
		{"exact", line(0), [][2]receipt.Amount{{350, 1}}, 0, 0, 350},
		{"too little", line(0), [][2]receipt.Amount{{300, 1}}, 50, 0, 300},
		{"too much cash", line(0), [][2]receipt.Amount{{300, 1}, {100, 1}}, 0, 50, 400},
		{"too much on the card", line(0), [][2]receipt.Amount{{400, 0}}, -50, 0, 400},
		{"card and cash", line(0), [][2]receipt.Amount{{340, 0}, {100, 1}}, 0, 90, 440},
		{"nothing due", zeroed(line(0)), [][2]receipt.Amount{{100, 1}}, 0, 100, 100},
		{"refund", returned(line(0)), [][2]receipt.Amount{{-350, 1}}, 0, 0, -350},
		{"refund not paid out", returned(line(0)), nil, -350, 0, 0},
		{"refund of too much", returned(line(0)), [][2]receipt.Amount{{-400, 1}}, 0, -50, -400},
		{"refund paid in", returned(line(0)), [][2]receipt.Amount{{100, 1}}, -350, 100, 100},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shopOf(t, 1)[0]
			tab := s.open("")
			s.add(tab, c.line)
			for _, p := range c.payments {
				typ := "ECKarte"
				if p[1] == 1 {
					typ = receipt.CashType
				}
				s.pay(tab, typ, p[0], 0, "")
			}
			v := s.view(tab)
			require.NoError(t, v.Err)
			require.Equal(t, c.due, v.Due, "due")
			require.Equal(t, c.change, v.Change, "change")
			require.Equal(t, c.all, v.Paid, "paid")
			require.Equal(t, v.Totals.Gross, v.Paid-v.Change+v.Due)
			_, err := receipt.BuildClose(v, closing("K2"))
			require.Equal(t, c.due != 0, errors.Is(err, receipt.ErrNotPaid), "%v", err)
			require.Equal(t, c.due == 0, err == nil)
		})
	}
}

func returned(l receipt.Line) receipt.Line { l.Quantity = -l.Quantity; return l }
func zeroed(l receipt.Line) receipt.Line   { l.UnitPrice = 0; return l }

func TestDiscountThatBecameTooLarge(t *testing.T) {
	s := shopOf(t, 1)[0]
	tab := s.open("")
	tea := s.add(tab, line(0))
	s.add(tab, line(4))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: tea, On: receipt.OnLine, Kind: receipt.DiscountAmount, Amount: 400, Till: tillID()}))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: tab, On: receipt.OnTab, Kind: receipt.DiscountPercent, Percent: 1000, Till: tillID()}))
	v := s.view(tab)
	require.True(t, v.Lines[0].Discounts[0].Refused)
	require.ErrorIs(t, v.Err, receipt.ErrDiscount)
	require.Equal(t, receipt.ProblemDiscount, v.Problems[0].Code)
	gross := receipt.Amount(350 + 700)
	require.Equal(t, gross-gross/10, v.Totals.Gross, "the others still count")
	require.Equal(t, -gross/10, v.Discounts[0].Amount)
	_, err := receipt.BuildClose(v, closing("K2"))
	require.ErrorIs(t, err, receipt.ErrDiscount)
	require.NotErrorIs(t, err, receipt.ErrNotPaid)

	slot := receipt.DiscountID(tea, receipt.DiscountAmount)
	s.commit(receipt.EditDiscount(s.obj(receipt.TypeDiscount, slot), receipt.Discount{Target: tea, On: receipt.OnLine, Kind: receipt.DiscountAmount, Till: tillID()}))
	v = s.view(tab)
	require.NoError(t, v.Err)
	require.Empty(t, v.Lines[0].Discounts)
	require.Len(t, v.Supersedes.Discounts, 2, "a removed discount leaves with the closing too")
	pieces, err := receipt.EditDiscount(nil, receipt.Discount{Target: tea, On: receipt.OnLine, Kind: receipt.DiscountAmount, Till: tillID()})
	require.NoError(t, err)
	require.Empty(t, pieces, "nothing to remove")
}

func TestTheHigherEpochHolds(t *testing.T) {
	tills := shopOf(t, 3)
	a, b, c := tills[0], tills[1], tills[2]
	tab := a.open("Tisch 1")
	meet(tills...)
	claim := func(s *shopTill, till byte, epoch uint64) {
		s.commit(receipt.EditTab(tab, s.obj(receipt.TypeTab, tab), receipt.TabEdit{Claim: &receipt.Claim{Till: crdt.TillID{till}, Epoch: epoch}}))
	}
	for range 5 { // later stamps, which must not decide
		claim(c, 3, receipt.HolderOf(c.obj(receipt.TypeTab, tab)).Epoch+1)
	}
	require.Equal(t, uint64(5), c.view(tab).Holder.Epoch)
	claim(b, 2, 5)
	meet(tills...)
	for _, s := range tills {
		v := s.view(tab)
		require.Equal(t, crdt.TillID{2}, v.Holder.Till, "of equal epochs the smaller replica holds")
		require.Empty(t, v.Conflicts, "claims are decided by a rule, not by a person")
	}
	claim(a, 1, 6)
	meet(tills...)
	require.Equal(t, crdt.TillID{1}, c.view(tab).Holder.Till)
}

func TestConflictsAreShownAndDecided(t *testing.T) {
	tills := shopOf(t, 2)
	a, b := tills[0], tills[1]
	one, two := a.open("1"), a.open("2")
	l := a.add(one, line(0))
	meet(tills...)
	rename := func(s *shopTill, name string) {
		s.commit(receipt.EditTab(one, s.obj(receipt.TypeTab, one), receipt.TabEdit{Head: &receipt.Head{Name: name, OpenedMS: 1, Till: tillID()},
			Resolve: []string{receipt.RegisterHead}}))
	}
	rename(a, "links")
	rename(b, "rechts")
	a.commit(receipt.MoveLine(l, a.obj(receipt.TypeLine, l), two))
	third := b.open("3")
	b.commit(receipt.MoveLine(l, b.obj(receipt.TypeLine, l), third))
	meet(tills...)
	require.Equal(t, a.view(one), b.view(one))
	require.Equal(t, receipt.RegisterHead, a.view(one).Conflicts[0].Register)
	require.Len(t, a.view(one).Conflicts[0].Values, 2)
	where, ok := receipt.Locate(a.obj(receipt.TypeLine, l), a.mergeOf)
	require.True(t, ok)
	require.Equal(t, receipt.RegisterLocation, a.view(where).Conflicts[0].Register)
	require.Empty(t, a.view(one).Lines, "a line is on one tab")

	rename(b, "rechts")
	pieces, err := receipt.MoveLine(l, a.obj(receipt.TypeLine, l), where)
	a.commit(pieces, err)
	meet(tills...)
	require.Empty(t, a.view(one).Conflicts)
	require.Empty(t, a.view(where).Conflicts)
	pieces, err = receipt.MoveLine(l, a.obj(receipt.TypeLine, l), where)
	require.NoError(t, err)
	require.Empty(t, pieces, "it is there")
}

func TestResolveTab(t *testing.T) {
	merges := map[byte]byte{2: 1, 3: 2, 10: 11, 11: 12, 12: 10, 20: 11, 21: 20, 30: 30}
	mergeOf := func(id crdt.ObjectID) (crdt.ObjectID, bool) {
		into, ok := merges[id[15]]
		return object(into), ok
	}
	for from, want := range map[byte]byte{1: 1, 2: 1, 3: 1, 10: 10, 11: 10, 12: 10, 20: 10, 21: 10, 30: 30, 99: 99} {
		require.Equal(t, object(want), receipt.ResolveTab(object(from), mergeOf), "from %d", from)
	}
}

func TestMergedTabs(t *testing.T) {
	s := shopOf(t, 1)[0]
	a, b := s.open("A"), s.open("B")
	s.add(a, line(0))
	late := s.add(b, line(4))
	s.commit(receipt.EditDiscount(nil, receipt.Discount{Target: b, On: receipt.OnTab, Kind: receipt.DiscountPercent, Percent: 1000, Till: tillID()}))
	s.commit(receipt.EditTab(b, s.obj(receipt.TypeTab, b), receipt.TabEdit{Merge: &receipt.Merge{Into: a}}))
	v := s.view(a)
	require.NoError(t, v.Err)
	require.Len(t, v.Lines, 2)
	require.Equal(t, []receipt.TabName{{ID: b, Name: "B"}}, v.Merged)
	require.Equal(t, receipt.ProblemMerged, v.Problems[0].Code)
	require.Equal(t, receipt.Amount(1050), v.Totals.Gross, "a discount on a tab that was merged away does not apply")
	require.Empty(t, s.view(b).Lines)
	s.pay(b, receipt.CashType, 1050, 2000, "")
	closed, _ := s.close(a, "K2")
	require.Equal(t, []receipt.DocTab{{ID: a, Name: "A"}, {ID: b, Name: "B"}}, closed.Document.Tabs)
	require.Equal(t, b, closed.Document.Lines[1].Tab)
	for _, k := range []crdt.ObjectID{a, b} {
		require.True(t, s.obj(receipt.TypeTab, k).Gone)
	}
	require.True(t, s.obj(receipt.TypeLine, late).Gone)
	_, err := receipt.EditTab(a, nil, receipt.TabEdit{Merge: &receipt.Merge{Into: a}})
	require.ErrorIs(t, err, receipt.ErrInvalid)
}

func TestPartsThatCannotBeUsedStopTheClosingOnly(t *testing.T) {
	newer := crdt.Record{}
	newer.RequireReader(9)
	good := receipt.Part{ID: object(1), Item: line(0).Bytes()}
	dollars := line(0)
	dollars.Currency = "USD"
	free := line(0)
	free.UnitPrice = receipt.MaxAmount / 2
	huge := func(id byte) receipt.Part { return receipt.Part{ID: object(id), Item: free.Bytes()} }
	register := func(name string, raw []byte) *crdt.Object {
		return &crdt.Object{Registers: []crdt.Register{{Name: name, Siblings: []crdt.Sibling{{Raw: raw}}}}}
	}
	for name, c := range map[string]struct {
		parts receipt.Parts
		want  error
		code  string
	}{
		"newer line":     {receipt.Parts{Lines: []receipt.Part{good, {ID: object(2), Item: newer.Bytes()}}}, crdt.ErrUpdateNeeded, receipt.ProblemUnreadable},
		"newer void":     {receipt.Parts{Lines: []receipt.Part{good}, Voids: []receipt.Part{{Item: newer.Bytes()}}}, crdt.ErrUpdateNeeded, receipt.ProblemUnreadable},
		"newer payment":  {receipt.Parts{Lines: []receipt.Part{good}, Payments: []receipt.Part{{Item: newer.Bytes()}}}, crdt.ErrUpdateNeeded, receipt.ProblemUnreadable},
		"newer tab":      {receipt.Parts{Lines: []receipt.Part{good}, Tab: receipt.Part{Object: register("head", newer.Bytes())}}, crdt.ErrUpdateNeeded, receipt.ProblemUnreadable},
		"newer discount": {receipt.Parts{Lines: []receipt.Part{good}, Discounts: []receipt.Part{{Object: register("value", newer.Bytes())}}}, crdt.ErrUpdateNeeded, receipt.ProblemUnreadable},
		"void elsewhere": {receipt.Parts{Lines: []receipt.Part{good}, Voids: []receipt.Part{{Item: receipt.Void{Line: object(9), Till: tillID()}.Bytes()}}}, receipt.ErrInvalid, receipt.ProblemUnknown},
		"currencies":     {receipt.Parts{Lines: []receipt.Part{good, {ID: object(2), Item: dollars.Bytes()}}}, receipt.ErrInvalid, receipt.ProblemCurrency},
		"overflow":       {receipt.Parts{Lines: []receipt.Part{huge(1), huge(2), huge(3)}}, receipt.ErrOverflow, receipt.ProblemTotal},
	} {
		t.Run(name, func(t *testing.T) {
			v := receipt.View(c.parts)
			require.ErrorIs(t, v.Err, c.want)
			require.Equal(t, c.code, v.Problems[0].Code)
			_, err := receipt.BuildClose(v, closing("K2"))
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestValuesAgainstTheRules(t *testing.T) {
	long := strings.Repeat("x", receipt.MaxText+1)
	bad := func(change func(*receipt.Line)) receipt.Line { l := line(0); change(&l); return l }
	lines := map[string]receipt.Line{
		"zero quantity":  bad(func(l *receipt.Line) { l.Quantity = 0 }),
		"overflow":       bad(func(l *receipt.Line) { l.UnitPrice, l.Quantity = receipt.MaxAmount, 2000 }),
		"min quantity":   bad(func(l *receipt.Line) { l.Quantity = math.MinInt64 }),
		"no name":        bad(func(l *receipt.Line) { l.Name = "" }),
		"long user":      bad(func(l *receipt.Line) { l.User = long }),
		"control":        bad(func(l *receipt.Line) { l.Name = "a\x07" }),
		"not UTF-8":      bad(func(l *receipt.Line) { l.Unit = "\xff" }),
		"rate":           bad(func(l *receipt.Line) { l.Tax.Rate = 10001 }),
		"currency":       bad(func(l *receipt.Line) { l.Currency = "euro" }),
		"no till":        bad(func(l *receipt.Line) { l.Till = crdt.TillID{} }),
		"time":           bad(func(l *receipt.Line) { l.MS = -1 }),
		"many modifiers": bad(func(l *receipt.Line) { l.Modifiers = make([]string, 51) }),
	}
	for name, l := range lines {
		_, err := receipt.NewLine(object(1), object(2), l)
		require.Error(t, err, name)
		_, err = receipt.ParseLine(l.Bytes())
		require.Equal(t, name != "zero quantity", err != nil, "%s: %v", name, err) // a quantity that is not there is 1
	}
	_, err := receipt.NewLine(object(1), crdt.ObjectID{}, line(0))
	require.ErrorIs(t, err, receipt.ErrInvalid, "no tab")
	_, err = receipt.NewLine(crdt.ObjectID{}, object(1), line(0))
	require.ErrorIs(t, err, receipt.ErrInvalid, "no ID")
	for name, p := range map[string]receipt.Payment{
		"zero":           {Tab: object(1), Type: "Bar", Till: tillID()},
		"too little":     {Tab: object(1), Type: "Bar", Amount: 5, Tendered: 4, Till: tillID()},
		"other sign":     {Tab: object(1), Type: "Bar", Amount: 5, Tendered: -5, Till: tillID()},
		"change on card": {Tab: object(1), Type: "ECKarte", Amount: 5, Tendered: 6, Till: tillID()},
		"overflow":       {Tab: object(1), Type: "Bar", Amount: receipt.MaxAmount + 1, Till: tillID()},
		"least":          {Tab: object(1), Type: "Bar", Amount: math.MinInt64, Till: tillID()},
		"no tab":         {Type: "Bar", Amount: 5, Till: tillID()},
	} {
		_, err := receipt.NewPayment(object(9), p, "")
		require.Error(t, err, name)
	}
	for name, d := range map[string]receipt.Discount{
		"both":     {Target: object(1), On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: 5, Amount: 5, Till: tillID()},
		"negative": {Target: object(1), On: receipt.OnLine, Kind: receipt.DiscountAmount, Amount: -5, Till: tillID()},
		"rate":     {Target: object(1), On: receipt.OnLine, Kind: receipt.DiscountPercent, Percent: 10001, Till: tillID()},
		"on what":  {Target: object(1), On: "shop", Kind: receipt.DiscountPercent, Percent: 5, Till: tillID()},
		"kind":     {Target: object(1), On: receipt.OnTab, Kind: "gift", Percent: 5, Till: tillID()},
		"nowhere":  {On: receipt.OnTab, Kind: receipt.DiscountPercent, Percent: 5, Till: tillID()},
	} {
		_, err := receipt.EditDiscount(nil, d)
		require.Error(t, err, name)
	}
	_, err = receipt.NewVoid(object(1), receipt.Void{Line: object(2), Quantity: -1, Till: tillID()})
	require.ErrorIs(t, err, receipt.ErrQuantity)
	for name, e := range map[string]receipt.TabEdit{
		"epoch": {Claim: &receipt.Claim{Till: tillID()}},
		"note":  {Note: &receipt.Note{Text: strings.Repeat("ä", receipt.MaxNote+1)}},
		"name":  {Head: &receipt.Head{Name: long, Till: tillID()}},
	} {
		_, err := receipt.EditTab(object(1), nil, e)
		require.ErrorIs(t, err, receipt.ErrInvalid, name)
	}
}
