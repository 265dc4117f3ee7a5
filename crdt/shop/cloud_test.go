package shop_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// cloudDevice is the cloud in tests.
var cloudDevice = newDevice(500)

// coupling is one of the cloud with the shop.
func coupling(by *device, n byte) shop.Coupling {
	return shop.Coupling{PublicKey: cloudDevice.public(), URL: "https://cloud.example", Account: "jule@café.example", By: by.id,
		ID: [shop.CouplingSize]byte{n + 1}, MS: 1_780_000_000_000 + int64(n)}
}

func seat(t testing.TB, s crdt.ShopID, n uint64) crdt.Piece {
	t.Helper()
	z := shop.Seat{Cloud: cloudDevice.id, Replica: cloudDevice.replica(n), MS: 1_780_000_000_000 + int64(n)}
	if n > 0 {
		z.Predecessor = cloudDevice.replica(n - 1)
	}
	p, err := z.Sign(s, cloudDevice.key)
	require.NoError(t, err)
	return p
}

func signedBy(t testing.TB, s crdt.ShopID, d *device, c shop.Coupling) crdt.Piece {
	t.Helper()
	p, err := c.Sign(s, d.key)
	require.NoError(t, err)
	return p
}

func uncoupling(t testing.TB, s crdt.ShopID, by *device, c shop.Coupling, ms int64) crdt.Piece {
	t.Helper()
	p, err := shop.Uncoupling{Coupling: c.ObjectID(), By: by.id, MS: ms, Reason: "gekündigt"}.Sign(s, by.key)
	require.NoError(t, err)
	return p
}

func add(t testing.TB, r *shop.Roster, items ...crdt.Piece) {
	t.Helper()
	for _, p := range items {
		require.NoError(t, r.AddItem(p.Type, p.Object, p.Raw))
	}
}

func TestACloudIsCoupledUntilItIsUncoupled(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	s, first := founded(t, f)
	one, again, third := coupling(f, 0), coupling(a, 1), coupling(f, 2)
	third.URL = "https://other.example/shops"
	r := roster(t, s, seat(t, s, 0), signedBy(t, s, a, again), uncoupling(t, s, a, one, 5))
	require.False(t, r.Coupled(cloudDevice.id), "nobody knows who signed it")
	require.Len(t, r.Problems(), 3)

	add(t, r, first, admission(t, s, f, a, "K2", 2))
	require.True(t, r.Coupled(cloudDevice.id))
	require.Empty(t, r.Problems())
	require.False(t, r.Active(cloudDevice.id), "a cloud is no till")
	_, ok := r.PublicKey(cloudDevice.id)
	require.False(t, ok)
	require.Len(t, r.Tills(), 2)
	id, ok := r.CloudOf(cloudDevice.replica(0))
	require.True(t, ok)
	require.Equal(t, cloudDevice.id, id)
	_, ok = r.TillOf(cloudDevice.replica(0))
	require.False(t, ok)

	// It was uncoupled before anybody here heard of that coupling: it never holds.
	add(t, r, signedBy(t, s, f, one))
	c, ok := r.Cloud(cloudDevice.id)
	require.True(t, ok)
	require.Equal(t, cloudDevice.public(), c.PublicKey)
	require.Len(t, c.Couplings, 2)
	require.Equal(t, again, c.Couplings[0].Coupling, "the one that holds is shown, although the other is earlier")
	require.False(t, c.Couplings[1].Holds())
	require.Equal(t, "gekündigt", c.Couplings[1].Ended[0].Reason)

	add(t, r, signedBy(t, s, f, third))
	require.Empty(t, r.Problems(), "one cloud and one account, by whatever address")
	c, _ = r.Cloud(cloudDevice.id)
	require.Equal(t, again, c.Couplings[0].Coupling, "of several the earliest is shown")

	add(t, r, uncoupling(t, s, f, again, 6), uncoupling(t, s, a, third, 7))
	require.False(t, r.Coupled(cloudDevice.id))
	require.Len(t, r.Couplings(), 3)
	anew := coupling(a, 9)
	add(t, r, signedBy(t, s, a, anew))
	require.True(t, r.Coupled(cloudDevice.id), "anew")
	require.Equal(t, anew, r.Couplings()[0].Coupling)
	require.Len(t, r.Clouds(), 1)
	_, ok = r.Cloud(f.id)
	require.False(t, ok)
}

