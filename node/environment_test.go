package node

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

func TestBusinessTimeIsTheMachinesTimePutRight(t *testing.T) {
	wall := time.UnixMilli(1_800_000_000_000)
	c := &businessClock{wall: func() time.Time { return wall }}
	require.Equal(t, wall, c.Now())
	require.Equal(t, crdt.Stamp{Trusted: true, MS: wall.UnixMilli()}, c.Stamp())
	c.judge = func() (time.Duration, bool) { return -26 * time.Hour, false }
	require.Equal(t, wall.Add(-26*time.Hour), c.Now())
	require.Equal(t, crdt.Stamp{MS: wall.Add(-26 * time.Hour).UnixMilli()}, c.Stamp())
}

func TestChanceComesFromOutside(t *testing.T) {
	e := Environment{Random: bytes.NewReader(bytes.Repeat([]byte{0, 0, 0, 0, 0, 0, 0, 7}, 3))}.orReal()
	require.Equal(t, crdt.ObjectID{7: 7, 15: 7}, e.objectID())
	require.Zero(t, e.under(1), "nothing is drawn where there is no choice")
	require.Equal(t, time.Duration(2), e.under(5))
	require.Panics(t, func() { e.objectID() }, "a till does not go on without chance")
}
