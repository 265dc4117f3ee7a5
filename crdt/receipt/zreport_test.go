package receipt_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// zreport is a closing of a small day: the drawer counted, a difference, money taken to the bank, tabs that were open.
func zreport(t testing.TB) receipt.ZReport {
	first, second := sample(t, 1, 3), sample(t, 2, 4)
	second.User, second.Payments[0].Type, second.Payments[0].Change = "Ole", "ECKarte", 0
	second.Payments[0].Tendered = second.Totals.Gross
	require.NoError(t, second.FillTotals())
	m, err := receipt.Mirror(first, []receipt.Taken{{Line: first.Lines[1].ID, Quantity: 1000}}, nil, tillID(), "Ole", first.Closed)
	require.NoError(t, err)
	training := sample(t, 8, 1)
	training.Training = true
	docs := []receipt.Document{cashMove(t, 1, receipt.CaseFloat, 20_000), first, second, takeBack(t, m, 4), aborted(t, 5), control(6), failure(7), training,
		cashMove(t, 9, receipt.CaseDifference, -150), cashMove(t, 10, receipt.CaseTransit, -20_000)}
	s := addUp(t, docs)
	z := reportOf(docs, s)
	counted := s.Drawer() + 20_000
	z.Cash = receipt.ZCash{Expected: counted + 150, Counted: &counted, Difference: -150, Dropped: 20_000, Reason: "Wechselgeldfehler",
		Pieces: []receipt.ZPiece{{Value: 5000, Count: 3}, {Value: 1, Count: int64(counted) - 15_000}}}
	z.Open = []receipt.ZTab{{ID: object(70), Name: "Tisch 7", Gross: 1250, Lines: 3, What: receipt.TabKept},
		{ID: object(71), Gross: 890, Lines: 1, What: receipt.TabHanded, To: otherTill}}
	z.Reason = "ganzer Laden, von Kasse 1"
	return z
}

func built(t testing.TB) receipt.ClosedZ {
	t.Helper()
	z, err := receipt.BuildZ(zreport(t), sign)
	require.NoError(t, err)
	return z
}

func TestClosingIsBuiltAndVerified(t *testing.T) {
	z := built(t)
	require.Equal(t, "K2 Z 1", receipt.ZText(z.Report.Series, z.Report.Number))
	first, last := receipt.ZRange(crdt.ShopID{1, 2, 3}, tillID(), "K2")
	require.True(t, first.Compare(z.ID) <= 0 && z.ID.Compare(last) <= 0)
	require.Empty(t, z.Piece.Objects, "a closing supersedes nothing")
	back, err := receipt.ParseClosing(z.Piece.Raw)
	require.NoError(t, err)
	require.Equal(t, z.Item, back)
	r, err := back.Verify(z.ID)
	require.NoError(t, err)
	require.Equal(t, z.Report.Sums, r.Sums)
	require.Equal(t, z.Hash, receipt.Hash(r.Raw()))

	_, err = back.Verify(receipt.ZID(crdt.ShopID{1, 2, 3}, tillID(), "K2", 2))
	require.ErrorIs(t, err, receipt.ErrInvalid)
	for name, change := range map[string]func(c *receipt.ClosingItem){
		"series": func(c *receipt.ClosingItem) { c.Series = "K3" },
		"number": func(c *receipt.ClosingItem) { c.Number++ },
		"day":    func(c *receipt.ClosingItem) { c.BusinessDay = "2026-09-04" },
		"from":   func(c *receipt.ClosingItem) { c.From++ },
		"to":     func(c *receipt.ClosingItem) { c.To++ },
	} {
		other := back
		change(&other)
		_, err = other.Verify(z.ID)
		require.ErrorIs(t, err, receipt.ErrInvalid, name)
	}
	back.Signature = append([]byte(nil), back.Signature...)
	back.Signature[0]++
	_, err = back.Verify(z.ID)
	require.ErrorIs(t, err, receipt.ErrSign)
	_, err = receipt.BuildZ(zreport(t), func([]byte) (receipt.Signed, error) {
		return sign([]byte("another document"))
	})
	require.ErrorIs(t, err, receipt.ErrSign)
	large := zreport(t)
	for range 12_000 {
		large.Open = append(large.Open, receipt.ZTab{ID: object(70), Name: "Tisch 7", What: receipt.TabKept})
	}
	_, err = receipt.BuildZ(large, sign)
	require.Error(t, err)
}

