package api

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// article is an article as it is shown and as it is written. When it is written, a member that is left out stays as it
// is; members that are only shown are taken and ignored.
type article struct {
	ID       string            `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters; left out in a batch: a new one is drawn"`
	Names    map[string]string `json:"names,omitempty" doc:"Name by language, at most 200 characters each; a new article needs one" example:"{\"de\":\"Espresso\",\"en\":\"Espresso\"}"`
	Short    *string           `json:"short,omitempty" maxLength:"200" doc:"Shorter German name for receipts; empty: none"`
	Barcodes *[]string         `json:"barcodes,omitempty" maxItems:"100" nullable:"false" doc:"Digits and ASCII letters, the main one first" example:"[\"4001234567890\"]"`
	PLU      *string           `json:"plu,omitempty" maxLength:"48" doc:"Short number typed by hand; empty: none" example:"12"`
	Group    *string           `json:"group,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the group; empty: none"`
	Colour   *string           `json:"colour,omitempty" maxLength:"7" doc:"#rrggbb in small letters; empty: the default" example:"#1a2b3c"`
	Sort     *int64            `json:"sort,omitempty" minimum:"-2147483648" maximum:"2147483648" doc:"Position within the group"`
	Prices   []price           `json:"prices,omitempty" maxItems:"1000" nullable:"false" doc:"One per start date; the latest that is not after the business day applies. When written, start dates that are not listed stay as they are"`
	Deposit  *string           `json:"deposit,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the article sold along with every unit (Pfand); empty: none"`
	Archived *bool             `json:"archived,omitempty" doc:"No longer offered"`

	Updated      string     `json:"updated,omitempty" readOnly:"true" doc:"When it was archived or brought back, RFC 3339; left out if never"`
	UpdateNeeded bool       `json:"update_needed,omitempty" readOnly:"true" doc:"A newer program wrote a part that this till cannot read"`
	Conflicts    []conflict `json:"conflicts,omitempty" readOnly:"true" nullable:"false" doc:"Members that two tills changed at the same time. The first value is shown; writing the member decides"`
}

// price is what an article costs from a business day on.
type price struct {
	From        string `json:"from" format:"date" doc:"First business day, YYYY-MM-DD" example:"2026-01-01"`
	Price       int64  `json:"price" required:"false" minimum:"-10000000000000" maximum:"10000000000000" doc:"Gross, in minor units" example:"340"`
	Open        bool   `json:"open,omitempty" doc:"The price is typed at the till; price is what it starts with"`
	Currency    string `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217; left out when written: the currency of the shop" example:"EUR"`
	Tax         string `json:"tax,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the tax, for eating in where that makes a difference"`
	TaxTakeaway string `json:"tax_takeaway,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the tax for taking away; empty: the same"`
	Unit        string `json:"unit,omitempty" maxLength:"20" doc:"Empty: pieces" example:"kg"`
	Decimals    bool   `json:"decimals,omitempty" doc:"Quantities may have decimals"`
	Withdrawn   bool   `json:"withdrawn,omitempty" doc:"When written: this start date was a mistake and does not count any more. Withdrawn prices are not shown"`
}

// conflict is a member that tills changed without knowing of each other.
type conflict struct {
	Register string          `json:"register" doc:"Part of the document: names, codes (barcodes, plu), place (group, sort, colour), price/DATE, rate/DATE, deposit, life (archived), business, money, day, shop" example:"price/2026-01-01"`
	Values   []conflictValue `json:"values" nullable:"false" doc:"The one that is shown first"`
}

// conflictValue is one of the values.
type conflictValue struct {
	At    string `json:"at" doc:"When it was written, RFC 3339"`
	Value any    `json:"value" doc:"The members of that part; null if this till is too old to read it"`
}

