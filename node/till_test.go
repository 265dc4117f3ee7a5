package node_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

func TestMain(m *testing.M) {
	// What tills keep about their machine stays out of the place where real ones keep it.
	state, err := os.MkdirTemp("", "tillmesh-state-")
	if err == nil {
		err = os.Setenv("TILLMESH_STATE", state)
	}
	if err != nil {
		panic(err)
	}
	// A probe of memberlist that is under way when its till stops ends by itself within its interval of 3 s, twice that in a
	// till that doubts itself; nothing can end it sooner.
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := os.RemoveAll(state); err != nil {
			panic(err)
		}
		os.Exit(code)
	}), goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"))
}

const patience = 20 * time.Second

// running is a till that runs until stop is called or the test ends.
type running struct {
	*node.Machine
	data string
	stop func()
}

func logTo(t testing.TB) *slog.Logger {
	if !testing.Verbose() {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func run(t testing.TB, data string, peers ...string) *running {
	t.Helper()
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Peers: peers, Version: "test", Log: logTo(t)})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- till.Run(ctx) }()
	stopped := false
	r := &running{Machine: till, data: data}
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		require.NoError(t, <-ended)
	}
	t.Cleanup(r.stop)
	return r
}

// found makes a shop with one till, not running.
func found(t testing.TB) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "kasse1")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café Mitte", Name: "Kasse 1"})
	require.NoError(t, err)
	return data
}

// joinShop makes a till that joins the shop of by, not running.
func joinShop(t *testing.T, by *running, name string) string {
	t.Helper()
	invitation, err := by.Invite()
	require.NoError(t, err)
	data := filepath.Join(t.TempDir(), "data")
	_, err = node.Join(t.Context(), node.JoinOptions{Data: data, Name: name, Token: invitation.Token.Text(), NoMDNS: true,
		Peers: []string{by.LinkAddr().String()}, Log: logTo(t)})
	require.NoError(t, err)
	return data
}

// shopOf runs a shop of n tills.
func shopOf(t *testing.T, n int) []*running {
	t.Helper()
	tills := []*running{run(t, found(t))}
	for range n - 1 {
		tills = append(tills, run(t, joinShop(t, tills[0], "Kasse"), tills[0].LinkAddr().String()))
	}
	waitEqual(t, tills...)
	return tills
}

func waitEqual(t *testing.T, tills ...*running) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			for _, b := range tills {
				for _, p := range b.Mesh().Tills {
					t.Logf("%s sees %+v", b.data, p)
				}
			}
		}
	})
	require.Eventually(t, func() bool {
		first, err := tills[0].Status(t.Context())
		require.NoError(t, err)
		for _, b := range tills {
			s, err := b.Status(t.Context())
			require.NoError(t, err)
			if s.StateHash != first.StateHash || !s.Equal || len(s.Peers) != len(tills)-1 {
				return false
			}
		}
		return true
	}, patience, 5*time.Millisecond, "the tills do not become equal")
}

func TestJoinedTillsShareArticles(t *testing.T) {
	tills := shopOf(t, 3)
	tax, article, vat := crdt.ObjectID{1}, crdt.ObjectID{2}, catalog.Named("19 %")
	require.NoError(t, tills[0].EditTax(t.Context(), tax, catalog.TaxEdit{Names: &vat, Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 1900, FiscalKey: 1}}}))
	names := catalog.Named("Espresso")
	require.NoError(t, tills[0].EditArticle(t.Context(), article, catalog.ArticleEdit{Names: &names,
		Codes: &catalog.Codes{Barcodes: []string{"2000000000015"}}, Prices: map[string]catalog.Price{catalog.DayOne: {Amount: 220, Currency: "EUR", Tax: tax}}}))
	waitEqual(t, tills...)
	for _, b := range tills {
		list, _, err := b.Articles(t.Context(), node.ArticleFilter{Barcode: "2000000000015"}, crdt.ObjectID{}, 10)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, "Espresso", list[0].Value.Names.In("de"))
	}
	tills[1].stop()
	s := catalog.Named("Espresso doppelt")
	require.NoError(t, tills[2].EditArticle(t.Context(), article, catalog.ArticleEdit{Names: &s}))
	again := run(t, tills[1].data, tills[0].LinkAddr().String())
	waitEqual(t, tills[0], again, tills[2])
	a, err := again.Article(t.Context(), article)
	require.NoError(t, err)
	require.Equal(t, "Espresso doppelt", a.Names.In("de"))
}

func TestSettingsReachTheOtherTill(t *testing.T) {
	tills := shopOf(t, 2)
	_, err := tills[1].EditSettings(t.Context(), shop.SettingsEdit{Business: &shop.Business{Name: "Café Mitte GmbH", Town: "Kiel", Country: "DE", TaxNumber: "20/123/45678"}})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		s, err := tills[0].Settings(t.Context())
		return err == nil && s.Business.Town == "Kiel"
	}, patience, time.Millisecond)
}

func TestADirectoryWithDataIsNotOverwritten(t *testing.T) {
	data := found(t)
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Other", Name: "Kasse 1"})
	require.ErrorIs(t, err, node.ErrHoldsData)
	_, err = node.Join(t.Context(), node.JoinOptions{Data: data, Name: "Kasse 2", Token: "x"})
	require.ErrorIs(t, err, node.ErrHoldsData)
	_, err = node.Open(t.Context(), node.Options{Data: t.TempDir(), Listen: "127.0.0.1:0", NoMDNS: true})
	require.ErrorIs(t, err, node.ErrNoShop)
}

func TestASecondProcessIsRefused(t *testing.T) {
	data := found(t)
	run(t, data)
	_, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true})
	require.ErrorIs(t, err, rows.ErrInUse)
}

func TestATillWithoutItsHighWaterRecordGoesOnInANewSeries(t *testing.T) {
	data := found(t)
	require.NoError(t, os.Remove(filepath.Join(data, "highwater")))
	till := run(t, data)
	list := till.Alarms()
	require.Len(t, list, 1)
	require.Equal(t, "record-missing", list[0].Kind)
	require.Equal(t, "K1b", list[0].Prefix)
	status, err := till.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, "K1b-000001", status.NextNumber)
	opening, err := till.Receipt(t.Context(), "K1b-000000")
	require.NoError(t, err)
	require.True(t, opening.Verified)
	require.Equal(t, "K1", opening.Parsed.Opening.Series)
	till.stop()
	require.Len(t, run(t, data).Alarms(), 1, "the next start doubts nothing")
}
