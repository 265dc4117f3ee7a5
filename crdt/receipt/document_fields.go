package receipt

import "github.com/tillmesh/tillmesh/crdt"

// The fields of each part, in the canonical order of their names. The order is part of the encoding: keep it.

func (d *Document) fields(v visitor) {
	v.open(&d.Unknown)
	text(v, "business_day", &d.BusinessDay, required)
	truth(v, "clock_trusted", &d.ClockTrusted, required)
	text(v, "closed", &d.Closed, required)
	partOrNone(v, "control", &d.Control)
	text(v, "currency", &d.Currency, required)
	partOrNone(v, "customer", &d.Customer)
	list(v, "discounts", &d.Discounts, required)
	partOrNone(v, "failure", &d.Failure)
	id(v, "id", &d.ID, crdt.ParseObjectID, optional)
	text(v, "kind", &d.Kind, required)
	list(v, "lines", &d.Lines, required)
	text(v, "note", &d.Note, optional)
	number(v, "number", &d.Number, required)
	text(v, "opened", &d.Opened, required)
	partOrNone(v, "opening", &d.Opening)
	list(v, "orders", &d.Orders, optional)
	list(v, "payments", &d.Payments, required)
	id(v, "previous_hash", &d.Previous, ParseDigest, required)
	text(v, "reason", &d.Reason, optional)
	list(v, "references", &d.References, optional)
	id(v, "replica", &d.Replica, crdt.ParseReplicaID, required)
	if v.field("security", d.Security != nil, optional) {
		v.object(&d.Security)
	}
	text(v, "series", &d.Series, required)
	part(v, "shop", &d.Shop)
	list(v, "tabs", &d.Tabs, optional)
	part(v, "till", &d.Till)
	part(v, "totals", &d.Totals)
	truth(v, "training", &d.Training, optional)
	text(v, "user", &d.User, optional)
	number(v, "version", &d.Version, required)
	list(v, "voids", &d.Voids, required)
	v.close()
}

func (s *DocShop) fields(v visitor) {
	v.open(&s.Unknown)
	part(v, "address", &s.Address)
	id(v, "id", &s.ID, crdt.ParseShopID, required)
	text(v, "name", &s.Name, required)
	text(v, "tax_number", &s.TaxID, optional)
	text(v, "vat_id", &s.VATID, optional)
	v.close()
}

func (a *DocAddress) fields(v visitor) {
	v.open(&a.Unknown)
	text(v, "country", &a.Country, optional)
	text(v, "postcode", &a.Postcode, optional)
	text(v, "street", &a.Street, optional)
	text(v, "town", &a.Town, optional)
	v.close()
}

func (t *DocTill) fields(v visitor) {
	v.open(&t.Unknown)
	id(v, "id", &t.ID, crdt.ParseTillID, required)
	text(v, "name", &t.Name, required)
	text(v, "serial", &t.Serial, required)
	text(v, "software", &t.Software, optional)
	v.close()
}

func (t *DocTab) fields(v visitor) {
	v.open(&t.Unknown)
	id(v, "id", &t.ID, crdt.ParseObjectID, required)
	text(v, "name", &t.Name, optional)
	v.close()
}

func (c *DocCustomer) fields(v visitor) {
	v.open(&c.Unknown)
	part(v, "address", &c.Address)
	id(v, "id", &c.ID, crdt.ParseObjectID, optional)
	text(v, "kind", &c.Kind, optional)
	text(v, "name", &c.Name, optional)
	text(v, "number", &c.Number, optional)
	text(v, "vat_id", &c.VATID, optional)
	v.close()
}

func (l *DocLine) fields(v visitor) {
	v.open(&l.Unknown)
	number(v, "agency", &l.Agency, optional)
	id(v, "article", &l.Article, crdt.ParseObjectID, optional)
	number(v, "base", &l.Base, required)
	text(v, "business_case", &l.Case, required)
	text(v, "business_case_name", &l.CaseName, optional)
	list(v, "discounts", &l.Discounts, optional)
	number(v, "gross", &l.Gross, required)
	partOrNone(v, "group", &l.Group)
	text(v, "gtin", &l.GTIN, optional)
	id(v, "id", &l.ID, crdt.ParseObjectID, required)
	numberOrNone(v, "list_price", &l.ListPrice)
	each(v, "modifiers", &l.Modifiers, optional, v.text)
	text(v, "name", &l.Name, required)
	text(v, "number", &l.Number, optional)
	truth(v, "price_overridden", &l.Overridden, optional)
	number(v, "quantity", &l.Quantity, required)
	number(v, "rate", &l.Tax.Rate, required)
	id(v, "tab", &l.Tab, crdt.ParseObjectID, optional)
	each(v, "tab_discounts", &l.TabDiscounts, optional, func(a *Amount) { v.integer((*int64)(a)) })
	id(v, "tax_id", &l.Tax.ID, crdt.ParseObjectID, optional)
	text(v, "tax_key", &l.Tax.Key, optional)
	text(v, "tax_kind", &l.TaxKind, optional)
	id(v, "till", &l.Till, crdt.ParseTillID, required)
	text(v, "time", &l.Time, required)
	text(v, "unit", &l.Unit, optional)
	number(v, "unit_price", &l.UnitPrice, required)
	text(v, "user", &l.User, optional)
	number(v, "voided", &l.Voided, optional)
	text(v, "voucher", &l.Voucher, optional)
	v.close()
}

