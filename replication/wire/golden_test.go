package wire_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

var update = flag.Bool("update", false, "write the golden frames again from the present code")

// golden is one file of testdata/wire/v1. Files are never changed once a version with them was released.
type golden struct {
	file, about string
	message     wire.Message // nil: a kind this program does not know
	stream      bool         // the first frame of a stream; compressed, too
	zstd        bool         // compressed: its bytes depend on the library, so it is only decoded
	frame       []byte       // of a newer program, put together by hand; nil: what the encoder makes of message
}

func fill[T ~[16]byte | ~[32]byte](first byte) (id T) {
	for i := range len(id) {
		id[i] = first + byte(i)
	}
	return id
}

const goldenBoot = 217382912

// goldenCommit seals a commit as a till would write it.
func goldenCommit(t testing.TB, k uint32, pred crdt.Seq, prev crdt.Hash, pieces ...crdt.Piece) *crdt.Commit {
	c := &crdt.Commit{
		Scope: crdt.Sales, Dot: crdt.Dot{Replica: fill[crdt.ReplicaID](0x30), Seq: crdt.NewSeq(goldenBoot, k)},
		Pred: pred, Prev: prev,
		Stamp: crdt.Stamp{Trusted: true, MS: 1795219200123}, WallMS: 1795219200100, Schema: 1, Pieces: pieces,
	}
	require.NoError(t, c.Seal())
	return c
}

// goldenCommits are n commits of one replica, each adding a line.
func goldenCommits(t testing.TB, n int) (list [][]byte) {
	var pred crdt.Seq
	var prev crdt.Hash
	for i := range n {
		object := crdt.DeriveObjectID("golden", []byte{byte(i)})
		c := goldenCommit(t, uint32(i+1), pred, prev,
			crdt.Piece{Kind: crdt.KindItem, Type: "line", Object: object, Raw: []byte("\x82\xa1n\xa8Espresso\xa1q\xcd\x03\xe8")},
			crdt.Piece{Kind: crdt.KindRegister, Type: "line", Object: object, Name: "loc", Raw: []byte("\x81\xa1t\x01")})
		pred, prev = c.Dot.Seq, c.Hash()
		list = append(list, c.Bytes())
	}
	return list
}

