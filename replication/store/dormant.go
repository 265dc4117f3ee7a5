package store

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/tillmesh/tillmesh/crdt"
)

// A dormant row has no live piece, so it is in no digest, and yet it counts: it keeps late writes dead. So that a lost one
// is missed, a sum over the dormant rows of a scope is kept beside its digest, and audits compare it with the rows. What a
// lost row said is said by the lists of live items, see DESIGN.md.

// dormantMark returns what a dormant row adds to the sum of its scope.
func dormantMark(key, value []byte) crdt.Digest {
	sum := sha256.Sum256(append(append(make([]byte, 0, 256), key...), value...))
	return crdt.Digest{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// fading is what becomes of one dormant row in a batch.
type fading struct {
	scope  crdt.Scope
	key    []byte
	change crdt.Digest // of the sum
}

// fade notes that an object's dormant row becomes value, nil if it has none any more.
func (b *batch) fade(scope crdt.Scope, e *entry, key, value []byte) {
	var change crdt.Digest
	if e.dormant {
		change = change.Minus(dormantMark(key, e.faded))
	}
	if value != nil {
		change = change.Plus(dormantMark(key, value))
	}
	if change == (crdt.Digest{}) {
		return
	}
	b.fadings = append(b.fadings, fading{scope, key, change})
	b.dormants[scope] = b.dormants[scope].Plus(change)
}

// appendSums writes the row of a digest.
func appendSums(b []byte, digest, dormant crdt.Digest) []byte {
	b = appendDigest(b, digest)
	if dormant != (crdt.Digest{}) {
		b = appendDigest(b, dormant)
	}
	return b
}

// readSums reads what appendSums wrote; ok is false if it is not that.
func readSums(row []byte) (digest, dormant crdt.Digest, ok bool) {
	switch len(row) {
	case 32:
		dormant = readDigest(row[16:])
		fallthrough
	case 16:
		return readDigest(row), dormant, true
	}
	return digest, dormant, false
}
