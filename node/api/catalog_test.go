package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/shop"
)

func TestArticles(t *testing.T) {
	b := newBench(t)
	b.stock()
	path := "/api/v1/articles/" + articleID
	a := b.ok(200, "GET", path, "")
	require.Equal(t, articleID, a["id"])
	require.Equal(t, "EUR", a.list("prices")[0]["currency"], "that of the shop")
	require.Equal(t, false, a["archived"])

	// What is left out stays, also within what is stored in one piece.
	a = b.ok(200, "PUT", path, `{"short":"Esp.","group":"gggqeayeaudaocajbifqydiob4"}`)
	require.Equal(t, "Espresso", a.in("names")["de"])
	a = b.ok(200, "PUT", path, `{"names":{"de":"Espresso doppio","en":"Double espresso"},"sort":7,"barcodes":[]}`)
	require.Equal(t, "Esp.", a["short"])
	require.Equal(t, "gggqeayeaudaocajbifqydiob4", a["group"])
	require.EqualValues(t, 7, a["sort"])
	require.Equal(t, []any{}, a["barcodes"])
	require.Equal(t, "12", a["plu"])
	a = b.ok(200, "PUT", path, `{"short":"","group":"","colour":"#1a2b3c","prices":[{"from":"2030-01-01","price":360,"tax":"`+taxID+`"}]}`)
	require.Equal(t, "", a["short"])
	require.Equal(t, "", a["group"])
	require.Len(t, a.list("prices"), 2, "the price of 2020 stays")
	a = b.ok(200, "PUT", path, `{"prices":[{"from":"2030-01-01","withdrawn":true}]}`)
	require.Len(t, a.list("prices"), 1)

	// What GET gives, PUT takes.
	whole, err := json.Marshal(a)
	require.NoError(t, err)
	require.Equal(t, a, b.ok(200, "PUT", path, string(whole)))

	require.Equal(t, 204, b.do("DELETE", path, "").Code)
	require.Equal(t, 204, b.do("DELETE", path, "").Code, "again changes nothing")
	a = b.ok(200, "GET", path, "")
	require.Equal(t, true, a["archived"])
	require.NotEmpty(t, a["updated"])
	require.Len(t, b.ok(200, "GET", "/api/v1/articles?archived=true", "").list("items"), 1)
	require.Empty(t, b.ok(200, "GET", "/api/v1/articles?archived=false", "").list("items"))
	require.Equal(t, false, b.ok(200, "PUT", path, `{"archived":false}`)["archived"])

	other := "/api/v1/articles/bbbqeayeaudaocajbifqydiob4"
	b.refused(404, "not-found", "GET", other, "")
	b.refused(404, "not-found", "DELETE", other, "")
	for body, field := range map[string]string{
		`{"id":"cccqeayeaudaocajbifqydiob4","names":{"de":"x"}}`:                                                        "body.id",
		`{"names":{"de":"x"},"prices":[{"from":"2026-02-30","price":1,"tax":"` + taxID + `"}]}`:                         "body.prices[0].from",
		`{"names":{"de":"x"},"prices":[{"from":"2026-01-01","price":1.5}]}`:                                             "body.prices[0].price",
		`{"names":{"de":"x"},"prices":[{"price":1}]}`:                                                                   "body.prices[0]",
		`{"names":{"de":"x"},"prices":[{"from":"2026-01-01","withdrawn":true},{"from":"2026-01-01","withdrawn":true}]}`: "body.prices[1].from",
		`{"names":{"de":"x"},"group":"?"}`:                                                                              "body.group",
		`{"names":{"de":"` + strings.Repeat("ä", 201) + `"}}`:                                                           "",
		`{"names":{}}`: "",
		`{"plu":"1"}`:  "", // a new article without a name
		`{"names":{"de":"x"},"barcodes":["a b"]}`: "",
		`{"names":{"de":"x"},"colour":"red"}`:     "",
		`{"names":{"de":"x"},"prices":[{"from":"2026-01-01","price":1,"tax":"cccqeayeaudaocajbifqydiob4"}]}`: "",
	} {
		p := b.refused(422, "invalid", "PUT", other, body)
		if field != "" {
			require.Equal(t, field, p["field"], body)
		}
	}
	b.refused(404, "not-found", "GET", other, "")
}

