package server

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	// reportTime bounds one report: ten times what a million documents take on a small machine.
	reportTime = time.Hour
	// beatEvery is how often a client that wants to see progress hears something: often enough for people, and for proxies that end what is silent.
	beatEvery = time.Second
)

func (s *Server) addReports() {
	op := operation(http.MethodGet, "/api/v1/shops/{shop}/completeness", "Archive", "get-completeness", "Get the report on completeness",
		`Per till and series: gaps, double numbers, chain and signatures. Per closing: the sums, computed again. It reads all documents, so it may take
minutes; hanging up ends it. With progress=true the answer is lines of JSON (application/x-ndjson): any number with the member "progress", then one
with "report", or with "problem" if it did not come to its end.`)
	op.Responses = map[string]*huma.Response{"200": {Description: "The report", Content: map[string]*huma.MediaType{
		"application/json":     {Schema: &huma.Schema{Type: huma.TypeObject}},
		"application/x-ndjson": {Schema: s.doc.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[reportLine](), true, "ReportLine")},
	}}}
	s.describe(&op, archive)
	huma.Register(s.doc, op, func(ctx context.Context, in *completenessIn) (*huma.StreamResponse, error) {
		out, err := allowed(ctx, archive, in, s.getCompleteness)
		if err != nil {
			return nil, s.problemOf(ctx, err)
		}
		return out, nil
	})
	s.mark(op, func(r *route) { r.long = true })
}

type completenessIn struct {
	Shop     string `path:"shop" minLength:"26" maxLength:"26" doc:"ID of the shop, 26 characters"`
	From     string `query:"from" format:"date" doc:"First business day, YYYY-MM-DD"`
	To       string `query:"to" format:"date" doc:"Last business day, YYYY-MM-DD"`
	Progress bool   `query:"progress" doc:"Answer with lines of JSON that say how far it is"`
}

// reportLine is one line of an answer that shows progress. It has one member.
type reportLine struct {
	Progress *reportProgress `json:"progress,omitempty"`
	Report   json.RawMessage `json:"report,omitempty" doc:"The last line: the report, an object"`
	Problem  *problem        `json:"problem,omitempty" doc:"The last line: why there is no report"`
}

// reportProgress is how far a report is.
type reportProgress struct {
	Documents int64  `json:"documents" doc:"Read so far"`
	Of        int64  `json:"of" doc:"About how many there are; 0: not known"`
	Series    string `json:"series" doc:"That is being read" example:"K2"`
	Number    int64  `json:"number" doc:"That was read last"`
	Wrong     int64  `json:"wrong" doc:"Things found so far that are wrong"`
}

func (s *Server) getCompleteness(ctx context.Context, in *completenessIn) (*huma.StreamResponse, error) {
	v, err := s.shop(ctx, in.Shop)
	if err != nil {
		return nil, err
	}
	if err := checkDays("query.", in.From, in.To); err != nil {
		return nil, err
	}
	report := func(ctx context.Context, progress func(ReportProgress)) (json.RawMessage, error) {
		ctx, cancel := context.WithTimeout(ctx, reportTime)
		defer cancel()
		return s.o.Reports.Completeness(ctx, v.Account, v.ID, in.From, in.To, progress)
	}
	if in.Progress {
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			hc.SetHeader("Content-Type", "application/x-ndjson")
			s.streamReport(hc, report)
		}}, nil
	}
	raw, err := report(ctx, nil)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		if _, err := pacedBody(hc).Write(raw); err != nil {
			s.log.DebugContext(ctx, "a report was not taken", "error", err)
		}
	}}, nil
}

// pacedBody is where an answer goes: whoever takes nothing of it is cut off, and keeps no slot for long answers.
func pacedBody(hc huma.Context) io.Writer {
	if w, ok := hc.BodyWriter().(http.ResponseWriter); ok {
		return &paced{w, http.NewResponseController(w)}
	}
	return hc.BodyWriter()
}

// streamReport writes how far a report is while it is made, and the report at the end. It ends the work when nobody takes the lines any more.
func (s *Server) streamReport(hc huma.Context, report func(context.Context, func(ReportProgress)) (json.RawMessage, error)) {
	ctx, cancel := context.WithCancel(hc.Context())
	defer cancel()
	body := pacedBody(hc)
	lines := json.NewEncoder(body)
	write := func(line reportLine) {
		err := lines.Encode(line)
		if p, ok := body.(*paced); err == nil && ok {
			err = p.limits.Flush()
		}
		if err != nil && ctx.Err() == nil {
			s.log.DebugContext(ctx, "a report was not taken", "error", err)
			cancel()
		}
	}
	var at atomic.Pointer[ReportProgress]
	at.Store(&ReportProgress{})
	ended := make(chan struct{})
	var beats sync.WaitGroup
	stop := sync.OnceFunc(func() {
		close(ended)
		beats.Wait()
	})
	defer stop() // also if the report breaks
	beats.Go(func() {
		beat := time.NewTicker(beatEvery)
		defer beat.Stop()
		for ctx.Err() == nil {
			p := reportProgress(*at.Load())
			write(reportLine{Progress: &p})
			select {
			case <-ended:
				return
			case <-ctx.Done():
			case <-beat.C:
			}
		}
	})
	raw, err := report(ctx, func(p ReportProgress) { at.Store(&p) })
	stop()
	if err != nil {
		write(reportLine{Problem: s.problemOf(ctx, err)})
		return
	}
	write(reportLine{Report: raw})
}
