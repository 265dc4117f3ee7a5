package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addPayments() {
	add(s, created(operation(http.MethodPost, "/api/v1/tabs/{id}/payments", "Sales", "pay-tab", "Enter a payment",
		`The tab is claimed if this till does not hold it. Cash may be more than what is due; the rest is change. A payment whose ID
is on the tab already is not entered again.`)), s.payTab)
	add(s, created(operation(http.MethodPost, "/api/v1/tabs/{id}/close", "Sales", "close-tab", "Close a tab",
		`Enters the payments that are given, closes the tab and answers with the signed receipt, under the next number of this till.
What was paid must come to the total exactly, after change. It needs no other till: only one that can be reached and works on
the tab can refuse. The member release of the answer says whether the receipt may be printed at once: with a rule of the shop
(print in the settings) it may have to be on more tills first. The event receipt tells when that changes.`)), s.closeTab)
}

// newPayment is a payment to be entered.
type newPayment struct {
	ID       string       `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters; left out: a new one is drawn"`
	Type     string       `json:"type" maxLength:"40" doc:"Bar, ECKarte, Kreditkarte, Unbar, ElZahlungsdienstleister or Guthabenkarte (ZAHLART_TYP of DSFinV-K)" example:"Bar"`
	Amount   int64        `json:"amount" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"What it counts for, in minor units and not 0; negative for money paid out" example:"680"`
	Tendered int64        `json:"tendered,omitempty" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"What was handed over, in minor units; left out: the amount" example:"1000"`
	Name     string       `json:"name,omitempty" maxLength:"200" doc:"Own name of the type"`
	User     string       `json:"user,omitempty" maxLength:"200" doc:"Who takes it"`
	Foreign  *foreignCash `json:"foreign,omitempty" doc:"Bar: what was handed over in another currency. tendered is what it is worth in the own one, in which change is given"`
	Terminal bool         `json:"terminal,omitempty" doc:"The card terminal of this till is asked for it. The answer comes before the terminal decides: payment.state says how it stands, the events payment what becomes of it"`
	Again    bool         `json:"again,omitempty" doc:"terminal: charge also if it is not known whether an earlier card payment of the tab was taken"`
}

func (n newPayment) payment(field string) (out node.NewPayment, err error) {
	if out.ID, err = parseObject(field+"id", n.ID); err != nil {
		return out, err
	}
	if out.Amount, err = checkAmount(field+"amount", n.Amount); err != nil {
		return out, err
	}
	if n.Amount == 0 {
		return out, fieldRefused(node.CodeAmount, field+"amount", "send the amount in minor units", "%samount: a payment of 0", field)
	}
	if out.Foreign, err = n.Foreign.document(field + "foreign."); err != nil {
		return out, err
	}
	out.Tendered, err = checkAmount(field+"tendered", n.Tendered)
	out.Type, out.Name, out.User = n.Type, n.Name, n.User
	out.Terminal, out.Again = n.Terminal, n.Again
	return out, err
}

// paid is how a tab stands after a payment.
type paid struct {
	Payment paidPayment `json:"payment"`
	Due     int64       `json:"due" doc:"Still to be paid, in minor units"`
	Change  int64       `json:"change" doc:"To be handed back, in minor units"`
}

// paidPayment is the payment that was entered.
type paidPayment struct {
	ID       string `json:"id"`
	Type     string `json:"type"`
	Name     string `json:"name,omitempty"`
	Amount   int64  `json:"amount" doc:"Minor units"`
	Tendered int64  `json:"tendered,omitempty" doc:"Minor units"`
	User     string `json:"user"`
	State    string `json:"state,omitempty" doc:"At a terminal: intended, sent, captured, declined or unknown; left out: it was captured as it was entered"`
}

func (s *server) payTab(ctx context.Context, in *withID[newPayment]) (paid, error) {
	id, err := in.object()
	if err != nil {
		return paid{}, err
	}
	n, err := in.Body.payment("body.")
	if err != nil {
		return paid{}, err
	}
	if n.ID.IsZero() {
		n.ID = freshID(ctx, "payment", 0)
	}
	p, err := s.till.Pay(ctx, id, n)
	if err != nil {
		return paid{}, err
	}
	b := in.Body
	return paid{paidPayment{p.ID.String(), b.Type, b.Name, b.Amount, b.Tendered, b.User, p.State}, int64(p.Due), int64(p.Change)}, nil
}

// closing is what a tab is closed with.
type closing struct {
	User     string       `json:"user,omitempty" maxLength:"200" doc:"Who closes it, and takes the payments that name nobody"`
	Payments []newPayment `json:"payments,omitempty" maxItems:"100" nullable:"false" doc:"Entered together with the closing"`
}

func (s *server) closeTab(ctx context.Context, in *withID[*closing]) (closedReceipt, error) {
	id, err := in.object()
	if err != nil {
		return closedReceipt{}, err
	}
	b := had(in.Body, closing{})
	list := make([]node.NewPayment, len(b.Payments))
	for i, p := range b.Payments {
		if p.User == "" {
			p.User = b.User
		}
		if list[i], err = p.payment("body.payments[" + strconv.Itoa(i) + "]."); err != nil {
			return closedReceipt{}, err
		}
		if list[i].ID.IsZero() {
			list[i].ID = freshID(ctx, "payment", i)
		}
	}
	r, err := s.till.CloseTab(ctx, id, b.User, list)
	if err != nil {
		return closedReceipt{}, err
	}
	return s.showReceipt(r), nil
}
