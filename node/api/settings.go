package api

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
	"github.com/tillmesh/tillmesh/crdt/shop"
)

// settings are those of the shop, as they are shown and written.
type settings struct {
	ShopName         *string          `json:"shop_name,omitempty" maxLength:"200" doc:"Shown on screens and when tills find each other" example:"Café Sonnenschein"`
	Business         *business        `json:"business,omitempty" doc:"Who sells, as receipts say; written whole"`
	Currency         *string          `json:"currency,omitempty" maxLength:"3" doc:"ISO 4217" example:"EUR"`
	TimeZone         *string          `json:"time_zone,omitempty" maxLength:"64" doc:"IANA name" example:"Europe/Berlin"`
	DayCutoffMinutes *int64           `json:"day_cutoff_minutes,omitempty" minimum:"0" maximum:"1439" doc:"Minutes after midnight until which the business day before goes on" example:"240"`
	Print            *printRule       `json:"print,omitempty" doc:"When a receipt may be printed"`
	Conflicts        []goods.Conflict `json:"conflicts,omitempty" readOnly:"true" nullable:"false" doc:"Members that two tills changed at the same time. The first value is shown; writing the member decides"`
}

// business is who sells.
type business struct {
	Name      string `json:"name,omitempty" maxLength:"200"`
	Street    string `json:"street,omitempty" maxLength:"200" doc:"With house number"`
	Postcode  string `json:"postcode,omitempty" maxLength:"40"`
	Town      string `json:"town,omitempty" maxLength:"200"`
	Country   string `json:"country,omitempty" maxLength:"2" doc:"ISO 3166-1 alpha-2; left out when written: as it is" example:"DE"`
	TaxNumber string `json:"tax_number,omitempty" maxLength:"40" doc:"Receipts in Germany need it or the VAT ID"`
	VATID     string `json:"vat_id,omitempty" maxLength:"40"`
}

func (s *server) addSettings() {
	add(s, operation(http.MethodGet, "/api/v1/settings", "Shop", "get-settings", "Get the settings of the shop", ``),
		func(ctx context.Context, _ *struct{}) (settings, error) {
			v, err := s.till.Settings(ctx)
			return showSettings(v), err
		})
	add(s, operation(http.MethodPut, "/api/v1/settings", "Shop", "put-settings", "Write settings of the shop",
		`They hold for all tills. Members that are left out stay as they are. The answer is all of them as they are then.`), s.putSettings)
}

func showSettings(v shop.Settings) settings {
	out := settings{
		ShopName: &v.Shop.Name, Currency: &v.Money.Currency, TimeZone: &v.Day.Zone, DayCutoffMinutes: &v.Day.CutOff,
		Business: ref(showBusiness(v.Business)), Print: showPrintRule(v.Print), Conflicts: make([]goods.Conflict, 0, len(v.Conflicts)),
	}
	for _, c := range v.Conflicts {
		shown := goods.Conflict{Register: c.Register}
		for _, x := range c.Values {
			shown.Values = append(shown.Values, goods.ConflictValue{At: instantMS(x.Stamp.MS), Value: showSetting(x.Value)})
		}
		out.Conflicts = append(out.Conflicts, shown)
	}
	return out
}

func showBusiness(b shop.Business) business {
	return business{Name: b.Name, Street: b.Street, Postcode: b.Postcode, Town: b.Town, Country: b.Country, TaxNumber: b.TaxNumber, VATID: b.VATID}
}

func showSetting(v any) any {
	switch v := v.(type) {
	case shop.Business:
		return map[string]any{"business": showBusiness(v)}
	case shop.Money:
		return map[string]any{"currency": v.Currency}
	case shop.Day:
		return map[string]any{"time_zone": v.Zone, "day_cutoff_minutes": v.CutOff}
	case shop.Shop:
		return map[string]any{"shop_name": v.Name}
	case shop.PrintRule:
		return map[string]any{"print": showPrintRule(v)}
	}
	return nil
}

type putSettingsIn struct{ Body settings }

func (s *server) putSettings(ctx context.Context, in *putSettingsIn) (settings, error) {
	defer s.edits.begin()()
	was, err := s.till.Settings(ctx)
	if err != nil {
		return settings{}, err
	}
	b, e := &in.Body, shop.SettingsEdit{}
	written := make(map[string]bool)
	if b.ShopName != nil {
		e.Shop, written[shop.RegisterShop] = &shop.Shop{Name: *b.ShopName}, true
	}
	if v := b.Business; v != nil {
		e.Business, written[shop.RegisterBusiness] = &shop.Business{
			Name: v.Name, Street: v.Street, Postcode: v.Postcode, Town: v.Town, Country: cmp.Or(v.Country, was.Business.Country),
			TaxNumber: v.TaxNumber, VATID: v.VATID,
		}, true
	}
	if b.Currency != nil {
		e.Money, written[shop.RegisterMoney] = &shop.Money{Currency: *b.Currency}, true
	}
	if b.TimeZone != nil || b.DayCutoffMinutes != nil {
		day := shop.Day{Zone: had(b.TimeZone, was.Day.Zone), CutOff: had(b.DayCutoffMinutes, was.Day.CutOff)}
		// "Local" would mean another zone on every till.
		if _, err := time.LoadLocation(day.Zone); err != nil || day.Zone == "" || day.Zone == "Local" {
			return settings{}, invalid("body.time_zone", "body.time_zone: there is no time zone %q", httpapi.Clip(day.Zone, 64))
		}
		e.Day, written[shop.RegisterDay] = &day, true
	}
	if v := b.Print; v != nil {
		e.Print, written[shop.RegisterPrint] = &shop.PrintRule{Copies: v.Copies, Seconds: cmp.Or(v.Seconds, was.Print.Seconds)}, true
	}
	for _, c := range was.Conflicts {
		if written[c.Register] {
			e.Resolve = append(e.Resolve, c.Register)
		}
	}
	v, err := s.till.EditSettings(ctx, e)
	return showSettings(v), err
}
