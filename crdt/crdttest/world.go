package crdttest

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

// closeType is the document type of the items with which the histories supersede objects and registers.
const closeType = "crdttest-close"

// world is a few tills, the objects they write and every commit they ever made.
type world struct {
	t       testing.TB
	doc     Type
	rand    *rand.Rand
	objects []crdt.ObjectID
	tills   []*till
	commits []*crdt.Commit
	now     int64
	items   uint64
}

// till is one replica with the state it reached.
type till struct {
	replica crdt.ReplicaID
	last    crdt.Seq
	hash    crdt.Hash
	boot    uint32
	state   *crdt.State
	held    map[crdt.Dot]bool
}

func newWorld(t testing.TB, d Type, r *rand.Rand) *world {
	w := &world{t: t, doc: d, rand: r, now: 1_700_000_000_000}
	for range 2 + r.IntN(3) {
		w.objects = append(w.objects, crdt.ObjectID(w.bytes(16)))
	}
	for range 2 + r.IntN(3) {
		w.addTill()
	}
	return w
}

func (w *world) addTill() *till {
	t := &till{replica: crdt.ReplicaID(w.bytes(16)), boot: 1 + w.rand.Uint32N(1000), state: crdt.NewState(),
		held: make(map[crdt.Dot]bool)}
	w.tills = append(w.tills, t)
	return t
}

func (w *world) bytes(n int) []byte {
	b := make([]byte, 0, n+8)
	for len(b) < n {
		b = binary.BigEndian.AppendUint64(b, w.rand.Uint64())
	}
	return b[:n]
}

// run lets the tills do steps random things.
func (w *world) run(steps int) {
	for range steps {
		t := w.tills[w.rand.IntN(len(w.tills))]
		switch n := w.rand.IntN(20); {
		case n < 10:
			w.edit(t, w.objects[w.rand.IntN(len(w.objects))])
		case n < 16:
			w.deliver(t)
		case n < 17:
			t.boot++
		case n < 18:
			other := w.tills[w.rand.IntN(len(w.tills))]
			t.state.Merge(other.state)
			for dot := range other.held {
				t.held[dot] = true
			}
		case n < 19:
			w.closeRegister(t)
		default:
			if w.rand.IntN(4) == 0 {
				w.closeObject(t)
			}
		}
		if w.rand.IntN(4) == 0 {
			w.sound(t)
		}
	}
	for _, t := range w.tills {
		w.sound(t)
	}
}

func (w *world) key(id crdt.ObjectID) crdt.Key {
	return crdt.Key{Scope: w.doc.Scope, Type: w.doc.Name, Object: id}
}

// object returns what a state holds of an object, never nil.
func (w *world) object(s *crdt.State, id crdt.ObjectID) *crdt.Object {
	if o := s.Objects[w.key(id)]; o != nil {
		return o
	}
	return new(crdt.Object)
}

// pieces asks the type for an edit and checks that it is one.
func (w *world) pieces(o *crdt.Object, id crdt.ObjectID) []crdt.Piece {
	before := dumpObject(o)
	pieces := w.doc.Write(w.rand, o, id)
	require.Equal(w.t, before, dumpObject(o), "Write changed the object it was given")
	for i := range pieces {
		p := &pieces[i]
		require.Equal(w.t, w.doc.Name, p.Type, "Write returned a piece of another type")
		require.Equal(w.t, id, p.Object, "Write returned a piece of another object")
		if p.Kind == crdt.KindItem {
			require.True(w.t, w.doc.Item, "Write returned an item of a type without")
			continue
		}
		require.True(w.t, w.doc.allows(p.Name), "Write returned register %q, which was not announced", p.Name)
		require.True(w.t, p.Clock.CoversAll(o.Seen(p.Name)), "Write of register %q does not carry the clock seen", p.Name)
	}
	return pieces
}

