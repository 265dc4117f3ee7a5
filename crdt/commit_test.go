package crdt

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// settled is a commit that uses everything the format has.
func settled() *Commit {
	return &Commit{Scope: Sales, Dot: Dot{ReplicaID{1}, NewSeq(5, 2)}, Pred: NewSeq(5, 1), Prev: Hash{9}, Stamp: Stamp{true, 1234},
		WallMS: 1200, Schema: 1, Pieces: []Piece{
			{Kind: KindItem, Type: "line", Object: ObjectID{1}, Raw: []byte{0x80}},
			{Kind: KindRegister, Type: "line", Object: ObjectID{1}, Name: "loc", Raw: []byte{0x80}, Clock: Clock{{ReplicaID{2}, 7}}},
			{Kind: KindItem, Type: "receipt", Object: ObjectID{3}, Raw: []byte("doc"), Salt: bytes.Repeat([]byte{5}, SaltSize),
				Objects:   []TypedObjects{{"line", []ObjectID{{1}, {2}}}},
				Registers: []RegisterUpTo{{"discount", ObjectID{4}, "value", Clock{{ReplicaID{1}, 7}, {ReplicaID{2}, 7}}}},
				Erases:    TypedObject{"customer", ObjectID{8}}},
		}}
}

func register(object byte, name string) Piece {
	return Piece{Kind: KindRegister, Type: "article", Object: ObjectID{object}, Name: name, Raw: []byte{0x80}}
}

func commitOf(pieces ...Piece) *Commit {
	return &Commit{Scope: Catalog, Dot: Dot{ReplicaID{1}, NewSeq(5, 1)}, Schema: 1, Pieces: pieces}
}

func requireSealed(t *testing.T, c *Commit) *Commit {
	t.Helper()
	require.NoError(t, c.Seal())
	d, err := DecodeCommit(c.Bytes())
	require.NoError(t, err)
	require.Equal(t, c.Hash(), d.Hash())
	return d
}

func TestSealDecodeRoundTrip(t *testing.T) {
	c := settled()
	d := requireSealed(t, c)
	require.Equal(t, Clock{{ReplicaID{1}, NewSeq(5, 2)}, {ReplicaID{2}, 7}}, d.Pieces[1].Clock)
	require.Equal(t, c.Bytes(), d.Bytes())
	require.Equal(t, []any{c.Scope, c.Dot, c.Pred, c.Prev, c.Stamp, c.WallMS, c.Schema},
		[]any{d.Scope, d.Dot, d.Pred, d.Prev, d.Stamp, d.WallMS, d.Schema})
	for i := range c.Pieces {
		want, got := c.Pieces[i], d.Pieces[i]
		require.Equal(t, string(want.Salt), string(got.Salt))
		require.Equal(t, string(want.Raw), string(got.Raw))
		want.Salt, got.Salt, want.Raw, got.Raw = nil, nil, nil, nil
		require.Equal(t, want, got)
	}
	require.NoError(t, d.Seal())
	require.Equal(t, c.Bytes(), d.Bytes(), "what was decoded seals to the same bytes")
}

