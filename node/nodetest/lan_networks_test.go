//go:build netns

package nodetest_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery/mdns"
	"github.com/tillmesh/tillmesh/discovery/netlab"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// viaOthers is how long a change may take over a third till.
const viaOthers = 10 * time.Second

// newLANOf makes a shop whose tills are on the hosts that make returns, n counting from 1.
func newLANOf(t *testing.T, lab *netlab.Lab, make func(n int) *netlab.Host) *lan {
	t.Helper()
	l := &lan{lab: lab}
	l.shop = nodetest.NewOn(t, func() nodetest.Place {
		host := make(len(l.hosts) + 1)
		l.hosts = append(l.hosts, host)
		return nodetest.On(host)
	})
	return l
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		nodetest.Lacks(t, "network namespaces need root")
	}
}

// open founds the shop and lets tills join until there are so many.
func (l *lan) open(t *testing.T, tills int) {
	t.Helper()
	first := l.shop.Found()
	for len(l.shop.Tills) < tills {
		l.shop.Join(first)
	}
	l.tea = first.PutArticle("Ostfriesentee", 310, first.PutTax(1900))
	l.one(t)
}

// awaitReceipts waits until a till knows so many receipts.
func awaitReceipts(t *testing.T, till *nodetest.Till, want int) {
	t.Helper()
	begin := time.Now()
	nodetest.Eventually(t, viaOthers, till.Name+" knows the receipts", func() error {
		status, err := till.API().Status(t.Context())
		if err == nil && int(status.Store.Receipts) != want {
			err = fmt.Errorf("%d of %d receipts", status.Store.Receipts, want)
		}
		return err
	})
	t.Logf("%s knows %d receipts after %v", till.Name, want, time.Since(begin).Round(time.Millisecond))
}

// linkedWith returns the names of the tills that a till has links to.
func linkedWith(t *testing.T, till *nodetest.Till) (names []string) {
	t.Helper()
	status, err := till.API().Status(t.Context())
	require.NoError(t, err)
	for _, p := range status.Peers {
		if p.Linked {
			names = append(names, p.Name)
		}
	}
	return names
}

// TestLANSecondShop: two shops on one switch sell, are cut off and come back, and neither learns anything of the other.
func TestLANSecondShop(t *testing.T) {
	needRoot(t)
	lab := netlab.New(t)
	shops := []*lan{
		newLANOf(t, lab, func(n int) *netlab.Host { return lab.Host(fmt.Sprintf("a%d", n)) }),
		newLANOf(t, lab, func(n int) *netlab.Host { return lab.Host(fmt.Sprintf("b%d", n)) }),
	}
	for _, l := range shops {
		l.open(t, 2)
	}
	for range 3 {
		for _, l := range shops {
			l.sell(l.shop.Tills...)
		}
	}
	lab.SwitchDown()
	for _, l := range shops {
		l.sell(l.shop.Tills...)
	}
	lab.SwitchUp()
	for _, l := range shops {
		l.one(t)
	}
	shops[0].shop.Tills[1].Restart()
	shops[0].one(t)
	for i, l := range shops {
		for _, till := range l.shop.Tills {
			view, err := till.API().Mesh(t.Context())
			require.NoError(t, err)
			require.Len(t, view.Tills, 2, "%s of shop %d knows its own", till.Name, i)
			_, err = till.API().Article(t.Context(), shops[1-i].tea)
			require.Equal(t, "not-found", client.CodeOf(err), "%v", err)
		}
	}
}

// TestLANIPv6Only: a network without IPv4, with addresses of its own or with only what the adapters give themselves.
func TestLANIPv6Only(t *testing.T) {
	needRoot(t)
	for name, linkLocal := range map[string]bool{"unique local": false, "link-local": true} {
		t.Run(name, func(t *testing.T) {
			lab := netlab.New(t)
			l := newLANOf(t, lab, func(n int) *netlab.Host {
				h := lab.HostV6(fmt.Sprintf("k%d", n), linkLocal)
				netlab.Eventually(t, 10*time.Second, func() bool {
					out, err := h.Run("ip", "-6", "addr", "show", "dev", "eth0", "scope", "link")
					return err == nil && strings.Contains(out, "fe80::") && !strings.Contains(out, "tentative")
				}, "the adapter has its own address")
				return h
			})
			l.open(t, 3)
			l.sell(l.shop.Tills...)
			l.one(t)
			for _, till := range l.shop.Tills {
				nodetest.Eventually(t, nodetest.Patience, "gossip sees the others, too", func() error {
					view, err := till.API().Mesh(t.Context())
					if err != nil {
						return err
					}
					for _, other := range view.Tills {
						if !other.Alive {
							return fmt.Errorf("%s does not hear %s", till.Name, other.Name)
						}
						if other.Address != "" && !netip.MustParseAddrPort(other.Address).Addr().Is6() {
							return fmt.Errorf("%s reaches %s by %s", till.Name, other.Name, other.Address)
						}
					}
					return nil
				})
			}
			l.lab.SwitchDown(l.hosts[0])
			l.sell(l.shop.Tills...)
			l.lab.SwitchUp(l.hosts[0])
			l.one(t)
			l.shop.Tills[1].Kill()
			l.sell(l.shop.Tills[0])
			l.shop.Tills[1].Start()
			l.one(t)
		})
	}
}

