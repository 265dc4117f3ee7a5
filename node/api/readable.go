package api

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

//go:embed readable.html
var readableHTML string

//go:embed readable.css
var readableCSS string

// readable returns the document as a page for people, and the policy that lets a browser load nothing but the page.
func readable(doc *huma.OpenAPI) (html []byte, policy string, err error) {
	t, err := template.New("api").Funcs(template.FuncMap{"bold": bold}).Parse(readableHTML)
	if err != nil {
		return nil, "", err
	}
	view, err := viewOf(doc)
	if err != nil {
		return nil, "", err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, view); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(readableCSS))
	policy = "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	return out.Bytes(), policy, nil
}

// docView is the document as the page shows it.
type docView struct {
	Title, Version string
	Intro          []string
	CSS            template.CSS
	Tags           []tagView
	Schemas        []schemaView
}

type tagView struct {
	Name, Text string
	Operations []operationView
}

type operationView struct {
	ID, Method, Path, Summary, Text string
	Params                          []fieldView
	Body, Answer, Example, Status   string // names of schemas; an example of the body
	AnswerType                      string
}

type schemaView struct {
	Name   string
	Fields []fieldView
}

type fieldView struct {
	Name, In, Type, Ref, Text, Limits, Example string
	Required, ReadOnly                         bool
}

func viewOf(doc *huma.OpenAPI) (docView, error) {
	v := docView{Title: doc.Info.Title, Version: doc.Info.Version, Intro: strings.Split(doc.Info.Description, "\n\n"), CSS: template.CSS(readableCSS)}
	for _, tag := range doc.Tags {
		v.Tags = append(v.Tags, tagView{Name: tag.Name, Text: tag.Description})
	}
	for _, p := range slices.Sorted(maps.Keys(doc.Paths)) {
		item := doc.Paths[p]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
			if op == nil {
				continue
			}
			i := slices.IndexFunc(v.Tags, func(t tagView) bool { return t.Name == op.Tags[0] })
			if i < 0 {
				return v, fmt.Errorf("operation %s has the unknown tag %s", op.OperationID, op.Tags[0])
			}
			shown, err := operationOf(op)
			if err != nil {
				return v, fmt.Errorf("operation %s: %w", op.OperationID, err)
			}
			v.Tags[i].Operations = append(v.Tags[i].Operations, shown)
		}
	}
	schemas := doc.Components.Schemas.Map()
	for _, name := range slices.Sorted(maps.Keys(schemas)) {
		s := schemaView{Name: name}
		for _, field := range slices.Sorted(maps.Keys(schemas[name].Properties)) {
			f := fieldOf(field, schemas[name].Properties[field])
			f.Required = slices.Contains(schemas[name].Required, field)
			s.Fields = append(s.Fields, f)
		}
		slices.SortStableFunc(s.Fields, func(a, b fieldView) int { // what is needed first
			return cmp.Compare(order(a), order(b))
		})
		v.Schemas = append(v.Schemas, s)
	}
	return v, nil
}

func order(f fieldView) int {
	switch {
	case f.Required:
		return 0
	case f.ReadOnly:
		return 2
	}
	return 1
}

func operationOf(op *huma.Operation) (operationView, error) {
	v := operationView{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Text: op.Description}
	for _, p := range op.Parameters {
		f := fieldOf(p.Name, p.Schema)
		f.In, f.Required, f.Text = p.In, p.Required, cmp.Or(p.Description, f.Text)
		v.Params = append(v.Params, f)
	}
	if op.RequestBody != nil {
		if m := op.RequestBody.Content["application/json"]; m != nil {
			v.Body = refName(m.Schema)
			if m.Example != nil {
				b, err := json.MarshalIndent(m.Example, "", "  ")
				if err != nil {
					return v, err
				}
				v.Example = string(b)
			}
		}
	}
	for _, status := range []string{"200", "201", "204"} {
		r := op.Responses[status]
		if r == nil {
			continue
		}
		v.Status = status
		for kind, m := range r.Content {
			v.Answer, v.AnswerType = refName(m.Schema), kind
		}
	}
	return v, nil
}

func refName(s *huma.Schema) string {
	if s == nil || s.Ref == "" {
		return ""
	}
	return path.Base(s.Ref)
}

func fieldOf(name string, s *huma.Schema) fieldView {
	f := fieldView{Name: name, Text: s.Description, ReadOnly: s.ReadOnly}
	inner := s
	switch {
	case s.Ref != "":
		f.Type = refName(s)
	case s.Type == huma.TypeArray && s.Items != nil:
		inner = s.Items
		f.Type = "list of " + cmp.Or(refName(s.Items), s.Items.Type, "any")
	case s.Type == huma.TypeObject:
		f.Type = "object"
		if values, ok := s.AdditionalProperties.(*huma.Schema); ok {
			f.Type = "object of " + cmp.Or(values.Type, "any")
		}
	default:
		f.Type = cmp.Or(s.Type, "any")
	}
	f.Ref = refName(inner)
	f.Limits = limits(s)
	if len(s.Examples) > 0 {
		if b, err := json.Marshal(s.Examples[0]); err == nil {
			f.Example = string(b)
		}
	}
	return f
}

// limits says in words what a value may be.
func limits(s *huma.Schema) string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if len(s.Enum) > 0 {
		words := make([]string, len(s.Enum))
		for i, e := range s.Enum {
			words[i] = fmt.Sprint(e)
		}
		add("%s", strings.Join(words, " | "))
	}
	if s.Minimum != nil && s.Maximum != nil && *s.Maximum < 1<<53-1 {
		add("%.0f to %.0f", *s.Minimum, *s.Maximum)
	}
	if s.MaxLength != nil {
		add("at most %d characters", *s.MaxLength)
	}
	if s.MaxItems != nil {
		add("at most %d", *s.MaxItems)
	}
	if s.PatternDescription != "" {
		add("%s", s.PatternDescription)
	}
	if s.Default != nil {
		add("default %v", s.Default)
	}
	return strings.Join(out, "; ")
}

// bold turns the one mark-up of the descriptions into HTML.
func bold(s string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(s, "**") {
		if i%2 == 1 {
			b.WriteString("<strong>" + template.HTMLEscapeString(part) + "</strong>")
		} else {
			b.WriteString(template.HTMLEscapeString(part))
		}
	}
	return template.HTML(b.String()) // every part was escaped
}
