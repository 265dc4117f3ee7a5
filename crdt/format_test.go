package crdt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
)

// TestFormatDocument reads every golden file as FORMAT.md describes it, with nothing of this package, and arrives at
// the meaning and the hash that the file beside it states.
func TestFormatDocument(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(goldenDir, "*.hex"))
	require.NoError(t, err)
	kinds := make(map[string]bool)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			raw, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
			require.NoError(t, err)
			desc, err := os.ReadFile(strings.TrimSuffix(path, ".hex") + ".json")
			require.NoError(t, err)
			var want golden
			require.NoError(t, json.Unmarshal(desc, &want))
			kinds[want.Kind] = true

			f := &formatReader{t: t, raw: raw, in: bytes.NewReader(raw)}
			f.dec = msgpack.NewDecoder(f.in)
			switch want.Kind {
			case "commit":
				got := f.commit()
				require.Equal(t, want.Commit, &got)
			case "context":
				require.Equal(t, want.Context, f.context())
			case "record":
				require.Equal(t, want.Record, f.record())
			case "scope":
				require.Equal(t, *want.Scope, f.scope())
				key := hex.EncodeToString([]byte{want.Scope.Kind})
				if want.Scope.Owner != "" {
					key = hex.EncodeToString([]byte{want.Scope.Kind + 128}) + want.Scope.Owner
				}
				require.Equal(t, want.ScopeKey, key)
			default:
				t.Fatalf("FORMAT.md has no %q", want.Kind)
			}
			require.Zero(t, f.in.Len(), "bytes left over")
		})
	}
	require.Len(t, kinds, 4)
}

// formatReader reads msgpack of another implementation's making.
type formatReader struct {
	t   *testing.T
	raw []byte
	in  *bytes.Reader
	dec *msgpack.Decoder
}

func (f *formatReader) at() int { return len(f.raw) - f.in.Len() }

func must[T any](f *formatReader, get func() (T, error)) T {
	f.t.Helper()
	v, err := get()
	require.NoError(f.t, err)
	return v
}

func (f *formatReader) array() int     { return must(f, f.dec.DecodeArrayLen) }
func (f *formatReader) number() uint64 { return must(f, f.dec.DecodeUint64) }
func (f *formatReader) bytes() []byte  { return must(f, f.dec.DecodeBytes) }
func (f *formatReader) text() string   { return must(f, f.dec.DecodeString) }
func (f *formatReader) hex() string    { return hex.EncodeToString(f.bytes()) }

func (f *formatReader) skip(n int) {
	for range n {
		require.NoError(f.t, f.dec.Skip())
	}
}

func (f *formatReader) inside(raw []byte) *formatReader {
	g := &formatReader{t: f.t, raw: raw, in: bytes.NewReader(raw)}
	g.dec = msgpack.NewDecoder(g.in)
	return g
}

func (f *formatReader) scope() goldenScope {
	code := must(f, f.dec.PeekCode)
	if code >= 0xc4 && code <= 0xc6 {
		b := f.bytes()
		return goldenScope{Kind: b[0] - 128, Owner: hex.EncodeToString(b[1:])}
	}
	return goldenScope{Kind: uint8(f.number())}
}

func (f *formatReader) commit() goldenCommit {
	var c goldenCommit
	outer := f.array()
	start := f.at()
	n := f.array()
	require.EqualValues(f.t, 1, f.number(), "version")
	c.Scope = f.scope()
	c.Replica = f.hex()
	c.Seq = f.number()
	c.Pred = c.Seq - f.number()
	c.Prev = f.hex()
	stamp := must(f, f.dec.DecodeInt64)
	c.Trusted = stamp%2 != 0
	if c.Trusted {
		stamp--
	}
	c.StampMS = stamp / 2
	c.WallMS = c.StampMS + must(f, f.dec.DecodeInt64)
	c.Schema = uint32(f.number())
	f.skip(n - 9)
	signed := append([]byte("tillmesh commit 1\n"), f.raw[start:f.at()]...)
	for range f.array() {
		p, hash := f.piece(goldenDot{c.Replica, c.Seq})
		c.Pieces = append(c.Pieces, p)
		signed = append(signed, hash[:]...)
	}
	f.skip(outer - 2)
	c.Hash = fmt.Sprintf("%x", sha256.Sum256(signed))
	return c
}

func (f *formatReader) piece(own goldenDot) (p goldenPiece, hash [32]byte) {
	parts := f.array()
	raw := f.bytes()
	var digest []byte
	if parts == 3 {
		salt, value := f.bytes(), f.bytes()
		sum := sha256.Sum256(slices.Concat([]byte{byte(len(salt))}, salt, value))
		digest = sum[:]
		p.Salt, p.Raw = hex.EncodeToString(salt), hex.EncodeToString(value)
	} else {
		require.Equal(f.t, 2, parts)
		p.Erased = true
		digest = f.bytes()
	}
	hash = sha256.Sum256(slices.Concat([]byte("tillmesh piece 1\n"), digest, raw))
	p.Digest, p.Hash = hex.EncodeToString(digest), hex.EncodeToString(hash[:])

	key := f.inside(raw)
	n := key.array()
	kind := key.number()
	p.Type, p.Object = key.text(), key.hex()
	if kind == 0 {
		p.Kind = "register"
		p.Name = key.text()
		p.Clock = append(key.clock(), own)
		slices.SortFunc(p.Clock, func(a, b goldenDot) int { return strings.Compare(a.Replica, b.Replica) })
		key.skip(n - 5)
	} else {
		require.EqualValues(f.t, 1, kind)
		p.Kind = "item"
		key.supersedes(&p, n)
	}
	require.Zero(f.t, key.in.Len())
	return p, hash
}

func (f *formatReader) supersedes(p *goldenPiece, n int) {
	if n > 3 {
		for range f.array() / 2 {
			o := goldenObjects{Type: f.text()}
			for ids := range slices.Chunk(f.bytes(), 16) {
				o.IDs = append(o.IDs, hex.EncodeToString(ids))
			}
			p.Objects = append(p.Objects, o)
		}
	}
	if n > 4 {
		for range f.array() / 4 {
			p.Registers = append(p.Registers, goldenRegister{Type: f.text(), Object: f.hex(), Name: f.text(), Clock: f.clock()})
		}
	}
	if n > 5 {
		more := f.array() - 2
		p.Erases = &goldenObjects{Type: f.text(), IDs: []string{f.hex()}}
		f.skip(more)
		f.skip(n - 6)
	}
}

func (f *formatReader) clock() (c []goldenDot) {
	for range f.array() / 2 {
		c = append(c, goldenDot{f.hex(), f.number()})
	}
	return c
}

func (f *formatReader) context() (out []goldenReplica) {
	for range f.array() {
		n := f.array()
		r := goldenReplica{Replica: f.hex()}
		at := uint64(0)
		for range f.array() / 2 {
			after := at + f.number()
			at = after + f.number()
			r.Runs = append(r.Runs, [2]uint64{after, at})
		}
		f.skip(n - 2)
		out = append(out, r)
	}
	return out
}

func (f *formatReader) record() (out []goldenField) {
	for range must(f, f.dec.DecodeMapLen) {
		key := f.text()
		value := must(f, f.dec.DecodeRaw)
		out = append(out, goldenField{key, hex.EncodeToString(value)})
	}
	return out
}
