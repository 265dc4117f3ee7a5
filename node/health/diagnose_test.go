package health_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/clock"
	"github.com/tillmesh/tillmesh/node/disk"
	"github.com/tillmesh/tillmesh/node/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var now = time.Date(2026, 11, 21, 14, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

func addr(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

// well are the facts of Kasse 1 in a shop of three, up for an hour, where nothing is wrong.
func well() health.Facts {
	till := func(n byte, name, prefix, at string) health.Till {
		return health.Till{ID: crdt.TillID{n}, Name: name, Prefix: prefix, Linked: true, Since: ago(time.Hour), Program: "v1", Alive: true,
			Heard: ago(time.Second), Seen: now, Addrs: []netip.AddrPort{addr(at)}}
	}
	return health.Facts{
		At: now, Till: crdt.TillID{1}, Name: "Kasse 1", Program: "v1", Started: ago(time.Hour), Port: 8481,
		Interfaces: []health.Interface{
			{Name: "lo", Up: true, Linked: true, Loopback: true, Addrs: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/8")}},
			{Name: "eth0", Up: true, Linked: true, Multicast: true, Addrs: []netip.Prefix{netip.MustParsePrefix("192.168.1.11/24")}},
		},
		Listens:   []health.Listen{{What: "links", Port: 8481}, {What: "gossip", Port: 8482}, {What: "http", Port: 8480}},
		Multicast: health.Multicast{Since: ago(time.Hour), EchoKept: true, Echo: ago(time.Second), Heard: ago(time.Second)},
		Gossip:    health.Gossip{Up: true, Since: ago(time.Hour), Port: 8482},
		Tills:     []health.Till{till(2, "Kasse 2", "K2", "192.168.1.12:8481"), till(3, "Kasse 3", "K3", "192.168.1.13:8481")},
		Clock:     &clock.Report{Trusted: true, Source: clock.Tills},
		Disk:      &disk.Report{Level: disk.Fine, Known: true, Room: 1 << 40, Limits: disk.DefaultLimits()},
	}
}

// gone takes the link to a till away for five minutes, with this outcome of dialling it.
func gone(f *health.Facts, i int, r health.Result) {
	t := &f.Tills[i]
	t.Linked, t.Since, t.Alive, t.Heard, t.Seen = false, ago(5*time.Minute), false, ago(5*time.Minute), ago(5*time.Minute)
	if r != 0 {
		t.Tries = tries(r)
	}
}

func tries(r health.Result) []health.Try {
	return []health.Try{{Addr: addr("192.168.1.12:8481"), Result: r, At: now}}
}

func noHearing(f *health.Facts) {
	f.Multicast.Heard = time.Time{}
	for i := range f.Tills {
		f.Tills[i].Heard = time.Time{}
	}
}

type check struct {
	name   string
	change func(*health.Facts)
	want   []health.Code // worst first
	tills  []string      // of the first
}

func run(t *testing.T, checks []check) {
	for _, c := range checks {
		t.Run(c.name, func(t *testing.T) {
			f := well()
			c.change(&f)
			found := health.Diagnose(f)
			var codes []health.Code
			for i, one := range found {
				codes = append(codes, one.Code)
				require.NotZero(t, one.Severity, one.Code)
				require.True(t, i == 0 || found[i-1].Severity >= one.Severity || found[0].Code == health.AllWell)
				for _, l := range []health.Language{health.English, health.German, health.Russian} {
					require.NotEmpty(t, one.Title(l))
					require.NotContains(t, one.Title(l)+one.Do(l), "{")
				}
			}
			require.Equal(t, c.want, codes)
			if c.tills != nil {
				require.Equal(t, c.tills, found[0].Tills)
			}
		})
	}
}

func TestEachCause(t *testing.T) {
	both := []string{"Kasse 2", "Kasse 3"}
	run(t, []check{
		{"nothing", func(*health.Facts) {}, []health.Code{health.AllWell}, nil},
		{"disk low", func(f *health.Facts) { f.Disk.Level = disk.Low }, []health.Code{health.DiskLow}, nil},
		{"disk nearly full", func(f *health.Facts) { f.Disk.Level = disk.NoNewTabs }, []health.Code{health.DiskNoNewTabs}, nil},
		{"disk closed", func(f *health.Facts) { f.Disk.Level = disk.Closed }, []health.Code{health.DiskClosed}, nil},
		{"disk full", func(f *health.Facts) { f.Disk.Level = disk.Full }, []health.Code{health.DiskFull}, nil},
		{"disk read-only", func(f *health.Facts) { f.Disk.Level = disk.ReadOnly }, []health.Code{health.DiskReadOnly}, nil},
		{"disk failing", func(f *health.Facts) { f.Disk.Level = disk.Failing }, []health.Code{health.DiskFailing}, nil},
		{"clock ahead", func(f *health.Facts) { f.Clock.Warn, f.Clock.AheadMS = true, 5000 }, []health.Code{health.ClockAhead}, nil},
		{"clock behind", func(f *health.Facts) { f.Clock.Warn, f.Clock.AheadMS = true, -5000 }, []health.Code{health.ClockBehind}, nil},
		{"clock cannot be", func(f *health.Facts) { f.Clock.Warn, f.Clock.Impossible = true, true }, []health.Code{health.ClockImpossible}, nil},
		{"clock not compared", func(f *health.Facts) { f.Clock.Warn, f.Clock.Trusted = true, false }, []health.Code{health.ClockUnchecked}, nil},
		{"two clocks", func(f *health.Facts) {
			f.Clock.Warn, f.Clock.Split = true, &clock.Split{Late: crdt.TillID{3}, ApartMS: 26 * 3_600_000}
		}, []health.Code{health.ClockSplit}, []string{"Kasse 1", "Kasse 3"}},
		{"clocks of others", func(f *health.Facts) {
			f.Clock.Warn = true
			f.Clock.Peers = []clock.Peer{{Till: crdt.TillID{2}, AheadMS: 3000, Wrong: true}, {Till: crdt.TillID{3}, AheadMS: -3000, Wrong: true}}
		}, []health.Code{health.PeerAhead, health.PeerBehind}, []string{"Kasse 2"}},
		{"no cable", func(f *health.Facts) { f.Interfaces[1].Linked = false }, []health.Code{health.NoCable}, nil},
		{"adapter off", func(f *health.Facts) { f.Interfaces[1].Up = false }, []health.Code{health.NoCable}, nil},
		{"no address", func(f *health.Facts) { f.Interfaces[1].Addrs = nil }, []health.Code{health.NoAddress}, nil},
		{"made-up address", func(f *health.Facts) {
			f.Interfaces[1].Addrs = []netip.Prefix{netip.MustParsePrefix("169.254.3.4/16")}
		}, []health.Code{health.NoAddress}, nil},
		{"adapter missing", func(f *health.Facts) { f.Adapter = "wlan0" }, []health.Code{health.WrongAdapter}, nil},
		{"adapter of another network", func(f *health.Facts) {
			f.Interfaces = append(f.Interfaces, health.Interface{Name: "wlan0", Up: true, Linked: true,
				Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.5/24")}})
			f.Adapter = "wlan0"
			gone(f, 0, health.TimedOut)
			gone(f, 1, health.NoWay)
		}, []health.Code{health.WrongAdapter}, both},
		{"port in use", func(f *health.Facts) { f.Listens[2].InUse = true }, []health.Code{health.PortInUse}, nil},
		{"port fails", func(f *health.Facts) { f.Listens[2].Error = "permission denied" }, []health.Code{health.ListenFailed}, nil},
		{"alone", func(f *health.Facts) { gone(f, 0, health.TimedOut); gone(f, 1, health.TimedOut) }, []health.Code{health.Alone}, both},
		{"not even the router", func(f *health.Facts) {
			gone(f, 0, health.TimedOut)
			gone(f, 1, health.TimedOut)
			f.Router = health.Router{Known: true, Addr: netip.MustParseAddr("192.168.1.1"), Tried: true}
		}, []health.Code{health.NoRouter}, both},
		{"the router answers, no till does", func(f *health.Facts) {
			gone(f, 0, health.TimedOut)
			gone(f, 1, health.TimedOut)
			f.Router = health.Router{Known: true, Addr: netip.MustParseAddr("192.168.1.1"), Tried: true, Answers: true}
		}, []health.Code{health.Alone}, both},
		{"no default route", func(f *health.Facts) {
			gone(f, 0, health.TimedOut)
			gone(f, 1, health.TimedOut)
			f.Router = health.Router{Known: true}
		}, []health.Code{health.NoRoute}, both},
		{"no default route, and a till is reached", func(f *health.Facts) { gone(f, 0, health.TimedOut); f.Router = health.Router{Known: true} },
			[]health.Code{health.NotSeen}, []string{"Kasse 2"}},
		{"other network", func(f *health.Facts) {
			gone(f, 1, health.TimedOut)
			f.Tills[1].Addrs = []netip.AddrPort{addr("192.168.2.13:8481")}
		}, []health.Code{health.OtherNetwork}, []string{"Kasse 3"}},
		{"isolation", func(f *health.Facts) {
			gone(f, 1, health.TimedOut)
			f.Tills[1].Via, f.Tills[1].Answer = "Kasse 2", &health.Answer{Tries: tries(health.TimedOut)}
		}, []health.Code{health.Isolation}, []string{"Kasse 3"}},
		{"firewall here", func(f *health.Facts) {
			for i := range f.Tills {
				f.Tills[i].Tries, f.Tills[i].Answer = tries(health.Reached), &health.Answer{Tries: tries(health.TimedOut)}
			}
		}, []health.Code{health.FirewallHere}, both},
		{"firewall there, linked", func(f *health.Facts) {
			f.Tills[0].Tries, f.Tills[0].Answer = tries(health.TimedOut), &health.Answer{Tries: tries(health.Reached)}
		}, []health.Code{health.FirewallThere}, []string{"Kasse 2"}},
		{"firewall there, heard but silent", func(f *health.Facts) {
			gone(f, 0, health.TimedOut)
			f.Tills[0].Heard = now
		}, []health.Code{health.FirewallThere}, []string{"Kasse 2"}},
		{"all heard, all silent: it is here", func(f *health.Facts) {
			for i := range f.Tills {
				gone(f, i, health.TimedOut)
				f.Tills[i].Heard = now
			}
		}, []health.Code{health.FirewallHere}, both},
		{"program off", func(f *health.Facts) { gone(f, 0, health.Refused) }, []health.Code{health.NotRunning}, []string{"Kasse 2"}},
		{"address of another", func(f *health.Facts) { gone(f, 0, health.OtherMachine) }, []health.Code{health.OtherAnswers}, nil},
		{"address of another shop", func(f *health.Facts) { gone(f, 0, health.ForeignShop) }, []health.Code{health.ShopThere}, []string{"Kasse 2"}},
		{"address of no till", func(f *health.Facts) { gone(f, 0, health.NoTill) }, []health.Code{health.NoTillThere}, []string{"Kasse 2"}},
		{"signing device", func(f *health.Facts) { f.Signer = &health.Signer{Since: ago(time.Minute), Reason: "no answer"} },
			[]health.Code{health.SignerFails}, nil},
		{"says removed, when tried", func(f *health.Facts) { gone(f, 0, health.SaysRemoved) }, []health.Code{health.ToldRemoved}, []string{"Kasse 2"}},
		{"says removed, at once after the start", func(f *health.Facts) {
			gone(f, 0, 0)
			f.Started, f.Tills[0].Told = ago(time.Second), ago(time.Second)
		}, []health.Code{health.ToldRemoved}, []string{"Kasse 2"}},
		{"said removed, and links again", func(f *health.Facts) { f.Tills[0].Told = ago(time.Hour) }, []health.Code{health.AllWell}, nil},
		{"not known there", func(f *health.Facts) { gone(f, 0, health.NotKnown) }, []health.Code{health.UnknownThere}, nil},
		{"other version", func(f *health.Facts) { gone(f, 0, health.NoVersion) }, []health.Code{health.VersionApart}, nil},
		{"filter in between", func(f *health.Facts) { gone(f, 0, health.BadHandshake) }, []health.Code{health.HandshakeBad}, nil},
		{"open, and no link", func(f *health.Facts) { gone(f, 0, health.Reached) }, []health.Code{health.HandshakeBad}, nil},
		{"not seen", func(f *health.Facts) { gone(f, 0, health.TimedOut) }, []health.Code{health.NotSeen}, []string{"Kasse 2"}},
		{"through a third", func(f *health.Facts) { gone(f, 0, health.TimedOut); f.Tills[0].Via = "Kasse 3" },
			[]health.Code{health.AllWell, health.Relayed}, nil},
		{"no multicast", noHearing, []health.Code{health.NoMulticast}, both},
		{"own multicast not heard", func(f *health.Facts) { f.Multicast.Echo = ago(time.Hour); noHearing(f) }, []health.Code{health.MulticastHere}, nil},
		{"multicast did not begin", func(f *health.Facts) { f.Multicast = health.Multicast{Problem: "bind: in use"} },
			[]health.Code{health.MulticastHere}, nil},
		{"shop key", func(f *health.Facts) { f.Tills[0].Alive = false; f.Gossip.Unreadable = 9 }, []health.Code{health.ShopKey}, []string{"Kasse 2"}},
		{"gossip blocked", func(f *health.Facts) { f.Tills[0].Alive, f.Tills[1].Alive = false, false }, []health.Code{health.GossipBlocked}, both},
		{"gossip port in use", func(f *health.Facts) {
			f.Gossip = health.Gossip{Since: ago(time.Hour), Problem: "bind", InUse: true, Port: 8482}
		}, []health.Code{health.PortInUse}, nil},
		{"gossip down", func(f *health.Facts) { f.Gossip = health.Gossip{Since: ago(time.Hour), Problem: "odd", Port: 8482} },
			[]health.Code{health.GossipDown}, nil},
		{"copy", func(f *health.Facts) { f.Gossip.ConflictFor, f.Gossip.ConflictTill = 3*time.Minute, crdt.TillID{3} }, []health.Code{health.Copy}, []string{"Kasse 3"}},
		{"a till that changed its address", func(f *health.Facts) { f.Gossip.Conflicts, f.Gossip.ConflictFor = 30, 50*time.Second }, []health.Code{health.AllWell}, nil},
		{"flood", func(f *health.Facts) {
			f.Flood = []health.Rate{{What: "noise", Count: 100}, {What: "multicast", Count: 20}}
			f.FloodFrom = []netip.Addr{netip.MustParseAddr("192.168.1.66")}
		}, []health.Code{health.Flood}, nil},
		{"other shop", func(f *health.Facts) { f.OtherShops = 1 }, []health.Code{health.AllWell, health.OtherShop}, nil},
		{"other program", func(f *health.Facts) { f.Tills[1].Program = "v2" }, []health.Code{health.AllWell, health.OtherProgram}, nil},
	})
}

// One cause, one finding: what follows from it is not said.
func TestConsequencesAreNotSaid(t *testing.T) {
	run(t, []check{
		{"cable out: no tills, no multicast, no gossip", func(f *health.Facts) {
			f.Interfaces[1].Linked = false
			noHearing(f)
			gone(f, 0, health.NoWay)
			gone(f, 1, health.NoWay)
			f.Gossip = health.Gossip{Since: ago(time.Hour), Problem: "no address", Port: 8482}
			f.Multicast = health.Multicast{Problem: "no network"}
		}, []health.Code{health.NoCable}, nil},
		{"a cable out and a full disk are two causes", func(f *health.Facts) {
			f.Interfaces[1].Linked = false
			f.Disk.Level = disk.Closed
			gone(f, 0, health.NoWay)
		}, []health.Code{health.DiskClosed, health.NoCable}, nil},
		{"all others off: not deaf as well", func(f *health.Facts) {
			noHearing(f)
			gone(f, 0, health.TimedOut)
			gone(f, 1, health.TimedOut)
		}, []health.Code{health.Alone}, nil},
		{"isolated Wi-Fi: multicast of the isolated is not missed", func(f *health.Facts) {
			noHearing(f)
			for i := range f.Tills {
				gone(f, i, health.TimedOut)
				f.Tills[i].Answer = &health.Answer{Tries: tries(health.TimedOut)}
			}
		}, []health.Code{health.Isolation}, []string{"Kasse 2", "Kasse 3"}},
		{"firewall here also stops multicast and gossip", func(f *health.Facts) {
			noHearing(f)
			for i := range f.Tills {
				f.Tills[i].Alive = false
				f.Tills[i].Tries, f.Tills[i].Answer = tries(health.Reached), &health.Answer{Tries: tries(health.TimedOut)}
			}
		}, []health.Code{health.FirewallHere}, nil},
		{"one off, one refusing: two causes", func(f *health.Facts) { gone(f, 0, health.TimedOut); gone(f, 1, health.Refused) },
			[]health.Code{health.NotRunning, health.NotSeen}, nil},
		{"links and gossip on a port in use", func(f *health.Facts) {
			f.Listens[1].InUse = true
			f.Gossip = health.Gossip{Since: ago(time.Hour), Problem: "bind", InUse: true, Port: 8482}
		}, []health.Code{health.PortInUse}, nil},
		{"just started", func(f *health.Facts) {
			f.Started = ago(5 * time.Second)
			f.Multicast = health.Multicast{Since: ago(5 * time.Second)}
			f.Gossip = health.Gossip{Since: ago(5 * time.Second), Problem: "not yet"}
			gone(f, 0, 0)
			gone(f, 1, 0)
		}, []health.Code{health.AllWell}, nil},
		{"just lost", func(f *health.Facts) { gone(f, 0, health.TimedOut); f.Tills[0].Since = ago(10 * time.Second) },
			[]health.Code{health.AllWell}, nil},
		{"multicast switched off", func(f *health.Facts) { noHearing(f); f.Multicast = health.Multicast{Off: true} },
			[]health.Code{health.AllWell}, nil},
		{"linked through a router: multicast does not cross it", func(f *health.Facts) {
			noHearing(f)
			for i := range f.Tills {
				f.Tills[i].Addrs = []netip.AddrPort{addr("192.168.2.13:8481")}
			}
		}, []health.Code{health.AllWell}, nil},
		{"a shop on one machine needs no network", func(f *health.Facts) {
			f.Interfaces = f.Interfaces[:1]
			f.Multicast.Off = true
			for i := range f.Tills {
				f.Tills[i].Addrs = []netip.AddrPort{addr("127.0.0.1:8491")}
			}
		}, []health.Code{health.AllWell}, nil},
		{"own clock wrong: not those of the others", func(f *health.Facts) {
			f.Clock.Warn, f.Clock.AheadMS = true, 26*3_600_000
			f.Clock.Peers = []clock.Peer{{Till: crdt.TillID{2}, AheadMS: 4000, Wrong: true}}
		}, []health.Code{health.ClockAhead}, nil},
		{"unreadable gossip of strangers is no old key", func(f *health.Facts) { f.Gossip.Unreadable = 9 }, []health.Code{health.AllWell}, nil},
		{"a few strange packets are no flood", func(f *health.Facts) { f.Flood = []health.Rate{{What: "noise", Count: 3}} },
			[]health.Code{health.AllWell}, nil},
		{"a till alone in its shop", func(f *health.Facts) { f.Tills = nil; f.Multicast.Heard = time.Time{} }, []health.Code{health.AllWell}, nil},
		{"nothing known", func(f *health.Facts) {
			*f = health.Facts{At: now, Interfaces: f.Interfaces}
		}, []health.Code{health.AllWell}, nil},
	})
}

func TestSentencesSayWhoAndHowMuch(t *testing.T) {
	f := well()
	f.Clock.Warn, f.Clock.AheadMS = true, 26*3_600_000
	gone(&f, 1, health.TimedOut)
	f.Disk.Level, f.Disk.Room = disk.Low, 1_900<<20
	list := health.Diagnose(f)
	require.Len(t, list, 3)
	require.Equal(t, "The disk of this till is getting full: 1.8 GB are free", list[0].Title(health.English))
	require.Equal(t, "Der Speicher dieser Kasse wird knapp: noch 1,8 GB frei", list[0].Title(health.German))
	require.Equal(t, "The clock of this till is 26 h ahead", list[1].Title(health.English))
	require.Equal(t, "Часы этой кассы спешат на 26 ч", list[1].Title(health.Russian))
	require.Equal(t, "Kasse 3: seit 5 min nicht gesehen", list[2].Title(health.German))
	require.Equal(t, ago(5*time.Minute), list[2].Since)
	require.Equal(t, []string{"from here to K3 at 192.168.1.12:8481: no answer"}, list[2].Details)
}

func TestSentencesNameTheAddresses(t *testing.T) {
	f := well()
	gone(&f, 1, health.NoTill)
	f.Gossip.ConflictFor, f.Gossip.ConflictTill = 3*time.Minute, crdt.TillID{2}
	f.Gossip.ConflictAt = []netip.AddrPort{addr("192.168.1.12:8482"), addr("192.168.1.40:8482")}
	list := health.Diagnose(f)
	require.Len(t, list, 2)
	require.Equal(t, "Two machines claim to be Kasse 2: 192.168.1.12:8482, 192.168.1.40:8482", list[0].Title(health.English))
	require.Equal(t, "Wo Kasse 3 zuletzt war, antwortet etwas, das keine Kasse ist (192.168.1.12:8481)", list[1].Title(health.German))

	f = well()
	gone(&f, 0, health.TimedOut)
	gone(&f, 1, health.TimedOut)
	f.Router = health.Router{Known: true, Addr: netip.MustParseAddr("192.168.1.1"), Tried: true}
	require.Equal(t, "Сеть не отвечает: недоступны ни роутер (192.168.1.1), ни другие кассы", health.Diagnose(f)[0].Title(health.Russian))
}
