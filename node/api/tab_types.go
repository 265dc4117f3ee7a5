package api

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// tab is a sale that is not closed yet, or was.
type tab struct {
	ID              string         `json:"id"`
	Name            string         `json:"name" doc:"Table or name" example:"Tisch 4"`
	Note            string         `json:"note"`
	Customer        string         `json:"customer" doc:"Name of the customer"`
	OpenedAt        string         `json:"opened_at" doc:"RFC 3339; empty if this till does not know"`
	OpenedBy        person         `json:"opened_by"`
	Holder          person         `json:"holder" doc:"Who may take payment for it"`
	Shared          bool           `json:"shared" doc:"Other tills show it"`
	State           string         `json:"state" enum:"open,closed,continuation" doc:"closed: see receipt; continuation: lines or payments that reached a tab after it was closed elsewhere, or whose tab is not here yet"`
	Receipt         string         `json:"receipt,omitempty" doc:"closed: number of the receipt, which has the rest" example:"K2-000418"`
	Currency        string         `json:"currency" doc:"Of the lines, empty if there are none" example:"EUR"`
	Lines           []line         `json:"lines" nullable:"false" doc:"The oldest first"`
	Discounts       []discount     `json:"discounts" nullable:"false" doc:"On the whole tab"`
	Payments        []payment      `json:"payments" nullable:"false" doc:"The oldest first"`
	Totals          totals         `json:"totals"`
	Conflicts       []saleConflict `json:"conflicts" nullable:"false" doc:"Parts that two tills changed at the same time"`
	Problems        []saleProblem  `json:"problems" nullable:"false" doc:"What a person should know"`
	Present         []present      `json:"present" nullable:"false" doc:"Who works on it; of each till, as it said last"`
	Training        bool           `json:"training,omitempty" doc:"For practice"`
	HolderReachable bool           `json:"holder_reachable" doc:"There is a link to the till that holds it; without one it may be taken over at once"`
	MergedFrom      []string       `json:"merged_from,omitempty" nullable:"false" doc:"IDs of tabs that were merged into this one"`
}

// person is who did something, at which till.
type person struct {
	Till     string `json:"till" doc:"52 characters, empty if nobody knows"`
	TillName string `json:"till_name" example:"Theke"`
	User     string `json:"user" example:"Anna"`
	Epoch    uint64 `json:"epoch,omitempty" doc:"Holder: how many times the tab was taken over"`
}

// line is one line of a tab.
type line struct {
	ID           string     `json:"id"`
	Article      string     `json:"article" doc:"ID of the article, empty for an open item"`
	Number       string     `json:"number,omitempty" doc:"PLU when it was entered"`
	GTIN         string     `json:"gtin,omitempty" doc:"Main barcode when it was entered"`
	Name         string     `json:"name" doc:"As it was when it was entered, like all of the line" example:"Espresso"`
	Short        string     `json:"short,omitempty" doc:"Shorter name for receipts"`
	Group        string     `json:"group" doc:"ID of the group, empty if none"`
	GroupName    string     `json:"group_name,omitempty"`
	Quantity     int64      `json:"quantity" doc:"Thousandths, as entered" example:"1000"`
	Voided       int64      `json:"voided,omitempty" doc:"Thousandths of it that were taken back, above zero also for a return"`
	Unit         string     `json:"unit" doc:"Empty: pieces"`
	UnitPrice    int64      `json:"unit_price" doc:"Gross, in minor units" example:"340"`
	ListPrice    *int64     `json:"list_price,omitempty" doc:"What the article cost, in minor units"`
	Overridden   bool       `json:"overridden,omitempty" doc:"The unit price was changed by hand"`
	Tax          string     `json:"tax" doc:"ID of the tax that applied"`
	Rate         int64      `json:"rate" doc:"Basis points" example:"1900"`
	Takeaway     bool       `json:"takeaway"`
	Case         string     `json:"business_case" doc:"GV_TYP of DSFinV-K" example:"Umsatz"`
	CaseName     string     `json:"business_case_name,omitempty"`
	Voucher      string     `json:"voucher,omitempty" doc:"Number of the voucher that is sold or redeemed"`
	Text         []string   `json:"text,omitempty" nullable:"false" doc:"Modifiers"`
	Gross        int64      `json:"gross" doc:"Minor units, after voids, discounts and its part of discounts on the tab"`
	Discounts    []discount `json:"discounts" nullable:"false"`
	User         string     `json:"user"`
	Till         string     `json:"till" doc:"Where it was entered"`
	At           string     `json:"at" doc:"RFC 3339"`
	Void         *void      `json:"void,omitempty" doc:"Left out if nothing of it was taken back"`
	UpdateNeeded bool       `json:"update_needed,omitempty" doc:"A newer program wrote it; this till cannot read it"`
}