func goldens(t testing.TB) []golden {
	till := fill[crdt.TillID](0x80)
	first, second := fill[crdt.ReplicaID](0x30), fill[crdt.ReplicaID](0x50)
	seq := func(boot, k uint32) crdt.Seq { return crdt.NewSeq(goldenBoot+boot, k) }
	sales := crdt.Context{
		first:  {{After: seq(0, 0), To: seq(0, 7)}, {After: seq(3600, 0), To: seq(3600, 300)}},
		second: {{After: 0, To: seq(10, 1)}},
	}
	part := crdt.Context{second: sales[second]}
	own := crdt.Scope{Kind: crdt.KindCatalog, Owner: till}
	scopes := []wire.ScopeState{
		{Scope: own, Context: part.Hash(), Digest: crdt.Digest{1, 0xffffffffffffffff}},
		{Scope: crdt.Sales, Context: sales.Hash(), Digest: crdt.Digest{0x0123456789abcdef, 2}},
	}
	hello := &wire.Hello{
		Oldest: 1, Newest: 1, Shop: fill[crdt.ShopID](0x10), Till: till, Replica: first, Nonce: fill[[16]byte](0xc0),
		WallMS: 1795219200123, State: stateHash(scopes), Program: "v1.0.0", Boot: goldenBoot,
	}
	first9 := *hello
	first9.Boot = 0
	future := *hello
	future.Newest, future.Program = 3, "v9.0.0"
	many := goldenCommits(t, 20)
	return []golden{
		{file: "01-hello", about: "a till opens a link; its state is the one of 02-scopes", message: hello},
		{file: "01-hello-first", about: "01-hello from one of the first programs, without its start", message: &first9,
			frame: firstHello(t, &first9)},
		{file: "01-hello-newer", about: "a newer program speaks versions 1 to 3 and appended two elements", message: &future,
			frame: newerHello(t, &future)},
		{file: "02-scopes", about: "two scopes, the first owned by a till", message: &wire.Scopes{List: scopes}},
		{file: "02-scopes-empty", about: "holds nothing, or asks for every context in full", message: &wire.Scopes{}},
		{file: "03-context-full", about: "the whole context of sales: two replicas, the first with two runs",
			message: &wire.Context{Scope: crdt.Sales, Full: true, Entries: sales, Hash: sales.Hash()}},
		{file: "03-context-part", about: "one entry changed, the hash is that of the whole",
			message: &wire.Context{Scope: crdt.Sales, Entries: part, Hash: sales.Hash()}},
		{file: "04-pull", about: "asks for what was advertised", message: &wire.Pull{ID: 1, Scope: crdt.Sales, Want: sales}},
		{file: "04-pull-for-have", about: "asks for what a Have named",
			message: &wire.Pull{ID: 300, Scope: own, Want: part, ForHave: true}},
		{file: "05-commits", about: "first part of an answer, two commits",
			message: &wire.Commits{Pull: 1, Index: 0, List: many[:2]}},
		{file: "06-end", about: "the answer is complete and may be claimed",
			message: &wire.End{Pull: 1, Complete: true, Frames: 1, Covers: sales, Hash: sales.Hash()}},
		{file: "06-end-incomplete", about: "reading failed, nothing may be claimed",
			message: &wire.End{Pull: 1, Frames: 70000, Covers: crdt.Context{}, Hash: sales.Hash()}},
		{file: "07-push", about: "one commit", message: &wire.Push{List: many[:1]}},
		{file: "07-push-many", about: "twenty commits that gathered, one of them urgent",
			message: &wire.Push{List: many, Urgent: true}},
		{file: "07-push-many-zstd", about: "07-push-many compressed; other bytes may mean the same", zstd: true,
			message: &wire.Push{List: many, Urgent: true}},
		{file: "07-push-many-stream", about: "07-push-many as the first frame of a stream; other bytes may mean the same", zstd: true, stream: true,
			message: &wire.Push{List: many, Urgent: true}},
		{file: "08-have", about: "one run of another replica is durable", message: &wire.Have{Scope: crdt.Sales, Entries: part}},
		{file: "09-ask", about: "a question", message: &wire.Ask{ID: 1, Topic: "clock", Body: []byte{0x90}}},
		{file: "10-answer", about: "its answer", message: &wire.Answer{ID: 1, OK: true, Body: []byte{0x91, 0x2a}}},
		{file: "10-answer-refused", about: "the topic is not known",
			message: &wire.Answer{ID: 2, Body: []byte("nobody here knows this topic")}},
		{file: "11-audit", about: "an empty body is passed over", message: &wire.Audit{Scope: crdt.Sales, Body: []byte{}}},
		audit("11-audit-1-compare", "asks whether the sums are equal", goldenAudit(t, wire.AuditCompare)),
		audit("11-audit-2-verdict", "the contexts are not equal", goldenAudit(t, wire.AuditVerdict)),
		audit("11-audit-3-sums", "they are not; the sums of all buckets", goldenAudit(t, wire.AuditSums)),
		audit("11-audit-4-parts", "two buckets differ", goldenAudit(t, wire.AuditParts)),
		audit("11-audit-5-entries", "what is in two leaves", goldenAudit(t, wire.AuditEntries)),
		audit("11-audit-6-offer", "two commits, and one is wanted", goldenAudit(t, wire.AuditOffer)),
		audit("11-audit-7-give", "the one that was wanted", goldenAudit(t, wire.AuditGive)),
		{file: "12-bye", about: "refused",
			message: &wire.Bye{Code: "wrong-shop", Text: "the other till belongs to another shop"}},
		{file: "13-twice", about: "another program with the key of the receiver was met later",
			message: &wire.Twice{Replica: second, Boot: goldenBoot + 60, Nonce: wire.NonceHash(fill[[16]byte](0xd0)), Later: true}},
		{file: "200-newer-kind", about: "a kind that does not exist yet is passed over",
			frame: frameOf(200, 0, []byte{0x92, 0x01, 0xc0})},
	}
}

func audit(file, about string, body *wire.AuditBody) golden {
	return golden{file: file, about: about, message: &wire.Audit{Scope: crdt.Sales, Body: body.Append(nil)}}
}

// goldenAudit returns one body of each step.
func goldenAudit(t testing.TB, step wire.AuditStep) *wire.AuditBody {
	many := goldenCommits(t, 3)
	sums := func(n int) []crdt.Digest {
		list := make([]crdt.Digest, n)
		list[1], list[n-1] = crdt.Digest{1, 2}, crdt.Digest{0xffffffffffffffff, 3}
		return list
	}
	a := &wire.AuditBody{Step: step, ID: 7}
	dot := crdt.Dot{Replica: fill[crdt.ReplicaID](0x30), Seq: crdt.NewSeq(goldenBoot, 3)}
	if step != wire.AuditVerdict && step < wire.AuditOffer {
		a.Context = fill[[16]byte](0x60)
	}
	switch step {
	case wire.AuditCompare:
		a.Total, a.Again = crdt.Digest{0x0123456789abcdef, 2}, true
	case wire.AuditVerdict:
		a.Code = wire.AuditApart
	case wire.AuditSums:
		a.Sums = sums(wire.AuditBuckets)
	case wire.AuditParts:
		a.Parts = []wire.AuditPart{{Bucket: 1, Sums: sums(wire.AuditLeaves)}, {Bucket: 255, Sums: sums(wire.AuditLeaves)}}
	case wire.AuditEntries:
		a.Leaves, a.More = []int{65, 16383}, true
		a.Entries = []wire.AuditEntry{{Dot: dot, Tag: fill[[16]byte](0x70), Sum: crdt.Digest{4, 5}}}
	case wire.AuditOffer:
		a.Commits, a.Wants, a.Last = many[:2], []crdt.Dot{dot}, true
	case wire.AuditGive:
		a.Commits, a.Last = many[2:], true
	}
	return a
}

