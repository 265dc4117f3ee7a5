package node_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// soldByCard closes a receipt of coffees, each paid by a card payment of its own; the first ID is that of the first payment.
func soldByCard(t *testing.T, till *running, first byte, coffees int) node.Receipt {
	t.Helper()
	tab := tabOf(t, till, coffees)
	for n := range coffees {
		paid, err := till.Pay(t.Context(), tab, byCard(first+byte(n), 340))
		require.NoError(t, err)
		awaitState(t, till, paid.ID, "captured")
	}
	r, err := till.CloseTab(t.Context(), tab, "Anna", nil)
	require.NoError(t, err)
	return r
}

// askedFor is what a correction answers that waits for the terminal.
func askedFor(t *testing.T, err error) crdt.ObjectID {
	t.Helper()
	asked, ok := errors.AsType[*node.PaybackAsked](err)
	require.True(t, ok, "%v", err)
	return asked.Payment
}

// takenBack waits for the receipt that takes another one back.
func takenBack(t *testing.T, till *running, of node.Receipt) node.Receipt {
	t.Helper()
	var r node.Receipt
	require.Eventually(t, func() bool {
		list, err := till.Refunded(t.Context(), of.ID)
		require.NoError(t, err)
		if len(list) == 0 {
			return false
		}
		r, err = till.Receipt(t.Context(), list[len(list)-1].Receipt.String())
		require.NoError(t, err)
		return true
	}, patience, 2*time.Millisecond, "it is not taken back")
	return r
}

// noCases waits until nothing is left to decide: between the capture of money and the receipt that lists it there is a case for a moment.
func noCases(t *testing.T, till *running) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		cases, err := till.Cases(t.Context())
		assert.NoError(c, err)
		assert.Empty(c, cases)
	}, patience, 2*time.Millisecond)
}

func TestACancellationAsksTheTerminalFirst(t *testing.T) {
	card := newScripted()
	till := runWith(t, found(t), card)
	stock(t, till)
	of := soldByCard(t, till, 1, 2)
	require.Equal(t, &receipt.DocCard{Terminal: "T1", Kind: "girocard ****1", Trace: "17", Authorisation: "A1"}, of.Parsed.Payments[0].Card)

	gate := make(chan struct{})
	card.set(func() { card.gate = gate })
	_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{User: "Ben", Reason: "kalt"})
	back := askedFor(t, err)
	require.Equal(t, book.ReversalID(of.Parsed.Payments[0].ID, 0), back, "all of it goes back to the card that paid")
	list, err := till.Refunded(t.Context(), of.ID)
	require.NoError(t, err)
	require.Empty(t, list, "nothing is written before the money moved")
	waits, err := till.PayingBack(t.Context(), of.ID)
	require.NoError(t, err)
	require.Equal(t, back, waits.ID)
	require.Equal(t, terminal.Reverse, waits.Kind)
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeBackRunning, code(t, err), "it does not go back twice")
	card.set(func() { card.gate = nil })
	close(gate)

	r := takenBack(t, till, of)
	require.Empty(t, r.Parsed.Check())
	require.Equal(t, "kalt", r.Parsed.Reason)
	require.Len(t, r.Parsed.Payments, 2, "both cards got their money")
	for i, p := range r.Parsed.Payments {
		require.EqualValues(t, -340, p.Amount)
		require.Equal(t, receipt.PaymentCaptured, p.Progress)
		require.Equal(t, "17", p.Card.Trace)
		require.Equal(t, book.ReversalID(of.Parsed.Payments[i].ID, 0), p.ID)
		require.Equal(t, 1, card.asked[p.ID])
	}
	noCases(t, till)
	require.Eventually(t, func() bool { w, err := till.PayingBack(t.Context(), of.ID); return err == nil && w == nil }, patience, time.Millisecond)
	p, err := till.Payment(t.Context(), back)
	require.NoError(t, err)
	require.Equal(t, r.Number, p.Settled)
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeRefunded, code(t, err))
}

