package lineage

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
)

const testScope, testType = crdt.KindCatalog, "thing"

// actor is a store in the random histories: the rules of crdt with a writer and notes.
type actor struct {
	w       *history
	replica crdt.ReplicaID
	boot    uint32
	head    replication.Head
	state   *crdt.State
	notes   map[string][]byte
	doubt   bool // commits of its own came from elsewhere: it writes no more until it is renewed
}

// history is what some tills did to a few objects, and every commit they made.
type history struct {
	t       *testing.T
	rand    *rand.Rand
	all     []*crdt.Commit
	now     int64
	next    uint64
	objects []crdt.ObjectID
	items   map[crdt.ObjectID]bool // every item, false once a list names it
}

func newHistory(t *testing.T, seed uint64) *history {
	t.Logf("seed %d", seed)
	w := &history{t: t, rand: rand.New(rand.NewPCG(seed, 0)), now: 1_700_000_000_000, items: make(map[crdt.ObjectID]bool)}
	for range 3 {
		w.objects = append(w.objects, w.id())
	}
	return w
}

func (w *history) id() crdt.ObjectID {
	w.next++
	return crdt.DeriveObjectID("test", binary.BigEndian.AppendUint64(nil, w.next))
}

func (w *history) actor() *actor {
	return &actor{w: w, replica: crdt.ReplicaID(w.id()), boot: 1, state: crdt.NewState(), notes: make(map[string][]byte)}
}

// copy returns another machine with the same store.
func (a *actor) copy() *actor {
	b := *a
	b.state, b.notes = crdt.NewState(), maps.Clone(a.notes)
	b.state.Merge(a.state)
	return &b
}

func (a *actor) object(k crdt.Key) *crdt.Object {
	if o := a.state.Objects[k]; o != nil {
		return o
	}
	return new(crdt.Object)
}

func key(id crdt.ObjectID) crdt.Key {
	return crdt.Key{Scope: crdt.Scope{Kind: testScope}, Type: testType, Object: id}
}

// write makes a commit of one to three random pieces.
func (a *actor) write() {
	r := a.w.rand
	if a.doubt {
		return
	}
	var pieces []crdt.Piece
	register := func(id crdt.ObjectID, name string) {
		if o := a.object(key(id)); !o.Gone {
			pieces = append(pieces, crdt.Piece{Kind: crdt.KindRegister, Type: testType, Object: id, Name: name, Clock: o.Seen(name), Raw: []byte{byte(r.Uint32())}})
		}
	}
	switch n := r.IntN(10); {
	case n < 4:
		register(a.w.objects[r.IntN(3)], "x")
	case n < 6:
		register(a.w.objects[r.IntN(3)], "x")
		fallthrough
	case n < 9:
		id := a.w.id()
		a.w.items[id] = true
		pieces = append(pieces, crdt.Piece{Kind: crdt.KindItem, Type: testType, Object: id, Raw: []byte{byte(r.Uint32())}})
		register(id, "loc")
	default:
		pieces = append(pieces, a.list())
	}
	if len(pieces) > 0 {
		a.commit(replication.Local{Scope: crdt.Scope{Kind: testScope}, Pieces: pieces, Schema: 1, Stamp: a.w.stamp()})
	}
}

// list supersedes an item that counts here, and a register up to what was seen.
func (a *actor) list() crdt.Piece {
	id := a.w.id()
	a.w.items[id] = true
	p := crdt.Piece{Kind: crdt.KindItem, Type: testType, Object: id, Raw: []byte{0x80}}
	for _, k := range slices.SortedFunc(maps.Keys(a.state.Objects), compareKeys) {
		o := a.state.Objects[k]
		if len(o.Items) > 0 && a.w.rand.IntN(6) == 0 && !a.supersedes(k) {
			a.w.items[k.Object] = false
			p.Objects = append(p.Objects, crdt.TypedObjects{Type: testType, IDs: []crdt.ObjectID{k.Object}})
			break
		}
	}
	o := a.w.objects[a.w.rand.IntN(3)]
	if seen := a.object(key(o)).Seen("x"); len(seen) > 0 && a.w.rand.IntN(2) == 0 {
		p.Registers = append(p.Registers, crdt.RegisterUpTo{Type: testType, Object: o, Name: "x", Clock: seen})
	}
	return p
}

// supersedes reports whether an item has lists itself: what supersedes is not superseded.
func (a *actor) supersedes(k crdt.Key) bool {
	for _, live := range a.state.Commits[k.Scope] {
		for i := range live.Commit.Pieces {
			if p := &live.Commit.Pieces[i]; p.Object == k.Object && len(p.Objects)+len(p.Registers) > 0 {
				return true
			}
		}
	}
	return false
}

