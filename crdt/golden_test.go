package crdt_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// goldenDir holds the bytes of format 1: <name>.hex, and <name>.json that says what they mean. They never change; a
// new feature adds files.
const goldenDir = "../testdata/crdt/v1"

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden is a .json file. Bytes are in hexadecimal, IDs too, so that a reader needs nothing but FORMAT.md.
type golden struct {
	Kind     string          `json:"kind"` // commit, context, record or scope
	What     string          `json:"what"`
	Commit   *goldenCommit   `json:"commit,omitempty"`
	Context  []goldenReplica `json:"context,omitempty"`
	Record   []goldenField   `json:"record,omitempty"`
	Scope    *goldenScope    `json:"scope,omitempty"`
	ScopeKey string          `json:"scope_key,omitempty"`
}

type goldenScope struct {
	Kind  uint8  `json:"kind"`
	Owner string `json:"owner,omitempty"`
}

type goldenCommit struct {
	Hash    string        `json:"hash"`
	Scope   goldenScope   `json:"scope"`
	Replica string        `json:"replica"`
	Seq     uint64        `json:"seq"`
	Pred    uint64        `json:"pred"`
	Prev    string        `json:"prev,omitempty"`
	Trusted bool          `json:"trusted"`
	StampMS int64         `json:"stamp_ms"`
	WallMS  int64         `json:"wall_ms"`
	Schema  uint32        `json:"schema"`
	Pieces  []goldenPiece `json:"pieces"`
}

type goldenPiece struct {
	Kind      string           `json:"kind"`
	Type      string           `json:"type"`
	Object    string           `json:"object"`
	Name      string           `json:"name,omitempty"`
	Clock     []goldenDot      `json:"clock,omitempty"`
	Objects   []goldenObjects  `json:"objects,omitempty"`
	Registers []goldenRegister `json:"registers,omitempty"`
	Erases    *goldenObjects   `json:"erases,omitempty"`
	Salt      string           `json:"salt,omitempty"`
	Raw       string           `json:"raw,omitempty"`
	Erased    bool             `json:"erased,omitempty"`
	Digest    string           `json:"digest"`
	Hash      string           `json:"hash"`
}

type goldenDot struct {
	Replica string `json:"replica"`
	Seq     uint64 `json:"seq"`
}

type goldenObjects struct {
	Type string   `json:"type"`
	IDs  []string `json:"ids"`
}

type goldenRegister struct {
	Type   string      `json:"type"`
	Object string      `json:"object"`
	Name   string      `json:"name"`
	Clock  []goldenDot `json:"clock"`
}

type goldenReplica struct {
	Replica string      `json:"replica"`
	Runs    [][2]uint64 `json:"runs"` // after, to
}

type goldenField struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// id returns 16 bytes that are easy to find in a dump.
func id(k byte) (b [16]byte) {
	for i := range b {
		b[i] = k<<4 | byte(i)
	}
	return b
}

func till(k byte) (t crdt.TillID) {
	a, b := id(k), id(k+1)
	return crdt.TillID(append(a[:], b[:]...))
}

