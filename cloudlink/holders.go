package cloudlink

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// HoldersTopic is under which the cloud asks a till which tills hold some values of the catalog: an Ask of package wire. The cloud
// itself only sees what the tills hold that are connected with it.
const HoldersTopic = "cloud/holders"

// Limits of the question and the answer.
const (
	MaxHolderDots  = 256
	MaxHolderTills = 256
)

// EncodeHeld returns the question: [1, replica, number, replica, number, ...].
func EncodeHeld(dots []crdt.Dot) []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 1+2*len(dots)), 1)
	for _, d := range dots {
		b = codec.AppendUint(codec.AppendBytes(b, d.Replica[:]), uint64(d.Seq))
	}
	return b
}

// DecodeHeld reads what EncodeHeld wrote. The error wraps codec.ErrMalformed.
func DecodeHeld(b []byte) (dots []crdt.Dot, err error) {
	r := codec.NewReader(b)
	n := versioned(r)
	if n%2 != 0 || n > 2*MaxHolderDots {
		r.Fail("%d values that are asked for", n/2)
	}
	for range n / 2 {
		var d crdt.Dot
		r.Fixed(d.Replica[:])
		d.Seq = crdt.Seq(r.Uint())
		dots = append(dots, d)
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("question of the cloud: %w", err)
	}
	return dots, nil
}

// EncodeHolders returns the answer: [1, till, till, ...], those that hold all of it.
func EncodeHolders(tills []crdt.TillID) []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 1+len(tills)), 1)
	for _, till := range tills {
		b = codec.AppendBytes(b, till[:])
	}
	return b
}

// DecodeHolders reads what EncodeHolders wrote. The error wraps codec.ErrMalformed.
func DecodeHolders(b []byte) (tills []crdt.TillID, err error) {
	r := codec.NewReader(b)
	n := versioned(r)
	if n > MaxHolderTills {
		r.Fail("%d tills", n)
	}
	for range n {
		var till crdt.TillID
		r.Fixed(till[:])
		tills = append(tills, till)
	}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("answer of a till: %w", err)
	}
	return tills, nil
}

// versioned begins to read an array whose first element is the version, and returns how many follow.
func versioned(r *codec.Reader) int {
	n := r.Array()
	if v := r.Uint(); r.Err() == nil && v != 1 {
		r.Fail("version %d", v)
	}
	if r.Err() != nil {
		return 0
	}
	return max(0, n-1)
}
