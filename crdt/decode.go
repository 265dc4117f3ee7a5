package crdt

import (
	"fmt"
	"math"
	"slices"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// leastPiece is how many bytes the shortest possible piece has, so that no array is made for pieces that cannot be there.
const leastPiece = 24

// DecodeCommit reads an encoded commit. The bytes are kept and shared, never written again. Values a newer program
// appended are passed over and survive, because the bytes do.
func DecodeCommit(b []byte) (*Commit, error) {
	if len(b) > MaxLoneItem+4096 {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	c := &Commit{raw: b}
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	headStart := r.Offset()
	moreHead := r.ArrayOf(9)
	version := r.Uint()
	if r.Err() == nil && version != CommitVersion {
		return nil, fmt.Errorf("commit of version %d: %w", version, ErrVersion)
	}
	c.Scope = ReadScope(r)
	r.Fixed(c.Dot.Replica[:])
	c.Dot.Seq = Seq(r.Uint())
	back := Seq(r.Uint())
	prev := r.Bytes()
	stamp := r.Int()
	c.Stamp = Stamp{Trusted: stamp&1 == 1, MS: stamp >> 1}
	c.WallMS = c.Stamp.MS + r.Int()
	schema := r.Uint()
	c.Schema = uint32(schema)
	r.Skip(moreHead)
	if r.Err() != nil {
		return nil, fmt.Errorf("decode commit head: %w", r.Err())
	}
	head := b[headStart:r.Offset()]
	if c.Dot.Seq == 0 || back == 0 || back > c.Dot.Seq || c.Dot.Replica.IsZero() {
		r.Fail("commit %v goes back by %d", c.Dot, back)
	}
	if schema > math.MaxUint32 {
		r.Fail("schema %d", schema)
	}
	c.Pred = c.Dot.Seq - back
	switch len(prev) {
	case 0:
	case len(c.Prev):
		copy(c.Prev[:], prev)
	default:
		r.Fail("previous hash of %d bytes", len(prev))
	}
	n := r.Array()
	if n > MaxPieces {
		return nil, fmt.Errorf("%w: %d pieces", ErrTooLarge, n)
	}
	if n*leastPiece > r.Rest() {
		r.Fail("%d pieces in %d bytes", n, r.Rest())
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("decode commit %v: %w", c.Dot, r.Err())
	}
	c.Pieces = make([]Piece, n)
	own := Clock{c.Dot}
	var names [8]string
	for i := range c.Pieces {
		c.Pieces[i].read(r, own, &names)
		if r.Err() != nil {
			break
		}
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("decode commit %v: %w", c.Dot, err)
	}
	c.hash = commitHash(head, c.Pieces)
	if err := c.check(); err != nil {
		return nil, err
	}
	return c, nil
}

func (p *Piece) read(r *codec.Reader, own Clock, names *[8]string) {
	n := r.Array()
	if r.Err() == nil && n != 2 && n != 3 {
		r.Fail("a piece of %d parts", n)
	}
	key := r.Bytes()
	if n == 3 {
		p.Salt = r.Bytes()
		p.Raw = r.Bytes()
		p.Digest = contentDigest(p.Salt, p.Raw)
	} else {
		p.Erased = true
		r.Fixed(p.Digest[:])
	}
	if r.Err() != nil {
		return
	}
	if len(p.Salt) != 0 && len(p.Salt) != SaltSize {
		r.Fail("salt of %d bytes", len(p.Salt))
	}
	p.hash = pieceHash(key, p.Digest)
	if err := p.readKey(codec.NewReader(key), own, names); err != nil {
		r.Fail("piece key: %v", err)
	}
}

func (p *Piece) readKey(r *codec.Reader, own Clock, names *[8]string) error {
	n := r.ArrayOf(3) + 3
	kind := r.Uint()
	p.Type = intern(r.StringBytes())
	r.Fixed(p.Object[:])
	if r.Err() != nil {
		return r.Err()
	}
	switch PieceKind(kind) {
	case KindRegister:
		p.Kind = KindRegister
		if n < 5 {
			r.Fail("a register key of %d values", n)
			return r.Err()
		}
		p.Name = internIn(names, r.StringBytes())
		if p.Clock = readClock(r); len(p.Clock) == 0 {
			p.Clock = own
		} else if i, named := p.Clock.find(own[0].Replica); named {
			// The commit's own dot is never written, and a commit cannot know a later one of its replica.
			r.Fail("a register clock that names its own writer")
		} else {
			p.Clock = slices.Insert(p.Clock, i, own[0])
		}
		r.Skip(n - 5)
	case KindItem:
		p.Kind = KindItem
		if n > 3 {
			p.readObjects(r)
		}
		if n > 4 {
			p.readRegisters(r)
		}
		if n > 5 {
			more := r.ArrayOf(2)
			p.Erases.Type = r.String()
			r.Fixed(p.Erases.Object[:])
			r.Skip(more)
		}
		r.Skip(n - 6)
	default:
		r.Fail("piece kind %d: there are only registers and items", kind)
	}
	return r.Done()
}

func (p *Piece) readObjects(r *codec.Reader) {
	n := r.Array()
	if n%2 != 0 || n > 2*maxSuperseded {
		r.Fail("a list of superseded objects of %d values", n)
		return
	}
	total := 0
	for range n / 2 {
		o := TypedObjects{Type: intern(r.StringBytes())}
		ids := r.Bytes()
		total += len(ids) / 16
		if r.Err() != nil {
			return
		}
		if len(ids)%16 != 0 || total > maxSuperseded {
			r.Fail("superseded objects of %d bytes, %d in all", len(ids), total)
			return
		}
		o.IDs = make([]ObjectID, len(ids)/16)
		for i := range o.IDs {
			copy(o.IDs[i][:], ids[16*i:])
		}
		p.Objects = append(p.Objects, o)
	}
}

func (p *Piece) readRegisters(r *codec.Reader) {
	n := r.Array()
	if n%4 != 0 || n > 4*maxSuperseded {
		r.Fail("a list of superseded registers of %d values", n)
		return
	}
	for range n / 4 {
		u := RegisterUpTo{Type: intern(r.StringBytes())}
		r.Fixed(u.Object[:])
		u.Name = intern(r.StringBytes())
		u.Clock = readClock(r)
		if r.Err() != nil {
			return
		}
		p.Registers = append(p.Registers, u)
	}
}

// known holds the names that commits are full of, so that decoding millions of pieces does not allocate each of them.
// It is an optimisation only: names that are not in it work the same.
var known = func(names ...string) map[string]string {
	m := make(map[string]string, len(names))
	for _, s := range names {
		m[s] = s
	}
	return m
}("article", "group", "tax", "tab", "line", "void", "discount", "payment", "receipt", "till", "admission", "lineage",
	"settings", "names", "codes", "place", "deposit", "life", "head", "loc", "claim", "progress", "value", "merge")

func intern(b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	return string(b)
}

// internIn is intern with the last few other names of the same commit before it: a commit often writes one register,
// such as a price from a certain date, of many objects.
func internIn(last *[8]string, b []byte) string {
	if s, ok := known[string(b)]; ok {
		return s
	}
	free := len(last) - 1
	for i, s := range last {
		if s == string(b) {
			return s
		}
		if s == "" {
			free = i
			break
		}
	}
	last[free] = string(b)
	return last[free]
}
