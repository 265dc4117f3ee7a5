package uplink_test

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

const (
	accountName = "inhaber@example.org"
	password    = "Sonnenschein1!"
)

// cloud is a server of the cloud within the test.
type cloud struct {
	t        *testing.T
	options  database.Options
	addr     string // the same over restarts
	db       *database.DB
	accounts *accounts.Accounts
	logs     *merkle.Logs
	shops    *replicas.Replicas
	stop     func()
	bytes    atomic.Int64 // that its connections carried
}

func startCloud(t *testing.T, o database.Options) *cloud {
	t.Helper()
	c := &cloud{t: t, options: o, addr: "127.0.0.1:0"}
	c.start()
	t.Cleanup(func() { c.stop() })
	_, err := c.accounts.Create(t.Context(), accounts.NewAccount{Name: accountName, Password: password})
	require.NoError(t, err)
	return c
}

func (c *cloud) start() {
	t := c.t
	t.Helper()
	ctx := context.Background()
	var err error
	c.db, err = database.Open(ctx, c.options)
	require.NoError(t, err)
	in := c.db.Installation()
	c.accounts, err = accounts.New(accounts.Options{DB: c.db, Cloud: in.ID, Hash: accounts.HashParams{Memory: 64, Passes: 1, Threads: 1}})
	require.NoError(t, err)
	c.logs = merkle.New(c.db)
	listener, err := net.Listen("tcp", c.addr)
	require.NoError(t, err)
	c.addr = listener.Addr().String()
	log := nodetest.LogTo(t, "cloud")
	c.shops, err = replicas.New(ctx, replicas.Config{
		DB: c.db, Seats: seats.New(c.db, rand.Text(), "http://"+c.addr), Logs: c.logs, Accounts: c.accounts, Version: "test", Log: log,
		Draw: func(b []byte) { _, _ = rand.Read(b) }, Idle: time.Second,
	})
	require.NoError(t, err)
	uplinks := accept.New(accept.Config{Key: in.Key, Mine: func(host string) bool { return host == c.addr }, Admit: c.shops.Admit, Log: log})
	mux := http.NewServeMux()
	mux.Handle("GET "+socket.Path, c.shops.Route(uplinks))
	api, err := server.New(server.Options{Accounts: c.accounts, DB: c.db, Replicas: c.shops, Seats: c.shops, Version: "test", Log: log})
	require.NoError(t, err)
	mux.Handle("/", api)
	web := &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}
	run, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { _ = web.Serve(counted{listener, &c.bytes}) })
	parts.Go(func() { c.shops.Run(run) })
	c.stop = sync.OnceFunc(func() {
		require.NoError(t, web.Close())
		uplinks.Close()
		cancel()
		parts.Wait()
		require.NoError(t, c.shops.Close(ctx))
		require.NoError(t, c.db.Close())
	})
}

func (c *cloud) url() string { return "http://" + c.addr }

// account is the ID of the account.
func (c *cloud) account() archive.AccountID {
	got, err := c.accounts.SignIn(c.t.Context(), accounts.Credentials{Name: accountName, Password: password, Label: "test"})
	require.NoError(c.t, err)
	return archive.AccountID(got.Account.ID)
}

// couple couples the shop of a till by a code.
func (c *cloud) couple(till *till) {
	t, ctx := c.t, c.t.Context()
	t.Helper()
	in, err := c.accounts.SignIn(ctx, accounts.Credentials{Name: accountName, Password: password, Label: "test"})
	require.NoError(t, err)
	caller, err := c.accounts.Authenticate(ctx, in.Token)
	require.NoError(t, err)
	shop, id, _ := till.Self()
	w := accounts.Warrant{Caller: &caller}
	prepared, err := c.accounts.Prepare(ctx, w, shop, id)
	require.NoError(t, err)
	host, _, err := net.SplitHostPort(c.addr)
	require.NoError(t, err)
	claim := coupling.Claim{Nonce: prepared.Nonce, Cloud: prepared.Cloud, Host: host, Account: prepared.Account.ID, Shop: shop, Till: id, Name: "Kasse 1"}
	signature, err := claim.Sign(deviceKey(t, till))
	require.NoError(t, err)
	var roster []accounts.Item
	for _, p := range till.RosterProof() {
		roster = append(roster, accounts.Item{Type: p.Type, ID: p.Object, Raw: p.Raw})
	}
	_, err = c.accounts.Couple(ctx, w, accounts.Coupling{Shop: shop, ShopName: "Café Mitte", Till: id, TillName: "Kasse 1", Host: host,
		Nonce: prepared.Nonce, Signature: signature, Roster: roster})
	require.NoError(t, err)
	_, _, err = till.Couple(ctx, node.NewCoupling{Key: public(c.db.Installation().Key), URL: c.url(), Account: accountName})
	require.NoError(t, err)
}

func sqlite(t *testing.T) database.Options {
	return database.Options{Dir: filepath.Join(t.TempDir(), "cloud")}
}

// documents checks that the archive holds so many receipts, each once.
func (c *cloud) documents(n int) {
	t := c.t
	t.Helper()
	seen := make(map[string]int)
	for leaf, err := range c.logs.Leaves(t.Context(), c.account(), merkle.Query{Kinds: []archive.Kind{archive.Receipt}}) {
		require.NoError(t, err)
		parsed, err := archive.ParseLeaf(leaf.Leaf)
		require.NoError(t, err)
		seen[archive.NameOf(parsed)]++
	}
	require.Len(t, seen, n)
	for name, times := range seen {
		require.Equal(t, 1, times, name)
	}
}

// rewrite changes a receipt in the database of a cloud that does not run, so that all in it fits together again.
func (c *cloud) rewrite() {
	t, ctx := c.t, context.Background()
	t.Helper()
	db, err := database.Open(ctx, c.options)
	require.NoError(t, err)
	require.NoError(t, db.Tx(ctx, func(tx *database.Tx) error {
		// The last leaf gets the place of the first: another history, whose tree is computed and signed anew.
		for _, statement := range []string{
			`UPDATE archive_leaves SET leaf_index = -1 WHERE leaf_index = 0`,
			`UPDATE archive_leaves SET leaf_index = 0 WHERE leaf_index = 1`,
			`UPDATE archive_leaves SET leaf_index = 1 WHERE leaf_index = -1`,
			`DELETE FROM archive_tiles`, `DELETE FROM archive_checkpoints`, `UPDATE archive_trees SET hashed = 0`,
		} {
			if _, err := tx.Exec(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	}))
	require.NoError(t, db.Close())
}
