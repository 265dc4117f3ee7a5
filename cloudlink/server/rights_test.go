package server

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
)

// Every operation is asked with the token of another account, with the IDs of everything that an account has.
func TestNobodySeesAnotherAccount(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		b := newBench(t, db)
		anna := b.owner("anna@sonnenschein.example")
		mine := b.ok(200, "GET", "/api/v1/account", anna, "").in("account").text("id")
		m := founder(t, 1)
		b.couple(anna, m)
		bela := b.owner("bela@shop.example")

		const article = "aaaqeayeaudaocajbifqydiob4"
		b.ok(200, "PUT", "/api/v1/shops/"+m.shop.String()+"/articles/"+article, anna, `{"names":{"de":"`+marker+mine+`"}}`)
		ids := map[string]string{
			"session": b.ok(200, "GET", "/api/v1/sessions", anna, "").list("items")[0].text("id"),
			"key":     b.ok(201, "POST", "/api/v1/keys", anna, `{"name":"`+marker+mine+`","rights":["read"]}`).in("key").text("id"),
			"code":    b.ok(201, "POST", "/api/v1/codes", anna, `{"till_name":"`+marker+mine+`"}`).in("entry").text("id"),
			"export":  b.ok(202, "POST", "/api/v1/archive/exports", anna, `{"shop":"`+m.shop.String()+`"}`).text("id"),
			"hold":    b.ok(201, "POST", "/api/v1/archive/holds", anna, `{"reason":"x"}`).text("id"),
			"article": article, "receipt": "K1-000001",
		}
		leak := regexp.MustCompile(`(?i)` + marker + mine + `|sonnenschein|anna|` + mine + `|` + m.id.String())
		asked := 0
		for pattern, rt := range b.routes {
			method, path, _ := strings.Cut(pattern, " ")
			if rt.public {
				continue
			}
			for what, id := range ids {
				if !strings.Contains(path, "{id}") && what != "article" {
					continue // once is enough
				}
				asked++
				target := strings.NewReplacer("{shop}", m.shop.String(), "{till}", m.id.String(), "{id}", id).Replace(path)
				body := ""
				if op := b.operationOf(method, path); op != "" {
					body = strings.NewReplacer("aaaqeayeaudaocajbifqydiob4", m.shop.String(), "Drei.Loewen7am!Fenster", "Wrong1!wrong").Replace(examples[op])
				}
				b.fake.calls = nil
				w := b.do(method, target, bela, body)
				require.False(t, leak.MatchString(w.Body.String()), "%s %s: %s", method, target, w.Body.String())
				require.NotContains(t, strings.Join(b.fake.calls, "\n"), mine, "%s %s reached the account of another one", method, target)
				if strings.Contains(path, "{") {
					require.Contains(t, []int{403, 404, 422}, w.Code, "%s %s: %s", method, target, w.Body.String())
					require.NotContains(t, strings.Join(b.fake.calls, "\n"), m.shop.String(), "%s %s reached the shop of another one", method, target)
					if w.Code == 422 { // the ID is of another form, so it is of nothing
						require.Contains(t, w.Body.String(), "path.id")
						require.Equal(t, "receipt", what)
					}
				}
				if strings.HasPrefix(path, "/api/v1/session") && method == "DELETE" {
					bela = b.signIn("bela@shop.example")
				}
			}
		}
		require.Greater(t, asked, 60)
		// An own export or hold of a shop of another one.
		for _, path := range []string{"/api/v1/archive/exports", "/api/v1/archive/holds"} {
			body := object{"shop": m.shop.String()}
			if strings.Contains(path, "holds") {
				body["reason"] = "x"
			}
			text, err := json.Marshal(body)
			require.NoError(t, err)
			b.refused(404, "unknown-shop", "POST", path, bela, string(text))
		}
		// What belongs to Anna is untouched.
		b.ok(200, "GET", "/api/v1/account", anna, "")
		require.Len(t, b.ok(200, "GET", "/api/v1/keys", anna, "").list("items"), 1)
		require.Empty(t, b.ok(200, "GET", "/api/v1/keys", anna, "").list("items")[0].text("revoked"))
		require.Len(t, b.ok(200, "GET", "/api/v1/codes", anna, "").list("items"), 1)
		require.Empty(t, b.ok(200, "GET", "/api/v1/shops/"+m.shop.String()+"/devices", anna, "").list("items")[0].text("revoked"))
	})
}

