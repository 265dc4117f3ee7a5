package store_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// TestAnItemThatSupersedesIsNeverSuperseded: its list would be forgotten, and what it lists come back. Whatever the order, in
// one batch or three, with a restart in between: it stays, its list counts, and who listed it is told.
func TestAnItemThatSupersedesIsNeverSuperseded(t *testing.T) {
	at := func(replica byte) crdt.Dot { return crdt.Dot{Replica: crdt.ReplicaID{replica}, Seq: crdt.NewSeq(1, 1)} }
	line := sealed(t, at(1), 0, item("line", 1, "x"))
	first := item("close", 2, "first")
	first.Objects = []crdt.TypedObjects{{Type: "line", IDs: []crdt.ObjectID{{1}}}}
	second := item("close", 3, "second")
	second.Objects = []crdt.TypedObjects{{Type: "close", IDs: []crdt.ObjectID{{2}, {3}}}}
	commits := []*crdt.Commit{line, sealed(t, at(2), 0, first), sealed(t, at(3), 0, second)}
	var want crdt.Digest
	for n, order := range [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprint(order, together), func(t *testing.T) {
				disk := memory.NewDisk()
				s := openOn(t, disk)
				ignored := map[crdt.ObjectID]bool{}
				step := func(list ...*crdt.Commit) {
					for _, out := range apply(t, s, list...).Outcomes {
						for _, key := range out.Ignored {
							ignored[key.Object] = true
						}
					}
					require.NoError(t, s.Close())
					s = openOn(t, disk)
				}
				if together {
					step(commits[order[0]], commits[order[1]], commits[order[2]])
				} else {
					for _, i := range order {
						step(commits[i])
					}
				}
				for id, typ := range map[byte]string{2: "close", 3: "close"} {
					o, err := s.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: typ, Object: crdt.ObjectID{id}})
					require.NoError(t, err)
					require.Len(t, o.Items, 1, "item %d", id)
				}
				o, err := s.Object(ctx, crdt.Key{Scope: crdt.Sales, Type: "line", Object: crdt.ObjectID{1}})
				require.NoError(t, err)
				require.False(t, o.Live(), "the list counts")
				require.True(t, ignored[crdt.ObjectID{3}], "it listed itself")
				if n == 0 && !together {
					want = s.Digests()[crdt.Sales]
				}
				require.Equal(t, want, s.Digests()[crdt.Sales])
				recount, err := s.Recount(ctx, crdt.Sales)
				require.NoError(t, err)
				require.Equal(t, want, recount)
				// Who pulls what is live gets the same.
				list, _, err := s.Live(ctx, crdt.Sales, s.Contexts()[crdt.Sales], replication.Cursor{}, 1<<20)
				require.NoError(t, err)
				require.Len(t, list, 2)
			})
		}
	}
}