// goldenCommits are the golden commits by name, each with what it shows.
func goldenCommits(t *testing.T) (out []named) {
	a, b, c := crdt.ReplicaID(id(1)), crdt.ReplicaID(id(2)), crdt.ReplicaID(id(3))
	var names crdt.Record
	names.SetString("n", "Käsebrot")
	names.SetInt("p", -450)
	seal := func(name, what string, c *crdt.Commit) *crdt.Commit {
		require.NoError(t, c.Seal(), name)
		out = append(out, named{name, what, c})
		return c
	}
	first := seal("commit-first", "the first commit of a replica: one register nobody had written", &crdt.Commit{
		Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a, Seq: crdt.NewSeq(217382912, 1)}, Stamp: crdt.Stamp{Trusted: true, MS: 1795219712345},
		WallMS: 1795219712345, Schema: 1, Pieces: []crdt.Piece{
			{Kind: crdt.KindRegister, Type: "article", Object: id(10), Name: "names", Raw: names.Bytes()},
		}})
	seal("commit-clock", "a register whose writer had seen two other tills and itself; an untrusted clock that is 61 s behind", &crdt.Commit{
		Scope: crdt.Catalog, Dot: crdt.Dot{Replica: a, Seq: crdt.NewSeq(217382912, 2)}, Pred: first.Dot.Seq, Prev: first.Hash(),
		Stamp: crdt.Stamp{MS: 1795219713000}, WallMS: 1795219652000, Schema: 1, Pieces: []crdt.Piece{
			{Kind: crdt.KindRegister, Type: "article", Object: id(10), Name: "names", Raw: names.Bytes(),
				Clock: crdt.Clock{{Replica: a, Seq: first.Dot.Seq}, {Replica: b, Seq: crdt.NewSeq(5, 200)}, {Replica: c, Seq: 70}}},
		}})
	seal("commit-restart", "the first commit after a restart names its predecessor; a time before 1970, every piece empty", &crdt.Commit{
		Scope: crdt.Shop, Dot: crdt.Dot{Replica: a, Seq: crdt.NewSeq(217390000, 1)}, Pred: crdt.NewSeq(217382912, 2), Prev: crdt.Hash{0xab, 31: 0xcd},
		Stamp: crdt.Stamp{MS: -1}, WallMS: -70000, Schema: 70000, Pieces: []crdt.Piece{
			{Kind: crdt.KindItem, Type: "admission", Object: id(11)},
			{Kind: crdt.KindRegister, Type: "settings", Object: id(11), Name: "a-register-name-of-more-than-31-bytes"},
		}})
	seal("commit-close", "a receipt that supersedes lines, voids and discounts up to the clocks it saw", &crdt.Commit{
		Scope: crdt.Sales, Dot: crdt.Dot{Replica: b, Seq: crdt.NewSeq(300, 41)}, Pred: crdt.NewSeq(300, 40), Prev: crdt.Hash{1},
		Stamp: crdt.Stamp{Trusted: true, MS: 1795219800000}, WallMS: 1795219800017, Schema: 3, Pieces: []crdt.Piece{
			{Kind: crdt.KindRegister, Type: "tab", Object: id(12), Name: "life", Raw: []byte{0x81, 0xa1, 's', 2}},
			{Kind: crdt.KindItem, Type: "receipt", Object: id(13), Raw: []byte(`{"number":"K2-000418"}`),
				Objects: []crdt.TypedObjects{{Type: "line", IDs: []crdt.ObjectID{id(4), id(5), id(6)}}, {Type: "void", IDs: []crdt.ObjectID{id(7)}}},
				Registers: []crdt.RegisterUpTo{
					{Type: "discount", Object: id(8), Name: "value", Clock: crdt.Clock{{Replica: a, Seq: 9}, {Replica: b, Seq: crdt.NewSeq(300, 39)}}},
					{Type: "discount", Object: id(9), Name: "value"},
				}},
		}})
	salt := bytes.Repeat([]byte{0x5a}, crdt.SaltSize)
	customer := seal("commit-salted", "customer data of one till with salt", &crdt.Commit{
		Scope: crdt.Scope{Kind: crdt.KindCustomers, Owner: till(14)}, Dot: crdt.Dot{Replica: c, Seq: crdt.NewSeq(1, 1)},
		Stamp: crdt.Stamp{Trusted: true, MS: 1}, WallMS: 1, Schema: 1, Pieces: []crdt.Piece{
			{Kind: crdt.KindRegister, Type: "customer", Object: id(5), Name: "person", Salt: salt, Raw: []byte{0x81, 0xa1, 'n', 0xa3, 'E', 'v', 'a'}},
			{Kind: crdt.KindRegister, Type: "customer", Object: id(5), Name: "life", Salt: salt, Raw: []byte{0x80}},
		}})
	raw, err := customer.Erase(0)
	require.NoError(t, err)
	erased, err := crdt.DecodeCommit(raw)
	require.NoError(t, err)
	out = append(out, named{"commit-erased", "commit-salted with its first value erased: same hash", erased})
	seal("commit-erases", "the item that erases a customer, and nothing else", &crdt.Commit{
		Scope: customer.Scope, Dot: crdt.Dot{Replica: c, Seq: crdt.NewSeq(1, 130)}, Pred: crdt.NewSeq(1, 1), Prev: customer.Hash(),
		Stamp: crdt.Stamp{Trusted: true, MS: 1 << 40}, WallMS: 1<<40 + 1<<33, Schema: 1, Pieces: []crdt.Piece{
			{Kind: crdt.KindItem, Type: "erase", Object: id(6), Raw: []byte{0x80}, Salt: salt,
				Erases: crdt.TypedObject{Type: "customer", Object: id(5)}},
		}})
	many := &crdt.Commit{Scope: crdt.Scope{Kind: 99}, Dot: crdt.Dot{Replica: a, Seq: 1<<64 - 1}, Pred: 1,
		Stamp: crdt.Stamp{MS: 40000}, WallMS: 0, Schema: 1<<32 - 1}
	for i := range byte(17) {
		many.Pieces = append(many.Pieces, crdt.Piece{Kind: crdt.KindItem, Type: "unknown", Object: crdt.ObjectID{15: i}, Raw: bytes.Repeat([]byte{i}, int(i)*20)})
	}
	seal("commit-long", "a scope and a type nobody knows, 17 pieces, values of 0 to 320 bytes that are not msgpack", many)
	newer, err := crdt.DecodeCommit(newerForm(t, first.Bytes()))
	require.NoError(t, err)
	return append(out, named{"commit-newer", "commit-first as a newer program might write it: a value more in the commit, the head and the key", newer})
}

