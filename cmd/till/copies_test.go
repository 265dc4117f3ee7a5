package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestRiskText(t *testing.T) {
	now := time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)
	ago := func(d time.Duration) client.Time { return client.Time{Time: now.Add(-d)} }
	euro := func(amount int64) []client.Sum { return []client.Sum{{Currency: "EUR", Amount: amount}} }
	require.Empty(t, riskText(nil, now), "an older till does not say")
	require.Equal(t, "if this till vanished now: nothing would be lost\n", riskText(&client.Risk{}, now))
	require.Equal(t, "if this till vanished now: 3 receipts, 24.60 EUR (the oldest: 5 min ago) would be lost\n",
		riskText(&client.Risk{Receipts: 3, Sums: euro(2460), OldestAt: ago(5 * time.Minute)}, now))
	require.Equal(t, "if this till vanished now: more than 1 receipt, 1.00 EUR, and 2 open tabs, 8.05 EUR (the oldest: 2 h ago) would be lost\n",
		riskText(&client.Risk{Receipts: 1, More: true, Sums: euro(100), Tabs: 2, TabSums: euro(805), OldestAt: ago(2 * time.Hour)}, now))
	text, err := risksText([]client.TillRisk{
		{Prefix: "K1", Name: "Kasse 1", State: "active", Self: true, Linked: true, Risk: &client.Risk{}, SaidAt: ago(0)},
		{Prefix: "K2", Name: "Kasse 2", State: "active", Risk: &client.Risk{Tabs: 1, TabSums: euro(340)}, SaidAt: ago(time.Minute)},
		{Prefix: "K3", Name: "Kasse 3", State: "active", Linked: true},
	}, now)
	require.NoError(t, err)
	require.Equal(t, "TILL  NAME     LINK       SAID       WOULD BE LOST WITH IT\n"+
		"K1    Kasse 1  this till  now        nothing\n"+
		"K2    Kasse 2  no link    1 min ago  1 open tab, 3.40 EUR\n"+
		"K3    Kasse 3  linked     never      not known: it never said\n", text)
}

func TestReleaseText(t *testing.T) {
	at := client.Time{Time: time.Date(2026, 11, 21, 14, 0, 0, 0, time.Local)}
	r := client.Receipt{Number: "K1-000007", Copies: client.Copies{On: 1, Text: "saved here only"}}
	require.Equal(t, "K1-000007: the till that closed it decides\n", releaseText(r))
	r.Release = &client.Release{State: "waiting", Wanted: 2}
	require.Equal(t, "K1-000007 waits until it is on 2 tills; it is saved here only\n", releaseText(r))
	r.Release = &client.Release{State: "released"}
	require.Equal(t, "K1-000007 may be printed, it is saved here only; nothing was recorded\n", releaseText(r))
	r.Release = &client.Release{State: "overridden", Override: &client.Override{User: "Anna", Reason: "guest waits", At: at, Copies: 1, Wanted: 2}}
	require.Equal(t, "K1-000007 may be printed: Anna let it go at 14:00:00, when it was on 1 till of 2 (guest waits)\n", releaseText(r))
}
