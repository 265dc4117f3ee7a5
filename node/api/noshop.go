package api

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

// NoShop returns the handler of a till whose data directory belongs to no shop yet. It knows three paths: status, with
// shop null, the shops that were found, and how far the till is on its way into one; pairing/ask, by which a person says whom
// to ask; and healthz. Everything else is refused as no-shop. There is no token yet, so none is asked for. state is called
// for every status and ask for every pairing/ask; they must not block.
func NoShop(o Options, state func() node.WaitingState, ask func(crdt.ShopID, crdt.TillID) error) http.Handler {
	s := &noShop{guard: newGuard("", o.Hosts), version: o.Version, state: state, ask: ask, log: o.Log, since: time.Now()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	return s
}

type noShop struct {
	guard   guard
	version string
	state   func() node.WaitingState
	ask     func(crdt.ShopID, crdt.TillID) error
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
	Asking  asking      `json:"asking"`
}

// asking is how far a till is on its way into a shop.
type asking struct {
	Phase   string `json:"phase"`             // searching, choose, asking, waiting or failed
	Till    string `json:"till"`              // the ID it will have
	Shop    string `json:"shop_id,omitempty"` // that is asked
	Digits  string `json:"digits,omitempty"`  // waiting: to be the same at the till of the shop
	Until   string `json:"until,omitempty"`   // waiting: when the request is forgotten
	Again   string `json:"again_at,omitempty"`
	Problem string `json:"problem,omitempty"`
	Hint    string `json:"hint"`
}

// askHints say what a person does next.
var askHints = map[string]string{
	node.PhaseSearching: `is a till of the shop running in the same network? Name its address with --peer, or found a shop with "till init"`,
	node.PhaseChoose:    "say which shop with --shop ID, or POST /api/v1/pairing/ask",
	node.PhaseAsking:    "wait a moment",
	node.PhaseWaiting:   `look at a till of the shop ("till admit"): if it shows the same digits, say yes there`,
	node.PhaseFailed:    `POST /api/v1/pairing/ask asks again; or join with a token ("till invite" there, "till join" here)`,
}

func showAsking(v node.WaitingState) asking {
	out := asking{Phase: v.Phase, Till: tillText(v.Till), Until: instant(v.Until), Again: instant(v.Again), Hint: askHints[v.Phase]}
	if !v.Shop.IsZero() {
		out.Shop = v.Shop.String()
	}
	if v.Phase == node.PhaseWaiting {
		out.Digits = v.Digits.String()
	}
	if v.Err != nil {
		out.Problem = v.Err.Error()
	}
	return out
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
		s.send(w, r, noShopStatus{Program: program, Version: s.version, Since: instant(s.since), Found: s.shops(), Asking: showAsking(s.state())})
	case r.Method == http.MethodPost && r.URL.Path == "/api/v1/pairing/ask":
		if p := s.asked(r); p != nil {
			p.write(w)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	default:
		newProblem(http.StatusConflict, codeNoShop, `found a shop with "till init", or join one with "till join"`,
			"this till belongs to no shop yet").write(w)
	}
}

// askIn says whom to ask.
type askIn struct {
	Shop     string `json:"shop_id"`  // empty: the only one that was found
	Replaces string `json:"replaces"` // ID of the till whose place this one takes
}

// asked tells the till to ask for admission. Pages of another origin were refused before.
func (s *noShop) asked(r *http.Request) *problem {
	const maxAsk = 4 << 10
	b, err := io.ReadAll(io.LimitReader(r.Body, maxAsk+1))
	var in askIn
	if err == nil && len(b) > maxAsk {
		return newProblem(http.StatusRequestEntityTooLarge, httpapi.CodeTooLarge, "", "the request has more than %d bytes", maxAsk)
	}
	if err == nil {
		err = json.Unmarshal(b, &in)
	}
	if err != nil {
		return newProblem(http.StatusBadRequest, httpapi.CodeMalformed, `send {"shop_id": "..."}, or {} if there is only one`, "the body is no JSON that can be read")
	}
	var shop crdt.ShopID
	var replaces crdt.TillID
	if in.Shop != "" {
		if shop, err = crdt.ParseShopID(in.Shop); err != nil {
			return invalid("body.shop_id", "body.shop_id: %v", err)
		}
	}
	if in.Replaces != "" {
		if replaces, err = crdt.ParseTillID(in.Replaces); err != nil {
			return invalid("body.replaces", "body.replaces: %v", err)
		}
	}
	if err := s.ask(shop, replaces); errors.Is(err, node.ErrAsking) {
		return newProblem(http.StatusConflict, codeAsking, "compare the digits, and decide at the till of the shop", "%s", err.Error())
	} else if err != nil {
		return newProblem(http.StatusInternalServerError, httpapi.CodeInternal, "", "%s", err.Error())
	}
	return nil
}

func (s *noShop) shops() []foundShop {
	out := []foundShop{}
	for _, shop := range s.state().Found {
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