// void is what was taken back of a line: the sum, and who did it last.
type void struct {
	User     string `json:"user"`
	Till     string `json:"till"`
	At       string `json:"at" doc:"RFC 3339"`
	Reason   string `json:"reason"`
	Quantity int64  `json:"quantity" doc:"Thousandths"`
}

// discount is a discount on a line or a tab.
type discount struct {
	Kind        string `json:"kind" enum:"percent,amount"`
	BasisPoints int64  `json:"basis_points,omitempty" doc:"percent: 1000 is 10 %"`
	Value       int64  `json:"value,omitempty" doc:"amount: minor units"`
	Amount      int64  `json:"amount" doc:"What it changes the line or the tab by in minor units: negative on a sale"`
	Refused     bool   `json:"refused,omitempty" doc:"It is larger than what is left of the tab and does not count"`
	Reason      string `json:"reason"`
	User        string `json:"user"`
	Till        string `json:"till"`
	At          string `json:"at" doc:"RFC 3339"`
}

// payment is money for a tab.
type payment struct {
	ID       string       `json:"id"`
	Type     string       `json:"type" doc:"ZAHLART_TYP of DSFinV-K" example:"Bar"`
	Name     string       `json:"name,omitempty" doc:"Own name of the type"`
	Amount   int64        `json:"amount" doc:"What it counts for, in minor units" example:"680"`
	Tendered int64        `json:"tendered,omitempty" doc:"What was handed over, in minor units" example:"1000"`
	Change   int64        `json:"change,omitempty" doc:"What is handed back of it, in minor units"`
	Counts   bool         `json:"counts" doc:"false: the money did not come"`
	State    string       `json:"state,omitempty" doc:"Empty: taken when it was entered"`
	User     string       `json:"user"`
	Till     string       `json:"till"`
	At       string       `json:"at" doc:"RFC 3339"`
	Foreign  *foreignCash `json:"foreign,omitempty" doc:"What was handed over in another currency"`
}

// totals are what a tab comes to.
type totals struct {
	Gross  int64       `json:"gross" doc:"Minor units" example:"680"`
	Paid   int64       `json:"paid" doc:"Minor units"`
	Due    int64       `json:"due" doc:"Still to be paid, in minor units; negative if too much was paid" example:"680"`
	Change int64       `json:"change" doc:"To be handed back, in minor units"`
	Rates  []rateTotal `json:"rates" nullable:"false" doc:"By tax, the highest rate first"`
}

// rateTotal is what a tab comes to at one tax.
type rateTotal struct {
	Tax       string `json:"tax" doc:"ID of the tax"`
	Key       string `json:"key,omitempty" doc:"Number of the rate in fiscal exports" example:"1"`
	Rate      int64  `json:"rate" doc:"Basis points" example:"1900"`
	Gross     int64  `json:"gross" doc:"Minor units" example:"680"`
	Net       int64  `json:"net" doc:"Minor units" example:"571"`
	TaxAmount int64  `json:"tax_amount" doc:"Minor units" example:"109"`
}

// saleConflict is a part of a sale that two tills changed at the same time.
type saleConflict struct {
	Type     string   `json:"type" doc:"tab, line, discount or payment"`
	Object   string   `json:"object" doc:"ID of that part"`
	Register string   `json:"register" doc:"What of it"`
	At       []string `json:"at" nullable:"false" doc:"When each value was written, RFC 3339; the one that is shown first"`
}

// saleProblem is something about a sale that a person should know.
type saleProblem struct {
	Code string `json:"code"`
	Path string `json:"path" doc:"Where, such as /lines/ID"`
	Text string `json:"text"`
}

