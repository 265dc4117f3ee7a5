package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestClosingTexts(t *testing.T) {
	var z client.Closing
	require.NoError(t, json.Unmarshal([]byte(`{"name":"K2 Z 17","till_name":"Theke","series":"K2","n":17,"business_day":"2026-11-21","from":401,"to":418,
 "gross":123456,"cash_expected":23400,"cash_counted":23300,"cash_difference":-100,"currency":"EUR",
 "warnings":[{"code":"unsigned","text":"the signing device did not answer for 2 of the receipts"}],
 "tills":[{"name":"Bar","state":"made","closing":"K3 Z 4"},{"name":"Terrasse","state":"not-reachable","text":"Terrasse cannot be reached; make its closing there"}]}`), &z))
	require.Equal(t, "K2 Z 17 of Theke, business day 2026-11-21: K2-000401 to 000418, total 1234.56 EUR\n"+
		"in the drawer 234.00 EUR are expected, 233.00 EUR were counted, the difference is -1.00 EUR\n"+
		"note: the signing device did not answer for 2 of the receipts\n"+
		"Bar: K3 Z 4\n"+
		"Terrasse: none, Terrasse cannot be reached; make its closing there\n", closingText(z))
	empty := client.ClosingEntry{Name: "K1 Z 1", TillName: "Bar", BusinessDay: "2026-11-21", From: 1, Currency: "EUR"}
	text, err := closingsText([]client.ClosingEntry{z.ClosingEntry, empty})
	require.NoError(t, err)
	require.Equal(t, "CLOSING  TILL   DAY         RECEIPTS             TOTAL        DIFFERENCE\n"+
		"K2 Z 17  Theke  2026-11-21  K2-000401 to 000418  1234.56 EUR  -1.00 EUR\n"+
		"K1 Z 1   Bar    2026-11-21  none                 0.00 EUR     not counted\n", text)
	var day client.ShopDay
	require.NoError(t, json.Unmarshal([]byte(`{"day":"2026-11-21","state":"provisional","revision":2,"currency":"EUR","sums":{"gross":1000,"receipts":3},
 "missing":[{"name":"Bar","why":"not-closed","receipts":1},{"name":"Terrasse","why":"not-heard"}]}`), &day))
	text, err = dayText(day)
	require.NoError(t, err)
	require.Equal(t, "2026-11-21: provisional, 2 closings, total 10.00 EUR of 3 receipts\n"+
		"Bar is missing: 1 receipt not in a closing\nTerrasse is missing: it was never heard of here\n", text)
}

func TestClosingFlags(t *testing.T) {
	n, err := (&closingZCommand{Counted: "214.50", Pieces: []string{"50:3", "0.20:7"}, Float: "0", Hand: []string{"tab:K2"}, KeepTab: []string{"other"}}).closing()
	require.NoError(t, err)
	require.EqualValues(t, 21_450, *n.Counted)
	require.EqualValues(t, 0, *n.Float)
	require.Nil(t, n.Drop)
	require.Equal(t, []client.CashPiece{{Value: 5000, Count: 3}, {Value: 20, Count: 7}}, n.Pieces)
	require.Equal(t, []client.ClosingTab{{ID: "other", What: "kept"}, {ID: "tab", What: "handed", To: "K2"}}, n.Tabs)
	for _, wrong := range []closingZCommand{{Counted: "1.2"}, {Drop: "-1.00"}, {Float: "x"}, {Pieces: []string{"50"}}, {Pieces: []string{"50:-1"}}, {Hand: []string{"tab"}},
		{Counted: "99999999999999999999"}} {
		_, err := wrong.closing()
		require.Error(t, err)
	}
}
