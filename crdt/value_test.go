package crdt

import (
	"math/rand/v2"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// randomValue returns the encoding of some msgpack value, nested at most depth deep.
func randomValue(r *rand.Rand, depth int) []byte {
	n := 9
	if depth == 0 {
		n = 7
	}
	switch r.IntN(n) {
	case 0:
		return codec.AppendUint(nil, r.Uint64()>>r.IntN(64))
	case 1:
		return codec.AppendInt(nil, int64(r.Uint64())>>r.IntN(64))
	case 2:
		return codec.AppendBool(nil, r.IntN(2) == 0)
	case 3:
		return codec.AppendNil(nil)
	case 4:
		b := make([]byte, r.IntN(40))
		fill(r, b)
		return codec.AppendBytes(nil, b)
	case 5, 6:
		return codec.AppendString(nil, "a text of some length, cut anywhere, to cross the short forms"[:r.IntN(60)])
	case 7:
		k := r.IntN(20)
		b := codec.AppendArray(nil, k)
		for range k {
			b = append(b, randomValue(r, depth-1)...)
		}
		return b
	default:
		k := r.IntN(20)
		b := codec.AppendMap(nil, k)
		for i := range k {
			b = append(codec.AppendUint(b, uint64(i)), randomValue(r, depth-1)...)
		}
		return b
	}
}
