package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/node"
)

const (
	heartbeat = 2 * time.Second
	// eventTime is how long a client may take to read what is sent to it.
	eventTime = 10 * time.Second
	// eventReset is the event that says: something may have been missed, read everything again.
	eventReset = "reset"
)

// event is the data of an event on the stream.
type event struct {
	ID      string `json:"id" doc:"Resumes the stream after this event"`
	At      string `json:"at" doc:"RFC 3339"`
	What    string `json:"what" enum:"article,group,tax,settings,tab,presence,payment,receipt,closing,day,case,mesh,pairing,status,signing,alarm,backup,cloud,reset"`
	Article string `json:"article,omitempty" doc:"ID"`
	Group   string `json:"group,omitempty" doc:"ID"`
	Tax     string `json:"tax,omitempty" doc:"ID"`
	Tab     string `json:"tab,omitempty" doc:"ID"`
	Payment string `json:"payment,omitempty" doc:"ID"`
	Change  string `json:"change,omitempty" doc:"tab: opened, line, void, discount, payment, claim, closed, moved, renamed or order; backup: begun, done or failed; payment: its state, as this till saw it; receipt: copies, archived, release, print-intended, print-done, print-dropped or print-offered, left out when it is new here; case: opened or resolved; closing: made or progress; day: revised, after it was shown complete; cloud: coupled or uncoupled, left out when something else changed"`
	Line    string `json:"line,omitempty" doc:"tab: ID of the line"`
	Receipt string `json:"receipt,omitempty" doc:"ID"`
	Case    string `json:"case,omitempty" doc:"ID of the case that was decided; left out when there is a new one"`
	Closing string `json:"closing,omitempty" doc:"ID"`
	Day     string `json:"day,omitempty" doc:"Business day, YYYY-MM-DD"`
	Number  string `json:"number,omitempty" doc:"receipt: its number; closing: its name, or how much was added up; day: its revision"`
	Till    string `json:"till,omitempty" doc:"Who wrote it"`
	Copies  int    `json:"copies,omitempty" doc:"receipt: on how many tills it is known to be, this one included"`
	Release string `json:"release,omitempty" enum:"waiting,released,overridden" doc:"receipt: whether it may be printed, if that changed. waiting: a person may let it go now"`
}

func showEvent(e node.Event) event {
	out := event{
		ID: strconv.FormatUint(e.ID, 10), At: instant(e.At), What: e.What, Change: e.Change, Line: e.Line, Number: e.Number, Till: e.Till,
		Copies: e.Copies, Release: e.Release,
	}
	switch e.What {
	case "article":
		out.Article = e.Object
	case "group":
		out.Group = e.Object
	case "tax":
		out.Tax = e.Object
	case "tab", "presence":
		out.Tab = e.Object
	case "payment":
		out.Payment, out.Tab = e.Object, e.Tab
	case "receipt":
		out.Receipt = e.Object
	case "closing":
		out.Closing = e.Object
	case "day":
		out.Day = e.Object
	case "case":
		out.Case = e.Object
	}
	return out
}

func (s *server) addEvents() {
	op := operation(http.MethodGet, "/api/v1/events", "Till", "follow-events", "Follow what changes, as it changes",
		`Server-sent events that never end. The name of an event is its kind, its data the JSON shown here, its ID resumes the stream:
send it as header Last-Event-ID, or as parameter after. Without either the stream begins now. If events between that ID and now
are no longer known, or the till started anew, the event reset comes first: then read again what is shown. A comment every two
seconds shows that the stream is alive. At most 32 streams are open at once.`)
	str := &huma.Schema{Type: huma.TypeString}
	op.Parameters = []*huma.Param{
		{Name: "after", In: "query", Description: "ID of the last event that was seen", Schema: str},
		{Name: "Last-Event-ID", In: "header", Description: "The same, and stronger", Schema: str},
	}
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The stream", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: schema[event](s)}},
	}}
	s.describe(&op)
	s.doc.OpenAPI().AddOperation(&op)
	s.raw("GET /api/v1/events", route{stream: true}, s.follow)
}

// place returns the event after which a stream begins. known is false if the client names one that cannot be.
func (s *server) place(r *http.Request) (id uint64, known bool, p *problem) {
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		id, err := strconv.ParseUint(last, 10, 64)
		return id, err == nil, nil
	}
	query := r.URL.Query()
	if !query.Has("after") {
		return s.till.Events().Last(), true, nil
	}
	id, err := strconv.ParseUint(query.Get("after"), 10, 64)
	if err != nil {
		return 0, false, invalid("query.after", "query.after: %q is not the ID of an event", httpapi.Clip(query.Get("after"), 40))
	}
	return id, true, nil
}

// follow sends events until the client leaves or the till stops.
func (s *server) follow(w http.ResponseWriter, r *http.Request) {
	last, known, p := s.place(r)
	if p != nil {
		p.write(w)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	out := stream{w: w, control: http.NewResponseController(w)}
	out.buf.WriteString("retry: 500\n: connected\n\n")
	events := s.till.Events()
	for {
		var list []node.Event
		open := true
		if known {
			if err := out.flush(); err != nil {
				return // the client left, or reads too slowly and will resume
			}
			list, known, open = s.next(r.Context(), last)
		}
		switch {
		case !known:
			// First the place, then the event: what changes in between is read again and comes as an event too.
			last, known = events.Last(), true
			out.add(event{ID: strconv.FormatUint(last, 10), At: instant(time.Now()), What: eventReset})
		case !open:
			return
		case len(list) == 0:
			out.buf.WriteString(":\n\n")
		}
		for _, e := range list {
			out.add(showEvent(e))
			last = e.ID
		}
	}
}

// next waits for events, but not longer than a heartbeat: then the list is empty. open is false at the end of the stream.
func (s *server) next(ctx context.Context, last uint64) (list []node.Event, known, open bool) {
	waiting, cancel := context.WithTimeout(ctx, heartbeat)
	defer cancel()
	list, known, open = s.till.Events().After(waiting, last)
	if !open && ctx.Err() == nil && errors.Is(waiting.Err(), context.DeadlineExceeded) {
		return nil, true, true
	}
	return list, known, open
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	buf     bytes.Buffer
}

func (s *stream) add(e event) {
	data, err := json.Marshal(e)
	if err != nil { // a struct of texts
		return
	}
	fmt.Fprintf(&s.buf, "id: %s\nevent: %s\ndata: %s\n\n", e.ID, e.What, data)
}

// flush sends what was added, within a bounded time.
func (s *stream) flush() error {
	if err := s.control.SetWriteDeadline(time.Now().Add(eventTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := s.w.Write(s.buf.Bytes()); err != nil {
		return err
	}
	s.buf.Reset()
	if s.buf.Cap() > 1<<20 {
		s.buf = bytes.Buffer{}
	}
	return s.control.Flush()
}
