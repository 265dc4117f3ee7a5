package tse_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

var (
	general = tax("1", 1900)
	reduced = tax("2", 700)
	none    = tax("5", 0)
)

func TestKassenbeleg(t *testing.T) {
	training := func(d *receipt.Document) *receipt.Document { d.Training = true; return d }
	in := func(currency string, d *receipt.Document) *receipt.Document { d.Currency = currency; return d }
	sale := []receipt.DocLine{line(1, 7533, general, receipt.SaleCase), line(2, 799, reduced, receipt.SaleCase)}
	tests := []struct {
		name string
		doc  *receipt.Document
		want string
	}{
		{"official: several payments and currencies", document(t, receipt.KindReceipt, sale, foreign("USD", 500, 441, 0),
			paid("ECKarte", 6000), paid(receipt.CashType, 1000), foreign("CHF", 500, 461, 0), paid("Kreditkarte", 430)),
			"Beleg^75.33_7.99_0.00_0.00_0.00^10.00:Bar_5.00:Bar:CHF_5.00:Bar:USD_64.30:Unbar"},
		{"official: cash to the bank", document(t, receipt.KindReceipt,
			[]receipt.DocLine{line(1, -10000, none, "Geldtransit")}, paid(receipt.CashType, -10000)),
			"Beleg^0.00_0.00_0.00_0.00_-100.00^-100.00:Bar"},
		{"official: given up", document(t, receipt.KindAborted, sale), "AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"},
		{"training", training(document(t, receipt.KindReceipt, sale, paid(receipt.CashType, 8332))),
			"AVTraining^75.33_7.99_0.00_0.00_0.00^83.32:Bar"},
		{"given up in training", training(document(t, receipt.KindAborted, sale)), "AVBelegabbruch^0.00_0.00_0.00_0.00_0.00^"},
		{"nothing to pay", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 0, general, receipt.SaleCase)}),
			"Beleg^0.00_0.00_0.00_0.00_0.00^"},
		{"a row that says so", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 0, general, receipt.SaleCase)}, paid("Keine", 0)),
			"Beleg^0.00_0.00_0.00_0.00_0.00^"},
		{"change in cash", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 750, general, receipt.SaleCase)},
			receipt.DocPayment{Type: receipt.CashType, Tendered: 1000, Change: 250}), "Beleg^7.50_0.00_0.00_0.00_0.00^7.50:Bar"},
		{"foreign money, change in ours", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 1800, general, receipt.SaleCase)},
			foreign("CHF", 2000, 1940, 140)), "Beleg^18.00_0.00_0.00_0.00_0.00^-1.40:Bar_20.00:Bar:CHF"},
		{"sums of zero are left out", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 100, general, receipt.SaleCase)},
			paid(receipt.CashType, 300), paid(receipt.CashType, -300), paid("Unbar", 100)), "Beleg^1.00_0.00_0.00_0.00_0.00^1.00:Unbar"},
		{"yen", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 300, general, receipt.SaleCase)}, foreign("JPY", 500, 300, 0)),
			"Beleg^3.00_0.00_0.00_0.00_0.00^500.00:Bar:JPY"},
		{"dinar", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 300, general, receipt.SaleCase)}, foreign("KWD", 1005, 300, 0)),
			"Beleg^3.00_0.00_0.00_0.00_0.00^1.01:Bar:KWD"},
		{"a shop in another currency", in("CHF", document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 300, none, receipt.SaleCase)},
			paid("ECKarte", 300))), "Beleg^0.00_0.00_0.00_0.00_3.00^3.00:Unbar:CHF"},
		{"every slot", document(t, receipt.KindReceipt, []receipt.DocLine{
			line(1, 1, tax("1", 1900), receipt.SaleCase), line(2, 2, tax("11", 1900), receipt.SaleCase), line(3, 4, tax("21", 1600), receipt.SaleCase),
			line(4, 8, tax("22", 500), receipt.SaleCase), line(5, 16, tax("3", 780), receipt.SaleCase), line(6, 32, tax("43", 840), receipt.SaleCase),
			line(7, 64, tax("4", 550), receipt.SaleCase), line(8, 128, tax("5", 0), receipt.SaleCase), line(9, 256, tax("6", 0), receipt.SaleCase),
			line(10, 512, tax("7", 0), receipt.SaleCase), line(11, 1024, tax("8", 0), receipt.SaleCase), line(12, 2048, tax("1001", 2000), receipt.SaleCase),
			line(13, 4096, tax("", 1900), receipt.SaleCase), line(14, 8192, tax("", 0), receipt.SaleCase),
		}, paid(receipt.CashType, 16383)), "Beleg^41.03_0.08_0.48_0.64_121.60^163.83:Bar"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := tse.Kassenbeleg(test.doc)
			require.NoError(t, err)
			require.Equal(t, tse.Process{Type: tse.KassenbelegV1, Data: test.want}, p)
		})
	}
}