func TestWhatACloudMayPush(t *testing.T) {
	f, other := newDevice(1), newDevice(501)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1))
	fresh := commit(t, cloudDevice.replica(0), 1, seat(t, s, 0))
	require.False(t, r.MayPushCommit(cloudDevice.id, fresh), "it is not coupled")
	bond := coupling(f, 0)
	add(t, r, signedBy(t, s, f, bond))
	require.True(t, r.MayPushCommit(cloudDevice.id, fresh), "the first commit of a seat brings the seat")
	require.False(t, r.MayPushCommit(f.id, fresh))
	require.False(t, r.MayPushCommit(other.id, fresh))
	require.False(t, r.MayPush(cloudDevice.id, cloudDevice.replica(0)))
	require.False(t, r.MayPushCommit(cloudDevice.id, commit(t, cloudDevice.replica(1), 1, seat(t, s, 0))), "of another seat")
	unsigned := seat(t, s, 0)
	unsigned.Raw = slices.Clone(unsigned.Raw)
	unsigned.Raw[bytes.Index(unsigned.Raw, []byte("\xa1s\xc4\x40"))+10] ^= 1
	require.False(t, r.MayPushCommit(cloudDevice.id, commit(t, cloudDevice.replica(0), 1, unsigned)), "nobody signed it")

	require.NoError(t, r.AddCommit(fresh))
	require.True(t, r.MayPush(cloudDevice.id, cloudDevice.replica(0)))
	require.False(t, r.MayPush(cloudDevice.id, f.replica(0)), "what others wrote is pulled from it, never pushed by it")
	require.False(t, r.MayPush(f.id, cloudDevice.replica(0)))

	// A seat on a replica of a till: whoever came first, it is the till's.
	stolen, err := shop.Seat{Cloud: cloudDevice.id, Replica: f.replica(0), MS: 1}.Sign(s, cloudDevice.key)
	require.NoError(t, err)
	require.False(t, r.MayPushCommit(cloudDevice.id, commit(t, f.replica(0), 1, stolen)))
	add(t, r, stolen)
	require.False(t, r.MayPush(cloudDevice.id, f.replica(0)))
	require.True(t, r.MayPush(f.id, f.replica(0)))
	require.Empty(t, r.SealedSeats())
	require.Len(t, r.Problems(), 1)
	require.Contains(t, r.Problems()[0].Text, "claimed by cloud")

	add(t, r, uncoupling(t, s, f, bond, 9))
	require.False(t, r.MayPush(cloudDevice.id, cloudDevice.replica(0)))
	require.False(t, r.MayPushCommit(cloudDevice.id, commit(t, cloudDevice.replica(1), 1, seat(t, s, 1))))
	id, ok := r.CloudOf(cloudDevice.replica(0))
	require.True(t, ok, "what it wrote stays its own")
	require.Equal(t, cloudDevice.id, id)
	require.Equal(t, []crdt.ReplicaID{cloudDevice.replica(0)}, r.SealedSeats())
}

func TestSeatsThatAreFollowedAreSealed(t *testing.T) {
	f, other := newDevice(1), newDevice(501)
	s, first := founded(t, f)
	r := roster(t, s, first, signedBy(t, s, f, coupling(f, 0)), seat(t, s, 0))
	require.Empty(t, r.SealedSeats())
	add(t, r, seat(t, s, 1), seat(t, s, 2))
	sealed := []crdt.ReplicaID{cloudDevice.replica(0), cloudDevice.replica(1)}
	slices.SortFunc(sealed, crdt.ReplicaID.Compare)
	require.Equal(t, sealed, r.SealedSeats())
	c, _ := r.Cloud(cloudDevice.id)
	now, ok := c.Current()
	require.True(t, ok)
	require.Equal(t, cloudDevice.replica(2), now.Replica)
	require.True(t, r.MayPush(cloudDevice.id, cloudDevice.replica(0)), "it hands over what it wrote before")

	// Another cloud that claims the same replica.
	bond := coupling(f, 5)
	bond.PublicKey = other.public()
	claim, err := shop.Seat{Cloud: other.id, Replica: cloudDevice.replica(2), MS: 1_790_000_000_000}.Sign(s, other.key)
	require.NoError(t, err)
	add(t, r, signedBy(t, s, f, bond), claim)
	require.False(t, r.MayPush(other.id, cloudDevice.replica(2)))
	require.True(t, r.MayPush(cloudDevice.id, cloudDevice.replica(2)))
	require.Len(t, r.Problems(), 2, "two clouds, and one replica of both: %v", r.Problems())
}