func TestArticlesAreFound(t *testing.T) {
	b := newBench(t)
	b.stock()
	var rows []string
	for i := range 25 {
		rows = append(rows, fmt.Sprintf(`{"names":{"de":"Tee %d"},"plu":"%d","barcodes":["40012%03d"]}`, i, 100+i, i))
	}
	got := b.ok(200, "POST", "/api/v1/articles:batch", `{"articles":[`+strings.Join(rows, ",")+`]}`)
	require.EqualValues(t, 25, got["accepted"])
	find := func(query string) []object { return b.ok(200, "GET", "/api/v1/articles?"+query, "").list("items") }
	require.Len(t, find("barcode=40012007"), 1)
	require.Equal(t, "Tee 7", find("barcode=40012007")[0].in("names")["de"])
	require.Len(t, find("plu=12"), 1)
	require.Equal(t, articleID, find("plu=12")[0]["id"])
	require.Len(t, find("q=TEE+1"), 11)
	require.Len(t, find("q=espr"), 1)
	require.Empty(t, find("barcode=9"))

	seen := make(map[string]bool)
	after := ""
	for pages := 1; ; pages++ {
		p := b.ok(200, "GET", "/api/v1/articles?limit=10&after="+after, "")
		for _, a := range p.list("items") {
			require.False(t, seen[a.text("id")], "nothing twice")
			seen[a.text("id")] = true
		}
		if after = p.text("next"); after == "" {
			require.Equal(t, 3, pages)
			break
		}
	}
	require.Len(t, seen, 26)
}

func TestBatch(t *testing.T) {
	b := newBench(t)
	b.stock()
	row := func(id, rest string) string { return `{"id":"` + id + `","names":{"de":"x"}` + rest + `}` }
	body := `{"articles":[` + strings.Join([]string{
		row("baaqeayeaudaocajbifqydiob4", ""), row("kurz", ""), row("bbaqeayeaudaocajbifqydiob4", `,"barcodes":["a b"]`),
		`{"names":{"de":"ohne ID"}}`, `7`, row("bcaqeayeaudaocajbifqydiob4", `,"farbe":1`), row("baaqeayeaudaocajbifqydiob4", ""),
		row("bdaqeayeaudaocajbifqydiob4", `,"prices":[{"from":"2026-01-01","price":100,"tax":"cccqeayeaudaocajbifqydiob4"}]`),
		`{"id":"` + articleID + `","names":{"de":"Espresso"}}`,
	}, ",") + `]}`
	got := b.ok(200, "POST", "/api/v1/articles:batch", body)
	require.EqualValues(t, 2, got["accepted"])
	require.EqualValues(t, 1, got["unchanged"])
	var index []any
	for _, r := range got.list("rejected") {
		index = append(index, r["index"])
		require.Equal(t, "invalid", r["code"], r)
		require.NotEmpty(t, r["detail"])
	}
	require.Equal(t, []any{1.0, 2.0, 4.0, 5.0, 6.0, 7.0}, index)
	require.Equal(t, "kurz", got.list("rejected")[0]["id"])
	require.Contains(t, got.list("rejected")[3].text("detail"), "farbe")
	b.ok(200, "GET", "/api/v1/articles/baaqeayeaudaocajbifqydiob4", "")
	b.refused(404, "not-found", "GET", "/api/v1/articles/bbaqeayeaudaocajbifqydiob4", "")

	b.refused(422, "invalid", "POST", "/api/v1/articles:batch", `{"articles":[]}`)
	b.refused(422, "invalid", "POST", "/api/v1/articles:batch", `{"articles":{}}`)
	b.refused(422, "invalid", "POST", "/api/v1/articles:batch", `{"articles":[{"names":{"de":"x"}}],"dry_run":true}`)
	b.refused(422, "invalid", "POST", "/api/v1/articles:batch", `{"articles":[`+strings.TrimSuffix(strings.Repeat("{},", maxBatch+1), ",")+`]}`)
	b.refused(400, "malformed", "POST", "/api/v1/articles:batch", `{"articles":[{]}`)
	b.refused(400, "malformed", "POST", "/api/v1/articles:batch", ``)
}

