package replication_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// cloudID is the cloud in a shop of three tills.
var cloudID = crdt.TillID{4}

// starOf is a shop of three tills, linked with each other, and a cloud that only the first one reaches.
func starOf(t *testing.T) *shopOf {
	s := newShopWith(t, 4, func(cfg *replication.Config) {
		activeOf(new([]crdt.ReplicaID), 1, 2, 3, 4)(cfg)
		cfg.Clouds = func() []replication.Cloud { return []replication.Cloud{{ID: cloudID, Replica: crdt.ReplicaID{4}}} }
	})
	s.star(s.nodes...)
	return s
}

// star links the tills with each other and the last of the nodes with the first.
func (s *shopOf) star(nodes ...*node) {
	tills := nodes[:len(nodes)-1]
	for i, a := range tills {
		for _, b := range tills[i+1:] {
			s.link(a, b)
		}
	}
	s.link(nodes[0], nodes[len(nodes)-1])
	s.pass(3 * time.Second)
}

// rejoin links a node that was started again with those it reaches in the star.
func (s *shopOf) rejoin(d *node) {
	for _, other := range s.nodes {
		if other != d && (other.id != cloudID && d.id != cloudID || other == s.nodes[0] || d == s.nodes[0]) {
			s.link(d, other)
		}
	}
	s.pass(3 * time.Second)
}

func TestACloudBehindOneTill(t *testing.T) {
	s := starOf(t)
	b := newBusiness(t)
	b.work(s, 40)
	for _, writer := range s.nodes {
		c := writer.write(b.change(writer))
		s.pass(3 * time.Second)
		s.requireEqual()
		for _, d := range s.nodes {
			want := []crdt.TillID{{1}, {2}, {3}, {4}}
			if want = slices.DeleteFunc(want, func(id crdt.TillID) bool { return id == d.id }); d.id == cloudID || writer.id == cloudID {
				require.Subset(t, want, d.core.Holders(crdt.Catalog, c.Dot))
				continue
			}
			require.Equal(t, want, d.core.Holders(crdt.Catalog, c.Dot), "what till %x knows of a commit of %x", d.id[0], writer.id[0])
		}
	}
	require.Zero(t, s.nodes[3].core.Stats().PushesRefused)
}

// TestStartsAreJoinedWithACloudBehindOneTill: no till but the first ever audits with the cloud, and the cloud with no other one.
func TestStartsAreJoinedWithACloudBehindOneTill(t *testing.T) {
	s := starOf(t)
	b := newBusiness(t)
	for range 5 {
		for _, d := range s.nodes {
			d.write(b.change(d))
			d.restart()
			s.rejoin(d)
			d.write(b.change(d))
		}
	}
	s.pass(3 * time.Second)
	require.Greater(t, runsOf(s.nodes[0]), 15)
	s.pass(6 * time.Hour)
	s.requireEqual()
	for _, d := range s.nodes {
		require.Equal(t, 4, runsOf(d), "%v", d.core.Context(crdt.Catalog))
		require.Zero(t, d.core.Stats().Repairs)
	}
}

