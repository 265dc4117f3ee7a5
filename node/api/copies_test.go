package api

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

// TestTheArchiveIsToldApart: it is none of the tills that are counted.
func TestTheArchiveIsToldApart(t *testing.T) {
	s := &server{names: &names{at: time.Now(), of: map[crdt.TillID]string{{2}: "Theke", {3}: "Garten"}}}
	since := node.Archived{Held: true, Since: time.UnixMilli(1_788_000_000_000)}
	for _, c := range []struct {
		others   []crdt.TillID
		archived node.Archived
		text     string
	}{
		{nil, node.Archived{}, "saved here only"},
		{nil, since, "saved here and in the archive"},
		{[]crdt.TillID{{2}}, node.Archived{}, "saved here and on 1 other till"},
		{[]crdt.TillID{{2}, {3}}, since, "saved here and on 2 other tills, and in the archive"},
		{[]crdt.TillID{{2}}, node.Archived{Held: true}, "saved here and on 1 other till, and in the archive"},
	} {
		got := s.showCopies(c.others, c.archived)
		require.Equal(t, c.text, got.Text)
		require.Equal(t, 1+len(c.others), got.On)
		require.Len(t, got.Tills, len(c.others))
		require.Equal(t, c.archived.Held, got.Archived)
		require.Equal(t, c.archived.Since.IsZero(), got.ArchivedSince == "")
	}
}
