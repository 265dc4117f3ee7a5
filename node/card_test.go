package node_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/node/terminal"
)

// scripted is a terminal that does what a test says.
type scripted struct {
	mu      sync.Mutex
	name    string
	asked   map[crdt.ObjectID]int
	gate    chan struct{} // Ask waits for it; nil: it does not
	answer  error         // of Ask; nil: it captures
	outcome map[crdt.ObjectID]terminal.State
	silent  bool // Query fails
}

func newScripted() *scripted {
	return &scripted{name: "T1", asked: make(map[crdt.ObjectID]int), outcome: make(map[crdt.ObjectID]terminal.State)}
}

func (s *scripted) Name() string                         { return s.name }
func (s *scripted) Mark(context.Context) (string, error) { return "mark", nil }

func (s *scripted) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *scripted) Ask(ctx context.Context, r terminal.Request) (terminal.Outcome, error) {
	s.mu.Lock()
	s.asked[r.Payment]++
	gate, answer := s.gate, s.answer
	if s.outcome[r.Payment] == "" {
		s.outcome[r.Payment] = terminal.Captured
	}
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return terminal.Outcome{}, ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return terminal.Outcome{State: s.outcome[r.Payment], Trace: "17", Card: "girocard ****1", Approval: "A1", Customer: []string{"Kundenbeleg"}}, answer
}

func (s *scripted) Query(_ context.Context, r terminal.Request) (terminal.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent {
		return terminal.Outcome{}, terminal.ErrNoAnswer
	}
	state := s.outcome[r.Payment]
	if state == "" {
		state = terminal.Absent
	}
	return terminal.Outcome{State: state, Trace: "17"}, nil
}

func (s *scripted) Cancel(_ context.Context, id crdt.ObjectID) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gate != nil {
		s.outcome[id] = terminal.Declined
		close(s.gate)
		s.gate = nil
	}
	return nil
}

// runWith runs a till with a terminal.
func runWith(t testing.TB, data string, card terminal.Terminal) *running {
	t.Helper()
	till, err := node.Open(t.Context(), node.Options{Data: data, Listen: "127.0.0.1:0", NoMDNS: true, Version: "test", Log: logTo(t), Terminal: card})
	require.NoError(t, err)
	return runOpened(t, till, data)
}

func runOpened(t testing.TB, till *node.Machine, data string) *running {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- till.Run(ctx) }()
	r := &running{Machine: till, data: data}
	r.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(r.stop)
	return r
}

// tabOf opens a tab with coffees for 3.40 each.
func tabOf(t testing.TB, till *running, coffees int) crdt.ObjectID {
	t.Helper()
	tab, err := till.OpenTab(t.Context(), node.NewTab{Shared: true})
	require.NoError(t, err)
	for range coffees {
		_, _, err = till.AddLines(t.Context(), tab.ID, []node.NewLine{{Article: coffeeID, Quantity: 1000}})
		require.NoError(t, err)
	}
	return tab.ID
}

func byCard(id byte, amount receipt.Amount) node.NewPayment {
	return node.NewPayment{ID: crdt.ObjectID{9, id}, Type: "ECKarte", Amount: amount, Terminal: true}
}

func awaitState(t testing.TB, till *running, id crdt.ObjectID, state string) node.CardPayment {
	t.Helper()
	var p node.CardPayment
	require.Eventually(t, func() bool {
		var err error
		p, err = till.Payment(t.Context(), id)
		require.NoError(t, err)
		return p.State == state && !p.Running
	}, patience, 2*time.Millisecond, "it does not become %s", state)
	return p
}

func TestACardPaymentIsCapturedAndClosed(t *testing.T) {
	card := newScripted()
	card.gate = make(chan struct{})
	till := runWith(t, found(t), card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	after := till.Events().Last()
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	require.Equal(t, "intended", paid.State)
	require.EqualValues(t, 340, paid.Due)
	again, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err, "a repeated request")
	require.Equal(t, paid.ID, again.ID)
	_, err = till.CloseTab(t.Context(), tab, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.Equal(t, node.CodeCardRunning, code(t, err))
	_, err = till.Pay(t.Context(), tab, byCard(2, 340))
	require.Equal(t, node.CodeOverpaid, code(t, err), "it is being asked for already")
	other := tabOf(t, till, 1)
	_, err = till.Pay(t.Context(), other, byCard(3, 340))
	require.Equal(t, node.CodeTerminalBusy, code(t, err))
	close(card.gate)
	p := awaitState(t, till, paid.ID, "captured")
	require.Equal(t, "17", p.Trace)
	require.Equal(t, []string{"Kundenbeleg"}, p.Customer)
	var states []string
	for _, s := range p.Steps {
		states = append(states, s.State)
	}
	require.Equal(t, []string{"intended", "sent", "captured"}, states)
	r, err := till.CloseTab(t.Context(), tab, "", nil)
	require.NoError(t, err)
	require.Equal(t, "captured", r.Parsed.Payments[0].Progress)
	require.Equal(t, 1, card.asked[paid.ID])
	p, err = till.Payment(t.Context(), paid.ID)
	require.NoError(t, err)
	require.Equal(t, r.Number, p.Settled)
	list, _, ok := till.Events().After(t.Context(), after)
	require.True(t, ok)
	states = nil
	for _, e := range list {
		if e.What == "payment" {
			require.Equal(t, paid.ID.String(), e.Object)
			states = append(states, e.Change)
		}
	}
	require.Equal(t, []string{"intended", "sent", "captured"}, states)
}

func TestAnUnknownOutcomeIsQueriedAndNeverRepeated(t *testing.T) {
	card := newScripted()
	card.answer, card.silent = terminal.ErrNoAnswer, true
	data := found(t)
	till := runWith(t, data, card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "unknown")
	_, err = till.Pay(t.Context(), tabOf(t, till, 1), byCard(2, 340))
	require.Equal(t, node.CodeTerminalBusy, code(t, err), "first the terminal says what became of the other one")
	state, err := till.Status(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, state.Terminal.Undecided)
	till.stop()

	card.set(func() { card.answer, card.silent = nil, false })
	till = runWith(t, data, card)
	awaitState(t, till, paid.ID, "captured")
	require.Equal(t, 1, card.asked[paid.ID], "it was charged once")
	r, err := till.CloseTab(t.Context(), tab, "", nil)
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 1)
}

