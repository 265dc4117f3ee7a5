package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

func TestTermsSayWhoMayDoWhat(t *testing.T) {
	got := termsText(client.CloudTerms{
		ID: "x", URL: "https://cloud.example", Cloud: "key", Account: "anna@cafe.example", ShopName: "Café", TillName: "Kasse 1",
		Access:  []client.CloudAccess{{Text: "receipts", Read: true}, {Text: "articles", Read: true, Write: true}},
		NotRead: "Keys stay.", Missing: []string{"This till was never closed."},
	})
	require.Equal(t, "Café, Kasse 1 is to be coupled with\n  account anna@cafe.example\n  at https://cloud.example\n  key of the cloud key\n"+
		"all tills of the shop are coupled by that\nthe account may then\n  read          receipts\n  read, change  articles\nKeys stay.\n"+
		"before that: This till was never closed.\n", got)
}

func TestTheCloudInWords(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.Local)
	at := func(ago time.Duration) client.Time { return client.Time{Time: now.Add(-ago)} }
	stuck := client.CloudState{
		State: "stuck", Since: at(5 * time.Minute), Cause: "no-internet", Text: "the internet cannot be reached from here", Advice: "check the router", Attempts: 7,
		NextTry: client.Time{Time: now.Add(time.Minute)}, Clouds: []client.CoupledCloud{{URL: "https://cloud.example", Account: "anna@cafe.example", Coupled: true, ByName: "Kasse 1", Since: at(time.Hour)}},
		Uplink: &client.CloudUplink{Self: true, Why: "its connection was closed"}, Pending: 3,
		Progress: []client.CloudClass{{Name: "receipts", Done: 7, Total: 10, Pending: 3}},
		Archive:  client.CloudArchive{Size: 12, Looked: at(time.Minute), Verdict: "rewritten"},
	}
	text, err := cloudText(stuck, now)
	require.NoError(t, err)
	for _, part := range []string{"this till cannot reach the cloud, since 5 min ago\n", "because: the internet cannot be reached", "to do: check the router",
		"next try at 12:01:00, after 7 calls", "this till forwards for the shop; the one before does not any more: its connection was closed",
		"3 records still to be sent", "receipts  7      10  3", "IT IS NOT THE ONE"} {
		require.Contains(t, text, part)
	}
	waits := client.CloudState{State: "waiting", Since: at(time.Second), Uplink: &client.CloudUplink{Name: "Kasse 2", State: "up-to-date"}}
	text, err = cloudText(waits, now)
	require.NoError(t, err)
	require.Contains(t, text, "Kasse 2 forwards for the shop\n  it says: the cloud has everything\nthe cloud has everything\n")
	state, pending := transferOf(waits)
	require.Equal(t, "up-to-date", state)
	require.Zero(t, pending)
}
