package uplink_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

// TestReceiptsReachTheArchive: what was sold before the coupling, at it and after it arrives, and every till knows, also the one that
// has no line to the cloud. The first transfer is shown by class and ends.
func TestReceiptsReachTheArchive(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	two := one.join("Kasse 2")
	list := one.sell(5)
	require.Equal(t, cloudlink.NotCoupled, one.Uplink().State)
	c.couple(one)
	list = append(list, two.sell(5)...)
	one.archived(list)
	two.archived(list)
	require.Eventually(t, func() bool {
		return one.Uplink().State == cloudlink.UpToDate || two.Uplink().State == cloudlink.UpToDate
	},
		patience, 5*time.Millisecond)
	up := forwarder(t, []*till{one, two})
	require.Eventually(t, func() bool {
		p := up.Uplink().Progress
		done, total := p.Sum()
		return p.Pending() == 0 && done == total && total >= 10
	}, patience, 5*time.Millisecond)
	c.documents(10)
}

// TestAnotherTillForwards: the till that forwards goes, and another one does so within seconds.
func TestAnotherTillForwards(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	two := one.join("Kasse 2")
	three := one.join("Kasse 3")
	c.couple(one)
	tills := []*till{one, two, three}
	up := forwarder(t, tills)
	_, gone, _ := up.Self()
	var rest []*till
	for _, k := range tills {
		if k == up {
			continue
		}
		rest = append(rest, k)
		require.Eventually(t, func() bool { return k.Uplink().Uplink == gone }, patience, 5*time.Millisecond, "%s knows who forwards", k.name)
	}
	up.stop()
	list := rest[0].sell(3)
	next := forwarder(t, rest)
	require.NotEqual(t, up.name, next.name)
	require.NotEmpty(t, next.Uplink().Detector, "it says how it knew")
	rest[1].archived(list)
}

// forwarder waits until exactly one till holds the lease and returns it.
func forwarder(t *testing.T, tills []*till) *till {
	t.Helper()
	var up *till
	require.Eventually(t, func() bool {
		n := 0
		for _, k := range tills {
			if s := k.Uplink(); s.Connected && s.Term > 0 {
				up = k
				n++
			}
		}
		return n == 1
	}, patience, 5*time.Millisecond)
	return up
}

// TestTheCloudComesBack: while the server is away the till sells and says why nothing arrives; what was sold arrives later, once.
func TestTheCloudComesBack(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	c.couple(one)
	one.archived(one.sell(2))
	c.stop()
	list := one.sell(3)
	require.Eventually(t, func() bool {
		s := one.Uplink()
		return s.State == cloudlink.Stuck && s.Cause == cloudlink.ServerDown && !s.Since.IsZero() && s.Cause.Advice() != ""
	}, patience, 5*time.Millisecond)
	c.start()
	one.Machine.SyncCloud()
	one.archived(list)
	c.documents(5)
}

// TestARewrittenArchiveIsNoticed: somebody changes a receipt in the cloud's database, hash and all, and signs anew with the cloud's
// own key. The till remembers what it saw and raises the alarm at the next contact.
func TestARewrittenArchiveIsNoticed(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	c.couple(one)
	one.archived(one.sell(3))
	require.Eventually(t, func() bool { return one.ArchiveSeen().Size >= 3 }, patience, 5*time.Millisecond)
	require.Empty(t, one.Alarms())
	c.stop()
	c.rewrite()
	c.start()
	one.archived(one.sell(1))
	require.Eventually(t, func() bool {
		for _, a := range one.Alarms() {
			if a.Kind == node.AlarmArchive {
				return true
			}
		}
		return false
	}, patience, 5*time.Millisecond)
	one.archived(one.sell(1))
}

// TestAnArticleOfTheCloudReachesEveryTill, and one that was changed at both ends at once is a conflict as between tills.
func TestAnArticleOfTheCloudReachesEveryTill(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	two := one.join("Kasse 2")
	c.couple(one)
	shop, _, _ := one.Self()
	cake := crdt.ObjectID{7}
	price := func(amount int64) func(catalog.Article, string) (catalog.ArticleEdit, error) {
		return func(_ catalog.Article, currency string) (catalog.ArticleEdit, error) {
			return catalog.ArticleEdit{Names: ptr(catalog.Named("Kuchen")),
				Prices: map[string]catalog.Price{catalog.DayOne: {Amount: amount, Currency: currency, Tax: tea}}}, nil
		}
	}
	require.Eventually(t, func() bool { return c.shops.EditArticle(t.Context(), shop, cake, price(340)) == nil }, patience, 20*time.Millisecond)
	has := func(k *till, amount int64) func() bool {
		return func() bool {
			a, err := k.Article(t.Context(), cake)
			return err == nil && len(a.Prices) == 1 && a.Prices[0].Amount == amount
		}
	}
	require.Eventually(t, has(one, 340), patience, 5*time.Millisecond)
	require.Eventually(t, has(two, 340), patience, 5*time.Millisecond)
	require.Eventually(t, func() bool {
		got, err := c.shops.Arrived(t.Context(), shop, cake)
		return err == nil && len(got.On) == 2 && len(got.Missing) == 0
	}, patience, 5*time.Millisecond, "the cloud knows that it is on both tills")

	c.stop()
	two.stop()
	require.NoError(t, one.EditArticle(t.Context(), cake, catalog.ArticleEdit{
		Prices: map[string]catalog.Price{catalog.DayOne: {Amount: 350, Currency: "CHF", Tax: tea}}}))
	one.stop()
	c.start()
	require.NoError(t, c.shops.EditArticle(t.Context(), shop, cake, price(360)))
	one.start()
	require.Eventually(t, func() bool {
		a, err := one.Article(t.Context(), cake)
		return err == nil && len(a.Conflicts) > 0
	}, patience, 5*time.Millisecond, "both prices are kept and shown")
}

// TestTwoServers: the shop's server dies and another one on the same database goes on, without a receipt lost or twice.
func TestTwoServers(t *testing.T) {
	o := databasetest.Postgres(t)
	c := startCloud(t, o)
	one := found(t)
	c.couple(one)
	one.archived(one.sell(3))
	second := &cloud{t: t, options: o, addr: "127.0.0.1:0"}
	second.start()
	t.Cleanup(func() { second.stop() })
	c.stop()
	list := one.sell(3)
	c.addr, second.addr = second.addr, c.addr // the address of the cloud leads to the other server now
	second.stop()
	second.start()
	one.Machine.SyncCloud()
	one.archived(list)
	second.documents(6)
}

func ptr[T any](v T) *T { return &v }
