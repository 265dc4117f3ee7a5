package node

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

func TestPresenceIsToldAndForgotten(t *testing.T) {
	one, two := newPresence(), newPresence()
	tab, till := crdt.ObjectID{1}, crdt.TillID{9}
	anna := worker{tab, "Anna"}
	links := []replication.LinkState{{ID: 7, Till: till, Ready: true}}
	require.Empty(t, one.due(links, 0), "nobody is anywhere")

	require.True(t, one.enter(worker{tab: tab}, time.Second, time.Minute), "somebody without a name")
	require.True(t, one.enter(anna, 2*time.Second, 40*time.Second))
	require.False(t, one.enter(worker{tab: tab}, 3*time.Second, 50*time.Second), "that is Anna")
	user, since, ok := one.here(tab, 3*time.Second)
	require.True(t, ok)
	require.Equal(t, "Anna", user)
	require.Equal(t, time.Second, since, "she was there before she said her name")
	require.Len(t, one.due(links, 3*time.Second), 1)
	body, version, at := one.say(3 * time.Second)
	one.told[7] = toldPresence{version, at}
	require.Empty(t, one.due(links, 4*time.Second))
	require.Len(t, one.due(links, 13*time.Second), 1, "it is said again while it lasts")

	heard, err := readPresence(body, 100*time.Second)
	require.NoError(t, err)
	require.Equal(t, map[worker]time.Duration{anna: 98 * time.Second}, heard)
	require.Equal(t, []worker{anna}, two.hear(till, heard, 100*time.Second))
	late, err := readPresence(body, 100*time.Second+300*time.Millisecond)
	require.NoError(t, err)
	require.Empty(t, two.hear(till, late, 100*time.Second+300*time.Millisecond), "the same again, a moment late, is no news")
	_, others := two.expire(130 * time.Second)
	require.Empty(t, others)
	_, others = two.expire(131 * time.Second)
	require.Equal(t, map[crdt.TillID][]worker{till: {anna}}, others, "30 s of silence")

	own, _ := one.expire(50 * time.Second)
	require.Equal(t, []worker{anna}, own)
	require.Len(t, one.due(links, 50*time.Second), 1, "that nobody is there any more is told")
	body, _, _ = one.say(50 * time.Second)
	two.hear(till, heard, 200*time.Second)
	none, err := readPresence(body, 201*time.Second)
	require.NoError(t, err)
	require.Equal(t, []worker{anna}, two.hear(till, none, 201*time.Second))
	require.Empty(t, two.others)
}

func TestPresenceIsBounded(t *testing.T) {
	p := newPresence()
	for i := range 2 * maxPresent {
		p.enter(worker{crdt.ObjectID{byte(i), byte(i >> 8)}, "x"}, 0, time.Minute)
	}
	require.Len(t, p.own, maxPresent)
	body, _, _ := p.say(time.Second)
	_, err := readPresence(body, 0)
	require.NoError(t, err)
}

func FuzzWhatOtherTillsSayOfTabs(f *testing.F) {
	p := newPresence()
	p.enter(worker{crdt.ObjectID{1}, "Anna"}, 0, time.Minute)
	body, _, _ := p.say(time.Second)
	f.Add(body)
	f.Add(claimAnswer{granted: true, worked: true, user: "Anna", since: time.Second, idle: time.Second}.encode())
	f.Add([]byte("somebody works there"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		if heard, err := readPresence(b, time.Hour); err == nil {
			require.LessOrEqual(t, len(heard), maxPresent)
		}
		a := decodeClaimAnswer(b)
		require.LessOrEqual(t, len(a.user), 1000)
		if a.text == "" && len(b) > 0 {
			require.Equal(t, a, decodeClaimAnswer(a.encode()))
		}
	})
}
