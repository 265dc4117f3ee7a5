package wire_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// random makes messages; the same seed makes the same ones.
type random struct{ *rand.Rand }

func seeded(t testing.TB) random {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return random{rand.New(rand.NewPCG(seed, 0))}
}

func (r random) bytes(n int) []byte {
	b := make([]byte, r.IntN(n+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r random) id() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:], r.Uint64())
	binary.BigEndian.PutUint64(b[8:], r.Uint64())
	return b
}

func (r random) till() (b crdt.TillID) {
	a, z := r.id(), r.id()
	copy(b[:], a[:])
	copy(b[16:], z[:])
	return b
}

// number is small as often as large, so that every length of its form occurs.
func (r random) number() uint64 { return r.Uint64() >> r.IntN(64) }

func (r random) text(limit int) string {
	var b strings.Builder
	for n := r.IntN(limit + 1); b.Len() < n; {
		c := rune(r.IntN(0x3000))
		if b.Len()+utf8.RuneLen(c) > limit {
			break
		}
		b.WriteRune(c)
	}
	return b.String()
}

func (r random) scope() crdt.Scope {
	s := crdt.Scope{Kind: crdt.ScopeKind(1 + r.IntN(127))}
	if r.IntN(3) == 0 {
		s.Owner = r.till()
	}
	return s
}

func (r random) context() crdt.Context {
	c := make(crdt.Context)
	for range r.IntN(5) {
		replica, at := crdt.ReplicaID(r.id()), crdt.Seq(0)
		for range 1 + r.IntN(4) {
			after := at + crdt.Seq(r.number()>>4)
			at = after + 1 + crdt.Seq(r.number()>>4)
			c.Add(replica, crdt.Interval{After: after, To: at})
		}
	}
	return c
}

func (r random) list() [][]byte {
	list := make([][]byte, r.IntN(20))
	for i := range list {
		list[i] = r.bytes(400)
	}
	return list
}

func (r random) message(k wire.Kind) wire.Message {
	flip := func() bool { return r.IntN(2) == 0 }
	switch k {
	case wire.KindHello:
		return &wire.Hello{
			Oldest: r.number(), Newest: r.number(), Shop: r.id(), Till: r.till(), Replica: r.id(), Nonce: r.id(),
			WallMS: int64(r.number()) * int64(1-2*r.IntN(2)), State: r.id(), Program: r.text(64), Boot: r.Uint32(),
		}
	case wire.KindScopes:
		m := &wire.Scopes{}
		for range r.IntN(20) {
			m.List = append(m.List, wire.ScopeState{Scope: r.scope(), Context: r.id(), Digest: crdt.Digest{r.Uint64(), r.Uint64()}})
		}
		return m
	case wire.KindContext:
		return &wire.Context{Scope: r.scope(), Full: flip(), Entries: r.context(), Hash: r.id()}
	case wire.KindPull:
		return &wire.Pull{ID: r.number(), Scope: r.scope(), Want: r.context(), ForHave: flip()}
	case wire.KindCommits:
		return &wire.Commits{Pull: r.number(), Index: r.number(), List: r.list()}
	case wire.KindEnd:
		return &wire.End{Pull: r.number(), Complete: flip(), Frames: r.number(), Covers: r.context(), Hash: r.id()}
	case wire.KindPush:
		return &wire.Push{List: r.list(), Urgent: flip()}
	case wire.KindHave:
		return &wire.Have{Scope: r.scope(), Entries: r.context()}
	case wire.KindAsk:
		return &wire.Ask{ID: r.number(), Topic: r.text(32), Body: r.bytes(300)}
	case wire.KindAnswer:
		return &wire.Answer{ID: r.number(), OK: flip(), Body: r.bytes(300)}
	case wire.KindAudit:
		return &wire.Audit{Scope: r.scope(), Body: r.bytes(300)}
	case wire.KindTwice:
		return &wire.Twice{Replica: r.id(), Boot: r.Uint32(), Nonce: r.id(), Later: flip()}
	case wire.KindBye:
		return &wire.Bye{Code: r.text(32), Text: r.text(400)}
	}
	return nil
}

