package store_test

import (
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

// history is a few tills that write, merge and close, as crdt.State does.
type history struct {
	random  *rand.Rand
	tills   []*writer
	commits []*crdt.Commit
	objects byte
}

type writer struct {
	replica crdt.ReplicaID
	head    replication.Head
	state   *crdt.State
}

func newHistory(seed uint64) *history {
	h := &history{random: rand.New(rand.NewPCG(seed, 9)), objects: 100}
	for n := range 3 {
		h.tills = append(h.tills, &writer{replica: crdt.ReplicaID{byte(n + 1)}, state: crdt.NewState()})
	}
	for range 60 {
		w := h.tills[h.random.IntN(3)]
		if h.random.IntN(3) == 0 {
			w.state.Merge(h.tills[h.random.IntN(3)].state)
		}
		h.write(w)
	}
	return h
}

func (h *history) write(w *writer) {
	seq := w.head.Seq + 1
	if w.head.Seq == 0 || h.random.IntN(15) == 0 {
		seq = crdt.NewSeq(w.head.Seq.Boot()+1, 1)
	}
	c := &crdt.Commit{Scope: crdt.Catalog, Dot: crdt.Dot{Replica: w.replica, Seq: seq}, Pred: w.head.Seq, Prev: w.head.Hash,
		Stamp: crdt.Stamp{MS: h.random.Int64N(1000)}}
	slots := make(map[string]bool)
	for range 1 + h.random.IntN(11) {
		if p := h.piece(w); !slots[p.Type+string(p.Object[:])+p.Name] {
			slots[p.Type+string(p.Object[:])+p.Name] = true
			c.Pieces = append(c.Pieces, p)
		}
	}
	if err := c.Seal(); err != nil {
		panic(err) // the generator is wrong, not what is tested
	}
	w.head = replication.Head{Seq: seq, Hash: c.Hash()}
	w.state.Apply(c)
	h.commits = append(h.commits, c)
}

func (h *history) piece(w *writer) crdt.Piece {
	raw := []byte{byte(h.random.IntN(256))}
	h.objects++
	p := crdt.Piece{Kind: crdt.KindItem, Type: "line", Object: crdt.ObjectID{h.objects, byte(len(h.commits))}, Raw: raw}
	switch n := h.random.IntN(12); {
	case n < 7:
		p = crdt.Piece{Kind: crdt.KindRegister, Type: "article", Object: crdt.ObjectID{byte(1 + h.random.IntN(4))}, Name: "n", Raw: raw}
		if o := w.state.Objects[crdt.Key{Scope: crdt.Catalog, Type: p.Type, Object: p.Object}]; o != nil {
			p.Clock = o.Seen("n")
		}
	case n < 9:
		p.Type = "close"
		keys := slices.SortedFunc(maps.Keys(w.state.Objects), func(a, b crdt.Key) int { return a.Object.Compare(b.Object) })
		for _, key := range keys {
			o := w.state.Objects[key]
			switch {
			case !o.Live() || key.Type == "close":
			case key.Type == "line" && h.random.IntN(2) == 0, key.Type == "article" && h.random.IntN(12) == 0:
				p.Objects = append(p.Objects, crdt.TypedObjects{Type: key.Type, IDs: []crdt.ObjectID{key.Object}})
			case key.Type == "article" && h.random.IntN(3) == 0:
				p.Registers = append(p.Registers, crdt.RegisterUpTo{Type: key.Type, Object: key.Object, Name: "n", Clock: o.Seen("n")})
			}
		}
	}
	return p
}