func TestGroupsAndTaxes(t *testing.T) {
	b := newBench(t)
	b.stock()
	for _, kind := range []string{"groups", "taxes"} {
		path := "/api/v1/" + kind + "/gggqeayeaudaocajbifqydiob4"
		b.refused(404, "not-found", "GET", path, "")
		b.refused(422, "invalid", "PUT", path, `{}`)
		b.ok(200, "PUT", path, `{"names":{"de":"Getränke"}}`)
		got := b.ok(200, "PUT", path, `{"names":{"de":"Getränke","en":"Drinks"}}`)
		require.Equal(t, "Drinks", got.in("names")["en"])
		whole, err := json.Marshal(got)
		require.NoError(t, err)
		require.Equal(t, got, b.ok(200, "PUT", path, string(whole)))
		require.Equal(t, 204, b.do("DELETE", path, "").Code)
		require.Len(t, b.ok(200, "GET", "/api/v1/"+kind+"?archived=true", "").list("items"), 1)
		b.refused(422, "invalid", "PUT", path, `{"id":"`+articleID+`"}`)
	}
	group := "/api/v1/groups/gggqeayeaudaocajbifqydiob4"
	b.ok(200, "PUT", group, `{"sort":3,"colour":"#000000"}`)
	got := b.ok(200, "PUT", group, `{"parent":"hhhqeayeaudaocajbifqydiob4"}`)
	require.EqualValues(t, 3, got["sort"])
	require.Equal(t, "#000000", got["colour"])
	b.refused(422, "invalid", "PUT", group, `{"parent":"gggqeayeaudaocajbifqydiob4"}`)

	got = b.ok(200, "PUT", "/api/v1/taxes/"+taxID, `{"rates":[{"from":"2030-01-01","rate":2000,"key":1}]}`)
	require.Len(t, got.list("rates"), 2)
	got = b.ok(200, "PUT", "/api/v1/taxes/"+taxID, `{"rates":[{"from":"2030-01-01","withdrawn":true}]}`)
	require.Len(t, got.list("rates"), 1)
	b.refused(422, "invalid", "PUT", "/api/v1/taxes/"+taxID, `{"rates":[{"from":"2030-01-01","rate":10001}]}`)
	b.refused(422, "invalid", "PUT", "/api/v1/taxes/"+taxID, `{"rates":[{"from":"2030-01-01","rate":1},{"from":"2030-01-01","rate":2}]}`)
}

func TestSettings(t *testing.T) {
	b := newBench(t)
	path := "/api/v1/settings"
	require.Equal(t, "Café Sonnenschein", b.ok(200, "GET", path, "")["shop_name"])
	got := b.ok(200, "PUT", path, `{"business":{"name":"Sonnenschein GmbH","town":"Wien"},"time_zone":"Europe/Vienna"}`)
	require.Equal(t, "Wien", got.in("business")["town"])
	require.Equal(t, "DE", got.in("business")["country"], "left out: as it was")
	require.Equal(t, "Europe/Vienna", got["time_zone"])
	require.EqualValues(t, 240, got["day_cutoff_minutes"])
	require.Equal(t, "Café Sonnenschein", got["shop_name"])
	got = b.ok(200, "PUT", path, `{"day_cutoff_minutes":0}`)
	require.Equal(t, "Europe/Vienna", got["time_zone"])
	require.EqualValues(t, 0, got["day_cutoff_minutes"])
	whole, err := json.Marshal(got)
	require.NoError(t, err)
	require.Equal(t, got, b.ok(200, "PUT", path, string(whole)))
	for _, body := range []string{`{"time_zone":"Mars/Olympus"}`, `{"time_zone":"Local"}`, `{"currency":"euro"}`, `{"currency":"€"}`,
		`{"day_cutoff_minutes":1440}`, `{"day_cutoff_minutes":"4"}`, `{"business":{"country":"Deutschland"}}`, `{"name":"x"}`,
		`{"shop_name":"` + strings.Repeat("x", 201) + `"}`} {
		b.refused(422, "invalid", "PUT", path, body)
	}
	require.Equal(t, got, b.ok(200, "GET", path, ""))
}

func TestConflictsOfSettingsAreShown(t *testing.T) {
	got := showSettings(shop.Settings{Conflicts: []shop.Conflict{{Register: shop.RegisterDay, Values: []shop.Candidate{
		{Value: shop.Day{Zone: "Europe/Vienna", CutOff: 60}}, {},
	}}}})
	require.Len(t, got.Conflicts, 1)
	require.Equal(t, map[string]any{"time_zone": "Europe/Vienna", "day_cutoff_minutes": int64(60)}, got.Conflicts[0].Values[0].Value)
	for _, v := range []any{shop.Business{}, shop.Money{}, shop.Day{}, shop.Shop{}} {
		require.NotNil(t, showSetting(v), "%T", v)
	}
}
