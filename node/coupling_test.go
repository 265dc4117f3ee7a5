package node_test

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/engine"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// cloud is one in tests: the core and engine of a till over a store in memory, and its own view of the roster.
type cloud struct {
	key    ed25519.PrivateKey
	id     crdt.TillID
	engine *engine.Engine

	mu     sync.Mutex
	roster *shop.Roster
}

func (c *cloud) public() ed25519.PublicKey { return c.key.Public().(ed25519.PublicKey) }

// MayPush is a method of replication.Roster.
func (c *cloud) MayPush(till crdt.TillID, commit *crdt.Commit) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.roster.MayPushCommit(till, commit)
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	require.NoError(t, err)
	return &cloud{key: key, id: crdt.TillIDOf(key.Public().(ed25519.PublicKey))}
}

// open begins the shop's store at the cloud with a seat.
func (c *cloud) open(t *testing.T, id crdt.ShopID) {
	t.Helper()
	st, err := store.Open(t.Context(), memory.New())
	require.NoError(t, err)
	c.roster = shop.NewRoster(id)
	replica := crdt.ReplicaID(c.id[:16])
	c.engine = engine.New(engine.Config{
		Store: st, Log: slog.New(slog.DiscardHandler),
		Core: replication.NewCore(replication.Config{Shop: id, Till: c.id, Replica: replica, Boot: 1, Nonce: [16]byte{1}, Roster: c, Program: "cloud"}),
		Applied: func(taken []replication.Taken) {
			c.mu.Lock()
			defer c.mu.Unlock()
			for i := range taken {
				if err := c.roster.AddCommit(taken[i].Commit); err != nil {
					t.Errorf("the cloud cannot read the roster: %v", err)
				}
			}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := c.engine.Run(ctx); err != nil {
			t.Errorf("the cloud ended: %v", err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	seat, err := shop.Seat{Cloud: c.id, Replica: replica, MS: time.Now().UnixMilli()}.Sign(id, c.key)
	require.NoError(t, err)
	c.write(t, seat)
}

// write makes a change at the cloud.
func (c *cloud) write(t *testing.T, pieces ...crdt.Piece) {
	t.Helper()
	now := time.Now().UnixMilli()
	wait, err := c.engine.Submit(replication.Local{Scope: crdt.Shop, Schema: shop.Schema, Pieces: pieces, WallMS: now,
		Stamp: crdt.Stamp{Trusted: true, MS: now}, Urgent: true})
	require.NoError(t, err)
	_, err = wait(t.Context())
	require.NoError(t, err)
}

// link connects the cloud with a till, until the returned function is called.
func (c *cloud) link(t *testing.T, with *running) (cut func()) {
	t.Helper()
	id := with.MustIdentity(t)
	a, b := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() { _ = c.engine.Serve(ctx, engine.Conn{ReadWriteCloser: a, Peer: id}) })
	serving.Go(func() { _ = with.ServeUplink(ctx, engine.Conn{ReadWriteCloser: b, Peer: c.id}) })
	var once sync.Once
	cut = func() { once.Do(func() { cancel(); serving.Wait() }) }
	t.Cleanup(cut)
	return cut
}

// MustIdentity returns the ID of a till.
func (r *running) MustIdentity(t *testing.T) crdt.TillID {
	t.Helper()
	s, err := r.Status(t.Context())
	require.NoError(t, err)
	return s.Till
}

func (c *cloud) coupling(account string) node.NewCoupling {
	return node.NewCoupling{Key: c.public(), URL: "https://cloud.example", Account: account}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, patience, 5*time.Millisecond, what)
}

func TestACloudIsCoupledAndUncoupled(t *testing.T) {
	tills := shopOf(t, 2)
	one, two := tills[0], tills[1]
	require.Empty(t, one.Clouds())
	_, err := one.Uncouple(t.Context(), "", "")
	require.Equal(t, node.CodeNotCoupled, code(t, err))
	c, other := newCloud(t), newCloud(t)
	for _, n := range []node.NewCoupling{{}, {Key: c.public(), URL: "cloud", Account: "a"}, {Key: c.public(), URL: "https://cloud.example"}} {
		_, _, err := one.Couple(t.Context(), n)
		require.ErrorIs(t, err, shop.ErrInvalid)
	}
	require.False(t, one.MayUplink(c.id))

	got, again, err := one.Couple(t.Context(), c.coupling("jule@example.com"))
	require.NoError(t, err)
	require.False(t, again)
	require.Equal(t, node.CoupledCloud{ID: c.id, Name: "cloud (jule@example.com)", Key: c.public(), URL: "https://cloud.example", Account: "jule@example.com", Since: got.Since,
		By: one.MustIdentity(t), ByName: "Kasse 1", Coupled: true}, got)
	require.WithinDuration(t, time.Now(), got.Since, time.Minute)
	waitEqual(t, tills...)
	require.Equal(t, []node.CoupledCloud{got}, two.Clouds())
	for _, till := range tills {
		require.True(t, till.MayUplink(c.id))
		require.False(t, till.MayLink(c.id), "it is no till of the LAN")
		require.Len(t, till.Mesh().Tills, 2)
	}

	_, again, err = two.Couple(t.Context(), node.NewCoupling{Key: c.public(), URL: "https://cloud.example/", Account: " jule@example.com"})
	require.NoError(t, err)
	require.True(t, again)
	_, _, err = two.Couple(t.Context(), other.coupling("jule@example.com"))
	require.Equal(t, node.CodeCoupled, code(t, err))
	_, _, err = two.Couple(t.Context(), c.coupling("tom@example.com"))
	require.Equal(t, node.CodeCoupled, code(t, err))
	_, err = two.Uncouple(t.Context(), "tom@example.com", "")
	require.Equal(t, node.CodeNotCoupled, code(t, err))

	// Another address of the same cloud and account: both hold, and both end at once.
	moved := c.coupling("jule@example.com")
	moved.URL = "https://new.example"
	got, again, err = two.Couple(t.Context(), moved)
	require.NoError(t, err)
	require.False(t, again)
	require.Len(t, got.Others, 1)
	require.Empty(t, two.Mesh().Problems)
	got, err = two.Uncouple(t.Context(), "JULE@example.com", "gekündigt")
	require.NoError(t, err)
	require.False(t, got.Coupled)
	require.Empty(t, got.Others)
	require.Equal(t, "gekündigt", got.Ended.Reason)
	require.Equal(t, "Kasse", got.Ended.By)
	waitEqual(t, tills...)
	require.False(t, one.MayUplink(c.id))
	_, err = one.Uncouple(t.Context(), "", "")
	require.Equal(t, node.CodeNotCoupled, code(t, err))

	_, again, err = one.Couple(t.Context(), other.coupling("tom@example.com"))
	require.NoError(t, err)
	require.False(t, again)
	_, again, err = one.Couple(t.Context(), other.coupling("tom@example.com"))
	require.NoError(t, err)
	require.True(t, again)
	one.stop()
	one = run(t, one.data, two.LinkAddr().String())
	list := one.Clouds()
	require.Len(t, list, 2)
	require.Equal(t, []bool{true, false}, []bool{list[0].Coupled, list[1].Coupled})
	require.True(t, one.MayUplink(other.id))
}

// TestWhatTheCloudHasIsArchivedAndNoTill: one till alone is linked with the cloud. The other knows all the same what is archived;
// nobody counts the cloud as a till; what it holds is not at risk; once it is uncoupled that counts no more.
func TestWhatTheCloudHasIsArchivedAndNoTill(t *testing.T) {
	tills := shopOf(t, 2)
	one, two := tills[0], tills[1]
	stock(t, one)
	c := newCloud(t)
	_, _, err := one.Couple(t.Context(), c.coupling("jule@example.com"))
	require.NoError(t, err)
	waitEqual(t, tills...)
	status, err := one.Status(t.Context())
	require.NoError(t, err)
	c.open(t, status.ShopID)
	cut := c.link(t, one)
	before := two.Events().Last()

	r := sell(t, two)
	archived := func(till *running, number string) node.Archived {
		got, err := till.Receipt(t.Context(), number)
		if err != nil {
			return node.Archived{} // it is on its way
		}
		return got.Archived
	}
	for _, till := range tills {
		eventually(t, "it has come", func() bool {
			got, err := till.Receipt(t.Context(), r.Number)
			return err == nil && len(got.Copies) == 1
		})
		eventually(t, "it is archived", func() bool { return archived(till, r.Number).Held })
		eventually(t, "since when", func() bool { return !archived(till, r.Number).Since.IsZero() })
		require.WithinDuration(t, time.Now(), archived(till, r.Number).Since, time.Minute)
		got, err := till.Receipt(t.Context(), r.Number)
		require.NoError(t, err)
		require.Len(t, got.Copies, 1, "the cloud is none of the tills")
		list, _, err := till.Receipts(t.Context(), node.ReceiptFilter{}, "", 10)
		require.NoError(t, err)
		require.True(t, list[0].Archived.Held)
		s, err := till.Status(t.Context())
		require.NoError(t, err)
		require.Len(t, s.Peers, 1)
		require.Len(t, till.Mesh().Tills, 2)
		require.Len(t, till.Risks(t.Context(), true), 2)
		require.NotContains(t, till.Linked(), c.id)
	}
	told, _, _ := two.Events().After(t.Context(), before)
	require.True(t, slices.ContainsFunc(told, func(e node.Event) bool {
		return e.What == "receipt" && e.Change == node.ChangeArchived && e.Number == r.Number
	}))
	eventually(t, "the seat is known", func() bool { return two.Clouds()[0].Replica == crdt.ReplicaID(c.id[:16]) })

	for _, topic := range []string{"keys", "claim", "presence", "risk", "closing", "probe"} {
		_, err := c.engine.Ask(t.Context(), one.MustIdentity(t), topic, []byte{0x91, 1})
		require.ErrorIs(t, err, engine.ErrRefused, topic)
		require.ErrorContains(t, err, "only tills of the shop", topic)
	}

	// What the cloud writes reaches both, and its name is not that of a till.
	name := "Café am Markt"
	before = two.Events().Last()
	edit, err := shop.EditSettings(nil, shop.SettingsEdit{Shop: &shop.Shop{Name: name}})
	require.NoError(t, err)
	c.write(t, edit...)
	eventually(t, "the edit arrives", func() bool {
		list, known, ok := two.Events().After(t.Context(), before)
		return known && ok && slices.ContainsFunc(list, func(e node.Event) bool { return e.What == "settings" && e.Till == c.id.String() })
	})

	// The till that was linked is gone; what the other one sells is lost with it until the cloud has it.
	cut()
	one.stop()
	eventually(t, "the link is down", func() bool { return len(two.Linked()) == 0 })
	alone := sell(t, two)
	require.Equal(t, 1, two.OwnRisk().Receipts)
	cut = c.link(t, two)
	eventually(t, "nothing is at risk", func() bool { return two.OwnRisk().None() })
	require.True(t, archived(two, alone.Number).Held)
	got, err := two.Receipt(t.Context(), alone.Number)
	require.NoError(t, err)
	require.Empty(t, got.Copies)

	_, err = two.Uncouple(t.Context(), "", "")
	require.NoError(t, err)
	cut()
	eventually(t, "it is at risk again", func() bool {
		two.UpdateCopies(t.Context())
		return two.OwnRisk().Receipts == 1
	})
	require.Equal(t, node.Archived{}, archived(two, alone.Number))
	require.Equal(t, node.Archived{}, archived(two, r.Number))
}

func TestCredentialsProveATill(t *testing.T) {
	tills := shopOf(t, 2)
	s, err := tills[1].Status(t.Context())
	require.NoError(t, err)
	bare := shop.NewRoster(s.ShopID)
	for _, p := range tills[1].RosterProof() {
		require.NoError(t, bare.AddItem(p.Type, p.Object, p.Raw))
	}
	require.True(t, bare.Active(s.Till))
}
