package crdt

import (
	"fmt"
	"math"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// sealable refuses what could be encoded but would mean something else, or nothing, to every other till.
func (c *Commit) sealable() error {
	if c.Dot.Seq == 0 || c.Dot.Replica.IsZero() || c.Pred >= c.Dot.Seq {
		return fmt.Errorf("%w: not a valid number", codec.ErrMalformed)
	}
	if c.Scope.Kind == 0 || c.Scope.Kind >= ownedBit {
		return fmt.Errorf("%w: scope kind %d is not between 1 and 127", codec.ErrMalformed, c.Scope.Kind)
	}
	const maxMS = math.MaxInt64 / 4
	if max(c.Stamp.MS, c.WallMS) > maxMS || min(c.Stamp.MS, c.WallMS) < -maxMS {
		return fmt.Errorf("%w: time %d or %d cannot be written", codec.ErrMalformed, c.Stamp.MS, c.WallMS)
	}
	for i := range c.Pieces {
		if err := c.Pieces[i].sealable(c.Dot); err != nil {
			return fmt.Errorf("piece %d: %w", i, err)
		}
	}
	return nil
}

func (p *Piece) sealable(dot Dot) error {
	switch {
	case len(p.Salt) != 0 && len(p.Salt) != SaltSize:
		return fmt.Errorf("%w: salt of %d bytes", codec.ErrMalformed, len(p.Salt))
	case p.Erased:
		return fmt.Errorf("%w: an erased piece cannot be written again", codec.ErrMalformed)
	case p.Kind == KindRegister && (len(p.Objects) > 0 || len(p.Registers) > 0 || p.Erases != TypedObject{}):
		return fmt.Errorf("%w: only an item supersedes or erases", codec.ErrMalformed)
	case p.Kind == KindItem && len(p.Clock) > 0:
		return fmt.Errorf("%w: an item has no clock", codec.ErrMalformed)
	case p.Kind != KindRegister && p.Kind != KindItem:
		return fmt.Errorf("%w: piece kind %d: there are only registers and items", codec.ErrMalformed, p.Kind)
	case (p.Erases.Type == "") != p.Erases.Object.IsZero():
		return fmt.Errorf("%w: an object to erase without type or ID", codec.ErrMalformed)
	case !p.Clock.valid():
		return fmt.Errorf("%w: clock of register %q is not sorted", codec.ErrMalformed, clip(p.Name, MaxName))
	case p.Clock.Get(dot.Replica) > dot.Seq:
		return fmt.Errorf("%w: clock of register %q knows a later write of its own writer", codec.ErrMalformed,
			clip(p.Name, MaxName))
	}
	objects := 0
	for _, o := range p.Objects {
		objects += len(o.IDs)
	}
	if objects > maxSuperseded || len(p.Objects) > maxSuperseded || len(p.Registers) > maxSuperseded {
		return fmt.Errorf("%w: %d objects and %d registers superseded, at most %d each", ErrTooLarge, objects,
			len(p.Registers), maxSuperseded)
	}
	for i := range p.Registers {
		if !p.Registers[i].Clock.valid() {
			return fmt.Errorf("%w: clock of superseded register %q is not sorted", codec.ErrMalformed,
				clip(p.Registers[i].Name, MaxName))
		}
	}
	return nil
}

// check enforces the limits that hold for local and foreign commits alike.
func (c *Commit) check() error {
	limit := MaxCommit
	if len(c.Pieces) == 1 && c.Pieces[0].Kind == KindItem {
		limit = MaxLoneItem
	}
	for i := range c.Pieces {
		if c.Pieces[i].Erased {
			limit += erasedGrowth
		}
	}
	if len(c.raw) > limit {
		return fmt.Errorf("commit %v of %v: %w: %d bytes, at most %d", c.Dot, c.Scope, ErrTooLarge, len(c.raw), limit)
	}
	if len(c.Pieces) == 0 || len(c.Pieces) > MaxPieces {
		return fmt.Errorf("commit %v of %v: %w: %d pieces, at least 1 and at most %d", c.Dot, c.Scope, ErrTooLarge,
			len(c.Pieces), MaxPieces)
	}
	for i := range c.Pieces {
		if p := &c.Pieces[i]; !p.named() {
			return fmt.Errorf("commit %v of %v: %w: piece %d has type %q, name %q, or supersedes something without",
				c.Dot, c.Scope, codec.ErrMalformed, i, clip(p.Type, MaxName), clip(p.Name, MaxName))
		}
	}
	objects, twice := c.grouped()
	if objects < 0 {
		objects, twice = c.ungrouped()
	}
	switch {
	case objects > MaxObjects:
		return fmt.Errorf("commit %v of %v: %w: more than %d objects", c.Dot, c.Scope, ErrTooLarge, MaxObjects)
	case twice:
		return fmt.Errorf("commit %v of %v: %w: a register or item is written twice", c.Dot, c.Scope, codec.ErrMalformed)
	}
	return nil
}

// named reports whether every type and register name is there and not too long.
func (p *Piece) named() bool {
	fits := func(s string) bool {
		for i := range len(s) {
			if s[i] <= ' ' || s[i] > '~' { // names stand in store keys, where a zero byte ends them
				return false
			}
		}
		return s != "" && len(s) <= MaxName
	}
	if !fits(p.Type) || p.Kind == KindRegister && !fits(p.Name) || p.Kind == KindItem && p.Name != "" ||
		p.Erases.Type != "" && !fits(p.Erases.Type) {
		return false
	}
	for i := range p.Objects {
		if !fits(p.Objects[i].Type) {
			return false
		}
	}
	for i := range p.Registers {
		if !fits(p.Registers[i].Type) || !fits(p.Registers[i].Name) {
			return false
		}
	}
	return true
}

// grouped counts the objects and looks for a register or item that is written twice, without allocating, for commits
// that hold the pieces of each object one after another, as nearly all do. For others it returns -1.
func (c *Commit) grouped() (objects int, twice bool) {
	const maxGroup = 32 // more would make comparing each with each slower than a map
	var starts [MaxObjects]int
	first := 0
	for i := range c.Pieces {
		p := &c.Pieces[i]
		if i == 0 || p.Object != c.Pieces[first].Object {
			if objects == MaxObjects {
				return -1, false
			}
			for _, s := range starts[:objects] {
				if c.Pieces[s].Object == p.Object {
					return -1, false
				}
			}
			first = i
			starts[objects] = i
			objects++
			continue
		}
		if i-first > maxGroup {
			return -1, false
		}
		for j := first; j < i; j++ {
			if c.Pieces[j].Name == p.Name && c.Pieces[j].Type == p.Type {
				return objects, true
			}
		}
	}
	return objects, false
}

// ungrouped does the same for pieces in any order.
func (c *Commit) ungrouped() (count int, twice bool) {
	type slot struct {
		object     ObjectID
		kind, name string
	}
	slots := make(map[slot]struct{}, len(c.Pieces))
	objects := make(map[ObjectID]struct{}, MaxObjects)
	for i := range c.Pieces {
		p := &c.Pieces[i]
		slots[slot{p.Object, p.Type, p.Name}] = struct{}{}
		objects[p.Object] = struct{}{}
	}
	return len(objects), len(slots) < len(c.Pieces)
}
