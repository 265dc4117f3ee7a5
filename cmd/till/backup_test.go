package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestFoundText(t *testing.T) {
	text, err := foundText(client.Found{Name: "Kasse 5", State: "revoked", Known: 120, Commits: 9,
		Receipts: []client.FoundReceipt{{Number: "K5-000051", ClosedAt: "2026-05-01T12:00:00+02:00", Gross: 290, Currency: "EUR"}},
		Sums:     []client.FoundSum{{Currency: "EUR", Receipts: 1, Gross: 290}}, Gaps: []string{"K5-000052 is missing."},
		Refused: []client.FoundRefused{{Reason: "it does not follow the commit before it"}}, NotTaken: 1, Damage: []string{"2 changes cannot be read"}})
	require.NoError(t, err)
	require.Equal(t, `this was Kasse 5, which was revoked; here already: 120 changes
RECEIPT    CLOSED                     AMOUNT
K5-000051  2026-05-01T12:00:00+02:00  2.90 EUR
in all 1 receipt, 2.90 EUR
look at this: K5-000052 is missing.
not to be taken: 1 change
  it does not follow the commit before it
cannot be read: 2 changes cannot be read
`, text)
	text, err = foundText(client.Found{Known: 1})
	require.NoError(t, err)
	require.Equal(t, "here already: 1 change\nit holds no receipt that is not here\n", text)
	require.Equal(t, "-0.05 EUR", money(-5, "EUR"))
}

func TestBackupText(t *testing.T) {
	m := madeBackup{File: "/b", Name: "Kasse 1", Prefix: "K1", ShopName: "Café", Made: time.Date(2026, 5, 1, 12, 0, 0, 0, time.Local), Receipts: 2, Tills: 1,
		Changes: 9, Bytes: 3000, Hash: "ab", Series: []seriesCount{{"K1", 2, 2}}, Problems: []string{"K1-000001 is missing."}}
	require.Equal(t, `/b: Kasse 1 (K1) of Café, 2026-05-01 12:00
2 receipts of 1 till, 9 changes in all, 2 kB
  K1: up to K1-000002
SHA-256 ab
holds no founder secret: to restore it another till of the shop must be there
problem: K1-000001 is missing.
`, m.text())
	m.FounderSecret = true
	require.Contains(t, m.text(), "can be restored without another till")
}

func TestRecoverAsks(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "ja\n": true, "\n": false, "": false, "no\n": false} {
		var shown bytes.Buffer
		c := &console{err: &shown, in: bytes.NewBufferString(answer), person: true}
		yes, err := c.ask(t.Context(), "Take it? ")
		require.NoError(t, err)
		require.Equal(t, want, yes, answer)
		require.Equal(t, "Take it? ", shown.String())
	}
}
