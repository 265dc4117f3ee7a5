package goods

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// Partial reports whether the row names a part of what is stored in one piece: then the rest has to be looked up first.
func (a *Article) Partial() bool {
	names := (a.Names != nil) != (a.Short != nil)
	codes := (a.Barcodes != nil) != (a.PLU != nil)
	place := a.Group != nil || a.Colour != nil || a.Sort != nil // a picture may be there too
	return names || codes || place || a.Archived != nil
}

// Edit returns what writing the article changes. now is Unix milliseconds, field the place of the article in the request,
// with a dot at its end.
func (a *Article) Edit(field string, was catalog.Article, currency string, now int64) (catalog.ArticleEdit, error) {
	var e catalog.ArticleEdit
	e.Names = EditNames(a.Names, a.Short, was.Names)
	if a.Barcodes != nil || a.PLU != nil {
		e.Codes = &catalog.Codes{Barcodes: had(a.Barcodes, was.Codes.Barcodes), PLU: had(a.PLU, was.Codes.PLU)}
	}
	if a.Group != nil || a.Colour != nil || a.Sort != nil {
		place := was.Place
		if a.Group != nil {
			var err error
			if place.Group, err = parseObject(field+"group", *a.Group); err != nil {
				return e, err
			}
		}
		place.Colour, place.Sort = had(a.Colour, place.Colour), had(a.Sort, place.Sort)
		e.Place = &place
	}
	if a.Deposit != nil {
		id, err := parseObject(field+"deposit", *a.Deposit)
		if err != nil {
			return e, err
		}
		e.Deposit = &catalog.Deposit{Article: id}
	}
	e.Life = EditLife(a.Archived, was.Life, now)
	for i, p := range a.Prices {
		at := field + "prices[" + strconv.Itoa(i) + "]."
		if _, twice := e.Prices[p.From]; twice {
			return e, refused(at+"from", "%sfrom: %s is listed twice", at, p.From)
		}
		v, err := p.value(at, currency)
		if err != nil {
			return e, err
		}
		if e.Prices == nil {
			e.Prices = make(map[string]catalog.Price, len(a.Prices))
		}
		e.Prices[p.From] = v
	}
	return e, nil
}

func (p Price) value(field, currency string) (catalog.Price, error) {
	tax, err := parseObject(field+"tax", p.Tax)
	if err != nil {
		return catalog.Price{}, err
	}
	away, err := parseObject(field+"tax_takeaway", p.TaxTakeaway)
	return catalog.Price{
		Amount: p.Price, Currency: cmp.Or(p.Currency, currency), Tax: tax, TaxAway: away, Unit: p.Unit, Decimals: p.Decimals,
		Open: p.Open, Withdrawn: p.Withdrawn,
	}, err
}

// EditNames returns the names with what is given put over what was; nil if nothing is given.
func EditNames(given map[string]string, short *string, was catalog.Names) *catalog.Names {
	if given == nil && short == nil {
		return nil
	}
	n := catalog.Names{Name: was.Name, Receipt: was.Receipt}
	if given != nil {
		n.Name = given
	}
	if short != nil {
		n.Receipt = maps.Clone(was.Receipt)
		if *short == "" {
			delete(n.Receipt, catalog.DefaultLanguage)
		} else {
			if n.Receipt == nil {
				n.Receipt = make(map[string]string, 1)
			}
			n.Receipt[catalog.DefaultLanguage] = *short
		}
	}
	return &n
}

// EditLife returns the life as given, nil if it is so already.
func EditLife(archived *bool, was catalog.Life, now int64) *catalog.Life {
	if archived == nil || *archived == was.Archived {
		return nil
	}
	return &catalog.Life{Archived: *archived, SinceMS: now}
}

// Decided returns the registers in conflict that an edit names: writing one decides it, even for the value shown.
func Decided(conflicts []catalog.Conflict, named ...string) (out []string) {
	for _, c := range conflicts {
		if slices.Contains(named, c.Register) {
			out = append(out, c.Register)
		}
	}
	return out
}

// Named lists the registers of an edit.
func Named(e catalog.ArticleEdit) (out []string) {
	for register, given := range map[string]bool{
		catalog.RegisterNames: e.Names != nil, catalog.RegisterCodes: e.Codes != nil, catalog.RegisterPlace: e.Place != nil,
		catalog.RegisterDeposit: e.Deposit != nil, catalog.RegisterLife: e.Life != nil,
	} {
		if given {
			out = append(out, register)
		}
	}
	for day := range e.Prices {
		out = append(out, catalog.RegisterPrice+day)
	}
	return out
}

// parseObject reads the ID of an object; an empty text is the zero ID.
func parseObject(field, s string) (crdt.ObjectID, error) {
	if s == "" {
		return crdt.ObjectID{}, nil
	}
	id, err := crdt.ParseObjectID(s)
	if err != nil {
		return id, refused(field, "%s: %v", field, err)
	}
	return id, nil
}

func refused(field, format string, args ...any) *httpapi.Problem {
	p := httpapi.Refused(httpapi.CodeInvalid, field, "", format, args...)
	return &p
}

// had is the value behind a pointer, and the other one if there is none.
func had[T any](p *T, otherwise T) T {
	if p != nil {
		return *p
	}
	return otherwise
}
