package handover_test

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
)

func TestTakeover(t *testing.T) {
	v := handover.Takeover{Tab: crdt.ObjectID{1}, Till: crdt.TillID{2}, User: "Bela", From: crdt.TillID{3}, FromUser: "Anna", By: "Chef",
		Epoch: 4, How: handover.Forced, Payment: true, MS: 1_700_000_000_000}
	pieces, err := handover.NewTakeover(v)
	require.NoError(t, err)
	require.Len(t, pieces, 1)
	got, err := handover.ParseTakeover(pieces[0].Raw)
	require.NoError(t, err)
	require.Equal(t, v, got)
	first, last := handover.TakeoverRange(v.Tab)
	require.True(t, first.Compare(pieces[0].Object) < 0 && pieces[0].Object.Compare(last) < 0, "all of a tab lie together")
	require.Equal(t, "handover", pieces[0].Type)

	// The bytes are stored for ever.
	require.Equal(t, golden, hex.EncodeToString(pieces[0].Raw))

	for name, spoil := range map[string]func(*handover.Takeover){
		"no tab": func(v *handover.Takeover) { v.Tab = crdt.ObjectID{} }, "no till": func(v *handover.Takeover) { v.Till = crdt.TillID{} },
		"no epoch": func(v *handover.Takeover) { v.Epoch = 0 }, "how": func(v *handover.Takeover) { v.How = "stolen" },
		"name": func(v *handover.Takeover) { v.By = strings.Repeat("x", 201) }, "time": func(v *handover.Takeover) { v.MS = -1 },
	} {
		bad := v
		spoil(&bad)
		_, err := handover.NewTakeover(bad)
		require.ErrorIs(t, err, handover.ErrInvalid, name)
	}
}

const golden = "8aa162a443686566a164c4200200000000000000000000000000000000000000000000000000000000000000a16504a166c4200300000000000000000000000000000000000000000000000000000000000000a167a4416e6e61a168a6666f72636564a16dcf0000018bcfe56800a170c3a174c41001000000000000000000000000000000a175a442656c61"

// Two tills move a payment apart: both locations stand until somebody writes again, and every till shows the same one.
func TestPaymentsMove(t *testing.T) {
	payment, a, b, c := crdt.ObjectID{1}, crdt.ObjectID{2}, crdt.ObjectID{3}, crdt.ObjectID{4}
	_, moved := handover.PaymentTab(nil)
	require.False(t, moved)
	write := func(obj *crdt.Object, to crdt.ObjectID, replica byte, ms int64) (crdt.Origin, crdt.Piece) {
		p, err := handover.MovePayment(payment, obj, to)
		require.NoError(t, err)
		require.Len(t, p, 1)
		dot := crdt.Dot{Replica: crdt.ReplicaID{replica}, Seq: crdt.Seq(ms)}
		return crdt.Origin{Dot: dot, Stamp: crdt.Stamp{Trusted: true, MS: ms}}, p[0]
	}
	o1, p1 := write(nil, a, 1, 5)
	o2, p2 := write(nil, b, 2, 6)
	both := new(crdt.Object)
	other := new(crdt.Object)
	both.Apply(o1, 0, &p1)
	both.Apply(o2, 0, &p2)
	other.Apply(o2, 0, &p2)
	other.Apply(o1, 0, &p1)
	for _, obj := range []*crdt.Object{both, other} {
		at, ok := handover.PaymentTab(obj)
		require.True(t, ok)
		require.Equal(t, b, at, "the later one")
	}
	none, err := handover.MovePayment(payment, func() *crdt.Object { o := new(crdt.Object); o.Apply(o1, 0, &p1); return o }(), a)
	require.NoError(t, err)
	require.Empty(t, none, "it is there already")
	o3, p3 := write(both, c, 1, 7)
	both.Apply(o3, 0, &p3)
	at, _ := handover.PaymentTab(both)
	require.Equal(t, c, at)
	_, err = handover.MovePayment(payment, nil, crdt.ObjectID{})
	require.ErrorIs(t, err, handover.ErrInvalid)
}

func FuzzHandover(f *testing.F) {
	v := handover.Takeover{Tab: crdt.ObjectID{1}, Till: crdt.TillID{2}, Epoch: 1, How: handover.Unreachable}
	f.Add(v.Bytes())
	r := rand.New(rand.NewPCG(1, 2))
	for range 3 {
		b := bytes.Clone(v.Bytes())
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if v, err := handover.ParseTakeover(raw); err == nil {
			again, err := handover.ParseTakeover(v.Bytes())
			require.NoError(t, err)
			require.Equal(t, v, again)
		}
		if l, err := handover.ParseLocation(raw); err == nil {
			_, err := l.Edit(raw)
			require.NoError(t, err)
		}
	})
}