// edit makes one commit of a random edit and checks what it did to the object at its writer.
func (w *world) edit(t *till, id crdt.ObjectID) *crdt.Commit {
	o := w.object(t.state, id)
	if o.Gone {
		return nil // nobody edits what is superseded here; only a till that does not know it yet does
	}
	pieces := w.pieces(o, id)
	if len(pieces) == 0 {
		return nil
	}
	item := slices.Clone(o.Items)
	c := w.commit(t, pieces)
	o = w.object(t.state, id)
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind == crdt.KindItem {
			require.True(w.t, len(item) == 0 || !o.Alarm(), "Write changed an item")
			continue
		}
		siblings := o.Get(p.Name).Siblings
		require.Len(w.t, siblings, 1, "a write of %q that saw every value must replace them", p.Name)
		require.Equal(w.t, c.Dot, siblings[0].Origin.Dot)
		require.Equal(w.t, string(p.Raw), string(siblings[0].Raw))
	}
	return c
}

// commit seals pieces as the till's next commit, sends it through the codec and applies it where it was made.
func (w *world) commit(t *till, pieces []crdt.Piece) *crdt.Commit {
	w.t.Helper()
	w.now += int64(w.rand.IntN(5)) * 500
	skew := int64(w.rand.IntN(3)-1) * 60_000
	seq := t.last + 1
	if t.last.Boot() != t.boot {
		seq = crdt.NewSeq(t.boot, 1)
	}
	made := &crdt.Commit{
		Scope: w.doc.Scope, Dot: crdt.Dot{Replica: t.replica, Seq: seq}, Pred: t.last, Prev: t.hash,
		Stamp: crdt.Stamp{Trusted: w.rand.IntN(4) > 0, MS: w.now}, WallMS: w.now + skew, Schema: 1, Pieces: pieces,
	}
	require.NoError(w.t, made.Seal())
	c, err := crdt.DecodeCommit(slices.Clone(made.Bytes()))
	require.NoError(w.t, err)
	require.Equal(w.t, made.Hash(), c.Hash())
	t.last, t.hash = seq, c.Hash()
	t.state.Apply(c)
	t.held[c.Dot] = true
	w.commits = append(w.commits, c)
	return c
}

// deliver brings a till some commits it may or may not have, in no order, leaving gaps.
func (w *world) deliver(t *till) {
	for range w.rand.IntN(6) {
		if len(w.commits) == 0 {
			return
		}
		c := w.commits[w.rand.IntN(len(w.commits))]
		t.state.Apply(c)
		t.held[c.Dot] = true
	}
}

// closeRegister supersedes a register of an object up to what the till has seen of it.
func (w *world) closeRegister(t *till) {
	id := w.objects[w.rand.IntN(len(w.objects))]
	o := w.object(t.state, id)
	if len(o.Registers) == 0 {
		return
	}
	r := o.Registers[w.rand.IntN(len(o.Registers))]
	w.commit(t, []crdt.Piece{w.close(crdt.Piece{
		Registers: []crdt.RegisterUpTo{{Type: w.doc.Name, Object: id, Name: r.Name, Clock: r.Clock}},
	})})
}

// closeObject supersedes a whole object, for ever.
func (w *world) closeObject(t *till) {
	id := w.objects[w.rand.IntN(len(w.objects))]
	w.commit(t, []crdt.Piece{w.close(crdt.Piece{
		Objects: []crdt.TypedObjects{{Type: w.doc.Name, IDs: []crdt.ObjectID{id}}},
	})})
}

func (w *world) close(p crdt.Piece) crdt.Piece {
	w.items++
	p.Kind, p.Type, p.Raw = crdt.KindItem, closeType, []byte{0x80}
	p.Object = crdt.DeriveObjectID(closeType, w.objects[0][:], binary.BigEndian.AppendUint64(nil, w.items))
	return p
}

// load returns the bytes of an item from the commits a state holds.
func (w *world) load(s *crdt.State) func(crdt.Ref) []byte {
	return func(ref crdt.Ref) []byte {
		if live := s.Commits[w.doc.Scope][ref.Origin.Dot]; live != nil && ref.Piece < len(live.Commit.Pieces) {
			return live.Commit.Pieces[ref.Piece].Raw
		}
		return nil
	}
}