func TestSealDecodeRandom(t *testing.T) {
	r := random(t)
	id := func() (o ObjectID) { fill(r, o[:]); return o }
	for range 300 {
		c := &Commit{Scope: Scope{Kind: ScopeKind(1 + r.IntN(127))}, Stamp: Stamp{r.IntN(2) == 0, r.Int64()>>(2+r.IntN(60)) - 1000},
			Schema: r.Uint32()}
		if r.IntN(2) == 0 {
			fill(r, c.Scope.Owner[:])
		}
		fill(r, c.Dot.Replica[:])
		c.WallMS = c.Stamp.MS + int64(r.IntN(1000)) - 500
		c.Pred = Seq(r.Uint64() >> (1 + r.IntN(62)))
		c.Dot.Seq = c.Pred + 1 + Seq(r.IntN(300))
		if r.IntN(2) == 0 {
			fill(r, c.Prev[:])
		}
		for range 1 + r.IntN(40) {
			p := Piece{Type: "t" + strings.Repeat("y", r.IntN(MaxName)), Object: id(), Raw: make([]byte, r.IntN(400))}
			fill(r, p.Raw)
			if r.IntN(3) == 0 {
				p.Salt = make([]byte, SaltSize)
				fill(r, p.Salt)
			}
			if r.IntN(2) == 0 {
				p.Name = "n" + strings.Repeat("m", r.IntN(MaxName))
				p.Clock, _ = randomClock(r)
			} else {
				p.Kind = KindItem
				for range r.IntN(3) {
					p.Objects = append(p.Objects, TypedObjects{"o", []ObjectID{id(), id()}[:1+r.IntN(2)]})
				}
				for range r.IntN(3) {
					up, _ := randomClock(r)
					p.Registers = append(p.Registers, RegisterUpTo{"r", id(), "name", up})
				}
				if r.IntN(4) == 0 {
					p.Erases = TypedObject{"customer", id()}
				}
			}
			c.Pieces = append(c.Pieces, p)
		}
		d := requireSealed(t, c)
		require.Equal(t, c.Scope, d.Scope)
		require.Equal(t, []any{c.Dot, c.Pred, c.Prev, c.Stamp, c.WallMS, c.Schema}, []any{d.Dot, d.Pred, d.Prev, d.Stamp, d.WallMS, d.Schema})
		for i := range c.Pieces {
			p, q := c.Pieces[i], d.Pieces[i]
			require.True(t, p.Clock.Equal(q.Clock))
			require.Equal(t, []any{p.Kind, p.Type, p.Object, p.Name, p.Objects, p.Erases, p.Digest, p.Hash(), len(p.Registers)},
				[]any{q.Kind, q.Type, q.Object, q.Name, q.Objects, q.Erases, q.Digest, q.Hash(), len(q.Registers)})
			for j := range p.Registers {
				require.True(t, p.Registers[j].Clock.Equal(q.Registers[j].Clock))
			}
		}
		require.NoError(t, d.Seal())
		require.Equal(t, c.Bytes(), d.Bytes())
	}
}

func TestInterval(t *testing.T) {
	c := &Commit{Dot: Dot{ReplicaID{1}, NewSeq(7, 5)}, Pred: NewSeq(7, 3)}
	require.Equal(t, Interval{NewSeq(7, 3), NewSeq(7, 5)}, c.Interval())
	c.Pred = NewSeq(6, 9)
	require.Equal(t, Interval{NewSeq(7, 4), NewSeq(7, 5)}, c.Interval(), "a start claims nothing about the one before it")
	c.Pred = 0
	require.Equal(t, Interval{NewSeq(7, 4), NewSeq(7, 5)}, c.Interval())
}

