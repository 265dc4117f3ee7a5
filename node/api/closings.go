package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addClosings() {
	add(s, created(operation(http.MethodPost, "/api/v1/closings", "Sales", "make-closing", "Make a closing (Z) or an interim report (X)",
		`x: what a closing would say now, with the tabs that are open here; nothing is stored. z: the closing of this till, over exactly
its receipts since the last one. It says what became of open tabs, and of the cash: what was counted, what differs and why, what is taken
out, what stays as the float of the next period; each is booked by a receipt. With shop the other tills that can be reached are asked to make
their own; they keep their open tabs, and nobody counts their drawers. A closing is final.`)), s.makeClosing)
	add(s, operation(http.MethodGet, "/api/v1/closings", "Sales", "list-closings", "List closings of all tills", `The newest first.`), s.listClosings)
	add(s, operation(http.MethodGet, "/api/v1/closings/{id}", "Sales", "get-closing", "Get a closing by its ID or name",
		`With its document, the exact bytes that were signed, the signature, and the tills that hold it.`), s.getClosing)
	add(s, operation(http.MethodGet, "/api/v1/closings/days/{day}", "Sales", "get-day", "Get a business day of the shop",
		`The sums over the closings of all tills. It is provisional while tills are missing, and says which; each closing that comes later is a
revision.`), s.getDay)
}

type makeClosingIn struct {
	Body newClosing
}

