package lineage

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

const (
	bindingVersion = 1

	// MaxBinding is the longest binding in bytes.
	MaxBinding = 8 << 10
	maxPath    = 4096
	maxNode    = 64
	sumSize    = 16
)

// ErrDamaged means that a binding or a note cannot be read: it was cut off or changed.
var ErrDamaged = errors.New("damaged")

// Machine names a machine by the hash of what its system calls it. Zero: the system does not say.
type Machine [32]byte

// MachineOf returns the machine that a system calls so, such as the content of /etc/machine-id. Neither file nor messages
// ever show what was hashed.
func MachineOf(name []byte) Machine {
	name = bytes.TrimSpace(name)
	if len(name) == 0 {
		return Machine{}
	}
	return sha256.Sum256(append([]byte("tillmesh machine\x00"), name...))
}

// Place says where a data directory is.
type Place struct {
	Path string // absolute, without symbolic links; at most 4096 bytes
	Node []byte // what else tells the directory from a copy at the same path; at most 64 bytes, may be empty
}

// Equal reports whether both are the same directory, as far as one can see.
func (p Place) Equal(o Place) bool { return p.Path == o.Path && bytes.Equal(p.Node, o.Node) }

// Binding is what a till keeps about its store outside of its data directory, so that it does not come along when
// the directory is copied or restored. It is written at every start, once the number of that start is durable.
type Binding struct {
	Machine Machine
	Place   Place
	Replica crdt.ReplicaID
	Prefix  string // of the receipt numbers of that lineage, such as "K2b"; empty if unknown
	Boot    uint32 // number of the last start
	// Begun: this lineage was announced here, and it is not known yet whether the store has it.
	Begun bool
}

// Encode returns the binding's bytes, closed by a checksum. It fails on values that [DecodeBinding] refuses.
func (b Binding) Encode() ([]byte, error) {
	if err := b.check(); err != nil {
		return nil, fmt.Errorf("binding: %w", err)
	}
	out := codec.AppendUint(codec.AppendArray(nil, 9), bindingVersion)
	out = codec.AppendBytes(out, b.Machine[:])
	out = codec.AppendString(out, b.Place.Path)
	out = codec.AppendBytes(out, b.Place.Node)
	out = codec.AppendBytes(out, b.Replica[:])
	out = codec.AppendString(out, b.Prefix)
	out = codec.AppendUint(out, uint64(b.Boot))
	out = codec.AppendBool(out, b.Begun)
	sum := sha256.Sum256(out)
	return codec.AppendBytes(out, sum[:sumSize]), nil
}

func (b Binding) check() error {
	switch {
	case b.Replica.IsZero():
		return fmt.Errorf("%w: no replica", ErrDamaged)
	case b.Place.Path == "" || len(b.Place.Path) > maxPath || len(b.Place.Node) > maxNode:
		return fmt.Errorf("%w: a path of %d bytes, a node of %d", ErrDamaged, len(b.Place.Path), len(b.Place.Node))
	case b.Prefix != "" && shop.CheckPrefix(b.Prefix) != nil:
		return fmt.Errorf("%w: number prefix %.50q", ErrDamaged, b.Prefix)
	}
	return nil
}

// DecodeBinding reads what Encode wrote. Errors wrap [ErrDamaged], or [crdt.ErrVersion] for the binding of a newer program.
func DecodeBinding(raw []byte) (b Binding, err error) {
	if len(raw) > MaxBinding {
		return b, fmt.Errorf("binding: %w: %d bytes, at most %d", ErrDamaged, len(raw), MaxBinding)
	}
	if err := codec.Check(raw); err != nil {
		return b, fmt.Errorf("binding: %w: %w", ErrDamaged, err)
	}
	r := codec.NewReader(raw)
	fields := r.Array()
	version := r.Uint()
	if r.Err() == nil && version != bindingVersion {
		// A newer form keeps the checksum at its end, so a version that was hit by a bad bit is not taken for one.
		if version > bindingVersion && closed(raw) {
			return b, fmt.Errorf("binding of version %d: %w", version, crdt.ErrVersion)
		}
		return b, fmt.Errorf("binding: %w: version %d", ErrDamaged, version)
	}
	r.Fixed(b.Machine[:])
	b.Place.Path = r.String()
	b.Place.Node = bytes.Clone(r.Bytes())
	r.Fixed(b.Replica[:])
	b.Prefix = r.String()
	boot := r.Uint()
	b.Begun = r.Bool()
	var sum [sumSize]byte
	r.Fixed(sum[:])
	err = r.Done()
	if err == nil && (fields != 9 || boot > 1<<32-1 || !closed(raw)) {
		err = fmt.Errorf("%d fields, start %d, or its checksum does not hold", fields, boot)
	}
	b.Boot = uint32(boot)
	if err == nil {
		err = b.check()
	}
	if err != nil {
		return Binding{}, fmt.Errorf("binding: %w: %w", ErrDamaged, err)
	}
	if len(b.Place.Node) == 0 {
		b.Place.Node = nil
	}
	return b, nil
}

// closed reports whether the last bytes are the checksum of all before them, as a msgpack value of 16 bytes.
func closed(raw []byte) bool {
	at := len(raw) - sumSize - 2
	if at < 0 {
		return false
	}
	sum := sha256.Sum256(raw[:at])
	return bytes.Equal(raw[at:], codec.AppendBytes(nil, sum[:sumSize]))
}