// TestLANNoRouter: no default route, and addresses that the machines took for themselves because nobody gave them any.
func TestLANNoRouter(t *testing.T) {
	needRoot(t)
	lab := netlab.New(t)
	l := newLANOf(t, lab, func(n int) *netlab.Host {
		h := lab.Host(fmt.Sprintf("k%d", n))
		h.ChangeAddress(netip.AddrFrom4([4]byte{169, 254, 7, byte(n)}))
		out, err := h.Run("ip", "route", "show", "default")
		require.NoError(t, err)
		require.Empty(t, out)
		return h
	})
	l.open(t, 3)
	l.sell(l.shop.Tills...)
	l.hosts[2].RemoveNIC()
	l.sell(l.shop.Tills...)
	l.hosts[2].RecreateNIC()
	l.one(t)
}

// TestLANTwoAdapters: a till stands in two networks. Each other till is in one of them, so what they sell comes to the
// others through it; and while one of its adapters has no cable, the other network goes on.
func TestLANTwoAdapters(t *testing.T) {
	needRoot(t)
	front, back := netlab.New(t), netlab.New(t)
	l := newLANOf(t, front, func(n int) *netlab.Host {
		switch n {
		case 1:
			h := front.Host("bridge")
			h.SecondNIC(back, netip.MustParsePrefix("10.78.0.1/24"))
			return h
		case 2:
			return front.Host("front")
		}
		h := back.Host("back")
		h.ChangeAddress(netip.MustParseAddr("10.78.0.3"))
		return h
	})
	first := l.shop.Found()
	second, third := l.shop.Join(first), l.shop.Join(first)
	l.tea = first.PutArticle("Ostfriesentee", 310, first.PutTax(1900))
	l.shop.Agree()
	l.sell(second)
	awaitReceipts(t, third, l.sold)
	l.sell(third)
	awaitReceipts(t, second, l.sold)
	require.Equal(t, []string{first.Name}, linkedWith(t, third))

	l.hosts[0].CablePull()
	l.sell(second, third)
	awaitReceipts(t, first, l.sold-1)
	l.hosts[0].CablePlug()
	nodetest.Eventually(t, oneAgain, "the front is back", func() error {
		status, err := third.API().Status(t.Context())
		if err == nil && int(status.Store.Receipts) != l.sold {
			err = errNotYet
		}
		return err
	})
	l.shop.Agree()
}

// TestLANClonedHostNames: machines made from one image share their name; nobody may mix up their addresses.
func TestLANClonedHostNames(t *testing.T) {
	if os.Getenv("NODETEST_ROLE") == "names" {
		printAnnouncedNames(t)
		return
	}
	l := newLAN(t)
	l.open(t, 3)
	names := map[string]bool{}
	for _, h := range l.hosts {
		out, err := h.Run("hostname")
		require.NoError(t, err)
		names[out] = true
	}
	require.Len(t, names, 1, "the namespaces share the machine's name")

	p := l.lab.Host("listener").StartWith([]string{"NODETEST_ROLE=names"}, os.Args[0], "-test.run=^TestLANClonedHostNames$", "-test.v")
	require.NoError(t, p.Wait(30*time.Second), p.Output())
	for i, till := range l.shop.Tills {
		require.Contains(t, p.Output(), fmt.Sprintf("till %s at [%v:8481]\n", till.ID(), l.hosts[i].Addr()), "one address each, its own")
	}
	require.NotRegexp(t, `\b`+regexp.QuoteMeta(strings.TrimSpace(first(names)))+`\b`, p.Output(), "the machine's name is not told")
	l.sell(l.shop.Tills...)
	l.one(t)
}

func first(names map[string]bool) string {
	for name := range names {
		return name
	}
	return ""
}

// printAnnouncedNames prints what tills announce, until it heard three.
func printAnnouncedNames(t *testing.T) {
	heard := map[string]bool{}
	for c := range mdns.New(mdns.Options{}).Watch(t.Context()) {
		if id := c.Till.String(); !heard[id] {
			heard[id] = true
			fmt.Printf("till %s at %v\n", id, c.Addrs)
		}
		if len(heard) == tillsAtWork {
			return
		}
	}
}

// TestLANOnlySomePairsHear: A hears B and B hears C, but A and C never hear each other, not even when C joins. What one
// of them sells comes to the other through B.
func TestLANOnlySomePairsHear(t *testing.T) {
	l := newLAN(t)
	a := l.shop.Found()
	b := l.shop.Join(a)
	l.tea = a.PutArticle("Ostfriesentee", 310, a.PutTax(1900))
	l.one(t)
	c := l.shop.NewTill()
	l.lab.Isolate(l.hosts[0], l.hosts[2])
	out := c.Exec(c.JoinArgs(b, l.shop.Invite(b))...)
	require.Zero(t, out.Code, out.Stderr)
	c.Start()
	l.shop.Tills = append(l.shop.Tills, c)

	for range 3 {
		l.sell(a)
		awaitReceipts(t, c, l.sold)
		l.sell(c)
		awaitReceipts(t, a, l.sold)
	}
	require.Equal(t, []string{b.Name}, linkedWith(t, a))
	require.Equal(t, []string{b.Name}, linkedWith(t, c))

	tab := a.OpenTab("Tisch 1")
	a.Add(tab.ID, l.tea)
	c.AwaitTab(tab.ID, 1)
	a.Kill()
	c.Finish(tab.ID)
	l.sold++
	a.Start()
	awaitReceipts(t, a, l.sold)
	l.shop.Agree()
}
