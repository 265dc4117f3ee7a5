package node_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// retiredWhileAsking are two tills, of which the first retired the second while that one's terminal waited for the card.
func retiredWhileAsking(t *testing.T) (first, second *running, card *scripted, tab, paid crdt.ObjectID) {
	t.Helper()
	first = run(t, found(t))
	stock(t, first)
	card = newScripted()
	card.gate = make(chan struct{})
	data := joinShop(t, first, "Kasse 2")
	m, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Terminal: card,
		Peers: []string{first.LinkAddr().String()}})
	require.NoError(t, err)
	second = runOpened(t, m, data)
	waitEqual(t, first, second)
	tab = tabOf(t, second, 1)
	asked, err := second.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		p, err := first.Payment(t.Context(), asked.ID)
		return err == nil && p.State == receipt.PaymentSent
	}, patience, 2*time.Millisecond)
	_, err = first.Retire(t.Context(), "K2", "zu alt")
	require.NoError(t, err)
	require.Eventually(t, func() bool { _, removed := second.Removed(); return removed }, patience, time.Millisecond)
	return first, second, card, tab, asked.ID
}

func onlyCase(t *testing.T, till *running) book.Case {
	t.Helper()
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1)
	return cases[0]
}

// What a terminal took is known to the shop although its till was retired meanwhile.
func TestARetiredTillSaysWhatItsTerminalAnswered(t *testing.T) {
	first, second, card, tab, paid := retiredWhileAsking(t)
	require.Equal(t, onlyCase(t, first), onlyCase(t, second), "the same on every till that holds the same")
	card.set(func() {
		close(card.gate)
		card.gate = nil
	})
	require.Equal(t, "17", awaitState(t, first, paid, receipt.PaymentCaptured).Trace)
	noCases(t, first)
	noCases(t, second)

	_, err := second.OpenTab(t.Context(), node.NewTab{})
	require.Equal(t, node.CodeRemoved, code(t, err), "it writes nothing else")
	_, err = second.ReversePayment(t.Context(), paid, "Anna")
	require.Equal(t, node.CodeRemoved, code(t, err))
	_, err = second.Pay(t.Context(), tab, byCard(2, 100))
	require.Error(t, err)
	require.Equal(t, map[crdt.ObjectID]int{paid: 1}, card.asked)

	_, err = first.Claim(t.Context(), tab, "Anna", true)
	require.NoError(t, err)
	r, err := first.CloseTab(t.Context(), tab, "Anna", nil)
	require.NoError(t, err)
	require.Equal(t, paid, r.Parsed.Payments[0].ID)
}

// The terminal of a retired till may stay silent: then another till decides, although it reaches that one.
func TestAnotherTillDecidesForARetiredOne(t *testing.T) {
	first, second, card, _, paid := retiredWhileAsking(t)
	no := node.PaymentDecision{User: "Anna", Reason: "die Bank kennt sie nicht"}
	_, err := first.DecidePayment(t.Context(), paid, no)
	require.Equal(t, node.CodeElsewhere, code(t, err), "its terminal is being asked")
	card.set(func() {
		card.silent, card.outcome[paid] = true, terminal.Pending
		close(card.gate)
		card.gate = nil
	})
	awaitState(t, first, paid, receipt.PaymentUnknown)
	require.Equal(t, book.CaseUnknown, onlyCase(t, first).Kind)
	_, err = second.DecidePayment(t.Context(), paid, no)
	require.Equal(t, node.CodeRemoved, code(t, err), "it says what its terminal says, and nothing else")
	p, err := first.DecidePayment(t.Context(), paid, no)
	require.NoError(t, err)
	require.Equal(t, receipt.PaymentDeclined, p.State)
	awaitState(t, second, paid, receipt.PaymentDeclined)
	noCases(t, first)
	noCases(t, second)
}
