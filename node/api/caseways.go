package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
)

// caseWay is one thing that can be done about a case.
type caseWay struct {
	Way  string `json:"way" enum:"resolve,close,adopt,payback,refund,cancel,decide,update" doc:"Stable; decide by it"`
	Text string `json:"text" doc:"What it does"`
	Call string `json:"call,omitempty" doc:"What to send to the till for it" example:"POST /api/v1/cases/aaaqeayeaudaocajbifqydiob4/adopt"`
}

// waysOf says what can be done about a case, the usual way first.
func waysOf(c book.Case) []caseWay {
	id, tab := c.ID().String(), objectText(c.Tab)
	adopt := "POST /api/v1/cases/" + id + "/adopt"
	of := func(what string) string {
		if len(c.Receipts) == 0 {
			return ""
		}
		return "POST /api/v1/receipts/" + c.Receipts[0].String() + "/" + what
	}
	switch c.Kind {
	case book.CaseContinuation:
		return []caseWay{
			{"close", "Take payment for these lines on their own.", "POST /api/v1/tabs/" + tab + "/close"},
			{"adopt", "Put them on another tab, which may be a new one.", adopt},
		}
	case book.CaseUnknown:
		payment := "POST /api/v1/payments/" + c.Objects[0].String()
		return []caseWay{
			{"decide", "If the terminal is gone for good: say what its journal or the bank says.", payment + "/decide"},
		}
	case book.CaseOrphan:
		if c.GivesBack() {
			return []caseWay{
				{"refund", "Take the receipt back: the refund lists the money that went back.", of("refund")},
				{"payback", "The customer gave it back in cash: list both.", "POST /api/v1/cases/" + id + "/payback"},
			}
		}
		return []caseWay{
			{"adopt", "Put the payment on a tab, which may be a new one.", adopt},
			{"payback", "Give the money back in cash.", "POST /api/v1/cases/" + id + "/payback"},
		}
	case book.CaseLateVoid:
		return []caseWay{{"refund", "Give the money for the line back, if it was paid by mistake.", of("refund")}}
	case book.CaseLateDiscount:
		return []caseWay{{"refund", "Give back what the discount would have been.", of("refund")}}
	case book.CaseDouble:
		var call string
		if len(c.Receipts) > 1 {
			call = "POST /api/v1/receipts/" + c.Receipts[len(c.Receipts)-1].String() + "/cancel"
		}
		return []caseWay{{"cancel", "Cancel the receipt that does not count.", call}}
	case book.CaseUnreadable:
		return []caseWay{{"update", "Update the program of this till.", ""}}
	}
	return []caseWay{}
}

func (s *server) addCaseWays() {
	add(s, created(operation(http.MethodPost, "/api/v1/cases/{id}/adopt", "Sales", "adopt-case", "Put what is left over from a closed tab on another one",
		`Lines that came after their tab was closed, with their payments, or a payment that is on no receipt. The other tab is opened if it is
not there. Answers with that tab.`)), s.adoptCase)
	add(s, created(operation(http.MethodPost, "/api/v1/cases/{id}/payback", "Sales", "pay-back", "Give a payment that is on no receipt back in cash",
		`Answers with a receipt that lists the payment and what was given back, and comes to nothing.`)), s.payBack)
}

// adoption says where it goes.
type adoption struct {
	To   string `json:"to,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of an open tab, or of a new one; left out: a new one"`
	Name string `json:"name,omitempty" maxLength:"200" doc:"Of a new tab" example:"Nachtrag Tisch 4"`
	User string `json:"user,omitempty" maxLength:"200" doc:"Who does it"`
}

func (s *server) adoptCase(ctx context.Context, in *withID[*adoption]) (tab, error) {
	id, err := in.object()
	if err != nil {
		return tab{}, err
	}
	b := had(in.Body, adoption{})
	a := node.Adoption{Name: b.Name, User: b.User}
	if a.To, err = parseObject("body.to", b.To); err != nil {
		return tab{}, err
	}
	if a.To == (crdt.ObjectID{}) {
		a.To = freshID(ctx, "adopting tab", 0)
	}
	v, err := s.till.AdoptCase(ctx, id, a)
	if err != nil {
		return tab{}, err
	}
	return s.showTab(v), nil
}

// payingBack says who gives it back.
type payingBack struct {
	User   string `json:"user,omitempty" maxLength:"200" doc:"Who does it"`
	Reason string `json:"reason,omitempty" maxLength:"200" example:"doppelt bezahlt"`
}

func (s *server) payBack(ctx context.Context, in *withID[*payingBack]) (closedReceipt, error) {
	id, err := in.object()
	if err != nil {
		return closedReceipt{}, err
	}
	b := had(in.Body, payingBack{})
	r, err := s.till.PayBack(ctx, id, b.User, b.Reason)
	if err != nil {
		return closedReceipt{}, err
	}
	return s.showReceipt(r), nil
}
