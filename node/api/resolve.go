package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addResolve() {
	add(s, operation(http.MethodGet, "/api/v1/cases/{id}", "Sales", "get-case", "Get a case",
		`Open, or decided: then with what was decided, by whom and what was written for it.`), s.getCase)
	add(s, created(operation(http.MethodPost, "/api/v1/cases/{id}/resolve", "Sales", "resolve-case", "Decide a case, at any till",
		`accept writes the drafted receipts; keep says that all receipts were meant as they are; dismiss says that nothing is to be done, and gives
up lines that came after their tab was closed. Where a tab was settled twice, receipt names the one that stays, if it is not the first.
The decision is on all tills as soon as they hear of it. Of two tills that decide while they cannot reach each other both decisions stay;
if both gave money back, that is a case of its own. Money that a card terminal took goes back through the terminal of this till first (asked). A case that somebody decided already is refused (already-resolved).`)), s.resolveCase)
}

// draftedReceipt is a receipt that accepting a case writes.
type draftedReceipt struct {
	Kind     string           `json:"kind" enum:"cancel,refund,correct" doc:"cancel: all of a receipt; refund: some of it; correct: it was taken back twice"`
	Of       caseReceipt      `json:"of" doc:"The receipt that is taken back"`
	Lines    []draftedLine    `json:"lines" nullable:"false"`
	Payments []draftedPayment `json:"payments" nullable:"false" doc:"How the money goes back"`
	Gross    int64            `json:"gross" doc:"Minor units; below zero: money is given back" example:"-2460"`
	Currency string           `json:"currency" example:"EUR"`
}

// draftedLine is a line that is taken back, or a part of it.
type draftedLine struct {
	Line     string `json:"line" doc:"ID"`
	Name     string `json:"name" example:"Schnitzel"`
	Quantity int64  `json:"quantity" doc:"Thousandths" example:"1000"`
}

// draftedPayment is how money goes back.
type draftedPayment struct {
	Type   string `json:"type" example:"Bar"`
	Name   string `json:"name,omitempty"`
	Amount int64  `json:"amount" doc:"Minor units" example:"-2460"`
	Card   bool   `json:"terminal,omitempty" doc:"A card terminal took it, and gives it back before the receipt is written"`
	Shared bool   `json:"shared,omitempty" doc:"It was taken once and stands on the receipt that stays, too: nothing is handed out for it"`
}

// caseDecision is what somebody decided.
type caseDecision struct {
	Decision string        `json:"decision" doc:"cancelled, refunded, corrected, kept, dismissed or given-up" example:"cancelled"`
	User     string        `json:"user"`
	Till     string        `json:"till"`
	TillName string        `json:"till_name"`
	At       string        `json:"at" doc:"RFC 3339"`
	Reason   string        `json:"reason"`
	Stay     []string      `json:"stay" nullable:"false" doc:"IDs of the receipts that stay, the first one counts"`
	Written  []caseReceipt `json:"written" nullable:"false" doc:"Receipts that were written for it"`
}

func (s *server) showWholeCase(ctx context.Context, c node.Case) saleCase {
	out := showCase(c.Case)
	out.ID, out.State = c.ID.String(), caseOpen
	for _, d := range c.Drafts {
		shown := draftedReceipt{Kind: d.Kind, Of: caseReceipt{d.Of.String(), d.Number}, Lines: []draftedLine{}, Payments: []draftedPayment{},
			Gross: int64(d.Gross), Currency: d.Currency}
		for _, l := range d.Lines {
			shown.Lines = append(shown.Lines, draftedLine{l.Line.String(), l.Name, int64(l.Quantity)})
		}
		for _, p := range d.Payments {
			shown.Payments = append(shown.Payments, draftedPayment{p.Type, p.Name, int64(p.Amount), p.Terminal, p.Shared})
		}
		out.Drafts = append(out.Drafts, shown)
	}
	if len(c.Drafts) > 0 {
		out.Ways = append([]caseWay{{"resolve", "Write the drafted receipts.", "POST /api/v1/cases/" + out.ID + "/resolve"}}, out.Ways...)
	}
	for _, d := range c.Decided {
		out.State, out.Ways = caseResolved, []caseWay{}
		shown := caseDecision{Decision: d.Decision, User: d.User, Till: d.Till.String(), TillName: s.names.name(d.Till), At: instantMS(d.MS), Reason: d.Reason,
			Stay: []string{}, Written: []caseReceipt{}}
		for _, id := range d.Receipts {
			shown.Stay = append(shown.Stay, id.String())
		}
		for _, id := range d.Done {
			w := caseReceipt{ID: id.String()}
			if r, err := s.till.Receipt(ctx, w.ID); err == nil { // else it is on its way
				w.Number = r.Number
			}
			shown.Written = append(shown.Written, w)
		}
		out.Decisions = append(out.Decisions, shown)
	}
	return out
}

// States of a case.
const (
	caseOpen     = "open"
	caseResolved = "resolved"
)

func (s *server) getCase(ctx context.Context, in *oneIn) (saleCase, error) {
	id, err := in.object()
	if err != nil {
		return saleCase{}, err
	}
	c, err := s.till.Case(ctx, id)
	if err != nil {
		return saleCase{}, err
	}
	return s.showWholeCase(ctx, c), nil
}

// deciding is a decision about a case.
type deciding struct {
	Decision string       `json:"decision" enum:"accept,keep,dismiss"`
	Receipt  string       `json:"receipt,omitempty" maxLength:"60" doc:"accept, of a tab that was settled twice: ID or number of the receipt that stays; left out: the first of the case" example:"K2-000418"`
	Payments []newPayment `json:"payments,omitempty" maxItems:"100" nullable:"false" doc:"accept: how the money goes back, if not as drafted"`
	User     string       `json:"user" maxLength:"200" doc:"Who decides" example:"Anna"`
	Reason   string       `json:"reason,omitempty" maxLength:"200" doc:"Required to keep or dismiss" example:"Gast zahlte doppelt"`
}

// caseResolution is a case that was decided.
type caseResolution struct {
	Case     saleCase        `json:"case"`
	Receipts []closedReceipt `json:"receipts" nullable:"false" doc:"That were written"`
	Asked    *cardPayment    `json:"asked,omitempty" doc:"The card terminal is asked to give money back first: the case is still open, and the till decides it by itself when that went back"`
}

func (s *server) resolveCase(ctx context.Context, in *withID[deciding]) (caseResolution, error) {
	id, err := in.object()
	if err != nil {
		return caseResolution{}, err
	}
	d := node.Decision{What: in.Body.Decision, User: in.Body.User, Reason: in.Body.Reason}
	if d.Payments, err = payingOut(ctx, in.Body.Payments); err != nil {
		return caseResolution{}, err
	}
	if in.Body.Receipt != "" {
		r, err := s.till.Receipt(ctx, in.Body.Receipt)
		if err != nil {
			return caseResolution{}, err
		}
		d.Primary = r.ID
	}
	c, written, err := s.till.Resolve(ctx, id, d)
	var asked *cardPayment
	if err != nil {
		if asked, err = s.asked(ctx, err); err == nil {
			c, err = s.till.Case(ctx, id)
		}
	}
	if err != nil {
		return caseResolution{}, err
	}
	out := caseResolution{Case: s.showWholeCase(ctx, c), Receipts: []closedReceipt{}, Asked: asked}
	for _, r := range written {
		out.Receipts = append(out.Receipts, s.showReceipt(r))
	}
	return out, nil
}
