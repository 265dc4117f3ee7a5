package replication_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// saved answers a batch as a store does to which everything in it is new.
func saved(ops []replication.Op) replication.Applied {
	a := replication.Applied{Grown: make(map[crdt.Scope]crdt.Context)}
	for _, op := range ops {
		if a.Grown[op.Commit.Scope] == nil {
			a.Grown[op.Commit.Scope] = make(crdt.Context)
		}
		a.Grown[op.Commit.Scope].Add(op.Commit.Dot.Replica, op.Commit.Interval())
		a.Outcomes = append(a.Outcomes, replication.Outcome{New: true, Live: true})
	}
	return a
}

// BenchmarkPush takes a commit from the seller to the other till: proposed, numbered and sealed, saved, pushed, decoded,
// saved there. There is no disk and no network; what is measured is the price of the rules. together is how many
// commits each transaction and each frame hold.
func BenchmarkPush(b *testing.B) {
	for _, together := range []int{1, 64} {
		b.Run(fmt.Sprintf("together=%d", together), func(b *testing.B) {
			var cores [2]*replication.Core
			var links [2]replication.LinkID
			for i := range cores {
				id := byte(i + 1)
				cores[i] = replication.NewCore(replication.Config{Shop: shop, Till: crdt.TillID{id}, Replica: crdt.ReplicaID{id},
					Boot: 1, Nonce: [16]byte{id}, Roster: everybody{}})
			}
			for i := range cores {
				links[i] = cores[i].LinkUp(noon, crdt.TillID{byte(2 - i)})
			}
			deliver := func(from, to int) {
				for _, m := range cores[from].Next(links[from]) {
					require.NoError(b, cores[to].Receive(noon, links[to], m))
				}
			}
			deliver(0, 1)
			deliver(1, 0)
			n := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				for range together {
					n++
					var id crdt.ObjectID
					binary.BigEndian.PutUint64(id[:], n)
					cores[0].Propose(replication.Local{Scope: crdt.Sales, Schema: 1, Stamp: crdt.Stamp{Trusted: true, MS: 1}, Pieces: []crdt.Piece{
						{Kind: crdt.KindItem, Type: "line", Object: id, Raw: make([]byte, 170)},
						{Kind: crdt.KindRegister, Type: "line", Object: id, Name: "loc", Raw: make([]byte, 21)},
					}})
				}
				for i := range cores {
					ops := cores[i].Take(1 << 30)
					if len(ops) != together {
						b.Fatalf("%d of %d commits came to till %d", len(ops), together, i)
					}
					cores[i].Done(noon, saved(ops), nil, false)
					cores[i].Events()
					if i == 0 {
						deliver(0, 1)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/commit")
		})
	}
}