func (w *history) stamp() crdt.Stamp {
	w.now += int64(w.rand.IntN(3)) * 1000
	return crdt.Stamp{Trusted: w.rand.IntN(4) > 0, MS: w.now}
}

func (a *actor) commit(l replication.Local) *crdt.Commit {
	seq := max(a.head.Seq+1, crdt.NewSeq(a.boot, 1))
	c := &crdt.Commit{Scope: l.Scope, Dot: crdt.Dot{Replica: a.replica, Seq: seq}, Pred: a.head.Seq, Prev: a.head.Hash, Stamp: l.Stamp,
		WallMS: l.WallMS, Schema: l.Schema, Pieces: slices.Clone(l.Pieces)}
	require.NoError(a.w.t, c.Seal())
	c, err := crdt.DecodeCommit(c.Bytes())
	require.NoError(a.w.t, err)
	a.head = replication.Head{Seq: seq, Hash: c.Hash()}
	a.state.Apply(c)
	a.w.all = append(a.w.all, c)
	return c
}

// Live, ObjectsByID and NotesFrom make an actor an AgainStore.
func (a *actor) Live(_ context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) (out [][]byte, _ replication.Cursor, _ error) {
	for _, dot := range slices.SortedFunc(maps.Keys(a.state.Commits[scope]), crdt.Dot.Compare) {
		if !want.Has(dot) || dot.Compare(at.Dot) <= 0 {
			continue
		}
		if len(out) == 3 {
			return out, at, nil
		}
		out, at.Dot = append(out, a.state.Commits[scope][dot].Commit.Bytes()), dot
	}
	at.Done = true
	return out, at, nil
}

func (a *actor) ObjectsByID(_ context.Context, keys []crdt.Key) (out []*crdt.Object, _ error) {
	for _, k := range keys {
		o := *a.object(k)
		o.Items, o.Registers = slices.Clone(o.Items), slices.Clone(o.Registers)
		out = append(out, &o)
	}
	return out, nil
}

func (a *actor) NotesFrom(_ context.Context, prefix, _ string, _ int) (out []replication.Note, _ error) {
	for _, k := range slices.Sorted(maps.Keys(a.notes)) {
		if strings.HasPrefix(k, prefix) {
			out = append(out, replication.Note{Key: k, Value: a.notes[k]})
		}
	}
	return out, nil
}

func (a *actor) submit(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
	var c *crdt.Commit
	if len(l.Pieces) > 0 {
		c = a.commit(l)
	}
	for _, n := range l.Notes {
		if a.notes[n.Key] = n.Value; n.Value == nil {
			delete(a.notes, n.Key)
		}
	}
	return func(context.Context) (*crdt.Commit, error) { return c, nil }, nil
}

// renew gives an actor a new lineage and lets it say its own again.
func (a *actor) renew(twice bool, from crdt.Seq) AgainReport {
	old := a.replica
	scope := crdt.Scope{Kind: testScope}
	t := todo{Replica: old, Twice: twice, Scopes: []span{{scope, from, a.state.Contexts[scope].Last(old)}}}
	n := t.note()
	a.notes[n.Key] = n.Value
	a.replica, a.head, a.boot, a.doubt = crdt.ReplicaID(a.w.id()), replication.Head{}, a.boot+10, false
	return a.again()
}

func (a *actor) again() AgainReport {
	r := &Reemission{Replica: a.replica, Store: a, Submit: a.submit,
		Exclusive: func(_ context.Context, keys []crdt.Key, do func() error) error {
			require.True(a.w.t, slices.IsSortedFunc(keys, compareKeys))
			return do()
		}}
	report, err := r.Run(a.w.t.Context())
	require.NoError(a.w.t, err)
	left, err := Pending(a.w.t.Context(), a)
	require.NoError(a.w.t, err)
	require.False(a.w.t, left)
	return report
}

// meet brings a some of what b holds, with gaps.
func (a *actor) meet(b *actor) {
	scope := crdt.Scope{Kind: testScope}
	for _, dot := range slices.SortedFunc(maps.Keys(b.state.Commits[scope]), crdt.Dot.Compare) {
		if a.w.rand.IntN(3) > 0 {
			c := b.state.Commits[scope][dot].Commit
			a.doubt = a.doubt || dot.Replica == a.replica && !a.state.Contexts[scope].Has(dot)
			for i := range c.Pieces { // somebody saw a number of this till that it has not reached
				a.doubt = a.doubt || c.Pieces[i].Clock.Get(a.replica) > a.head.Seq
			}
			a.state.Apply(c)
		}
	}
}

