package api

import (
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/node"
)

// haltState is why a till does not sell.
type haltState struct {
	Code  string `json:"code" doc:"disk-full, disk-read-only, disk-failing or doubt" example:"disk-full"`
	Text  string `json:"text" doc:"What happened, in plain words"`
	Hint  string `json:"hint" doc:"What to do, may be empty"`
	Since string `json:"since" doc:"RFC 3339"`
}

// Halted returns the handler of a till that halted. It knows two paths: status and healthz, which say why; everything
// else is refused with the kind of the halt as the code.
func Halted(o Options, h *node.Halt) http.Handler {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &halted{noShop: noShop{guard: newGuard(h.Token, o.Hosts), version: o.Version, log: log, since: time.Now()}, halt: h}
}

type halted struct {
	noShop
	halt *node.Halt
}

// haltedStatus is the status as far as there is one.
type haltedStatus struct {
	Program string        `json:"program"`
	Version string        `json:"version"`
	Shop    *shopName     `json:"shop"`
	Till    *tillIdentity `json:"till"`
	Since   string        `json:"since"`
	Halted  *haltState    `json:"halted"`
	Disk    *disk         `json:"disk,omitempty"`
}

// ServeHTTP answers one request.
func (s *halted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	well := get && r.URL.Path == "/healthz"
	if p := s.guard.check(r, well); p != nil {
		p.write(w)
		return
	}
	text, next := s.halt.Now()
	switch {
	case well:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		s.send(w, r, ill(s.halt.Kind, text))
	case get && r.URL.Path == "/api/v1/status":
		h := s.halt
		v := haltedStatus{
			Program: program, Version: s.version, Since: instant(s.since), Shop: &shopName{ID: h.Shop.String()},
			Till:   &tillIdentity{ID: h.Till.String(), Prefix: h.Prefix},
			Halted: &haltState{h.Kind, text, next, instant(h.At)},
		}
		if h.Disk != nil {
			report := showDisk(h.Disk())
			v.Disk = &report
		}
		s.send(w, r, v)
	default:
		haltProblem(s.halt).write(w)
	}
}

// haltProblem is the answer to whatever a halted till cannot do.
func haltProblem(h *node.Halt) *problem {
	text, next := h.Now()
	status := http.StatusServiceUnavailable
	if strings.HasPrefix(h.Kind, "disk-") {
		status = http.StatusInsufficientStorage
	}
	return newProblem(status, h.Kind, next, "%s", text)
}
