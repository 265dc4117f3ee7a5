package loss_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/crdt/receipt/receipttest"
)

const serial = "3f0c5d7e9a1b2c4d6e8f00112233445566778899aabbccddeeff001122334455"

// said is what a signing device says of a document, as documents carry it.
func said(transaction, counter int64) receipt.Object {
	text := func(n int64) receipt.String { return receipt.String(strconv.FormatInt(n, 10)) }
	return receipt.Object{
		{Name: "kind", Value: receipt.String("tse")}, {Name: "serial", Value: receipt.String(serial)}, {Name: "signature", Value: receipt.String("MEUCIQ==")},
		{Name: "transaction", Value: text(transaction)}, {Name: "counter", Value: text(counter)},
	}
}

// but is what a device said with one member as another value; nil: left out.
func but(o receipt.Object, name string, v receipt.Value) (out receipt.Object) {
	for _, m := range o {
		if m.Name != name {
			out = append(out, m)
		}
	}
	if v != nil {
		out = append(out, receipt.Member{Name: name, Value: v})
	}
	return out
}

// deviceSeries are six documents of one series of which the given ones say what a device said.
func deviceSeries(t *testing.T, by map[int]receipt.Object) (*receipttest.Books, *receipttest.Series) {
	b := &receipttest.Books{}
	s := receipttest.NewSeries(t, b, "K2")
	for range 6 {
		s.Sell(340)
	}
	for n, o := range by {
		s.Resigned(&b.Sold[n-1], func(d *receipt.Document) { d.Security = o })
	}
	return b, s
}

func TestWhatTheSigningDeviceBounds(t *testing.T) {
	count := func(n int64) *int64 { return &n }
	order := func(o receipt.Object) receipt.DocOrder {
		return receipt.DocOrder{ID: crdt.ObjectID{5}, Till: crdt.TillID{1}, Time: receipttest.At(1), Lines: []crdt.ObjectID{{6}}, Security: o}
	}
	bound := loss.Device{Kind: "tse", Serial: serial, After: 101, Before: 106, Transactions: 4, Signatures: count(11)}
	with := func(change func(*loss.Device)) *loss.Device {
		d := bound
		change(&d)
		return &d
	}
	at := map[int]receipt.Object{2: said(101, 500), 5: said(106, 512)} // 3 and 4 are gone
	tests := map[string]struct {
		lower, upper receipt.Object // nil: as at
		gone         []int64        // nil: 3 and 4
		change       func(*receipttest.Books, *receipttest.Series)
		want         *loss.Device
		text         string
	}{
		"as many as lie between": {want: &bound, text: "signing device 3f0c5d7e9a1b2c4d: 4 transactions, 102 to 105, lie between; at most 4 of these were signed: look for them in its export (signatures: 11)\n"},
		"orders that are known are none of the missing ones": {want: with(func(d *loss.Device) { d.Orders = 2 }),
			text: "4 transactions, 102 to 105, lie between, 2 of them known orders; at most 2 of these were signed: look for them in its export",
			change: func(b *receipttest.Books, s *receipttest.Series) {
				s.Resigned(&b.Sold[4], func(d *receipt.Document) {
					d.Orders = []receipt.DocOrder{order(said(105, 510)), order(said(105, 510)), order(said(101, 500)), order(said(90, 400)),
						order(but(said(104, 508), "serial", receipt.String("another"))), order(but(said(104, 508), receipt.SecurityError, receipt.String("aus"))), order(nil)}
				})
				s.Resigned(&b.Sold[1], func(d *receipt.Document) { d.Orders = []receipt.DocOrder{order(said(102, 502))} })
			}},
		"nothing lies between": {upper: said(102, 502), want: with(func(d *loss.Device) { d.Before, d.Transactions, d.Signatures = 102, 0, count(1) }),
			text: "no transaction lies between; what is missing was not signed, or in the same moment as what is beside it (signatures: 1)"},
		"one lies between": {upper: said(103, 504), want: with(func(d *loss.Device) { d.Before, d.Transactions, d.Signatures = 103, 1, count(3) }), text: "transaction 102 lies between; at most 1 of these were signed"},
		"only an order lies between": {upper: said(103, 504), want: with(func(d *loss.Device) { d.Before, d.Transactions, d.Orders, d.Signatures = 103, 1, 1, count(3) }),
			text: "transaction 102 lies between, and all are orders that are known",
			change: func(b *receipttest.Books, s *receipttest.Series) {
				s.Resigned(&b.Sold[4], func(d *receipt.Document) { d.Orders = []receipt.DocOrder{order(said(102, 502))} })
			}},
		"no signature counter":     {upper: but(said(106, 512), "counter", nil), want: with(func(d *loss.Device) { d.Signatures = nil }), text: "look for them in its export\n"},
		"a counter that goes back": {upper: said(106, 400), want: with(func(d *loss.Device) { d.Signatures = nil })},
		"another device":           {upper: but(said(106, 512), "serial", receipt.String("another"))},
		"another kind":             {upper: but(said(106, 512), "kind", receipt.String("other"))},
		"no serial":                {lower: but(said(101, 500), "serial", nil), upper: but(said(106, 512), "serial", nil)},
		"no device":                {lower: receipt.Object{}},
		"the device did not work":  {upper: but(but(said(106, 512), "signature", nil), receipt.SecurityError, receipt.String("TSE ausgefallen"))},
		"started and not finished": {lower: but(said(101, 500), "signature", nil)},
		"asked in another order":   {lower: said(107, 514)},
		"the same transaction":     {lower: said(106, 512)},
		"numbers that are no text": {lower: but(said(101, 500), "transaction", receipt.Int(101))},
		"numbers beyond all":       {upper: but(said(106, 512), "transaction", receipt.String("9007199254740992"))},
		"a serial that is no word": {lower: but(said(101, 500), "serial", receipt.String("a\x1b[2Jb")), upper: but(said(106, 512), "serial", receipt.String("a\x1b[2Jb"))},
		"a serial without an end":  {lower: but(said(101, 500), "serial", receipt.String(strings.Repeat("a", 257))), upper: but(said(106, 512), "serial", receipt.String(strings.Repeat("a", 257)))},
		"a unit that chains": {lower: receipt.Object{{Name: "kind", Value: receipt.String("rksv")}, {Name: "jws", Value: receipt.String("a.b.c")}},
			upper: receipt.Object{{Name: "kind", Value: receipt.String("rksv")}, {Name: "jws", Value: receipt.String("a.b.d")}}},
		"nobody's word":         {change: func(b *receipttest.Books, _ *receipttest.Series) { b.Sold[1].Signed.Signature[3] ^= 1 }},
		"nothing before it":     {gone: []int64{1, 2, 3, 4}},
		"nothing known past it": {gone: []int64{3, 4, 5, 6}, change: func(b *receipttest.Books, s *receipttest.Series) { s.Close(nil) }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			by := map[int]receipt.Object{2: at[2], 5: at[5]}
			if test.lower != nil {
				by[2] = test.lower
			}
			if test.upper != nil {
				by[5] = test.upper
			}
			whole, s := deviceSeries(t, by)
			if test.change != nil {
				test.change(whole, s)
			}
			if test.gone == nil {
				test.gone = []int64{3, 4}
			}
			st := build(t, without(whole, test.gone...), ask(s, "K2"))
			require.Len(t, st.Series[0].Missing, 1)
			require.Equal(t, test.want, st.Series[0].Missing[0].Device)
			require.Contains(t, st.Text(), test.text)
			if test.want == nil {
				require.NotContains(t, st.Text(), "signing device")
				canonical, err := loss.Canonical(st)
				require.NoError(t, err)
				require.NotContains(t, string(canonical), `"device"`, "it is left out")
			}
			signed, err := loss.Sign(st, cloud())
			require.NoError(t, err)
			again, err := loss.Verify(signed, idOf(cloud()))
			require.NoError(t, err)
			require.Equal(t, st, again)
		})
	}
}

