package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addTerminal() {
	add(s, operation(http.MethodGet, "/api/v1/payments", "Sales", "list-payments", "List the card payments that are not decided",
		`Of all tills: those that run, and those of which nobody knows yet whether the money was taken.`), s.listPayments)
	add(s, operation(http.MethodGet, "/api/v1/payments/{id}", "Sales", "get-payment", "Get a payment",
		`What became of it, what the card terminal said, and the receipt that holds it.`), s.getPayment)
	add(s, operation(http.MethodPost, "/api/v1/payments/{id}/query", "Sales", "query-payment", "Ask the terminal what became of a payment",
		`Nothing is charged by asking. The till asks by itself, too, until it knows. Only the till that took the payment can.`), s.queryPayment)
	add(s, operation(http.MethodPost, "/api/v1/payments/{id}/cancel", "Sales", "cancel-payment", "Give a card payment up",
		`If the terminal was not asked yet the payment is declined. Else the terminal is asked to stop, and the state says what
happened: it may be too late.`), s.cancelPayment)
	s.addPaymentDecisions()
	add(s, created(operation(http.MethodPost, "/api/v1/payments/{id}/reverse", "Sales", "reverse-payment", "Give a card payment back",
		`The terminal that took the money gives all of it back. Answers with the payment of the same amount and the other sign that
says so, which has the same states. On an open tab both count, so the amount is due again. Of a payment on a receipt the reversal is a case until a
refund of that receipt lists it, which it does by itself.`)), s.reversePayment)
}

// cardPayment is a payment with what is known of it.
type cardPayment struct {
	ID       string     `json:"id"`
	Tab      string     `json:"tab" doc:"For which it was entered; empty if it gives money of a receipt back"`
	Type     string     `json:"type" doc:"ZAHLART_TYP of DSFinV-K; empty for one that was declined and left with its receipt" example:"ECKarte"`
	Amount   int64      `json:"amount" doc:"Minor units; negative: given back"`
	User     string     `json:"user"`
	Till     string     `json:"till" doc:"That took it"`
	At       string     `json:"at" doc:"When it was entered, RFC 3339"`
	State    string     `json:"state" doc:"intended: the terminal is asked soon. sent: it is being asked. captured: the money was taken. declined: it was not. unknown: nobody knows; the till asks until it does"`
	Running  bool       `json:"running" doc:"This till is asking its terminal for it"`
	Receipt  string     `json:"receipt,omitempty" doc:"Number of the receipt that holds it" example:"K2-000418"`
	Terminal string     `json:"terminal,omitempty" doc:"Name of the terminal of this till that was asked"`
	Kind     string     `json:"kind,omitempty" enum:"authorise,refund,reverse" doc:"What the terminal was asked for"`
	Of       string     `json:"of,omitempty" doc:"reverse: the payment that is given back"`
	Trace    string     `json:"trace,omitempty" doc:"The terminal's number of it" example:"000042"`
	Card     string     `json:"card,omitempty" doc:"Kind of card and what of its number may be shown"`
	Approval string     `json:"authorisation,omitempty" doc:"The number by which the bank agreed" example:"A00042"`
	ByHand   bool       `json:"decided_by_hand,omitempty" doc:"A person decided the state, because nobody could ask the terminal any more"`
	GivesTo  string     `json:"gives_back,omitempty" doc:"ID of the receipt whose money it gives back"`
	Text     string     `json:"text,omitempty" doc:"What the terminal said"`
	Merchant []string   `json:"merchant_receipt,omitempty" nullable:"false" doc:"Lines of the terminal's receipt for the shop"`
	Customer []string   `json:"customer_receipt,omitempty" nullable:"false" doc:"Lines of the terminal's receipt for the customer"`
	Steps    []cardStep `json:"steps,omitempty" nullable:"false" doc:"How it came to its state; kept at the till that took it for 30 days"`
}

// cardStep is a state that a payment came to.
type cardStep struct {
	State string `json:"state"`
	At    string `json:"at" doc:"RFC 3339"`
	Text  string `json:"text,omitempty"`
}

func showCardPayment(p node.CardPayment) cardPayment {
	out := cardPayment{
		ID: p.ID.String(), Tab: objectText(p.Tab), Type: p.Payment.Type, Amount: int64(p.Payment.Amount), User: p.Payment.User,
		Till: tillText(p.Payment.Till), At: instantMS(p.Payment.MS), State: cmp.Or(p.State, receipt.PaymentCaptured), Running: p.Running,
		Receipt: p.Settled, Terminal: p.Terminal, Kind: string(p.Kind), Of: objectText(p.Of), Trace: p.Trace, Card: p.Card, Text: p.Text, Approval: p.Approval, ByHand: p.ByHand, GivesTo: objectText(p.Payment.Receipt),
		Merchant: p.Merchant, Customer: p.Customer,
	}
	if out.GivesTo == out.Tab {
		out.Tab = ""
	}
	for _, x := range p.Steps {
		out.Steps = append(out.Steps, cardStep{x.State, instantMS(x.MS), x.Text})
	}
	return out
}

// paymentList lists payments.
type paymentList struct {
	Items []cardPayment `json:"items" nullable:"false" doc:"The oldest first"`
}

func (s *server) listPayments(ctx context.Context, _ *struct{}) (paymentList, error) {
	out := paymentList{Items: []cardPayment{}}
	list, err := s.till.CardPayments(ctx)
	for _, p := range list {
		out.Items = append(out.Items, showCardPayment(p))
	}
	return out, err
}

type paymentIn struct {
	ID string `path:"id" minLength:"26" maxLength:"26" doc:"26 characters, letters a-z and digits 2-7" example:"aaaqeayeaudaocajbifqydiob4"`
}

func (s *server) getPayment(ctx context.Context, in *paymentIn) (cardPayment, error) {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return cardPayment{}, err
	}
	p, err := s.till.Payment(ctx, id)
	if err != nil {
		return cardPayment{}, err
	}
	return showCardPayment(p), nil
}

func (s *server) queryPayment(ctx context.Context, in *paymentIn) (cardPayment, error) {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return cardPayment{}, err
	}
	p, err := s.till.QueryPayment(ctx, id)
	if err != nil {
		return cardPayment{}, err
	}
	return showCardPayment(p), nil
}

func (s *server) cancelPayment(ctx context.Context, in *paymentIn) (cardPayment, error) {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return cardPayment{}, err
	}
	p, err := s.till.CancelPayment(ctx, id)
	if err != nil {
		return cardPayment{}, err
	}
	return showCardPayment(p), nil
}

// reversing gives a payment back.
type reversing struct {
	User string `json:"user,omitempty" maxLength:"200" doc:"Who gives it back"`
}

func (s *server) reversePayment(ctx context.Context, in *withID[*reversing]) (cardPayment, error) {
	id, err := in.object()
	if err != nil {
		return cardPayment{}, err
	}
	p, err := s.till.ReversePayment(ctx, id, had(in.Body, reversing{}).User)
	if err != nil {
		return cardPayment{}, err
	}
	return showCardPayment(p), nil
}

// terminalState is how the card terminal is doing.
type terminalState struct {
	Name      string `json:"name" doc:"Empty: this till has none"`
	Running   string `json:"running,omitempty" doc:"ID of the payment it is being asked for"`
	Undecided int    `json:"undecided,omitempty" doc:"Payments of this till of which nobody knows whether the money was taken"`
}

func showTerminal(t node.TerminalState) *terminalState {
	if t == (node.TerminalState{}) {
		return nil
	}
	return &terminalState{t.Name, objectText(t.Running), t.Undecided}
}