func TestTwoCloudsAtOnceAreAProblemAndBothCount(t *testing.T) {
	f, a, other := newDevice(1), newDevice(2), newDevice(501)
	s, first := founded(t, f)
	one, two := coupling(f, 0), coupling(a, 1)
	two.PublicKey, two.Account, two.URL = other.public(), "tom@example.com", "https://other.example"
	r := roster(t, s, first, admission(t, s, f, a, "K2", 2), signedBy(t, s, f, one), signedBy(t, s, a, two))
	require.True(t, r.Coupled(cloudDevice.id))
	require.True(t, r.Coupled(other.id))
	require.Equal(t, []shop.Problem{{Till: f.id, Text: "the shop is coupled with 2 accounts: jule@café.example at https://cloud.example, " +
		"tom@example.com at https://other.example; uncouple all but one"}}, r.Problems())
	add(t, r, uncoupling(t, s, f, two, 9))
	require.Empty(t, r.Problems())
	require.Equal(t, []bool{true, false}, []bool{r.Clouds()[0].Coupled, r.Clouds()[1].Coupled})

	// Two accounts of one cloud are as bad.
	three := coupling(a, 2)
	three.Account = "tom@example.com"
	add(t, r, signedBy(t, s, a, three))
	require.Len(t, r.Problems(), 1)
}

func TestTheKeyOfATillIsNoCloud(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	bond := coupling(f, 0)
	bond.PublicKey = a.public()
	r := roster(t, s, first, signedBy(t, s, f, bond))
	require.True(t, r.Coupled(a.id), "nobody knows that it is a till")
	add(t, r, admission(t, s, f, a, "K2", 2), admission(t, s, f, b, "K3", 2))
	require.False(t, r.Coupled(a.id))
	require.True(t, r.Active(a.id))
	require.Len(t, r.Problems(), 1)
	bond.By = a.id
	require.ErrorIs(t, bond.Check(), shop.ErrInvalid, "nobody is its own cloud")
}

func TestCloudsAreTheSameInAnyOrder(t *testing.T) {
	f, a, other := newDevice(1), newDevice(2), newDevice(501)
	s, first := founded(t, f)
	two, three := coupling(a, 1), coupling(a, 2)
	two.PublicKey, three.PublicKey = other.public(), a.public()
	claim, err := shop.Seat{Cloud: other.id, Replica: cloudDevice.replica(1), Predecessor: cloudDevice.replica(0), MS: 4}.Sign(s, other.key)
	require.NoError(t, err)
	stolen, err := shop.Seat{Cloud: other.id, Replica: a.replica(0), MS: 4}.Sign(s, other.key)
	require.NoError(t, err)
	stranger := coupling(newDevice(77), 1)
	three.By = f.id
	items := []crdt.Piece{
		first, admission(t, s, f, a, "K2", 2), lineage(t, s, a, 0, "K2", 3), signedBy(t, s, f, coupling(f, 0)), signedBy(t, s, a, two),
		signedBy(t, s, f, three), seat(t, s, 0), seat(t, s, 1), claim, stolen, uncoupling(t, s, a, coupling(f, 0), 9),
		uncoupling(t, s, f, coupling(f, 0), 8), signedBy(t, s, a, coupling(a, 4)), signedBy(t, s, newDevice(77), stranger),
		departure(t, s, f, a, true, 20),
	}
	type said struct {
		Clouds    []shop.Cloud
		Couplings []shop.Coupled
		Problems  []shop.Problem
		Sealed    []crdt.ReplicaID
		Push      []bool
	}
	tell := func(r *shop.Roster) said {
		out := said{Clouds: r.Clouds(), Couplings: r.Couplings(), Problems: r.Problems(), Sealed: r.SealedSeats()}
		for _, d := range []*device{cloudDevice, other, a} {
			for _, replica := range []crdt.ReplicaID{cloudDevice.replica(0), cloudDevice.replica(1), a.replica(0)} {
				out.Push = append(out.Push, r.MayPush(d.id, replica))
			}
		}
		return out
	}
	want := tell(roster(t, s, items...))
	require.Len(t, want.Clouds, 3)
	for seed := range uint64(60) {
		order := append(slices.Clone(items), items[int(seed)%len(items)])
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		require.Equal(t, want, tell(roster(t, s, order...)), "seed %d", seed)
	}
}

