package shop_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

func TestRosterIsTheSameInAnyOrder(t *testing.T) {
	f, a, b, c, stranger := newDevice(1), newDevice(2), newDevice(3), newDevice(4), newDevice(9)
	s, first := founded(t, f)
	items := []crdt.Piece{
		first, lineage(t, s, f, 0, "K1", 1001),
		admission(t, s, f, a, "K2", 1100), lineage(t, s, a, 0, "K2", 1101), lineage(t, s, a, 1, "K2b", 1500),
		admission(t, s, a, b, "K3.2", 1200), lineage(t, s, b, 0, "K3.2", 1201),
		admission(t, s, b, c, "K4.3.2", 1300), admission(t, s, f, c, "K3", 1400), // admitted twice, apart
		lineage(t, s, c, 0, "K4.3.2", 1301),
		departure(t, s, f, a, false, 1600), departure(t, s, b, a, true, 1700),
		departure(t, s, c, f, false, 1800),
		admission(t, s, stranger, newDevice(10), "K9.8", 1900),                           // nobody knows the signer
		departure(t, s, stranger, f, true, 1900), lineage(t, s, stranger, 0, "K9", 1900), // nor here
	}
	forged := admission(t, s, a, newDevice(11), "K5.2", 1900)
	forged.Raw = slices.Clone(forged.Raw)
	forged.Raw[len(forged.Raw)-8] ^= 1
	items = append(items, forged)

	want := all(roster(t, s, items...))
	require.Len(t, want.Tills, 4)
	require.Len(t, want.Problems, 4)
	states := make(map[crdt.TillID]shop.State)
	prefixes := make(map[crdt.TillID]string)
	for _, till := range want.Tills {
		states[till.ID], prefixes[till.ID] = till.State, till.Prefix
	}
	require.Equal(t, map[crdt.TillID]shop.State{f.id: shop.Retired, a.id: shop.Revoked, b.id: shop.Active, c.id: shop.Active},
		states)
	require.Equal(t, map[crdt.TillID]string{f.id: "K1", a.id: "K2", b.id: "K3.2", c.id: "K4.3.2"}, prefixes, "the earlier admission is shown")
	require.Equal(t, f.id, want.Tills[0].ID)
	require.True(t, want.Tills[0].Founder)
	require.Equal(t, []string{"K2", "K2b"}, []string{want.Tills[1].Lineages[0].Prefix, want.Tills[1].Lineages[1].Prefix})

	for seed := range uint64(60) {
		order := slices.Clone(items)
		r := rand.New(rand.NewPCG(seed, 1))
		order = append(order, items[r.IntN(len(items))]) // and once more
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		require.Equal(t, want, all(roster(t, s, order...)), "seed %d", seed)
	}
}

func TestLookups(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	r := roster(t, s, first, lineage(t, s, f, 0, "K1", 1), admission(t, s, f, a, "K2", 2), lineage(t, s, a, 0, "K2", 3),
		lineage(t, s, a, 1, "K2b", 4))
	require.Equal(t, s, r.Shop())
	require.True(t, r.Active(f.id))
	require.False(t, r.Active(b.id))
	till, ok := r.TillOf(a.replica(1))
	require.True(t, ok)
	require.Equal(t, a.id, till)
	_, ok = r.TillOf(b.replica(0))
	require.False(t, ok)
	key, ok := r.PublicKey(a.id)
	require.True(t, ok)
	require.Equal(t, a.public(), key)
	_, ok = r.PublicKey(b.id)
	require.False(t, ok)
	_, ok = r.Till(b.id)
	require.False(t, ok)

	require.True(t, r.MayPush(a.id, a.replica(0)))
	require.True(t, r.MayPush(a.id, a.replica(1)))
	require.False(t, r.MayPush(a.id, f.replica(0)), "another till's replica")
	require.False(t, r.MayPush(b.id, f.replica(0)), "a stranger")
	require.False(t, r.MayPush(a.id, a.replica(2)), "a replica nobody claimed")

	retired := departure(t, s, f, a, false, 5)
	require.NoError(t, r.AddItem(retired.Type, retired.Object, retired.Raw))
	require.False(t, r.Active(a.id))
	require.True(t, r.MayPush(a.id, a.replica(0)), "a retired till hands over what it holds")
	revoked := departure(t, s, f, a, true, 6)
	require.NoError(t, r.AddItem(revoked.Type, revoked.Object, revoked.Raw))
	require.Equal(t, shop.Revoked, r.State(a.id))
	require.False(t, r.MayPush(a.id, a.replica(0)))

	// What the revoked till signed before stays: nobody can say when it did.
	third := admission(t, s, a, b, "K3.2", 4)
	require.NoError(t, r.AddItem(third.Type, third.Object, third.Raw))
	require.True(t, r.Active(b.id))

	require.NoError(t, r.AddItem("note", crdt.ObjectID{}, []byte{0xc1}), "types of other versions are passed over")
	require.Empty(t, r.Problems())
}

