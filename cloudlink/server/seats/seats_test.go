package seats_test

import (
	"context"
	"database/sql"
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
	store "github.com/tillmesh/tillmesh/replication/store/sql"
)

var shop = crdt.ShopID{1}

func server(t *testing.T, db *database.DB, id string) *seats.Server {
	t.Helper()
	s := seats.New(db, id, id+":8490")
	late, err := s.Beat(t.Context())
	require.NoError(t, err)
	require.True(t, late, "the first beat: whatever it held before is not its own")
	late, err = s.Beat(t.Context())
	require.NoError(t, err)
	require.False(t, late)
	return s
}

// ago moves the last sign of life of a server.
func ago(t *testing.T, db *database.DB, id string, by time.Duration) {
	t.Helper()
	require.NoError(t, db.Tx(t.Context(), func(tx *database.Tx) error {
		done, err := tx.Exec(t.Context(), `UPDATE servers SET seen = seen - ? WHERE server = ?`, by.Milliseconds(), id)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		if n != 1 {
			err = errors.Join(err, errors.New("no such server"))
		}
		return err
	}))
}

func held(t *testing.T, err error) *seats.Held {
	t.Helper()
	var h *seats.Held
	require.ErrorAs(t, err, &h)
	return h
}

func TestASeatHasOneHolder(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := server(t, db, "a"), server(t, db, "b")
		none, err := a.Holder(t.Context(), shop)
		require.NoError(t, err)
		require.Nil(t, none)
		first, err := a.Take(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, seats.Seat{Shop: shop, Epoch: 1}, first)

		_, err = b.Take(t.Context(), shop)
		require.Equal(t, &seats.Held{Shop: shop, ID: "a", Address: "a:8490"}, held(t, err))
		_, err = a.Take(t.Context(), shop)
		require.True(t, held(t, err).Mine, "a server opens a shop once")
		who, err := b.Holder(t.Context(), shop)
		require.NoError(t, err)
		require.Equal(t, "a:8490", who.Address)

		require.NoError(t, b.Release(t.Context(), first), "not its own")
		_, err = b.Take(t.Context(), shop)
		require.Error(t, err)
		require.NoError(t, a.Release(t.Context(), first))
		second, err := b.Take(t.Context(), shop)
		require.NoError(t, err)
		require.Greater(t, second.Epoch, first.Epoch)
		require.NoError(t, a.Release(t.Context(), first), "it was lost already")
		mine, err := b.Mine(t.Context())
		require.NoError(t, err)
		require.Equal(t, map[crdt.ShopID]seats.Seat{shop: second}, mine)
		mine, err = a.Mine(t.Context())
		require.NoError(t, err)
		require.Empty(t, mine)
	})
}

func TestASilentServerLosesItsSeats(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		for n, moved := range []time.Duration{seats.Silence, -seats.Silence} {
			a, b := server(t, db, fmt.Sprint("a", n)), server(t, db, fmt.Sprint("b", n))
			shop := crdt.ShopID{byte(2 + n)}
			seat, err := a.Take(t.Context(), shop)
			require.NoError(t, err)
			ago(t, db, a.ID(), moved/2)
			_, err = b.Take(t.Context(), shop)
			held(t, err)

			ago(t, db, a.ID(), moved)
			taken, err := b.Take(t.Context(), shop)
			require.NoError(t, err)
			require.Equal(t, seat.Epoch+1, taken.Epoch)
			late, err := a.Beat(t.Context())
			require.NoError(t, err)
			require.True(t, late, "it is told that it may have lost seats")
			mine, err := a.Mine(t.Context())
			require.NoError(t, err)
			require.Empty(t, mine)
			late, err = a.Beat(t.Context())
			require.NoError(t, err)
			require.False(t, late)
			_, err = a.Take(t.Context(), shop)
			require.Equal(t, b.ID(), held(t, err).ID)
		}
	})
}

func TestLeaving(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := server(t, db, "a"), server(t, db, "b")
		for n := range byte(3) {
			_, err := a.Take(t.Context(), crdt.ShopID{n})
			require.NoError(t, err)
		}
		_, err := b.Take(t.Context(), crdt.ShopID{9})
		require.NoError(t, err)
		list, err := seats.List(t.Context(), db)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, []int{3, 1}, []int{list[0].Seats, list[1].Seats})
		require.Equal(t, "a:8490", list[0].Address)
		require.False(t, list[0].Silent)

		require.NoError(t, a.Leave(t.Context()))
		for n := range byte(3) {
			_, err := b.Take(t.Context(), crdt.ShopID{n})
			require.NoError(t, err)
		}
		list, err = seats.List(t.Context(), db)
		require.NoError(t, err)
		require.Len(t, list, 1)
		require.Equal(t, 4, list[0].Seats)
		late, err := a.Beat(t.Context())
		require.NoError(t, err)
		require.True(t, late)

		// One that is long gone leaves the list with the next server that comes, but not while it has seats.
		ago(t, db, "a", 25*time.Hour)
		ago(t, db, "b", 25*time.Hour)
		server(t, db, "c")
		list, err = seats.List(t.Context(), db)
		require.NoError(t, err)
		require.Len(t, list, 2)
		require.Equal(t, "b", list[0].ID)
		require.True(t, list[0].Silent)
	})
}

