package crdt

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// CommitVersion is the version of the commit format, the first value of every commit's head.
const CommitVersion = 1

// Limits of one commit (design §3.1, §8).
const (
	MaxCommit     = 256 << 10 // bytes, unless the commit is one item alone
	MaxLoneItem   = 1 << 20   // bytes of a commit that is one item alone
	MaxObjects    = 64        // different objects in a commit
	MaxPieces     = 1024      // registers and items in a commit
	MaxName       = 64        // bytes of a document type or register name
	SaltSize      = 16        // bytes of salt of a piece in the customers scope
	maxSuperseded = 4096      // objects or registers one item supersedes
)

// ErrTooLarge is wrapped by errors about a commit beyond its limits.
var ErrTooLarge = errors.New("commit is too large")

// ErrVersion is wrapped by errors about a format that is newer than this program.
var ErrVersion = errors.New("format is newer than this program; update it")

// Hash is a SHA-256.
type Hash [32]byte

// PieceKind tells registers from items. There will never be a third.
type PieceKind uint8

// The two kinds.
const (
	KindRegister PieceKind = 0
	KindItem     PieceKind = 1
)

// Commit is one atomic local change: everything a till did in one step in one scope, under one dot. It travels whole
// and verbatim, whoever relays it; see FORMAT.md for its bytes.
type Commit struct {
	Scope  Scope
	Dot    Dot
	Pred   Seq    // the replica's commit before this one in the scope, 0 for the first ever
	Prev   Hash   // hash of that commit, zero for the first ever
	Stamp  Stamp  //
	WallMS int64  // the writer's uncorrected wall clock, Unix milliseconds
	Schema uint32 // version of the document rules the writer knew
	Pieces []Piece

	raw  []byte
	hash Hash
}

// Piece is the change of one register or one item within a commit.
type Piece struct {
	Kind   PieceKind
	Type   string   // document type, such as "article"
	Object ObjectID //
	Name   string   // register: its name within the object
	Clock  Clock    // register: what its writer had seen; after decoding it includes the commit's own dot

	// Item: what it supersedes, as a write supersedes siblings. Objects leave with all their registers, for ever;
	// registers leave up to a clock.
	Objects   []TypedObjects
	Registers []RegisterUpTo
	// Item: the object whose raw bytes are dropped wherever they are (design §3.1, the one true erase), zero if none.
	Erases TypedObject

	Salt   []byte // 16 random bytes in the customers scope, else empty
	Raw    []byte // the value; opaque to replication
	Erased bool   // the raw bytes and the salt were erased; Digest proves them

	Digest Hash // SHA-256 over the length of the salt, the salt and the raw bytes; see FORMAT.md
	hash   Hash
}

// TypedObject names an object with its document type.
type TypedObject struct {
	Type   string
	Object ObjectID
}

// TypedObjects names several objects of one type.
type TypedObjects struct {
	Type string
	IDs  []ObjectID
}

// RegisterUpTo names the writes of a register that a clock covers.
type RegisterUpTo struct {
	Type   string
	Object ObjectID
	Name   string
	Clock  Clock
}

// Interval returns the run that the commit covers in a [Context]: from its predecessor on, or only itself if it is the
// first of a start. A start may have lost the tail of the one before it, so it claims nothing about it.
func (c *Commit) Interval() Interval {
	if c.Pred.Boot() != c.Dot.Seq.Boot() {
		return Interval{c.Dot.Seq - 1, c.Dot.Seq}
	}
	return Interval{c.Pred, c.Dot.Seq}
}

// Bytes returns the encoded commit. It must not be changed.
func (c *Commit) Bytes() []byte { return c.raw }

// Hash returns the hash over the head and the hashes of the pieces. It stays the same when a piece is erased.
func (c *Commit) Hash() Hash { return c.hash }

// Hash returns the hash over the piece's key and digest. Items with one ID are the same if their hashes are.
func (p *Piece) Hash() Hash { return p.hash }

// Origin returns what an [Object] keeps of the commit.
func (c *Commit) Origin() Origin {
	return Origin{Dot: c.Dot, Stamp: c.Stamp, Tag: [16]byte(c.hash[:16]), Pieces: len(c.Pieces)}
}

