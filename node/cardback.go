package node

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// Money of a receipt goes back to a card before the receipt that takes it back is written: a payment of its own, which names the
// receipt, with the states of every payment at a terminal. When it is captured the till writes the receipt, which lists it; see
// pendingBack. Until then, and if the receipt cannot be written any more, it is shown as a case.

// Codes of refusals about money that goes back to a card. They are part of the API: append, never change.
const (
	CodeBackRunning = "payback-running" // what becomes of giving money of this receipt back is not known yet
	CodeWentBack    = "already-paid-back"
)

// PaybackAsked says that the receipt is written as soon as the card terminal gave money back. It is no refusal.
type PaybackAsked struct {
	Receipt crdt.ObjectID // that is taken back
	Payment crdt.ObjectID // that the terminal is asked for
}

// Error tells a person.
func (a *PaybackAsked) Error() string {
	return fmt.Sprintf("the card terminal is asked to give money of receipt %v back; what takes the receipt back is written as soon as it did", a.Receipt)
}

// backsOf returns the payments that give money of a receipt back and are on no receipt, whatever became of them.
func (t *Till) backsOf(of receipt.Document) []book.OpenPayment {
	return slices.DeleteFunc(t.book.Payments(), func(p book.OpenPayment) bool {
		return (p.Payment.Receipt != of.ID || p.Tab != of.ID) && (p.Payment.Amount > 0 || reversedBy(of.Payments, p.ID) < 0)
	})
}

// wentBack returns what this till gave back for a receipt and is on no receipt.
func (t *Till) wentBack(of receipt.Document) []book.OpenPayment {
	return slices.DeleteFunc(t.backsOf(of), func(p book.OpenPayment) bool {
		return p.Payment.Till != t.id.Till || p.State != receipt.PaymentCaptured
	})
}

// listed is a payment that happened as one that a receipt is to list.
func listed(p book.OpenPayment) NewPayment {
	return NewPayment{ID: p.ID, Type: p.Payment.Type, Name: p.Payment.Name, Amount: p.Payment.Amount, User: p.Payment.User}
}

// matchBacks finds which payments of a draft happened already. What went back and is in none of them is refused: the money would
// go back twice.
func (t *Till) matchBacks(d *draft) error {
	var have []book.OpenPayment
	for _, p := range t.backsOf(d.of) {
		mine := p.Payment.Till == t.id.Till
		switch {
		case mine && undecided(p.State):
			r := refuse(CodeBackRunning, "wait until it is over, or cancel it with POST /api/v1/payments/"+p.ID.String()+"/cancel",
				"the card terminal is being asked to give %d back", -p.Payment.Amount)
			if p.Unknown() {
				r = refuse(CodeBackRunning, `the till asks the terminal until it knows; if that can be asked by nobody any more, say what happened with "till payments decide `+p.ID.String()+`"`,
					"whether %d went back to the card is not known", -p.Payment.Amount)
			}
			r.Ref = p.ID.String()
			return r
		case p.State == receipt.PaymentCaptured && (mine || slices.ContainsFunc(d.payments, func(b payback) bool { return b.ID == p.ID })):
			have = append(have, p)
		}
	}
	for i := range d.payments {
		b := &d.payments[i]
		k := slices.IndexFunc(have, func(p book.OpenPayment) bool {
			same := p.Payment.Type == b.Type && p.Payment.Name == b.Name && p.Payment.Amount == b.Amount
			return p.ID == b.ID || same && b.Terminal && b.Done == nil
		})
		switch {
		case k < 0 && b.Done != nil:
			return refuse(CodeWentBack, "look at the receipt again", "payment %v is on a receipt by now", b.ID)
		case k < 0:
			continue
		case have[k].Payment.Amount != b.Amount || have[k].Payment.Type != b.Type:
			return refuse(CodeAmount, "list it as it is", "payment %v gave %d back as %s", b.ID, -have[k].Payment.Amount, have[k].Payment.Type)
		}
		b.ID, b.Done = have[k].ID, &have[k]
		have = slices.Delete(slices.Clone(have), k, k+1)
	}
	var sum receipt.Amount
	for _, b := range d.payments {
		if b.Done != nil {
			sum += b.Amount
		}
	}
	if magnitude(sum) > magnitude(d.gross) {
		return refuse(CodeWentBack, "take back what that money was for", "%d of this receipt went back to a card already, and what is taken back comes to %d", -sum, -d.gross)
	}
	if len(have) > 0 {
		r := refuse(CodeWentBack, `list it among the payments, with its "id"`, "%d of this receipt went back to a card already (payment %v), and no receipt says so",
			-have[0].Payment.Amount, have[0].ID)
		r.Ref = have[0].ID.String()
		return r
	}
	return nil
}

