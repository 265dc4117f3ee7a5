package node

import (
	"context"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
)

// CodeAskTerminal refuses to decide by hand about a payment whose terminal can be asked. It is part of the API.
const CodeAskTerminal = "ask-terminal"

// What a person may decide about a payment, as it is written down.
const (
	DecidedPaid    = "paid"
	DecidedNotPaid = "not-paid"
)

// PaymentDecision says what a person found out about a card payment, in the journal of the terminal or from the bank.
type PaymentDecision struct {
	Paid         bool   // the money moved
	User, Reason string // both required
}

// DecidePayment writes down what a person found out about a card payment whose terminal nobody can ask any more. The decision
// stays as an item, like those about cases; should the terminal say something else after all, that counts for what it was
// asked about before. A till decides about its own payments, and about those of tills that it cannot reach.
func (t *Till) DecidePayment(ctx context.Context, id crdt.ObjectID, d PaymentDecision) (CardPayment, error) {
	d.User, d.Reason = strings.TrimSpace(d.User), strings.TrimSpace(d.Reason)
	switch {
	case d.User == "":
		return CardPayment{}, refuse(CodeNoUser, "say who decides", "nobody was named who decides")
	case d.Reason == "":
		return CardPayment{}, refuse(CodeReason, "say how you know: from the terminal's journal, or from the bank", "no reason was given")
	}
	p, err := t.decidable(ctx, id, d)
	if err != nil || !undecided(p.State) {
		return p, err
	}
	if err := t.room.change(); err != nil {
		return p, err
	}
	if err := t.writePaymentDecision(ctx, p, d); err != nil {
		return p, err
	}
	t.cards.nudge()
	return t.Payment(ctx, id)
}

// decidable returns a payment that may be decided by hand; one that was decided so before is returned as it is.
func (t *Till) decidable(ctx context.Context, id crdt.ObjectID, d PaymentDecision) (CardPayment, error) {
	p, err := t.payment1(ctx, id)
	if err != nil {
		return p, err
	}
	switch {
	case p.ByHand && (p.State == receipt.PaymentCaptured) == d.Paid:
		return p, nil // a repeated request
	case !undecided(p.State):
		return p, refuse(CodePaymentDecided, "", "the payment was %s already", or(p.State, receipt.PaymentCaptured))
	case !p.Mine && t.Reaches(p.Payment.Till) && !(p.Unknown() && t.roster.former(p.Payment.Till)): // one that left writes no decision
		return p, refuse(CodeElsewhere, "do it at "+t.roster.name(p.Payment.Till), "%s can be reached, and asks its terminal", t.roster.name(p.Payment.Till))
	case !p.Mine:
		return p, nil
	case p.Running:
		return p, refuse(CodeCardRunning, "wait until it is over, or cancel it with POST /api/v1/payments/"+id.String()+"/cancel", "the terminal is being asked for it")
	case t.cards.terminal == nil || p.Terminal != "" && p.Terminal != t.cards.terminal.Name():
		return p, nil
	}
	answered, err := t.askAbout(ctx, p.OpenPayment)
	if err != nil {
		return p, err
	}
	t.answered(id, answered)
	if p, err = t.payment1(ctx, id); err != nil {
		return p, err
	}
	switch {
	case !undecided(p.State):
		return p, refuse(CodePaymentDecided, "", "the terminal was asked: the payment was %s", or(p.State, receipt.PaymentCaptured))
	case answered && p.Terminal != "":
		return p, refuse(CodeAskTerminal, "wait until it knows; the till asks it every 30 seconds", "the terminal answers, and has not decided yet")
	}
	return p, nil
}

// payment1 returns a payment, or refuses for people.
func (t *Till) payment1(ctx context.Context, id crdt.ObjectID) (CardPayment, error) {
	p, err := t.Payment(ctx, id)
	if p.Payment.Till.IsZero() && err != nil {
		err = refuse(CodeNoPayment, "list the payments that are not decided with GET /api/v1/payments", "there is no payment %v", id)
	}
	return p, err
}

// writePaymentDecision writes the state and the decision in one change.
func (t *Till) writePaymentDecision(ctx context.Context, p CardPayment, d PaymentDecision) error {
	release, err := t.cards.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	defer t.tabs.own(p.ID)()
	obj, err := t.store.Object(ctx, salesKey(receipt.TypePayment, p.ID))
	if err != nil {
		return err
	}
	now, open := t.book.Payment(p.ID)
	if obj.Gone || !open || !undecided(now.State) {
		return refuse(CodePaymentDecided, "look at it with GET /api/v1/payments/"+p.ID.String(), "somebody was faster: the payment was decided")
	}
	state, word, ms := receipt.PaymentDeclined, DecidedNotPaid, t.clock.MS()
	if d.Paid {
		state, word = receipt.PaymentCaptured, DecidedPaid
	}
	card, err := t.cardOf(ctx, p.ID)
	if err != nil {
		return err
	}
	progress := receipt.Progress{State: state, MS: ms, ByHand: true}
	var notes []replication.Note
	if card != nil {
		card.says(terminal.Outcome{Text: fmt.Sprintf("%s decided: %s (%s)", d.User, word, d.Reason)})
		card.step(state, card.Text, ms)
		note, err := card.note(p.ID)
		if err != nil {
			return err
		}
		notes = append(notes, note, aged(cardAgeNote, ms, p.ID.String()))
	}
	pieces, err := receipt.SetProgress(p.ID, obj, progress)
	if err != nil {
		return refuseInvalid(err)
	}
	more, err := decisionPieces(receipt.Resolution{Case: unknownCase(p.OpenPayment).ID(), Kind: string(book.CaseUnknown), Decision: word, Reason: d.Reason,
		Till: t.id.Till, User: d.User, MS: ms})
	if err != nil {
		return err
	}
	change := t.change(crdt.Sales, receipt.Schema, append(pieces, more...))
	change.Urgent, change.Notes = true, notes
	if _, err := t.save(ctx, change); err != nil {
		return err
	}
	t.cards.mu.Lock()
	delete(t.cards.asked, p.ID)
	t.cards.mu.Unlock()
	t.tellCard(p.ID, p.Tab, state)
	return nil
}

// unknownCase is the case that nobody knows what became of a payment.
func unknownCase(p book.OpenPayment) book.Case {
	c := book.Case{Kind: book.CaseUnknown, Tab: p.Tab, Objects: []crdt.ObjectID{p.ID}}
	if !p.Payment.Receipt.IsZero() {
		c.Receipts, c.Numbers = []crdt.ObjectID{p.Payment.Receipt}, []string{""}
	}
	return c
}

// leftPayments are the payments that tills were asking their terminals for when they left the shop: it may be that nobody asks any
// more. Tills that left show them, too.
func (t *Till) leftPayments() (out []book.Case) {
	for _, p := range t.book.Payments() {
		if underWay(p.State) && t.roster.former(p.Payment.Till) {
			out = append(out, unknownCase(p))
		}
	}
	return out
}
