package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

// terminalTill answers as a till does whose card terminal gives money back, or declines.
func terminalTill(t *testing.T, declines bool) string {
	t.Helper()
	var looked atomic.Int32
	payment := `{"id":"aaaqeayeaudaocajbifqydiob4","amount":-340,"state":"%s","text":"%s","at":"2026-09-03T10:00:00Z"}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		refunds, waits := "[]", `,"paying_back":`+fmt.Sprintf(payment, "sent", "")
		switch n := looked.Load(); {
		case r.Method == http.MethodPost && r.URL.Path == "/api/v1/receipts/K1-000001/cancel":
			w.WriteHeader(http.StatusAccepted)
			_, _ = fmt.Fprintf(w, `{"asked":`+payment+`}`, "intended", "")
			return
		case r.URL.Path == "/api/v1/payments/aaaqeayeaudaocajbifqydiob4":
			if declines {
				_, _ = fmt.Fprintf(w, payment, "declined", "declined by the bank")
			} else {
				_, _ = fmt.Fprintf(w, payment, "captured", `","receipt":"K1-000002`)
			}
			return
		case n >= 3:
			refunds, waits = `[{"receipt":"x","number":"K1-000009","till":"Theke","at":"","lines":[]}]`, "" // an earlier one
		}
		looked.Add(1)
		_, _ = fmt.Fprintf(w, `{"id":"r","number":"K1-000001","refunds":%s%s}`, refunds, waits)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestCancelWaitsForTheTerminal(t *testing.T) {
	got := till(t, "cancel", "K1-000001", "--user", "Anna", "--http", terminalTill(t, false), "--token-file", tokenFile(t))
	require.Equal(t, 0, got.code, got.err)
	require.Contains(t, got.out, "the card terminal gave the money back; K1-000002 takes back K1-000001\n")
	got = till(t, "cancel", "K1-000001", "--http", terminalTill(t, true), "--token-file", tokenFile(t))
	require.Equal(t, exitFailed, got.code)
	require.Contains(t, got.err, "declined by the bank\nhint: try again, or give it back in cash with --cash")
}

func TestAPaymentIsDecidedByHand(t *testing.T) {
	for _, wrong := range [][]string{{}, {"--paid", "--not-paid"}, {"--paid"}, {"--paid", "--user", "Anna"}} {
		got := till(t, append([]string{"payments", "decide", "aaaqeayeaudaocajbifqydiob4", "--http", "http://127.0.0.1:1", "--token-file", tokenFile(t)}, wrong...)...)
		require.Equal(t, exitUsage, got.code, "%v: %s", wrong, got.err)
	}
	asked := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		asked <- r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"id":"aaaqeayeaudaocajbifqydiob4","amount":340,"state":"declined","decided_by_hand":true,"at":"2026-09-03T10:00:00Z"}`))
	}))
	t.Cleanup(s.Close)
	got := till(t, "payments", "decide", "aaaqeayeaudaocajbifqydiob4", "--not-paid", "--user", "Anna", "--reason", "Bank", "--http", s.URL, "--token-file", tokenFile(t))
	require.Equal(t, 0, got.code, got.err)
	require.Equal(t, `/api/v1/payments/aaaqeayeaudaocajbifqydiob4/decide {"paid":false,"reason":"Bank","user":"Anna"}`, <-asked)
	require.Contains(t, got.out, "a person decided that, because nobody could ask the terminal\n")
}

func TestAPaymentInWords(t *testing.T) {
	text := paymentText(client.CardPayment{Amount: -340, State: "captured", Trace: "17", Card: "girocard", Authorisation: "A1", GivesBack: "r"})
	require.Contains(t, text, "  gives money of receipt r back\n")
	require.Contains(t, text, "  trace 17, girocard, authorisation A1\n")
}