func firstHello(t testing.TB, m *wire.Hello) []byte {
	frame := encode(t, m, false)
	frame[6]--
	frame = frame[:len(frame)-1]
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

func stateHash(scopes []wire.ScopeState) [16]byte {
	h := sha256.New()
	for _, s := range scopes {
		b := append(s.Scope.AppendKey(nil), s.Context[:]...)
		b = binary.BigEndian.AppendUint64(b, s.Digest[0])
		h.Write(binary.BigEndian.AppendUint64(b, s.Digest[1]))
	}
	return [16]byte(h.Sum(nil)[:16])
}

func frameOf(kind, flags byte, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)+2))
	return append(append(b, kind, flags), body...)
}

func newerHello(t testing.TB, m *wire.Hello) []byte {
	frame := encode(t, m, false)
	frame[6] += 2 // the head of a short array: two elements more
	frame = append(frame, 0xc0, 0x92, 0xa3, 'n', 'e', 'w', 0x01)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}

func encode(t testing.TB, m wire.Message, compress bool) []byte {
	e, err := wire.NewEncoder()
	require.NoError(t, err)
	frame, err := e.Append(nil, m, compress)
	require.NoError(t, err)
	return frame
}

func decode(t testing.TB, frame []byte) (wire.Message, error) {
	d, err := wire.NewDecoder(bytes.NewReader(frame))
	require.NoError(t, err)
	defer d.Close()
	m, _, err := d.Next()
	return m, err
}

func (g golden) path() string { return filepath.Join(goldenDir, g.file+".hex") }

// bytes returns what the file should hold.
func (g golden) bytes(t testing.TB) []byte {
	if g.frame != nil {
		return g.frame
	}
	if g.stream {
		return streamed(t, g.message)[0]
	}
	return encode(t, g.message, g.zstd)
}

// write writes the file, unless it is compressed and still means the same.
func (g golden) write(t *testing.T) {
	if g.zstd {
		if old, err := readHex(g.path()); err == nil {
			if m, err := decode(t, old); err == nil && bytes.Equal(encode(t, m, false), encode(t, g.message, false)) {
				return
			}
		}
	}
	frame := g.bytes(t)
	name := "a kind of a newer program"
	if g.message != nil {
		name = strings.TrimPrefix(fmt.Sprintf("%T", g.message), "*wire.")
	}
	var out strings.Builder
	fmt.Fprintf(&out, "# %s: %s.\n", name, g.about)
	fmt.Fprintf(&out, "%x %x %x # length %d, kind %d, flags %d\n",
		frame[:4], frame[4:5], frame[5:6], len(frame)-4, frame[4], frame[5])
	for body := frame[6:]; len(body) > 0; body = body[min(32, len(body)):] {
		fmt.Fprintf(&out, "%x\n", body[:min(32, len(body))])
	}
	require.NoError(t, os.MkdirAll(goldenDir, 0o755))
	require.NoError(t, os.WriteFile(g.path(), []byte(out.String()), 0o644))
}

func TestGolden(t *testing.T) {
	files := make(map[string]bool)
	for _, g := range goldens(t) {
		files[g.path()] = true
		if *update {
			g.write(t)
		}
		frame, err := readHex(g.path())
		require.NoError(t, err)
		if g.zstd {
			flags := map[bool]byte{false: 1, true: 2}[g.stream]
			require.Equal(t, flags, frame[5], "%s is not compressed as it should be", g.file)
		} else {
			require.Equal(t, g.bytes(t), frame, "%s: this code writes other bytes", g.file)
		}
		m, err := decode(t, frame)
		require.NoError(t, err, g.file)
		if g.message == nil {
			require.Nil(t, m, g.file)
			continue
		}
		require.Equal(t, g.message, m, g.file)
	}
	for _, path := range goldenFiles(t) {
		require.True(t, files[path], "no test knows %s", path)
	}
}

// What a compressed frame holds is the very body of the one that is not compressed.
func TestGoldenCompressedBody(t *testing.T) {
	plain, err := readHex(filepath.Join(goldenDir, "07-push-many.hex"))
	require.NoError(t, err)
	_, want, err := readFrame(plain)
	require.NoError(t, err)
	for _, name := range []string{"07-push-many-zstd.hex", "07-push-many-stream.hex"} {
		packed, err := readHex(filepath.Join(goldenDir, name))
		require.NoError(t, err)
		require.Less(t, len(packed), len(plain))
		_, got, err := readFrame(packed)
		require.NoError(t, err, name)
		require.Equal(t, want.raw, got.raw, name)
	}
}

// The commits in the golden frames are ones that a till takes.
func TestGoldenCommits(t *testing.T) {
	for _, g := range goldens(t) {
		var list [][]byte
		switch m := g.message.(type) {
		case *wire.Commits:
			list = m.List
		case *wire.Push:
			list = m.List
		}
		for _, raw := range list {
			c, err := crdt.DecodeCommit(raw)
			require.NoError(t, err, g.file)
			require.Equal(t, crdt.Sales, c.Scope)
		}
	}
}