func showArticle(id crdt.ObjectID, a catalog.Article, err error) article {
	out := article{
		ID: id.String(), Names: a.Names.Name, Short: ref(a.Names.Receipt[catalog.DefaultLanguage]),
		Barcodes: ref(orEmpty(a.Codes.Barcodes)), PLU: &a.Codes.PLU, Group: ref(objectText(a.Place.Group)), Colour: &a.Place.Colour,
		Sort: &a.Place.Sort, Prices: []price{}, Deposit: ref(objectText(a.Deposit.Article)), Archived: &a.Life.Archived,
		Updated: instantMS(a.Life.SinceMS), UpdateNeeded: err != nil, Conflicts: showConflicts(a.Conflicts),
	}
	for _, p := range a.Prices {
		if p.Err == nil && !p.Withdrawn {
			out.Prices = append(out.Prices, showPrice(p.From, p.Price))
		}
	}
	return out
}

func ref[T any](v T) *T { return &v }

func showPrice(from string, p catalog.Price) price {
	return price{
		From: from, Price: p.Amount, Open: p.Open, Currency: p.Currency, Tax: objectText(p.Tax), TaxTakeaway: objectText(p.TaxAway),
		Unit: p.Unit, Decimals: p.Decimals, Withdrawn: p.Withdrawn,
	}
}

func showConflicts(list []catalog.Conflict) []conflict {
	out := make([]conflict, 0, len(list))
	for _, c := range list {
		shown := conflict{Register: c.Register}
		for _, v := range c.Values {
			shown.Values = append(shown.Values, conflictValue{instantMS(v.Stamp.MS), showValue(v.Value)})
		}
		out = append(out, shown)
	}
	return out
}

// showValue shows a register of the catalog with the names its members have in the API.
func showValue(v any) any {
	switch v := v.(type) {
	case catalog.Names:
		return map[string]any{"names": v.Name, "short": v.Receipt[catalog.DefaultLanguage]}
	case catalog.Codes:
		return map[string]any{"barcodes": orEmpty(v.Barcodes), "plu": v.PLU}
	case catalog.Place:
		return map[string]any{"group": objectText(v.Group), "sort": v.Sort, "colour": v.Colour}
	case catalog.GroupPlace:
		return map[string]any{"parent": objectText(v.Parent), "sort": v.Sort, "colour": v.Colour}
	case catalog.Price:
		return showPrice("", v)
	case catalog.Rate:
		return showRate("", v)
	case catalog.Deposit:
		return map[string]any{"deposit": objectText(v.Article)}
	case catalog.Life:
		return map[string]any{"archived": v.Archived}
	}
	return nil
}

// partial reports whether the row names a part of what is stored in one piece: then the rest has to be looked up first.
func (a *article) partial() bool {
	names := (a.Names != nil) != (a.Short != nil)
	codes := (a.Barcodes != nil) != (a.PLU != nil)
	place := a.Group != nil || a.Colour != nil || a.Sort != nil // a picture may be there too
	return names || codes || place || a.Archived != nil
}

// edit returns what writing the article changes. now is Unix milliseconds, field the place of the article in the request,
// with a dot at its end.
func (a *article) edit(field string, was catalog.Article, currency string, now int64) (catalog.ArticleEdit, error) {
	var e catalog.ArticleEdit
	e.Names = editNames(a.Names, a.Short, was.Names)
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
	e.Life = editLife(a.Archived, was.Life, now)
	for i, p := range a.Prices {
		at := field + "prices[" + strconv.Itoa(i) + "]."
		if _, twice := e.Prices[p.From]; twice {
			return e, invalid(at+"from", "%sfrom: %s is listed twice", at, p.From)
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

func (p price) value(field, currency string) (catalog.Price, error) {
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

// editNames returns the names with what is given put over what was; nil if nothing is given.
func editNames(given map[string]string, short *string, was catalog.Names) *catalog.Names {
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

// editLife returns the life as given, nil if it is so already.
func editLife(archived *bool, was catalog.Life, now int64) *catalog.Life {
	if archived == nil || *archived == was.Archived {
		return nil
	}
	return &catalog.Life{Archived: *archived, SinceMS: now}
}

// decided returns the registers in conflict that an edit names: writing one decides it, even for the value shown.
func decided(conflicts []catalog.Conflict, named ...string) (out []string) {
	for _, c := range conflicts {
		if slices.Contains(named, c.Register) {
			out = append(out, c.Register)
		}
	}
	return out
}
