package crdt

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// Origin is what an object keeps of a commit that one of its pieces came with.
type Origin struct {
	Dot    Dot
	Stamp  Stamp
	Tag    [16]byte // first half of the commit's hash
	Pieces int      // how many pieces the commit has
}

// Ref names one piece of a commit that a store holds.
type Ref struct {
	Origin Origin
	Piece  int // index in the commit
}

// Mark returns what a live piece adds to the digest of its scope.
func (r Ref) Mark() Digest {
	var b [16 + 8 + 4 + 16]byte
	copy(b[:], r.Origin.Dot.Replica[:])
	binary.BigEndian.PutUint64(b[16:], uint64(r.Origin.Dot.Seq))
	binary.BigEndian.PutUint32(b[24:], uint32(r.Piece))
	copy(b[28:], r.Origin.Tag[:])
	sum := sha256.Sum256(b[:])
	return Digest{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// Digest is an additive checksum over the live pieces of a scope: stores with equal contexts and equal digests hold
// the same state.
type Digest [2]uint64 // high, low

// Plus returns the sum modulo 2^128.
func (d Digest) Plus(o Digest) Digest {
	low := d[1] + o[1]
	high := d[0] + o[0]
	if low < d[1] {
		high++
	}
	return Digest{high, low}
}

// Minus returns the difference modulo 2^128.
func (d Digest) Minus(o Digest) Digest {
	low := d[1] - o[1]
	high := d[0] - o[0]
	if low > d[1] {
		high--
	}
	return Digest{high, low}
}

// Object is the merged state of one object: its item, if it has one, and its registers. The zero value is an object
// nobody has written.
type Object struct {
	Items     []Copy     // the item, once for every commit that carried it
	Registers []Register // sorted by name
	Gone      bool       // an item superseded the whole object, for ever
	By        ObjectID   // the item that did
}

// Copy is one arrival of an item.
type Copy struct {
	Ref
	Hash [16]byte // first half of the piece's hash; copies with different hashes are an alarm, both are kept
}

// Register is a group of fields that belong together, with every value nobody has decided against yet.
type Register struct {
	Name     string
	Clock    Clock     // every write that is known
	Siblings []Sibling // at most one per replica; the one to show first
}

// Sibling is one live value of a register.
type Sibling struct {
	Ref
	Raw    []byte
	Erased bool
}

// Get returns the register with this name, nil if nobody wrote it.
func (o *Object) Get(name string) *Register {
	if i, ok := o.find(name); ok {
		return &o.Registers[i]
	}
	return nil
}

// Seen returns the clock a new write of the register has to carry: everything known of it here.
func (o *Object) Seen(name string) Clock {
	if r := o.Get(name); r != nil {
		return r.Clock
	}
	return nil
}

// Value returns the raw bytes of the value to show, nil if there is none.
func (o *Object) Value(name string) []byte {
	if r := o.Get(name); r != nil && len(r.Siblings) > 0 {
		return r.Siblings[0].Raw
	}
	return nil
}

// Live reports whether the object holds anything that still counts.
func (o *Object) Live() bool {
	if len(o.Items) > 0 {
		return true
	}
	for i := range o.Registers {
		if len(o.Registers[i].Siblings) > 0 {
			return true
		}
	}
	return false
}

// Empty reports whether the object says nothing at all, not even that something is gone.
func (o *Object) Empty() bool { return !o.Gone && len(o.Items) == 0 && len(o.Registers) == 0 }

// Alarm reports whether two commits carried an item with this ID but different bytes.
func (o *Object) Alarm() bool {
	for _, c := range o.Items[min(1, len(o.Items)):] {
		if c.Hash != o.Items[0].Hash {
			return true
		}
	}
	return false
}

func (o *Object) find(name string) (int, bool) {
	return slices.BinarySearchFunc(o.Registers, name, func(r Register, name string) int {
		switch {
		case r.Name < name:
			return -1
		case r.Name > name:
			return 1
		}
		return 0
	})
}

func (o *Object) register(name string) *Register {
	i, ok := o.find(name)
	if !ok {
		o.Registers = slices.Insert(o.Registers, i, Register{Name: name})
	}
	return &o.Registers[i]
}

// Change tells what applying a piece did: whether the piece counts now, and which pieces stopped counting.
type Change struct {
	Taken   bool
	Dropped []Ref
}

// Apply merges piece i of a commit that belongs to this object. What the piece supersedes in other objects is not its
// business; see [State.Apply] and the store rules. A piece that is already there changes nothing.
func (o *Object) Apply(from Origin, i int, p *Piece) (ch Change) {
	if o.Gone {
		return ch
	}
	ref := Ref{Origin: from, Piece: i}
	if p.Kind == KindItem {
		for _, c := range o.Items {
			if c.Origin.Dot == from.Dot {
				return ch
			}
		}
		o.Items = append(o.Items, Copy{Ref: ref, Hash: [16]byte(p.hash[:16])})
		slices.SortFunc(o.Items, func(a, b Copy) int { return a.Origin.Dot.Compare(b.Origin.Dot) })
		ch.Taken = true
		return ch
	}
	r := o.register(p.Name)
	if r.Clock.Covers(from.Dot) {
		return ch
	}
	ch.Dropped = r.drop(p.Clock)
	r.Clock = r.Clock.Join(p.Clock)
	r.Siblings = append(r.Siblings, Sibling{Ref: ref, Raw: p.Raw, Erased: p.Erased})
	slices.SortFunc(r.Siblings, func(a, b Sibling) int {
		return -a.Origin.Stamp.Compare(a.Origin.Dot, b.Origin.Stamp, b.Origin.Dot)
	})
	ch.Taken = true
	return ch
}

func (r *Register) drop(seen Clock) (dropped []Ref) {
	keep := r.Siblings[:0]
	for _, s := range r.Siblings {
		if seen.Covers(s.Origin.Dot) {
			dropped = append(dropped, s.Ref)
		} else {
			keep = append(keep, s)
		}
	}
	clear(r.Siblings[len(keep):])
	r.Siblings = keep
	return dropped
}

// SupersedeAll makes the whole object leave, with its item and every register, now and whenever a piece of it arrives
// later. by names the item that says so; of several the lowest is remembered, so every store remembers the same.
func (o *Object) SupersedeAll(by ObjectID) (dropped []Ref) {
	for _, c := range o.Items {
		dropped = append(dropped, c.Ref)
	}
	for i := range o.Registers {
		for _, s := range o.Registers[i].Siblings {
			dropped = append(dropped, s.Ref)
		}
	}
	if !o.Gone || by.Compare(o.By) < 0 {
		o.By = by
	}
	o.Gone, o.Items, o.Registers = true, nil, nil
	return dropped
}

// SupersedeUpTo makes the writes of a register leave that the clock covers; a later or concurrent write stays.
func (o *Object) SupersedeUpTo(name string, seen Clock) (dropped []Ref) {
	if o.Gone {
		return nil
	}
	r := o.register(name)
	dropped = r.drop(seen)
	r.Clock = r.Clock.Join(seen)
	return dropped
}
