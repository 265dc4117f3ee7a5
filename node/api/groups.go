package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

// group is a group of articles as it is shown and written; see goods.Article for what is left out.
type group struct {
	ID       string            `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters"`
	Names    map[string]string `json:"names,omitempty" doc:"Name by language, at most 200 characters each; a new group needs one" example:"{\"de\":\"Heißgetränke\"}"`
	Parent   *string           `json:"parent,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the group it is in; empty: none"`
	Sort     *int64            `json:"sort,omitempty" minimum:"-2147483648" maximum:"2147483648" doc:"Position among the groups of the parent"`
	Colour   *string           `json:"colour,omitempty" maxLength:"7" doc:"#rrggbb in small letters; empty: the default" example:"#1a2b3c"`
	Archived *bool             `json:"archived,omitempty" doc:"No longer offered"`

	Updated      string           `json:"updated,omitempty" readOnly:"true" doc:"When it was archived or brought back, RFC 3339; left out if never"`
	UpdateNeeded bool             `json:"update_needed,omitempty" readOnly:"true" doc:"A newer program wrote a part that this till cannot read"`
	Conflicts    []goods.Conflict `json:"conflicts,omitempty" readOnly:"true" nullable:"false" doc:"Members that two tills changed at the same time"`
}

func showGroup(id crdt.ObjectID, g catalog.Group, err error) group {
	return group{
		ID: id.String(), Names: g.Names.Name, Parent: ref(objectText(g.Place.Parent)), Sort: &g.Place.Sort, Colour: &g.Place.Colour,
		Archived: &g.Life.Archived, Updated: instantMS(g.Life.SinceMS), UpdateNeeded: err != nil, Conflicts: goods.ShowConflicts(g.Conflicts),
	}
}

func (s *server) addGroups() {
	add(s, operation(http.MethodGet, "/api/v1/groups", "Groups", "list-groups", "List groups of articles", `In the order of their IDs.`), s.listGroups)
	add(s, operation(http.MethodGet, "/api/v1/groups/{id}", "Groups", "get-group", "Get a group", ``), s.getGroup)
	add(s, operation(http.MethodPut, "/api/v1/groups/{id}", "Groups", "put-group", "Write a group",
		`Makes the group if there is none under this ID, and answers with it as it is then. Members that are left out stay as they are.`), s.putGroup)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/groups/{id}", "Groups", "archive-group", "Archive a group",
		`It is no longer offered; its articles stay. Write "archived": false to bring it back.`), s.archiveGroup)
}

// listIn are the parameters of lists of groups and taxes.
type listIn struct {
	Limit    int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After    string `query:"after" maxLength:"26" doc:"Cursor: the member next of the answer before"`
	Archived string `query:"archived" enum:"true,false" doc:"Only archived ones, or only others; left out: both"`
}

func (s *server) listGroups(ctx context.Context, in *listIn) (page[group], error) {
	from, more, err := startAfter(in.After)
	if err != nil || !more {
		return page[group]{Items: []group{}}, err
	}
	list, next, err := s.till.Groups(ctx, yesNo(in.Archived), from, in.Limit)
	return shape(list, next, showGroup), err
}

func (s *server) getGroup(ctx context.Context, in *oneIn) (group, error) {
	id, err := in.object()
	if err != nil {
		return group{}, err
	}
	g, err := s.till.Group(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return group{}, err
	}
	return showGroup(id, g, err), nil
}

func (s *server) putGroup(ctx context.Context, in *withID[group]) (group, error) {
	id, err := in.object()
	if err != nil {
		return group{}, err
	}
	if err := sameID(in.ID, in.Body.ID); err != nil {
		return group{}, err
	}
	defer s.edits.begin()()
	was, err := s.till.Group(ctx, id)
	if err != nil && !errors.Is(err, node.ErrNotFound) && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return group{}, err
	}
	b := &in.Body
	e := catalog.GroupEdit{Names: goods.EditNames(b.Names, nil, was.Names), Life: goods.EditLife(b.Archived, was.Life, s.till.Now().UnixMilli())}
	var written []string
	if e.Names != nil {
		written = append(written, catalog.RegisterNames)
	}
	if b.Parent != nil || b.Sort != nil || b.Colour != nil {
		place := was.Place
		if b.Parent != nil {
			if place.Parent, err = parseObject("body.parent", *b.Parent); err != nil {
				return group{}, err
			}
		}
		place.Sort, place.Colour = had(b.Sort, place.Sort), had(b.Colour, place.Colour)
		e.Place, written = &place, append(written, catalog.RegisterPlace)
	}
	e.Resolve = goods.Decided(was.Conflicts, written...)
	if err := s.till.EditGroup(ctx, id, e); err != nil {
		return group{}, err
	}
	return s.getGroup(ctx, &oneIn{in.ID})
}

func (s *server) archiveGroup(ctx context.Context, in *oneIn) error {
	id, err := in.object()
	if err != nil {
		return err
	}
	defer s.edits.begin()()
	g, err := s.till.Group(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return err
	}
	if life := goods.EditLife(ref(true), g.Life, s.till.Now().UnixMilli()); life != nil {
		return s.till.EditGroup(ctx, id, catalog.GroupEdit{Life: life})
	}
	return nil
}
