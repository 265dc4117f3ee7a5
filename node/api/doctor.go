package api

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/node"
	causes "github.com/tillmesh/tillmesh/node/health"
)

// diagnosis is what the doctor found.
type diagnosis struct {
	At       string        `json:"at" doc:"RFC 3339"`
	ProbedAt string        `json:"probed_at" doc:"When it was last tried who reaches whom, RFC 3339; empty if not since the start"`
	Wrong    int           `json:"wrong" doc:"How many findings somebody should do something about"`
	Findings []finding     `json:"findings" nullable:"false" doc:"The worst first; all-well if nothing is wrong"`
	Past     []pastFinding `json:"past" nullable:"false" doc:"What was wrong before, the oldest first; at most 200"`
}

// finding is one cause.
type finding struct {
	Code     string   `json:"code" doc:"Stable; decide by it" example:"isolation"`
	Severity string   `json:"severity" enum:"info,warn,error"`
	Since    string   `json:"since" doc:"RFC 3339; empty if not known"`
	Title    string   `json:"title" doc:"The cause in one sentence"`
	Do       string   `json:"do" doc:"What to do, empty if nothing"`
	Tills    []string `json:"tills" nullable:"false" doc:"Names of the other tills concerned"`
	Details  []string `json:"details" nullable:"false" doc:"For support, in English: what was tried and what came of it"`
}

// pastFinding is a cause that is gone.
type pastFinding struct {
	finding
	Until string `json:"until" doc:"RFC 3339"`
}

// doctorState is the diagnosis in short, for status.
type doctorState struct {
	Wrong int    `json:"wrong" doc:"How many findings somebody should do something about; GET /api/v1/doctor has them"`
	Code  string `json:"code" doc:"Of the worst one, empty before the first look"`
	Title string `json:"title" doc:"The worst one in one sentence, empty before the first look"`
}

type doctorInput struct {
	Language string `query:"lang" enum:"en,de,ru" default:"en" doc:"Language of title and do"`
}

func (s *server) addDoctor() {
	add(s, operation(http.MethodGet, "/api/v1/doctor", "Till", "get-doctor", "What is wrong with the till and its network",
		`What the till found in the last ten seconds by what it knows. Each cause is one finding; what follows from it is not said again.`),
		func(_ context.Context, in *doctorInput) (diagnosis, error) {
			return showDiagnosis(s.till.Diagnosis(), language(in.Language)), nil
		})
	add(s, operation(http.MethodPost, "/api/v1/doctor", "Till", "run-doctor", "Try who reaches whom, and say what is wrong",
		`Dials all other tills and asks each to dial back, if need be through a third one. Takes up to ten seconds and writes nothing;
what was tried in the last two seconds is not tried again.`),
		func(ctx context.Context, in *doctorInput) (diagnosis, error) {
			return showDiagnosis(s.till.Examine(ctx), language(in.Language)), nil
		})
	op := operation(http.MethodGet, "/api/v1/doctor/bundle", "Till", "get-doctor-bundle", "A file for support",
		`A ZIP file with the machine, the program, the findings and their history, links and settings. It holds no names that people gave, no
receipts and no keys.`)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The file", Content: map[string]*huma.MediaType{"application/zip": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	s.describe(&op)
	s.doc.OpenAPI().AddOperation(&op)
	s.raw("GET /api/v1/doctor/bundle", route{}, s.bundle)
}

func (s *server) bundle(w http.ResponseWriter, r *http.Request) {
	var b bytes.Buffer // whole, so that a failure is told
	if err := s.till.WriteBundle(&b); err != nil {
		s.problemOf(r.Context(), err).write(w)
		return
	}
	w.Header().Set("Content-Type", "application/zip")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="till-%s.zip"`, time.Now().UTC().Format("20060102-150405")))
	// The client may be gone; there is nobody to tell.
	_, _ = w.Write(b.Bytes())
}

func language(name string) causes.Language {
	switch name {
	case "de":
		return causes.German
	case "ru":
		return causes.Russian
	}
	return causes.English
}

func showDiagnosis(d node.Diagnosis, l causes.Language) diagnosis {
	out := diagnosis{At: instant(d.At), ProbedAt: instant(d.ProbedAt), Wrong: d.Wrong(), Findings: []finding{}, Past: []pastFinding{}}
	for _, f := range d.Findings {
		out.Findings = append(out.Findings, showFinding(f, l))
	}
	for _, p := range d.Past {
		if !p.Until.IsZero() {
			out.Past = append(out.Past, pastFinding{showFinding(p.Finding, l), instant(p.Until)})
		}
	}
	return out
}

func showFinding(f causes.Finding, l causes.Language) finding {
	return finding{
		Code: string(f.Code), Severity: f.Severity.String(), Since: instant(f.Since), Title: f.Title(l), Do: f.Do(l),
		Tills: orEmpty(f.Tills), Details: orEmpty(f.Details),
	}
}

func showDoctor(d node.Diagnosis) doctorState {
	out := doctorState{Wrong: d.Wrong()}
	if len(d.Findings) > 0 {
		out.Code, out.Title = string(d.Findings[0].Code), d.Findings[0].Title(causes.English)
	}
	return out
}
