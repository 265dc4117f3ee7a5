//go:build unix

package nodetest_test

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/lease"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// archiveTime is how long receipts may take to the archive on the slowest machine and the worst line.
const archiveTime = 10 * time.Minute

// saleEvery is how often is sold while a trouble lasts.
const saleEvery = 200 * time.Millisecond

// forwarding is a shop whose tills forward to a cloud.
type forwarding struct {
	t       *testing.T
	shop    *nodetest.Shop
	cloud   *nodetest.Cloud
	leases  *nodetest.Leases
	person  *serverclient.Client
	account archive.AccountID
	coffee  string
}

// forward couples a shop with a cloud that tills find at url, and waits until its first receipt is in the archive.
func forward(t *testing.T, shop *nodetest.Shop, cloud *nodetest.Cloud, url string) *forwarding {
	t.Helper()
	f := &forwarding{t: t, shop: shop, cloud: cloud}
	first := shop.Tills[0]
	f.coffee = first.PutArticle("Kaffee", 290, first.PutTax(1900))
	shop.Equal()
	cloud.Couple(first, url)
	f.person, f.account = cloud.Person(cloud.Servers[0])
	t.Cleanup(f.person.Close)
	f.leases = cloud.WatchLeases()
	f.sell(1, first)
	f.awaitArchive(1)
	f.awaitCursor("everything has arrived", func(c lease.Cursor) bool { return c.Pending == 0 && c.CompleteMS > 0 })
	return f
}

// awaitCursor waits until what the cloud notes of the progress is so.
func (f *forwarding) awaitCursor(what string, holds func(lease.Cursor) bool) {
	f.t.Helper()
	nodetest.Eventually(f.t, archiveTime, "the cloud notes that "+what, func() error {
		if last, _ := f.leases.Judge(); !holds(last.Cursor) {
			return fmt.Errorf("it notes %+v in term %d", last.Cursor, last.Term)
		}
		return nil
	})
}

