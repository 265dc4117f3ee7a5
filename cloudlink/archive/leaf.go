package archive

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// LeafVersion is the version of the leaf format, the first value of every leaf.
const LeafVersion = 1

// MaxLeaf is how long an encoded leaf can be, in bytes.
const MaxLeaf = 384

// ErrLeaf is wrapped by every error about a leaf that is not usable.
var ErrLeaf = errors.New("not a leaf of the archive")

// Kind says what a leaf is about. Numbers are part of the format: append, never reuse.
type Kind uint8

// The kinds.
const (
	Receipt Kind = 1 // a document of a series of receipts: a sale, a cancellation, training, a void number, ...
	Opening Kind = 2 // the document with number 0 of a series
	Closing Kind = 3 // a Z
	Version Kind = 4 // one version of a group of fields of master data or settings
	Item    Kind = 5 // an item that is no document of a series: an admission, a stocktake, a decision about a case, ...
	Note    Kind = 6 // what the archive says about one of its own leaves
)

var kindNames = map[Kind]string{Receipt: "receipt", Opening: "opening", Closing: "closing", Version: "version", Item: "item", Note: "note"}

// String returns the name of the kind.
func (k Kind) String() string {
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("kind%d", uint8(k))
}

// Document reports whether leaves of this kind are about the signed document of a series.
func (k Kind) Document() bool { return k == Receipt || k == Opening || k == Closing }

// Leaf is one record of the log. It holds hashes and names only; the content lies beside it, so that content can be erased without
// a trace in any proof.
type Leaf struct {
	Kind   Kind
	Shop   crdt.ShopID
	Scope  crdt.Scope
	Dot    crdt.Dot      // the commit that brought it; of a note: of what it is about
	Piece  int           // its place in the commit
	Type   string        // of the object, such as "receipt" or "article"; of a note its code
	Object crdt.ObjectID // its ID
	Name   string        // of a version: the name of the group of fields; of a document: the series
	Number int64         // of a document: its number; of a note: the index of the leaf that it is about; else 0
	Day    string        // YYYY-MM-DD: the business day of a document, else the day of the commit in UTC
	Digest [32]byte      // of the content: SHA-256 over the length of the salt in one byte, the salt and the content
	Hash   [32]byte      // of a document: SHA-256 of its canonical bytes, as the next one names it; else zero
}

// DigestOf returns the digest of a content, which is that of the commit's piece. The salt is empty but for customers.
func DigestOf(salt, content []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte{byte(len(salt))})
	h.Write(salt)
	h.Write(content)
	return [32]byte(h.Sum(nil))
}

// Check says what is wrong with the leaf, wrapping [ErrLeaf].
func (l *Leaf) Check() error {
	day, err := time.Parse(time.DateOnly, l.Day)
	switch {
	case kindNames[l.Kind] == "":
		return fmt.Errorf("%w: kind %d", ErrLeaf, l.Kind)
	case l.Scope.Kind == 0 || l.Scope.Kind > 127:
		return fmt.Errorf("%w: scope kind %d", ErrLeaf, l.Scope.Kind)
	case l.Piece < 0 || l.Piece >= crdt.MaxPieces:
		return fmt.Errorf("%w: piece %d", ErrLeaf, l.Piece)
	case l.Type == "" || !printable(l.Type) || !printable(l.Name):
		return fmt.Errorf("%w: its type or name is empty, too long or not readable", ErrLeaf)
	case l.Number < 0:
		return fmt.Errorf("%w: number %d", ErrLeaf, l.Number)
	case err != nil || day.Format(time.DateOnly) != l.Day:
		return fmt.Errorf("%w: day %.20q is not YYYY-MM-DD", ErrLeaf, l.Day)
	case l.Kind.Document() != (l.Hash != [32]byte{}):
		return fmt.Errorf("%w: a %s with a document hash, or a document without", ErrLeaf, l.Kind)
	}
	return nil
}

// printable reports whether a name is one as commits have them: at most 64 bytes, ASCII, without spaces. It may be empty.
func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return len(s) <= crdt.MaxName
}

// Bytes returns the encoded leaf.
func (l *Leaf) Bytes() []byte {
	b := codec.AppendArray(make([]byte, 0, 224), 13)
	b = codec.AppendUint(b, LeafVersion)
	b = codec.AppendUint(b, uint64(l.Kind))
	b = codec.AppendBytes(b, l.Shop[:])
	b = l.Scope.Append(b)
	b = codec.AppendBytes(b, l.Dot.Replica[:])
	b = codec.AppendUint(b, uint64(l.Dot.Seq))
	b = codec.AppendUint(b, uint64(l.Piece))
	b = codec.AppendString(b, l.Type)
	b = codec.AppendBytes(b, l.Object[:])
	b = codec.AppendString(b, l.Name)
	b = codec.AppendInt(b, l.Number)
	b = codec.AppendString(b, l.Day)
	// One value for both hashes: a document has two.
	hashes := l.Digest[:]
	if l.Hash != [32]byte{} {
		hashes = append(append(make([]byte, 0, 64), l.Digest[:]...), l.Hash[:]...)
	}
	return codec.AppendBytes(b, hashes)
}

// ParseLeaf reads an encoded leaf. Each leaf has one encoding: anything else is refused with [ErrLeaf], a version that is newer than this
// program with [crdt.ErrVersion].
func ParseLeaf(b []byte) (Leaf, error) {
	if len(b) > MaxLeaf {
		return Leaf{}, fmt.Errorf("%w: %d bytes, at most %d", ErrLeaf, len(b), MaxLeaf)
	}
	var l Leaf
	r := codec.NewReader(b)
	r.ArrayOf(1)
	if version := r.Uint(); r.Err() == nil && version > LeafVersion {
		return Leaf{}, fmt.Errorf("leaf of version %d: %w", version, crdt.ErrVersion)
	}
	kind := r.Uint()
	r.Fixed(l.Shop[:])
	l.Scope = crdt.ReadScope(r)
	r.Fixed(l.Dot.Replica[:])
	l.Dot.Seq = crdt.Seq(r.Uint())
	piece := r.Uint()
	l.Type = r.String()
	r.Fixed(l.Object[:])
	l.Name = r.String()
	l.Number = r.Int()
	l.Day = r.String()
	hashes := r.Bytes()
	if err := r.Done(); err != nil {
		return Leaf{}, fmt.Errorf("%w: %w", ErrLeaf, err)
	}
	if kind > 255 || piece > crdt.MaxPieces {
		return Leaf{}, fmt.Errorf("%w: kind %d, piece %d", ErrLeaf, kind, piece)
	}
	l.Kind, l.Piece = Kind(kind), int(piece)
	copy(l.Digest[:], hashes)
	if len(hashes) == 64 {
		copy(l.Hash[:], hashes[32:])
	}
	if err := l.Check(); err != nil {
		return Leaf{}, err
	}
	if !bytes.Equal(l.Bytes(), b) {
		return Leaf{}, fmt.Errorf("%w: it is not written in the one form it has", ErrLeaf)
	}
	return l, nil
}

// RecordHash returns what an encoded leaf adds to the tree (RFC 6962).
func RecordHash(leaf []byte) tlog.Hash { return tlog.RecordHash(leaf) }