// TestClosingThatDoesNotHoldTogether: each number that is changed alone is noticed.
func TestClosingThatDoesNotHoldTogether(t *testing.T) {
	for name, change := range map[string]func(z *receipt.ZReport){
		"series":       func(z *receipt.ZReport) { z.Series = "K 2" },
		"number":       func(z *receipt.ZReport) { z.Number = 0 },
		"shop":         func(z *receipt.ZReport) { z.Shop.ID = crdt.ShopID{} },
		"replica":      func(z *receipt.ZReport) { z.Replica = crdt.ReplicaID{} },
		"time":         func(z *receipt.ZReport) { z.Closed = "2026-09-03 22:00" },
		"day":          func(z *receipt.ZReport) { z.BusinessDay = "2026-9-3" },
		"long reason":  func(z *receipt.ZReport) { z.Reason = strings.Repeat("ö", 201) },
		"from":         func(z *receipt.ZReport) { z.From++ },
		"to":           func(z *receipt.ZReport) { z.To++ },
		"range upside": func(z *receipt.ZReport) { z.From, z.To = 5, 3 },
		"receipts":     func(z *receipt.ZReport) { z.Sums.Counts.Receipts++ },
		"negative count": func(z *receipt.ZReport) {
			z.Sums.Counts.Training, z.Sums.Counts.Receipts = -1, z.Sums.Counts.Receipts+2
		},
		"gross": func(z *receipt.ZReport) { z.Sums.Gross++ },
		"cash":  func(z *receipt.ZReport) { z.Sums.CashTotal++ },
		"rate":  func(z *receipt.ZReport) { z.Sums.Rates[0].Gross++; z.Sums.Rates[0].Net++ },
		"net":   func(z *receipt.ZReport) { z.Sums.Rates[0].Net++ },
		"rate twice": func(z *receipt.ZReport) {
			z.Sums.Rates = append(z.Sums.Rates, receipt.DocRate{Ref: z.Sums.Rates[0].Ref})
		},
		"tax of no rate": func(z *receipt.ZReport) { z.Sums.Rates[2].Tax++; z.Sums.Rates[2].Net-- },
		"case":           func(z *receipt.ZReport) { z.Sums.Cases[0].Gross++; z.Sums.Cases[0].Net++ },
		"tax of a case": func(z *receipt.ZReport) {
			z.Sums.Cases[len(z.Sums.Cases)-1].Tax++
			z.Sums.Cases[len(z.Sums.Cases)-1].Net--
		},
		"payment":        func(z *receipt.ZReport) { z.Sums.Payments[0].Amount++ },
		"user":           func(z *receipt.ZReport) { z.Sums.Users[0].Gross++ },
		"currency":       func(z *receipt.ZReport) { z.Sums.Currencies[0].Amount++ },
		"no cash":        func(z *receipt.ZReport) { z.Sums.Currencies = nil },
		"expected":       func(z *receipt.ZReport) { z.Cash.Expected++ },
		"counted":        func(z *receipt.ZReport) { *z.Cash.Counted++ },
		"difference":     func(z *receipt.ZReport) { z.Cash.Difference++ },
		"dropped":        func(z *receipt.ZReport) { z.Cash.Dropped++ },
		"nobody counted": func(z *receipt.ZReport) { z.Cash.Counted = nil },
		"coins":          func(z *receipt.ZReport) { z.Cash.Pieces[0].Count++ },
		"coins twice":    func(z *receipt.ZReport) { z.Cash.Pieces = append(z.Cash.Pieces, receipt.ZPiece{Value: 5000}) },
		"tab":            func(z *receipt.ZReport) { z.Open[0].What = "lost" },
		"beyond all": func(z *receipt.ZReport) {
			z.Sums.Gross, z.Sums.Payments[0].Amount = receipt.MaxInteger, receipt.MaxInteger
		},
		"expected too far": func(z *receipt.ZReport) { z.Cash.Expected = receipt.MaxInteger },
	} {
		z := zreport(t)
		change(&z)
		_, err := receipt.BuildZ(z, sign)
		require.ErrorIs(t, err, receipt.ErrDocument, name)
	}
	empty := receipt.NewZSums("EUR")
	nothing, err := receipt.BuildZ(reportOf(nil, empty), sign)
	require.NoError(t, err, "a closing of no receipts")
	require.EqualValues(t, 0, nothing.Report.To)
	opened := reportOf([]receipt.Document{opening()}, addUp(t, []receipt.Document{opening()}))
	opened.From, opened.To = 0, 0
	_, err = receipt.BuildZ(opened, sign)
	require.NoError(t, err, "the first closing of a series that was opened by number 0 holds it")
}

