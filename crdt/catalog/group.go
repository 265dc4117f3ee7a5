package catalog

import (
	"errors"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// Group is what a till shows of a group of articles.
type Group struct {
	Names     Names
	Place     GroupPlace
	Life      Life
	Conflicts []Conflict
}

// ViewGroup computes what to show of a merged group. If a register cannot be read the error names it and the group holds
// all others.
func ViewGroup(obj *crdt.Object) (Group, error) {
	var errs []error
	g := Group{
		Names:     shown(obj, RegisterNames, ParseNames, &errs),
		Place:     shown(obj, RegisterPlace, ParseGroupPlace, &errs),
		Life:      shown(obj, RegisterLife, ParseLife, &errs),
		Conflicts: conflicts(obj, readGroup),
	}
	if len(errs) > 0 {
		return g, fmt.Errorf("group: %w", errors.Join(errs...))
	}
	return g, nil
}

func readGroup(register string, raw []byte) (any, error) {
	switch register {
	case RegisterNames:
		return typed(ParseNames(raw))
	case RegisterPlace:
		return typed(ParseGroupPlace(raw))
	case RegisterLife:
		return typed(ParseLife(raw))
	}
	return nil, nil
}

// GroupEdit says what is to be as given; nil fields stay as they are.
type GroupEdit struct {
	Names   *Names
	Place   *GroupPlace
	Life    *Life
	Resolve []string // registers to write even if the value is the one shown, which decides a conflict for it
}

// EditGroup returns the register writes that make a group so, none if it is so already. obj is the merged group, nil or
// empty for a new one. A value against the rules comes back as [ErrInvalid].
func EditGroup(id crdt.ObjectID, obj *crdt.Object, e GroupEdit) ([]crdt.Piece, error) {
	w := newWriter(TypeGroup, id, obj, e.Resolve)
	w.names(e.Names)
	if e.Place != nil {
		if e.Place.Parent == id && !id.IsZero() {
			w.errs = append(w.errs, fmt.Errorf("%w: a group cannot be within itself", ErrInvalid))
		}
		w.put(RegisterPlace, *e.Place, false)
	}
	if e.Life != nil {
		w.put(RegisterLife, *e.Life, false)
	}
	return w.done()
}
