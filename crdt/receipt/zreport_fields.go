package receipt

import "github.com/tillmesh/tillmesh/crdt"

// The fields of each part of a closing, in the canonical order of their names. The order is part of the encoding: keep it.

func (z *ZReport) fields(v visitor) {
	v.open(&z.Unknown)
	text(v, "began", &z.Began, optional)
	text(v, "business_day", &z.BusinessDay, required)
	part(v, "cash", &z.Cash)
	truth(v, "clock_trusted", &z.ClockTrusted, required)
	text(v, "closed", &z.Closed, required)
	text(v, "currency", &z.Currency, required)
	number(v, "from", &z.From, required)
	id(v, "id", &z.ID, crdt.ParseObjectID, required)
	text(v, "kind", &z.Kind, required)
	id(v, "last_hash", &z.Last, ParseDigest, required)
	number(v, "number", &z.Number, required)
	list(v, "open_tabs", &z.Open, optional)
	id(v, "previous_hash", &z.Previous, ParseDigest, required)
	id(v, "range_hash", &z.Hash, ParseDigest, required)
	text(v, "reason", &z.Reason, optional)
	id(v, "replica", &z.Replica, crdt.ParseReplicaID, required)
	if v.field("security", z.Security != nil, optional) {
		v.object(&z.Security)
	}
	text(v, "series", &z.Series, required)
	part(v, "shop", &z.Shop)
	part(v, "till", &z.Till)
	number(v, "to", &z.To, required)
	part(v, "totals", &z.Sums)
	text(v, "user", &z.User, optional)
	number(v, "version", &z.Version, required)
	v.close()
}

func (t *ZTotals) fields(v visitor) {
	v.open(&t.Unknown)
	list(v, "business_cases", &t.Cases, required)
	number(v, "cash_total", &t.CashTotal, required)
	part(v, "counts", &t.Counts)
	list(v, "currencies", &t.Currencies, required)
	number(v, "gross", &t.Gross, required)
	list(v, "groups", &t.Groups, required)
	list(v, "payments", &t.Payments, required)
	list(v, "rates", &t.Rates, required)
	list(v, "users", &t.Users, required)
	v.close()
}

func (c *ZCase) fields(v visitor) {
	v.open(&c.Unknown)
	number(v, "agency", &c.Agency, optional)
	text(v, "business_case", &c.Case, required)
	text(v, "business_case_name", &c.Name, optional)
	number(v, "gross", &c.Gross, required)
	number(v, "net", &c.Net, required)
	number(v, "rate", &c.Ref.Rate, required)
	number(v, "tax", &c.Tax, required)
	id(v, "tax_id", &c.Ref.ID, crdt.ParseObjectID, optional)
	text(v, "tax_key", &c.Ref.Key, optional)
	v.close()
}

func (p *ZPayment) fields(v visitor) {
	v.open(&p.Unknown)
	number(v, "amount", &p.Amount, required)
	number(v, "count", &p.Count, required)
	text(v, "name", &p.Name, optional)
	text(v, "type", &p.Type, required)
	v.close()
}

func (c *ZCurrency) fields(v visitor) {
	v.open(&c.Unknown)
	number(v, "amount", &c.Amount, required)
	text(v, "currency", &c.Currency, required)
	v.close()
}

func (g *ZGroup) fields(v visitor) {
	v.open(&g.Unknown)
	number(v, "gross", &g.Gross, required)
	id(v, "id", &g.ID, crdt.ParseObjectID, optional)
	text(v, "name", &g.Name, optional)
	number(v, "quantity", &g.Quantity, required)
	v.close()
}

func (u *ZUser) fields(v visitor) {
	v.open(&u.Unknown)
	number(v, "gross", &u.Gross, required)
	number(v, "receipts", &u.Receipts, required)
	text(v, "user", &u.Name, optional)
	v.close()
}

func (c *ZCounts) fields(v visitor) {
	v.open(&c.Unknown)
	number(v, "aborted", &c.Aborted, optional)
	number(v, "cancellations", &c.Cancellations, optional)
	number(v, "cancelled", &c.Cancelled, optional)
	number(v, "controls", &c.Controls, optional)
	number(v, "discounted", &c.Discounted, optional)
	number(v, "discounts", &c.Discounts, optional)
	number(v, "documents", &c.Documents, required)
	number(v, "failed", &c.Failed, optional)
	number(v, "receipts", &c.Receipts, required)
	number(v, "refunded", &c.Refunded, optional)
	number(v, "refunds", &c.Refunds, optional)
	number(v, "trained", &c.Trained, optional)
	number(v, "training", &c.Training, optional)
	number(v, "unsigned", &c.Unsigned, optional)
	number(v, "voided", &c.Voided, optional)
	number(v, "voids", &c.Voids, optional)
	v.close()
}

func (c *ZCash) fields(v visitor) {
	v.open(&c.Unknown)
	numberOrNone(v, "counted", &c.Counted)
	number(v, "difference", &c.Difference, optional)
	number(v, "dropped", &c.Dropped, optional)
	number(v, "expected", &c.Expected, required)
	list(v, "pieces", &c.Pieces, optional)
	text(v, "reason", &c.Reason, optional)
	v.close()
}

func (p *ZPiece) fields(v visitor) {
	v.open(&p.Unknown)
	number(v, "count", &p.Count, required)
	number(v, "value", &p.Value, required)
	v.close()
}

func (t *ZTab) fields(v visitor) {
	v.open(&t.Unknown)
	number(v, "gross", &t.Gross, required)
	id(v, "id", &t.ID, crdt.ParseObjectID, required)
	number(v, "lines", &t.Lines, required)
	text(v, "name", &t.Name, optional)
	id(v, "to", &t.To, crdt.ParseTillID, optional)
	text(v, "what", &t.What, required)
	v.close()
}
