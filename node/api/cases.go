package api

import (
	"context"

	"github.com/tillmesh/tillmesh/node/book"
)

// caseList is what people have to decide.
type caseList struct {
	Items []saleCase `json:"items" nullable:"false"`
}

// saleCase is something about sales that a person has to decide.
type saleCase struct {
	ID        string           `json:"id" doc:"The same on every till as long as the case is about the same things"`
	Kind      string           `json:"kind" doc:"double-settlement, double-refund, continuation, late-void, late-discount, orphan-payment, unknown-payment or unreadable"`
	Tabs      []string         `json:"tabs" nullable:"false" doc:"IDs"`
	Receipts  []caseReceipt    `json:"receipts" nullable:"false" doc:"Of several the first one counts; double-refund: the one that sold first, then those that took it back"`
	Lines     []string         `json:"lines" nullable:"false" doc:"IDs"`
	Objects   []string         `json:"objects" nullable:"false" doc:"IDs of the voids, discounts or payments"`
	Detail    string           `json:"detail" doc:"What happened"`
	Ways      []caseWay        `json:"ways" nullable:"false" doc:"What can be done about it, the usual way first"`
	State     string           `json:"state" enum:"open,resolved" doc:"resolved: somebody decided; listed for 30 days"`
	Drafts    []draftedReceipt `json:"drafts,omitempty" nullable:"false" doc:"Receipts that accepting it writes; left out: there are none"`
	Decisions []caseDecision   `json:"decisions,omitempty" nullable:"false" doc:"resolved: what was decided, the one that counts first"`
}

// caseReceipt names a receipt.
type caseReceipt struct {
	ID     string `json:"id"`
	Number string `json:"number" doc:"Empty if this till does not remember it"`
}

// caseWords are the name of a kind in the API and what happened.
var caseWords = map[book.CaseKind][2]string{
	book.CaseDouble:       {"double-settlement", "The same lines are on several receipts: tills closed the tab while they were apart."},
	book.CaseDoubleRefund: {"double-refund", "More of a receipt was taken back than it sold: tills took it back while they were apart."},
	book.CaseContinuation: {"continuation", "Lines reached a tab after it was closed."},
	book.CaseLateVoid:     {"late-void", "A line was taken back after it was settled."},
	book.CaseLateDiscount: {"late-discount", "A discount was given on something that was settled already."},
	book.CaseOrphan:       {"orphan-payment", "A payment for a closed tab is on no receipt."},
	book.CaseUnknown:      {"unknown-payment", "Nobody knows whether a card payment came through. The till that took it asks its terminal until it knows."},
	book.CaseUnreadable:   {"unreadable", "A newer program wrote a part of a sale; update this till to see it."},
}

func (s *server) listCases(ctx context.Context, _ *struct{}) (caseList, error) {
	out := caseList{Items: []saleCase{}}
	list, err := s.till.CaseList(ctx)
	if err != nil {
		return out, err
	}
	for _, c := range list {
		out.Items = append(out.Items, s.showWholeCase(ctx, c))
	}
	return out, nil
}

func showCase(c book.Case) saleCase {
	words, ok := caseWords[c.Kind]
	if !ok {
		words = [2]string{string(c.Kind), ""}
	}
	out := saleCase{Kind: words[0], Detail: words[1], Ways: waysOf(c), Tabs: []string{}, Receipts: []caseReceipt{}, Lines: []string{}, Objects: []string{}}
	if c.GivesBack() && c.Kind == book.CaseOrphan {
		out.Detail = "Money of a receipt was given back to a card, and no receipt says so."
	}
	if !c.Tab.IsZero() && !c.GivesBack() {
		out.Tabs = append(out.Tabs, c.Tab.String())
	}
	if !c.Target.IsZero() {
		out.Lines = append(out.Lines, c.Target.String())
	}
	for _, id := range c.Objects {
		if c.Kind == book.CaseDouble || c.Kind == book.CaseContinuation || c.Kind == book.CaseDoubleRefund {
			out.Lines = append(out.Lines, id.String())
		} else {
			out.Objects = append(out.Objects, id.String())
		}
	}
	for i, id := range c.Receipts {
		r := caseReceipt{ID: id.String()}
		if i < len(c.Numbers) {
			r.Number = c.Numbers[i]
		}
		out.Receipts = append(out.Receipts, r)
	}
	out.ID = c.ID().String()
	return out
}
