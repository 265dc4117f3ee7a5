package node

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/terminal"
	"github.com/tillmesh/tillmesh/replication"
)

// What a till remembers of a payment has to be read by later programs: an open payment may wait for an update.
func TestTheNoteOfAPaymentIsPinned(t *testing.T) {
	c := cardRecord{Terminal: "T1", Kind: terminal.Reverse, Amount: 340, Currency: "EUR", Of: crdt.ObjectID{1}.String(), OfTrace: "16", Mark: "m"}
	c.step("intended", "", 1_790_000_000_000)
	c.step("intended", "again", 1)
	c.says(terminal.Outcome{Trace: "17", Card: "girocard ****1", Text: "ok", Merchant: []string{"a"}, Customer: []string{"b"}})
	c.step("captured", c.Text, 1_790_000_000_500)
	n, err := c.note(crdt.ObjectID{2})
	require.NoError(t, err)
	pinNote(t, cardNote, n)
	require.Equal(t, `{"v":1,"terminal":"T1","kind":"reverse","amount":340,"currency":"EUR","of":"aeaaaaaaaaaaaaaaaaaaaaaaaa","of_trace":"16","mark":"m","trace":"17",`+
		`"card":"girocard ****1","text":"ok","merchant":["a"],"customer":["b"],"steps":[{"state":"intended","ms":1790000000000},{"state":"captured","ms":1790000000500,"text":"ok"}]}`, string(n.Value))
	var again cardRecord
	require.NoError(t, json.Unmarshal(n.Value, &again))
	require.Equal(t, c, again)
	require.Equal(t, terminal.Request{Payment: crdt.ObjectID{2}, Kind: terminal.Reverse, Amount: 340, Currency: "EUR", Of: crdt.ObjectID{1}, Trace: "16", Mark: "m"}, again.request(crdt.ObjectID{2}))
}

func TestATerminalThatSaysTooMuchIsCutShort(t *testing.T) {
	var c cardRecord
	long := make([]string, 1000)
	for i := range long {
		long[i] = string(make([]rune, 1000))
	}
	c.says(terminal.Outcome{Text: long[0], Customer: long})
	require.Len(t, []rune(c.Text), 200)
	require.Len(t, c.Customer, 100)
	for range 2 * maxCardStep {
		c.step("sent", "", 1)
		c.step("unknown", "", 1)
	}
	require.Len(t, c.Steps, maxCardStep)
}

// What waits until money went back to a card has to be read by later programs.
func TestTheNoteOfAPaybackIsPinned(t *testing.T) {
	ctx := ForRequest(t.Context(), "one", [32]byte{7})
	p := pendingCorrection(Correction{Lines: []receipt.Taken{{Line: crdt.ObjectID{3}, Quantity: 500}, {Line: crdt.ObjectID{4}}}, User: "Anna", Reason: "kalt",
		Payments: []NewPayment{{ID: crdt.ObjectID{5}, Type: "ECKarte", Amount: -340, Terminal: true},
			{Type: "Bar", Amount: -100, Tendered: -100, Foreign: &receipt.DocForeign{Currency: "CHF", Amount: -95}}}}, true).under(ctx)
	p.Asked = crdt.ObjectID{6}.String()
	n, err := p.note(crdt.ObjectID{2})
	require.NoError(t, err)
	pinNote(t, backNote, n)
	require.Equal(t, `{"v":1,"asked":"ayaaaaaaaaaaaaaaaaaaaaaaaa","whole":true,"lines":[{"line":"amaaaaaaaaaaaaaaaaaaaaaaaa","quantity":500},{"line":"aqaaaaaaaaaaaaaaaaaaaaaaaa"}],`+
		`"payments":[{"id":"auaaaaaaaaaaaaaaaaaaaaaaaa","type":"ECKarte","amount":-340,"terminal":true},{"type":"Bar","amount":-100,"tendered":-100,"currency":"CHF","foreign":-95}],`+
		`"user":"Anna","reason":"kalt","key":"one","hash":"BwAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`, string(n.Value))
	of, asked, again, err := readPending(n)
	require.NoError(t, err)
	require.Equal(t, crdt.ObjectID{2}, of)
	require.Equal(t, crdt.ObjectID{6}, asked)
	require.Equal(t, p.Hash, again.Hash)
	chosen, err := again.chosen()
	require.NoError(t, err)
	require.Equal(t, []NewPayment{{ID: crdt.ObjectID{5}, Type: "ECKarte", Amount: -340, Terminal: true},
		{Type: "Bar", Amount: -100, Tendered: -100, Foreign: &receipt.DocForeign{Currency: "CHF", Amount: -95}}}, chosen)
	for _, wrong := range []string{"", "{}", `{"v":2,"asked":"ayaaaaaaaaaaaaaaaaaaaaaaaa"}`, `{"v":1,"asked":"x"}`} {
		_, _, _, err = readPending(replication.Note{Key: n.Key, Value: []byte(wrong)})
		require.Error(t, err, wrong)
	}
}
