package wire

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// RelayTopic is the topic of an Ask whose body is a [RelayBody]. The core answers it itself.
const RelayTopic = "relay"

const relayVersion = 1

// RelayBody says what a third peer, which only some tills link with, is known to hold or to have agreed on; see PROTOCOL.md.
type RelayBody struct {
	Peer    crdt.TillID
	Replica crdt.ReplicaID // under which the peer writes; zero: it does not matter
	Scope   crdt.Scope
	Agreed  bool // else: holds
	Entries crdt.Context
}

// Append appends the body.
func (b RelayBody) Append(to []byte) []byte {
	to = codec.AppendUint(codec.AppendArray(to, 6), relayVersion)
	to = codec.AppendBytes(codec.AppendBytes(to, b.Peer[:]), b.Replica[:])
	to = codec.AppendBool(b.Scope.Append(to), b.Agreed)
	return b.Entries.Append(to)
}

// DecodeRelay reads a body. Errors wrap [ErrFrame]. ok is false for one of a newer program, which is passed over.
func DecodeRelay(body []byte) (b RelayBody, ok bool, err error) {
	if err := codec.Check(body); err != nil {
		return RelayBody{}, false, fmt.Errorf("%w: relay: %w", ErrFrame, err)
	}
	r := codec.NewReader(body)
	n := r.Array()
	if v := r.Uint(); r.Err() == nil && v > relayVersion {
		return RelayBody{}, false, nil
	}
	if r.Err() == nil && n < 6 {
		r.Fail("%d values in a relay", n)
	}
	r.Fixed(b.Peer[:])
	r.Fixed(b.Replica[:])
	b.Scope = crdt.ReadScope(r)
	b.Agreed = r.Bool()
	b.Entries = crdt.ReadContext(r)
	r.Skip(n - 6)
	if err := r.Done(); err != nil {
		return RelayBody{}, false, fmt.Errorf("%w: relay: %w", ErrFrame, err)
	}
	return b, true, nil
}