// operationOf returns the ID of an operation, empty for routes that are none.
func (b *bench) operationOf(method, path string) string {
	item := b.doc.OpenAPI().Paths[path]
	if item == nil {
		return ""
	}
	for _, op := range []*opDoc{item.Get, item.Post, item.Put, item.Delete} {
		if op != nil && op.Method == method {
			return op.OperationID
		}
	}
	return ""
}

func TestNothingWithoutAToken(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	for pattern, rt := range b.routes {
		if rt.public {
			continue
		}
		method, path, _ := strings.Cut(pattern, " ")
		target := strings.NewReplacer("{shop}", "aaaqeayeaudaocajbifqydiob4", "{till}", strings.Repeat("a", 52), "{id}", "aaaqeayeaudaocajbifqydiob4").Replace(path)
		for _, bad := range []string{"", "x", token[:len(token)-1] + "7", "tmk_" + token[4:]} {
			if bad == token {
				continue
			}
			body := examples[b.operationOf(method, path)]
			if rt.either { // without a token it wants a code
				body = strings.Replace(body, `"code": "7K3M-9QXA", `, "", 1)
			}
			w := b.do(method, target, bad, body)
			refusal(t, w, 401, "unauthorized")
			require.Equal(t, `Bearer realm="cloud"`, w.Header().Get("Www-Authenticate"))
		}
	}
}

// A key does what it has the right to, and no operation forgets to say which right it needs.
func TestKeysHaveTheirRightsOnly(t *testing.T) {
	b := small(t)
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	free := map[string]bool{"get-account": true, "sign-out": true, "prepare-coupling": true, "couple-till": true}
	for _, right := range []string{"read", "write", "archive"} {
		key := b.ok(201, "POST", "/api/v1/keys", token, `{"name":"x","rights":["`+right+`"]}`).text("token")
		for pattern, rt := range b.routes {
			method, path, _ := strings.Cut(pattern, " ")
			id := b.operationOf(method, path)
			if rt.public || free[id] {
				continue
			}
			target := strings.NewReplacer("{shop}", m.shop.String(), "{till}", m.id.String(), "{id}", "aaaqeayeaudaocajbifqydiob4").Replace(path)
			if strings.Contains(path, "inclusion") {
				target += "?leaf=0&size=1"
			} else if strings.Contains(path, "consistency") {
				target += "?from=1&to=1"
			}
			w := b.do(method, target, key, examples[id])
			manages := !strings.Contains(path, "/archive") && (method != "GET" && !strings.Contains(path, "articles") ||
				strings.Contains(path, "/keys") || strings.Contains(path, "/codes") || strings.Contains(path, "/sessions") || strings.Contains(path, "/acts"))
			archives := strings.Contains(path, "exports") || strings.Contains(path, "holds") || strings.Contains(path, "completeness")
			switch {
			case manages, archives && right == "read", method == "PUT" && right == "read", right != "read":
				require.Equal(t, http.StatusForbidden, w.Code, "%s with %s: %s", pattern, right, w.Body.String())
				require.Contains(t, w.Body.String(), "right-missing")
			default:
				require.NotContains(t, w.Body.String(), "right-missing", "%s with %s", pattern, right)
			}
		}
	}
	b.refused(403, "right-missing", "DELETE", "/api/v1/session", b.ok(201, "POST", "/api/v1/keys", token, `{"name":"y","rights":["read"]}`).text("token"), "")
	both := b.ok(201, "POST", "/api/v1/keys", token, `{"name":"z","rights":["read","write"]}`).text("token")
	b.ok(200, "PUT", "/api/v1/shops/"+m.shop.String()+"/articles/aaaqeayeaudaocajbifqydiob4", both, `{"names":{"de":"Tee"}}`)
	var who object
	require.NoError(t, json.Unmarshal(b.do("GET", "/api/v1/account", both, "").Body.Bytes(), &who))
	require.Equal(t, []any{"read", "write"}, who["rights"])
}
