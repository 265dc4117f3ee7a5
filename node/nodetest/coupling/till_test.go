package coupling_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/nodetest"
)

const patience = 30 * time.Second

var tax = crdt.ObjectID{1}

// till is a running till.
type till struct {
	*node.Machine
	t    *testing.T
	data string
	stop func()
}

func found(t *testing.T, shop string) *till {
	t.Helper()
	k := &till{t: t, data: filepath.Join(t.TempDir(), "till")}
	_, err := node.Found(t.Context(), node.FoundOptions{Data: k.data, StateDir: k.state(), Shop: shop, Name: "Kasse 1", Country: "CH"})
	require.NoError(t, err)
	k.start()
	require.NoError(t, k.EditTax(t.Context(), tax, catalog.TaxEdit{Names: &catalog.Names{Name: map[string]string{"de": "Normal"}},
		Rates: map[string]catalog.Rate{catalog.DayOne: {BasisPoints: 810, FiscalKey: 1}}}))
	return k
}

func (k *till) state() string { return filepath.Join(filepath.Dir(k.data), "state") }

func (k *till) start(peers ...string) {
	t := k.t
	t.Helper()
	m, err := node.Open(t.Context(), node.Options{Data: k.data, Listen: "127.0.0.1:0", NoMDNS: true, Peers: peers, Version: "1.4.0", StateDir: k.state(),
		Log: nodetest.LogTo(t, filepath.Base(filepath.Dir(k.data)))})
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

func (k *till) join(name string) *till {
	t := k.t
	t.Helper()
	invitation, err := k.Invite()
	require.NoError(t, err)
	out := &till{t: t, data: filepath.Join(t.TempDir(), "till")}
	_, err = node.Join(t.Context(), node.JoinOptions{Data: out.data, StateDir: out.state(), Name: name, Token: invitation.Token.Text(), NoMDNS: true,
		Peers: []string{k.LinkAddr().String()}, Log: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	out.start(k.LinkAddr().String())
	out.eventually("it has what it needs to sell", func() bool {
		taxes, _, err := out.Taxes(t.Context(), nil, crdt.ObjectID{}, 1)
		require.NoError(t, err)
		return len(taxes) == 1
	})
	return out
}

func (k *till) eventually(what string, holds func() bool) {
	k.t.Helper()
	require.Eventually(k.t, holds, patience, 10*time.Millisecond, what)
}

func (k *till) sell() node.Receipt {
	t, ctx := k.t, k.t.Context()
	t.Helper()
	tab, err := k.OpenTab(ctx, node.NewTab{User: "Anna"})
	require.NoError(t, err)
	_, _, err = k.AddLines(ctx, tab.ID, []node.NewLine{{Open: &node.OpenItem{Name: "Tee", Price: 300, Tax: tax}, Quantity: 1000, User: "Anna"}})
	require.NoError(t, err)
	r, err := k.CloseTab(ctx, tab.ID, "Anna", []node.NewPayment{{Type: "Bar", Amount: 300}})
	require.NoError(t, err)
	return r
}

// step returns a step of the way of a receipt.
func (k *till) step(number, name string) node.Step {
	k.t.Helper()
	w, err := k.Why(k.t.Context(), number)
	require.NoError(k.t, err)
	for _, s := range w.Steps {
		if s.Name == name {
			return s
		}
	}
	k.t.Fatalf("there is no step %s", name)
	return node.Step{}
}

// couple couples the shop with the account.
func (k *till) couple(c *cloud, account string) node.CoupledNow {
	k.t.Helper()
	terms, err := k.PrepareCoupling(k.t.Context(), node.CloudLogin{URL: c.url(), Name: account, Password: password})
	require.NoError(k.t, err)
	now, err := k.ConfirmCoupling(k.t.Context(), terms.ID)
	require.NoError(k.t, err)
	return now
}

func (k *till) account(c *cloud, name string) {
	k.t.Helper()
	_, err := k.CreateCloudAccount(k.t.Context(), node.CloudLogin{URL: c.url(), Name: name, Password: password})
	require.NoError(k.t, err)
}

// refused returns the code of a refusal.
func refused(t *testing.T, err error) string {
	t.Helper()
	r, ok := errors.AsType[*node.Refusal](err)
	require.True(t, ok, "%v", err)
	require.NotEmpty(t, r.Text)
	return r.Code
}

// alarms returns those of a kind.
func (k *till) alarms(kind string) (out []node.Alarm) {
	for _, a := range k.Alarms() {
		if a.Kind == kind {
			out = append(out, a)
		}
	}
	return out
}
