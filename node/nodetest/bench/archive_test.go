//go:build bench

package bench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/node/nodetest/bench/figures"
)

// closeRate is how many tabs are closed in a second, in all.
const closeRate = 10

// archiveFigures measure real processes, three tills and a server of the cloud on this machine: from the call that closes a tab until
// the till says that the receipt is in the archive, at the till that forwards and at one that does not; and how long nobody forwards after
// the till that did was killed, or stands still.
func archiveFigures(t *testing.T, table *report) {
	for _, engine := range []struct {
		name string
		open func(t *testing.T) database.Options
	}{
		{"SQLite", func(*testing.T) database.Options { return database.Options{} }},
		{"PostgreSQL", func(t *testing.T) database.Options {
			return database.Options{DSN: databasetest.Start(t, "fsync=on").Database(t)}
		}},
	} {
		t.Run(engine.name, func(t *testing.T) {
			s := newArchived(t, engine.open(t))
			n := sized(200, 10)
			there, known := s.closes(n)
			table.add(figure{fmt.Sprintf("close to archive, %s (%d/s), at the till that forwards: p50 / p99", engine.name, closeRate), "-", both(there), "-", true})
			table.add(figure{"  the same at another till", "-", both(known), "-", true})
			if engine.name != "SQLite" {
				return
			}
			killed, frozen := s.takeOvers(sized(5, 1))
			for _, row := range []struct {
				what string
				took []time.Duration
				goal time.Duration
			}{{"kill -9", killed, 3 * time.Second}, {"SIGSTOP", frozen, 10 * time.Second}} {
				worst := figures.Percentile(row.took, 100)
				table.add(figure{fmt.Sprintf("another till forwards after %s of the one that did: p50 / worst of %d", row.what, len(row.took)), "-",
					figures.Duration(figures.Percentile(row.took, 50)) + " / " + figures.Duration(worst), "<= " + figures.Duration(row.goal), worst <= row.goal})
			}
		})
	}
}

func both(list []time.Duration) string {
	return figures.Duration(figures.Percentile(list, 50)) + " / " + figures.Duration(figures.Percentile(list, 99))
}

// archived is a shop that is coupled.
type archived struct {
	t       *testing.T
	shop    *nodetest.Shop
	leases  *nodetest.Leases
	article string
}

func newArchived(t *testing.T, o database.Options) *archived {
	t.Helper()
	shop := nodetest.Open(t, 3)
	first := shop.Tills[0]
	s := &archived{t: t, shop: shop, article: sell(t, first.API(), 1)[0]}
	shop.Equal()
	cloud := shop.NewCloud(o)
	server := cloud.Serve()
	cloud.Couple(first, server.URL())
	s.leases = cloud.WatchLeases()
	s.settle()
	return s
}

// settle waits until nothing is on its way.
func (s *archived) settle() {
	s.t.Helper()
	s.shop.Equal()
	for _, till := range s.shop.Tills {
		r := till.Sell(s.article)
		for _, k := range s.shop.Tills {
			nodetest.Eventually(s.t, patience, "it is in the archive", func() error {
				got, err := k.API().Receipt(s.t.Context(), r.Number)
				if err == nil && !got.Copies.Archived {
					err = errNotThere
				}
				return err
			})
		}
	}
}

var errNotThere = errors.New("the till does not know it")

// forwarder is the till that holds the lease, and one that does not.
func (s *archived) forwarder() (up, other *nodetest.Till) {
	up = s.shop.AwaitForwarder(patience, s.shop.Tills...)
	for _, k := range s.shop.Tills {
		if k != up {
			other = k
		}
	}
	return up, other
}

// sold is a receipt that is on its way.
type sold struct {
	number string
	began  time.Time
}

// closes closes so many tabs at the till that forwards and as many at another one, and asks each till for its own receipts until it
// says that they are in the archive.
func (s *archived) closes(n int) (there, known []time.Duration) {
	t := s.t
	t.Helper()
	up, other := s.forwarder()
	var looking sync.WaitGroup
	look := func(till *nodetest.Till, from <-chan sold, to *[]time.Duration, failed *error) {
		looking.Go(func() {
			for r := range from {
				for {
					got, err := till.API().Receipt(t.Context(), r.number)
					if *failed = errors.Join(*failed, err); err != nil || time.Since(r.began) > patience {
						break
					}
					if got.Copies.Archived {
						*to = append(*to, time.Since(r.began))
						break
					}
					pause(t.Context(), 2*time.Millisecond)
				}
			}
		})
	}
	first, second := make(chan sold, n), make(chan sold, n)
	var problems [2]error
	look(up, first, &there, &problems[0])
	look(other, second, &known, &problems[1])
	i := 0
	paced(time.Second/closeRate, 2*n, func() {
		till, to := up, first
		if i%2 == 1 {
			till, to = other, second
		}
		i++
		tab := till.OpenTab("")
		till.Add(tab.ID, s.article)
		now, err := till.API().Tab(t.Context(), tab.ID)
		require.NoError(t, err)
		began := time.Now()
		r, err := till.API().CloseTab(t.Context(), tab.ID, client.Close{Payments: []client.Payment{{Type: "Bar", Amount: now.Totals.Due}}})
		require.NoError(t, err)
		to <- sold{r.Number, began}
	})
	close(first)
	close(second)
	looking.Wait()
	require.NoError(t, errors.Join(problems[:]...))
	require.Len(t, there, n)
	require.Len(t, known, n)
	return there, known
}

// pause waits, or until ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// takeOvers kills the till that forwards so many times, and lets it stand still as often.
func (s *archived) takeOvers(rounds int) (killed, frozen []time.Duration) {
	s.t.Helper()
	for range rounds {
		up, _ := s.forwarder()
		began := time.Now()
		up.Kill()
		killed = append(killed, s.leases.AwaitOther(patience, up).At.Sub(began))
		up.Start()
		s.settle()

		up, _ = s.forwarder()
		began = time.Now()
		up.Freeze()
		frozen = append(frozen, s.leases.AwaitOther(patience, up).At.Sub(began))
		up.Thaw()
		s.settle()
	}
	_, _ = s.leases.Judge()
	return killed, frozen
}
