package client_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

const token = "0123456789abcdef"

// fake is a till that answers what the test says.
func fake(t *testing.T, handle http.HandlerFunc) *client.Client {
	t.Helper()
	srv := httptest.NewServer(handle)
	t.Cleanup(srv.Close)
	c, err := client.New(client.Config{URL: srv.URL + "/", Token: token + "\n"})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func answer(t *testing.T, w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json")
	if status >= 400 {
		w.Header().Set("Content-Type", "application/problem+json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, err := io.WriteString(w, body)
	if err != nil {
		t.Error(err)
	}
}

func TestCallsCarryTokenKeyAndBody(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got := strings.Join([]string{r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Content-Type"),
			r.Header.Get("Idempotency-Key"), string(body)}, " ")
		if got != "POST /api/v1/tabs/t1/lines Bearer "+token+` application/json key-1 {"article":"a1","quantity":2000}` {
			t.Error(got)
		}
		answer(t, w, http.StatusCreated, `{"line":{"id":"l1","gross":720,"at":""},"tab":{"id":"t1"}}`)
	})
	line, err := c.AddLine(t.Context(), "t1", client.NewLine{Article: "a1", Quantity: 2000}, client.WithKey("key-1"))
	require.NoError(t, err)
	require.Equal(t, client.Line{ID: "l1", Gross: 720}, line)
}

func TestIDsCannotLeaveTheirPlaceInThePath(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/api/v1/tabs/..%2Fstatus%3Fx" {
			t.Error(r.URL.EscapedPath())
		}
		answer(t, w, http.StatusOK, `{}`)
	})
	_, err := c.Tab(t.Context(), "../status?x")
	require.NoError(t, err)
}

func TestAProblemHasCodeAndHint(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusConflict, `{"type":"about:blank","title":"Conflict","status":409,
			"detail":"the tab is closed, receipt K2-000004","code":"tab-closed","hint":"open a new tab"}`)
	})
	_, err := c.CloseTab(t.Context(), "t1", client.Close{})
	require.EqualError(t, err, "the tab is closed, receipt K2-000004")
	require.Equal(t, "tab-closed", client.CodeOf(err))
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, 409, p.Status)
	require.Equal(t, "open a new tab", p.Hint())
}

func TestAWrongTokenSaysWhereTheRightOneIs(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusUnauthorized, `{"title":"Unauthorized","status":401,"code":"unauthorized"}`)
	})
	_, err := c.Status(t.Context())
	var p *client.Problem
	require.ErrorAs(t, err, &p)
	require.Contains(t, p.Hint(), "--token-file")
}

func TestSomethingElseOnThePortIsToldFromATill(t *testing.T) {
	for name, handle := range map[string]http.HandlerFunc{
		"a page": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", http.StatusNotFound) },
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusFound)
		},
		"broken JSON":  func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusBadRequest, "{") },
		"foreign JSON": func(w http.ResponseWriter, _ *http.Request) { answer(t, w, http.StatusOK, `[1]`) },
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fake(t, handle).Status(t.Context())
			require.Error(t, err)
			if name != "foreign JSON" {
				require.Equal(t, "not-a-till", client.CodeOf(err))
			}
		})
	}
}

func TestNobodyThere(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	c, err := client.New(client.Config{URL: "http://" + l.Addr().String()})
	require.NoError(t, err)
	_, err = c.Status(t.Context())
	require.EqualError(t, err, "no till answers on "+l.Addr().String())
	var u *client.Unreachable
	require.ErrorAs(t, err, &u)
	require.True(t, u.Refused())
	require.Contains(t, u.Hint(), "till run")
}

func TestACallEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := fake(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	_, err := c.Status(ctx)
	require.ErrorIs(t, err, context.Canceled)
	var u *client.Unreachable
	require.ErrorAs(t, err, &u)
	require.False(t, u.Refused())
}

func TestAListIsReadToItsEnd(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if q := r.URL.Query(); q.Get("limit") != "1000" || q.Get("q") != "K2" {
			t.Error(q)
		}
		switch after := r.URL.Query().Get("after"); after {
		case "":
			answer(t, w, http.StatusOK, `{"items":[{"number":"K2-000002"}],"next":"c1"}`)
		case "c1":
			answer(t, w, http.StatusOK, `{"items":[{"number":"K2-000001"}],"next":""}`)
		default:
			t.Error("asked after " + after)
		}
	})
	list, err := c.AllReceipts(t.Context(), client.List{Search: "K2", Limit: 7})
	require.NoError(t, err)
	require.Len(t, list, 2)
	require.Equal(t, "K2-000001", list[1].Number)
}

func TestTheStatusOfATillWithoutAShop(t *testing.T) {
	c := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		answer(t, w, http.StatusOK, `{"shop":null,"since":"2026-11-21T10:00:00Z","peers":[{"equal_at":null,"last_seen":""}],
			"found":[{"shop_id":"s1","tills":[{"till":"t1","addresses":["192.0.2.1:8481"]}]}]}`)
	})
	s, err := c.Status(t.Context())
	require.NoError(t, err)
	require.Nil(t, s.Shop)
	require.Equal(t, "192.0.2.1:8481", s.Found[0].Tills[0].Addresses[0])
	require.True(t, s.Peers[0].EqualAt.IsZero())
	require.Equal(t, 10, s.Since.Hour())
	b, err := json.Marshal(s.Peers[0])
	require.NoError(t, err)
	require.Contains(t, string(b), `"equal_at":""`)
}

func TestConfiguration(t *testing.T) {
	for _, url := range []string{"", "127.0.0.1:8480", "ftp://127.0.0.1", "http://", "http://127.0.0.1/api", "http://u:p@127.0.0.1", "http://127.0.0.1?x=1"} {
		_, err := client.New(client.Config{URL: url})
		require.ErrorContains(t, err, "no address of a till", url)
	}
	_, err := client.New(client.Config{URL: client.DefaultURL, Token: "a\nb"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "a\nb")
}

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	_, err := client.ReadToken(client.TokenPath(dir))
	require.ErrorIs(t, err, client.ErrNoToken)
	for content, want := range map[string]string{"abc\n": "abc", "": "", "two words": "", strings.Repeat("a", 5000): ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte(content), 0o600))
		got, err := client.ReadToken(client.TokenPath(dir))
		require.Equal(t, want, got)
		require.Equal(t, want == "", err != nil)
	}
}