func TestCountPieces(t *testing.T) {
	sum, err := receipt.CountPieces([]receipt.ZPiece{{Value: 5000, Count: 3}, {Value: 200, Count: 7}, {Value: 1, Count: 0}})
	require.NoError(t, err)
	require.EqualValues(t, 16_400, sum)
	for name, c := range map[string]struct {
		pieces []receipt.ZPiece
		want   error
	}{
		"no value":       {[]receipt.ZPiece{{Count: 1}}, receipt.ErrInvalid},
		"negative value": {[]receipt.ZPiece{{Value: -5, Count: 1}}, receipt.ErrInvalid},
		"negative count": {[]receipt.ZPiece{{Value: 5, Count: -1}}, receipt.ErrInvalid},
		"twice":          {[]receipt.ZPiece{{Value: 5, Count: 1}, {Value: 5, Count: 1}}, receipt.ErrInvalid},
		"too many":       {[]receipt.ZPiece{{Value: 50_000, Count: receipt.MaxInteger}}, receipt.ErrOverflow},
		"too valuable":   {[]receipt.ZPiece{{Value: receipt.MaxInteger, Count: 1}}, receipt.ErrOverflow},
		"too much":       {[]receipt.ZPiece{{Value: receipt.MaxAmount, Count: 1}, {Value: 1, Count: 1}}, receipt.ErrOverflow},
	} {
		_, err := receipt.CountPieces(c.pieces)
		require.ErrorIs(t, err, c.want, name)
	}
}

func TestEveryFieldOfAClosingSurvives(t *testing.T) {
	r := seeded(t)
	for i := range 500 {
		z := receipt.ZReport{Version: receipt.DocumentVersion}
		fill(r, reflect.ValueOf(&z).Elem(), []int{0, 0, 30, 90}[i%4])
		z.Kind = receipt.KindClosing
		b, err := z.Canonical()
		require.NoError(t, err)
		back, err := receipt.ParseZReport(b)
		require.NoError(t, err, "%s", b)
		sortUnknown(t, reflect.ValueOf(&z).Elem())
		w, g := reflect.ValueOf(z), reflect.ValueOf(back)
		for k := range w.NumField() {
			if w.Type().Field(k).IsExported() {
				require.Equal(t, w.Field(k).Interface(), g.Field(k).Interface(), w.Type().Field(k).Name)
			}
		}
		again, err := back.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		require.Equal(t, string(b), string(back.Raw()))
	}
}

func TestParseZReportRefuses(t *testing.T) {
	good := string(built(t).Item.Document)
	for _, c := range []struct {
		name, old, by string
		want          error
	}{
		{"space", `{"began"`, ` {"began"`, receipt.ErrCanonical},
		{"a receipt", `"kind":"closing"`, `"kind":"receipt"`, receipt.ErrDocument},
		{"later version", `"version":1`, `"version":2`, receipt.ErrVersion},
		{"missing", `"cash_total"`, `"cash_totel"`, receipt.ErrDocument},
		{"empty though optional", `"user":"Jule","version"`, `"user":"","version"`, receipt.ErrDocument},
		{"number as text", `"number":1,`, `"number":"1",`, receipt.ErrDocument},
	} {
		require.Contains(t, good, c.old, c.name)
		_, err := receipt.ParseZReport([]byte(strings.Replace(good, c.old, c.by, 1)))
		require.ErrorIs(t, err, c.want, c.name)
	}
}

// FuzzParseZReport holds that foreign bytes are refused, or are a closing that has exactly these bytes and can be checked
// and added to nothing without harm.
func FuzzParseZReport(f *testing.F) {
	f.Add(built(f).Item.Document)
	empty, err := receipt.BuildZ(reportOf(nil, receipt.NewZSums("EUR")), sign)
	require.NoError(f, err)
	f.Add(empty.Item.Document)
	f.Add([]byte(`{"kind":"closing","version":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		z, err := receipt.ParseZReport(b)
		if err != nil {
			return
		}
		again, err := z.Canonical()
		require.NoError(t, err)
		require.Equal(t, string(b), string(again))
		if z.Check() == nil {
			require.Equal(t, z.To-z.From+1, z.Sums.Counts.Documents)
		}
	})
}

// FuzzSums holds that no document, however it was made, stops the sums or the mirror.
func FuzzSums(f *testing.F) {
	for _, d := range []receipt.Document{sample(f, 1, 3), aborted(f, 2), control(3), failure(4), cashMove(f, 5, receipt.CaseFloat, 100)} {
		b, err := d.Canonical()
		require.NoError(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := receipt.ParseDocument(b)
		if err != nil {
			return
		}
		s := receipt.NewZSums(d.Currency)
		if s.Add(&d, receipt.Hash(b)) == nil && len(d.Check()) == 0 && d.Kind == receipt.KindReceipt && !d.Training {
			require.Equal(t, d.Totals.Gross, s.Totals().Gross)
		}
		if m, err := receipt.Mirror(d, nil, nil, otherTill, "", takenAt); err == nil {
			require.NotEmpty(t, m.Lines)
		}
	})
}