func TestKassenbelegRefuses(t *testing.T) {
	for _, kind := range []string{receipt.KindControl, receipt.KindVoid, receipt.KindOpening, "closing"} {
		_, err := tse.Kassenbeleg(&receipt.Document{Kind: kind})
		require.ErrorIs(t, err, tse.ErrRequest, kind)
	}
	for _, ref := range []receipt.TaxRef{tax("", 1300), tax("0", 0), tax("9", 0), tax("-999", 0), tax("01", 1900), tax("x", 0), tax("100", 0), tax("10", 0)} {
		_, err := tse.Kassenbeleg(document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 100, ref, receipt.SaleCase)}))
		require.ErrorIs(t, err, tse.ErrRequest, ref)
	}
	_, err := tse.Kassenbeleg(document(t, receipt.KindReceipt, []receipt.DocLine{line(1, 100, general, receipt.SaleCase)}, paid("Keine", 100)))
	require.ErrorIs(t, err, tse.ErrRequest)
}

// TestSumsAgree: the five sums and the payments say the same total, whatever is sold and however it is paid.
func TestSumsAgree(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	refs := []receipt.TaxRef{general, reduced, none, tax("3", 780), tax("4", 550), tax("6", 0), tax("1007", 2500)}
	for range 300 {
		var lines []receipt.DocLine
		for i := range 1 + r.IntN(12) {
			lines = append(lines, line(byte(i+1), receipt.Amount(r.IntN(20_000)-5_000), refs[r.IntN(len(refs))], receipt.SaleCase))
		}
		d := document(t, receipt.KindReceipt, lines)
		first := receipt.Amount(r.IntN(5000))
		d.Payments = []receipt.DocPayment{paid("Bar", first), paid("ECKarte", d.Totals.Gross-first)}
		require.NoError(t, d.FillTotals())
		p, err := tse.Kassenbeleg(d)
		require.NoError(t, err)
		parts := strings.Split(p.Data, "^")
		require.Len(t, parts, 3)
		require.Equal(t, int64(d.Totals.Gross), cents(t, strings.Split(parts[1], "_")))
		var amounts []string
		for _, payment := range strings.Split(parts[2], "_") {
			amount, _, _ := strings.Cut(payment, ":")
			amounts = append(amounts, amount)
		}
		require.Equal(t, int64(d.Totals.Gross), cents(t, amounts), p.Data)
	}
}

// cents adds up amounts as they are written.
func cents(t *testing.T, amounts []string) (sum int64) {
	for _, a := range amounts {
		if a == "" {
			continue
		}
		digits, minus := strings.CutPrefix(a, "-")
		whole, rest, ok := strings.Cut(digits, ".")
		require.True(t, ok && len(rest) == 2 && whole != "", a)
		n := int64(0)
		for _, c := range whole + rest {
			n = 10*n + int64(c-'0')
		}
		if minus {
			n = -n
		}
		sum += n
	}
	return sum
}

func TestBestellung(t *testing.T) {
	p, covered, err := tse.Bestellung([]tse.OrderLine{
		{Quantity: 2000, Text: `Eisbecher "Himbeere"`, UnitPrice: 399}, {Quantity: 1500, Text: "Käse", UnitPrice: 1990},
		{Quantity: -1000, Text: "", UnitPrice: 5}, {Quantity: 125, Text: "Salz; Pfeffer", UnitPrice: -25}, {Quantity: 10000, Text: "Tee", UnitPrice: 0},
	})
	require.NoError(t, err)
	require.Equal(t, 5, covered)
	require.Equal(t, tse.BestellungV1, p.Type)
	require.Equal(t, "2;\"Eisbecher \"\"Himbeere\"\"\";3.99\r1.5;\"Käse\";19.90\r-1;\"\";0.05\r0.125;\"Salz; Pfeffer\";-0.25\r10;\"Tee\";0.00", p.Data)
}

func TestBestellungInParts(t *testing.T) {
	var lines []tse.OrderLine
	for range 500 {
		lines = append(lines, tse.OrderLine{Quantity: 1000, Text: strings.Repeat(`"`, 200), UnitPrice: 100})
	}
	parts := 0
	for rest := lines; len(rest) > 0; parts++ {
		p, covered, err := tse.Bestellung(rest)
		require.NoError(t, err)
		require.Equal(t, covered, 1+strings.Count(p.Data, "\r"))
		require.LessOrEqual(t, len(p.Data), tse.MaxData)
		record := once(t, software(t, new(tsetest.File)), "till", p)
		raw, err := receipt.AppendCanonical(nil, record.Object())
		require.NoError(t, err)
		require.LessOrEqual(t, len(raw), 16<<10, "an order keeps no more")
		rest = rest[covered:]
	}
	require.Equal(t, 36, parts)

	for _, bad := range [][]tse.OrderLine{nil, {{Text: "a\rb"}}, {{Text: strings.Repeat("x", tse.MaxData)}}, {{Text: "\xff"}}} {
		_, _, err := tse.Bestellung(bad)
		require.ErrorIs(t, err, tse.ErrRequest)
	}
}

func TestOther(t *testing.T) {
	p, err := tse.Other("Tagesabschluss 17")
	require.NoError(t, err)
	require.Equal(t, tse.Process{Type: tse.SonstigerVorgang, Data: "Tagesabschluss 17"}, p)
	_, err = tse.Other(strings.Repeat("x", tse.MaxData+1))
	require.ErrorIs(t, err, tse.ErrRequest)
}