type named struct {
	name, what string
	commit     *crdt.Commit
}

// newerForm appends one value to the commit, to its head and to the key of its first piece.
func newerForm(t *testing.T, raw []byte) []byte {
	r := codec.NewReader(raw)
	r.Array()
	head := r.Raw()
	r.Array()
	r.Array()
	key := r.Bytes()
	rest := raw[r.Offset():]
	require.NoError(t, r.Err())
	out := append([]byte{0x93}, 0x90|10)
	out = append(out, head[1:]...)
	out = codec.AppendString(out, "new in the head")
	key = codec.AppendUint(append([]byte{0x90 | 6}, key[1:]...), 42)
	out = codec.AppendBytes(append(out, 0x91, 0x93), key)
	out = append(out, rest...)
	return codec.AppendNil(codec.AppendArray(out, 1))
}

func TestGolden(t *testing.T) {
	files := make(map[string]bool)
	for _, c := range goldenCommits(t) {
		files[c.name] = true
		compare(t, c.name, c.commit.Bytes(), golden{Kind: "commit", What: c.what, Commit: describe(c.commit)})
		again, err := crdt.DecodeCommit(slices.Clone(c.commit.Bytes()))
		require.NoError(t, err)
		require.Equal(t, describe(c.commit), describe(again))
	}
	for name, c := range map[string]crdt.Context{
		"context-empty": {},
		"context-one":   {id(1): {{After: crdt.NewSeq(217382912, 0), To: crdt.NewSeq(217382912, 4711)}}},
		"context-many": {
			id(3): {{After: 0, To: 1}, {After: 2, To: 3}, {After: 130, To: 1 << 20}, {After: 1 << 40, To: 1<<64 - 1}},
			id(1): {{After: crdt.NewSeq(7, 0), To: crdt.NewSeq(7, 9)}, {After: crdt.NewSeq(9, 0), To: crdt.NewSeq(9, 1)}},
			id(2): {{After: 5, To: 6}},
		},
	} {
		files[name] = true
		g := golden{Kind: "context", What: "the commits a store holds: runs (after, to] by replica"}
		for _, r := range c.Replicas() {
			e := goldenReplica{Replica: hex.EncodeToString(r[:])}
			for _, iv := range c[r] {
				e.Runs = append(e.Runs, [2]uint64{uint64(iv.After), uint64(iv.To)})
			}
			g.Context = append(g.Context, e)
		}
		compare(t, name, c.Append(nil), g)
	}
	var full crdt.Record
	full.SetString("n", "Käsebrot")
	full.SetInt("p", -450)
	full.SetUint("u", 1<<64-1)
	full.SetBool("b", true)
	full.SetBinary("d", []byte{1, 2})
	full.SetObject("o", id(4))
	full.SetTill("t", till(5))
	full.SetRaw("zz", []byte{0x82, 0xa1, 'x', 0x92, 1, 0xc0, 0xa1, 'y', 0xcb, 0x40, 0, 0, 0, 0, 0, 0, 0})
	var demanding crdt.Record
	demanding.SetString("n", "needs a newer program")
	demanding.RequireReader(7)
	for name, r := range map[string]*crdt.Record{"record-empty": {}, "record-full": &full, "record-min-reader": &demanding} {
		files[name] = true
		g := golden{Kind: "record", What: "fields sorted by key, each value in msgpack"}
		for _, k := range r.Keys() {
			g.Record = append(g.Record, goldenField{k, hex.EncodeToString(r.Raw(k))})
		}
		compare(t, name, r.Bytes(), g)
	}
	for name, s := range map[string]crdt.Scope{"scope-shop": crdt.Shop, "scope-till": {Kind: crdt.KindCatalog, Owner: till(5)}} {
		files[name] = true
		compare(t, name, s.Append(nil), golden{Kind: "scope", What: "a kind of data with its owner, as a value and as a key",
			Scope: describeScope(s), ScopeKey: hex.EncodeToString(s.AppendKey(nil))})
	}
	found, err := filepath.Glob(filepath.Join(goldenDir, "*"))
	require.NoError(t, err)
	for _, f := range found {
		name := strings.TrimSuffix(strings.TrimSuffix(filepath.Base(f), ".json"), ".hex")
		require.True(t, files[name], "%s is not made by this test; bytes of a format stay for ever", f)
	}
	require.Len(t, found, 2*len(files))
}

