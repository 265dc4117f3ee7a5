package uplink_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/node"
)

// long is for what waits until a till calls again by itself, on the slowest machine.
const long = 2 * time.Minute

// seller sells one tea after the other until it is stopped.
type seller struct {
	k    *till
	stop context.CancelFunc
	work sync.WaitGroup

	mu   sync.Mutex
	sold []node.Receipt
	err  error
}

func (k *till) selling() *seller {
	ctx, stop := context.WithCancel(k.t.Context())
	s := &seller{k: k, stop: stop}
	s.work.Go(func() {
		for ctx.Err() == nil {
			r, err := s.one(k.t.Context())
			s.mu.Lock()
			if s.err = err; err == nil {
				s.sold = append(s.sold, r)
			}
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	})
	k.t.Cleanup(func() {
		stop()
		s.work.Wait()
	})
	return s
}

func (s *seller) one(ctx context.Context) (node.Receipt, error) {
	tab, err := s.k.OpenTab(ctx, node.NewTab{User: "Anna"})
	if err == nil {
		_, _, err = s.k.AddLines(ctx, tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Tee", Price: 300, Tax: tea}, Quantity: 1000, User: "Anna"}})
	}
	if err != nil {
		return node.Receipt{}, err
	}
	return s.k.CloseTab(ctx, tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 300}})
}

// count is how much was sold so far.
func (s *seller) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	require.NoError(s.k.t, s.err, "selling goes on whatever the cloud does")
	return len(s.sold)
}

// more waits until so many more were sold.
func (s *seller) more(n int) {
	s.k.t.Helper()
	n += s.count()
	require.Eventually(s.k.t, func() bool { return s.count() >= n }, long, time.Millisecond)
}

// end stops it and returns all that was sold.
func (s *seller) end() []node.Receipt {
	s.stop()
	s.work.Wait()
	s.count()
	return s.sold
}

// says waits until the till that forwards says one of these causes with all that belongs to it.
func (k *till) says(causes ...cloudlink.Cause) {
	t := k.t
	t.Helper()
	var s cloudlink.Status
	require.Eventually(t, func() bool {
		s = k.Uplink()
		for _, c := range causes {
			if s.State == cloudlink.Stuck && s.Cause == c {
				return true
			}
		}
		return false
	}, long, time.Millisecond, "%v: %+v", causes, &s)
	require.NotEmpty(t, s.Text)
	require.NotEmpty(t, s.Cause.Advice())
	require.False(t, s.Since.IsZero())
	require.Error(t, s.Err)
}

// allArrive waits until everything is archived, calling the cloud meanwhile, and checks that it is there once.
func (c *cloud) allArrive(k *till, list []node.Receipt) {
	t := c.t
	t.Helper()
	require.Eventually(t, func() bool {
		if s := k.Uplink(); !s.Connected && s.State == cloudlink.Stuck {
			k.Machine.SyncCloud()
		}
		for i := len(list) - 1; i >= 0; i-- {
			if got, err := k.Receipt(t.Context(), list[i].Number); err != nil || !got.Archived.Held {
				return false
			}
		}
		return true
	}, long, 20*time.Millisecond, "%d receipts are archived", len(list))
	c.documents(len(list))
}

// down are the causes of a database that does not answer: the session ends, and the cloud says that it is being worked on.
var down = []cloudlink.Cause{cloudlink.ServerDown, cloudlink.Cause(greeting.Maintenance), cloudlink.Cause(greeting.Busy)}

// TestTheDatabaseOfTheCloudIsFull: in the middle of a batch nothing more fits. The till says so and sells; once there is room everything arrives, without
// a restart of the cloud.
func TestTheDatabaseOfTheCloudIsFull(t *testing.T) {
	c := startCloud(t, sqlite(t))
	one := found(t)
	c.couple(one)
	one.archived(one.sell(2))
	c.shows("ok")
	from := time.Now()
	write, _ := c.db.Pools()
	limit := func(pages int) {
		_, err := write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages))
		require.NoError(t, err)
	}
	var pages int
	require.NoError(t, write.QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages))
	limit(pages + 8)
	s := one.selling()
	one.says(cloudlink.Cause(greeting.Full))
	s.more(5)
	shown := c.shows("full")
	limit(1 << 30)
	s.more(5)
	c.showsAgain(shown, from)
	c.allArrive(one, append(s.end(), archivedBefore(one, 2)...))
}

// archivedBefore returns the first receipts of a till.
func archivedBefore(k *till, n int) (out []node.Receipt) {
	for i := range n {
		r, err := k.Receipt(k.t.Context(), fmt.Sprintf("K1-%06d", i+1))
		require.NoError(k.t, err)
		out = append(out, r)
	}
	return out
}

// TestTheDatabaseServerIsKilled: PostgreSQL is killed again and again while a till sells and forwards.
func TestTheDatabaseServerIsKilled(t *testing.T) {
	server := databasetest.Start(t)
	c := startCloud(t, database.Options{DSN: server.Database(t)})
	one := found(t)
	c.couple(one)
	one.archived(one.sell(1))
	s := one.selling()
	for round := range 3 {
		s.more(10)
		from := time.Now()
		server.Kill(t)
		one.says(down...)
		s.more(5)
		var shown serverclient.Status
		if round == 0 {
			shown = c.shows("down")
		}
		server.Run(t)
		before := one.Uplink().Session
		require.Eventually(t, func() bool {
			one.Machine.SyncCloud()
			u := one.Uplink()
			return u.Connected && u.Session != before
		}, long, 20*time.Millisecond)
		if round == 0 {
			c.showsAgain(shown, from)
		}
	}
	c.allArrive(one, append(s.end(), archivedBefore(one, 1)...))
}

// TestTheDatabaseIsReadOnly: it can be read and not written, as a standby or one that protects itself.
func TestTheDatabaseIsReadOnly(t *testing.T) {
	server := databasetest.Start(t)
	server.Exec(t, "postgres", "CREATE DATABASE cloud")
	c := startCloud(t, database.Options{DSN: server.DSN("cloud")})
	one := found(t)
	c.couple(one)
	one.archived(one.sell(1))
	only := func(on string) {
		server.Exec(t, "postgres", "ALTER DATABASE cloud SET default_transaction_read_only = "+on)
		server.Exec(t, "postgres", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'cloud'")
	}
	s := one.selling()
	s.more(5)
	from := time.Now()
	only("on")
	one.says(down...)
	s.more(5)
	shown := c.shows("read-only")
	only("off")
	c.showsAgain(shown, from)
	c.allArrive(one, append(s.end(), archivedBefore(one, 1)...))
}
