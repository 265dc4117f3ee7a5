package node_test

import (
	"context"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

const day = 24 * time.Hour

// wrongly is a machine whose clock shows another time than it is.
type wrongly struct{ ahead atomic.Int64 }

func (w *wrongly) set(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

func (w *wrongly) environment() node.Environment {
	return node.Environment{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }}
}

// runAt is run on a machine with this clock.
func runAt(t *testing.T, w *wrongly, data string, peers ...string) *running {
	t.Helper()
	m, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Peers: peers, Version: "test", Log: logTo(t),
		Environment: w.environment()})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	stopped := false
	r := &running{Machine: m, data: data}
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

// joinAt is joinShop on a machine with this clock.
func joinAt(t *testing.T, w *wrongly, by *running, name string) *running {
	t.Helper()
	invitation, err := by.Invite()
	require.NoError(t, err)
	data := filepath.Join(t.TempDir(), "data")
	_, err = node.Join(t.Context(), node.JoinOptions{Data: data, Name: name, Token: invitation.Token.Text(), NoMDNS: true,
		Peers: []string{by.LinkAddr().String()}, Log: logTo(t), Environment: w.environment()})
	require.NoError(t, err)
	return runAt(t, w, data, by.LinkAddr().String())
}

// compared waits until a till knows how wrong the clocks are.
func compared(t *testing.T, till *running, offset time.Duration, wrong ...string) node.ClockReport {
	t.Helper()
	var r node.ClockReport
	require.Eventually(t, func() bool {
		till.CompareClocks(t.Context())
		r = till.ClockReport()
		var names []string
		for _, p := range r.Wrong {
			names = append(names, r.Names(p.Till))
		}
		off := time.Duration(r.OffsetMS)*time.Millisecond - offset
		return r.Source.String() == "tills" && off.Abs() < 2*time.Second && strings.Join(names, ",") == strings.Join(wrong, ",")
	}, patience, 20*time.Millisecond, "%s: %v", till.data, &r)
	return r
}

func price(t *testing.T, till *running, amount int64) {
	t.Helper()
	require.NoError(t, till.EditArticle(t.Context(), coffeeID, catalog.ArticleEdit{
		Prices: map[string]catalog.Price{catalog.DayOne: {Amount: amount, Currency: "EUR", Tax: taxID}}}))
}

func priceAt(t *testing.T, till *running) int64 {
	t.Helper()
	a, err := till.Article(t.Context(), coffeeID)
	require.NoError(t, err)
	require.Len(t, a.Prices, 1)
	return int64(a.Prices[0].Price.Amount)
}

func sellCoffee(t *testing.T, till *running, amount int64) node.Receipt {
	t.Helper()
	tab, err := till.OpenTab(t.Context(), node.NewTab{})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	r, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "Bar", Amount: receipt.Amount(amount)}})
	require.NoError(t, err)
	return r
}

// TestClocksADayWrong: one till's clock is a day ahead, another one's a day behind. The last edit wins whatever the clocks
// say, receipts bear business time and say whether it can be relied on, and the wrong clocks are named on all tills.
func TestClocksADayWrong(t *testing.T) {
	var right, ahead, behind wrongly
	ahead.set(day)
	behind.set(-day)
	k1 := run(t, found(t))
	stock(t, k1)
	k2 := joinAt(t, &right, k1, "Kasse 2")
	k3, k4 := joinAt(t, &ahead, k1, "Kasse 3"), joinAt(t, &behind, k1, "Kasse 4")
	tills := []*running{k1, k2, k3, k4}
	waitEqual(t, tills...)

	for _, till := range []*running{k1, k2} {
		r := compared(t, till, 0, inOrder(k3, k4)...)
		require.True(t, r.Trusted)
		require.True(t, r.Warn)
		require.Contains(t, r.Text, "the clock of Kasse ")
	}
	require.Equal(t, "the clock of Kasse 3 is 24 h ahead", compared(t, k3, -day, "Kasse 4").Text)
	require.Equal(t, "the clock of Kasse 4 is 24 h behind", compared(t, k4, day, "Kasse 3").Text)
	require.False(t, k3.ClockReport().Trusted)
	require.False(t, k4.ClockReport().Trusted)

	// Both wrong ones change the price, apart from each other; then the right one does, having seen both.
	price(t, k3, 350)
	sold := sellCoffee(t, k3, 350)
	waitEqual(t, tills...)
	price(t, k4, 360)
	waitEqual(t, tills...)
	price(t, k1, 370)
	waitEqual(t, tills...)
	for _, till := range tills {
		require.EqualValues(t, 370, priceAt(t, till), till.data)
		got := sellCoffee(t, till, 370)
		closed, err := time.Parse(time.RFC3339, got.Parsed.Closed)
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), closed, time.Minute, "business time is right on %s", till.data)
		require.Equal(t, till == k1 || till == k2, got.Parsed.ClockTrusted, "receipts say whether their time can be relied on: %s", till.data)
	}
	waitEqual(t, tills...)
	for _, till := range tills {
		again, err := till.Receipt(t.Context(), sold.Number)
		require.NoError(t, err)
		require.Equal(t, sold.Document, again.Document, "what was sold stays as it was")
	}

	// Somebody sets both clocks right: they are told so, and their edits count as all others.
	ahead.set(0)
	behind.set(0)
	for _, till := range tills {
		r := compared(t, till, 0)
		require.True(t, r.Trusted, till.data)
		require.Empty(t, r.Text)
	}
	price(t, k3, 380)
	waitEqual(t, tills...)
	require.EqualValues(t, 380, priceAt(t, k1))
	require.True(t, sellCoffee(t, k3, 380).Parsed.ClockTrusted)
}

// inOrder returns the names of the third and the fourth till in the order of their IDs, as reports list them.
func inOrder(k3, k4 *running) []string {
	_, a, _ := k3.Self()
	_, b, _ := k4.Self()
	if a.Compare(b) < 0 {
		return []string{"Kasse 3", "Kasse 4"}
	}
	return []string{"Kasse 4", "Kasse 3"}
}

// TestAWrongClockIsRememberedOverARestart: a till alone after a restart goes on with what it knew.
func TestAWrongClockIsRememberedOverARestart(t *testing.T) {
	var right, ahead wrongly
	ahead.set(3 * time.Hour)
	k1 := run(t, found(t))
	stock(t, k1)
	k2, k3 := joinAt(t, &right, k1, "Kasse 2"), joinAt(t, &ahead, k1, "Kasse 3")
	waitEqual(t, k1, k2, k3)
	compared(t, k3, -3*time.Hour)
	k3.stop()
	k1.stop()
	k2.stop()
	again := runAt(t, &ahead, k3.data)
	r := again.ClockReport()
	require.Equal(t, "remembered", r.Source.String())
	require.InDelta(t, -3*time.Hour.Milliseconds(), r.OffsetMS, 2000)
	require.False(t, r.Trusted)
	require.WithinDuration(t, time.Now(), again.Now(), 10*time.Second)
	require.False(t, sellCoffee(t, again, 340).Parsed.ClockTrusted)
}
