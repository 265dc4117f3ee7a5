package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

// Without this, huma takes a member in other letters ("Quantity") for the one it knows. It has the switch only as a
// variable of its package, and nothing else in the program uses huma.
func init() { huma.ValidateStrictCasing = true }

const intro = `Everything that a till of the shop can do, as JSON over HTTP. The till itself listens, on this machine only
unless it was told otherwise; it works without internet and without a server.

**Token.** Every request carries "Authorization: Bearer TOKEN" with the content of the file "token" in the till's data
directory. Only /healthz, /api and /api/v1/openapi.json need none. The till answers under IP addresses, localhost and the
names given with --host; requests from pages of other origins are refused.

**Numbers.** All are integers. Amounts are in minor units (340 is 3.40 EUR), quantities in thousandths (1000 is one piece),
rates in basis points (1900 is 19 %). Times are RFC 3339; business days are YYYY-MM-DD in the time zone of the shop.

**IDs** of articles, tabs, lines and so on are 16 random bytes in base32: 26 letters a-z and digits 2-7. Whoever makes
something may choose its ID; then sending it twice makes it once. IDs of tills have 52 characters.

**Repeating.** Every POST takes an Idempotency-Key. The same key with the same request gives the first answer again for a
day, also after a restart, with the header "Idempotency-Replayed: true"; with another request it is refused.

**Errors** are RFC 9457 problems. Decide by "code"; "detail" says what happened and "hint" what to do next.

**Lists** have "items" and "next". Give next as the parameter after to go on; it is empty at the end.

**Limits.** A body has at most 1 MiB, is JSON in UTF-8 and has no members beyond those shown here.`

// document returns what the OpenAPI document begins with.
func document(version string) huma.Config {
	if version == "" {
		version = "dev"
	}
	return huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "tillmesh till", Version: version, Description: intro,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Tags: []*huma.Tag{
				{Name: "Sales", Description: "Tabs, lines, payments and receipts."},
				{Name: "Articles", Description: "What is sold."}, {Name: "Groups", Description: "Groups of articles."},
				{Name: "Taxes", Description: "Tax rates over time."}, {Name: "Shop", Description: "Settings of the shop."},
				{Name: "Cloud", Description: "The archive on the internet: accounts, coupling, and how far it is."},
				{Name: "Till", Description: "This till, the others, and what happens."},
			},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", Description: "The till's token file."}},
			},
			Security: []map[string][]string{{"token": {}}},
		},
		Formats: map[string]huma.Format{
			"application/json": huma.DefaultJSONFormat,
			"json":             huma.DefaultJSONFormat, // for application/problem+json
		},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers: []huma.Transformer{func(_ huma.Context, _ string, v any) (any, error) {
			if m, ok := v.(*huma.ErrorModel); ok {
				return ofHuma(m), nil
			}
			return v, nil
		}},
	}
}

// describe adds to an operation what all have.
func (s *server) describe(op *opDoc) {
	// The body is in memory already when huma reads it, see readBody.
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	if op.Responses == nil {
		op.Responses = make(map[string]*huma.Response)
	}
	schema := s.doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	op.Responses["default"] = &huma.Response{
		Description: "Refused, and nothing was changed", Content: map[string]*huma.MediaType{httpapi.ProblemType: {Schema: schema}},
	}
	if op.Method == http.MethodPost {
		one, most := 1, maxKey
		op.Parameters = append(op.Parameters, &huma.Param{
			Name: "Idempotency-Key", In: "header", Description: "The same key with the same request gives the first answer again",
			Schema: &huma.Schema{Type: huma.TypeString, MinLength: &one, MaxLength: &most},
		})
	}
}

// schema returns the schema of a type for operations that huma does not decode.
func schema[T any](s *server) *huma.Schema {
	return s.doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// strict decodes JSON without members that the type does not have.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is more after the end")
	}
	return nil
}

// addDocument adds the OpenAPI document and its readable form. It must come last.
func (s *server) addDocument() error {
	// huma describes its own errors too; here they are never sent, see ofHuma.
	schemas := s.doc.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for _, item := range s.doc.OpenAPI().Paths {
		for _, op := range []*opDoc{item.Post, item.Put} {
			if op == nil || examples[op.OperationID] == "" {
				continue
			}
			if err := json.Unmarshal([]byte(examples[op.OperationID]), &op.RequestBody.Content["application/json"].Example); err != nil {
				return fmt.Errorf("example of %s: %w", op.OperationID, err)
			}
		}
	}
	doc, err := json.Marshal(s.doc.OpenAPI())
	if err != nil {
		return err
	}
	html, policy, err := readable(s.doc.OpenAPI())
	if err != nil {
		return err
	}
	s.raw("GET /api/v1/openapi.json", route{public: true}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc) // the client may be gone
	})
	s.raw("GET /api", route{public: true}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Content-Security-Policy", policy)
		_, _ = w.Write(html) // the client may be gone
	})
	return nil
}
