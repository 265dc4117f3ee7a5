package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) client.Time { return client.Time{Time: noon.Add(-d)} }

func TestStatusInWords(t *testing.T) {
	s := client.Status{
		Version: "v1", Shop: &client.Named{Name: "Teestube"}, Till: client.Till{Name: "Theke", Prefix: "K1"}, Since: before(2 * time.Hour),
		Clock: client.Clock{Trusted: true}, Store: client.StoreState{Receipts: 1}, Equal: false, OpenTabs: 2, NextNumber: "K1-000002",
		Disk: client.Disk{FreeBytes: 5 << 30},
		Peers: []client.Peer{
			{Name: "Garten", Prefix: "K2", Linked: true, EqualAt: before(3 * time.Second), LastSeen: before(0)},
			{Name: "Keller", Prefix: "K3", LastSeen: before(3 * 24 * time.Hour)},
			{Name: "Hof", Prefix: "K4", Linked: true, Pulling: true, LastSeen: before(90 * time.Second)},
		},
	}
	text, err := statusText(s, noon)
	require.NoError(t, err)
	require.Equal(t, `Teestube: Theke (K1), program v1, started 2 h ago
2 open tabs, 1 receipt held here, the next one is K1-000002
linked with 2 of 3 other tills, not equal with all of them
5 GB of disk are free

TILL  NAME    LINK     STATE          SEEN
K2    Garten  linked   equal 3 s ago  now
K3    Keller  no link  not equal yet  3 days ago
K4    Hof     linked   catching up    1 min ago
`, text)

	s.Equal, s.Clock, s.Store.Doubt = true, client.Clock{
		OffsetMS: -900_000, Warn: true, Text: "the clock of Theke is 15 min ahead", Hint: "set it right", Now: client.Time{Time: noon},
		Wrong: []client.WrongClock{{Name: "Keller", AheadMS: -3_000}},
	}, "restored"
	text, err = statusText(s, noon)
	require.NoError(t, err)
	require.Contains(t, text, "linked with 2 of 3 other tills, equal with them\n")
	require.Contains(t, text, "the clock of Theke is 15 min ahead\n  to do: set it right\nthis till writes ")
	require.Contains(t, text, " instead of what its own clock shows (-15 min of correction)\nthe time of this till is not to be relied on, and its receipts say so\n")
	require.Contains(t, text, "wrong clock: Keller, -3.0 s off\n")
	require.Contains(t, text, "the store is in doubt: restored\n")

	s.Disk = client.Disk{FreeBytes: 1, Text: "the disk of this till is nearly full", Hint: "delete files"}
	s.Doctor = client.Doctor{Wrong: 2, Title: "No cable"}
	text, err = statusText(s, noon)
	require.NoError(t, err)
	require.Contains(t, text, "the disk of this till is nearly full\n  to do: delete files\nthe doctor has 2 findings; \"till doctor\" says what to do: No cable\n")

	text, err = statusText(client.Status{Shop: &client.Named{ID: "s1"}, Till: client.Till{Prefix: "K2"},
		Halted: &client.Halted{Text: "the disk of this till is full", Hint: "delete files", Since: before(time.Minute)}}, noon)
	require.NoError(t, err)
	require.Equal(t, "till K2 does not sell (since 1 min ago): the disk of this till is full\n  to do: delete files\n", text)

	text, err = statusText(client.Status{Found: []client.FoundShop{{ShopID: "s1"}}}, noon)
	require.NoError(t, err)
	require.Equal(t, "this till belongs to no shop yet\nfound on the network: shop s1 with 0 tills\n", text)
}

func TestMeshInWords(t *testing.T) {
	text, err := meshText(client.Mesh{
		Own: []string{"192.0.2.1:8481"},
		Tills: []client.MeshTill{
			{Name: "Theke", Prefix: "K1", State: "active", Self: true, Alive: true},
			{Name: "Garten", Prefix: "K2", State: "active", Linked: true, Alive: true, EqualAt: before(time.Minute), Address: "192.0.2.2:8481", LastSeen: before(0)},
			{Name: "Alt", Prefix: "K3", State: "retired"},
		},
		Counters:  map[string]int64{"refused_unknown_key": 2, "links_accepted": 0},
		Discovery: client.Discovery{MDNS: "running", Interfaces: []string{"eth0"}},
		Problems:  []string{"peer x cannot be found"},
	}, noon)
	require.NoError(t, err)
	require.Equal(t, `TILL  NAME    MEMBER   LINK       ALIVE  STATE            SEEN   ADDRESS
K1    Theke   active   this till  yes    -                now    192.0.2.1:8481
K2    Garten  active   linked     yes    equal 1 min ago  now    192.0.2.2:8481
K3    Alt     retired  no link    no     not equal yet    never  -

looking by multicast: running on eth0
problem: peer x cannot be found
refused unknown key: 2
`, text)
}

func TestErrorsAreOneLineWithoutAPeriod(t *testing.T) {
	var b bytes.Buffer
	c := &console{err: &b}
	hinted := &advice{errors.Join(errors.New("One."), errors.New("Two.\n")), "Do this."}
	require.Equal(t, exitFailed, c.fail(fmt.Errorf("wrapped: %w", hinted)))
	require.Equal(t, "till: wrapped: One; Two\nhint: Do this\n", b.String())

	b.Reset()
	c.json = true
	require.Equal(t, exitFailed, c.fail(&client.Problem{Detail: "closed", Code: "tab-closed"}))
	require.JSONEq(t, `{"error":"closed","code":"tab-closed"}`, b.String())
}

func TestAges(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Minute: "now", 999 * time.Millisecond: "now", time.Second: "1 s ago", 59 * time.Minute: "59 min ago",
		47 * time.Hour: "47 h ago", 48 * time.Hour: "2 days ago",
	} {
		require.Equal(t, want, age(before(d), noon))
	}
	require.Equal(t, "never", age(client.Time{}, noon))
	require.Equal(t, []string{"12 bytes", "3 kB", "7 MB", "2 GB"},
		[]string{bytesText(12), bytesText(3 << 10), bytesText(7 << 20), bytesText(2 << 30)})
}