// visible is what people see: which items count, and the values of every register with who wrote them.
func visible(s *crdt.State) string {
	var b strings.Builder
	for _, k := range slices.SortedFunc(maps.Keys(s.Objects), compareKeys) {
		o := s.Objects[k]
		if len(o.Items) > 0 {
			fmt.Fprintf(&b, "item %v alarm %v\n", k.Object, o.Alarm())
		}
		for _, r := range o.Registers {
			for _, sib := range r.Siblings {
				fmt.Fprintf(&b, "%v %s %v %x\n", k.Object, r.Name, sib.Origin.Dot, sib.Raw)
			}
		}
	}
	return b.String()
}

func applied(commits []*crdt.Commit) *crdt.State {
	s := crdt.NewState()
	for _, c := range commits {
		s.Apply(c)
	}
	return s
}

func liveItems(s *crdt.State) map[crdt.ObjectID]bool {
	out := make(map[crdt.ObjectID]bool)
	for k, o := range s.Objects {
		if len(o.Items) > 0 {
			out[k.Object] = true
		}
	}
	return out
}

// TestSayingAgainChangesNothing: if every dot has one meaning, what people see is to the byte what it would be without.
func TestSayingAgainChangesNothing(t *testing.T) {
	for seed := range uint64(60) {
		w := newHistory(t, seed)
		tills := []*actor{w.actor(), w.actor(), w.actor()}
		for range 40 {
			a := tills[w.rand.IntN(3)]
			a.write()
			a.meet(tills[w.rand.IntN(3)])
		}
		before := len(w.all)
		tills[0].renew(false, 0)
		again := len(w.all) - before
		for range 20 {
			a := tills[w.rand.IntN(3)]
			a.write()
			a.meet(tills[w.rand.IntN(3)])
		}
		without := slices.Concat(w.all[:before], w.all[before+again:])
		w.rand.Shuffle(len(w.all), func(i, j int) { w.all[i], w.all[j] = w.all[j], w.all[i] })
		require.Equal(t, visible(applied(without)), visible(applied(w.all)), "seed %d", seed)
	}
}

// TestSayingRegistersAgainUndoesNothing: every foreign value that people would see without it they see with it, all tills
// agree, and nothing that counted is lost.
func TestSayingRegistersAgainUndoesNothing(t *testing.T) {
	said, beside := 0, 0
	for seed := range uint64(150) {
		w := newHistory(t, seed)
		tills := []*actor{w.actor(), w.actor(), w.actor()}
		for range 40 {
			a := tills[w.rand.IntN(3)]
			a.write()
			a.meet(tills[w.rand.IntN(3)])
		}
		old, before := tills[0].replica, len(w.all)
		held := visible(tills[0].state)
		said += tills[0].renew(true, 0).Registers
		for _, c := range w.all[before:] {
			for i := range c.Pieces {
				if c.Pieces[i].Kind == crdt.KindRegister {
					require.NotZero(t, c.Pieces[i].Clock.Get(old), "it covers the old write")
				}
			}
		}
		require.Equal(t, values(held), values(visible(tills[0].state)), "seed %d: here nothing changes", seed)
		w.foreignStay(old, before, &beside)
	}
	require.Greater(t, said, 50)
	require.Greater(t, beside, 10, "later writes that saw only the old dot stand beside: else nothing was tried")
	t.Logf("%d registers said again, %d beside a later write", said, beside)
}

// values strips who wrote, and the order of values with one stamp, which only the dot decides.
func values(visible string) []string {
	var out []string
	for line := range strings.Lines(visible) {
		f := strings.Fields(line)
		if len(f) == 4 && f[0] != "item" {
			f[2] = ""
		}
		out = append(out, fmt.Sprint(f))
	}
	slices.Sort(out)
	return out
}

// foreignStay compares the registers with and without what was said again from commit at on.
func (w *history) foreignStay(old crdt.ReplicaID, at int, beside *int) {
	without := applied(w.all[:at])
	shuffled := slices.Clone(w.all)
	w.rand.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	with := applied(shuffled)
	require.Equal(w.t, liveItems(without), liveItems(with))
	for k, o := range without.Objects {
		for i := range o.Registers {
			r := &o.Registers[i]
			got := with.Objects[k].Get(r.Name)
			for _, s := range r.Siblings {
				if s.Origin.Dot.Replica == old {
					continue
				}
				at := slices.IndexFunc(got.Siblings, func(g crdt.Sibling) bool { return g.Origin.Dot == s.Origin.Dot })
				require.GreaterOrEqual(w.t, at, 0, "a foreign value that counted is undone")
				if len(got.Siblings) > len(r.Siblings) {
					*beside++
				}
			}
		}
	}
}

