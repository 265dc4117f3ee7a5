package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// NewTab is what opening a tab needs; everything may be left out.
type NewTab struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Note     string `json:"note,omitempty"`
	Customer string `json:"customer,omitempty"`
	// Shared says whether other tills may use the tab; nil means yes.
	Shared *bool  `json:"shared,omitempty"`
	User   string `json:"user,omitempty"`
	// Training tabs are for practice: their receipts count in no sum.
	Training bool `json:"training,omitempty"`
}

// Tab is a receipt that is not closed yet, or was.
type Tab struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Note     string `json:"note"`
	Customer string `json:"customer"`
	OpenedAt Time   `json:"opened_at"`
	OpenedBy Person `json:"opened_by"`
	Holder   Person `json:"holder"`
	Shared   bool   `json:"shared"`
	// State is open, closed or continuation; Receipt is the receipt of a closed one.
	State   string `json:"state"`
	Receipt string `json:"receipt,omitempty"`
	Lines   []Line `json:"lines"`
	Totals  Totals `json:"totals"`
	// Currency is that of the lines, empty if there are none.
	Currency string `json:"currency"`
	// Present is who works on it; HolderReachable whether there is a link to the till that holds it.
	Present         []Present `json:"present"`
	HolderReachable bool      `json:"holder_reachable"`
	MergedFrom      []string  `json:"merged_from,omitempty"`
}

// Person is who did something, at which till. Epoch counts the take-overs of a tab.
type Person struct {
	Till     string `json:"till"`
	TillName string `json:"till_name"`
	User     string `json:"user"`
	Epoch    int64  `json:"epoch,omitempty"`
}

// Totals are what a tab costs, in minor units.
type Totals struct {
	Gross int64 `json:"gross"`
	Paid  int64 `json:"paid"`
	Due   int64 `json:"due"`
	// Change is what is to be handed back.
	Change int64       `json:"change"`
	Rates  []RateTotal `json:"rates"`
}

// RateTotal is what a tab costs at one tax rate.
type RateTotal struct {
	Tax       string `json:"tax"`
	Rate      int64  `json:"rate"`
	Gross     int64  `json:"gross"`
	Net       int64  `json:"net"`
	TaxAmount int64  `json:"tax_amount"`
}

// NewLine is a line to add: an article, or an open item. Quantity is in thousandths, zero means one piece.
type NewLine struct {
	ID        string    `json:"id,omitempty"`
	Article   string    `json:"article,omitempty"`
	Open      *OpenItem `json:"open,omitempty"`
	Quantity  int64     `json:"quantity,omitempty"`
	UnitPrice *int64    `json:"unit_price,omitempty"`
	Takeaway  bool      `json:"takeaway,omitempty"`
	User      string    `json:"user,omitempty"`
	Text      []string  `json:"text,omitempty"`
	// Case is the business case (GV_TYP of DSFinV-K), empty for a sale; CaseName an own name for a kind of it.
	Case     string `json:"business_case,omitempty"`
	CaseName string `json:"business_case_name,omitempty"`
	// Voucher is the number of the voucher that is sold or redeemed.
	Voucher string `json:"voucher,omitempty"`
}

// OpenItem is something sold that is no article.
type OpenItem struct {
	Name string `json:"name"`
	// Tax is its ID; without it TaxKey 5 or the business case says that there is none.
	Tax    string `json:"tax,omitempty"`
	TaxKey string `json:"tax_key,omitempty"`
	Price  int64  `json:"price"`
}

// Line is a line of a tab; amounts in minor units, the quantity in thousandths.
type Line struct {
	ID        string `json:"id"`
	Article   string `json:"article"`
	Name      string `json:"name"`
	Group     string `json:"group"`
	Quantity  int64  `json:"quantity"`
	Unit      string `json:"unit"`
	UnitPrice int64  `json:"unit_price"`
	Tax       string `json:"tax"`
	Rate      int64  `json:"rate"`
	Takeaway  bool   `json:"takeaway"`
	Gross     int64  `json:"gross"`
	// Voided is how much of the quantity was taken back.
	Voided int64  `json:"voided,omitempty"`
	User   string `json:"user"`
	Till   string `json:"till"`
	At     Time   `json:"at"`
}

// Claim is the answer to asking for a tab.
type Claim struct {
	Holder  Person `json:"holder"`
	Granted bool   `json:"granted"`
	// Unreachable says that the holder did not answer, so that the tab was taken over.
	Unreachable bool `json:"unreachable"`
	// Reason is why the holder keeps it; Since and Working say who works there since when.
	Reason  string `json:"reason,omitempty"`
	Since   Time   `json:"since"`
	Working string `json:"working,omitempty"`
	// Warning says what may come of it, if it was granted although a card payment had been begun elsewhere.
	Warning string `json:"warning,omitempty"`
}