// TestSealRefuses: what other tills would refuse, or read as something else, is not sealed.
func TestSealRefuses(t *testing.T) {
	change := func(f func(c *Commit)) *Commit { c := settled(); f(c); return c }
	for name, c := range map[string]*Commit{
		"no number":             change(func(c *Commit) { c.Dot.Seq = 0 }),
		"no replica":            change(func(c *Commit) { c.Dot.Replica = ReplicaID{} }),
		"after itself":          change(func(c *Commit) { c.Pred = c.Dot.Seq }),
		"no scope":              change(func(c *Commit) { c.Scope = Scope{} }),
		"scope 128":             change(func(c *Commit) { c.Scope.Kind = 128 }),
		"time":                  change(func(c *Commit) { c.Stamp.MS = math.MaxInt64 }),
		"wall time":             change(func(c *Commit) { c.WallMS = math.MinInt64 }),
		"salt":                  change(func(c *Commit) { c.Pieces[0].Salt = []byte{1} }),
		"erased":                change(func(c *Commit) { c.Pieces[0].Erased = true }),
		"third kind":            change(func(c *Commit) { c.Pieces[0].Kind = 2 }),
		"no type":               change(func(c *Commit) { c.Pieces[0].Type = "" }),
		"long type":             change(func(c *Commit) { c.Pieces[0].Type = strings.Repeat("x", MaxName+1) }),
		"named item":            change(func(c *Commit) { c.Pieces[0].Name = "x" }),
		"item with a clock":     change(func(c *Commit) { c.Pieces[0].Clock = Clock{{ReplicaID{2}, 1}} }),
		"nameless register":     change(func(c *Commit) { c.Pieces[1].Name = "" }),
		"long name":             change(func(c *Commit) { c.Pieces[1].Name = strings.Repeat("x", MaxName+1) }),
		"unsorted clock":        change(func(c *Commit) { c.Pieces[1].Clock = Clock{{ReplicaID{3}, 1}, {ReplicaID{2}, 1}} }),
		"knows its future":      change(func(c *Commit) { c.Pieces[1].Clock = Clock{{ReplicaID{1}, NewSeq(5, 3)}} }),
		"register supersedes":   change(func(c *Commit) { c.Pieces[1].Objects = c.Pieces[2].Objects }),
		"superseded, no type":   change(func(c *Commit) { c.Pieces[2].Objects[0].Type = "" }),
		"superseded, no name":   change(func(c *Commit) { c.Pieces[2].Registers[0].Name = "" }),
		"superseded, bad clock": change(func(c *Commit) { c.Pieces[2].Registers[0].Clock = Clock{{ReplicaID{2}, 0}} }),
		"erases no type":        change(func(c *Commit) { c.Pieces[2].Erases.Type = "" }),
		"erases no object":      change(func(c *Commit) { c.Pieces[2].Erases.Object = ObjectID{} }),
		"written twice":         change(func(c *Commit) { c.Pieces[2] = c.Pieces[1] }),
	} {
		require.ErrorIs(t, c.Seal(), codec.ErrMalformed, name)
	}
}

