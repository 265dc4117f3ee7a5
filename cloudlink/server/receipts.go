package server

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"
)

func (s *Server) addDocuments() {
	const order = `From the archive of all tills of the shop, the newest first.`
	const one = `With the exact bytes that were hashed and signed, the signature, and whether everything holds. A document that does not
hold is kept and shown all the same, with what does not fit.`
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}/receipts", "Archive", "list-receipts", "List receipts", order), read, s.listDocuments(KindReceipt))
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}/receipts/{id}", "Archive", "get-receipt", "Get a receipt by its ID or number", one), read, s.getDocument(KindReceipt))
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}/closings", "Archive", "list-closings", "List closings", order), read, s.listDocuments(KindClosing))
	add(s, operation(http.MethodGet, "/api/v1/shops/{shop}/closings/{id}", "Archive", "get-closing", "Get a closing by its ID or number", one), read, s.getDocument(KindClosing))
}

type listDocumentsIn struct {
	Shop   string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	Limit  int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After  string `query:"after" maxLength:"400" doc:"Cursor: the member next of the answer before"`
	Series string `query:"series" maxLength:"64" doc:"Only of this series" example:"K2"`
	From   string `query:"from" format:"date" doc:"First business day, YYYY-MM-DD"`
	To     string `query:"to" format:"date" doc:"Last business day, YYYY-MM-DD"`
}

// documentEntry is a receipt or closing in a list.
type documentEntry struct {
	ID          string `json:"id"`
	Number      string `json:"number" example:"K2-000418"`
	Series      string `json:"series" example:"K2"`
	N           int64  `json:"n" doc:"Number within the series" example:"418"`
	Till        string `json:"till" doc:"That made it; empty if that cannot be read"`
	ClosedAt    string `json:"closed_at" doc:"As the document says, RFC 3339"`
	BusinessDay string `json:"business_day" doc:"YYYY-MM-DD"`
	Gross       int64  `json:"gross" doc:"Minor units"`
	Currency    string `json:"currency" example:"EUR"`
	Hash        string `json:"hash" doc:"SHA-256 of the document, hexadecimal"`
	Leaf        int64  `json:"leaf" doc:"Its place in the account's log, from 0"`
	ArchivedAt  string `json:"archived_at" doc:"When it came in, RFC 3339"`
	Verified    bool   `json:"verified" doc:"Signature, chain and sums hold, and its till belonged to the shop"`
}

// archivedDocument is one receipt or closing.
type archivedDocument struct {
	Entry     documentEntry   `json:"entry" doc:"As it is listed"`
	Document  json.RawMessage `json:"document,omitempty" doc:"The document, an object; left out if it is none"`
	Canonical []byte          `json:"canonical" doc:"Its exact bytes (RFC 8785), base64: what was hashed and signed"`
	Signature string          `json:"signature" doc:"Ed25519 signature, hexadecimal"`
	Key       string          `json:"key" doc:"Public key of the till, hexadecimal"`
	Findings  []finding       `json:"findings" nullable:"false" doc:"What does not fit"`
}

// finding is something that does not fit.
type finding struct {
	Code string `json:"code" doc:"Stable" example:"chain"`
	Text string `json:"text" doc:"For people"`
}

func showEntry(d Document) documentEntry {
	return documentEntry{
		ID: objectText(d.ID), Number: d.Number, Series: d.Series, N: d.N, Till: tillText(d.Till), ClosedAt: d.Closed, BusinessDay: d.Day,
		Gross: d.Gross, Currency: d.Currency, Hash: hex.EncodeToString(d.Hash[:]), Leaf: d.Leaf, ArchivedAt: instant(d.Archived), Verified: d.Verified,
	}
}

func (s *Server) listDocuments(kind DocumentKind) func(context.Context, *listDocumentsIn) (page[documentEntry], error) {
	return func(ctx context.Context, in *listDocumentsIn) (page[documentEntry], error) {
		out := page[documentEntry]{Items: []documentEntry{}}
		v, err := s.shop(ctx, in.Shop)
		if err != nil {
			return out, err
		}
		if err := checkDays("query.", in.From, in.To); err != nil {
			return out, err
		}
		f := DocumentFilter{Shop: v.ID, Kind: kind, Series: in.Series, From: in.From, To: in.To}
		list, next, err := s.o.Documents.Documents(ctx, v.Account, f, in.After, in.Limit)
		if err != nil {
			return out, err
		}
		out = whole(list, showEntry)
		out.Next = next
		return out, nil
	}
}

func checkDays(field, from, to string) error {
	if err := checkDay(field+"from", from); err != nil {
		return err
	}
	if err := checkDay(field+"to", to); err != nil {
		return err
	}
	if from != "" && to != "" && to < from {
		return invalid(field+"to", "%sto: it is before %sfrom", field, field)
	}
	return nil
}

type getDocumentIn struct {
	Shop string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	ID   string `path:"id" minLength:"1" maxLength:"80" doc:"ID, or number such as K2-000418" example:"K2-000418"`
}

func (s *Server) getDocument(kind DocumentKind) func(context.Context, *getDocumentIn) (archivedDocument, error) {
	return func(ctx context.Context, in *getDocumentIn) (archivedDocument, error) {
		v, err := s.shop(ctx, in.Shop)
		if err != nil {
			return archivedDocument{}, err
		}
		d, err := s.o.Documents.Document(ctx, v.Account, v.ID, kind, in.ID)
		if err != nil {
			return archivedDocument{}, err
		}
		out := archivedDocument{Entry: showEntry(d), Canonical: d.Content, Signature: hex.EncodeToString(d.Signature),
			Key: hex.EncodeToString(d.Key), Findings: []finding{}}
		if json.Valid(d.Content) {
			out.Document = d.Content
		}
		for _, f := range d.Findings {
			out.Findings = append(out.Findings, finding(f))
		}
		return out, nil
	}
}