func (g *DocGroup) fields(v visitor) {
	v.open(&g.Unknown)
	id(v, "id", &g.ID, crdt.ParseObjectID, optional)
	text(v, "name", &g.Name, required)
	text(v, "number", &g.Number, optional)
	v.close()
}

func (d *DocVoid) fields(v visitor) {
	v.open(&d.Unknown)
	id(v, "id", &d.ID, crdt.ParseObjectID, required)
	id(v, "line", &d.Line, crdt.ParseObjectID, required)
	number(v, "quantity", &d.Quantity, optional)
	text(v, "reason", &d.Reason, optional)
	id(v, "till", &d.Till, crdt.ParseTillID, required)
	text(v, "time", &d.Time, required)
	text(v, "user", &d.User, optional)
	v.close()
}

func (d *DocDiscount) fields(v visitor) {
	v.open(&d.Unknown)
	number(v, "amount", &d.Amount, required)
	number(v, "basis_points", &d.Percent, optional)
	id(v, "id", &d.ID, crdt.ParseObjectID, optional)
	text(v, "kind", &d.Kind, required)
	text(v, "reason", &d.Reason, optional)
	id(v, "till", &d.Till, crdt.ParseTillID, optional)
	text(v, "time", &d.Time, optional)
	text(v, "user", &d.User, optional)
	v.close()
}

func (p *DocPayment) fields(v visitor) {
	v.open(&p.Unknown)
	number(v, "amount", &p.Amount, required)
	partOrNone(v, "card", &p.Card)
	number(v, "change", &p.Change, optional)
	partOrNone(v, "foreign", &p.Foreign)
	id(v, "id", &p.ID, crdt.ParseObjectID, required)
	text(v, "name", &p.Name, optional)
	text(v, "progress", &p.Progress, optional)
	number(v, "tendered", &p.Tendered, required)
	id(v, "till", &p.Till, crdt.ParseTillID, required)
	text(v, "time", &p.Time, required)
	text(v, "type", &p.Type, required)
	text(v, "user", &p.User, optional)
	v.close()
}

func (c *DocCard) fields(v visitor) {
	v.open(&c.Unknown)
	text(v, "authorisation", &c.Authorisation, optional)
	text(v, "kind", &c.Kind, optional)
	text(v, "terminal", &c.Terminal, optional)
	text(v, "trace", &c.Trace, optional)
	v.close()
}

func (f *DocForeign) fields(v visitor) {
	v.open(&f.Unknown)
	number(v, "amount", &f.Amount, required)
	text(v, "currency", &f.Currency, required)
	v.close()
}

func (t *DocTotals) fields(v visitor) {
	v.open(&t.Unknown)
	number(v, "change", &t.Change, required)
	number(v, "gross", &t.Gross, required)
	number(v, "paid", &t.Paid, required)
	list(v, "rates", &t.Rates, required)
	v.close()
}

func (r *DocRate) fields(v visitor) {
	v.open(&r.Unknown)
	number(v, "gross", &r.Gross, required)
	text(v, "name", &r.Name, optional)
	number(v, "net", &r.Net, required)
	number(v, "rate", &r.Ref.Rate, required)
	number(v, "tax", &r.Tax, required)
	id(v, "tax_id", &r.Ref.ID, crdt.ParseObjectID, optional)
	text(v, "tax_key", &r.Ref.Key, optional)
	v.close()
}

func (r *DocReference) fields(v visitor) {
	v.open(&r.Unknown)
	digestOrNone(v, "hash", &r.Hash)
	id(v, "id", &r.ID, crdt.ParseObjectID, optional)
	text(v, "kind", &r.Kind, required)
	id(v, "line", &r.Line, crdt.ParseObjectID, optional)
	text(v, "name", &r.Name, optional)
	number(v, "number", &r.Number, optional)
	number(v, "quantity", &r.Quantity, optional)
	text(v, "series", &r.Series, optional)
	id(v, "till", &r.Till, crdt.ParseTillID, optional)
	v.close()
}

func (o *DocOpening) fields(v visitor) {
	v.open(&o.Unknown)
	digestOrNone(v, "last_hash", &o.LastHash)
	number(v, "last_number", &o.LastNumber, optional)
	id(v, "predecessor_replica", &o.Replica, crdt.ParseReplicaID, optional)
	text(v, "predecessor_series", &o.Series, optional)
	text(v, "reason", &o.Reason, optional)
	v.close()
}

func (f *DocFailure) fields(v visitor) {
	v.open(&f.Unknown)
	text(v, "reason", &f.Reason, required)
	v.close()
}

func (o *DocOrder) fields(v visitor) {
	v.open(&o.Unknown)
	id(v, "id", &o.ID, crdt.ParseObjectID, required)
	each(v, "lines", &o.Lines, required, func(line *crdt.ObjectID) { identifierItem(v, line, crdt.ParseObjectID) })
	if v.field("security", o.Security != nil, optional) {
		v.object(&o.Security)
	}
	id(v, "till", &o.Till, crdt.ParseTillID, required)
	text(v, "time", &o.Time, required)
	v.close()
}

func (c *DocControl) fields(v visitor) {
	v.open(&c.Unknown)
	text(v, "period", &c.Period, optional)
	text(v, "what", &c.What, required)
	v.close()
}