// TestACopySaysItsOwnAgain: a machine is copied, both go on under one ID, with dots that collide or not. After both said
// theirs again, all tills see the same, every item counts everywhere, and no edit that counted is silently gone.
func TestACopySaysItsOwnAgain(t *testing.T) {
	collided := 0
	for seed := range uint64(150) {
		w := newHistory(t, seed)
		tills := []*actor{w.actor(), w.actor(), w.actor()}
		for range 20 {
			a := tills[w.rand.IntN(3)]
			a.write()
			a.meet(tills[w.rand.IntN(3)])
		}
		twin := tills[0].copy()
		twin.boot += uint32(w.rand.IntN(2)) // 0: it was copied while it ran, its numbers go on as those of the first
		tills = append(tills, twin)
		for range 30 {
			a := tills[w.rand.IntN(4)]
			a.write()
			if b := tills[w.rand.IntN(4)]; a.replica != b.replica {
				a.meet(b) // the twins do not see each other yet
			}
		}
		dots := make(map[crdt.Dot]crdt.Hash)
		for _, c := range w.all {
			if h, ok := dots[c.Dot]; ok && h != c.Hash() {
				collided++
			}
			dots[c.Dot] = c.Hash()
		}
		tills[0].renew(true, 0)
		twin.boot += 5
		twin.renew(true, 0)
		for round := range 3 { // everybody meets everybody, whole
			for i := range tills {
				tills[i].state.Merge(tills[(i+round+1)%4].state)
			}
		}
		for range 2 {
			for _, a := range tills {
				for _, b := range tills {
					a.state.Merge(b.state)
				}
			}
		}
		want := visible(tills[1].state)
		for _, a := range tills {
			require.Equal(t, want, visible(a.state), "seed %d", seed)
		}
		got := liveItems(tills[2].state)
		for id, counts := range w.items {
			require.Equal(t, counts, got[id], "seed %d: item %v", seed, id)
		}
	}
	require.Greater(t, collided, 100, "dots with two meanings: else nothing was tried")
}

// TestSayingAgainIsResumed stops after every change and goes on.
func TestSayingAgainIsResumed(t *testing.T) {
	w := newHistory(t, 7)
	a := w.actor()
	for range 60 {
		a.write()
	}
	whole := a.copy()
	wholeReport := whole.renew(true, 0)
	want := values(visible(whole.state))

	old, scope := a.replica, crdt.Scope{Kind: testScope}
	n := todo{Replica: old, Twice: true, Scopes: []span{{scope, 0, a.head.Seq}}}.note()
	a.notes[n.Key] = n.Value
	a.replica, a.head, a.boot = crdt.ReplicaID(w.id()), replication.Head{}, 99
	commits := 0
	for range 1000 {
		left, err := Pending(t.Context(), a)
		require.NoError(t, err)
		if !left {
			break
		}
		budget := 1
		r := &Reemission{Replica: a.replica, Store: a, Exclusive: func(_ context.Context, _ []crdt.Key, do func() error) error { return do() },
			Submit: func(l replication.Local) (func(context.Context) (*crdt.Commit, error), error) {
				if budget--; budget < 0 {
					return nil, context.Canceled
				}
				if len(l.Pieces) > 0 {
					commits++
				}
				return a.submit(l)
			}}
		if _, err := r.Run(t.Context()); err != nil {
			require.ErrorIs(t, err, context.Canceled)
		}
	}
	require.Equal(t, want, values(visible(a.state)))
	require.Equal(t, wholeReport.Commits, commits, "nothing is said three times")
}

// TestTwoSealedLineagesDoNotHideEachOther: both left a value of one register; a lineage can say only one of them.
func TestTwoSealedLineagesDoNotHideEachOther(t *testing.T) {
	w := newHistory(t, 9)
	scope := crdt.Scope{Kind: testScope}
	a, b := w.actor(), w.actor()
	for i, x := range []*actor{a, b} {
		x.commit(replication.Local{Scope: scope, Schema: 1, Stamp: w.stamp(), Pieces: []crdt.Piece{
			{Kind: crdt.KindRegister, Type: testType, Object: w.objects[0], Name: "x", Raw: []byte{byte(i)}}}})
	}
	a.state.Merge(b.state)
	before := values(visible(a.state))
	require.Len(t, before, 2)
	n := todo{Replica: b.replica, Twice: true, Scopes: []span{{scope, 0, b.head.Seq}}}.note()
	a.notes[n.Key] = n.Value
	require.Equal(t, 1, a.renew(true, 0).Registers)
	require.Equal(t, before, values(visible(a.state)))
}

