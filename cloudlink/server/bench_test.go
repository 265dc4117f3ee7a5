package server

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
	"github.com/tillmesh/tillmesh/crdt"
	shopdoc "github.com/tillmesh/tillmesh/crdt/shop"
)

const password = "Drei.Loewen7am!Fenster"

// bench is a server with fakes behind its ports.
type bench struct {
	*Server
	t    *testing.T
	fake *fake
	logs *logged

	mu   sync.Mutex
	time time.Time
	ip   int
}

// logged keeps what was logged.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func newBench(t *testing.T, db *database.DB, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{t: t, fake: newFake(), logs: &logged{}, time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
	a, err := accounts.New(accounts.Options{
		DB: db, Cloud: db.Installation().ID, Hosts: []string{"cloud.example"}, Now: b.now, Hash: accounts.HashParams{Memory: 64, Passes: 1, Threads: 1},
	})
	require.NoError(t, err)
	o := Options{
		Accounts: a, DB: db, Documents: fakeDocuments{b.fake}, Archive: fakeLog{b.fake}, Reports: fakeReports{b.fake}, Exports: fakeExports{b.fake},
		Holds: fakeHolds{b.fake}, Replicas: fakeReplicas{b.fake}, Watch: fakeWatch{b.fake}, Version: "1.2.3", Now: b.now,
		Log: slog.New(slog.NewTextHandler(b.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
	for _, f := range change {
		f(&o)
	}
	b.Server, err = New(o)
	require.NoError(t, err)
	return b
}

// small returns a server on SQLite.
func small(t *testing.T, change ...func(*Options)) *bench {
	t.Helper()
	return newBench(t, databasetest.Open(t, databasetest.SQLite(t)), change...)
}

func (b *bench) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.time
}

func (b *bench) pass(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.time = b.time.Add(d)
}

// request makes a request from an address of its own. Headers are pairs; an empty value removes one.
func (b *bench) request(method, path, token, body string, headers ...string) *http.Request {
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := httptest.NewRequest(method, "http://cloud.example"+path, r)
	b.mu.Lock()
	b.ip++
	req.RemoteAddr = fmt.Sprintf("198.51.%d.%d:4000", b.ip>>8&255, b.ip&255)
	b.mu.Unlock()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		switch {
		case headers[i] == "From":
			req.RemoteAddr = headers[i+1]
		case headers[i+1] == "":
			req.Header.Del(headers[i])
		default:
			req.Header.Set(headers[i], headers[i+1])
		}
	}
	return req
}

func (b *bench) do(method, path, token, body string, headers ...string) *httptest.ResponseRecorder {
	b.t.Helper()
	w := httptest.NewRecorder()
	b.ServeHTTP(w, b.request(method, path, token, body, headers...))
	return w
}

// object is a decoded answer.
type object map[string]any

func (o object) text(name string) string {
	s, _ := o[name].(string)
	return s
}

func (o object) in(name string) object {
	m, _ := o[name].(map[string]any)
	return m
}

func (o object) list(name string) (out []object) {
	l, _ := o[name].([]any)
	for _, x := range l {
		m, _ := x.(map[string]any)
		out = append(out, m)
	}
	return out
}

// ok does a request that must succeed with the status.
func (b *bench) ok(status int, method, path, token, body string, headers ...string) object {
	b.t.Helper()
	w := b.do(method, path, token, body, headers...)
	require.Equal(b.t, status, w.Code, w.Body.String())
	if w.Body.Len() == 0 {
		return nil
	}
	var o object
	require.NoError(b.t, json.Unmarshal(w.Body.Bytes(), &o), w.Body.String())
	return o
}

// refused does a request that must be refused with the status and code.
func (b *bench) refused(status int, code, method, path, token, body string, headers ...string) object {
	b.t.Helper()
	return refusal(b.t, b.do(method, path, token, body, headers...), status, code)
}

func refusal(t *testing.T, w *httptest.ResponseRecorder, status int, code string) object {
	t.Helper()
	require.Equal(t, status, w.Code, w.Body.String())
	require.Equal(t, httpapi.ProblemType, w.Header().Get("Content-Type"), w.Body.String())
	var o object
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &o), w.Body.String())
	require.Equal(t, code, o["code"], w.Body.String())
	require.EqualValues(t, status, o["status"])
	require.Equal(t, "urn:tillmesh:problem:"+code, o["type"])
	require.NotEmpty(t, o["title"])
	require.NotEmpty(t, o["detail"])
	return o
}

// owner makes an account and signs in to it.
func (b *bench) owner(name string) (token string) {
	b.t.Helper()
	b.ok(201, "POST", "/api/v1/accounts", "", `{"name":"`+name+`","password":"`+password+`"}`)
	return b.signIn(name)
}

func (b *bench) signIn(name string) string {
	b.t.Helper()
	return b.ok(201, "POST", "/api/v1/sessions", "", `{"name":"`+name+`","password":"`+password+`","label":"Laptop"}`).text("token")
}

// till is a till that founded a shop.
type till struct {
	key  ed25519.PrivateKey
	id   crdt.TillID
	shop crdt.ShopID
	item crdt.Piece
}

func founder(t *testing.T, seed int) till {
	t.Helper()
	key := ed25519.NewKeyFromSeed([]byte(fmt.Sprintf("%032d", seed)))
	public := key.Public().(ed25519.PublicKey)
	a, id := shopdoc.Found(public, [shopdoc.NonceSize]byte{byte(seed)}, "Kasse 1", 1_700_000_000_000)
	item, err := a.Sign(id, key)
	require.NoError(t, err)
	return till{key, crdt.TillIDOf(public), id, item}
}

// code is what a till sends by a coupling code; empty with a session.
func (m till) prepare(code string) string {
	b, _ := json.Marshal(object{"code": code, "shop": m.shop.String(), "till": m.id.String(), "till_name": "Kasse 1"})
	return strings.Replace(string(b), `"code":"",`, "", 1)
}

func (m till) confirm(t *testing.T, code string, p object) string {
	t.Helper()
	account, err := crdt.ParseObjectID(p.text("account"))
	require.NoError(t, err)
	cloud, err := crdt.ParseTillID(p.text("cloud"))
	require.NoError(t, err)
	c := coupling.Claim{Cloud: cloud, Host: "cloud.example", Account: account, Shop: m.shop, Till: m.id, Name: "Kasse 1"}
	_, err = hex.Decode(c.Nonce[:], []byte(p.text("nonce")))
	require.NoError(t, err)
	signature, err := c.Sign(m.key)
	require.NoError(t, err)
	b, err := json.Marshal(object{
		"code": code, "confirmed": true, "shop": m.shop.String(), "shop_name": "Café " + marker + p.text("account"), "till": m.id.String(), "till_name": "Kasse 1",
		"host": c.Host, "nonce": p.text("nonce"), "signature": hex.EncodeToString(signature),
		"roster": []object{{"type": m.item.Type, "id": m.item.Object.String(), "raw": base64.StdEncoding.EncodeToString(m.item.Raw)}},
	})
	require.NoError(t, err)
	return strings.Replace(string(b), `"code":"",`, "", 1)
}

// couple couples a shop with the account of a token.
func (b *bench) couple(token string, m till) {
	b.t.Helper()
	p := b.ok(200, "POST", "/api/v1/coupling/prepare", token, m.prepare(""))
	require.True(b.t, b.ok(201, "POST", "/api/v1/couplings", token, m.confirm(b.t, "", p))["first"].(bool))
}
