package nodetest_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/client"
	"github.com/tillmesh/tillmesh/node/nodetest"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// awaitCounter waits until a till has counted something.
func awaitCounter(t *testing.T, till *nodetest.Till, counter string) {
	t.Helper()
	nodetest.Eventually(t, nodetest.Patience, counter, func() error {
		mesh, err := till.API().Mesh(t.Context())
		if err == nil && mesh.Counters[counter] == 0 {
			err = fmt.Errorf("counted so far: %v", mesh.Counters)
		}
		return err
	})
}

// TestOtherShopGetsNothing: a till of another shop that knows an address learns nothing there, and is counted.
func TestOtherShopGetsNothing(t *testing.T) {
	t.Parallel()
	ours, theirs := nodetest.New(t), nodetest.New(t)
	one, stranger := ours.Found(), theirs.Found()
	coffee := one.PutArticle("Kaffee", 290, one.PutTax(1900))
	stranger.Stop()
	stranger.Place.Flags = append(stranger.Place.Flags, "--peer", one.Link().String())
	stranger.Start()

	awaitCounter(t, one, "refused_other_shop")
	for _, till := range []*nodetest.Till{one, stranger} {
		mesh, err := till.API().Mesh(t.Context())
		require.NoError(t, err)
		require.Len(t, mesh.Tills, 1, "%s of its shop knows itself only", till.Name)
		status, err := till.API().Status(t.Context())
		require.NoError(t, err)
		require.Empty(t, status.Peers)
	}
	_, err := stranger.API().Article(t.Context(), coffee)
	require.Equal(t, "not-found", client.CodeOf(err), "%v", err)
	require.NotContains(t, stranger.Log(), "Kaffee")
	one.Sell(coffee)
}

// TestUnknownKeyGetsNothing: who knows the shop's ID and an address, but is in no roster, gets no link and is counted.
func TestUnknownKeyGetsNothing(t *testing.T) {
	t.Parallel()
	one := nodetest.New(t).Found()
	status, err := one.API().Status(t.Context())
	require.NoError(t, err)
	shopID, err := crdt.ParseShopID(status.Shop.ID)
	require.NoError(t, err)

	_, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	identity, err := mesh.NewIdentity(key)
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var served atomic.Int32
	links, err := mesh.NewLinks(mesh.LinksConfig{
		Identity: identity, Shop: shopID, Listener: listener,
		Allowed:   func(crdt.TillID) bool { return true },
		Addresses: func() []mesh.Target { return []mesh.Target{{Addrs: []string{one.Link().String()}}} },
		Serve:     func(context.Context, *mesh.Link) error { served.Add(1); return nil },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var dialling sync.WaitGroup
	dialling.Go(func() { _ = links.Run(ctx) }) // it ends because it is told to
	defer dialling.Wait()
	defer cancel()

	awaitCounter(t, one, "refused_unknown_key")
	require.Zero(t, served.Load())
	mesh, err := one.API().Mesh(t.Context())
	require.NoError(t, err)
	require.Len(t, mesh.Tills, 1)
}
