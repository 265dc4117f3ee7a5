package api

import (
	"context"
	"net/http"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addCorrections() {
	addCorrecting(s, operation(http.MethodPost, "/api/v1/receipts/{id}/cancel", "Sales", "cancel-receipt", "Take a whole receipt back",
		`Writes the exact mirror of the receipt under the next number of this till. The receipt may be of any till of the shop; no other till
has to be reached. If something of it was taken back before, the answer says by which receipts (already-refunded): refund takes
back the rest. Without payments the money goes back as it was paid, cash first.

What a card terminal took, and payments with "terminal", go back through the terminal of this till before anything is written: the answer is
202 with the payment that it is asked for. The till writes the receipt by itself as soon as all of it went back, also after a restart;
paying_back of the receipt says what it waits for. If the terminal declines nothing is written, and somebody says with payments how the money goes back instead. Money that went back for
a receipt that was not written is a case, and is listed by its id among the payments.`), s.cancelReceipt)
	addCorrecting(s, operation(http.MethodPost, "/api/v1/receipts/{id}/refund", "Sales", "refund-receipt", "Take lines of a receipt back, or parts of them",
		`Like cancel, by line and quantity; without lines: all that is left. What is taken back of a line in several steps comes to what the
line came to, to the cent. A receipt that takes back another one cannot be taken back itself. If tills that cannot reach each other take back
more than was sold, that becomes a case. Money goes back to cards as with cancel.`), s.refundReceipt)
	add(s, created(operation(http.MethodPost, "/api/v1/tabs/{id}/abandon", "Sales", "abandon-tab", "Give a tab up",
		`Its lines are kept in a document under the next number of this till that comes to nothing; an empty tab is recorded, too. A tab for
which money was taken is refused (money-taken), with the way out. It needs no other till: only one that can be reached and works on the tab
can refuse.`)), s.abandonTab)
}

type correctionIn[B any] struct {
	ID   string `path:"id" minLength:"1" maxLength:"60" doc:"ID of the receipt, or number such as K2-000418" example:"K2-000418"`
	Body B
}

// cancellation says how a receipt is taken back.
type cancellation struct {
	User     string       `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
	Reason   string       `json:"reason,omitempty" maxLength:"200" example:"falscher Tisch"`
	Payments []newPayment `json:"payments,omitempty" maxItems:"100" nullable:"false" doc:"How the money goes back, below zero where it is paid out; left out: as it was paid, cash first. terminal: the card terminal of this till is asked. id: a payment that went back already and is on no receipt"`
	InCash   bool         `json:"in_cash,omitempty" doc:"All of it goes back in cash, however it was paid; without payments only"`
}

// refunding says what of a receipt is taken back.
type refunding struct {
	User     string       `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
	Reason   string       `json:"reason,omitempty" maxLength:"200" example:"kalt"`
	Payments []newPayment `json:"payments,omitempty" maxItems:"100" nullable:"false" doc:"How the money goes back, below zero where it is paid out; left out: as it was paid, cash first. terminal: the card terminal of this till is asked. id: a payment that went back already and is on no receipt"`
	InCash   bool         `json:"in_cash,omitempty" doc:"All of it goes back in cash, however it was paid; without payments only"`
	Lines    []takenLine  `json:"lines,omitempty" maxItems:"500" nullable:"false" doc:"Left out: all that is left"`
}

// takenLine is a line of a receipt, or a part of it.
type takenLine struct {
	Line     string `json:"line" pattern:"^[a-z2-7]{26}$" patternDescription:"26 letters a-z and digits 2-7" doc:"ID of the line in the document of the receipt" example:"aaaqeayeaudaocajbifqydiob4"`
	Quantity int64  `json:"quantity,omitempty" minimum:"0" maximum:"1000000000" doc:"Thousandths, above zero also for a return; left out or 0: all that is left" example:"1000"`
}

func (s *server) cancelReceipt(ctx context.Context, in *correctionIn[*cancellation]) (closedReceipt, error) {
	b := had(in.Body, cancellation{})
	c := node.Correction{User: b.User, Reason: b.Reason, InCash: b.InCash}
	var err error
	if c.Payments, err = payingOut(ctx, b.Payments); err != nil {
		return closedReceipt{}, err
	}
	return s.written(s.till.CancelReceipt(ctx, in.ID, c))
}

func (s *server) refundReceipt(ctx context.Context, in *correctionIn[*refunding]) (closedReceipt, error) {
	b := had(in.Body, refunding{})
	c := node.Correction{User: b.User, Reason: b.Reason, InCash: b.InCash}
	var err error
	for i, l := range b.Lines {
		t := receipt.Taken{Quantity: receipt.Quantity(l.Quantity)}
		if t.Line, err = parseObject("body.lines["+strconv.Itoa(i)+"].line", l.Line); err != nil {
			return closedReceipt{}, err
		}
		c.Lines = append(c.Lines, t)
	}
	if c.Payments, err = payingOut(ctx, b.Payments); err != nil {
		return closedReceipt{}, err
	}
	return s.written(s.till.RefundReceipt(ctx, in.ID, c))
}

// payingOut reads payments of a receipt that takes back another one.
func payingOut(ctx context.Context, given []newPayment) ([]node.NewPayment, error) {
	list := make([]node.NewPayment, len(given))
	for i, p := range given {
		var err error
		if list[i], err = p.payment("body.payments[" + strconv.Itoa(i) + "]."); err != nil {
			return nil, err
		}
		if list[i].ID.IsZero() {
			list[i].ID = freshID(ctx, "payment", i)
		}
	}
	return list, nil
}

// abandoning says who gives a tab up.
type abandoning struct {
	User   string `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
	Reason string `json:"reason,omitempty" maxLength:"200" example:"Gast ging"`
}

func (s *server) abandonTab(ctx context.Context, in *withID[*abandoning]) (closedReceipt, error) {
	id, err := in.object()
	if err != nil {
		return closedReceipt{}, err
	}
	b := had(in.Body, abandoning{})
	return s.written(s.till.AbandonTab(ctx, id, b.User, b.Reason))
}

// refundedBy is a receipt that took back lines of another one.
type refundedBy struct {
	Receipt string      `json:"receipt" doc:"ID"`
	Number  string      `json:"number" example:"K3-000007" doc:"Empty if it is not here yet"`
	Till    string      `json:"till" doc:"Name of the till that took it back" example:"Theke"`
	At      string      `json:"at" doc:"RFC 3339; empty if it is not here yet"`
	Lines   []takenLine `json:"lines" nullable:"false"`
}

func (s *server) refundsOf(ctx context.Context, r node.Receipt) ([]refundedBy, error) {
	list, err := s.till.Refunded(ctx, r.ID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	out := make([]refundedBy, 0, len(list))
	for _, x := range list {
		shown := refundedBy{Receipt: x.Receipt.String(), Number: x.Number, Till: x.Till, At: x.At, Lines: []takenLine{}}
		for _, l := range x.Lines {
			shown.Lines = append(shown.Lines, takenLine{l.Line.String(), int64(l.Quantity)})
		}
		out = append(out, shown)
	}
	return out, nil
}