// commit makes a commit of the shop scope.
func commit(t testing.TB, replica crdt.ReplicaID, k uint32, pieces ...crdt.Piece) *crdt.Commit {
	t.Helper()
	c := &crdt.Commit{Scope: crdt.Shop, Dot: crdt.Dot{Replica: replica, Seq: crdt.NewSeq(1, k)}, Schema: shop.Schema, Pieces: pieces}
	if k > 1 {
		c.Pred = crdt.NewSeq(1, k-1)
	}
	require.NoError(t, c.Seal())
	return c
}

func TestRosterFromCommits(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	name, mode := "Theke", shop.ModeArchive
	renamed, err := shop.EditTill(a.id, nil, shop.TillEdit{Name: &name, Mode: &mode})
	require.NoError(t, err)
	commits := []*crdt.Commit{
		commit(t, f.replica(0), 1, first, lineage(t, s, f, 0, "K1", 1)),
		commit(t, f.replica(0), 2, admission(t, s, f, a, "K2", 2)),
		commit(t, a.replica(0), 1, append([]crdt.Piece{lineage(t, s, a, 0, "K2", 3)}, renamed...)...),
	}
	r, err := shop.BuildRoster(s, slices.Values(commits))
	require.NoError(t, err)
	slices.Reverse(commits)
	other, err := shop.BuildRoster(s, slices.Values(append(commits, commits...)))
	require.NoError(t, err)
	require.Equal(t, all(r), all(other))
	till, ok := r.Till(a.id)
	require.True(t, ok)
	require.Equal(t, "Theke", till.Name)
	require.Equal(t, shop.ModeArchive, till.Mode)
	founder, _ := r.Till(f.id)
	require.Equal(t, "Kasse 1", founder.Name, "the name at admission")
	require.Equal(t, shop.DefaultMode, founder.Mode)

	again, err := shop.EditTill(a.id, r.Object(a.id), shop.TillEdit{Name: &name, Mode: &mode})
	require.NoError(t, err)
	require.Empty(t, again)

	// The first commit of a replica introduces it; nobody can introduce one for another till.
	fresh := commit(t, a.replica(1), 1, lineage(t, s, a, 1, "K2b", 9))
	require.False(t, r.MayPush(a.id, a.replica(1)))
	require.True(t, r.MayPushCommit(a.id, fresh))
	require.False(t, r.MayPushCommit(f.id, fresh))
	require.False(t, r.MayPushCommit(b.id, fresh))
	require.False(t, r.MayPushCommit(a.id, commit(t, a.replica(2), 1, lineage(t, s, a, 1, "K2b", 9))), "of another replica")
	require.False(t, r.MayPushCommit(a.id, commit(t, a.replica(1), 1, lineage(t, s, a, 1, "K9", 9))), "another till's numbers")
	require.True(t, r.MayPushCommit(a.id, commit(t, a.replica(0), 2, renamed...)))
	unsigned := lineage(t, s, a, 1, "K2b", 9)
	unsigned.Raw = slices.Clone(unsigned.Raw)
	unsigned.Raw[bytes.Index(unsigned.Raw, []byte("\xa1s\xc4\x40"))+10] ^= 1
	require.False(t, r.MayPushCommit(a.id, commit(t, a.replica(1), 1, unsigned)), "nobody signed it")

	elsewhere := &crdt.Commit{Scope: crdt.Sales, Dot: crdt.Dot{Replica: b.replica(0), Seq: 1},
		Pieces: []crdt.Piece{admission(t, s, f, b, "K3", 9)}}
	require.NoError(t, elsewhere.Seal())
	require.NoError(t, r.AddCommit(elsewhere))
	require.False(t, r.Active(b.id), "the roster is in the shop scope only")
}