func TestLimits(t *testing.T) {
	many := func(n int) []ObjectID { return make([]ObjectID, n) }
	blob := func(n int) []byte { return make([]byte, n) }
	var objects, pieces []Piece
	for i := range MaxObjects {
		objects = append(objects, register(byte(i), "names"))
	}
	for i := range MaxPieces {
		pieces = append(pieces, register(byte(i%MaxObjects), fmt.Sprintf("n%04d", i)))
	}
	var ups []RegisterUpTo
	for range maxSuperseded + 1 {
		ups = append(ups, RegisterUpTo{"discount", ObjectID{1}, "value", nil})
	}
	item := Piece{Kind: KindItem, Type: "picture", Object: ObjectID{1}}
	with := func(p Piece, change func(p *Piece)) Piece { change(&p); return p }
	lone := func(n int) *Commit { return commitOf(with(item, func(p *Piece) { p.Raw = blob(n) })) }
	wide := func(n int) *Commit { return commitOf(with(register(1, "n"), func(p *Piece) { p.Raw = blob(n) })) }
	overhead := func(c *Commit) int { require.NoError(t, c.Seal()); return len(c.Bytes()) - len(c.Pieces[0].Raw) }
	inLone, inWide := overhead(lone(70_000)), overhead(wide(70_000))

	for name, c := range map[string]*Commit{
		"64 objects":              commitOf(objects...),
		"64 objects, mixed":       commitOf(append(slices.Clone(objects[:63]), register(0, "b"), register(1, "b"), register(63, "a"))...),
		"1024 pieces":             commitOf(pieces...),
		"one item of 1 MiB":       lone(MaxLoneItem - inLone),
		"256 KiB":                 wide(MaxCommit - inWide),
		"4096 superseded":         commitOf(with(item, func(p *Piece) { p.Objects = []TypedObjects{{"line", many(maxSuperseded)}} })),
		"4096 registers":          commitOf(with(item, func(p *Piece) { p.Registers = ups[1:] })),
		"same name, two types":    commitOf(register(1, "n"), with(register(1, "n"), func(p *Piece) { p.Type = "group" })),
		"item and its register":   commitOf(item, with(register(1, "n"), func(p *Piece) { p.Type = "picture" })),
		"40 registers of one":     commitOf(pieces[:0:0]...),
		"many registers, grouped": commitOf(slices.SortedFunc(slices.Values(pieces), func(a, b Piece) int { return a.Object.Compare(b.Object) })...),
	} {
		if len(c.Pieces) == 0 {
			for i := range 40 {
				c.Pieces = append(c.Pieces, register(1, fmt.Sprint("n", i)))
			}
		}
		t.Run(name, func(t *testing.T) { requireSealed(t, c) })
	}
	for name, c := range map[string]*Commit{
		"no pieces":            commitOf(),
		"65 objects":           commitOf(append(slices.Clone(objects), register(200, "names"))...),
		"65 objects, mixed":    commitOf(append(slices.Clone(objects), register(0, "b"), register(200, "names"))...),
		"1025 pieces":          commitOf(append(slices.Clone(pieces), register(0, "more"))...),
		"one item over 1 MiB":  lone(MaxLoneItem - inLone + 1),
		"one item far over":    lone(MaxLoneItem + 10_000),
		"over 256 KiB":         wide(MaxCommit - inWide + 1),
		"two items over":       commitOf(with(item, func(p *Piece) { p.Raw = blob(MaxCommit) }), register(1, "n")),
		"4097 superseded":      commitOf(with(item, func(p *Piece) { p.Objects = []TypedObjects{{"line", many(maxSuperseded + 1)}} })),
		"4097 in two types":    commitOf(with(item, func(p *Piece) { p.Objects = []TypedObjects{{"line", many(maxSuperseded)}, {"void", many(1)}} })),
		"4097 empty lists":     commitOf(with(item, func(p *Piece) { p.Objects = slices.Repeat([]TypedObjects{{"line", nil}}, maxSuperseded+1) })),
		"4097 registers":       commitOf(with(item, func(p *Piece) { p.Registers = ups })),
		"far too many objects": commitOf(with(item, func(p *Piece) { p.Objects = []TypedObjects{{"line", many(50_000)}} })),
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, c.Seal(), ErrTooLarge)
			if c.Bytes() != nil {
				_, err := DecodeCommit(c.Bytes())
				require.ErrorIs(t, err, ErrTooLarge)
			}
		})
	}
	for name, c := range map[string]*Commit{
		"twice, apart":    commitOf(register(1, "a"), register(2, "a"), register(1, "a")),
		"twice, together": commitOf(register(1, "a"), register(1, "b"), register(1, "a")),
		"twice, far":      commitOf(append(slices.Clone(pieces[:900]), pieces[5])...),
		"item twice":      commitOf(item, item),
	} {
		require.ErrorIs(t, c.Seal(), codec.ErrMalformed, name)
		_, err := DecodeCommit(c.Bytes())
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
}

// TestDecodeTruncated: a commit cut anywhere is refused, and so is one with something behind it.
func TestDecodeTruncated(t *testing.T) {
	c := settled()
	require.NoError(t, c.Seal())
	for n := range c.Bytes() {
		_, err := DecodeCommit(c.Bytes()[:n])
		require.ErrorIs(t, err, codec.ErrMalformed, "cut at %d", n)
	}
	_, err := DecodeCommit(append(slices.Clone(c.Bytes()), 0xc0))
	require.ErrorIs(t, err, codec.ErrMalformed)
}

// TestDecodeFlipped: no single byte can change without the hash telling.
func TestDecodeFlipped(t *testing.T) {
	c := settled()
	require.NoError(t, c.Seal())
	erased, err := c.Erase(2)
	require.NoError(t, err)
	for _, whole := range [][]byte{c.Bytes(), erased} {
		taken := 0
		for i := range whole {
			for x := 1; x < 256; x++ {
				b := slices.Clone(whole)
				b[i] ^= byte(x)
				d, err := DecodeCommit(b)
				if err != nil {
					continue
				}
				taken++
				require.NotEqual(t, c.Hash(), d.Hash(), "byte %d changed by %#x", i, x)
			}
		}
		require.NotZero(t, taken)
	}
}

