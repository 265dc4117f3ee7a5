package node_test

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/mesh"
)

// asking is a join by six digits under way.
type asking struct {
	data   string
	digits chan pairing.Digits
	done   chan error
	joined node.Joined
}

func ask(t *testing.T, at *running, name string, o node.JoinOptions) *asking {
	t.Helper()
	a := &asking{data: filepath.Join(t.TempDir(), "data"), digits: make(chan pairing.Digits, 1), done: make(chan error, 1)}
	o.Data, o.Name, o.NoMDNS, o.Peers, o.Log = a.data, name, true, []string{at.LinkAddr().String()}, logTo(t)
	o.Compare = func(_ context.Context, d pairing.Digits) error {
		a.digits <- d
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		joined, err := node.Join(ctx, o)
		a.joined = joined
		a.done <- err
	}()
	return a
}

// waiting returns the only request at a till.
func waiting(t *testing.T, at *running) node.Asking {
	t.Helper()
	var list []node.Asking
	require.Eventually(t, func() bool {
		list = at.Requests().List
		return len(list) == 1
	}, patience, time.Millisecond)
	return list[0]
}

func TestSixDigitsAdmitATill(t *testing.T) {
	one := run(t, found(t))
	before := one.Events().Last()
	a := ask(t, one, "Kasse 2", node.JoinOptions{})
	request := waiting(t, one)
	require.Equal(t, <-a.digits, request.Digits)
	require.Equal(t, "Kasse 2", request.Name)
	require.Eventually(t, func() bool { // it is told in a moment, maybe after something else
		list, _, _ := one.Events().After(t.Context(), before)
		return slices.Contains(whats(list), "pairing")
	}, patience, time.Millisecond)

	_, err := one.Decide(t.Context(), "0000", true, "")
	require.ErrorIs(t, err, pairing.ErrNoRequest)
	decided, err := one.Decide(t.Context(), request.ID, true, "")
	require.NoError(t, err)
	require.True(t, decided.Accepted)
	require.False(t, decided.Unconfirmed)
	require.NoError(t, <-a.done)
	require.Equal(t, "K2", a.joined.Prefix)
	require.Empty(t, one.Requests().List)
	waitEqual(t, one, run(t, a.data, one.LinkAddr().String()))
}

func whats(events []node.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.What)
	}
	return out
}

func TestANoAdmitsNobody(t *testing.T) {
	one := run(t, found(t))
	for range pairing.MaxTries {
		a := ask(t, one, "Kasse 2", node.JoinOptions{})
		_, err := one.Decide(t.Context(), waiting(t, one).ID, false, "")
		require.NoError(t, err)
		require.ErrorIs(t, <-a.done, pairing.ErrRefused)
		require.NoDirExists(t, a.data)
	}
	require.Eventually(t, func() bool { return !one.Requests().ClosedUntil.IsZero() }, patience, time.Millisecond)
	require.ErrorIs(t, <-ask(t, one, "Kasse 2", node.JoinOptions{}).done, pairing.ErrDoorClosed)
	one.OpenDoor()
	require.True(t, one.Requests().ClosedUntil.IsZero())
	require.Len(t, one.Mesh().Tills, 1)
}

// A person at the new till who sees other digits says no before anybody is admitted.
func TestTheNewTillsPersonMaySayNo(t *testing.T) {
	one := run(t, found(t))
	no := context.Canceled
	data := filepath.Join(t.TempDir(), "data")
	_, err := node.Join(t.Context(), node.JoinOptions{Data: data, Name: "Kasse 2", NoMDNS: true, Peers: []string{one.LinkAddr().String()},
		Compare: func(context.Context, pairing.Digits) error { return no }})
	require.ErrorIs(t, err, no)
	require.NoDirExists(t, data)
	require.Len(t, one.Mesh().Tills, 1)
}

