package whole

import (
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

// fate is what a cashier knows of something that was typed.
type fate uint8

const (
	unknown fate = iota // the till died, or failed, before it answered: it may be there or not
	refused             // the till said no: it is not there
	saved               // the till said yes: it is there
)

// told is what the cashiers of a shop were told. Whatever happens, it must stay true.
type told struct {
	tabs     map[crdt.ObjectID]fate
	lines    map[crdt.ObjectID]fate
	voids    map[crdt.ObjectID]fate
	payments map[crdt.ObjectID]*toldPayment
	cards    map[crdt.ObjectID]toldCard
	receipts map[crdt.ObjectID]toldReceipt
	closings map[crdt.ObjectID]receipt.Digest
	numbers  map[string]crdt.ObjectID // of receipts

	departures []departure // that were saved

	answers map[string]int // how often a cashier was told what
}

type toldPayment struct {
	fate   fate
	tab    crdt.ObjectID
	amount receipt.Amount
}

type toldReceipt struct {
	number string
	hash   receipt.Digest
}

func newTold() told {
	return told{
		tabs: make(map[crdt.ObjectID]fate), lines: make(map[crdt.ObjectID]fate), voids: make(map[crdt.ObjectID]fate),
		payments: make(map[crdt.ObjectID]*toldPayment), cards: make(map[crdt.ObjectID]toldCard), receipts: make(map[crdt.ObjectID]toldReceipt), closings: make(map[crdt.ObjectID]receipt.Digest),
		numbers: make(map[string]crdt.ObjectID), answers: make(map[string]int),
	}
}

// learn notes what became of something. Who was told that it is there stays told.
func learn(m map[crdt.ObjectID]fate, id crdt.ObjectID, f fate) {
	if was, known := m[id]; !known || was == refused || f == saved {
		m[id] = f
	}
}

func (s *Shop) paid(id, tab crdt.ObjectID, amount receipt.Amount, f fate) {
	p := s.told.payments[id]
	if p == nil {
		p = &toldPayment{fate: f, tab: tab, amount: amount}
		s.told.payments[id] = p
	}
	if p.fate == refused || f == saved {
		p.fate = f
	}
}

// issued notes a receipt that a cashier holds in the hand.
func (s *Shop) issued(t *Till, r node.Receipt) {
	if other, taken := s.told.numbers[r.Number]; taken && other != r.ID {
		s.W.Fail("%s gives out number %s again", t.Name, r.Number)
	}
	if was, known := s.told.receipts[r.ID]; known && was.hash != r.Hash {
		s.W.Fail("%s shows another document as %s than before", t.Name, r.Number)
	}
	s.told.numbers[r.Number] = r.ID
	s.told.receipts[r.ID] = toldReceipt{r.Number, r.Hash}
}