// TestDigestBindsSalt: bytes that move between salt and value are another commit.
func TestDigestBindsSalt(t *testing.T) {
	p := register(1, "n")
	p.Salt, p.Raw = bytes.Repeat([]byte{1}, SaltSize), []byte("value")
	salted := commitOf(p)
	require.NoError(t, salted.Seal())
	p.Salt, p.Raw = nil, append(p.Salt, p.Raw...)
	plain := commitOf(p)
	require.NoError(t, plain.Seal())
	require.NotEqual(t, salted.Hash(), plain.Hash())
}

func TestDecodeRefuses(t *testing.T) {
	head := func(version uint64, replica []byte, seq, back uint64, prev []byte, schema uint64) []byte {
		b := codec.AppendUint(codec.AppendArray(nil, 9), version)
		b = Catalog.Append(b)
		b = codec.AppendUint(codec.AppendBytes(b, replica), seq)
		b = codec.AppendBytes(codec.AppendUint(b, back), prev)
		return codec.AppendUint(codec.AppendInt(codec.AppendInt(b, 0), 0), schema)
	}
	key := func(kind uint64, more ...byte) []byte {
		b := codec.AppendUint([]byte{0x95}, kind)
		b = codec.AppendBytes(codec.AppendString(b, "t"), make([]byte, 16))
		return append(b, more...)
	}
	piece := func(key []byte, rest ...byte) []byte { return append(codec.AppendBytes([]byte{0x93}, key), rest...) }
	good := head(1, ReplicaID{1: 1}.bytes(), 9, 1, nil, 1)
	reg := piece(key(0, 0xa1, 'n', 0x90), 0xc4, 0, 0xc4, 0)
	commit := func(head, piece []byte) []byte { return slices.Concat([]byte{0x92}, head, []byte{0x91}, piece) }
	_, err := DecodeCommit(commit(good, reg))
	require.NoError(t, err)
	_, err = DecodeCommit(commit(head(2, ReplicaID{1}.bytes(), 9, 1, nil, 1), reg))
	require.ErrorIs(t, err, ErrVersion)
	for name, b := range map[string][]byte{
		"empty":           {},
		"no replica":      commit(head(1, make([]byte, 16), 9, 1, nil, 1), reg),
		"short replica":   commit(head(1, []byte{1}, 9, 1, nil, 1), reg),
		"no number":       commit(head(1, ReplicaID{1}.bytes(), 0, 1, nil, 1), reg),
		"back by nothing": commit(head(1, ReplicaID{1}.bytes(), 9, 0, nil, 1), reg),
		"back too far":    commit(head(1, ReplicaID{1}.bytes(), 9, 10, nil, 1), reg),
		"half a hash":     commit(head(1, ReplicaID{1}.bytes(), 9, 1, make([]byte, 16), 1), reg),
		"schema":          commit(head(1, ReplicaID{1}.bytes(), 9, 1, nil, 1<<32), reg),
		"short head":      commit(append([]byte{0x98}, good[1:]...), reg),
		"pieces missing":  slices.Concat([]byte{0x92}, good, []byte{0xdc, 1, 0}, reg),
		"third kind":      commit(good, piece(key(2, 0xa1, 'n', 0x90), 0xc4, 0, 0xc4, 0)),
		"clock names own": commit(good, piece(key(0, append([]byte{0xa1, 'n', 0x92, 0xc4, 16, 0, 1}, append(make([]byte, 14), 3)...)...),
			0xc4, 0, 0xc4, 0)),
		"salt of one":         commit(good, piece(key(0, 0xa1, 'n', 0x90), 0xc4, 1, 7, 0xc4, 0)),
		"digest of one":       commit(good, append(codec.AppendBytes([]byte{0x92}, key(0, 0xa1, 'n', 0x90)), 0xc4, 1, 7)),
		"piece of four":       commit(good, append(append([]byte{0x94}, reg[1:]...), 0xc0)),
		"key with trailing":   commit(good, piece(key(0, 0xa1, 'n', 0x90, 0xc0), 0xc4, 0, 0xc4, 0)),
		"key without name":    commit(good, piece(append([]byte{0x93}, key(0)[1:]...), 0xc4, 0, 0xc4, 0)),
		"name is no text":     commit(good, piece(key(0, 1, 0x90), 0xc4, 0, 0xc4, 0)),
		"objects odd":         commit(good, piece(key(1, 0x91, 0xa1, 'l', 0x90), 0xc4, 0, 0xc4, 0)),
		"objects half an ID":  commit(good, piece(key(1, 0x92, 0xa1, 'l', 0xc4, 1, 1, 0x90), 0xc4, 0, 0xc4, 0)),
		"registers not by 4":  commit(good, piece(key(1, 0x90, 0x91, 0xa1), 0xc4, 0, 0xc4, 0)),
		"nested beyond depth": slices.Concat([]byte{0x93}, good, []byte{0x91}, reg, bytes.Repeat([]byte{0x91}, 1000), []byte{0xc0}),
	} {
		_, err := DecodeCommit(b)
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
}

func (id ReplicaID) bytes() []byte { return id[:] }

// TestDecodeBoundedMemory: what a few bytes announce is not allocated.
func TestDecodeBoundedMemory(t *testing.T) {
	c := settled()
	require.NoError(t, c.Seal())
	r := codec.NewReader(c.Bytes())
	r.ArrayOf(2)
	head := r.Raw()
	for _, tail := range [][]byte{{0xdc, 0x04, 0x00}, {0xdd, 0xff, 0xff, 0xff, 0xff}, {0x91, 0x93, 0xc6, 0xff, 0xff, 0xff, 0xff}} {
		b := slices.Concat([]byte{0x92}, head, tail, make([]byte, 4000))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeCommit(b)
		runtime.ReadMemStats(&after)
		require.Error(t, err)
		require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<10))
	}
}