func (s *server) showTab(v node.TabView) tab {
	out := tab{
		ID: v.ID.String(), Name: v.Head.Name, Note: v.Note.Text, Customer: v.Customer.Name, OpenedAt: instantMS(v.Head.OpenedMS),
		OpenedBy: s.person(v.Head.Till, v.Head.User, 0), Holder: s.person(v.Holder.Till, v.Holder.User, v.Holder.Epoch),
		Shared: v.Head.Shared, State: v.State, Receipt: v.Receipt, Currency: v.Currency,
		Lines: make([]line, 0, len(v.Lines)), Discounts: showDiscounts(v.Discounts), Payments: make([]payment, 0, len(v.Payments)),
		Training: v.Head.Training, Totals: showTotals(v), Conflicts: []saleConflict{}, Problems: []saleProblem{},
	}
	for i := range v.Lines {
		out.Lines = append(out.Lines, showLine(&v.Lines[i]))
	}
	for _, p := range v.Payments {
		out.Payments = append(out.Payments, showPayment(p))
	}
	for _, c := range v.Conflicts {
		shown := saleConflict{Type: c.Type, Object: c.Object.String(), Register: c.Register, At: []string{}}
		for _, x := range c.Values {
			shown.At = append(shown.At, instantMS(x.Stamp.MS))
		}
		out.Conflicts = append(out.Conflicts, shown)
	}
	for _, p := range v.Problems {
		out.Problems = append(out.Problems, saleProblem{p.Code, p.Path, p.Text})
	}
	s.addPresent(&out, &v)
	for _, m := range v.Merged {
		out.MergedFrom = append(out.MergedFrom, m.ID.String())
	}
	return out
}

func (s *server) person(till crdt.TillID, user string, epoch uint64) person {
	return person{tillText(till), s.names.name(till), user, epoch}
}

func showTotals(v node.TabView) totals {
	out := totals{
		Gross: int64(v.Totals.Gross), Paid: int64(v.Paid), Due: int64(v.Due), Change: int64(v.Change),
		Rates: make([]rateTotal, 0, len(v.Totals.Rates)),
	}
	for _, r := range v.Totals.Rates {
		out.Rates = append(out.Rates, rateTotal{objectText(r.Ref.ID), r.Ref.Key, int64(r.Ref.Rate), int64(r.Gross), int64(r.Net), int64(r.Tax)})
	}
	return out
}

func showLine(v *receipt.LineView) line {
	l := &v.Line
	out := line{
		ID: v.ID.String(), Article: objectText(l.Article), Number: l.Number, GTIN: l.GTIN, Name: l.Name, Short: l.Short,
		Group: objectText(l.Group), GroupName: l.GroupName, Quantity: int64(l.Quantity), Voided: int64(v.Voided), Unit: l.Unit,
		UnitPrice: int64(l.UnitPrice), ListPrice: (*int64)(l.ListPrice), Overridden: l.Overridden, Tax: objectText(l.Tax.ID),
		Rate: int64(l.Tax.Rate), Takeaway: l.Takeaway, Text: l.Modifiers, Gross: int64(v.Total.Gross), Discounts: showDiscounts(v.Discounts),
		User: l.User, Till: tillText(l.Till), At: instantMS(l.MS), UpdateNeeded: v.Err != nil,
		Case: l.Case, CaseName: l.CaseName, Voucher: l.Voucher,
	}
	if n := len(v.Voids); n > 0 {
		last := v.Voids[n-1].Void
		out.Void = &void{last.User, tillText(last.Till), instantMS(last.MS), last.Reason, int64(v.Voided)}
	}
	return out
}

func showDiscounts(list []receipt.DiscountView) []discount {
	out := make([]discount, 0, len(list))
	for _, v := range list {
		d := v.Discount
		out = append(out, discount{
			Kind: d.Kind, BasisPoints: int64(d.Percent), Value: int64(d.Amount), Amount: int64(v.Amount), Refused: v.Refused,
			Reason: d.Reason, User: d.User, Till: tillText(d.Till), At: instantMS(d.MS),
		})
	}
	return out
}

func showPayment(v receipt.PaymentView) payment {
	p := v.Payment
	out := payment{
		ID: v.ID.String(), Type: p.Type, Name: p.Name, Amount: int64(p.Amount), Tendered: int64(p.Tendered), Change: int64(v.Change),
		Counts: v.Counts, State: v.State, User: p.User, Till: tillText(p.Till), At: instantMS(p.MS),
	}
	if f := p.Foreign; f != nil {
		out.Foreign = &foreignCash{f.Currency, int64(f.Amount)}
	}
	return out
}

// checkQuantity refuses quantities that cannot be sold.
func checkQuantity(field string, q int64) (receipt.Quantity, error) {
	if q == 0 {
		return 0, fieldRefused(node.CodeQuantity, field, "leave it out for one piece (1000)", "%s: the quantity is 0", field)
	}
	if err := receipt.Quantity(q).Check(); err != nil {
		return 0, fieldRefused(node.CodeOverflow, field, "", "%s: %v", field, err)
	}
	return receipt.Quantity(q), nil
}

func checkAmount(field string, a int64) (receipt.Amount, error) {
	if err := receipt.Amount(a).Check(); err != nil {
		return 0, fieldRefused(node.CodeOverflow, field, "", "%s: %v", field, err)
	}
	return receipt.Amount(a), nil
}
