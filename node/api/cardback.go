package api

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/node"
)

// askedBack is the answer while the card terminal gives money back: nothing is written yet.
type askedBack struct {
	Asked cardPayment `json:"asked" doc:"The payment that the terminal is asked for"`
}

// correctedAnswer is the receipt that was written, or what is waited for.
type correctedAnswer struct {
	Status int
	Body   any
}

// addCorrecting adds an operation that takes a receipt back: 201 with what was written, 202 while the terminal is asked.
func addCorrecting[I any](s *server, op opDoc, handle func(context.Context, *I) (closedReceipt, error)) {
	body := func(of *huma.Schema) map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: of}}
	}
	op.Responses = map[string]*huma.Response{
		"201": {Description: "The receipt that was written", Content: body(schema[closedReceipt](s))},
		"202": {Description: "The card terminal is asked to give money back; the receipt is written when it did", Content: body(schema[askedBack](s))},
	}
	op = created(op)
	s.describe(&op)
	huma.Register(s.doc, op, func(ctx context.Context, in *I) (*correctedAnswer, error) {
		out, err := handle(ctx, in)
		if err == nil {
			return &correctedAnswer{http.StatusCreated, out}, nil
		}
		asked, err := s.asked(ctx, err)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return &correctedAnswer{http.StatusAccepted, askedBack{*asked}}, nil
	})
}

// asked returns the payment that is waited for if that is why nothing was written yet, else the error.
func (s *server) asked(ctx context.Context, err error) (*cardPayment, error) {
	a, ok := errors.AsType[*node.PaybackAsked](err)
	if !ok {
		return nil, err
	}
	p, err := s.till.Payment(ctx, a.Payment)
	if err != nil {
		return nil, err
	}
	shown := showCardPayment(p)
	return &shown, nil
}

func (s *server) addPaymentDecisions() {
	add(s, operation(http.MethodPost, "/api/v1/payments/{id}/decide", "Sales", "decide-payment", "Say what became of a card payment that nobody can ask about any more",
		`For a terminal that is gone for good: a person looked into its journal, or asked the bank. Who said so and why is kept, and on all
tills. A till decides about its own payments, and about those of a till that it cannot reach (elsewhere). While the terminal answers it is
refused (ask-terminal, payment-decided). A payment that came through counts for its tab; if that was closed meanwhile it is a case.`), s.decidePayment)
}

// paymentDecision says what became of it.
type paymentDecision struct {
	Paid   bool   `json:"paid" doc:"true: the money moved; false: it did not"`
	User   string `json:"user" maxLength:"200" doc:"Who decides" example:"Anna"`
	Reason string `json:"reason" maxLength:"200" doc:"How that is known" example:"steht im Kassenschnitt des Terminals"`
}

func (s *server) decidePayment(ctx context.Context, in *withID[paymentDecision]) (cardPayment, error) {
	id, err := in.object()
	if err != nil {
		return cardPayment{}, err
	}
	p, err := s.till.DecidePayment(ctx, id, node.PaymentDecision{Paid: in.Body.Paid, User: in.Body.User, Reason: in.Body.Reason})
	if err != nil {
		return cardPayment{}, err
	}
	return showCardPayment(p), nil
}
