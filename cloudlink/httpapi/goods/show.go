// Package goods is the JSON of articles, the same at a till and at the cloud: how they are shown, and what writing one changes.
package goods

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
)

// Article is an article as it is shown and as it is written. When it is written, a member that is left out stays as it
// is; members that are only shown are taken and ignored.
type Article struct {
	ID       string            `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters; left out in a batch: a new one is drawn"`
	Names    map[string]string `json:"names,omitempty" doc:"Name by language, at most 200 characters each; a new article needs one" example:"{\"de\":\"Espresso\",\"en\":\"Espresso\"}"`
	Short    *string           `json:"short,omitempty" maxLength:"200" doc:"Shorter German name for receipts; empty: none"`
	Barcodes *[]string         `json:"barcodes,omitempty" maxItems:"100" nullable:"false" doc:"Digits and ASCII letters, the main one first" example:"[\"4001234567890\"]"`
	PLU      *string           `json:"plu,omitempty" maxLength:"48" doc:"Short number typed by hand; empty: none" example:"12"`
	Group    *string           `json:"group,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the group; empty: none"`
	Colour   *string           `json:"colour,omitempty" maxLength:"7" doc:"#rrggbb in small letters; empty: the default" example:"#1a2b3c"`
	Sort     *int64            `json:"sort,omitempty" minimum:"-2147483648" maximum:"2147483648" doc:"Position within the group"`
	Prices   []Price           `json:"prices,omitempty" maxItems:"1000" nullable:"false" doc:"One per start date; the latest that is not after the business day applies. When written, start dates that are not listed stay as they are"`
	Deposit  *string           `json:"deposit,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the article sold along with every unit (Pfand); empty: none"`
	Archived *bool             `json:"archived,omitempty" doc:"No longer offered"`

	Updated      string     `json:"updated,omitempty" readOnly:"true" doc:"When it was archived or brought back, RFC 3339; left out if never"`
	UpdateNeeded bool       `json:"update_needed,omitempty" readOnly:"true" doc:"A newer program wrote a part that this program cannot read"`
	Conflicts    []Conflict `json:"conflicts,omitempty" readOnly:"true" nullable:"false" doc:"Members that were changed in two places at the same time. The first value is shown; writing the member decides"`
}

// Price is what an article costs from a business day on.
type Price struct {
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

// Conflict is a member that was changed in two places without one knowing of the other.
type Conflict struct {
	Register string          `json:"register" doc:"Part of the document: names, codes (barcodes, plu), place (group, sort, colour), price/DATE, rate/DATE, deposit, life (archived), business, money, day, shop" example:"price/2026-01-01"`
	Values   []ConflictValue `json:"values" nullable:"false" doc:"The one that is shown first"`
}

// ConflictValue is one of the values.
type ConflictValue struct {
	At    string `json:"at" doc:"When it was written, RFC 3339"`
	Value any    `json:"value" doc:"The members of that part; null if this program is too old to read it"`
}

// Rate is the rate of a tax from a business day on.
type Rate struct {
	From      string `json:"from" format:"date" doc:"First business day, YYYY-MM-DD" example:"2020-01-01"`
	Rate      int64  `json:"rate" required:"false" minimum:"0" maximum:"10000" doc:"Basis points: 1900 is 19 %" example:"1900"`
	Key       int64  `json:"key" required:"false" minimum:"0" maximum:"999999" doc:"Number of the rate in fiscal exports (UST_SCHLUESSEL of DSFinV-K), 0 if not known" example:"1"`
	Set       string `json:"set,omitempty" maxLength:"40" doc:"Austria: the set its amounts are reported in" example:"Normal"`
	Withdrawn bool   `json:"withdrawn,omitempty" doc:"When written: this start date was a mistake and does not count any more. Withdrawn rates are not shown"`
}

// Show shows an article. err says that a part of it is too new for this program.
func Show(id crdt.ObjectID, a catalog.Article, err error) Article {
	out := Article{
		ID: id.String(), Names: a.Names.Name, Short: ref(a.Names.Receipt[catalog.DefaultLanguage]),
		Barcodes: ref(orEmpty(a.Codes.Barcodes)), PLU: &a.Codes.PLU, Group: ref(objectText(a.Place.Group)), Colour: &a.Place.Colour,
		Sort: &a.Place.Sort, Prices: []Price{}, Deposit: ref(objectText(a.Deposit.Article)), Archived: &a.Life.Archived,
		Updated: Instant(a.Life.SinceMS), UpdateNeeded: err != nil, Conflicts: ShowConflicts(a.Conflicts),
	}
	for _, p := range a.Prices {
		if p.Err == nil && !p.Withdrawn {
			out.Prices = append(out.Prices, showPrice(p.From, p.Price))
		}
	}
	return out
}

func showPrice(from string, p catalog.Price) Price {
	return Price{
		From: from, Price: p.Amount, Open: p.Open, Currency: p.Currency, Tax: objectText(p.Tax), TaxTakeaway: objectText(p.TaxAway),
		Unit: p.Unit, Decimals: p.Decimals, Withdrawn: p.Withdrawn,
	}
}

// ShowRate shows a rate.
func ShowRate(from string, r catalog.Rate) Rate {
	return Rate{From: from, Rate: r.BasisPoints, Key: r.FiscalKey, Set: r.Set, Withdrawn: r.Withdrawn}
}

// ShowConflicts shows what was changed in two places.
func ShowConflicts(list []catalog.Conflict) []Conflict {
	out := make([]Conflict, 0, len(list))
	for _, c := range list {
		shown := Conflict{Register: c.Register}
		for _, v := range c.Values {
			shown.Values = append(shown.Values, ConflictValue{Instant(v.Stamp.MS), showValue(v.Value)})
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
		return ShowRate("", v)
	case catalog.Deposit:
		return map[string]any{"deposit": objectText(v.Article)}
	case catalog.Life:
		return map[string]any{"archived": v.Archived}
	}
	return nil
}

// Instant writes Unix milliseconds as RFC 3339 in UTC with milliseconds, 0 as nothing.
func Instant(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05.000Z")
}

// objectText writes the ID of an object, the zero ID as nothing.
func objectText(id crdt.ObjectID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func ref[T any](v T) *T { return &v }

func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