// Many servers want one seat at once: one gets it.
func TestManyWantOneSeat(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		var servers []*seats.Server
		for n := range 8 {
			servers = append(servers, server(t, db, fmt.Sprint(n)))
		}
		for round := range byte(10) {
			var got sync.Map
			var all sync.WaitGroup
			for _, s := range servers {
				all.Go(func() {
					seat, err := s.Take(context.Background(), crdt.ShopID{100, round})
					if err == nil {
						got.Store(s.ID(), seat)
						return
					}
					var h *seats.Held
					if !errors.As(err, &h) {
						t.Error(err)
					}
				})
			}
			all.Wait()
			count := 0
			got.Range(func(_, seat any) bool { count++; require.EqualValues(t, 1, seat.(seats.Seat).Epoch); return true })
			require.Equal(t, 1, count)
		}
	})
}

// shops opens the stores of a database.
func shops(t *testing.T, db *database.DB) *store.Shops {
	t.Helper()
	write, read := db.Pools()
	s, err := store.OpenShops(t.Context(), store.Database{Dialect: db.Dialect(), Write: write, Read: read})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func write(n int) []rows.Write {
	return []rows.Write{{Key: []byte("last"), Value: fmt.Append(nil, n)}, {Key: fmt.Appendf(nil, "k%06d", n), Value: []byte("x")}}
}

func TestAnOldEpochChangesNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := server(t, db, "a"), server(t, db, "b")
		all := shops(t, db)
		seat, err := a.Take(t.Context(), shop)
		require.NoError(t, err)
		also := 0
		old := all.Open(store.ShopOptions{Shop: shop, Epoch: seat.Epoch, Beside: func(context.Context, *sql.Tx) error { also++; return nil }})
		require.NoError(t, old.Commit(t.Context(), write(1)))
		require.NoError(t, old.Commit(t.Context(), nil), "nothing is written, so nothing is asked")
		require.Equal(t, 1, also)

		require.NoError(t, a.Release(t.Context(), seat))
		err = old.Commit(t.Context(), write(2))
		require.ErrorIs(t, err, rows.ErrFenced, "also while nobody has the seat")
		require.NotErrorIs(t, err, rows.ErrFailed)
		require.Equal(t, 1, also)
		_, err = old.Scan(t.Context(), nil, nil, 9, 0)
		require.ErrorIs(t, err, rows.ErrFenced, "from then on it refuses everything")
		require.NoError(t, old.Close())

		seat, err = b.Take(t.Context(), shop)
		require.NoError(t, err)
		current := all.Open(store.ShopOptions{Shop: shop, Epoch: seat.Epoch})
		found, err := current.Scan(t.Context(), nil, nil, 9, 0)
		require.NoError(t, err)
		require.Len(t, found, 2)
		require.Equal(t, "1", string(found[1].Value))

		err = all.Open(store.ShopOptions{Shop: crdt.ShopID{77}, Epoch: 1}).Commit(t.Context(), write(1))
		require.ErrorIs(t, err, rows.ErrFenced, "a shop without a seat")
	})
}

// TestFencingRaces: a server writes as fast as it can while another one takes its seat. What the other one finds after
// that is all there ever will be from the first.
func TestFencingRaces(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		a, b := server(t, db, "a"), server(t, db, "b")
		all := shops(t, db)
		for round := range byte(12) {
			shop := crdt.ShopID{3, round}
			seat, err := a.Take(t.Context(), shop)
			require.NoError(t, err)
			old := all.Open(store.ShopOptions{Shop: shop, Epoch: seat.Epoch})
			acknowledged, end, running := 0, make(chan error, 1), make(chan struct{})
			go func() {
				for n := 1; ; n++ {
					if err := old.Commit(context.Background(), write(n)); err != nil {
						end <- err
						return
					}
					if acknowledged = n; n == 3 {
						close(running)
					}
				}
			}()
			<-running
			ago(t, db, "a", 2*seats.Silence)
			taken, err := b.Take(t.Context(), shop)
			require.NoError(t, err)
			current := all.Open(store.ShopOptions{Shop: shop, Epoch: taken.Epoch})
			before, err := current.Scan(t.Context(), nil, nil, 100_000, 0)
			require.NoError(t, err)
			require.ErrorIs(t, <-end, rows.ErrFenced)
			after, err := current.Scan(t.Context(), nil, nil, 100_000, 0)
			require.NoError(t, err)
			require.Equal(t, before, after)
			require.Len(t, after, acknowledged+1)
			_, err = a.Beat(t.Context())
			require.NoError(t, err)
		}
	})
}