func TestSayingAgainAsksWhoHoldsWhat(t *testing.T) {
	w := newHistory(t, 3)
	a := w.actor()
	for range 10 {
		a.write()
	}
	scope := crdt.Scope{Kind: testScope}
	n := todo{Replica: a.replica, Scopes: []span{{scope, 0, a.head.Seq}}}.note()
	a.notes[n.Key] = n.Value
	asked := 0
	r := &Reemission{Replica: crdt.ReplicaID{1}, Store: a, Submit: a.submit,
		Held:      func(crdt.Scope, crdt.Dot) bool { asked++; return true },
		Exclusive: func(_ context.Context, _ []crdt.Key, do func() error) error { return do() }}
	report, err := r.Run(t.Context())
	require.NoError(t, err)
	require.Equal(t, AgainReport{}, report)
	require.NotZero(t, asked)
	require.Empty(t, a.notes)
}

func TestSayingAgainBeginsAtWhatOthersConfirmed(t *testing.T) {
	w := newHistory(t, 4)
	a := w.actor()
	for range 30 {
		a.write()
	}
	all, late := a.copy(), a.copy()
	everything := all.renew(false, 0)
	rest := late.renew(false, crdt.NewSeq(1, 20))
	require.Less(t, rest.Commits, everything.Commits)
	require.Zero(t, a.copy().renew(false, a.head.Seq).Commits)
}

func TestWhatIsToBeSaidAgainIsReadBack(t *testing.T) {
	want := todo{Replica: crdt.ReplicaID{1}, Twice: true, Scopes: []span{{crdt.Shop, 0, crdt.NewSeq(3, 9)}, {crdt.Sales, 7, 12}}}
	n := want.note()
	file, err := os.ReadFile(filepath.Join("..", "..", "testdata", "lineage", "v1", "again.hex"))
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(file)), hex.EncodeToString(n.Value))
	got, err := readTodo(n.Value)
	require.NoError(t, err)
	require.Equal(t, want, got)
	for i := range n.Value {
		_, err := readTodo(n.Value[:i])
		require.ErrorIs(t, err, ErrDamaged)
	}
	require.Nil(t, todo{Replica: want.Replica}.note().Value, "nothing left removes the note")
	require.Equal(t, []span{{crdt.Sales, 7, 12}}, want.from(crdt.NewSeq(3, 9)).Scopes)
	require.EqualValues(t, 5, want.from(5).Scopes[0].After)
	a := newHistory(t, 1).actor()
	a.notes[n.Key] = []byte{1}
	_, err = Pending(t.Context(), a)
	require.ErrorIs(t, err, ErrDamaged)
}

func FuzzReadTodo(f *testing.F) {
	f.Add(todo{Replica: crdt.ReplicaID{1}, Twice: true, Scopes: []span{{crdt.Shop, 0, 9}}}.note().Value)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if got, err := readTodo(raw); err == nil && len(got.Scopes) > 0 {
			again, err := readTodo(got.note().Value)
			require.NoError(t, err)
			require.Equal(t, got, again)
		}
	})
}

func TestErasedAndTooLarge(t *testing.T) {
	w := newHistory(t, 5)
	a := w.actor()
	id := w.id()
	big := make([]byte, 200<<10)
	c := a.commit(replication.Local{Scope: crdt.Scope{Kind: testScope}, Schema: 1, Pieces: []crdt.Piece{
		{Kind: crdt.KindItem, Type: testType, Object: id, Raw: []byte("secret")},
		{Kind: crdt.KindItem, Type: testType, Object: w.id(), Raw: big},
		{Kind: crdt.KindRegister, Type: testType, Object: w.id(), Name: "x", Raw: make([]byte, 55<<10)},
	}})
	raw, err := c.Erase(0)
	require.NoError(t, err)
	erased, err := crdt.DecodeCommit(raw)
	require.NoError(t, err)
	a.state = applied([]*crdt.Commit{erased})
	report := a.renew(true, 0)
	require.Equal(t, 1, report.Items, "an erased item stays erased")
	require.Equal(t, 1, report.Registers)
	require.Zero(t, report.Left)
}