// compare checks the bytes against the golden file and writes both files with -update.
func compare(t *testing.T, name string, raw []byte, g golden) {
	t.Helper()
	path := filepath.Join(goldenDir, name)
	text := wrap(hex.EncodeToString(raw))
	desc, err := json.MarshalIndent(g, "", "  ")
	require.NoError(t, err)
	if *update {
		require.NoError(t, os.MkdirAll(goldenDir, 0o755))
		require.NoError(t, os.WriteFile(path+".hex", []byte(text), 0o644))
		require.NoError(t, os.WriteFile(path+".json", append(desc, '\n'), 0o644))
	}
	want, err := os.ReadFile(path + ".hex")
	require.NoError(t, err)
	require.Equal(t, string(want), text, "the bytes of %s changed: that is a new format, not an update", name)
	wantDesc, err := os.ReadFile(path + ".json")
	require.NoError(t, err)
	require.Equal(t, string(wantDesc), string(desc)+"\n", name)
}

func wrap(s string) string {
	var b strings.Builder
	for len(s) > 96 {
		b.WriteString(s[:96] + "\n")
		s = s[96:]
	}
	return b.String() + s + "\n"
}

func describeScope(s crdt.Scope) *goldenScope {
	g := &goldenScope{Kind: uint8(s.Kind)}
	if !s.Owner.IsZero() {
		g.Owner = hex.EncodeToString(s.Owner[:])
	}
	return g
}

func describeClock(c crdt.Clock) (out []goldenDot) {
	for _, d := range c {
		out = append(out, goldenDot{hex.EncodeToString(d.Replica[:]), uint64(d.Seq)})
	}
	return out
}

func describe(c *crdt.Commit) *goldenCommit {
	hash := c.Hash()
	g := &goldenCommit{Hash: hex.EncodeToString(hash[:]), Scope: *describeScope(c.Scope), Replica: hex.EncodeToString(c.Dot.Replica[:]),
		Seq: uint64(c.Dot.Seq), Pred: uint64(c.Pred), Trusted: c.Stamp.Trusted, StampMS: c.Stamp.MS, WallMS: c.WallMS, Schema: c.Schema}
	if c.Prev != (crdt.Hash{}) {
		g.Prev = hex.EncodeToString(c.Prev[:])
	}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		hash := p.Hash()
		q := goldenPiece{Kind: "register", Type: p.Type, Object: hex.EncodeToString(p.Object[:]), Name: p.Name, Clock: describeClock(p.Clock),
			Salt: hex.EncodeToString(p.Salt), Raw: hex.EncodeToString(p.Raw), Erased: p.Erased,
			Digest: hex.EncodeToString(p.Digest[:]), Hash: hex.EncodeToString(hash[:])}
		if p.Kind == crdt.KindItem {
			q.Kind = "item"
		}
		for _, o := range p.Objects {
			e := goldenObjects{Type: o.Type}
			for _, id := range o.IDs {
				e.IDs = append(e.IDs, hex.EncodeToString(id[:]))
			}
			q.Objects = append(q.Objects, e)
		}
		for _, r := range p.Registers {
			q.Registers = append(q.Registers, goldenRegister{r.Type, hex.EncodeToString(r.Object[:]), r.Name, describeClock(r.Clock)})
		}
		if p.Erases.Type != "" {
			q.Erases = &goldenObjects{p.Erases.Type, []string{hex.EncodeToString(p.Erases.Object[:])}}
		}
		g.Pieces = append(g.Pieces, q)
	}
	return g
}