// Seal encodes a commit that was put together locally, hashes it and checks its limits. The commit must not be changed
// after it. Register clocks may or may not hold the commit's own dot; after Seal they do.
func (c *Commit) Seal() error {
	if err := c.sealable(); err != nil {
		return fmt.Errorf("commit %v of %v after %v: %w", c.Dot, c.Scope, c.Pred, err)
	}
	head := make([]byte, 0, 96)
	head = codec.AppendArray(head, 9)
	head = codec.AppendUint(head, CommitVersion)
	head = c.Scope.Append(head)
	head = codec.AppendBytes(head, c.Dot.Replica[:])
	head = codec.AppendUint(head, uint64(c.Dot.Seq))
	head = codec.AppendUint(head, uint64(c.Dot.Seq-c.Pred))
	if c.Prev == (Hash{}) {
		head = codec.AppendBytes(head, nil)
	} else {
		head = codec.AppendBytes(head, c.Prev[:])
	}
	// Stamp milliseconds, doubled, plus one if trusted: one number.
	trusted := int64(0)
	if c.Stamp.Trusted {
		trusted = 1
	}
	head = codec.AppendInt(head, c.Stamp.MS*2+trusted)
	head = codec.AppendInt(head, c.WallMS-c.Stamp.MS)
	head = codec.AppendUint(head, uint64(c.Schema))

	size := len(head) + 8
	for i := range c.Pieces {
		size += 96 + len(c.Pieces[i].Raw) + 30*len(c.Pieces[i].Clock)
	}
	raw := make([]byte, 0, size)
	raw = codec.AppendArray(raw, 2)
	raw = append(raw, head...)
	raw = codec.AppendArray(raw, len(c.Pieces))
	key := make([]byte, 0, 128)
	own := Clock{c.Dot}
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if p.Kind == KindRegister {
			if len(p.Clock) == 0 {
				p.Clock = own
			} else {
				p.Clock = p.Clock.With(c.Dot)
			}
		}
		key = p.appendKey(key[:0], c.Dot.Replica)
		raw = codec.AppendArray(raw, 3)
		raw = codec.AppendBytes(raw, key)
		raw = codec.AppendBytes(raw, p.Salt)
		raw = codec.AppendBytes(raw, p.Raw)
		p.Digest = contentDigest(p.Salt, p.Raw)
		p.hash = pieceHash(key, p.Digest)
	}
	c.raw = raw
	c.hash = commitHash(head, c.Pieces)
	return c.check()
}

func (p *Piece) appendKey(b []byte, writer ReplicaID) []byte {
	if p.Kind == KindRegister {
		b = codec.AppendArray(b, 5)
		b = codec.AppendUint(b, uint64(KindRegister))
		b = codec.AppendString(b, p.Type)
		b = codec.AppendBytes(b, p.Object[:])
		b = codec.AppendString(b, p.Name)
		return p.Clock.append(b, writer)
	}
	n := 3
	switch {
	case p.Erases.Type != "":
		n = 6
	case len(p.Registers) > 0:
		n = 5
	case len(p.Objects) > 0:
		n = 4
	}
	b = codec.AppendArray(b, n)
	b = codec.AppendUint(b, uint64(KindItem))
	b = codec.AppendString(b, p.Type)
	b = codec.AppendBytes(b, p.Object[:])
	if n > 3 {
		b = codec.AppendArray(b, 2*len(p.Objects))
		for _, o := range p.Objects {
			b = codec.AppendString(b, o.Type)
			ids := make([]byte, 0, 16*len(o.IDs))
			for _, id := range o.IDs {
				ids = append(ids, id[:]...)
			}
			b = codec.AppendBytes(b, ids)
		}
	}
	if n > 4 {
		b = codec.AppendArray(b, 4*len(p.Registers))
		for _, r := range p.Registers {
			b = codec.AppendString(b, r.Type)
			b = codec.AppendBytes(b, r.Object[:])
			b = codec.AppendString(b, r.Name)
			b = r.Clock.append(b, ReplicaID{})
		}
	}
	if n > 5 {
		b = codec.AppendString(codec.AppendArray(b, 2), p.Erases.Type)
		b = codec.AppendBytes(b, p.Erases.Object[:])
	}
	return b
}

// contentDigest hashes the length of the salt too: without it, bytes could move between salt and value unnoticed.
func contentDigest(salt, raw []byte) Hash {
	var buf [256]byte
	if 1+len(salt)+len(raw) <= len(buf) {
		b := append(buf[:0], byte(len(salt)))
		return sha256.Sum256(append(append(b, salt...), raw...))
	}
	h := sha256.New()
	h.Write([]byte{byte(len(salt))})
	h.Write(salt)
	h.Write(raw)
	return Hash(h.Sum(nil))
}

func pieceHash(key []byte, digest Hash) Hash {
	var buf [256]byte
	b := append(buf[:0], "tillmesh piece 1\n"...)
	b = append(b, digest[:]...)
	b = append(b, key...)
	return sha256.Sum256(b)
}

func commitHash(head []byte, pieces []Piece) Hash {
	b := make([]byte, 0, 32+len(head)+32*len(pieces))
	b = append(b, "tillmesh commit 1\n"...)
	b = append(b, head...)
	for i := range pieces {
		b = append(b, pieces[i].hash[:]...)
	}
	return sha256.Sum256(b)
}
