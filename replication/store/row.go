package store

import (
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

const objectVersion = 1

// encodeEntry writes the row of an object: an array of
//
//	version, by (16 bytes if gone, else nil), origins, items, registers, lists
//
// where lists is there, and true, only if the object's item supersedes others; origins is a flat array of replica, seq, stamp (doubled, plus one if trusted), pieces, tag; items one of origin
// index, piece, hash; registers one of name, clock, siblings, the clock without the entries its siblings state, the
// siblings a flat array of origin index, piece, raw (nil if erased). The row of a gone object ends after by.
func encodeEntry(e *entry) []byte {
	o := e.object
	if o.Gone {
		b := codec.AppendUint(codec.AppendArray(make([]byte, 0, 24), 2), objectVersion)
		return codec.AppendBytes(b, o.By[:])
	}
	var origins []crdt.Origin
	index := func(from crdt.Origin) uint64 {
		for i := range origins {
			if origins[i].Dot == from.Dot {
				return uint64(i)
			}
		}
		origins = append(origins, from)
		return uint64(len(origins) - 1)
	}
	size := 64
	for i := range o.Registers {
		r := &o.Registers[i]
		size += 16 + len(r.Name) + 30*len(r.Clock)
		for j := range r.Siblings {
			size += 70 + len(r.Siblings[j].Raw)
			index(r.Siblings[j].Origin)
		}
	}
	for i := range o.Items {
		size += 70
		index(o.Items[i].Origin)
	}
	values := 5
	if e.lists {
		values = 6
	}
	b := codec.AppendArray(make([]byte, 0, size), values)
	b = codec.AppendUint(b, objectVersion)
	b = codec.AppendNil(b)
	b = codec.AppendArray(b, 5*len(origins))
	for i := range origins {
		from := &origins[i]
		b = codec.AppendBytes(b, from.Dot.Replica[:])
		b = codec.AppendUint(b, uint64(from.Dot.Seq))
		stamp := from.Stamp.MS * 2
		if from.Stamp.Trusted {
			stamp++
		}
		b = codec.AppendInt(b, stamp)
		b = codec.AppendUint(b, uint64(from.Pieces))
		b = codec.AppendBytes(b, from.Tag[:])
	}
	b = codec.AppendArray(b, 3*len(o.Items))
	for i := range o.Items {
		b = codec.AppendUint(b, index(o.Items[i].Origin))
		b = codec.AppendUint(b, uint64(o.Items[i].Piece))
		b = codec.AppendBytes(b, o.Items[i].Hash[:])
	}
	b = codec.AppendArray(b, 3*len(o.Registers))
	for i := range o.Registers {
		r := &o.Registers[i]
		b = codec.AppendString(b, r.Name)
		b = appendRest(b, r)
		b = codec.AppendArray(b, 3*len(r.Siblings))
		for j := range r.Siblings {
			s := &r.Siblings[j]
			b = codec.AppendUint(b, index(s.Origin))
			b = codec.AppendUint(b, uint64(s.Piece))
			if s.Erased {
				b = codec.AppendNil(b)
			} else {
				b = codec.AppendBytes(b, s.Raw)
			}
		}
	}
	if e.lists {
		b = codec.AppendBool(b, true)
	}
	return b
}

func appendRest(b []byte, r *crdt.Register) []byte {
	stated := func(d crdt.Dot) bool {
		return slices.ContainsFunc(r.Siblings, func(s crdt.Sibling) bool { return s.Origin.Dot == d })
	}
	n := 0
	for _, d := range r.Clock {
		if !stated(d) {
			n++
		}
	}
	b = codec.AppendArray(b, 2*n)
	for _, d := range r.Clock {
		if !stated(d) {
			b = codec.AppendUint(codec.AppendBytes(b, d.Replica[:]), uint64(d.Seq))
		}
	}
	return b
}

// decodeObject reads a row; it shares the bytes. nil gives an object nobody has written.
func decodeObject(row []byte) (*crdt.Object, error) { return decodeRow(row, "") }

// decodeEntry is decodeObject with what else the row says: whether the object's item supersedes others.
func decodeEntry(row []byte) (o *crdt.Object, lists bool, err error) { return decodeWhole(row, "") }

// decodeRow reads a row, and if only is not empty nothing of it but the register of that name.
func decodeRow(row []byte, only string) (*crdt.Object, error) {
	o, _, err := decodeWhole(row, only)
	return o, err
}

func decodeWhole(row []byte, only string) (o *crdt.Object, lists bool, err error) {
	o = new(crdt.Object)
	if row == nil {
		return o, false, nil
	}
	r := codec.NewReader(row)
	n := r.Array()
	if v := r.Uint(); r.Err() == nil && v != objectVersion {
		return nil, false, fmt.Errorf("object row of version %d: %w", v, crdt.ErrVersion)
	}
	if !r.Nil() {
		o.Gone = true
		r.Fixed(o.By[:])
		r.Skip(n - 2)
		return o, false, wrapRow(r.Done())
	}
	origins := make([]crdt.Origin, r.Array()/5)
	for i := range origins {
		from := &origins[i]
		r.Fixed(from.Dot.Replica[:])
		from.Dot.Seq = crdt.Seq(r.Uint())
		stamp := r.Int()
		from.Stamp = crdt.Stamp{Trusted: stamp&1 == 1, MS: stamp >> 1}
		from.Pieces = int(r.Uint())
		r.Fixed(from.Tag[:])
	}
	ref := func() (ref crdt.Ref) {
		i := r.Uint()
		ref.Piece = int(r.Uint())
		if i >= uint64(len(origins)) {
			r.Fail("origin %d of %d", i, len(origins))
			return ref
		}
		ref.Origin = origins[i]
		return ref
	}
	if n := r.Array() / 3; only != "" {
		r.Skip(3 * n)
	} else if n > 0 {
		o.Items = make([]crdt.Copy, n)
	}
	for i := range o.Items {
		o.Items[i].Ref = ref()
		r.Fixed(o.Items[i].Hash[:])
	}
	registers := r.Array() / 3
	if registers > 0 && only == "" {
		o.Registers = make([]crdt.Register, 0, registers)
	}
	for range registers {
		name := r.StringBytes()
		if only != "" && string(name) != only {
			r.Skip(2)
			continue
		}
		o.Registers = append(o.Registers, crdt.Register{Name: string(name)})
		reg := &o.Registers[len(o.Registers)-1]
		for range r.Array() / 2 {
			var d crdt.Dot
			r.Fixed(d.Replica[:])
			d.Seq = crdt.Seq(r.Uint())
			reg.Clock = append(reg.Clock, d)
		}
		if n := r.Array() / 3; n > 0 {
			reg.Siblings = make([]crdt.Sibling, n)
		}
		for j := range reg.Siblings {
			s := &reg.Siblings[j]
			s.Ref = ref()
			if s.Erased = r.Nil(); !s.Erased {
				s.Raw = r.Bytes()
			}
			reg.Clock = reg.Clock.With(s.Origin.Dot)
		}
	}
	if n > 5 {
		lists = r.Bool()
	}
	r.Skip(n - 6)
	return o, lists, wrapRow(r.Done())
}

func wrapRow(err error) error {
	if err != nil {
		return fmt.Errorf("object row: %w", err)
	}
	return nil
}
