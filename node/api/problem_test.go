package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/catalog"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/pairing"
	"github.com/tillmesh/tillmesh/replication/engine"
)

func TestProblems(t *testing.T) {
	logs := &logged{}
	s := &server{log: slog.New(slog.NewTextHandler(logs, nil))}
	wrap := func(err error) error { return fmt.Errorf("do it: %w", err) }
	tests := []struct {
		err    error
		status int
		code   string
	}{
		{wrap(node.ErrNotFound), 404, "not-found"},
		{wrap(fmt.Errorf("%w: tax: %w", catalog.ErrInvalid, node.ErrNotFound)), 422, "invalid"},
		{wrap(catalog.ErrInvalid), 422, "invalid"}, {wrap(shop.ErrInvalid), 422, "invalid"}, {wrap(receipt.ErrInvalid), 422, "invalid"},
		{wrap(receipt.ErrOverflow), 422, "overflow"}, {wrap(crdt.ErrTooLarge), 413, "too-large"},
		{wrap(crdt.ErrUpdateNeeded), 422, "update-needed"}, {wrap(engine.ErrStopped), 503, "stopping"},
		{wrap(node.ErrKeyReused), 422, "idempotency-key-reused"}, {wrap(node.ErrNoShop), 409, "no-shop"},
		{wrap(node.ErrCursor), 422, "invalid"}, {wrap(pairing.ErrTooManyOpen), 429, "too-many-invitations"},
		{wrap(context.DeadlineExceeded), 504, "timeout"}, {wrap(context.Canceled), 499, "stopping"},
		{wrap(&node.Refusal{Code: node.CodeNoTab, Text: "x"}), 404, "unknown-tab"},
		{wrap(&node.Refusal{Code: node.CodeUnknownArticle, Text: "x"}), 404, "unknown-article"},
		{wrap(&node.Refusal{Code: node.CodeNoLine, Text: "x"}), 404, "unknown-line"},
		{wrap(&node.Refusal{Code: node.CodeExists, Text: "x"}), 409, "exists"},
		{wrap(&node.Refusal{Code: node.CodeHeld, Text: "x", Ref: "Theke"}), 409, "held-by"},
		{wrap(&node.Refusal{Code: node.CodeNoPrice, Text: "x"}), 422, "no-price"},
	}
	for _, test := range tests {
		w := httptest.NewRecorder()
		s.problemOf(t.Context(), test.err).write(w)
		refusal(t, w, test.status, test.code)
	}
	require.Empty(t, logs.String(), "none of these is the till's fault")

	p := s.problemOf(t.Context(), &node.Refusal{Code: node.CodeNotPaid, Text: "x", Next: "pay", Due: 340})
	require.Equal(t, "pay", p.Hint)
	require.EqualValues(t, 340, *p.Due)
	require.Equal(t, "K2-000418", s.problemOf(t.Context(), &node.Refusal{Code: node.CodeTabClosed, Ref: "K2-000418"}).Receipt)
	require.Equal(t, "Theke", s.problemOf(t.Context(), &node.Refusal{Code: node.CodeHeld, Ref: "Theke"}).HeldBy)
	require.NotEmpty(t, s.problemOf(t.Context(), node.ErrKeyReused).Hint, "hints of errors are passed on")

	w := httptest.NewRecorder()
	s.problemOf(t.Context(), errors.New("secret path /x/y")).write(w)
	o := refusal(t, w, 500, "internal")
	require.NotContains(t, w.Body.String(), "secret")
	require.Contains(t, logs.String(), "secret")
	var id string
	_, err := fmt.Sscanf(o.text("detail"), "something went wrong in the till (%12s)", &id)
	require.NoError(t, err)
	require.Contains(t, logs.String(), id)
	require.True(t, json.Valid(w.Body.Bytes()))
}