func TestAPartGoesToWhateverCardIsHeldOut(t *testing.T) {
	card := newScripted()
	till := runWith(t, found(t), card)
	stock(t, till)
	tab := tabOf(t, till, 2)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 680))
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "captured")
	of, err := till.CloseTab(t.Context(), tab, "Anna", nil)
	require.NoError(t, err)
	_, err = till.RefundReceipt(t.Context(), of.Number, node.Correction{Lines: []receipt.Taken{{Line: of.Parsed.Lines[0].ID}}})
	p := awaitState(t, till, askedFor(t, err), "captured")
	require.Equal(t, terminal.Refund, p.Kind)
	r := takenBack(t, till, of)
	require.EqualValues(t, -340, r.Parsed.Payments[0].Amount)
	require.Equal(t, p.ID, r.Parsed.Payments[0].ID)
	_, err = till.RefundReceipt(t.Context(), of.Number, node.Correction{Payments: []node.NewPayment{{Type: "Bar", Amount: -340}}})
	require.NoError(t, err, "the rest in cash, as somebody chose")
}

func TestWhenTheTerminalDeclinesSomebodyChooses(t *testing.T) {
	card := newScripted()
	till := runWith(t, found(t), card)
	stock(t, till)
	of := soldByCard(t, till, 1, 2)
	card.set(func() {
		card.outcome[book.ReversalID(of.Parsed.Payments[1].ID, 0)] = terminal.Declined
	})
	_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	first := askedFor(t, err)
	awaitState(t, till, first, "captured")
	awaitDeclined := func() {
		require.Eventually(t, func() bool { w, err := till.PayingBack(t.Context(), of.ID); return err == nil && w == nil }, patience, time.Millisecond)
		list, err := till.Refunded(t.Context(), of.ID)
		require.NoError(t, err)
		require.Empty(t, list)
	}
	awaitDeclined()
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1, "one card got its money and no receipt says so: it is shown")
	require.Equal(t, book.CaseOrphan, cases[0].Kind)
	require.Equal(t, []crdt.ObjectID{of.ID}, cases[0].Receipts)

	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{Payments: []node.NewPayment{{Type: "Bar", Amount: -680}}})
	require.Equal(t, node.CodeWentBack, code(t, err), "not twice")
	r, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{Payments: []node.NewPayment{
		{ID: first, Type: "ECKarte", Amount: -340}, {Type: "Bar", Amount: -340}}})
	require.NoError(t, err)
	require.Equal(t, receipt.PaymentCaptured, r.Parsed.Payments[0].Progress)
	noCases(t, till)
	p, err := till.Payment(t.Context(), book.ReversalID(of.Parsed.Payments[1].ID, 0))
	require.NoError(t, err)
	require.Equal(t, "declined", p.State)
}

func TestATriedAgainRefundIsNoReversal(t *testing.T) {
	card := newScripted()
	till := runWith(t, found(t), card)
	stock(t, till)
	of := soldByCard(t, till, 1, 1)
	card.set(func() { card.outcome[book.ReversalID(of.Parsed.Payments[0].ID, 0)] = terminal.Declined })
	_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	awaitState(t, till, askedFor(t, err), "declined")
	var again crdt.ObjectID
	require.Eventually(t, func() bool {
		_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{})
		asked, ok := errors.AsType[*node.PaybackAsked](err)
		if ok {
			again = asked.Payment
		}
		return ok
	}, patience, time.Millisecond)
	p := awaitState(t, till, again, "captured")
	require.Equal(t, terminal.Refund, p.Kind, "the day of the terminal may be over: it gives the money to a card")
	require.Len(t, takenBack(t, till, of).Parsed.Payments, 1)
}