// TestACommitThatOnlyTheCloudHas: a till loses the end of a start, and only the cloud had got it. If the cloud need not agree, the
// others claim that nothing was there; the commit then comes as a repair. If it must, nobody claims it.
func TestACommitThatOnlyTheCloudHas(t *testing.T) {
	for _, asked := range []bool{false, true} {
		active := []byte{1, 2}
		if asked {
			active = append(active, 3)
		}
		s := newShopWith(t, 3, func(cfg *replication.Config) {
			activeOf(new([]crdt.ReplicaID), active...)(cfg)
			cfg.Clouds = func() []replication.Cloud {
				return []replication.Cloud{{ID: crdt.TillID{3}, Replica: crdt.ReplicaID{3}}}
			}
		})
		a, b, cloud := s.nodes[0], s.nodes[1], s.nodes[2]
		s.link(a, b)
		s.link(a, cloud)
		a.write(a.register(1, "first"))
		s.pass(time.Second)
		lost := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a.replica, Seq: crdt.NewSeq(7, 2)}, Pred: crdt.NewSeq(7, 1), Schema: 1,
			Pieces: []crdt.Piece{{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{77}, Raw: []byte("lost")}}}
		require.NoError(t, lost.Seal())
		cloud.restart()
		_, err := cloud.store.Apply(context.Background(), []replication.Op{{Commit: lost}})
		require.NoError(t, err)
		cloud.restart()
		a.restart()
		a.write(a.register(2, "second"))
		s.link(a, b)
		s.pass(5 * time.Hour)
		for _, d := range []*node{a, b} {
			require.Equal(t, asked, !d.core.Context(crdt.Catalog).Has(lost.Dot), "the cloud must agree: %v", asked)
		}
		s.link(b, cloud)
		s.pass(10 * time.Minute)
		o, err := b.store.Object(context.Background(), crdt.Key{Scope: crdt.Catalog, Type: "line", Object: crdt.ObjectID{77}})
		require.NoError(t, err)
		require.Len(t, o.Items, 1, "it is not lost")
		if asked {
			require.True(t, a.core.InDoubt(), "it learns in time that it lost something")
			require.Zero(t, b.core.Stats().Repairs)
		} else {
			require.Positive(t, b.core.Stats().Repairs)
		}
	}
}

// TestANewSeatOrNoneForgetsWhatACloudHeld: a cloud that was restored may have lost what it held, and one that is uncoupled keeps
// nothing for the shop.
func TestANewSeatOrNoneForgetsWhatACloudHeld(t *testing.T) {
	old, fresh := crdt.ReplicaID{4}, crdt.ReplicaID{4, 1}
	known := map[crdt.TillID]crdt.ReplicaID{{1}: old, {2}: old, {3}: old, cloudID: old}
	s := newShopWith(t, 4, func(cfg *replication.Config) {
		activeOf(new([]crdt.ReplicaID), 1, 2, 3, 4)(cfg)
		till := cfg.Till
		cfg.Clouds = func() []replication.Cloud {
			if known[till].IsZero() {
				return nil
			}
			return []replication.Cloud{{ID: cloudID, Replica: known[till]}}
		}
	})
	s.star(s.nodes...)
	first, third, cloud := s.nodes[0], s.nodes[2], s.nodes[3]
	c := third.write(third.register(1, "x"))
	s.pass(3 * time.Second)
	holders := func(d *node) []crdt.TillID { return d.core.Holders(crdt.Catalog, c.Dot) }
	require.Contains(t, holders(third), cloudID)
	require.Empty(t, third.core.Unheld(crdt.Catalog))

	// The third till hears of the new seat before the first does, which goes on saying what it knows of the one before.
	cloud.restart()
	known[third.id] = fresh
	require.NotContains(t, holders(third), cloudID)
	require.Contains(t, holders(first), cloudID)
	first.write(first.register(2, "y"))
	s.pass(5 * time.Minute)
	require.NotContains(t, holders(third), cloudID)

	// Then it is the last to hear of it.
	known[third.id], known[first.id], known[s.nodes[1].id], known[cloudID] = old, fresh, fresh, fresh
	cloud.replica = fresh
	cloud.restart()
	s.link(first, cloud)
	s.pass(time.Minute)
	require.Contains(t, holders(first), cloudID)
	require.NotContains(t, holders(third), cloudID)
	known[third.id] = fresh
	s.pass(time.Minute)
	require.Contains(t, holders(third), cloudID)

	for id := range known {
		known[id] = crdt.ReplicaID{}
	}
	for _, d := range s.nodes[:3] {
		require.NotContains(t, holders(d), cloudID)
	}
}

