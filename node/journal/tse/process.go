package tse

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// baseCurrency is the currency that payments do not name.
const baseCurrency = "EUR"

// Types of transaction (BON_TYP) that a till signs.
const (
	TypeReceipt  = "Beleg"
	TypeTraining = "AVTraining"
	TypeAborted  = "AVBelegabbruch"
)

// Kassenbeleg returns the process of a receipt or of a tab that was given up, from the amounts of its document; number,
// hash and security need not be there yet. It returns [ErrRequest] for a document of another kind and for a tax without
// a place among the five sums, see [Slot].
func Kassenbeleg(d *receipt.Document) (Process, error) {
	var sums [slots]receipt.Amount
	kind, paid := TypeReceipt, ""
	switch {
	case d.Kind == receipt.KindAborted:
		kind = TypeAborted
	case d.Kind != receipt.KindReceipt:
		return Process{}, fmt.Errorf("%w: a document of kind %.20q is no Kassenbeleg", ErrRequest, d.Kind)
	default:
		if d.Training {
			kind = TypeTraining
		}
		for _, r := range d.Totals.Rates {
			slot, err := Slot(r.Ref)
			if err != nil {
				return Process{}, err
			}
			sums[slot] += r.Gross
		}
		var err error
		if paid, err = payments(d); err != nil {
			return Process{}, err
		}
	}
	texts := make([]string, slots)
	for i, sum := range sums {
		texts[i] = amountText(sum, d.Currency)
	}
	return Process{Type: KassenbelegV1, Data: kind + "^" + strings.Join(texts, "_") + "^" + paid}, nil
}

// means is what payments are summed by.
type means struct {
	cashless bool
	currency string
}

// compare puts cash before the rest, and of each the base currency first.
func (m means) compare(other means) int {
	rank := func(m means) int {
		switch {
		case m.cashless && m.currency == baseCurrency:
			return 2
		case m.cashless:
			return 3
		case m.currency == baseCurrency:
			return 0
		}
		return 1
	}
	return cmp.Or(cmp.Compare(rank(m), rank(other)), strings.Compare(m.currency, other.currency))
}

// payments sums what was paid per means. Foreign money counts as it was handed over, and the change for it was given in
// the currency of the document.
func payments(d *receipt.Document) (string, error) {
	sums := make(map[means]receipt.Amount)
	for _, p := range d.Payments {
		if p.Type == receipt.NoPayment {
			if p.Amount != 0 {
				return "", fmt.Errorf("%w: a payment of %d of type %s", ErrRequest, p.Amount, p.Type)
			}
			continue
		}
		own := means{p.Type != receipt.CashType, d.Currency}
		if p.Foreign == nil || p.Foreign.Currency == d.Currency {
			sums[own] += p.Amount
			continue
		}
		sums[means{own.cashless, p.Foreign.Currency}] += p.Foreign.Amount
		sums[own] -= p.Change
	}
	var order []means
	for m, sum := range sums {
		if sum != 0 {
			order = append(order, m)
		}
	}
	slices.SortFunc(order, means.compare)
	texts := make([]string, len(order))
	for i, m := range order {
		texts[i] = amountText(sums[m], m.currency) + ":Bar"
		if m.cashless {
			texts[i] = amountText(sums[m], m.currency) + ":Unbar"
		}
		if m.currency != baseCurrency {
			texts[i] += ":" + m.currency
		}
	}
	return strings.Join(texts, "_"), nil
}

// OrderLine is one line of an order.
type OrderLine struct {
	Quantity  receipt.Quantity // negative for what is taken back
	Text      string           // of one line
	UnitPrice receipt.Amount   // gross, in cents
}

// Bestellung returns the process of an order and how many lines it covers, from the first on: as many as fit into
// [MaxData]. The rest needs a transaction of its own. It returns [ErrRequest] if there is no line, or one that is not a
// line.
func Bestellung(lines []OrderLine) (p Process, covered int, err error) {
	if len(lines) == 0 {
		return Process{}, 0, fmt.Errorf("%w: an order without lines", ErrRequest)
	}
	var data strings.Builder
	for i, l := range lines {
		if strings.ContainsFunc(l.Text, func(r rune) bool { return r < ' ' }) {
			return Process{}, 0, fmt.Errorf("%w: line %d of the order, %.60q, is more than one line", ErrRequest, i+1, l.Text)
		}
		text := quantityText(l.Quantity) + `;"` + strings.ReplaceAll(l.Text, `"`, `""`) + `";` + amountText(l.UnitPrice, baseCurrency)
		if i > 0 {
			text = "\r" + text
		}
		if data.Len()+len(text) > MaxData {
			break
		}
		data.WriteString(text)
		covered++
	}
	p = Process{Type: BestellungV1, Data: data.String()}
	if covered == 0 {
		return Process{}, 0, fmt.Errorf("%w: a line of %d bytes", ErrRequest, len(lines[0].Text))
	}
	return p, covered, p.Check()
}

// Other returns the process of anything that is neither a receipt nor an order, such as a closing.
func Other(text string) (Process, error) {
	p := Process{Type: SonstigerVorgang, Data: text}
	return p, p.Check()
}

// Check returns [ErrRequest] if no device takes the process.
func (p Process) Check() error {
	switch {
	case p.Type != KassenbelegV1 && p.Type != BestellungV1 && p.Type != SonstigerVorgang:
		return fmt.Errorf("%w: %.40q is no type of process", ErrRequest, p.Type)
	case len(p.Data) > MaxData:
		return fmt.Errorf("%w: %d bytes of process data, at most %d", ErrRequest, len(p.Data), MaxData)
	case !utf8.ValidString(p.Data):
		return fmt.Errorf("%w: the process data is not UTF-8", ErrRequest)
	}
	return nil
}