func TestALateCaptureOfAClosedTabIsACase(t *testing.T) {
	card := newScripted()
	card.answer, card.outcome[crdt.ObjectID{9, 1}] = terminal.ErrNoAnswer, terminal.Pending
	till := runWith(t, found(t), card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "unknown")
	_, err = till.Pay(t.Context(), tab, byCard(2, 340))
	require.Equal(t, node.CodeCardUnknown, code(t, err))
	_, err = till.CloseTab(t.Context(), tab, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err, "closing is always possible")
	card.set(func() { card.outcome[paid.ID] = terminal.Captured })
	_, err = till.QueryPayment(t.Context(), paid.ID)
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "captured")
	cases, err := till.Cases(t.Context())
	require.NoError(t, err)
	require.Len(t, cases, 1)
	require.Equal(t, book.CaseOrphan, cases[0].Kind)

	card.set(func() { card.answer = nil })
	back, err := till.ReversePayment(t.Context(), paid.ID, "Anna")
	require.NoError(t, err)
	p := awaitState(t, till, back.ID, "captured")
	require.EqualValues(t, -340, p.Payment.Amount)
	cases, err = till.Cases(t.Context())
	require.NoError(t, err)
	require.Empty(t, cases, "it was given back")
	_, err = till.ReversePayment(t.Context(), paid.ID, "Anna")
	require.Equal(t, node.CodeNotReversible, code(t, err), "once")
}

func TestACardPaymentIsCancelled(t *testing.T) {
	card := newScripted()
	card.gate = make(chan struct{})
	till := runWith(t, found(t), card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	require.Eventually(t, func() bool { p, err := till.Payment(t.Context(), paid.ID); return err == nil && p.State == "sent" }, patience, time.Millisecond)
	_, err = till.CancelPayment(t.Context(), paid.ID)
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "declined")
	_, err = till.CancelPayment(t.Context(), paid.ID)
	require.Equal(t, node.CodePaymentDecided, code(t, err))
	_, err = till.CancelPayment(t.Context(), crdt.ObjectID{77})
	require.Equal(t, node.CodeNoPayment, code(t, err))
	r, err := till.CloseTab(t.Context(), tab, "", []node.NewPayment{{Type: "Bar", Amount: 340}})
	require.NoError(t, err)
	require.Len(t, r.Parsed.Payments, 1, "what was declined leaves with the closing")
	p, err := till.Payment(t.Context(), paid.ID)
	require.NoError(t, err)
	require.Equal(t, "declined", p.State)
}

func TestAnotherTerminalIsNotAskedAboutAPayment(t *testing.T) {
	card := newScripted()
	card.answer, card.silent = terminal.ErrNoAnswer, true
	data := found(t)
	till := runWith(t, data, card)
	stock(t, till)
	tab := tabOf(t, till, 1)
	paid, err := till.Pay(t.Context(), tab, byCard(1, 340))
	require.NoError(t, err)
	awaitState(t, till, paid.ID, "unknown")
	till.stop()
	other := newScripted()
	other.name = "T2"
	till = runWith(t, data, other)
	p, err := till.QueryPayment(t.Context(), paid.ID)
	require.NoError(t, err)
	require.Equal(t, "unknown", p.State, "a terminal that was not asked does not know it, and that says nothing")
	_, err = till.Pay(t.Context(), tabOf(t, till, 1), byCard(2, 340))
	require.NoError(t, err, "it does not stop the new one")
	till.stop()
	none := run(t, data)
	_, err = none.Pay(t.Context(), tabOf(t, none, 1), byCard(4, 340))
	require.Equal(t, node.CodeNoTerminal, code(t, err))
	_, err = none.CloseTab(t.Context(), tab, "", []node.NewPayment{byCard(5, 340)})
	require.Equal(t, node.CodeTerminalPayment, code(t, err))
}