func TestTillsAreFoundByWhatPeopleCallThem(t *testing.T) {
	tills := shopOf(t, 3)
	one := tills[0]
	_, id, _ := tills[1].Self()
	for _, ref := range []string{"K2", " k2 ", id.String()} {
		till, err := one.FindTill(ref)
		require.NoError(t, err, ref)
		require.Equal(t, id, till.ID, ref)
	}
	till, err := one.FindTill("Kasse 1")
	require.NoError(t, err)
	require.Equal(t, "K1", till.Prefix)
	code := func(_ any, err error) string {
		var r *node.Refusal
		require.ErrorAs(t, err, &r)
		return r.Code
	}
	require.Equal(t, node.CodeAmbiguous, code(one.FindTill("Kasse")), "two have this name")
	require.Equal(t, node.CodeNoTill, code(one.FindTill("K7")))
	require.Equal(t, node.CodeNoTill, code(one.Revoke(t.Context(), "K7", "")))
	require.Equal(t, node.CodeLastTill, code(one.Revoke(t.Context(), "K1", "")), "a till does not revoke itself")
	_, err = one.Retire(t.Context(), "K2", string(make([]byte, 300)))
	require.Error(t, err)
	_, err = one.Revoke(t.Context(), "K3", "stolen")
	require.NoError(t, err)
	require.Equal(t, node.CodeDeparted, code(one.Retire(t.Context(), "K3", "")))
	again, err := one.Revoke(t.Context(), "K3", "")
	require.NoError(t, err)
	require.True(t, again.Again)
	require.Equal(t, "stolen", again.Reason)
}

// The key that a revocation makes is on the disk before the person has the answer, and is there after a restart.
func TestARevocationMakesAFreshKey(t *testing.T) {
	tills := shopOf(t, 3)
	one, two := tills[0], tills[1]
	old := one.GossipKeys()
	_, err := one.Revoke(t.Context(), "K3", "")
	require.NoError(t, err)
	fresh := one.GossipKeys()
	require.EqualValues(t, 1, fresh.Primary().Revocations)
	require.NotEqual(t, old.Primary().Secret, fresh.Primary().Secret)
	raw, err := os.ReadFile(filepath.Join(one.data, "gossip.keys"))
	require.NoError(t, err)
	kept, err := mesh.DecodeGossipKeys(raw)
	require.NoError(t, err)
	require.True(t, kept.Equal(fresh))
	info, err := os.Stat(filepath.Join(one.data, "gossip.keys"))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())
	same := func() bool {
		return one.GossipKeys().Equal(two.GossipKeys()) && two.GossipKeys().Primary().Revocations == 1
	}
	require.Eventually(t, same, patience, time.Millisecond, "it travels on the link")
	require.True(t, tills[2].GossipKeys().Equal(old), "and not to the revoked till")

	fresh = one.GossipKeys()
	one.stop()
	again := run(t, one.data)
	require.True(t, again.GossipKeys().Equal(fresh))

	// A till whose file is damaged gets the key back over its link.
	two.stop()
	require.NoError(t, os.WriteFile(filepath.Join(two.data, "gossip.keys"), []byte("x"), 0o600))
	back := run(t, two.data, again.LinkAddr().String())
	require.Eventually(t, func() bool { return back.GossipKeys().Equal(fresh) }, patience, time.Millisecond)
}

// Keys are for active tills, and a peer cannot make a till take what it has no reason to believe.
func TestKeysAreNotGivenToAnybody(t *testing.T) {
	one := run(t, found(t))
	own := one.GossipKeys()
	body, ok := one.Asked(t.Context(), crdt.TillID{9}, "keys", own.Encode())
	require.False(t, ok)
	secret := own.Primary().Secret
	require.NotContains(t, string(body), string(secret[:]))
	two := run(t, joinShop(t, one, "Kasse 2"), one.LinkAddr().String())
	waitEqual(t, one, two)
	_, id, _ := two.Self()
	_, ok = one.Asked(t.Context(), id, "keys", []byte("no keys"))
	require.False(t, ok)
	lie := own.Rotated(7, [32]byte{7})
	body, ok = one.Asked(t.Context(), id, "keys", lie.Encode())
	require.True(t, ok)
	require.Equal(t, own.Encode(), body)
	require.True(t, one.GossipKeys().Equal(own), "it knows of no revocation")
}