// TestARelayIsNotTakenFromAnybody: what is said of a seat that is not known is refused, and told again; what is said of tills, of
// the one that asks, or of this one, is refused.
func TestARelayIsNotTakenFromAnybody(t *testing.T) {
	s := newShopWith(t, 1, func(cfg *replication.Config) {
		activeOf(new([]crdt.ReplicaID), 1, 2, 4)(cfg)
		cfg.Clouds = func() []replication.Cloud { return []replication.Cloud{{ID: cloudID, Replica: crdt.ReplicaID{4}}} }
	})
	d := s.nodes[0]
	c := d.write(d.register(1, "x"))
	link, peer := s.stranger(d, crdt.TillID{2})
	require.NoError(t, d.core.Receive(s.now, link, &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: crdt.TillID{2}, Replica: crdt.ReplicaID{2}}))
	entries := crdt.Context{d.replica: {{After: 0, To: c.Dot.Seq}}}
	tell := func(id uint64, b wire.RelayBody) bool {
		require.NoError(t, d.core.Receive(s.now, link, &wire.Ask{ID: id, Topic: wire.RelayTopic, Body: b.Append(nil)}))
		s.run()
		answer, ok := peer.got[len(peer.got)-1].(*wire.Answer)
		require.True(t, ok)
		require.Equal(t, id, answer.ID)
		return answer.OK
	}
	good := wire.RelayBody{Peer: cloudID, Replica: crdt.ReplicaID{4}, Scope: crdt.Catalog, Entries: entries}
	for i, change := range []func(*wire.RelayBody){
		func(b *wire.RelayBody) { b.Replica = crdt.ReplicaID{4, 1} },
		func(b *wire.RelayBody) { b.Peer = crdt.TillID{9} },
		func(b *wire.RelayBody) { b.Peer = crdt.TillID{3} },
		func(b *wire.RelayBody) { b.Peer = crdt.TillID{2} },
		func(b *wire.RelayBody) { b.Peer = d.id },
		func(b *wire.RelayBody) { b.Peer, b.Agreed = crdt.TillID{9}, true },
		func(b *wire.RelayBody) { b.Peer, b.Agreed = crdt.TillID{2}, true },
		func(b *wire.RelayBody) { b.Peer, b.Agreed = d.id, true },
	} {
		b := good
		change(&b)
		require.False(t, tell(uint64(i+1), b), "case %d", i)
		require.Empty(t, d.core.Holders(crdt.Catalog, c.Dot))
	}
	require.True(t, tell(50, good))
	require.Equal(t, []crdt.TillID{cloudID}, d.core.Holders(crdt.Catalog, c.Dot))
	require.Equal(t, c.Dot.Seq, d.core.AgreedTo(crdt.Catalog))
	require.Error(t, d.core.Receive(s.now, link, &wire.Ask{ID: 60, Topic: wire.RelayTopic, Body: []byte{0x96, 1}}))
}

// TestAnOlderProgramRefusesRelays: it knows the topic no better than any other, and is asked rarely.
func TestAnOlderProgramRefusesRelays(t *testing.T) {
	s := starOf(t)
	d := s.nodes[0]
	link, old := s.stranger(d, crdt.TillID{8})
	require.NoError(t, d.core.Receive(s.now, link, &wire.Hello{Oldest: 1, Newest: 1, Shop: shop, Till: crdt.TillID{8}, Replica: crdt.ReplicaID{8}}))
	d.write(d.register(1, "x"))
	asked, answered := 0, 0
	for range 600 {
		s.pass(time.Second)
		for _, m := range old.got[answered:] {
			if ask, ok := m.(*wire.Ask); ok {
				asked++
				require.NoError(t, d.core.Receive(s.now, link, &wire.Answer{ID: ask.ID, Body: []byte("unknown topic")}))
			}
		}
		answered = len(old.got)
	}
	require.Positive(t, asked)
	require.Less(t, asked, 50, "in ten minutes")
	silent := 0
	for range 600 {
		s.pass(time.Second)
	}
	for _, m := range old.got[answered:] {
		if _, ok := m.(*wire.Ask); ok {
			silent++
		}
	}
	require.Greater(t, silent, 10, "who does not answer is told again")
	require.Less(t, silent, 50)
	for _, ev := range d.events {
		require.NotEqual(t, replication.EventAnswered, ev.Kind, "the driver did not ask")
	}
}
