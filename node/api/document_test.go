package api

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite testdata; within v1 lines are only added")

// operations lists what the document has, one line each: operations with their parameters and bodies, then the members
// of every schema.
func operations(doc *huma.OpenAPI) string {
	var out []string
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete, item.Patch} {
			if op == nil {
				continue
			}
			line := fmt.Sprintf("%-6s %s %s", op.Method, path, op.OperationID)
			for _, p := range op.Parameters {
				line += " " + p.In + ":" + p.Name
			}
			if op.RequestBody != nil {
				line += " <- " + refName(op.RequestBody.Content["application/json"].Schema)
			}
			for _, status := range slices.Sorted(maps.Keys(op.Responses)) {
				for _, m := range op.Responses[status].Content {
					line += " " + status + ":" + refName(m.Schema)
				}
			}
			out = append(out, line)
		}
	}
	for name, schema := range doc.Components.Schemas.Map() {
		for field, s := range schema.Properties {
			f := fieldOf(field, s)
			out = append(out, fmt.Sprintf("schema %s.%s %s", name, field, f.Type))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + "\n"
}

// Programs depend on these lines. A line may be added; one that changes or goes breaks them.
func TestTheDocumentIsAsPinned(t *testing.T) {
	s, ok := newBench(t).h.(*server)
	require.True(t, ok)
	got := operations(s.doc.OpenAPI())
	file := filepath.Join("testdata", "operations.txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestTheDocumentIsWhole(t *testing.T) {
	b := newBench(t)
	s, ok := b.h.(*server)
	require.True(t, ok)
	doc := s.doc.OpenAPI()
	documented := make(map[string]bool)
	ids := make(map[string]bool)
	for path, item := range doc.Paths {
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op == nil {
				continue
			}
			documented[op.Method+" "+path] = true
			require.False(t, ids[op.OperationID], op.OperationID)
			ids[op.OperationID] = true
			require.NotEmpty(t, op.Summary, op.OperationID)
			for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
				require.True(t, slices.ContainsFunc(op.Parameters, func(p *huma.Param) bool {
					return p.In == "path" && p.Name == m[1] && p.Required && p.Schema.Description+p.Description != ""
				}), "%s: parameter %s", op.OperationID, m[1])
			}
			if op.RequestBody == nil {
				continue
			}
			require.NotEmpty(t, examples[op.OperationID], "%s has a body and needs an example", op.OperationID)
			require.NotNil(t, op.RequestBody.Content["application/json"].Example)
			var res huma.ValidateResult
			var example any
			require.NoError(t, json.Unmarshal([]byte(examples[op.OperationID]), &example))
			huma.Validate(doc.Components.Schemas, op.RequestBody.Content["application/json"].Schema, huma.NewPathBuffer(nil, 0),
				huma.ModeWriteToServer, example, &res)
			require.Empty(t, res.Errors, op.OperationID)
		}
	}
	for id := range examples {
		require.True(t, ids[id], "an example of %s, which is no operation", id)
	}
	undocumented := map[string]bool{"GET /healthz": true, "GET /metrics": true, "GET /api": true, "GET /api/v1/openapi.json": true}
	for pattern := range s.routes {
		require.True(t, documented[pattern] || undocumented[pattern], pattern)
	}

	w := b.do("GET", "/api/v1/openapi.json", "", "Authorization", "")
	require.Equal(t, "application/openapi+json", w.Header().Get("Content-Type"))
	var sent object
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &sent))
	require.Equal(t, "3.1.0", sent["openapi"])
	require.Len(t, sent.in("paths"), len(doc.Paths))
}

func TestTheReadablePageLoadsNothing(t *testing.T) {
	b := newBench(t)
	w := b.do("GET", "/api", "", "Authorization", "")
	require.Equal(t, 200, w.Code)
	page := w.Body.String()
	require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
	for _, no := range []string{"<script", `="http`, `='http`, "=http", " src=", "<link", "@import", "url(", " style=", "ZgotmplZ"} {
		require.False(t, strings.Contains(page, no), no)
	}
	css := regexp.MustCompile(`(?s)<style>(.*?)</style>`).FindStringSubmatch(page)
	require.Len(t, css, 2)
	sum := sha256.Sum256([]byte(css[1]))
	require.Contains(t, w.Header().Get("Content-Security-Policy"), "style-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
	ids := make(map[string]bool)
	for _, m := range regexp.MustCompile(` id="([^"]+)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, ids[m[1]], m[1])
		ids[m[1]] = true
	}
	links := regexp.MustCompile(`href="#([^"]+)"`).FindAllStringSubmatch(page, -1)
	require.Greater(t, len(links), 50)
	for _, m := range links {
		require.True(t, ids[m[1]], "a link to %s", m[1])
	}
	require.True(t, strings.Contains(page, "Tisch 4"))
	require.True(t, strings.Contains(page, "<strong>Token.</strong>"))
	require.False(t, bytes.Contains(w.Body.Bytes(), []byte("**")))
}