// sell sells so many receipts on the tills in all, several at the same time.
func (f *forwarding) sell(n int, tills ...*nodetest.Till) {
	t := f.t
	t.Helper()
	const sellers = 4 // at each till
	left := make(chan struct{}, n)
	for range n {
		left <- struct{}{}
	}
	close(left)
	var mu sync.Mutex
	var problem error
	var selling sync.WaitGroup
	for i := range min(n, sellers*len(tills)) {
		selling.Go(func() {
			api := tills[i%len(tills)].API()
			for range left {
				tab, err := api.OpenTab(t.Context(), client.NewTab{})
				if err == nil {
					_, err = api.AddLine(t.Context(), tab.ID, client.NewLine{Article: f.coffee})
				}
				if err == nil {
					_, err = api.CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: 290}}})
				}
				if err != nil {
					mu.Lock()
					problem = errors.Join(problem, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	selling.Wait()
	require.NoError(t, problem)
}

// awaitArchive waits until the archive holds at least so many receipts, and returns how many it holds.
func (f *forwarding) awaitArchive(n int) (held int) {
	f.t.Helper()
	nodetest.Eventually(f.t, archiveTime, fmt.Sprintf("%d receipts are in the archive", n), func() error {
		if held = len(f.cloud.Archived(f.account)); held < n {
			return fmt.Errorf("there are %d", held)
		}
		return nil
	})
	return held
}

// till returns the till of an ID.
func (f *forwarding) till(id string) *nodetest.Till {
	f.t.Helper()
	for _, k := range f.shop.Tills {
		if k.ID() == id {
			return k
		}
	}
	f.t.Fatalf("there is no till %s", id)
	return nil
}

// others are all tills but one.
func (f *forwarding) others(not *nodetest.Till) (list []*nodetest.Till) {
	for _, k := range f.shop.Tills {
		if k != not {
			list = append(list, k)
		}
	}
	return list
}

// complete checks how it ends: nothing is pending, the first till knows that every receipt is in the archive and the others do so of 500 at
// least; the archive holds each exactly once with the same hash and finds nothing wrong with them; no stale term moved the cursor.
func (f *forwarding) complete() {
	t, ctx := f.t, f.t.Context()
	t.Helper()
	f.shop.Equal()
	list, err := f.shop.Tills[0].API().AllReceipts(ctx, client.List{})
	require.NoError(t, err)
	requireNumbers(t, list)
	f.awaitArchive(len(list))
	sold := make(map[string]string) // hashes by number
	for i, k := range f.shop.Tills {
		step := 1
		if i > 0 {
			step += len(list) / 500
		}
		for n := 0; n < len(list); n += step {
			number := list[n].Number
			nodetest.Eventually(t, archiveTime, k.Name+" knows that "+number+" is in the archive", func() error {
				r, err := k.API().Receipt(ctx, number)
				if err == nil && !r.Copies.Archived {
					err = errNotYet
				}
				sold[number] = r.Hash
				return err
			})
		}
	}
	up := f.shop.AwaitForwarder(archiveTime, f.shop.Tills...)
	nodetest.Eventually(t, archiveTime, "nothing is pending", func() error {
		state, err := up.API().Cloud(ctx)
		if err == nil && (state.State != "up-to-date" || state.Pending != 0) {
			err = fmt.Errorf("%s: %s, %d pending", up.Name, state.State, state.Pending)
		}
		return err
	})
	f.awaitCursor("nothing is pending", func(c lease.Cursor) bool {
		return c.Term == f.leases.Holder().Term && c.Pending == 0 && c.CompleteMS > 0
	})

	times := f.cloud.Archived(f.account)
	require.Len(t, times, len(list))
	person, _ := f.cloud.Person(f.cloud.Running()[0])
	defer person.Close()
	shops, err := person.Shops(ctx)
	require.NoError(t, err)
	require.Len(t, shops.Items, 1)
	hashes := make(map[string]string)
	for filter := (serverclient.Filter{Limit: 1000}); ; {
		page, err := person.Receipts(ctx, shops.Items[0].ID, filter)
		require.NoError(t, err)
		for _, e := range page.Items {
			require.True(t, e.Verified, e.Number)
			hashes[e.Number] = e.Hash
		}
		if filter.After = page.Next; page.Next == "" {
			break
		}
	}
	for _, e := range list {
		require.Equal(t, 1, times[e.Number], "how often the archive holds %s", e.Number)
		require.NotEmpty(t, sold[e.Number], e.Number)
		require.Equal(t, sold[e.Number], hashes[e.Number], e.Number)
	}
	out := f.cloud.Exec("check", "--account", nodetest.CloudAccount, "--json")
	require.Zero(t, out.Code, "%s%s", out.Stdout, out.Stderr)
	last, moved := f.leases.Judge()
	t.Logf("%d receipts, term %d, the cursor moved %d times", len(list), last.Term, moved)
}

// TestTwoUplinks is scenario 8 with real processes: many receipts are pending; the cloud is slow and loses 30 % of its answers after it
// committed; the till that forwards is frozen, another one takes over, the first thaws and goes on sending; on PostgreSQL the server that works on
// the shop is killed meanwhile, and another server goes on. TestTwoUplinksOnASplitLAN has the splits.
func TestTwoUplinks(t *testing.T) {
	pending, frozen := 300, time.Duration(0) // until another till forwards
	if os.Getenv(nodetest.EnvFull) == "1" {
		pending, frozen = 10_000, time.Minute
	}
	for _, engine := range []struct {
		name    string
		servers int
		open    func(t *testing.T) database.Options
	}{
		{"sqlite", 1, func(*testing.T) database.Options { return database.Options{} }},
		{"postgres", 2, func(t *testing.T) database.Options {
			return database.Options{DSN: databasetest.Start(t).Database(t)}
		}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			t.Parallel()
			o := engine.open(t)
			shop := nodetest.Open(t, 3)
			cloud := shop.NewCloud(o)
			for range engine.servers {
				cloud.Serve()
			}
			line := nodetest.NewLine(t, cloud.Addresses()...)
			f := forward(t, shop, cloud, line.URL())

			line.Cut()
			began := time.Now()
			f.sell(pending, shop.Tills...)
			t.Logf("%d receipts sold without internet in %v", pending, time.Since(began).Round(time.Millisecond))
			shop.Equal()
			require.Len(t, cloud.Archived(f.account), 1)

			line.Worsen(20*time.Millisecond, 0.3)
			line.Mend()
			mended := time.Now()
			f.awaitArchive(1 + pending/20)
			if engine.servers > 1 {
				seat := cloud.Seat()
				require.NotNil(t, seat)
				seat.Kill()
				t.Logf("%s is killed, %d receipts are in the archive", seat.Name, len(cloud.Archived(f.account)))
			}
			up := f.till(f.leases.Holder().Holder.String())
			up.Freeze()
			froze := time.Now()
			next := f.leases.AwaitOther(archiveTime, up)
			t.Logf("take-over over a bad line after %s was frozen: %v", up.Name, next.At.Sub(froze).Round(time.Millisecond))
			f.sell(5, f.others(up)...)
			f.awaitCursor("another till forwards", func(c lease.Cursor) bool { return c.Term >= next.Term })
			sold := time.Now()
			nodetest.Eventually(t, frozen+time.Minute, "the till thaws", func() error {
				if time.Since(sold) >= saleEvery {
					f.sell(1, f.others(up)...)
					sold = time.Now()
				}
				if time.Since(froze) < frozen {
					return errNotYet
				}
				return nil
			})
			up.Thaw()
			f.sell(5, up)
			list, err := up.API().AllReceipts(t.Context(), client.List{})
			require.NoError(t, err)
			f.awaitArchive(len(list))
			t.Logf("all %d receipts in the archive after %v; %d answers were lost", len(list), time.Since(mended).Round(time.Millisecond), line.Dropped())
			require.Positive(t, line.Dropped(), "the line loses answers")

			line.Worsen(0, 0)
			shop.Equal()
			up = shop.AwaitForwarder(archiveTime, shop.Tills...)
			up.Kill()
			killed := time.Now()
			next = f.leases.AwaitOther(archiveTime, up)
			t.Logf("take-over after %s was killed: %v", up.Name, next.At.Sub(killed).Round(time.Millisecond))
			f.sell(2, f.others(up)...)
			up.Start()
			f.sell(2, up)
			f.complete()
		})
	}
}
