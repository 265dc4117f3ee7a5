package archive

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Topic is under which a till asks the cloud to show its archive: an Ask of package wire with a [Question], answered by an [Offer].
const Topic = "cloud/checkpoint"

// EncodeQuestion returns the question of a till that remembers a tree of so many leaves, 0 if none: [1, leaves].
func EncodeQuestion(known int64) []byte {
	return codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 2), 1), uint64(known))
}

// DecodeQuestion reads what EncodeQuestion wrote. The error wraps codec.ErrMalformed.
func DecodeQuestion(b []byte) (known int64, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return 0, fmt.Errorf("question for the archive of version %d: %w", v, codec.ErrMalformed)
	}
	known = int64(r.Uint())
	r.Skip(more)
	if err := r.Done(); err != nil {
		return 0, fmt.Errorf("question for the archive: %w", err)
	}
	if known < 0 {
		return 0, fmt.Errorf("question for the archive: %w: %d leaves", codec.ErrMalformed, known)
	}
	return known, nil
}

// Encode returns the bytes of an offer: [1, note, hashes of the proof one after the other].
func (o Offer) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 3), 1)
	b = codec.AppendBytes(b, o.Note)
	proof := make([]byte, 0, len(o.Proof)*tlog.HashSize)
	for _, h := range o.Proof {
		proof = append(proof, h[:]...)
	}
	return codec.AppendBytes(b, proof)
}

// DecodeOffer reads what Encode wrote. The error wraps codec.ErrMalformed.
func DecodeOffer(b []byte) (o Offer, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(3)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		return o, fmt.Errorf("offer of the archive of version %d: %w", v, codec.ErrMalformed)
	}
	o.Note = r.Bytes()
	proof := r.Bytes()
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Offer{}, fmt.Errorf("offer of the archive: %w", err)
	}
	if len(o.Note) > MaxNote || len(proof)%tlog.HashSize != 0 || len(proof) > MaxProof*tlog.HashSize {
		return Offer{}, fmt.Errorf("offer of the archive: %w: a note of %d and a proof of %d bytes", codec.ErrMalformed, len(o.Note), len(proof))
	}
	for len(proof) > 0 {
		o.Proof = append(o.Proof, tlog.Hash(proof[:tlog.HashSize]))
		proof = proof[tlog.HashSize:]
	}
	return o, nil
}
