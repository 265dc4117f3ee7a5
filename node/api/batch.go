package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/httpapi/goods"
)

const maxBatch = 1000 // rows

// articleBatch is the body of a batch as the document shows it.
type articleBatch struct {
	Articles []goods.Article `json:"articles" minItems:"1" maxItems:"1000" nullable:"false"`
}

// batchIn is the body of a batch: one row that breaks the schema must not refuse the others, so each is checked alone.
type batchIn struct {
	RawBody []byte `contentType:"application/json"`
}

// rowCheck checks single rows against the schema of an article.
type rowCheck struct {
	registry huma.Registry
	schema   *huma.Schema
}

func (s *server) newRowCheck() rowCheck {
	registry := s.doc.OpenAPI().Components.Schemas
	return rowCheck{registry, registry.Schema(reflect.TypeFor[goods.Article](), true, "Article")}
}

// rows splits the body of a batch.
func (in *batchIn) rows() ([]json.RawMessage, error) {
	if !json.Valid(in.RawBody) {
		return nil, newProblem(http.StatusBadRequest, httpapi.CodeMalformed, "", "the body is not JSON")
	}
	var body struct {
		Articles []json.RawMessage `json:"articles"`
	}
	if err := strict(in.RawBody, &body); err != nil {
		return nil, invalid("body", "body: %v", err)
	}
	if n := len(body.Articles); n < 1 || n > maxBatch {
		return nil, invalid("body.articles", "body.articles: %d rows, 1 to %d are taken", n, maxBatch)
	}
	return body.Articles, nil
}

// decode reads and checks one row.
func (c rowCheck) decode(field string, raw json.RawMessage) (a goods.Article, err error) {
	var loose any
	if err := json.Unmarshal(raw, &loose); err != nil {
		return a, invalid(field, "%s: %v", field, err)
	}
	path := huma.NewPathBuffer(make([]byte, 0, 64), 0)
	path.Push(field)
	var res huma.ValidateResult
	huma.Validate(c.registry, c.schema, path, huma.ModeWriteToServer, loose, &res)
	if len(res.Errors) > 0 {
		return a, ofHuma(&huma.ErrorModel{Status: http.StatusUnprocessableEntity, Errors: details(res.Errors)})
	}
	if err := json.Unmarshal(raw, &a); err != nil {
		return a, invalid(field, "%s: %v", field, err)
	}
	return a, nil
}

func details(errs []error) []*huma.ErrorDetail {
	out := make([]*huma.ErrorDetail, 0, len(errs))
	for _, err := range errs {
		if d, ok := err.(huma.ErrorDetailer); ok {
			out = append(out, d.ErrorDetail())
		} else {
			out = append(out, &huma.ErrorDetail{Message: err.Error()})
		}
	}
	return out
}

// rowID returns the ID of a row that may be malformed in other ways.
func rowID(raw json.RawMessage) string {
	var row struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return ""
	}
	return httpapi.Clip(row.ID, 60)
}

// at names a row in the request.
func at(i int) string { return fmt.Sprintf("body.articles[%d]", i) }
