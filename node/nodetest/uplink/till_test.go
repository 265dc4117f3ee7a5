package uplink_test

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

// till is a running till.
type till struct {
	*node.Machine
	t    *testing.T
	data string
	name string
	stop func()

	signers func(node.SignerFor) (journal.Device, error) // nil: none
}

var tea = crdt.ObjectID{1}

// found makes a shop with one till that runs.
func found(t *testing.T) *till {
	t.Helper()
	k := &till{t: t, data: filepath.Join(t.TempDir(), "kasse1"), name: "K1"}
	_, err := node.Found(t.Context(), node.FoundOptions{Data: k.data, StateDir: k.state(), Shop: "Café Mitte", Name: "Kasse 1", Country: "CH"})
	require.NoError(t, err)
	k.start()
	require.NoError(t, k.EditTax(t.Context(), tea, catalog.TaxEdit{Names: &catalog.Names{Name: map[string]string{"de": "Normal"}},
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 810, FiscalKey: 1}}}))
	return k
}

// state is where the till keeps what it knows of its machine.
func (k *till) state() string { return filepath.Join(filepath.Dir(k.data), "state") }

func (k *till) start(peers ...string) {
	t := k.t
	t.Helper()
	m, err := node.Open(t.Context(), node.Options{Data: k.data, Listen: "127.0.0.1:0", NoMDNS: true, Peers: peers, Version: "test",
		StateDir: k.state(), Log: nodetest.LogTo(t, k.name), Signers: k.signers})
	require.NoError(t, err)
	k.Machine = m
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	k.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(k.stop)
}

// join makes one more till of the shop that runs.
func (k *till) join(name string) *till {
	t := k.t
	t.Helper()
	invitation, err := k.Invite()
	require.NoError(t, err)
	out := &till{t: t, data: filepath.Join(t.TempDir(), "till"), name: name}
	_, err = node.Join(t.Context(), node.JoinOptions{Data: out.data, StateDir: out.state(), Name: name, Token: invitation.Token.Text(), NoMDNS: true,
		Peers: []string{k.LinkAddr().String()}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	out.start(k.LinkAddr().String())
	require.Eventually(t, func() bool {
		taxes, _, err := out.Taxes(t.Context(), nil, crdt.ObjectID{}, 1)
		return err == nil && len(taxes) == 1
	}, patience, 5*time.Millisecond, "it has what it needs to sell")
	return out
}

// sell sells so many teas and returns the numbers.
func (k *till) sell(n int) (receipts []node.Receipt) {
	t, ctx := k.t, k.t.Context()
	t.Helper()
	for range n {
		tab, err := k.OpenTab(ctx, node.NewTab{User: "Anna"})
		require.NoError(t, err)
		_, _, err = k.AddLines(ctx, tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Tee", Price: 300, Tax: tea}, Quantity: 1000, User: "Anna"}})
		require.NoError(t, err)
		r, err := k.CloseTab(ctx, tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 300}})
		require.NoError(t, err)
		receipts = append(receipts, r)
	}
	return receipts
}

const patience = 30 * time.Second

// archived waits until a till knows that all these receipts are in the archive.
func (k *till) archived(list []node.Receipt) {
	t := k.t
	t.Helper()
	for _, r := range list {
		require.Eventually(t, func() bool {
			got, err := k.Receipt(t.Context(), r.Number)
			return err == nil && got.Archived.Held
		}, patience, 5*time.Millisecond, "%s knows that %s is archived", k.name, r.Number)
	}
}

func deviceKey(t *testing.T, k *till) ed25519.PrivateKey {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(k.data, "device.key"))
	require.NoError(t, err)
	seed, err := hex.DecodeString(strings.TrimSpace(string(b)))
	require.NoError(t, err)
	return ed25519.NewKeyFromSeed(seed)
}

func public(key ed25519.PrivateKey) ed25519.PublicKey {
	p, _ := key.Public().(ed25519.PublicKey)
	return p
}
