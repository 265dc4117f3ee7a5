package store

import (
	"encoding/binary"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Rows of format 1. Integers are big endian, so the order of rows is the order of numbers. <scope> is the key form of
// crdt.Scope, <type> a document type followed by a zero byte.
//
//	'c' <scope> replica(16) seq(8)   the commit, verbatim, while one of its pieces is live: the index for pulls
//	'd' <scope>                      digest of the live pieces (16 bytes), and if there are dormant rows the sum over
//	                                 them (16 bytes): see dormantMark
//	'f' <scope> replica(16) seq(8) tag(16)   a second commit seen under a dot that is taken: kept, never applied
//	'h' <scope>                      number and hash of the last own commit
//	'k' <scope> replica(16)          the runs of the context, the first of them if there are more than a row takes
//	'k' <scope> replica(16) start(8) more runs: those that begin (Interval.After) at start or later and before the start
//	                                 of the next such row. All rows of a replica together are its context
//	'l' <scope> replica(16) seq(8)   which pieces of a commit are dead; absent while none is
//	'm' name                         identity of the store; see meta.go
//	'n' key                          notes of the till itself, never replicated
//	'o' <scope> <type> object(16)    an object that holds something live
//	'x' <scope> <type> object(16)    an object that holds nothing live: it is gone, or only its clocks remain
const (
	rowCommit  = 'c'
	rowDigest  = 'd'
	rowFork    = 'f'
	rowHead    = 'h'
	rowContext = 'k'
	rowDead    = 'l'
	rowMeta    = 'm'
	rowNote    = 'n'
	rowLive    = 'o'
	rowDormant = 'x'
)

func dotKey(kind byte, s crdt.Scope, d crdt.Dot) []byte {
	b := s.AppendKey(append(make([]byte, 0, 80), kind))
	b = append(b, d.Replica[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(d.Seq))
}

func replicaKey(kind byte, s crdt.Scope, r crdt.ReplicaID) []byte {
	return append(s.AppendKey(append(make([]byte, 0, 64), kind)), r[:]...)
}

func scopeKey(kind byte, s crdt.Scope) []byte { return s.AppendKey([]byte{kind}) }

func typeKey(kind byte, s crdt.Scope, typ string) []byte {
	b := s.AppendKey(append(make([]byte, 0, 96), kind))
	return append(append(b, typ...), 0)
}

func objectKey(kind byte, k crdt.Key) []byte {
	return append(typeKey(kind, k.Scope, k.Type), k.Object[:]...)
}

// after returns the smallest key that does not begin with prefix.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// cutReplica reads <scope> replica(16) behind the kind byte of a key.
func cutReplica(key []byte) (s crdt.Scope, r crdt.ReplicaID, rest []byte, err error) {
	s, rest, err = crdt.CutScopeKey(key[1:])
	if err == nil && len(rest) < len(r) {
		err = fmt.Errorf("%w: a key of %d bytes has no replica", codec.ErrMalformed, len(key))
	}
	if err != nil {
		return s, r, nil, err
	}
	copy(r[:], rest)
	return s, r, rest[len(r):], nil
}
