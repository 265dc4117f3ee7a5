package database_test

import (
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql"
)

const deadline, tick = 20 * time.Second, time.Millisecond

// together opens one shop that holds the writer until it is told to go on, and n that commit meanwhile.
type together struct {
	shops   *sql.Shops
	db      *database.DB
	me      *seats.Server
	all     sync.WaitGroup
	entered chan struct{}
	goOn    chan struct{}
}

func openTogether(t *testing.T) *together {
	db := databasetest.Open(t, databasetest.SQLite(t))
	write, read := db.Pools()
	shops, err := sql.OpenShops(t.Context(), sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shops.Close()) })
	g := &together{shops: shops, db: db, me: seats.New(db, "me", "nowhere"), entered: make(chan struct{}), goOn: make(chan struct{})}
	_, err = g.me.Beat(t.Context())
	require.NoError(t, err)
	return g
}

func (g *together) open(t *testing.T, shop byte, beside func(context.Context, *stdsql.Tx) error) (*sql.Store, seats.Seat) {
	t.Helper()
	seat, err := g.me.Take(t.Context(), crdt.ShopID{shop})
	require.NoError(t, err)
	return g.shops.Open(sql.ShopOptions{Shop: crdt.ShopID{shop}, Epoch: seat.Epoch, Beside: beside}), seat
}

// hold keeps the writer busy until release.
func (g *together) hold(t *testing.T) {
	first, _ := g.open(t, 200, func(context.Context, *stdsql.Tx) error { g.entered <- struct{}{}; <-g.goOn; return nil })
	g.all.Go(func() {
		if err := first.Commit(context.Background(), numbered(1)); err != nil {
			t.Error(err)
		}
	})
	<-g.entered
}

// commit commits in a goroutine of its own and returns when it waits for the writer.
func (g *together) commit(t *testing.T, s *sql.Store, n int, end *error) {
	before := g.shops.Waiting()
	g.all.Go(func() {
		defer func() {
			if p := recover(); p != nil {
				*end = fmt.Errorf("panic: %v", p)
			}
		}()
		*end = s.Commit(context.Background(), numbered(n))
	})
	require.Eventually(t, func() bool { return g.shops.Waiting() == before+1 }, deadline, tick)
}

func (g *together) release() {
	close(g.goOn)
	g.all.Wait()
}

// TestShopsShareATransaction: those that wait for the writer of SQLite are written together, and each ends by itself.
func TestShopsShareATransaction(t *testing.T) {
	g := openTogether(t)
	transactions := map[*stdsql.Tx]int{}
	note := func(_ context.Context, tx *stdsql.Tx) error { transactions[tx]++; return nil }
	refuse := errors.New("the archive refuses")
	good, _ := g.open(t, 1, note)
	refused, _ := g.open(t, 2, func(ctx context.Context, tx *stdsql.Tx) error {
		_, err := g.db.In(tx).Exec(ctx, `INSERT INTO rows (shop, key, value) VALUES (?, ?, '')`, []byte("beside"), []byte("x"))
		return errors.Join(err, refuse)
	})
	fenced, seat := g.open(t, 3, note)
	require.NoError(t, g.me.Release(t.Context(), seat))
	last4, _ := g.open(t, 4, note)
	g.hold(t)
	ends := make([]error, 4)
	for i, s := range []*sql.Store{good, refused, fenced, last4} {
		g.commit(t, s, 1, &ends[i])
	}
	g.release()
	require.NoError(t, ends[0])
	require.ErrorIs(t, ends[1], refuse)
	require.ErrorIs(t, ends[2], rows.ErrFenced)
	require.NoError(t, ends[3])
	require.Len(t, transactions, 1, "one transaction")
	require.Equal(t, 1, last(t, good))
	require.Equal(t, 0, last(t, refused))
	require.Equal(t, 1, last(t, last4))
	require.Equal(t, 0, count(t, g.db, "beside"))
	require.Equal(t, 0, count(t, g.db, string(append([]byte{3}, make([]byte, 15)...))))
}

// TestOneShopFillsTheDisk: the others are not refused because one of them was too much.
func TestOneShopFillsTheDisk(t *testing.T) {
	g := openTogether(t)
	small, _ := g.open(t, 1, nil)
	large, _ := g.open(t, 2, func(ctx context.Context, tx *stdsql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO rows (shop, key, value) VALUES (x'09', x'09', zeroblob(30000000))`)
		return err
	})
	other, _ := g.open(t, 3, nil)
	g.db.LimitPages(t, "2000")
	g.hold(t)
	ends := make([]error, 3)
	for i, s := range []*sql.Store{small, large, other} {
		g.commit(t, s, 1, &ends[i])
	}
	g.release()
	require.NoError(t, ends[0])
	require.ErrorIs(t, ends[1], rows.ErrFull)
	require.NotErrorIs(t, ends[1], rows.ErrFailed)
	require.NoError(t, ends[2])
	require.Equal(t, []int{1, 0, 1}, []int{last(t, small), last(t, large), last(t, other)})
}

// TestAPanicTellsNobodySuccess: what shared the transaction was not written, and those who come later are served.
func TestAPanicTellsNobodySuccess(t *testing.T) {
	g := openTogether(t)
	before, _ := g.open(t, 1, nil)
	breaks, _ := g.open(t, 2, func(context.Context, *stdsql.Tx) error { panic("a bug") })
	behind, _ := g.open(t, 3, nil)
	g.hold(t)
	ends := make([]error, 3)
	for i, s := range []*sql.Store{before, breaks, behind} {
		g.commit(t, s, 1, &ends[i])
	}
	g.release()
	for i, s := range []*sql.Store{before, behind} {
		written := 0
		if ends[2*i] == nil {
			written = 1
		}
		require.Equal(t, written, last(t, s))
	}
	require.Error(t, ends[1])
	require.NoError(t, behind.Commit(t.Context(), numbered(last(t, behind)+1)))
}