func TestErase(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	c := settled()
	require.NoError(t, c.Seal())
	raw := slices.Clone(c.Bytes())
	d := c
	for _, i := range r.Perm(len(c.Pieces)) {
		b, err := d.Erase(i)
		require.NoError(t, err)
		d, err = DecodeCommit(b)
		require.NoError(t, err)
		require.Equal(t, c.Hash(), d.Hash())
		require.True(t, d.Pieces[i].Erased)
		require.Empty(t, d.Pieces[i].Raw)
		require.Empty(t, d.Pieces[i].Salt)
		require.Equal(t, c.Pieces[i].Digest, d.Pieces[i].Digest)
		require.Equal(t, c.Pieces[i].Clock, d.Pieces[i].Clock)
		require.Equal(t, c.Pieces[i].Hash(), d.Pieces[i].Hash())
		again, err := d.Erase(i)
		require.NoError(t, err)
		require.Equal(t, b, again)
	}
	require.Equal(t, raw, c.Bytes(), "erasing gives new bytes and leaves the commit as it is")
	for _, i := range []int{-1, len(c.Pieces)} {
		_, err := c.Erase(i)
		require.Error(t, err)
	}

	// Digests are longer than short values: erasing must not push a full commit over its limit.
	full := commitOf()
	for i := range MaxPieces {
		p := register(byte(i%8), fmt.Sprintf("n%04d", i))
		p.Raw = nil
		full.Pieces = append(full.Pieces, p)
	}
	require.NoError(t, full.Seal())
	full.Pieces[0].Raw = make([]byte, MaxCommit-len(full.Bytes())-3)
	require.NoError(t, full.Seal())
	d = full
	for _, i := range []int{1, 2, 3} {
		b, err := d.Erase(i)
		require.NoError(t, err)
		d, err = DecodeCommit(b)
		require.NoError(t, err)
	}
	require.Greater(t, len(d.Bytes()), MaxCommit)
	require.Equal(t, full.Hash(), d.Hash())
}
