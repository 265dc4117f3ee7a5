package api

import (
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

func TestARepeatedRequestActsOnce(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	path, body := "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`
	first := b.do("POST", path, body, "Idempotency-Key", "k 1")
	require.Equal(t, 201, first.Code)
	require.Empty(t, first.Header().Get("Idempotency-Replayed"))
	again := b.do("POST", path, body, "Idempotency-Key", "k 1")
	require.Equal(t, 201, again.Code)
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Equal(t, first.Body.String(), again.Body.String())
	require.Equal(t, "application/json", again.Header().Get("Content-Type"))
	require.Len(t, b.ok(200, "GET", "/api/v1/tabs/"+tab, "").list("lines"), 1)

	b.refused(422, "idempotency-key-reused", "POST", path, `{"article":"`+articleID+`","quantity":2000}`, "Idempotency-Key", "k 1")
	b.refused(422, "idempotency-key-reused", "POST", "/api/v1/tabs", `{}`, "Idempotency-Key", "k 1")
	b.ok(201, "POST", path, body, "Idempotency-Key", "k 2")
	require.Len(t, b.ok(200, "GET", "/api/v1/tabs/"+tab, "").list("lines"), 2)

	// A refusal is an answer like any other.
	b.refused(422, "quantity", "POST", path, `{"article":"`+articleID+`","quantity":0}`, "Idempotency-Key", "k 3")
	w := b.do("POST", path, `{"article":"`+articleID+`","quantity":0}`, "Idempotency-Key", "k 3")
	refusal(t, w, 422, "quantity")
	require.Equal(t, "true", w.Header().Get("Idempotency-Replayed"))

	for _, key := range []string{strings.Repeat("k", 201), "ä", "a\x01b"} {
		b.refused(422, "idempotency-key", "POST", path, body, "Idempotency-Key", key)
	}
	r := b.request("POST", path, body)
	r.Header["Idempotency-Key"] = []string{""}
	_, _, p := keyOf(r)
	require.NotNil(t, p)
}

func TestAnAnswerIsKeptOverARestart(t *testing.T) {
	data := filepath.Join(t.TempDir(), "till")
	_, err := node.Found(t.Context(), node.FoundOptions{Data: data, Shop: "Café", Name: "Theke"})
	require.NoError(t, err)
	b := open(t, data)
	b.stock()
	tab := b.openTab()
	lines := strings.Repeat(`{"article":"`+articleID+`"},`, 60)
	b.ok(201, "POST", "/api/v1/tabs/"+tab+"/lines", `{"lines":[`+strings.TrimSuffix(lines, ",")+`]}`)
	body := `{"payments":[{"type":"Bar","amount":20400}]}`
	first := b.do("POST", "/api/v1/tabs/"+tab+"/close", body, "Idempotency-Key", "close")
	require.Equal(t, 201, first.Code, first.Body.String())
	require.Greater(t, first.Body.Len(), packFrom, "long enough to be packed")
	b.stop()

	b = open(t, data)
	again := b.do("POST", "/api/v1/tabs/"+tab+"/close", body, "Idempotency-Key", "close")
	require.Equal(t, 201, again.Code)
	require.Equal(t, "true", again.Header().Get("Idempotency-Replayed"))
	require.Equal(t, first.Body.String(), again.Body.String())
	b.refused(409, "tab-closed", "POST", "/api/v1/tabs/"+tab+"/close", body, "Idempotency-Key", "other")
}

func TestRequestsWithOneKeyAtTheSameTime(t *testing.T) {
	b := newBench(t)
	b.stock()
	tab := b.openTab()
	answers := make([]string, 20)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() {
			w := b.do("POST", "/api/v1/tabs/"+tab+"/lines", `{"article":"`+articleID+`"}`, "Idempotency-Key", "same")
			answers[i] = w.Body.String()
		})
	}
	wg.Wait()
	for _, a := range answers {
		require.Equal(t, answers[0], a)
	}
	require.Len(t, b.ok(200, "GET", "/api/v1/tabs/"+tab, "").list("lines"), 1)
	s, ok := b.h.(*server)
	require.True(t, ok)
	require.Empty(t, s.kept.running, "nothing is left of a key when nobody uses it")
}

// The program may end after the change and before its answer is kept: then the IDs must be the same the next time.
func TestIDsOfARepeatedRequestAreTheSame(t *testing.T) {
	at := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	till, other := crdt.TillID{1}, crdt.TillID{2}
	id := func(till crdt.TillID, key string, request [32]byte, at time.Time, kind string, i int) crdt.ObjectID {
		return freshID(withSeed(t.Context(), seedOf(till, key, request, at)), kind, i)
	}
	first := id(till, "k", [32]byte{1}, at, "line", 0)
	require.False(t, first.IsZero())
	require.Equal(t, first, id(till, "k", [32]byte{1}, at.Add(time.Hour), "line", 0))
	for _, different := range []crdt.ObjectID{
		id(other, "k", [32]byte{1}, at, "line", 0), id(till, "l", [32]byte{1}, at, "line", 0), id(till, "k", [32]byte{2}, at, "line", 0),
		id(till, "k", [32]byte{1}, at.Add(24*time.Hour), "line", 0), id(till, "k", [32]byte{1}, at, "tab", 0), id(till, "k", [32]byte{1}, at, "line", 1),
	} {
		require.NotEqual(t, first, different)
	}
	require.True(t, freshID(t.Context(), "line", 0).IsZero(), "without a key the till chooses")
}

func TestPackedAnswers(t *testing.T) {
	k := newReplays(nil, nil)
	for _, n := range []int{0, 1, packFrom - 1, packFrom, 1 << 20} {
		body := []byte(`{"a":"` + strings.Repeat("x", n) + `"}`)
		packed, err := k.pack(body)
		require.NoError(t, err)
		require.LessOrEqual(t, len(packed), len(body))
		got, err := unpack(packed)
		require.NoError(t, err)
		require.Equal(t, body, got)
	}
	_, err := unpack([]byte{0x1f, 0x8b, 0})
	require.Error(t, err)
}
