package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestAmountsOfMoneyAreRead(t *testing.T) {
	for text, want := range map[string]int64{"200.00": 20000, "200": 20000, "0.05": 5} {
		got, err := minorUnits(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "0", "-1.00", "1.5", "1,50", ".50", "1.005", "99999999999999999999", "x"} {
		_, err := minorUnits(text)
		require.ErrorIs(t, err, errAmount, text)
	}
	got := till(t, "cash", "drop", "1,50", "--data", "x")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.err, "write it as 200.00")
	got = till(t, "refund", "K1-000001", "--line", "abc:1:5", "--data", "x")
	require.Equal(t, exitUsage, got.code)
	require.Contains(t, got.err, "ID:1.5")
}

func TestTheDrawerInWords(t *testing.T) {
	require.Equal(t, "in the drawer of K1 should be 74.40 EUR and 20.00 CHF (receipts 4 to 9, since the last closing)\n", drawerText(client.Drawer{
		Series: "K1", From: 4, To: 9, Currency: "EUR", Expected: 7440, Currencies: []client.Sum{{Currency: "CHF", Amount: 2000}, {Currency: "EUR", Amount: 7440}}}))
	require.Equal(t, "in the drawer of K1 should be 0.00 EUR; nothing was booked since the last closing\n",
		drawerText(client.Drawer{Series: "K1", From: 10, To: 9, Currency: "EUR"}))
}

func TestCasesInWords(t *testing.T) {
	require.Equal(t, "there is nothing to decide\n", casesText(nil))
	c := client.Case{
		ID: "abc", Kind: "double-settlement", Detail: "Twice.", Receipts: []client.CaseReceipt{{Number: "K2-000001"}, {ID: "def"}},
		Drafts: []client.DraftedReceipt{{Kind: "cancel", Of: client.CaseReceipt{Number: "K1-000001"}, Gross: -2460, Currency: "EUR",
			Payments: []client.DraftedPayment{{Type: "Bar", Amount: -100, Shared: true}, {Type: "Bar", Amount: -2360}}}},
		Ways: []client.CaseWay{{Way: "resolve", Text: "Write the drafted receipts."}, {Way: "cancel", Text: "Cancel it."}},
	}
	require.Equal(t, "abc  double-settlement\n  Twice.\n  receipts: K2-000001, def\n  accept: cancel K1-000001, -24.60 EUR, "+
		"Bar -1.00 EUR (was taken once for both, nothing is handed out), Bar -23.60 EUR\n  cancel: Cancel it.\n", casesText([]client.Case{c}))
	c.Drafts, c.Ways = nil, nil
	c.Decisions = []client.CaseDecision{{Decision: "cancelled", User: "Anna", TillName: "Theke", Reason: "doppelt", Written: []client.CaseReceipt{{Number: "K3-000001"}}}}
	require.Contains(t, casesText([]client.Case{c}), "  cancelled by Anna at Theke, ")
	require.Contains(t, casesText([]client.Case{c}), ", with K3-000001 (doppelt)\n")
}
