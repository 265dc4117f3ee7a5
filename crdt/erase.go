package crdt

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Erase returns the bytes of the commit with the value and the salt of one piece replaced by their digest, for the one
// true erase. Everything else stays byte for byte, and so does the hash. The commit itself is not changed; a piece
// that was erased before gives the bytes as they are.
func (c *Commit) Erase(piece int) ([]byte, error) {
	if piece < 0 || piece >= len(c.Pieces) {
		return nil, fmt.Errorf("erase piece %d of commit %v of %v: it has %d", piece, c.Dot, c.Scope, len(c.Pieces))
	}
	if c.Pieces[piece].Erased {
		return c.raw, nil
	}
	r := codec.NewReader(c.raw)
	r.ArrayOf(2)
	r.Skip(1)
	r.Array()
	r.Skip(piece)
	start := r.Offset()
	r.ArrayOf(3)
	key := r.Raw()
	r.Skip(2)
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("erase piece %d of commit %v of %v: %w", piece, c.Dot, c.Scope, err)
	}
	out := make([]byte, 0, len(c.raw)+erasedGrowth)
	out = append(out, c.raw[:start]...)
	out = codec.AppendArray(out, 2)
	out = append(out, key...)
	out = codec.AppendBytes(out, c.Pieces[piece].Digest[:])
	return append(out, c.raw[r.Offset():]...), nil
}

// erasedGrowth is how many bytes a piece with an empty value grows by when it is erased: its digest in place of two
// empty values. The size limit of a commit leaves that room, so erasing never makes it too large.
const erasedGrowth = len(Hash{}) + 2 - 4
