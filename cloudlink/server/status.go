package server

import (
	"context"
	"html/template"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
)

func (s *Server) addStatus() {
	op := operation(http.MethodGet, "/api/v1/status", "Status", "get-status", "Say how the cloud is", `For everybody; tills read it when something goes wrong.`)
	add(s, op, nothing, s.getStatus)
	s.mark(op, func(r *route) { r.public = true })
	s.raw("GET /status", route{public: true}, s.statusPage)
}

// status says how the cloud is, and nothing about anybody.
type status struct {
	OK            bool     `json:"ok" doc:"Everything works"`
	Version       string   `json:"version" doc:"Of the program"`
	Since         string   `json:"since" doc:"When this server was started, RFC 3339"`
	Now           string   `json:"now" doc:"Its clock, RFC 3339"`
	Database      string   `json:"database" enum:"ok,down,full,read-only,broken" doc:"Anything but ok: nothing can be stored now; tills keep everything and try again"`
	DatabaseSince string   `json:"database_since" doc:"Since when the database is so, as this server noticed it, RFC 3339; it looks once a minute, and when somebody asks"`
	Till          string   `json:"oldest_till" doc:"Oldest program of a till that this cloud lets in; empty: all that speak its protocol"`
	Oldest        int64    `json:"protocol_oldest" doc:"Oldest version of the uplink that this cloud speaks: a till works with it if it speaks one of these"`
	Newest        int64    `json:"protocol_newest" doc:"Newest one"`
	Cloud         string   `json:"cloud" doc:"ID of the cloud's key"`
	Problems      []string `json:"problems" nullable:"false" doc:"What is wrong, for people"`
	Do            string   `json:"do" doc:"What a shop is to do about it, for people; empty if all is well"`

	began, so, at time.Time // Since, DatabaseSince and Now
}

func (s *Server) getStatus(ctx context.Context, _ *struct{}) (status, error) {
	return s.status(ctx), nil
}

func (s *Server) status(ctx context.Context) status {
	database, since := s.database(ctx)
	out := status{
		OK: database == databaseOK, Version: s.o.Version, Database: database, Till: s.o.OldestTill, Oldest: greeting.Oldest, Newest: greeting.Newest,
		Cloud: tillText(s.o.Accounts.Cloud()), Problems: []string{}, Do: inEnglish.advice[database], began: s.since, so: since, at: s.now(),
	}
	out.Since, out.DatabaseSince, out.Now = instant(out.began), instant(out.so), instant(out.at)
	if !out.OK {
		out.Problems = append(out.Problems, inEnglish.problems[database])
	}
	return out
}

// statusView is what the page shows.
type statusView struct {
	status
	W                                  *statusWords
	Problem, State, Began, Lasts, Here string
}

var statusTemplate = template.Must(template.New("status").Parse(`<!doctype html>
<html lang="{{.W.Lang}}"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>tillmesh cloud</title>
<h1>{{if .OK}}{{.W.Works}}{{else}}{{.W.Trouble}}{{end}}</h1>
{{if not .OK}}<p>{{.Problem}}</p>
<p>{{.W.Since}} {{.Lasts}}.</p>
<p>{{.W.Do}}: {{.Do}}</p>
{{end}}<dl>
<dt>{{.W.Version}}</dt><dd>{{.Version}}</dd>
<dt>{{.W.Running}}</dt><dd>{{.Began}}</dd>
<dt>{{.W.Clock}}</dt><dd>{{.Here}}</dd>
<dt>{{.W.Database}}</dt><dd>{{.State}}</dd>
<dt>{{.W.Speaks}}</dt><dd>{{.Oldest}}{{if ne .Oldest .Newest}} {{.W.To}} {{.Newest}}{{end}}</dd>
{{if .Till}}<dt>{{.W.Oldest}}</dt><dd>{{.Till}}</dd>
{{end}}</dl>
<p>{{.W.Always}}</p>
</html>
`))

// statusPage is the status for people.
func (s *Server) statusPage(w http.ResponseWriter, r *http.Request) {
	words := wordsFor(r.Header.Get("Accept-Language"))
	v := statusView{status: s.status(r.Context()), W: words}
	v.Problem, v.State, v.Do = words.problems[v.Database], words.states[v.Database], words.advice[v.Database]
	v.Began, v.Lasts, v.Here = words.moment(v.began, v.at), words.moment(v.so, v.at), v.at.UTC().Format("2006-01-02 15:04:05 UTC")
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Language", words.Lang)
	w.Header().Set("Vary", "Accept-Language")
	if !v.OK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if err := statusTemplate.Execute(w, v); err != nil {
		s.log.DebugContext(r.Context(), "the status page was not taken", "error", err)
	}
}