// askBacks has the terminal asked for the next payment of a draft that it is to give back. It returns nil if there is none, or
// a [PaybackAsked]. The caller has locked the receipt that is taken back.
func (t *Till) askBacks(ctx context.Context, d *draft, user string, pending pendingBack) error {
	if err := t.matchBacks(d); err != nil {
		return err
	}
	i := slices.IndexFunc(d.payments, func(b payback) bool { return b.Terminal && b.Done == nil })
	if i < 0 {
		return nil
	}
	b := d.payments[i]
	switch {
	case b.Type == receipt.CashType || b.Tendered != 0 && b.Tendered != b.Amount || b.Foreign != nil:
		return refuse(CodeTerminalPayment, "use ECKarte, Kreditkarte or another type that a terminal takes, without tendered", "a terminal takes no cash")
	case d.of.Training:
		return refuse(CodeTerminalPayment, `leave "terminal" out`, "no money moves for practice")
	case t.cards.terminal == nil:
		return refuse(CodeNoTerminal, `say with "payments" how the money goes back: in cash (Bar), or as it was paid without "terminal" if it was given back at a terminal by hand`,
			"the money was taken by a card terminal, and this till has none to give it back")
	}
	release, err := t.room.sale()
	if err != nil {
		return err
	}
	defer release()
	p := receipt.Payment{Tab: d.of.ID, Receipt: d.of.ID, Type: b.Type, Name: b.Name, Amount: b.Amount, Tendered: b.Amount, User: or(b.User, user),
		Till: t.id.Till, MS: t.clock.MS()}
	r, err := t.backRequest(ctx, *d, b)
	if err != nil {
		return err
	}
	pending.Asked = r.Payment.String()
	note, err := pending.note(d.of.ID)
	if err != nil {
		return err
	}
	if err := t.intend(ctx, p, r, note); err != nil {
		return err
	}
	t.cards.waitsForBacks(1)
	return &PaybackAsked{Receipt: d.of.ID, Payment: r.Payment}
}

// backRequest returns what the terminal is asked: to undo a payment that it took and that goes back as a whole, else to give an
// amount to whatever card is held out. What could not be undone once is given to a card the next time.
func (t *Till) backRequest(ctx context.Context, d draft, b payback) (terminal.Request, error) {
	r := terminal.Request{Payment: t.env.objectID(), Kind: terminal.Refund, Amount: int64(max(b.Amount, -b.Amount)), Currency: d.of.Currency}
	if b.Amount > 0 {
		r.Kind = terminal.Authorise
		return r, t.chosenID(ctx, &r, b)
	}
	whole := func(p receipt.DocPayment) bool {
		return p.Amount == -b.Amount && p.Type == b.Type && p.Name == b.Name && p.Progress != "" && (b.Of.IsZero() || b.Of == p.ID)
	}
	for _, p := range d.of.Payments {
		if !whole(p) || p.Till != t.id.Till {
			continue
		}
		card, err := t.cardOf(ctx, p.ID)
		if err != nil {
			return r, err
		}
		if card == nil || card.Terminal != t.cards.terminal.Name() || card.Kind != terminal.Authorise {
			continue
		}
		back, err := t.freeReversal(ctx, p.ID)
		if _, refused := isRefusal(err); refused || err == nil && back != book.ReversalID(p.ID, 0) {
			continue // it was reversed before, or the terminal does not undo it
		} else if err != nil {
			return r, err
		}
		r.Payment, r.Kind, r.Of, r.Trace = back, terminal.Reverse, p.ID, card.Trace
		return r, nil
	}
	return r, t.chosenID(ctx, &r, b)
}

// chosenID takes the ID that somebody chose for a payment, if no payment has it.
func (t *Till) chosenID(ctx context.Context, r *terminal.Request, b payback) error {
	if b.ID.IsZero() {
		return nil
	}
	_, err := t.Payment(ctx, b.ID)
	if errors.Is(err, ErrNotFound) {
		r.Payment, err = b.ID, nil
	}
	return err
}

// document is a payment as the receipt lists it.
func (b *payback) document(c receipt.Closing, till crdt.TillID) receipt.DocPayment {
	p := receipt.DocPayment{ID: b.ID, Type: b.Type, Name: b.Name, Tendered: b.Amount, Foreign: b.Foreign, User: or(b.User, c.User), Till: till, Time: c.Closed}
	if b.Done != nil {
		p.Progress, p.Card = b.Done.State, b.Done.Card.Document()
		p.User, p.Till, p.Time = b.Done.Payment.User, b.Done.Payment.Till, c.Time(b.Done.Payment.MS)
	}
	return p
}

// settles is what the receipt takes with it: the payments that it lists, and those of this till that were declined.
func (d *draft) settles(t *Till) (s receipt.Supersedes) {
	for _, b := range d.payments {
		if b.Done != nil {
			s.Payments = append(s.Payments, b.ID)
		}
	}
	for _, p := range t.backsOf(d.of) {
		if p.Payment.Till == t.id.Till && p.State == receipt.PaymentDeclined && !p.ByHand && len(s.Payments) < receipt.MaxPayments {
			s.Payments = append(s.Payments, p.ID)
		}
	}
	slices.SortFunc(s.Payments, crdt.ObjectID.Compare)
	return s
}
