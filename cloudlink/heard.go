package cloudlink

import (
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// HeardTopic is under which a till tells the cloud when it last heard the others of its shop: an Ask of package wire with a list of [Heard]; the
// answer is empty. The cloud itself hears only the tills that are connected with it.
const HeardTopic = "cloud/heard"

// HeardEvery is how often a till tells it. The cloud names a till after a day; a minute is as exact as anybody needs it.
const HeardEvery = time.Minute

// maxHeard bounds the list.
const maxHeard = 512

// maxHeardAge is how long ago a till can have been heard.
const maxHeardAge = 100 * 365 * 24 * time.Hour

// Heard is how long ago a till was heard.
type Heard struct {
	Till crdt.TillID
	Ago  time.Duration // 0: it is linked now
}

// EncodeHeard returns [1, [[till, ms], ...]].
func EncodeHeard(list []Heard) []byte {
	list = list[:min(len(list), maxHeard)]
	b := codec.AppendArray(codec.AppendUint(codec.AppendArray(nil, 2), 1), len(list))
	for _, h := range list {
		b = codec.AppendBytes(codec.AppendArray(b, 2), h.Till[:])
		b = codec.AppendUint(b, uint64(min(max(h.Ago, 0), maxHeardAge).Milliseconds()))
	}
	return b
}

// DecodeHeard reads what EncodeHeard wrote. The error wraps codec.ErrMalformed.
func DecodeHeard(b []byte) (list []Heard, err error) {
	if err := codec.Check(b); err != nil {
		return nil, fmt.Errorf("read when tills were heard: %w", err)
	}
	r := codec.NewReader(b)
	more := max(0, versioned(r)-1)
	n := r.Array()
	if n > maxHeard {
		r.Fail("%d tills, at most %d", n, maxHeard)
	}
	for ; n > 0 && r.Err() == nil; n-- {
		var h Heard
		rest := r.ArrayOf(2)
		r.Fixed(h.Till[:])
		ms := r.Uint()
		if ms > uint64(maxHeardAge.Milliseconds()) {
			r.Fail("%d ms are too long", ms)
		}
		h.Ago = time.Duration(ms) * time.Millisecond
		r.Skip(rest)
		list = append(list, h)
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("read when tills were heard: %w", err)
	}
	return list, nil
}
