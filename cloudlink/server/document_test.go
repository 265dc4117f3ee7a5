package server

import (
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

func refName(s *huma.Schema) string {
	if s == nil {
		return ""
	}
	if s.Ref != "" {
		return s.Ref[strings.LastIndex(s.Ref, "/")+1:]
	}
	return s.Type
}

func typeName(s *huma.Schema) string {
	if s.Type == huma.TypeArray && s.Items != nil {
		return "[]" + typeName(s.Items)
	}
	return refName(s)
}

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
				line += " " + status
				for _, kind := range slices.Sorted(maps.Keys(op.Responses[status].Content)) {
					line += ":" + refName(op.Responses[status].Content[kind].Schema)
				}
			}
			out = append(out, line)
		}
	}
	for name, schema := range doc.Components.Schemas.Map() {
		for field, s := range schema.Properties {
			out = append(out, fmt.Sprintf("schema %s.%s %s", name, field, typeName(s)))
		}
	}
	slices.Sort(out)
	return strings.Join(out, "\n") + "\n"
}

// Programs depend on these lines. A line may be added; one that changes or goes breaks them.
func TestTheDocumentIsAsPinned(t *testing.T) {
	got := operations(small(t).doc.OpenAPI())
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
	b := small(t)
	doc := b.doc.OpenAPI()
	documented, ids := make(map[string]bool), make(map[string]bool)
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
	undocumented := map[string]bool{"GET /healthz": true, "GET /metrics": true, "GET /status": true, "GET /api/v1/openapi.json": true,
		"GET /api/v1/archive/exports/{id}/file": true}
	for pattern := range b.routes {
		require.True(t, documented[pattern] || undocumented[pattern], pattern)
	}
	w := b.do("GET", "/api/v1/openapi.json", "", "")
	require.Equal(t, "application/openapi+json", w.Header().Get("Content-Type"))
	var sent object
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &sent))
	require.Equal(t, "3.1.0", sent["openapi"])
	require.Len(t, sent.in("paths"), len(doc.Paths))
}

func TestAPortThatIsNotThereHasNoOperations(t *testing.T) {
	b := small(t, func(o *Options) {
		o.Documents, o.Archive, o.Reports, o.Exports, o.Holds, o.Replicas, o.Watch = nil, nil, nil, nil, nil, nil, nil
	})
	token := b.owner("anna@shop.example")
	b.refused(404, "not-found", "GET", "/api/v1/archive/checkpoint", token, "")
	require.NotContains(t, operations(b.doc.OpenAPI()), "archive")
	b.ok(200, "GET", "/api/v1/shops", token, "")
}
