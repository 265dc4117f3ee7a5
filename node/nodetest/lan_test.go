//go:build netns

package nodetest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/discovery/netlab"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

const (
	tillsOnLAN = 5
	// oneAgain is how long after a cause has ended all tills may take to agree, by themselves.
	oneAgain = 30 * time.Second
)

// lan is a shop whose tills are machines on one switch. Nobody tells them an address.
type lan struct {
	lab   *netlab.Lab
	hosts []*netlab.Host
	shop  *nodetest.Shop
	tea   string // an article
	sold  int
}

func newLAN(t *testing.T) *lan {
	t.Helper()
	if os.Geteuid() != 0 {
		nodetest.Lacks(t, "network namespaces need root")
	}
	l := &lan{lab: netlab.New(t)}
	l.shop = nodetest.NewOn(t, func() nodetest.Place {
		host := l.lab.Host(fmt.Sprintf("k%d", len(l.hosts)+1))
		l.hosts = append(l.hosts, host)
		return nodetest.On(host)
	})
	return l
}

// sell sells once on each of the tills.
func (l *lan) sell(tills ...*nodetest.Till) {
	for _, till := range tills {
		till.Sell(l.tea)
		l.sold++
	}
}

// sellFor sells on the tills in turn until the time is over.
func (l *lan) sellFor(t *testing.T, trouble time.Duration, tills ...*nodetest.Till) {
	t.Helper()
	end := time.Now().Add(trouble)
	nodetest.Eventually(t, trouble+time.Minute, "the trouble ends", func() error {
		l.sell(tills...)
		if time.Now().Before(end) {
			return errNotYet
		}
		return nil
	})
}

// one checks that all tills agree soon after the cause of a trouble has ended.
func (l *lan) one(t *testing.T) {
	t.Helper()
	t.Logf("all %d are one again after %v", len(l.shop.Tills), l.shop.EqualWithin(oneAgain).Round(time.Millisecond))
	for _, till := range l.shop.Tills {
		status, err := till.API().Status(t.Context())
		require.NoError(t, err)
		require.EqualValues(t, l.sold, status.Store.Receipts, "receipts at %s", till.Name)
	}
}

// TestRealLAN is a day on which everything happens to the network of a shop with five tills.
func TestRealLAN(t *testing.T) {
	l := newLAN(t)
	first := l.shop.Found()
	for len(l.shop.Tills) < tillsOnLAN {
		l.shop.Join(first) // finds the shop by multicast: no place here has an address for others
	}
	tills := l.shop.Tills
	l.tea = first.PutArticle("Ostfriesentee", 310, first.PutTax(1900))
	l.one(t)

	l.shop.Run("a tab travels", func(t *testing.T) {
		tab := tills[0].OpenTab("Tisch 3")
		for i, till := range tills[1:4] {
			till.AwaitTab(tab.ID, i)
			till.Add(tab.ID, l.tea)
		}
		tills[4].AwaitTab(tab.ID, 3)
		l.hosts[0].CablePull()
		receipt := tills[4].Finish(tab.ID)
		l.sold++
		l.sell(tills[0])
		l.hosts[0].CablePlug()
		l.one(t)
		closed, err := tills[0].API().Tab(t.Context(), tab.ID)
		require.NoError(t, err)
		require.Equal(t, receipt.Number, closed.Receipt)
	})

	for _, dead := range []time.Duration{20 * time.Second, 75 * time.Second} {
		l.shop.Run(fmt.Sprintf("switch dead for %v", dead), func(t *testing.T) {
			l.lab.SwitchDown()
			l.sellFor(t, dead, tills[0], tills[3])
			l.lab.SwitchUp()
			l.one(t)
		})
	}

	l.shop.Run("switch hangs for 10s", func(t *testing.T) {
		l.lab.Freeze()
		l.sellFor(t, 10*time.Second, tills[1], tills[2])
		l.lab.Thaw()
		l.one(t)
	})

	l.shop.Run("restart within the detection time", func(t *testing.T) {
		l.sell(tills[4])
		tills[4].Kill()
		l.sell(tills[0], tills[1])
		tills[4].Start()
		l.sell(tills[4])
		l.one(t)
	})

	l.shop.Run("another address while it runs", func(t *testing.T) {
		l.hosts[3].ChangeAddress(netip.MustParseAddr("10.77.0.104"))
		l.sell(tills[3], tills[0])
		l.one(t)
	})

	l.shop.Run("back with another address", func(t *testing.T) {
		tills[1].Kill()
		l.sell(tills[2])
		l.hosts[1].ChangeAddress(netip.MustParseAddr("10.77.0.102"))
		tills[1].Start()
		l.sell(tills[1], tills[4])
		l.one(t)
	})

	l.shop.Run("adapter removed and made again", func(t *testing.T) {
		l.hosts[2].RemoveNIC()
		l.sellFor(t, 8*time.Second, tills[2], tills[0])
		l.hosts[2].RecreateNIC()
		l.one(t)
	})

	l.shop.Run("power cut while multicast is blocked", func(t *testing.T) {
		l.lab.BlockMulticast()
		defer l.lab.AllowMulticast()
		for _, till := range tills {
			till.Kill()
		}
		for _, till := range tills {
			till.Start()
			l.sell(till)
		}
		l.one(t)
	})

	l.shop.Run("back with another address while multicast is blocked", func(t *testing.T) {
		l.lab.BlockMulticast()
		defer l.lab.AllowMulticast()
		tills[0].Kill()
		l.hosts[0].ChangeAddress(netip.MustParseAddr("10.77.0.101"))
		l.sell(tills[2])
		tills[0].Start()
		l.sell(tills[0])
		l.one(t)
	})

	for _, till := range tills {
		receipts, err := till.API().AllReceipts(t.Context(), client.List{})
		require.NoError(t, err)
		require.Len(t, receipts, l.sold)
		requireNumbers(t, receipts)
	}
}

