package coupling_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/cloudlink/accept"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/replicas"
	"github.com/tillmesh/tillmesh/cloudlink/server/seats"
	"github.com/tillmesh/tillmesh/cloudlink/server/serverclient"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

func TestMain(m *testing.M) {
	// A probe of memberlist that is under way when its till stops ends by itself within seconds; nothing can end it sooner.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/hashicorp/memberlist.(*Memberlist).probeNode"))
}

const (
	anna     = "anna@cafe.example"
	bela     = "bela@imbiss.example"
	password = "Drei.Birnen7im!Korb"
)

// cloud is a cloud with its whole API.
type cloud struct {
	t    *testing.T
	data string
	addr string // the same over restarts
	stop func()
	key  ed25519.PrivateKey // of the cloud, the same over restarts

	names  []string // of the cloud, besides addr
	oldest string   // program of a till that it takes
}

// with starts the cloud anew after a change.
func (c *cloud) with(change func(*cloud)) {
	c.stop()
	change(c)
	c.start()
}

func startCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{t: t, data: filepath.Join(t.TempDir(), "cloud"), addr: "127.0.0.1:0"}
	c.start()
	t.Cleanup(func() { c.stop() })
	return c
}

func (c *cloud) start() {
	t, ctx := c.t, context.Background()
	t.Helper()
	db, err := database.Open(ctx, database.Options{Dir: c.data})
	require.NoError(t, err)
	in := db.Installation()
	c.key = in.Key
	people, err := accounts.New(accounts.Options{DB: db, Cloud: in.ID, Hash: accounts.HashParams{Memory: 64, Passes: 1, Threads: 1}})
	require.NoError(t, err)
	listener, err := net.Listen("tcp", c.addr)
	require.NoError(t, err)
	c.addr = listener.Addr().String()
	log := nodetest.LogTo(t, "cloud")
	shops, err := replicas.New(ctx, replicas.Config{
		DB: db, Seats: seats.New(db, rand.Text(), c.url()), Logs: merkle.New(db), Accounts: people, Version: "test", Oldest: c.oldest, Log: log,
		Draw: func(b []byte) { _, _ = rand.Read(b) },
	})
	require.NoError(t, err)
	uplinks := accept.New(accept.Config{Key: in.Key, Mine: func(host string) bool { return host == c.addr || slices.Contains(c.names, host) }, Admit: shops.Admit, Log: log})
	s, err := server.New(server.Options{Accounts: people, DB: db, Replicas: shops, Seats: shops, Uplink: shops.Route(uplinks), Version: "test", OldestTill: c.oldest, Log: log})
	require.NoError(t, err)
	run, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	http := s.HTTP()
	parts.Go(func() { _ = http.Serve(listener) })
	parts.Go(func() { s.Run(run) })
	parts.Go(func() { shops.Run(run) })
	c.stop = sync.OnceFunc(func() {
		require.NoError(t, http.Close())
		uplinks.Close()
		cancel()
		parts.Wait()
		require.NoError(t, shops.Close(ctx))
		require.NoError(t, db.Close())
	})
}

func (c *cloud) url() string { return "http://" + c.addr }

// as returns a client that is signed in.
func (c *cloud) as(name string) *serverclient.Client {
	t := c.t
	t.Helper()
	client, err := serverclient.New(serverclient.Config{URL: c.url()})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	in, err := client.SignIn(t.Context(), serverclient.SignIn{Name: name, Password: password, Label: "back-office"})
	require.NoError(t, err)
	return client.With(in.Token)
}

// sessions returns how many sessions an account has besides the one that asks.
func (c *cloud) sessions(name string) int {
	c.t.Helper()
	me := c.as(name)
	list, err := me.Sessions(c.t.Context())
	require.NoError(c.t, err)
	n := 0
	for _, s := range list.Items {
		if s.Label != "back-office" {
			n++
		}
	}
	require.NoError(c.t, me.SignOut(c.t.Context()))
	return n
}
