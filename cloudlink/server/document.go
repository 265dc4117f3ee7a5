package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

// Without this, huma takes a member in other letters ("Name") for the one it knows. It has the switch only as a variable
// of its package, and nothing else in the program uses huma.
func init() { huma.ValidateStrictCasing = true }

const intro = `What an account can see and do at the cloud, as JSON over HTTP. Tills talk to the cloud by another way, GET
/api/v1/uplink, and go on selling when it is not there.

**Token.** Every request carries "Authorization: Bearer TOKEN": of a session (POST /api/v1/sessions) or of an API key (POST
/api/v1/keys). It stands for one account, and whatever belongs to another one is answered as if it did not exist. Making an
account, signing in, checking a password, the terms of coupling and the status need none. Pages of other origins are refused.

**Numbers.** All are integers. Amounts are in minor units (340 is 3.40 EUR). Times are RFC 3339; business days are YYYY-MM-DD in
the time zone of the shop.

**IDs** are base32: 26 letters a-z and digits 2-7, of tills 52.

**Repeating.** Every POST takes an Idempotency-Key. The same key with the same request gives the first answer again for a day,
with the header "Idempotency-Replayed: true"; with another request it is refused. Answers with passwords or new sessions are not kept.

**Errors** are RFC 9457 problems. Decide by "code"; "detail" says what happened and "hint" what to do next. 429 and 503 carry
Retry-After.

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
				Title: "tillmesh cloud", Version: version, Description: intro,
				License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"},
			},
			Tags: []*huma.Tag{
				{Name: "Accounts", Description: "Accounts, sessions, keys of programs, and what was done."},
				{Name: "Coupling", Description: "How a shop comes to an account."}, {Name: "Shops", Description: "Shops and their tills."},
				{Name: "Articles", Description: "What is sold."}, {Name: "Archive", Description: "What is kept, and the proof of it."},
				{Name: "Status", Description: "How the cloud is."},
			},
			Components: &huma.Components{
				Schemas: huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{
					"token": {Type: "http", Scheme: "bearer", Description: "Of a session or an API key."},
				},
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
func (s *Server) describe(op *opDoc, rights []accounts.Right) {
	// The body is in memory already when huma reads it, see readBody.
	op.MaxBodyBytes, op.BodyReadTimeout = -1, -1
	if len(rights) > 0 {
		if op.Description != "" {
			op.Description += "\n\n"
		}
		op.Description += "Rights: " + rightsText(rights) + "."
	}
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

// addDocument adds the OpenAPI document. It must come last.
func (s *Server) addDocument() error {
	// huma describes its own errors too; here they are never sent, see ofHuma.
	schemas := s.doc.OpenAPI().Components.Schemas.Map()
	delete(schemas, "ErrorModel")
	delete(schemas, "ErrorDetail")
	for path, item := range s.doc.OpenAPI().Paths {
		for _, op := range []*opDoc{item.Get, item.Post, item.Put, item.Delete} {
			if op == nil {
				continue
			}
			if rt := s.routes[op.Method+" "+path]; rt.public {
				op.Security = []map[string][]string{}
			} else if rt.either {
				op.Security = []map[string][]string{{"token": {}}, {}}
			}
			if examples[op.OperationID] == "" {
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
	s.raw("GET /api/v1/openapi.json", route{public: true}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(doc) // the client may be gone
	})
	return nil
}