// TestNoNetworkAtStart: a till whose network is not there yet starts, sells, and joins the others when it comes.
func TestNoNetworkAtStart(t *testing.T) {
	l := newLAN(t)
	first := l.shop.Found()
	second := l.shop.Join(first)
	l.tea = first.PutArticle("Ostfriesentee", 310, first.PutTax(1900))
	l.one(t)
	second.Stop()
	l.hosts[1].RemoveNIC()
	second.Start()
	l.sell(first, second)
	l.hosts[1].RecreateNIC()
	l.one(t)
}

// TestFoundOnTheLAN: run on an empty directory lists the shop it sees, asks it for admission, and is a till of it as soon as a
// person there said yes.
func TestFoundOnTheLAN(t *testing.T) {
	l := newLAN(t)
	first := l.shop.Found()
	status, err := first.API().Status(t.Context())
	require.NoError(t, err)

	fresh := l.shop.NewTill()
	fresh.Spawn(append(fresh.RunArgs(), "--name", fresh.Name)...)
	nodetest.Eventually(t, nodetest.Patience, "the shop is found", func() error {
		a, err := fresh.Send(t.Context(), http.MethodGet, "/api/v1/status", nil)
		if err != nil {
			return err
		}
		var seen client.Status
		if err := json.Unmarshal(a.Body, &seen); err != nil {
			return err
		}
		if len(seen.Found) != 1 || seen.Found[0].ShopID != status.Shop.ID || len(seen.Found[0].Tills) != 1 {
			return errNotYet
		}
		return nil
	})
	require.Contains(t, fresh.Log(), status.Shop.ID, "it is printed, too")
	letIn(t, first, fresh)
	fresh.Meet()
	l.shop.Tills = append(l.shop.Tills, fresh)
	l.one(t)
}

// TestTwoTillsCannotReachEachOther: what one writes comes to the other by way of a third till.
func TestTwoTillsCannotReachEachOther(t *testing.T) {
	l := newLAN(t)
	first := l.shop.Found()
	l.shop.Join(first)
	third := l.shop.Join(first)
	l.tea = first.PutArticle("Ostfriesentee", 310, first.PutTax(1900))
	l.one(t)
	route := func(verb string) {
		for i, other := range map[int]int{0: 2, 2: 0} {
			out, err := l.hosts[i].Run("ip", "route", verb, "blackhole", l.hosts[other].Addr().String()+"/32")
			require.NoError(t, err, "%s", out)
		}
	}
	route("add")
	for n := range 5 {
		tab := first.OpenTab(fmt.Sprintf("Tisch %d", n))
		first.Add(tab.ID, l.tea)
		begin := time.Now()
		third.AwaitTab(tab.ID, 1)
		t.Logf("tab %d is at the third till after %v", n, time.Since(begin).Round(time.Millisecond))
		third.Finish(tab.ID)
		l.sold++
	}
	route("del")
	l.one(t)
}