func TestSignaturesThatDoNotHold(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	otherFounder, otherFirst := founded(t, b)
	good := admission(t, s, f, a, "K2", 2)

	t.Run("another founder", func(t *testing.T) {
		require.NotEqual(t, s, otherFounder)
		r := roster(t, s, otherFirst, first)
		require.False(t, r.Active(b.id))
		require.True(t, r.Active(f.id))
		require.Len(t, r.Problems(), 1)
		_, err := shop.Admission{PublicKey: b.public(), Name: "x", Prefix: "K1", By: b.id, Founder: true, Nonce: nonce}.Sign(s, b.key)
		require.ErrorIs(t, err, shop.ErrInvalid)
	})
	t.Run("for another shop", func(t *testing.T) {
		r := roster(t, s, first, admission(t, otherFounder, f, a, "K2", 2))
		require.False(t, r.Active(a.id))
		require.Len(t, r.Problems(), 1)
	})
	t.Run("with another key", func(t *testing.T) {
		_, err := shop.Admission{PublicKey: a.public(), Name: "x", Prefix: "K2", By: f.id}.Sign(s, b.key)
		require.ErrorIs(t, err, shop.ErrSignature)
		_, err = shop.Lineage{Till: a.id, Replica: a.replica(0), Prefix: "K2"}.Sign(s, b.key)
		require.ErrorIs(t, err, shop.ErrSignature)
		_, err = shop.Departure{Till: a.id, By: f.id}.Sign(s, b.key)
		require.ErrorIs(t, err, shop.ErrSignature)
		_, err = shop.Departure{Till: a.id, By: f.id}.Sign(s, nil)
		require.ErrorIs(t, err, shop.ErrInvalid)
	})
	t.Run("any bit changed", func(t *testing.T) {
		for i := range len(good.Raw) * 8 {
			raw := slices.Clone(good.Raw)
			raw[i/8] ^= 1 << (i % 8)
			r := roster(t, s, first)
			err := r.AddItem(good.Type, good.Object, raw)
			require.Len(t, r.Tills(), 1, "bit %d", i)
			require.True(t, err != nil || len(r.Problems()) == 1, "bit %d", i)
		}
	})
	t.Run("other spelling", func(t *testing.T) {
		// The same map with a head of three bytes instead of one.
		longer := append([]byte{0xde, 0, good.Raw[0] & 0x0f}, good.Raw[1:]...)
		require.ErrorIs(t, roster(t, s, first).AddItem(good.Type, good.Object, longer), codec.ErrMalformed)
	})
	t.Run("under another ID or type", func(t *testing.T) {
		require.Error(t, roster(t, s, first).AddItem(good.Type, crdt.ObjectID{1}, good.Raw))
		retired := departure(t, s, f, a, false, 3)
		revocation := shop.Departure{Revoked: true, Till: a.id, By: f.id}
		r := roster(t, s, first, good)
		require.NoError(t, r.AddItem(shop.TypeRevocation, revocation.ObjectID(), retired.Raw))
		require.True(t, r.Active(a.id), "a retirement must not pass as a revocation")
		require.Len(t, r.Problems(), 1)
	})
	t.Run("numbers it may not give", func(t *testing.T) {
		r := roster(t, s, first, good, admission(t, s, a, b, "K3", 3))
		require.False(t, r.Active(b.id), "only the founder gives bare numbers")
		require.Len(t, r.Problems(), 1)
		r = roster(t, s, first, good, admission(t, s, f, b, "K3.2", 3))
		require.False(t, r.Active(b.id), "the founder gives no other till's numbers")
		r = roster(t, s, first, good, lineage(t, s, a, 0, "K1b", 3))
		require.False(t, r.MayPush(a.id, a.replica(0)), "another till's series")
	})
	t.Run("newer", func(t *testing.T) {
		rec, err := crdt.ParseRecord(good.Raw, shop.Schema)
		require.NoError(t, err)
		rec.RequireReader(shop.Schema + 1)
		require.ErrorIs(t, roster(t, s, first).AddItem(good.Type, good.Object, rec.Bytes()), crdt.ErrUpdateNeeded)
	})
}

