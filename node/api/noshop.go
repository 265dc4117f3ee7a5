package api

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/discovery"
)

// NoShop returns the handler of a till whose data directory belongs to no shop yet. It knows two paths: status, with
// shop null and the shops that found lists, and healthz; everything else is refused as no-shop. There is no token yet, so
// none is asked for. found is called for every status; it must not block.
func NoShop(o Options, found func() []discovery.Shop) http.Handler {
	s := &noShop{guard: newGuard("", o.Hosts), version: o.Version, found: found, log: o.Log, since: time.Now()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

type noShop struct {
	guard   guard
	version string
	found   func() []discovery.Shop
	log     *slog.Logger
	since   time.Time
}

// noShopStatus is the status as far as there is one.
type noShopStatus struct {
	Program string      `json:"program"`
	Version string      `json:"version"`
	Shop    *shopName   `json:"shop"` // null
	Since   string      `json:"since"`
	Found   []foundShop `json:"found"`
}

// ServeHTTP answers one request.
func (s *noShop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w.Header())
	if p := s.guard.check(r, true); p != nil {
		p.write(w)
		return
	}
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch {
	case get && r.URL.Path == "/healthz":
		s.send(w, r, health{OK: true})
	case get && r.URL.Path == "/api/v1/status":
		s.send(w, r, noShopStatus{Program: program, Version: s.version, Since: instant(s.since), Found: s.shops()})
	default:
		newProblem(http.StatusConflict, codeNoShop, `found a shop with "till init", or join one with "till join"`,
			"this till belongs to no shop yet").write(w)
	}
}

func (s *noShop) shops() []foundShop {
	out := []foundShop{}
	for _, shop := range s.found() {
		f := foundShop{ShopID: shop.ID.String(), Tills: []foundTill{}}
		for _, c := range shop.Tills {
			t := foundTill{Till: tillText(c.Till), Addresses: []string{}}
			for _, a := range c.Addrs {
				t.Addresses = append(t.Addresses, a.String())
			}
			f.Tills = append(f.Tills, t)
		}
		out = append(out, f)
	}
	return out
}

func (s *noShop) send(w http.ResponseWriter, r *http.Request, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.log.DebugContext(r.Context(), "an answer was not sent", "error", err)
	}
}