// Payment is money for a tab. Type is Bar, ECKarte, Kreditkarte or Unbar; Tendered is what was handed over.
type Payment struct {
	// ID is chosen by the caller, or that of a payment that went back already; empty: the till draws one.
	ID string `json:"id,omitempty"`
	// Terminal has the card terminal of the till asked for it; Again also if an earlier card payment of the tab is unknown.
	Terminal bool   `json:"terminal,omitempty"`
	Again    bool   `json:"again,omitempty"`
	Type     string `json:"type"`
	Amount   int64  `json:"amount"`
	Tendered int64  `json:"tendered,omitempty"`
	// Foreign is what was handed over in another currency, nil if nothing; Tendered is then what it is worth.
	Foreign *Sum `json:"foreign,omitempty"`
}

// Close ends a tab.
type Close struct {
	User     string    `json:"user,omitempty"`
	Payments []Payment `json:"payments,omitempty"`
}

// ReceiptEntry is a receipt in the list.
type ReceiptEntry struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Series   string `json:"series"`
	N        int64  `json:"n"`
	Till     string `json:"till"`
	ClosedAt Time   `json:"closed_at"`
	Gross    int64  `json:"gross"`
	Currency string `json:"currency"`
	// Revoked is since when the till that closed it is revoked, zero if it is not.
	Revoked Time   `json:"revoked"`
	Copies  Copies `json:"copies"`
	// Waiting: it was closed at the asked till and is on too few tills to be printed.
	Waiting bool `json:"waiting"`
}

// Receipt is one receipt with its document.
type Receipt struct {
	ID     string `json:"id"`
	Number string `json:"number"`
	// Document is the canonical document as an object; Canonical its exact bytes.
	Document  json.RawMessage `json:"document"`
	Canonical []byte          `json:"canonical"`
	// Hash is the SHA-256 of those bytes, hexadecimal.
	Hash      string `json:"hash"`
	Signature string `json:"signature"`
	Key       string `json:"key"`
	Verified  bool   `json:"verified"`
	Copies    Copies `json:"copies"`
	// Release says whether it may be printed; nil for a receipt of another till that nobody let go.
	Release *Release `json:"release,omitempty"`
	// Revoked is since when the till that closed it is revoked, zero if it is not.
	Revoked Time `json:"revoked"`
	// Refunds are the receipts that took back lines of it.
	Refunds []RefundedBy `json:"refunds,omitempty"`
	// PayingBack is what the card terminal is asked for before the receipt is taken back; nil if nothing is waited for.
	PayingBack *CardPayment `json:"paying_back,omitempty"`
	// Signing is what it has to show of the signing device; nil if there is nothing.
	Signing *ReceiptSigning `json:"signing,omitempty"`
}

// OpenTab opens a tab.
func (c *Client) OpenTab(ctx context.Context, t NewTab, options ...Option) (tab Tab, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/tabs", nil, t, &tab, options...)
	return tab, err
}

// Tabs lists the open tabs of all tills.
func (c *Client) Tabs(ctx context.Context, l List) (p Page[Tab], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/tabs", l.query(), nil, &p)
	return p, err
}

// Tab returns one tab, open or closed.
func (c *Client) Tab(ctx context.Context, id string) (t Tab, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/tabs/"+url.PathEscape(id), nil, nil, &t)
	return t, err
}

// AddLine adds a line to a tab.
func (c *Client) AddLine(ctx context.Context, tab string, l NewLine, options ...Option) (Line, error) {
	var out struct {
		Line Line `json:"line"`
	}
	err := c.call(ctx, http.MethodPost, "/api/v1/tabs/"+url.PathEscape(tab)+"/lines", nil, l, &out, options...)
	return out.Line, err
}

// ClaimTab asks for the right to take payment for a tab. A holder that keeps it is no error: Granted is false.
func (c *Client) ClaimTab(ctx context.Context, tab, user string, options ...Option) (cl Claim, err error) {
	in := struct {
		User string `json:"user,omitempty"`
	}{user}
	err = c.call(ctx, http.MethodPost, "/api/v1/tabs/"+url.PathEscape(tab)+"/claim", nil, in, &cl, options...)
	return cl, err
}

// CloseTab takes the payments and closes the tab; the answer is the receipt.
func (c *Client) CloseTab(ctx context.Context, tab string, cl Close, options ...Option) (r Receipt, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/tabs/"+url.PathEscape(tab)+"/close", nil, cl, &r, options...)
	return r, err
}

// Receipts lists receipts, the newest first.
func (c *Client) Receipts(ctx context.Context, l List) (p Page[ReceiptEntry], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/receipts", l.query(), nil, &p)
	return p, err
}

// AllReceipts lists every receipt that matches l, whatever its Limit and After.
func (c *Client) AllReceipts(ctx context.Context, l List) ([]ReceiptEntry, error) {
	return all(func(after string) (Page[ReceiptEntry], error) {
		l.Limit, l.After = 1000, after
		return c.Receipts(ctx, l)
	})
}

// Receipt returns one receipt by its ID or number.
func (c *Client) Receipt(ctx context.Context, idOrNumber string) (r Receipt, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/receipts/"+url.PathEscape(idOrNumber), nil, nil, &r)
	return r, err
}