// newClosing says how a period is to be closed.
type newClosing struct {
	Kind      string       `json:"kind" enum:"x,z" doc:"x: interim report; z: closing"`
	User      string       `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
	Reason    string       `json:"reason,omitempty" maxLength:"150" doc:"Printed on the closing"`
	Series    string       `json:"series,omitempty" maxLength:"40" doc:"A former number series of this till; left out: the one it sells under"`
	Counted   *int64       `json:"counted,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Cash in the drawer, in minor units; left out: nobody counted, or pieces say it"`
	Pieces    []cashPiece  `json:"pieces,omitempty" maxItems:"100" doc:"Coins and notes in the drawer"`
	Why       string       `json:"difference_reason,omitempty" maxLength:"200" doc:"Needed if what was counted is not what was expected" example:"Wechselgeldfehler"`
	After     *int64       `json:"counted_after,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Number of the last receipt when the drawer was counted, as to of the interim report says it; a closing is refused if another one followed"`
	Drop      *int64       `json:"drop,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Taken out, such as to the bank, in minor units; left out: what float does not leave"`
	Float     *int64       `json:"float,omitempty" minimum:"0" maximum:"9007199254740991" doc:"Stays in the drawer, in minor units; left out: all that is not taken out"`
	Tabs      []closingTab `json:"tabs,omitempty" maxItems:"2000" doc:"What becomes of the open tabs of this till"`
	KeepTabs  bool         `json:"keep_tabs,omitempty" doc:"Open tabs that are not named stay open"`
	WholeShop bool         `json:"shop,omitempty" doc:"Ask the other tills for their closings too"`
}

// cashPiece is a number of coins or notes of one value.
type cashPiece struct {
	Value int64 `json:"value" minimum:"1" maximum:"9007199254740991" doc:"Minor units" example:"5000"`
	Count int64 `json:"count" minimum:"0" maximum:"9007199254740991" example:"3"`
}

// closingTab says what becomes of an open tab.
type closingTab struct {
	ID   string `json:"id" minLength:"26" maxLength:"26" doc:"ID of the tab"`
	What string `json:"what" enum:"kept,handed,settled" doc:"kept: it stays open; handed: the till in to gets it now; settled: it was closed"`
	To   string `json:"to,omitempty" maxLength:"60" doc:"handed: ID, prefix or name of a till" example:"K2"`
}

// madeClosing is a closing with what became of those of the other tills.
type madeClosing struct {
	fullClosing
	Tills []tillClosing `json:"tills,omitempty" nullable:"false" doc:"The other tills, if they were asked"`
}

// tillClosing is what became of the closing of another till.
type tillClosing struct {
	Till    string `json:"till"`
	Name    string `json:"name" example:"Theke"`
	State   string `json:"state" enum:"made,not-reachable,refused"`
	Closing string `json:"closing,omitempty" doc:"made: its name" example:"K2 Z 17"`
	ID      string `json:"id,omitempty" doc:"made: its ID"`
	Code    string `json:"code,omitempty" doc:"refused: why, such as disk-full"`
	Text    string `json:"text,omitempty" doc:"Why it was not made"`
}

func (s *server) makeClosing(ctx context.Context, in *makeClosingIn) (madeClosing, error) {
	b := in.Body
	if b.Kind == "x" {
		c, err := s.till.Interim(ctx)
		if err != nil {
			return madeClosing{}, err
		}
		out, err := s.showClosing(c)
		return madeClosing{fullClosing: out}, err
	}
	n, err := s.newClosing(b)
	if err != nil {
		return madeClosing{}, err
	}
	var made node.ShopClosing
	if b.WholeShop {
		made, err = s.till.CloseShop(ctx, n)
	} else {
		made.Own, err = s.till.CloseTill(ctx, n)
	}
	if err != nil {
		return madeClosing{}, err
	}
	var out madeClosing
	if out.fullClosing, err = s.showClosing(made.Own); err != nil {
		return out, err
	}
	for _, t := range made.Tills {
		out.Tills = append(out.Tills, tillClosing{Till: tillText(t.Till), Name: t.Name, State: t.State, Closing: t.Closing, ID: objectText(t.ID), Code: t.Code, Text: t.Text})
	}
	return out, nil
}

func (s *server) newClosing(b newClosing) (node.NewClosing, error) {
	n := node.NewClosing{User: b.User, Reason: b.Reason, Series: b.Series, Why: b.Why, CountedAfter: b.After, KeepTabs: b.KeepTabs}
	for _, a := range []struct {
		field string
		from  *int64
		to    **receipt.Amount
	}{{"body.counted", b.Counted, &n.Counted}, {"body.drop", b.Drop, &n.Drop}, {"body.float", b.Float, &n.Float}} {
		if a.from != nil {
			v, err := checkAmount(a.field, *a.from)
			if err != nil {
				return n, err
			}
			*a.to = &v
		}
	}
	for _, p := range b.Pieces {
		n.Pieces = append(n.Pieces, receipt.ZPiece{Value: receipt.Amount(p.Value), Count: p.Count})
	}
	for _, t := range b.Tabs {
		id, err := parseObject("body.tabs.id", t.ID)
		if err != nil {
			return n, err
		}
		one := node.ClosingTab{ID: id, What: t.What}
		if t.To != "" {
			till, err := s.till.FindTill(t.To)
			if err != nil {
				return n, err
			}
			one.To = till.ID
		}
		n.Tabs = append(n.Tabs, one)
	}
	return n, nil
}

// fullClosing is one closing, or the interim report.
type fullClosing struct {
	closingEntry
	Document  json.RawMessage  `json:"document" doc:"The document, an object"`
	Canonical []byte           `json:"canonical" doc:"Its exact bytes (RFC 8785), base64: what was hashed and signed; of an interim report nobody signed it"`
	Signature string           `json:"signature,omitempty" doc:"Ed25519 signature, hexadecimal; left out for an interim report"`
	Key       string           `json:"key,omitempty" doc:"Public key of the till, hexadecimal"`
	Verified  bool             `json:"verified" doc:"The signature holds and its till belongs to the shop"`
	Alarm     bool             `json:"alarm,omitempty" doc:"Another document exists under the same number"`
	Copies    copies           `json:"copies"`
	Warnings  []closingWarning `json:"warnings" nullable:"false" doc:"What a person should know; of a closing that was just made, and of an interim report"`
}

// closingWarning is something a person should know about a closing.
type closingWarning struct {
	Code string `json:"code" doc:"Stable" example:"unsigned"`
	Text string `json:"text"`
}

// closingEntry is a closing in the list.
type closingEntry struct {
	ID          string `json:"id" doc:"Empty for an interim report"`
	Name        string `json:"name" example:"K2 Z 17"`
	Till        string `json:"till" doc:"That made it"`
	TillName    string `json:"till_name" example:"Theke"`
	Series      string `json:"series" example:"K2"`
	N           int64  `json:"n" doc:"Number within the series; 0: an interim report" example:"17"`
	BusinessDay string `json:"business_day" doc:"YYYY-MM-DD"`
	ClosedAt    string `json:"closed_at" doc:"RFC 3339"`
	From        int64  `json:"from" doc:"First receipt number it covers" example:"401"`
	To          int64  `json:"to" doc:"Last receipt number it covers; one below from if there is none" example:"418"`
	Receipts    int64  `json:"receipts" doc:"How many of them count"`
	Gross       int64  `json:"gross" doc:"All that was booked, in minor units"`
	Expected    int64  `json:"cash_expected" doc:"Cash that the movements before the count say, in minor units"`
	Counted     *int64 `json:"cash_counted,omitempty" doc:"Cash that was counted; left out: nobody counted"`
	Difference  int64  `json:"cash_difference,omitempty"`
	Currency    string `json:"currency" example:"EUR"`
	Hash        string `json:"hash,omitempty" doc:"SHA-256 of the document, hexadecimal"`
}

func (s *server) showClosingEntry(c node.Closing) closingEntry {
	z := c.Report
	out := closingEntry{
		ID: objectText(c.ID), Name: c.Text, Till: tillText(z.Till.ID), TillName: s.names.name(z.Till.ID), Series: z.Series, N: z.Number,
		BusinessDay: z.BusinessDay, ClosedAt: z.Closed, From: z.From, To: z.To, Receipts: z.Sums.Counts.Receipts, Gross: int64(z.Sums.Gross),
		Expected: int64(z.Cash.Expected), Difference: int64(z.Cash.Difference), Currency: z.Currency,
	}
	if z.Cash.Counted != nil {
		counted := int64(*z.Cash.Counted)
		out.Counted = &counted
	}
	if !c.ID.IsZero() {
		out.Hash = c.Hash.String()
	}
	return out
}

func (s *server) showClosing(c node.Closing) (fullClosing, error) {
	out := fullClosing{closingEntry: s.showClosingEntry(c), Verified: c.Verified, Alarm: c.Alarm, Copies: s.showCopies(c.Copies, node.Archived{}), Warnings: []closingWarning{}}
	for _, w := range c.Warnings {
		out.Warnings = append(out.Warnings, closingWarning(w))
	}
	if !c.ID.IsZero() {
		out.Document, out.Canonical = c.Item.Document, c.Item.Document
		out.Signature, out.Key = hex.EncodeToString(c.Item.Signature), hex.EncodeToString(c.Item.Key)
		return out, nil
	}
	raw, err := c.Report.Canonical()
	out.Document, out.Canonical, out.Copies.Here = raw, raw, false
	out.Copies.Text = "not stored"
	return out, err
}

type listClosingsIn struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After string `query:"after" maxLength:"16384" doc:"Cursor: the member next of the answer before"`
	From  string `query:"from" format:"date" doc:"First business day, YYYY-MM-DD"`
	To    string `query:"to" format:"date" doc:"Last business day, YYYY-MM-DD"`
	Till  string `query:"till" maxLength:"60" doc:"ID, prefix or name of the till that made it"`
}

func (s *server) listClosings(ctx context.Context, in *listClosingsIn) (page[closingEntry], error) {
	out := page[closingEntry]{Items: []closingEntry{}}
	f := node.ClosingFilter{From: in.From, To: in.To}
	for field, day := range map[string]string{"query.from": in.From, "query.to": in.To} {
		if day != "" && catalog.CheckDay(day) != nil {
			return out, invalid(field, "%s: %q is not a date such as 2026-01-31", field, httpapi.Clip(day, 40))
		}
	}
	if strings.TrimSpace(in.Till) != "" {
		till, err := s.till.FindTill(in.Till)
		if err != nil {
			return out, err
		}
		f.Till = till.ID
	}
	list, next, err := s.till.Closings(ctx, f, in.After, in.Limit)
	if err != nil {
		return out, err
	}
	out.Next = next
	for _, c := range list {
		out.Items = append(out.Items, s.showClosingEntry(c))
	}
	return out, nil
}

type getClosingIn struct {
	ID string `path:"id" minLength:"1" maxLength:"80" doc:"ID, or name such as K2-Z-17" example:"K2-Z-17"`
}

func (s *server) getClosing(ctx context.Context, in *getClosingIn) (fullClosing, error) {
	c, err := s.till.Closing(ctx, in.ID)
	if err != nil {
		return fullClosing{}, err
	}
	return s.showClosing(c)
}

type getDayIn struct {
	Day string `path:"day" minLength:"1" maxLength:"40" doc:"Business day, YYYY-MM-DD, or today" example:"2026-11-21"`
}

// shopDay is a business day of the shop.
type shopDay struct {
	Day      string         `json:"day" doc:"YYYY-MM-DD"`
	State    string         `json:"state" enum:"complete,provisional" doc:"provisional: tills are missing"`
	Revision int            `json:"revision" doc:"How many closings are in it: it rises with each that comes"`
	Missing  []missingTill  `json:"missing" nullable:"false" doc:"Tills whose part is not known or not closed"`
	Closings []closingEntry `json:"closings" nullable:"false" doc:"By series and number"`
	Currency string         `json:"currency" example:"EUR"`
	Mixed    bool           `json:"mixed,omitempty" doc:"The closings are in different currencies; there are no sums then"`
	Sums     daySums        `json:"sums"`
}

// missingTill is a till that is missing in a day.
type missingTill struct {
	Till     string `json:"till"`
	Name     string `json:"name" example:"Theke"`
	Why      string `json:"why" enum:"not-closed,not-heard" doc:"not-closed: receipts of that day are in no closing; not-heard: nobody knows what it sold since it was heard of"`
	Receipts int    `json:"receipts,omitempty" doc:"not-closed: how many"`
	HeardAt  string `json:"heard_at,omitempty" doc:"Since when nothing is known of it, RFC 3339; left out: it was never heard of"`
}

// daySums is what the closings of a day come to together, in minor units.
type daySums struct {
	Gross      int64        `json:"gross"`
	CashTotal  int64        `json:"cash_total"`
	Receipts   int64        `json:"receipts"`
	Cancelled  int64        `json:"cancelled"`
	Refunded   int64        `json:"refunded"`
	Difference int64        `json:"cash_difference"`
	Rates      []dayRate    `json:"rates" nullable:"false"`
	Payments   []dayPayment `json:"payments" nullable:"false"`
}

// dayRate is what a day comes to at one tax.
type dayRate struct {
	Tax   string `json:"tax" doc:"ID of the tax, empty if there is none"`
	Key   string `json:"key" doc:"Tax key of exports" example:"1"`
	Rate  int64  `json:"rate" doc:"Basis points" example:"1900"`
	Gross int64  `json:"gross"`
	Net   int64  `json:"net"`
	Amt   int64  `json:"tax_amount"`
}

// dayPayment is what one payment type comes to.
type dayPayment struct {
	Type   string `json:"type" example:"Bar"`
	Name   string `json:"name"`
	Amount int64  `json:"amount"`
	Count  int64  `json:"count"`
}

func (s *server) getDay(ctx context.Context, in *getDayIn) (shopDay, error) {
	day := in.Day
	if day == "today" {
		day = ""
	}
	d, err := s.till.ShopDay(ctx, day)
	if err != nil {
		return shopDay{}, err
	}
	out := shopDay{Day: d.Day, State: "provisional", Revision: d.Revision, Missing: []missingTill{}, Closings: []closingEntry{}, Currency: d.Currency, Mixed: d.Mixed,
		Sums: daySums{Gross: int64(d.Sums.Gross), CashTotal: int64(d.Sums.CashTotal), Receipts: d.Sums.Receipts, Cancelled: int64(d.Sums.Cancelled),
			Refunded: int64(d.Sums.Refunded), Difference: int64(d.Sums.Difference), Rates: []dayRate{}, Payments: []dayPayment{}}}
	if d.Complete {
		out.State = "complete"
	}
	for _, m := range d.Missing {
		out.Missing = append(out.Missing, missingTill{Till: tillText(m.Till), Name: m.Name, Why: m.Why, Receipts: m.Receipts, HeardAt: instant(m.Heard)})
	}
	for _, c := range d.Closings {
		out.Closings = append(out.Closings, s.showClosingEntry(c))
	}
	for _, r := range d.Sums.Rates {
		out.Sums.Rates = append(out.Sums.Rates, dayRate{objectText(r.Ref.ID), r.Ref.Key, int64(r.Ref.Rate), int64(r.Gross), int64(r.Net), int64(r.Tax)})
	}
	for _, p := range d.Sums.Payments {
		out.Sums.Payments = append(out.Sums.Payments, dayPayment{p.Type, p.Name, int64(p.Amount), p.Count})
	}
	return out, nil
}