func TestAnUnknownPaybackIsQueriedAndWrittenAfterARestart(t *testing.T) {
	card := newScripted()
	data := found(t)
	till := runWith(t, data, card)
	stock(t, till)
	of := soldByCard(t, till, 1, 1)
	card.set(func() { card.answer, card.silent = terminal.ErrNoAnswer, true })
	_, err := till.CancelReceipt(node.ForRequest(t.Context(), "one", [32]byte{1}), of.Number, node.Correction{Reason: "kalt"})
	back := askedFor(t, err)
	awaitState(t, till, back, "unknown")
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeBackRunning, code(t, err))
	till.stop()

	card.set(func() { card.answer, card.silent = nil, false })
	till = runWith(t, data, card)
	r := takenBack(t, till, of)
	require.Equal(t, "kalt", r.Parsed.Reason)
	require.Equal(t, 1, card.asked[back], "it went back once")
	same, err := till.CancelReceipt(node.ForRequest(t.Context(), "one", [32]byte{1}), of.Number, node.Correction{Reason: "kalt"})
	require.NoError(t, err, "the same request")
	require.Equal(t, r.ID, same.ID)
	noCases(t, till)
}

func TestAReversalOfASettledPaymentIsListedByTheRefund(t *testing.T) {
	card := newScripted()
	till := runWith(t, found(t), card)
	stock(t, till)
	of := soldByCard(t, till, 1, 1)
	back, err := till.ReversePayment(t.Context(), of.Parsed.Payments[0].ID, "Anna")
	require.NoError(t, err)
	awaitState(t, till, back.ID, "captured")
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1)
	r, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.NoError(t, err, "the money is back already")
	require.Equal(t, back.ID, r.Parsed.Payments[0].ID)
	require.Len(t, card.asked, 2)
	noCases(t, till)
}

func TestATillWithoutATerminalIsToldHow(t *testing.T) {
	card := newScripted()
	data := found(t)
	till := runWith(t, data, card)
	stock(t, till)
	of := soldByCard(t, till, 1, 1)
	till.stop()
	till = run(t, data)
	_, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.Equal(t, node.CodeNoTerminal, code(t, err))
	r, err := till.CancelReceipt(t.Context(), of.Number, node.Correction{Payments: []node.NewPayment{{Type: "ECKarte", Amount: -340}}})
	require.NoError(t, err, "it was given back by hand")
	require.Empty(t, r.Parsed.Payments[0].Progress)
}

func TestPracticeMovesNoMoney(t *testing.T) {
	till := runWith(t, found(t), newScripted())
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Training: true})
	require.NoError(t, err)
	_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	_, err = till.Pay(t.Context(), tab.ID, byCard(1, 340))
	require.Equal(t, node.CodeTerminalPayment, code(t, err))
	of, err := till.CloseTab(t.Context(), tab.ID, "", []node.NewPayment{{Type: "ECKarte", Amount: 340}})
	require.NoError(t, err)
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{Payments: []node.NewPayment{{Type: "ECKarte", Amount: -340, Terminal: true}}})
	require.Equal(t, node.CodeTerminalPayment, code(t, err))
	_, err = till.CancelReceipt(t.Context(), of.Number, node.Correction{})
	require.NoError(t, err)
}

