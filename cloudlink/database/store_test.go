package database_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store/memory"
	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/sql"
	"github.com/tillmesh/tillmesh/replication/store/storetest"
)

// The database of the suite, told to its child processes.
const (
	envDir = "DATABASETEST_DIR"
	envDSN = "DATABASETEST_DSN"
)

// TestContract: the suite of all stores, on the shops of one database. Each opening is a server of its own.
func TestContract(t *testing.T) {
	for _, e := range databasetest.Engines {
		t.Run(e.Name, func(t *testing.T) {
			o := e.New(t)
			t.Setenv(envDir, o.Dir)
			t.Setenv(envDSN, o.DSN)
			storetest.Run(t, storetest.Engine{Open: openShop, OnDisk: true, Kills: 2})
		})
	}
}

// server is one store of a shop with all that belongs to it.
type server struct {
	rows.Store
	db    *database.DB
	shops *sql.Shops
	seats *seats.Server
	seat  seats.Seat
	close sync.Once
}

func openShop(dir string) (rows.Store, error) {
	sum := sha256.Sum256([]byte(dir))
	return startServer(database.Options{Dir: os.Getenv(envDir), DSN: os.Getenv(envDSN)}, crdt.ShopID(sum[:16]))
}

func startServer(o database.Options, shop crdt.ShopID) (rows.Store, error) {
	ctx := context.Background()
	db, err := database.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	s := &server{db: db, seats: seats.New(db, fmt.Sprintf("%d-%s", os.Getpid(), rand.Text()), "nowhere")}
	write, read := db.Pools()
	if s.shops, err = sql.OpenShops(ctx, sql.Database{Dialect: db.Dialect(), Write: write, Read: read}); err == nil {
		if _, err = s.seats.Beat(ctx); err == nil {
			err = s.take(ctx, shop)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.Store = s.shops.Open(sql.ShopOptions{Shop: shop, Epoch: s.seat.Epoch})
	return s, nil
}

// take takes the seat; that of a process that was killed is taken without waiting for its silence.
func (s *server) take(ctx context.Context, shop crdt.ShopID) (err error) {
	for range 2 {
		s.seat, err = s.seats.Take(ctx, shop)
		var held *seats.Held
		if !errors.As(err, &held) {
			return err
		}
		var pid int
		if _, err := fmt.Sscanf(held.ID, "%d-", &pid); err != nil {
			return err
		}
		if alive(pid) {
			return fmt.Errorf("%w: %w", rows.ErrInUse, err)
		}
		if err := s.db.Tx(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE servers SET seen = 0 WHERE server = ?`, held.ID)
			return err
		}); err != nil {
			return err
		}
	}
	return err
}

func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	return err == nil && p.Signal(syscall.Signal(0)) == nil
}

func (s *server) Close() (err error) {
	s.close.Do(func() {
		if s.Store != nil {
			err = errors.Join(s.Store.Close(), s.seats.Leave(context.Background()))
		}
		if s.shops != nil {
			err = errors.Join(err, s.shops.Close())
		}
		err = errors.Join(err, s.db.Close())
	})
	return err
}

// openShops returns stores of n shops whose IDs are neighbours, held by one server.
func openShops(t testing.TB, db *database.DB, n int) []*sql.Store {
	t.Helper()
	write, read := db.Pools()
	shops, err := sql.OpenShops(t.Context(), sql.Database{Dialect: db.Dialect(), Write: write, Read: read})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, shops.Close()) })
	me := seats.New(db, "me", "nowhere")
	_, err = me.Beat(t.Context())
	require.NoError(t, err)
	var list []*sql.Store
	for i := range n {
		shop := crdt.ShopID{0xff, 14: byte(i >> 8), 15: byte(i)}
		seat, err := me.Take(t.Context(), shop)
		require.NoError(t, err)
		list = append(list, shops.Open(sql.ShopOptions{Shop: shop, Epoch: seat.Epoch}))
	}
	return list
}

// TestShopsDoNotMeet: random batches in several shops with the same keys, compared with as many stores in memory.
func TestShopsDoNotMeet(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		random := mathrand.New(mathrand.NewPCG(seed, 1))
		ctx := t.Context()
		stores := openShops(t, db, 3)
		var models []rows.Store
		for range stores {
			m, err := memory.NewDisk().Open()
			require.NoError(t, err)
			models = append(models, m)
		}
		key := func() []byte { return fmt.Appendf(nil, "k%d", random.IntN(200)) }
		for range 60 {
			at := random.IntN(len(stores))
			var batch []rows.Write
			for range 1 + random.IntN(100) {
				batch = append(batch, rows.Write{Key: key(), Value: make([]byte, random.IntN(300)), Delete: random.IntN(3) == 0})
			}
			require.NoError(t, models[at].Commit(ctx, batch))
			require.NoError(t, stores[at].Commit(ctx, batch))
			for i := range stores {
				from, to, limit, bytes := key(), key(), 1+random.IntN(200), random.IntN(3)*random.IntN(5000)
				if random.IntN(3) == 0 {
					to = nil
				}
				want, err := models[i].Scan(ctx, from, to, limit, bytes)
				require.NoError(t, err)
				got, err := stores[i].Scan(ctx, from, to, limit, bytes)
				require.NoError(t, err)
				require.Equal(t, want, got, "seed %d", seed)
				keys := [][]byte{key(), key(), key()}
				keys = append(keys, keys[0])
				wantValues, err := models[i].Load(ctx, keys)
				require.NoError(t, err)
				gotValues, err := stores[i].Load(ctx, keys)
				require.NoError(t, err)
				require.Equal(t, wantValues, gotValues, "seed %d", seed)
			}
		}
	})
}
