package server

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

// rowsIn counts the rows of a table.
func (b *bench) rowsIn(table string) (n int) {
	b.t.Helper()
	require.NoError(b.t, b.o.DB.View(b.t.Context(), func(tx *database.Tx) error {
		return tx.QueryRow(b.t.Context(), `SELECT count(*) FROM `+table).Scan(&n)
	}))
	return n
}

const newKey = `{"name":"DATEV","rights":["read"]}`

func TestTheSamePOSTTwiceActsOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b, other := newBench(t, db), newBench(t, db) // two servers
		token := b.owner("anna@shop.example")
		first := b.ok(201, "POST", "/api/v1/keys", token, newKey, "Idempotency-Key", "k")
		w := other.do("POST", "/api/v1/keys", token, newKey, "Idempotency-Key", "k")
		require.Equal(t, 201, w.Code, w.Body.String())
		require.Equal(t, "true", w.Header().Get("Idempotency-Replayed"))
		require.Contains(t, w.Body.String(), first.text("token"))
		b.refused(422, "idempotency-key-reused", "POST", "/api/v1/keys", token, `{"name":"other","rights":["read"]}`, "Idempotency-Key", "k")
		b.refused(422, "idempotency-key-reused", "POST", "/api/v1/codes", token, `{"till_name":"x"}`, "Idempotency-Key", "k")
		require.Len(t, b.ok(200, "GET", "/api/v1/keys", token, "").list("items"), 1)

		// What is shown once is not readable in the database.
		require.NoError(t, db.View(t.Context(), func(tx *database.Tx) error {
			var body []byte
			require.NoError(t, tx.QueryRow(t.Context(), `SELECT body FROM replies`).Scan(&body))
			require.NotContains(t, string(body), first.text("token"))
			require.NotContains(t, string(body), "DATEV")
			return nil
		}))

		// Another account and another session have keys of their own.
		bela := b.owner("bela@shop.example")
		require.NotEqual(t, first.text("token"), b.ok(201, "POST", "/api/v1/keys", bela, newKey, "Idempotency-Key", "k").text("token"))
		again := b.signIn("anna@shop.example")
		require.NotEqual(t, first.text("token"), b.ok(201, "POST", "/api/v1/keys", again, newKey, "Idempotency-Key", "k").text("token"))
		b.pass(25 * time.Hour)
		require.NotEqual(t, first.text("token"), b.ok(201, "POST", "/api/v1/keys", token, newKey, "Idempotency-Key", "k").text("token"))
	})
}

func TestTheSamePOSTAtOnceActsOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		servers := []*bench{newBench(t, db), newBench(t, db)}
		token := servers[0].owner("anna@shop.example")
		answers := make([]*httptest.ResponseRecorder, 8)
		var wg sync.WaitGroup
		for i := range answers {
			wg.Go(func() { answers[i] = servers[i%2].do("POST", "/api/v1/keys", token, newKey, "Idempotency-Key", "k") })
		}
		wg.Wait()
		for _, w := range answers {
			require.Equal(t, 201, w.Code, w.Body.String())
			require.Equal(t, answers[0].Body.String(), w.Body.String())
		}
		require.Len(t, servers[0].ok(200, "GET", "/api/v1/keys", token, "").list("items"), 1)
	})
}

// A server that died with a request holds nobody up for long.
func TestARequestThatNeverEndedIsMadeAgain(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	_, mine, err := b.reserve(t.Context(), newReplyID(token, "k", httpapi.Digest([]byte("POST"), []byte("/api/v1/keys"), []byte(newKey))))
	require.NoError(t, err)
	require.True(t, mine)
	b.pass(runTime)
	b.ok(201, "POST", "/api/v1/keys", token, newKey, "Idempotency-Key", "k")
}

// Passwords and sessions are never kept.
func TestSecretAnswersAreNotKept(t *testing.T) {
	b := small(t)
	b.ok(201, "POST", "/api/v1/accounts", "", `{"name":"anna@shop.example","password":"`+password+`"}`, "Idempotency-Key", "k")
	b.refused(409, "account-name-taken", "POST", "/api/v1/accounts", "", `{"name":"anna@shop.example","password":"`+password+`"}`, "Idempotency-Key", "k")
	body := `{"name":"anna@shop.example","password":"` + password + `","label":"x"}`
	one := b.ok(201, "POST", "/api/v1/sessions", "", body, "Idempotency-Key", "k")
	require.NotEqual(t, one.text("token"), b.ok(201, "POST", "/api/v1/sessions", "", body, "Idempotency-Key", "k").text("token"))
	require.Zero(t, b.rowsIn("replies"))
}
