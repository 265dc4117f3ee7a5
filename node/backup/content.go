package backup

import (
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// Limits of what is not a commit.
const (
	maxText      = 800      // bytes of a name
	maxNotes     = 10_000   //
	maxNoteBytes = 1 << 20  // all keys and values together
	maxSecret    = 4 << 10  // bytes of the founder's secret
	maxGossip    = 64       // keys
	maxKey       = 64       // bytes of a gossip key
	maxRuns      = 20_000   // runs of a context in one block
	maxRounds    = 32       //
	maxScopes    = 10_000   //
	maxReplicas  = 1 << 20  // of all scopes together
	maxAllRuns   = 16 << 20 // of all contexts together
)

// Header says whose backup a file is.
type Header struct {
	Shop     crdt.ShopID
	ShopName string
	Till     crdt.TillID // the till whose store it is
	TillName string
	Replica  crdt.ReplicaID // its lineage, which nothing that is restored goes on with
	Prefix   string         // of its receipt numbers in this lineage, such as "K2"
	Program  string         // version of the program that wrote it
	Made     time.Time      // when the backup began, in milliseconds; everything until its end is in it
}

// Secrets are what a shop needs beside its data to go on when no till is left. They are not encrypted: whoever has the
// file has them.
type Secrets struct {
	Founder []byte   // the founder's secret as package shop defines it; empty if this till does not have it
	Gossip  [][]byte // keys of the gossip, the one in use first
}

func (h Header) check() error {
	for _, s := range []string{h.ShopName, h.TillName, h.Prefix, h.Program} {
		if len(s) > maxText || !utf8.ValidString(s) {
			return fmt.Errorf("a name of %d bytes, at most %d of UTF-8", len(s), maxText)
		}
	}
	if h.Shop.IsZero() || h.Till.IsZero() || h.Replica.IsZero() {
		return errors.New("a backup names a shop, a till and its lineage")
	}
	return nil
}

func (h Header) append(b []byte) []byte {
	b = codec.AppendBytes(codec.AppendArray(b, 8), h.Shop[:])
	b = codec.AppendString(b, h.ShopName)
	b = codec.AppendBytes(b, h.Till[:])
	b = codec.AppendString(b, h.TillName)
	b = codec.AppendBytes(b, h.Replica[:])
	b = codec.AppendString(b, h.Prefix)
	b = codec.AppendString(b, h.Program)
	return codec.AppendInt(b, h.Made.UnixMilli())
}

func readHeader(plain []byte) (h Header, err error) {
	r := codec.NewReader(plain)
	more := r.ArrayOf(8)
	r.Fixed(h.Shop[:])
	h.ShopName = r.String()
	r.Fixed(h.Till[:])
	h.TillName = r.String()
	r.Fixed(h.Replica[:])
	h.Prefix, h.Program = r.String(), r.String()
	h.Made = time.UnixMilli(r.Int()).UTC()
	r.Skip(more)
	if err := r.Done(); err != nil {
		return h, err
	}
	return h, h.check()
}

// section is what contexts and commits stand under.
type section struct {
	round int
	scope crdt.Scope
}

func (s section) compare(o section) int {
	if s.round != o.round {
		return s.round - o.round
	}
	return s.scope.Compare(o.scope)
}

func (s section) append(b []byte, n int) []byte {
	return s.scope.Append(codec.AppendUint(codec.AppendArray(b, 2+n), uint64(s.round)))
}

func readSection(r *codec.Reader) (s section, more int) {
	more = r.ArrayOf(2)
	round := r.Uint()
	if round > maxRounds {
		r.Fail("round %d", round)
	}
	s.round, s.scope = int(round), crdt.ReadScope(r)
	return s, more
}

// contextParts cuts a context so that each part fits a block.
func contextParts(c crdt.Context) []crdt.Context {
	var parts []crdt.Context
	part, runs := make(crdt.Context), 0
	for _, replica := range c.Replicas() {
		for list := range slices.Chunk(c[replica], maxRuns) {
			if runs+len(list) > maxRuns {
				parts = append(parts, part)
				part, runs = make(crdt.Context), 0
			}
			part[replica] = list
			runs += len(list)
		}
	}
	return append(parts, part)
}

func appendContext(b []byte, s section, c crdt.Context) []byte { return c.Append(s.append(b, 1)) }

func readContext(plain []byte) (section, crdt.Context, error) {
	r := codec.NewReader(plain)
	s, more := readSection(r)
	if more < 1 {
		r.Fail("a context block without a context")
	}
	c := crdt.ReadContext(r)
	r.Skip(more - 1)
	return s, c, r.Done()
}

func appendCommits(b []byte, s section, list [][]byte) []byte {
	b = s.append(b, len(list))
	for _, raw := range list {
		b = codec.AppendBytes(b, raw)
	}
	return b
}

// readCommits decodes the commits of a block. They share no bytes with it.
func readCommits(plain []byte) (section, []*crdt.Commit, error) {
	r := codec.NewReader(slices.Clone(plain))
	s, n := readSection(r)
	list := make([]*crdt.Commit, 0, min(n, len(plain)/32+1))
	for i := 0; i < n && r.Err() == nil; i++ {
		raw := r.Bytes()
		if r.Err() != nil {
			break
		}
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			return s, nil, fmt.Errorf("commit %d of %d: %w", i+1, n, err)
		}
		if c.Scope != s.scope {
			return s, nil, fmt.Errorf("commit %v is of %v, not %v", c.Dot, c.Scope, s.scope)
		}
		list = append(list, c)
	}
	if err := r.Done(); err != nil {
		return s, nil, err
	}
	if len(list) == 0 {
		return s, nil, errors.New("a block without commits")
	}
	return s, list, nil
}

