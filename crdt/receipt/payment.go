package receipt

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/document"
)

// CashType is the payment type of cash (ZAHLART_TYP of DSFinV-K). Only cash can be handed back as change.
const CashType = "Bar"

// More states of a payment, beside those that may stand on a receipt.
const (
	PaymentIntended = "intended" // about to be asked of a terminal: nothing was sent yet
	PaymentDeclined = "declined" // it will never be paid
)

// Payment is the item of a payment for a tab.
type Payment struct {
	Tab      crdt.ObjectID
	Type     string      // such as Bar, ECKarte, Kreditkarte (ZAHLART_TYP of DSFinV-K)
	Name     string      // own name of the payment type; may be empty
	Amount   Amount      // what it counts for, in the currency of the tab; negative for money paid out, not zero
	Tendered Amount      // what was handed over, at least Amount; the rest is change. Zero: Amount
	Foreign  *DocForeign // what was handed over in another currency, nil if none
	User     string      // may be empty
	Till     crdt.TillID
	MS       int64 // Unix milliseconds, business time of that till
	// Receipt is the receipt whose money it gives back; zero: it is for an open tab. Such a payment is on no tab, and the
	// document that takes the receipt back lists it.
	Receipt crdt.ObjectID
}

// given returns what was handed over.
func (p Payment) given() Amount {
	if p.Tendered == 0 {
		return p.Amount
	}
	return p.Tendered
}

// Check says what is wrong with the value, wrapping [ErrInvalid] or [ErrOverflow].
func (p Payment) Check() error {
	errs := []error{
		checkNamed("tab", p.Tab.IsZero()), checkNamed("payment type", p.Type == ""), checkNamed("till", p.Till.IsZero()),
		checkTexts("payment type", p.Type, "name", p.Name, "user", p.User), checkMS(p.MS),
		p.Amount.Check(), p.Tendered.Check(),
	}
	given := p.given()
	switch {
	case p.Amount == 0:
		errs = append(errs, fmt.Errorf("%w: a payment of 0", ErrInvalid))
	case given > 0 && p.Amount < 0, given < 0 && p.Amount > 0, magnitude(given) < magnitude(p.Amount):
		errs = append(errs, fmt.Errorf("%w: a payment of %d with %d handed over", ErrInvalid, p.Amount, given))
	case given != p.Amount && p.Type != CashType:
		errs = append(errs, fmt.Errorf("%w: change is given on cash only, not on %.60q", ErrInvalid, p.Type))
	}
	if p.Foreign != nil {
		errs = append(errs, checkCurrency(p.Foreign.Currency), p.Foreign.Amount.Check())
	}
	return errors.Join(errs...)
}

// Bytes returns the item's value.
func (p Payment) Bytes() []byte {
	var rec crdt.Record
	rec.SetObject("t", p.Tab)
	if p.Type != CashType {
		rec.SetString("k", p.Type)
	}
	rec.SetString("n", p.Name)
	rec.SetInt("a", int64(p.Amount))
	if p.Tendered != p.Amount {
		rec.SetInt("g", int64(p.Tendered))
	}
	if p.Foreign != nil {
		rec.SetString("f", p.Foreign.Currency)
		rec.SetInt("h", int64(p.Foreign.Amount))
	}
	rec.SetString("u", p.User)
	rec.SetTill("d", p.Till)
	rec.SetInt("m", p.MS)
	rec.SetObject("b", p.Receipt)
	return rec.Bytes()
}

// ParsePayment reads the item of a payment. Tendered is never zero in the result.
func ParsePayment(raw []byte) (Payment, error) {
	f := rules.Parse(raw)
	p := Payment{
		Tab: f.Object("t"), Type: f.Text("k"), Name: f.Text("n"), Amount: Amount(f.Int("a")), Tendered: Amount(f.Int("g")),
		User: f.Text("u"), Till: f.Till("d"), MS: f.Int("m"), Receipt: f.Object("b"),
	}
	p.Tendered = p.given()
	if p.Type == "" {
		p.Type = CashType
	}
	if c := f.Text("f"); c != "" {
		p.Foreign = &DocForeign{Currency: c, Amount: Amount(f.Int("h"))}
	}
	return document.Checked(f, "payment", p)
}

