package receipt_test

import (
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

var otherTill = crdt.TillID{7}

const takenAt = "2026-09-04T10:00:00+02:00"

// takeBack makes the receipt that a mirror stands on, paid back in cash.
func takeBack(t testing.TB, m receipt.Mirrored, number int64) receipt.Document {
	t.Helper()
	d := header(receipt.KindReceipt, number)
	d.Opened, d.Closed = takenAt, takenAt
	d.Lines, d.References, d.Reason = m.Lines, m.References, "Reklamation"
	require.NoError(t, d.FillTotals())
	if d.Totals.Gross != 0 {
		d.Payments = []receipt.DocPayment{{ID: object(120), Type: "Bar", Tendered: d.Totals.Gross, Till: tillID(), Time: d.Closed}}
	}
	require.NoError(t, d.FillTotals())
	if problems := d.Check(); len(problems) > 0 {
		require.Empty(t, problems)
	}
	return d
}

// TestFullCancelIsTheExactMirror: every number of it, also at each tax and of each line, is that of the receipt with the
// other sign.
func TestFullCancelIsTheExactMirror(t *testing.T) {
	r := seeded(t)
	for range 1500 {
		of := anyReceipt(t, r, 17)
		m, err := receipt.Mirror(of, nil, nil, otherTill, "Ole", takenAt)
		if len(kept(&of)) == 0 {
			require.ErrorIs(t, err, receipt.ErrTaken)
			continue
		}
		require.NoError(t, err)
		require.True(t, m.All)
		d := takeBack(t, m, 18)
		require.Equal(t, -of.Totals.Gross, d.Totals.Gross)
		require.Len(t, d.Totals.Rates, len(of.Totals.Rates))
		for i, rate := range of.Totals.Rates {
			back := d.Totals.Rates[i]
			require.Equal(t, []any{rate.Ref, -rate.Gross, -rate.Net, -rate.Tax}, []any{back.Ref, back.Gross, back.Net, back.Tax})
		}
		taxes, err := receipt.LineTaxes(&of)
		require.NoError(t, err)
		backTaxes, err := receipt.LineTaxes(&d)
		require.NoError(t, err)
		lines := kept(&of)
		require.Len(t, d.Lines, len(lines), "no line of its own for a cent")
		for k, i := range lines {
			sold, back := of.Lines[i], d.Lines[k]
			require.Equal(t, -sold.Gross, back.Gross)
			require.Equal(t, -taxes[i], backTaxes[k])
			require.Equal(t, []any{sold.Case, sold.CaseName, sold.Tax, sold.UnitPrice, sold.Group}, []any{back.Case, back.CaseName, back.Tax, back.UnitPrice, back.Group})
			require.Equal(t, max(sold.Quantity, -sold.Quantity)-sold.Voided, max(back.Quantity, -back.Quantity))
			require.NotEqual(t, sold.Quantity > 0, back.Quantity > 0)
			require.Equal(t, otherTill, back.Till)
			require.Equal(t, receipt.ReferCancel, d.References[k].Kind)
			require.Equal(t, of.ID, d.References[k].ID)
			require.Equal(t, sold.ID, d.References[k].Line)
		}
	}
}

// TestPartsTakenBackSumToTheLine: whatever is taken back in whatever steps, each step is the difference of two shares of
// what the line came to, each rounded once; so in the end every line came to nothing to the cent.
func TestPartsTakenBackSumToTheLine(t *testing.T) {
	r := seeded(t)
	for range 1500 {
		of := anyReceipt(t, r, 17)
		sum, before, ids := of.Totals.Gross, make(map[crdt.ObjectID]receipt.Quantity), make(map[crdt.ObjectID]bool)
		for step := 0; ; step++ {
			takes := anyTakes(r, &of, before)
			if takes == nil {
				break
			}
			if step > 6 {
				takes = []receipt.Taken{}
			}
			m, err := receipt.Mirror(of, takes, before, otherTill, "", takenAt)
			require.NoError(t, err)
			d := takeBack(t, m, 18+int64(step))
			sum += d.Totals.Gross
			for _, l := range d.Lines {
				require.False(t, ids[l.ID], "a line of its own each time")
				ids[l.ID] = true
			}
			var want int64
			for i, taken := range m.Taken {
				want -= stepOf(&of, taken, before[taken.Line])
				before[taken.Line] += taken.Quantity
				require.Equal(t, taken.Quantity, m.References[i].Quantity)
			}
			require.EqualValues(t, want, d.Totals.Gross)
		}
		require.Zero(t, sum)
		_, err := receipt.Mirror(of, nil, before, otherTill, "", takenAt)
		require.ErrorIs(t, err, receipt.ErrTaken)
	}
}

// stepOf returns what a quantity of a line came to, of which before was taken back already, by exact arithmetic.
func stepOf(of *receipt.Document, taken receipt.Taken, before receipt.Quantity) int64 {
	l := of.Lines[slices.IndexFunc(of.Lines, func(l receipt.DocLine) bool { return l.ID == taken.Line })]
	whole := int64(max(l.Quantity, -l.Quantity) - l.Voided)
	share := func(q receipt.Quantity) int64 {
		return half(new(big.Rat).Mul(rat(int64(l.Gross), 1), rat(int64(q), whole)))
	}
	return share(before+taken.Quantity) - share(before)
}

// anyTakes chooses lines and parts of them, nil if nothing is left.
func anyTakes(r *rand.Rand, of *receipt.Document, before map[crdt.ObjectID]receipt.Quantity) (takes []receipt.Taken) {
	var open []receipt.Taken
	for _, i := range kept(of) {
		l := of.Lines[i]
		if left := max(l.Quantity, -l.Quantity) - l.Voided - before[l.ID]; left > 0 {
			open = append(open, receipt.Taken{Line: l.ID, Quantity: left})
		}
	}
	if len(open) == 0 {
		return nil
	}
	for _, o := range open {
		switch r.IntN(3) {
		case 0:
			takes = append(takes, receipt.Taken{Line: o.Line, Quantity: 1 + receipt.Quantity(r.Int64N(int64(o.Quantity)))})
		case 1:
			takes = append(takes, receipt.Taken{Line: o.Line})
		}
	}
	if takes == nil {
		takes = []receipt.Taken{}
	}
	return takes
}

func TestMirrorRefuses(t *testing.T) {
	of := sample(t, 17, 3)
	line := of.Lines[1].ID // of two
	for name, c := range map[string]struct {
		takes  []receipt.Taken
		before map[crdt.ObjectID]receipt.Quantity
		want   error
	}{
		"more than was sold":   {[]receipt.Taken{{Line: line, Quantity: 2001}}, nil, receipt.ErrTaken},
		"more than is left":    {[]receipt.Taken{{Line: line, Quantity: 1001}}, map[crdt.ObjectID]receipt.Quantity{line: 1000}, receipt.ErrTaken},
		"nothing is left":      {[]receipt.Taken{{Line: line}}, map[crdt.ObjectID]receipt.Quantity{line: 2000}, receipt.ErrTaken},
		"taken back too often": {[]receipt.Taken{{Line: line}}, map[crdt.ObjectID]receipt.Quantity{line: 4000}, receipt.ErrTaken},
		"less than nothing":    {[]receipt.Taken{{Line: line, Quantity: -1}}, nil, receipt.ErrTaken},
		"of another receipt":   {[]receipt.Taken{{Line: object(99), Quantity: 1}}, nil, receipt.ErrInvalid},
		"named twice":          {[]receipt.Taken{{Line: line, Quantity: 1}, {Line: line, Quantity: 1}}, nil, receipt.ErrInvalid},
	} {
		_, err := receipt.Mirror(of, c.takes, c.before, otherTill, "", takenAt)
		require.ErrorIs(t, err, c.want, name)
	}
	_, err := receipt.Mirror(of, []receipt.Taken{{Line: line, Quantity: 5000}}, map[crdt.ObjectID]receipt.Quantity{line: 500}, otherTill, "", takenAt)
	var taken *receipt.TakenError
	require.ErrorAs(t, err, &taken)
	require.Equal(t, receipt.TakenError{Line: line, Name: of.Lines[1].Name, Want: 5000, Left: 1500}, *taken)
	_, err = receipt.Mirror(failure(3), nil, nil, otherTill, "", takenAt)
	require.ErrorIs(t, err, receipt.ErrInvalid, "a number without a receipt")
	part, err := receipt.Mirror(of, []receipt.Taken{{Line: line, Quantity: 500}}, nil, otherTill, "", takenAt)
	require.NoError(t, err)
	require.False(t, part.All)
	require.Equal(t, receipt.ReferRefund, part.References[0].Kind)
	rest, err := receipt.Mirror(of, nil, map[crdt.ObjectID]receipt.Quantity{line: 500}, otherTill, "", takenAt)
	require.NoError(t, err)
	require.True(t, rest.All)
	require.Equal(t, receipt.ReferRefund, rest.References[0].Kind, "the rest of it is no cancellation")
	all, err := receipt.Mirror(of, nil, map[crdt.ObjectID]receipt.Quantity{line: 0}, otherTill, "", takenAt)
	require.NoError(t, err)
	require.Equal(t, receipt.ReferCancel, all.References[0].Kind)
	elsewhere, err := receipt.Mirror(of, nil, nil, crdt.TillID{8}, "", takenAt)
	require.NoError(t, err)
	require.NotEqual(t, all.Lines[1].ID, elsewhere.Lines[1].ID, "tills that take back apart make lines of their own")
}
