package api

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addReceipts() {
	add(s, operation(http.MethodGet, "/api/v1/receipts", "Sales", "list-receipts", "List receipts of all tills", `The newest first.`), s.listReceipts)
	add(s, operation(http.MethodGet, "/api/v1/receipts/{id}", "Sales", "get-receipt", "Get a receipt by its ID or number",
		`With its document, the exact bytes that were signed, the signature, and the tills that hold it.`), s.getReceipt)
	add(s, operation(http.MethodGet, "/api/v1/cases", "Sales", "list-cases", "List what people have to decide about sales",
		`Such as a tab that two tills closed while they were apart, with the receipts that accepting it would write. Those that
somebody decided follow, for 30 days.`), s.listCases)
}

type listReceiptsIn struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After string `query:"after" maxLength:"16384" doc:"Cursor: the member next of the answer before"`
	Q     string `query:"q" maxLength:"60" doc:"Number, or part of one" example:"K2-000418"`
	From  string `query:"from" format:"date" doc:"First business day, YYYY-MM-DD"`
	To    string `query:"to" format:"date" doc:"Last business day, YYYY-MM-DD"`
	Till  string `query:"till" minLength:"52" maxLength:"52" doc:"ID of the till that closed it, 52 characters"`
}

// receiptEntry is a receipt in the list.
type receiptEntry struct {
	ID          string `json:"id"`
	Number      string `json:"number" example:"K2-000418"`
	Series      string `json:"series" example:"K2"`
	N           uint64 `json:"n" doc:"Number within the series" example:"418"`
	Till        string `json:"till" doc:"That closed it"`
	ClosedAt    string `json:"closed_at" doc:"RFC 3339"`
	BusinessDay string `json:"business_day" doc:"YYYY-MM-DD"`
	Gross       int64  `json:"gross" doc:"Minor units"`
	Currency    string `json:"currency" example:"EUR"`
	Hash        string `json:"hash" doc:"SHA-256 of the document, hexadecimal"`
	Revoked     string `json:"revoked,omitempty" doc:"Since when its till is revoked, RFC 3339; left out if it is not"`
	Copies      copies `json:"copies"`
	Waiting     bool   `json:"waiting,omitempty" doc:"Closed here and on too few tills to be printed"`
}

func (s *server) listReceipts(ctx context.Context, in *listReceiptsIn) (page[receiptEntry], error) {
	out := page[receiptEntry]{Items: []receiptEntry{}}
	f := node.ReceiptFilter{Text: in.Q, From: in.From, To: in.To}
	for field, day := range map[string]string{"query.from": in.From, "query.to": in.To} {
		if day != "" && catalog.CheckDay(day) != nil {
			return out, invalid(field, "%s: %q is not a date such as 2026-01-31", field, httpapi.Clip(day, 40))
		}
	}
	if in.Till != "" {
		var err error
		if f.Till, err = crdt.ParseTillID(in.Till); err != nil {
			return out, invalid("query.till", "query.till: %v", err)
		}
	}
	list, next, err := s.till.Receipts(ctx, f, in.After, in.Limit)
	if err != nil {
		return out, err
	}
	out.Next = next
	for _, r := range list {
		out.Items = append(out.Items, receiptEntry{
			ID: r.ID.String(), Number: r.Number, Series: r.Series, N: r.N, Till: tillText(r.Till), ClosedAt: r.Closed, BusinessDay: r.Day,
			Gross: int64(r.Gross), Currency: r.Currency, Hash: r.Hash.String(), Revoked: instant(r.Revoked),
			Copies: s.showCopies(r.Copies, r.Archived), Waiting: r.Waiting,
		})
	}
	return out, nil
}

type getReceiptIn struct {
	ID string `path:"id" minLength:"1" maxLength:"60" doc:"ID, or number such as K2-000418" example:"K2-000418"`
}

// closedReceipt is one receipt.
type closedReceipt struct {
	ID        string          `json:"id"`
	Number    string          `json:"number" example:"K2-000418"`
	Till      string          `json:"till" doc:"That closed it"`
	Tabs      []string        `json:"tabs" nullable:"false" doc:"IDs of the tabs it closed"`
	Document  json.RawMessage `json:"document" doc:"The document, an object"`
	Canonical []byte          `json:"canonical" doc:"Its exact bytes (RFC 8785), base64: what was hashed and signed"`
	Hash      string          `json:"hash" doc:"SHA-256 of those bytes, hexadecimal"`
	Signature string          `json:"signature" doc:"Ed25519 signature, hexadecimal"`
	Key       string          `json:"key" doc:"Public key of the till, hexadecimal"`
	Verified  bool            `json:"verified" doc:"The signature holds and its till belongs to the shop"`
	Alarm     bool            `json:"alarm,omitempty" doc:"Another document exists under the same number"`
	Copies    copies          `json:"copies"`
	Release   *release        `json:"release,omitempty" doc:"Whether it may be printed; left out for a receipt of another till that nobody let go: that till decides"`
	Revoked   string          `json:"revoked,omitempty" doc:"Since when its till is revoked, RFC 3339; left out if it is not. The receipt stays valid"`
	TakenOver *takeover       `json:"taken_over,omitempty" doc:"It was taken over from the files of a till that was lost and found; left out if not"`
	Refunds   []refundedBy    `json:"refunds,omitempty" nullable:"false" doc:"Receipts that took back lines of it, the earliest first; left out if nothing was taken back"`
	PayBack   *cardPayment    `json:"paying_back,omitempty" doc:"The card terminal of this till is asked to give its money back; what takes it back is written then. Left out if nothing is waited for"`
	Signing   *receiptSigning `json:"signing,omitempty" doc:"What it has to show of the signing device and of orders; left out if there is nothing"`
	Late      bool            `json:"revoked_before,omitempty" doc:"Its time stamp says that it was closed after its till was revoked; no clock proves that"`
}

func (s *server) showReceipt(r node.Receipt) closedReceipt {
	out := closedReceipt{
		ID: r.ID.String(), Number: r.Number, Till: tillText(r.Till), Tabs: []string{}, Document: r.Document, Canonical: r.Document,
		Hash: r.Hash.String(), Signature: hex.EncodeToString(r.Signed.Signature), Key: hex.EncodeToString(r.Signed.Key),
		Verified: r.Verified, Alarm: r.Alarm, Copies: s.showCopies(r.Copies, r.Archived), Release: showRelease(r.Release), Revoked: instant(r.Revoked), Late: r.Late,
		Signing: showSigning(r),
	}
	for _, t := range r.Parsed.Tabs {
		out.Tabs = append(out.Tabs, t.ID.String())
	}
	return out
}

func (s *server) getReceipt(ctx context.Context, in *getReceiptIn) (closedReceipt, error) {
	r, err := s.till.Receipt(ctx, in.ID)
	if err != nil {
		return closedReceipt{}, err
	}
	out := s.showReceipt(r)
	if o, ok := s.till.TakenOver(r.Parsed.Series, r.Parsed.Number); ok {
		mark := s.showTakeover(o)
		out.TakenOver = &mark
	}
	waits, err := s.till.PayingBack(ctx, r.ID)
	if err != nil {
		return out, err
	}
	if waits != nil {
		shown := showCardPayment(*waits)
		out.PayBack = &shown
	}
	out.Refunds, err = s.refundsOf(ctx, r)
	return out, err
}
