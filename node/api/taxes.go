package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

// tax is a tax as it is shown and written; see goods.Article for what is left out.
type tax struct {
	ID       string            `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters"`
	Names    map[string]string `json:"names,omitempty" doc:"Name by language, at most 200 characters each; a new tax needs one" example:"{\"de\":\"MwSt. normal\"}"`
	Rates    []goods.Rate      `json:"rates,omitempty" maxItems:"1000" nullable:"false" doc:"One per start date; the latest that is not after the business day applies. When written, start dates that are not listed stay as they are"`
	Archived *bool             `json:"archived,omitempty" doc:"No longer offered"`

	Updated      string           `json:"updated,omitempty" readOnly:"true" doc:"When it was archived or brought back, RFC 3339; left out if never"`
	UpdateNeeded bool             `json:"update_needed,omitempty" readOnly:"true" doc:"A newer program wrote a part that this till cannot read"`
	Conflicts    []goods.Conflict `json:"conflicts,omitempty" readOnly:"true" nullable:"false" doc:"Members that two tills changed at the same time"`
}

func showTax(id crdt.ObjectID, t catalog.Tax, err error) tax {
	out := tax{
		ID: id.String(), Names: t.Names.Name, Rates: []goods.Rate{}, Archived: &t.Life.Archived, Updated: instantMS(t.Life.SinceMS),
		UpdateNeeded: err != nil, Conflicts: goods.ShowConflicts(t.Conflicts),
	}
	for _, r := range t.Rates {
		if r.Err == nil && !r.Withdrawn {
			out.Rates = append(out.Rates, goods.ShowRate(r.From, r.Rate))
		}
	}
	return out
}

func (s *server) addTaxes() {
	add(s, operation(http.MethodGet, "/api/v1/taxes", "Taxes", "list-taxes", "List taxes", `In the order of their IDs.`), s.listTaxes)
	add(s, operation(http.MethodGet, "/api/v1/taxes/{id}", "Taxes", "get-tax", "Get a tax", ``), s.getTax)
	add(s, operation(http.MethodPut, "/api/v1/taxes/{id}", "Taxes", "put-tax", "Write a tax",
		`Makes the tax if there is none under this ID, and answers with it as it is then. Members that are left out stay as they
are; rates that are listed are set, start dates that are not listed stay.`), s.putTax)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/taxes/{id}", "Taxes", "archive-tax", "Archive a tax",
		`It is no longer offered; prices that name it stay. Write "archived": false to bring it back.`), s.archiveTax)
}

func (s *server) listTaxes(ctx context.Context, in *listIn) (page[tax], error) {
	from, more, err := startAfter(in.After)
	if err != nil || !more {
		return page[tax]{Items: []tax{}}, err
	}
	list, next, err := s.till.Taxes(ctx, yesNo(in.Archived), from, in.Limit)
	return shape(list, next, showTax), err
}

func (s *server) getTax(ctx context.Context, in *oneIn) (tax, error) {
	id, err := in.object()
	if err != nil {
		return tax{}, err
	}
	t, err := s.till.Tax(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return tax{}, err
	}
	return showTax(id, t, err), nil
}

func (s *server) putTax(ctx context.Context, in *withID[tax]) (tax, error) {
	id, err := in.object()
	if err != nil {
		return tax{}, err
	}
	if err := sameID(in.ID, in.Body.ID); err != nil {
		return tax{}, err
	}
	defer s.edits.begin()()
	was, err := s.till.Tax(ctx, id)
	if err != nil && !errors.Is(err, node.ErrNotFound) && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return tax{}, err
	}
	b := &in.Body
	e := catalog.TaxEdit{Names: goods.EditNames(b.Names, nil, was.Names), Life: goods.EditLife(b.Archived, was.Life, s.till.Now().UnixMilli())}
	var written []string
	if e.Names != nil {
		written = append(written, catalog.RegisterNames)
	}
	for i, r := range b.Rates {
		if _, twice := e.Rates[r.From]; twice {
			at := "body.rates[" + strconv.Itoa(i) + "].from"
			return tax{}, invalid(at, "%s: %s is listed twice", at, r.From)
		}
		if e.Rates == nil {
			e.Rates = make(map[string]catalog.Rate, len(b.Rates))
		}
		e.Rates[r.From] = catalog.Rate{BasisPoints: r.Rate, FiscalKey: r.Key, Set: r.Set, Withdrawn: r.Withdrawn}
		written = append(written, catalog.RegisterRate+r.From)
	}
	e.Resolve = goods.Decided(was.Conflicts, written...)
	if err := s.till.EditTax(ctx, id, e); err != nil {
		return tax{}, err
	}
	return s.getTax(ctx, &oneIn{in.ID})
}

func (s *server) archiveTax(ctx context.Context, in *oneIn) error {
	id, err := in.object()
	if err != nil {
		return err
	}
	defer s.edits.begin()()
	t, err := s.till.Tax(ctx, id)
	if err != nil && !errors.Is(err, crdt.ErrUpdateNeeded) {
		return err
	}
	if life := goods.EditLife(ref(true), t.Life, s.till.Now().UnixMilli()); life != nil {
		return s.till.EditTax(ctx, id, catalog.TaxEdit{Life: life})
	}
	return nil
}