func appendDigests(b []byte, digests map[crdt.Scope]crdt.Digest, scopes []crdt.Scope) []byte {
	b = codec.AppendArray(b, 3*len(scopes))
	for _, s := range scopes {
		d := digests[s]
		b = codec.AppendUint(codec.AppendUint(s.Append(b), d[0]), d[1])
	}
	return b
}

func readDigests(plain []byte) (map[crdt.Scope]crdt.Digest, error) {
	r := codec.NewReader(plain)
	n := r.Array()
	if n%3 != 0 || n > 3*maxScopes {
		r.Fail("digests of %d values", n)
	}
	out := make(map[crdt.Scope]crdt.Digest, min(n, maxScopes)/3)
	for i := 0; i < n/3 && r.Err() == nil; i++ {
		s := crdt.ReadScope(r)
		out[s] = crdt.Digest{r.Uint(), r.Uint()}
	}
	if err := r.Done(); err != nil {
		return nil, err
	}
	if len(out) != n/3 {
		return nil, errors.New("two digests of one scope")
	}
	return out, nil
}

func appendNotes(b []byte, notes []replication.Note) []byte {
	b = codec.AppendArray(b, 2*len(notes))
	for _, n := range notes {
		b = codec.AppendBytes(codec.AppendBytes(b, []byte(n.Key)), n.Value)
	}
	return b
}

func readNotes(plain []byte) ([]replication.Note, error) {
	r := codec.NewReader(slices.Clone(plain))
	n := r.Array()
	if n%2 != 0 || n > 2*maxNotes {
		r.Fail("notes of %d values", n)
	}
	var out []replication.Note
	for i := 0; i < n/2 && r.Err() == nil; i++ {
		out = append(out, replication.Note{Key: string(r.Bytes()), Value: r.Bytes()})
	}
	return out, r.Done()
}

func (s Secrets) check() error {
	if len(s.Founder) > maxSecret || len(s.Gossip) > maxGossip {
		return fmt.Errorf("a founder secret of %d bytes and %d keys, at most %d and %d", len(s.Founder), len(s.Gossip), maxSecret, maxGossip)
	}
	for _, k := range s.Gossip {
		if len(k) == 0 || len(k) > maxKey {
			return fmt.Errorf("a key of %d bytes, 1 to %d", len(k), maxKey)
		}
	}
	return nil
}

func (s Secrets) append(b []byte) []byte {
	b = codec.AppendBytes(codec.AppendArray(b, 2), s.Founder)
	b = codec.AppendArray(b, len(s.Gossip))
	for _, k := range s.Gossip {
		b = codec.AppendBytes(b, k)
	}
	return b
}

func readSecrets(plain []byte) (s Secrets, err error) {
	r := codec.NewReader(slices.Clone(plain))
	more := r.ArrayOf(2)
	s.Founder = r.Bytes()
	n := r.Array()
	if n > maxGossip {
		r.Fail("%d keys", n)
	}
	for i := 0; i < n && r.Err() == nil; i++ {
		s.Gossip = append(s.Gossip, r.Bytes())
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return s, err
	}
	return s, s.check()
}

// ending is the last block: what must have come before it.
type ending struct {
	blocks, commits uint64
	bytes           uint64 // of commits
	sum             crdt.Hash
}

func (e ending) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 4), e.blocks)
	b = codec.AppendUint(codec.AppendUint(b, e.commits), e.bytes)
	return codec.AppendBytes(b, e.sum[:])
}

func readEnding(plain []byte) (e ending, err error) {
	r := codec.NewReader(plain)
	more := r.ArrayOf(4)
	e.blocks, e.commits, e.bytes = r.Uint(), r.Uint(), r.Uint()
	r.Fixed(e.sum[:])
	r.Skip(more)
	return e, r.Done()
}