func TestAPersonDecidesWhenTheTerminalIsGone(t *testing.T) {
	card := newScripted()
	card.answer, card.silent = terminal.ErrNoAnswer, true
	data := found(t)
	till := runWith(t, data, card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "unknown")
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1)
	require.Equal(t, book.CaseUnknown, cases[0].Kind)
	_, _, err = till.Resolve(t.Context(), cases[0].ID(), node.Decision{What: node.DecideAccept, User: "Anna"})
	require.Equal(t, node.CodeDecision, code(t, err))
	for _, d := range []node.PaymentDecision{{Paid: true, Reason: "Kassenschnitt"}, {Paid: true, User: "Anna"}} {
		_, err = till.DecidePayment(t.Context(), paid.ID, d)
		require.Error(t, err)
	}
	yes := node.PaymentDecision{Paid: true, User: "Anna", Reason: "steht im Kassenschnitt"}
	card.set(func() { card.silent, card.outcome[paid.ID] = false, terminal.Pending })
	_, err = till.DecidePayment(t.Context(), paid.ID, yes)
	require.Equal(t, node.CodeAskTerminal, code(t, err), "the terminal can be asked")
	card.set(func() { card.silent = true })
	p, err := till.DecidePayment(t.Context(), paid.ID, yes)
	require.NoError(t, err)
	require.Equal(t, "captured", p.State)
	require.True(t, p.ByHand)
	_, err = till.DecidePayment(t.Context(), paid.ID, yes)
	require.NoError(t, err, "a repeated request")
	_, err = till.DecidePayment(t.Context(), paid.ID, node.PaymentDecision{User: "Anna", Reason: "doch nicht"})
	require.Equal(t, node.CodePaymentDecided, code(t, err))
	noCases(t, till)
	c, err := till.Case(t.Context(), cases[0].ID())
	require.NoError(t, err)
	require.Equal(t, node.DecidedPaid, c.Decided[0].Decision)
	require.Equal(t, "steht im Kassenschnitt", c.Decided[0].Reason)
	told, err := till.Explain(t.Context(), paid.ID.String())
	require.NoError(t, err)
	var texts []string
	for _, e := range told.Events {
		texts = append(texts, e.Text)
	}
	require.Contains(t, texts, "decided: paid (steht im Kassenschnitt)")
	require.Contains(t, texts, "captured, decided by a person")
	r, err := till.CloseTab(t.Context(), tab, "Anna", nil)
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 1)
	told, err = till.Explain(t.Context(), paid.ID.String())
	require.NoError(t, err)
	texts = nil
	for _, e := range told.Events {
		texts = append(texts, e.Text)
	}
	require.Contains(t, texts, "decided: paid (steht im Kassenschnitt)", "also when it is on a receipt")
}

func TestALateLineOfPracticeStaysPractice(t *testing.T) {
	till := run(t, found(t))
	stock(t, till)
	tab, err := till.OpenTab(t.Context(), node.NewTab{Training: true, Shared: true})
	require.NoError(t, err)
	_, v, err := till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
	require.NoError(t, err)
	require.True(t, v.Lines[0].Line.Training)
	part, err := till.SplitTab(t.Context(), tab.ID, node.Split{Parts: []node.SplitPart{{Line: v.Lines[0].ID, Quantity: 500}}})
	require.NoError(t, err, "practice can be split, too")
	require.True(t, part.To.Head.Training)
	real := tabOf(t, till, 1)
	_, err = till.MoveLines(t.Context(), tab.ID, real, []crdt.ObjectID{v.Lines[0].ID})
	require.Equal(t, node.CodeSameTab, code(t, err))
}

// A till that never comes back asks its terminal no more: another one decides, once it is out of reach.
func TestAnotherTillDecidesForOneThatIsGone(t *testing.T) {
	first := run(t, found(t))
	stock(t, first)
	card := newScripted()
	card.gate = make(chan struct{})
	data := joinShop(t, first, "Kasse 2")
	m, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Terminal: card,
		Peers: []string{first.LinkAddr().String()}})
	require.NoError(t, err)
	second := runOpened(t, m, data)
	waitEqual(t, first, second)
	tab := tabOf(t, second, 1)
	paid, err := second.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	require.Eventually(t, func() bool { p, err := first.Payment(t.Context(), paid.ID); return err == nil && p.State == "sent" }, patience, 2*time.Millisecond)
	no := node.PaymentDecision{User: "Anna", Reason: "die Bank kennt sie nicht"}
	_, err = first.DecidePayment(t.Context(), paid.ID, no)
	require.Equal(t, node.CodeElsewhere, code(t, err))
	second.stop()
	noCases(t, first)
	_, err = first.Retire(t.Context(), "K2", "verbrannt")
	require.NoError(t, err)
	cases, err := first.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1, "nobody asks any more")
	require.Equal(t, book.CaseUnknown, cases[0].Kind)
	require.Eventually(t, func() bool {
		_, err = first.DecidePayment(t.Context(), paid.ID, no)
		return err == nil
	}, patience, 10*time.Millisecond, "the link is down")
	p, err := first.Payment(t.Context(), paid.ID)
	require.NoError(t, err)
	require.Equal(t, "declined", p.State)
	require.True(t, p.ByHand)
	noCases(t, first)
	r, err := first.CloseTab(t.Context(), tab, "Anna", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 1)
}