func TestWhatACouplingMayNotSay(t *testing.T) {
	f := newDevice(1)
	s, _ := founded(t, f)
	for what, change := range map[string]func(*shop.Coupling){
		"public key of 3 bytes": func(c *shop.Coupling) { c.PublicKey = []byte{1, 2, 3} },
		"without an ID":         func(c *shop.Coupling) { c.ID = [shop.CouplingSize]byte{} },
		"coupled by a till":     func(c *shop.Coupling) { c.By = crdt.TillID{} },
		"is empty or has":       func(c *shop.Coupling) { c.Account = " jule" },
		"account \"\"":          func(c *shop.Coupling) { c.Account = "" },
		"control character":     func(c *shop.Coupling) { c.Account = "ju\nle" },
		"longer":                func(c *shop.Coupling) { c.Account = strings.Repeat("x", shop.MaxAccount+1) },
		"time of a coupling":    func(c *shop.Coupling) { c.MS = -1 },
	} {
		c := coupling(f, 0)
		change(&c)
		_, err := c.Sign(s, f.key)
		require.ErrorIs(t, err, shop.ErrInvalid, what)
		if what != "longer" {
			require.ErrorContains(t, err, what)
		}
	}
	for _, url := range []string{"", "cloud.example", "ftp://cloud.example", "https://", "https:///x", "https://cloud.example/", "https://a b",
		"https://cloud.example?x=1", "https://cloud.example#x", "https://jule@cloud.example", "https://clöud.example", "https://" + strings.Repeat("x", shop.MaxURL)} {
		c := coupling(f, 0)
		c.URL = url
		require.ErrorIs(t, c.Check(), shop.ErrInvalid, url)
	}
	for _, url := range []string{"http://127.0.0.1:8490", "https://cloud.example:8443/till"} {
		c := coupling(f, 0)
		c.URL = url
		require.NoError(t, c.Check())
	}
	require.ErrorIs(t, shop.Uncoupling{By: f.id}.Check(), shop.ErrInvalid)
	require.ErrorIs(t, shop.Seat{Cloud: f.id}.Check(), shop.ErrInvalid)
	require.ErrorIs(t, shop.Seat{Cloud: f.id, Replica: f.replica(0), Predecessor: f.replica(0)}.Check(), shop.ErrInvalid)
	_, err := shop.Seat{Cloud: cloudDevice.id, Replica: f.replica(0)}.Sign(s, f.key)
	require.ErrorIs(t, err, shop.ErrSignature)
	_, err = coupling(f, 0).Sign(s, cloudDevice.key)
	require.ErrorIs(t, err, shop.ErrSignature)
	_, err = shop.Uncoupling{Coupling: crdt.ObjectID{1}, By: f.id}.Sign(s, cloudDevice.key)
	require.ErrorIs(t, err, shop.ErrSignature)
}

// TestCredentials: who knows the shop's ID and nothing else can tell by them that a till is of the shop.
func TestCredentials(t *testing.T) {
	f, a, b, key, c := newDevice(1), newDevice(2), newDevice(3), newDevice(9), newDevice(4)
	s, first := founded(t, f)
	known, err := shop.Recovery{PublicKey: key.public(), By: f.id, MS: 5}.Sign(s, f.key)
	require.NoError(t, err)
	prefix, err := shop.NewRoster(s).RecoveryPrefix(c.public())
	require.NoError(t, err)
	r := roster(t, s, first, admission(t, s, f, a, "K2", 2), admission(t, s, a, b, "K3.2", 3), admission(t, s, f, b, "K3", 3),
		known, admission(t, s, key, c, prefix, 6), admission(t, s, f, newDevice(8), "K9", 7))
	for n, of := range map[int]*device{1: f, 2: a, 4: b, 3: c} {
		items := r.Credentials(of.id)
		require.Len(t, items, n)
		bare := roster(t, s, items...)
		require.True(t, bare.Active(of.id))
		want, _ := r.Till(of.id)
		got, _ := bare.Till(of.id)
		require.Equal(t, want, got)
	}
	require.Nil(t, r.Credentials(key.id), "a key of the shop is no till")
	require.Nil(t, r.Credentials(newDevice(99).id))
}
