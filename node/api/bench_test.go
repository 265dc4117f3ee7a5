package api

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

// BenchmarkAddLine compares a line added by HTTP with the use case alone; the difference is what this package costs. A
// tab gets 100 lines, then the next one.
func BenchmarkAddLine(b *testing.B) {
	const perTab = 100
	article, err := crdt.ParseObjectID(articleID)
	require.NoError(b, err)
	open := func(b *testing.B, x *bench) crdt.ObjectID {
		v, err := x.till.OpenTab(b.Context(), node.NewTab{Shared: true})
		require.NoError(b, err)
		return v.ID
	}
	b.Run("use case", func(b *testing.B) {
		x := newBench(b)
		x.stock()
		var tab crdt.ObjectID
		for i := 0; b.Loop(); i++ {
			if i%perTab == 0 {
				b.StopTimer()
				tab = open(b, x)
				b.StartTimer()
			}
			if _, _, err := x.till.AddLines(b.Context(), tab, []node.NewLine{{Article: article, Quantity: 1000, User: "Anna"}}); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, keyed := range []bool{false, true} {
		b.Run(fmt.Sprintf("HTTP key=%v", keyed), func(b *testing.B) {
			x := newBench(b)
			x.stock()
			path, n := "", 0
			for i := 0; b.Loop(); i++ {
				if i%perTab == 0 {
					b.StopTimer()
					path = "/api/v1/tabs/" + open(b, x).String() + "/lines"
					b.StartTimer()
				}
				r := x.request("POST", path, `{"article":"`+articleID+`","quantity":1000,"user":"Anna"}`)
				if keyed {
					n++
					r.Header.Set("Idempotency-Key", fmt.Sprint(n))
				}
				w := httptest.NewRecorder()
				x.h.ServeHTTP(w, r)
				if w.Code != 201 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// BenchmarkBatch writes 1000 new articles with a price in one request.
func BenchmarkBatch(b *testing.B) {
	x := newBench(b)
	x.stock()
	for b.Loop() {
		b.StopTimer()
		rows := make([]string, maxBatch)
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"names":{"de":"Artikel %d"},"barcodes":["4%012d"],"prices":[{"from":"2026-01-01","price":%d,"tax":"%s"}]}`, i, i, i, taxID)
		}
		body := `{"articles":[` + strings.Join(rows, ",") + `]}`
		b.StartTimer()
		if w := x.do("POST", "/api/v1/articles:batch", body); w.Code != 200 {
			b.Fatal(w.Code, w.Body)
		}
	}
}

// BenchmarkRefuse is a request that touches no disk: what this package costs.
func BenchmarkRefuse(b *testing.B) {
	x := newBench(b)
	for b.Loop() {
		w := httptest.NewRecorder()
		x.h.ServeHTTP(w, x.request("POST", "/api/v1/tabs/"+articleID+"/lines", `{"article":"`+articleID+`","quantity":0}`))
		if w.Code != 422 {
			b.Fatal(w.Code, w.Body)
		}
	}
}