// A range of which somebody else holds a part is split; what the device bounds, it bounds of both.
func TestPartsOfARangeShareWhatTheDeviceBounds(t *testing.T) {
	whole, s := deviceSeries(t, map[int]receipt.Object{2: said(101, 500), 5: said(106, 512)})
	a := ask(s, "K2")
	a.Held = []loss.Held{{Holder: loss.Holder{ID: "one", Kind: loss.ByTill, Asked: true}, Runs: map[string][]loss.Run{"K2": {{First: 3, Last: 3}}}}}
	missing := build(t, without(whole, 3, 4), a).Series[0].Missing
	require.Len(t, missing, 2)
	require.NotNil(t, missing[0].Device)
	require.Equal(t, missing[0].Device, missing[1].Device)
}

func TestGoldenOfTheSigningDevice(t *testing.T) {
	whole, s := deviceSeries(t, map[int]receipt.Object{2: said(101, 500), 5: said(106, 512)})
	st := build(t, without(whole, 3, 4), ask(s, "K2"))
	canonical, err := loss.Canonical(st)
	require.NoError(t, err)
	for name, got := range map[string]string{"testdata/device.json": string(canonical) + "\n", "testdata/device.txt": st.Text()} {
		if *update {
			require.NoError(t, os.WriteFile(name, []byte(got), 0o600))
		}
		want, err := os.ReadFile(name)
		require.NoError(t, err)
		require.Equal(t, string(want), got, "run with -update if that is wanted")
	}
}

func TestADeviceThatContradictsItself(t *testing.T) {
	whole, s := deviceSeries(t, map[int]receipt.Object{2: said(101, 500), 5: said(106, 512)})
	good, err := json.Marshal(build(t, without(whole, 3, 4), ask(s, "K2")))
	require.NoError(t, err)
	for name, change := range map[string]func(*loss.Device){
		"more lie between":       func(d *loss.Device) { d.Transactions++ },
		"fewer than none":        func(d *loss.Device) { d.Before, d.Transactions = d.After, -1 },
		"more orders than all":   func(d *loss.Device) { d.Orders = d.Transactions + 1 },
		"orders that owe":        func(d *loss.Device) { d.Orders = -1 },
		"signatures that owe":    func(d *loss.Device) { *d.Signatures = -1 },
		"a device without name":  func(d *loss.Device) { d.Serial = "" },
		"a device of any length": func(d *loss.Device) { d.Kind = strings.Repeat("k", 33) },
		"a device for terminals": func(d *loss.Device) { d.Serial = "\x1b[2J" },
	} {
		var bad loss.Statement
		require.NoError(t, json.Unmarshal(good, &bad))
		require.NoError(t, bad.Check())
		change(bad.Series[0].Missing[0].Device)
		require.ErrorIs(t, bad.Check(), loss.ErrStatement, name)
		_, err := loss.Sign(bad, cloud())
		require.ErrorIs(t, err, loss.ErrStatement, name)
	}
}