func TestUnknownFieldsAreSigned(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	s, first := founded(t, f)
	good := admission(t, s, f, a, "K2", 2)
	rec, err := crdt.ParseRecord(good.Raw, shop.Schema)
	require.NoError(t, err)
	rec.SetUint("zz", 1)
	r := roster(t, s, first)
	require.NoError(t, r.AddItem(good.Type, good.Object, rec.Bytes()))
	require.False(t, r.Active(a.id), "nobody may add a field to what was signed")
	require.Len(t, r.Problems(), 1)
}

func TestContestedIsReported(t *testing.T) {
	f, a, b := newDevice(1), newDevice(2), newDevice(3)
	s, first := founded(t, f)
	claim := func(d *device, prefix string, ms int64) crdt.Piece {
		p, err := shop.Lineage{Till: d.id, Replica: a.replica(0), Prefix: prefix, MS: ms}.Sign(s, d.key)
		require.NoError(t, err)
		return p
	}
	r := roster(t, s, first, admission(t, s, f, a, "K2", 2), admission(t, s, f, b, "K2", 3), claim(a, "K2", 10), claim(b, "K2", 11))
	till, ok := r.TillOf(a.replica(0))
	require.True(t, ok)
	require.Equal(t, a.id, till)
	require.Len(t, r.Problems(), 3, "%v", r.Problems())
}

func TestItemsRefused(t *testing.T) {
	f, a := newDevice(1), newDevice(2)
	s, _ := founded(t, f)
	ok := shop.Admission{PublicKey: a.public(), Name: "Kasse", Prefix: "K2", By: f.id, MS: 1}
	wrong := func(change func(*shop.Admission)) error {
		w := ok
		change(&w)
		_, err := w.Sign(s, f.key)
		return err
	}
	require.NoError(t, wrong(func(*shop.Admission) {}))
	for what, err := range map[string]error{
		"public key of 3 bytes":  wrong(func(a *shop.Admission) { a.PublicKey = []byte{1, 2, 3} }),
		"needs a name":           wrong(func(a *shop.Admission) { a.Name = " " }),
		"number prefix \"2\"":    wrong(func(a *shop.Admission) { a.Prefix = "2" }),
		"admitted by another":    wrong(func(a *shop.Admission) { a.By = a.Till() }),
		"admits itself":          wrong(func(a *shop.Admission) { a.Founder = true }),
		"time of admission is -": wrong(func(a *shop.Admission) { a.MS = -1 }),
		"control character":      wrong(func(a *shop.Admission) { a.Name = "a\tb" }),
		"names two tills":        shop.Departure{}.Check(),
		"reason":                 shop.Departure{Till: a.id, By: f.id, Reason: string(make([]byte, 300))}.Check(),
		"another replica before": shop.Lineage{Till: a.id, Prefix: "K2"}.Check(),
		"names 1 scopes": shop.Lineage{Till: a.id, Replica: a.replica(0), Prefix: "K2",
			Last: []shop.ScopeSeq{{Scope: crdt.Shop, Seq: 1}}}.Check(),
		"sorted": shop.Lineage{Till: a.id, Replica: a.replica(1), Predecessor: a.replica(0), Prefix: "K2",
			Last: []shop.ScopeSeq{{Scope: crdt.Sales, Seq: 1}, {Scope: crdt.Shop, Seq: 1}}}.Check(),
	} {
		require.ErrorIs(t, err, shop.ErrInvalid, what)
		require.ErrorContains(t, err, what)
	}
}