// Progress is the register "progress" of a payment: what became of it. The till that takes the payment writes it, or another
// one with ByHand: somebody decided because nobody can ask the terminal any more. A payment without it, such as cash, was
// captured when it was entered.
type Progress struct {
	State  string // one of the Payment states; a word of a newer program is kept and counts as unknown
	MS     int64  // Unix milliseconds
	ByHand bool   // a person decided it; what a terminal said counts before that
	Card   Card   // what the terminal said of a captured payment
}

// Card is what a card terminal said of money that moved. All texts may be empty.
type Card struct {
	Terminal      string // the name of the terminal: its ID (TID)
	Kind          string // kind of card and what of its number may be shown, such as "girocard ****1234"
	Trace         string // the terminal's number of the transaction
	Authorisation string // the number by which the bank agreed
}

// Document returns what stands on a receipt, nil if nothing is known.
func (c Card) Document() *DocCard {
	if c == (Card{}) {
		return nil
	}
	return &DocCard{Authorisation: c.Authorisation, Kind: c.Kind, Terminal: c.Terminal, Trace: c.Trace}
}

// Check says what is wrong with the value, wrapping [ErrInvalid].
func (p Progress) Check() error {
	if p.State == "" || len(p.State) > 20 || strings.Trim(p.State, "abcdefghijklmnopqrstuvwxyz") != "" {
		return fmt.Errorf("%w: %.30q is not a state of a payment", ErrInvalid, p.State)
	}
	c := p.Card
	return errors.Join(checkMS(p.MS), checkTexts("terminal", c.Terminal, "card", c.Kind, "trace", c.Trace, "authorisation", c.Authorisation))
}

// ParseProgress reads a register value.
func ParseProgress(raw []byte) (Progress, error) {
	f := rules.Parse(raw)
	return document.Checked(f, "progress of a payment", Progress{State: f.Text("s"), MS: f.Int("m"), ByHand: f.Bool("h"),
		Card: Card{Terminal: f.Text("d"), Kind: f.Text("k"), Trace: f.Text("t"), Authorisation: f.Text("a")}})
}

// ShownProgress returns what became of a payment, the zero value if nothing says so. Of values that tills wrote without
// knowing of each other, one that no person decided counts first.
func ShownProgress(payment *crdt.Object) (Progress, error) {
	if r := registerOf(payment, RegisterProgress); r != nil {
		for _, s := range r.Siblings {
			if p, err := ParseProgress(s.Raw); err == nil && !p.ByHand {
				return p, nil
			}
		}
	}
	return document.Shown(payment, RegisterProgress, ParseProgress)
}

// Edit writes the value over the register value shown (nil if there is none) and keeps fields it does not know.
func (p Progress) Edit(old []byte) ([]byte, error) {
	return rules.Edit(old, func(rec *crdt.Record) {
		rec.SetString("s", p.State)
		rec.SetInt("m", p.MS)
		rec.SetBool("h", p.ByHand)
		rec.SetString("d", p.Card.Terminal)
		rec.SetString("k", p.Card.Kind)
		rec.SetString("t", p.Card.Trace)
		rec.SetString("a", p.Card.Authorisation)
	})
}

// NewPayment returns the pieces of a new payment, which belong into one commit. state is what it begins as: empty for
// cash, which is captured and says so in no register, else mostly [PaymentIntended]. A value against the rules comes
// back as an error of [Payment.Check].
func NewPayment(id crdt.ObjectID, p Payment, state string) ([]crdt.Piece, error) {
	w := newWriter(TypePayment, id, nil)
	w.Item(p)
	if state != "" {
		w.Put(RegisterProgress, Progress{State: state, MS: p.MS})
	}
	return w.Done()
}

// SetProgress returns the write that says what became of a payment, none if it says so already. obj is the merged
// payment. See [Progress] for who may write it.
func SetProgress(id crdt.ObjectID, obj *crdt.Object, p Progress) ([]crdt.Piece, error) {
	if r := registerOf(obj, RegisterProgress); r != nil && len(r.Siblings) == 1 {
		if was, err := ParseProgress(r.Siblings[0].Raw); err == nil && was.State == p.State {
			return nil, nil
		}
	}
	w := newWriter(TypePayment, id, obj, RegisterProgress)
	w.Put(RegisterProgress, p)
	return w.Done()
}