// each calls f with n random messages of every kind.
func (r random) each(t *testing.T, n int, f func(m wire.Message)) {
	for k := range kindsInSource(t) {
		for range n {
			m := r.message(wire.Kind(k))
			require.NotNil(t, m, "the generator does not know kind %d", k)
			f(m)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	r := seeded(t)
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	var stream []byte
	var sent []wire.Message
	var sizes []int
	r.each(t, 200, func(m wire.Message) {
		before := len(stream)
		stream, err = e.Append(stream, m, r.IntN(2) == 0)
		require.NoError(t, err)
		sent, sizes = append(sent, m), append(sizes, len(stream)-before)
	})
	d, err := wire.NewDecoder(bytes.NewReader(stream))
	require.NoError(t, err)
	defer d.Close()
	for i, want := range sent {
		got, size, err := d.Next()
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, sizes[i], size)
	}
}

func TestTruncatedBody(t *testing.T) {
	seeded(t).each(t, 3, func(m wire.Message) {
		body := encode(t, m, false)[6:]
		for n := range body {
			_, err := wire.Decode(m.Kind(), body[:n])
			require.ErrorIs(t, err, wire.ErrFrame, "%d of %d bytes of %T", n, len(body), m)
		}
		_, err := wire.Decode(m.Kind(), append(body, 0xc0))
		require.ErrorIs(t, err, wire.ErrFrame, "a byte behind %T", m)
	})
}

// A changed byte may make another message of it, never a panic, and what is read can be written and read again.
func TestFlippedBytes(t *testing.T) {
	r := seeded(t)
	r.each(t, 3, func(m wire.Message) {
		frame := encode(t, m, r.IntN(2) == 0)
		for i := range frame {
			flipped := bytes.Clone(frame)
			flipped[i] ^= byte(1 + r.IntN(255))
			if got, err := decode(t, flipped); err == nil && got != nil {
				again, err := decode(t, encode(t, got, false))
				require.NoError(t, err)
				require.Equal(t, got, again)
			}
		}
	})
}

// appended puts one more element into the short array at the start of b.
func appended(b []byte) []byte {
	b = bytes.Clone(b)
	b[0]++
	return append(b, 0x93, 0xa3, 'n', 'e', 'w', 0xc0, 0x81, 0x01, 0xca, 0, 0, 0, 0)
}

func TestAppendedElementsAreSkipped(t *testing.T) {
	r := seeded(t)
	r.each(t, 20, func(m wire.Message) {
		if m.Kind() == wire.KindScopes {
			return // a list, see below
		}
		body := encode(t, m, false)[6:]
		got, err := wire.Decode(m.Kind(), appended(body))
		require.NoError(t, err, "%T", m)
		require.Equal(t, m, got)
	})

	state := wire.ScopeState{Scope: r.scope(), Context: r.id(), Digest: crdt.Digest{1, 2}}
	body := encode(t, &wire.Scopes{List: []wire.ScopeState{state}}, false)[6:]
	got, err := wire.Decode(wire.KindScopes, append([]byte{0x91}, appended(body[1:])...))
	require.NoError(t, err)
	require.Equal(t, &wire.Scopes{List: []wire.ScopeState{state}}, got)

	have := &wire.Have{Scope: crdt.Sales, Entries: crdt.Context{r.id(): {{After: 3, To: 9}}}}
	body = encode(t, have, false)[6:] // array of 2, scope, array of 1, the entry
	got, err = wire.Decode(wire.KindHave, append(bytes.Clone(body[:3]), appended(body[3:])...))
	require.NoError(t, err)
	require.Equal(t, have, got)
}

func TestMissingElementsAreRefused(t *testing.T) {
	for _, g := range goldens(t) {
		frame, err := readHex(g.path())
		require.NoError(t, err)
		if g.message == nil || g.frame != nil || g.zstd || frame[4] == byte(wire.KindScopes) {
			continue
		}
		_, body, err := readFrame(frame)
		require.NoError(t, err)
		last := body.elements[len(body.elements)-1]
		short := bytes.Clone(body.raw[:len(body.raw)-len(last.raw)])
		short[0]--
		m, err := wire.Decode(wire.Kind(frame[4]), short)
		if frame[4] == byte(wire.KindHello) && len(body.elements) == 10 { // the first programs ended there
			require.NoError(t, err)
			require.Zero(t, m.(*wire.Hello).Boot)
			continue
		}
		require.ErrorIs(t, err, wire.ErrFrame, g.file)
	}
}

func TestUnknownKindsArePassedOver(t *testing.T) {
	known := kindsInSource(t)
	for k := range 256 {
		if _, ok := known[k]; ok {
			continue
		}
		m, err := wire.Decode(wire.Kind(k), []byte{0x91, 0x01})
		require.NoError(t, err)
		require.Nil(t, m)
		_, err = wire.Decode(wire.Kind(k), []byte{0x92, 0x01})
		require.ErrorIs(t, err, wire.ErrFrame, "also what is passed over must be whole")
	}
}

// A Hello stays readable whatever versions it names: only then can the peer be told which side is too old.
func TestHelloOfOtherVersions(t *testing.T) {
	for _, versions := range [][2]uint64{{0, 0}, {2, 9}, {1 << 40, 1 << 41}, {9, 2}} {
		hello := seeded(t).message(wire.KindHello).(*wire.Hello)
		hello.Oldest, hello.Newest = versions[0], versions[1]
		got, err := wire.Decode(wire.KindHello, appended(encode(t, hello, false)[6:]))
		require.NoError(t, err)
		require.Equal(t, hello, got)
	}
}

func TestMalformedValuesAreRefused(t *testing.T) {
	bytes16 := append([]byte{0xc4, 16}, make([]byte, 16)...)
	entry := func(runs ...byte) []byte {
		return append(append([]byte{0x92}, bytes16...), append([]byte{0x90 | byte(len(runs))}, runs...)...)
	}
	have := func(scope []byte, entries ...[]byte) []byte {
		b := append([]byte{0x92}, scope...)
		b = append(b, 0x90|byte(len(entries)))
		return append(b, bytes.Join(entries, nil)...)
	}
	deep := append(bytes.Repeat([]byte{0x91}, codec.MaxDepth+1), 0xc0)
	for name, c := range map[string]struct {
		kind wire.Kind
		body []byte
	}{
		"nothing":               {wire.KindHello, nil},
		"no array":              {wire.KindHello, []byte{0x01}},
		"too deep":              {wire.KindAudit, deep},
		"array beyond body":     {wire.KindPush, []byte{0xdd, 0xff, 0xff, 0xff, 0xff}},
		"bytes beyond body":     {wire.KindPush, []byte{0x92, 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff, 0xc2}},
		"scope 0":               {wire.KindHave, have([]byte{0})},
		"scope 128":             {wire.KindHave, have([]byte{0xcc, 128})},
		"scope of 16 bytes":     {wire.KindHave, have(bytes16)},
		"scope owned by nobody": {wire.KindHave, have(append([]byte{0xc4, 33, 0x82}, make([]byte, 32)...))},
		"odd runs":              {wire.KindHave, have([]byte{6}, entry(1))},
		"no runs":               {wire.KindHave, have([]byte{6}, entry())},
		"empty run":             {wire.KindHave, have([]byte{6}, entry(1, 0))},
		"runs that touch":       {wire.KindHave, have([]byte{6}, entry(1, 1, 0, 1))},
		"replica twice":         {wire.KindHave, have([]byte{6}, entry(1, 1), entry(1, 1))},
		"negative number":       {wire.KindPull, []byte{0x94, 0xff, 6, 0x90, 0xc2}},
		"number for a boolean":  {wire.KindPull, []byte{0x94, 1, 6, 0x90, 0}},
		"long topic":            {wire.KindAsk, append(append([]byte{0x93, 1, 0xd9, 33}, make([]byte, 33)...), 0xc4, 0)},
		"topic is not UTF-8":    {wire.KindAsk, []byte{0x93, 1, 0xa1, 0xff, 0xc4, 0}},
		"too many scopes":       {wire.KindScopes, append([]byte{0xdc, 0x04, 0x01}, bytes.Repeat([]byte{0xc0}, 1025)...)},
		"too many elements":     {200, append([]byte{0xdd, 0, 1, 0x86, 0xa0}, make([]byte, codec.MaxElements)...)},
	} {
		_, err := wire.Decode(c.kind, c.body)
		require.ErrorIs(t, err, wire.ErrFrame, name)
		require.ErrorIs(t, err, codec.ErrMalformed, name)
	}
	m, err := wire.Decode(wire.KindHave, have([]byte{6}, entry(1, 1, 2, 3)))
	require.NoError(t, err, "the case from which the others differ")
	require.Equal(t, crdt.Context{{}: {{After: 1, To: 2}, {After: 4, To: 7}}}, m.(*wire.Have).Entries)
}

// The commits of a decoded frame share its bytes: nothing is copied.
func TestDecodeSharesTheBody(t *testing.T) {
	body := encode(t, &wire.Push{List: [][]byte{[]byte("commit")}}, false)[6:]
	m, err := wire.Decode(wire.KindPush, body)
	require.NoError(t, err)
	body[bytes.Index(body, []byte("commit"))] = 'C'
	require.Equal(t, "Commit", string(m.(*wire.Push).List[0]))
}
