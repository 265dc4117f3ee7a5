package replicas

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"

	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt"
)

var _ server.Seats = (*Replicas)(nil)

// passedOn marks a request that one server of this cloud passed on to another, which does not pass it on again: who is asked for a
// shop that it does not hold (any more) takes the seat or refuses.
const passedOn = "Tillmesh-Passed-On"

// Elsewhere is a method of server.Seats: it returns what passes requests on to the server that holds the seat of a shop; nil if
// that is this one or nobody.
func (r *Replicas) Elsewhere(ctx context.Context, shop crdt.ShopID) (http.Handler, error) {
	held, err := r.cfg.Seats.Holder(ctx, shop)
	if err != nil || held == nil || held.Mine || held.Address == "" {
		return nil, err
	}
	to, err := url.Parse(held.Address)
	if err != nil {
		return nil, err
	}
	return r.proxy(to), nil
}

func (r *Replicas) proxy(to *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(to)
			p.Out.Host = p.In.Host
			p.SetXForwarded()
			p.Out.Header.Set(passedOn, "1")
		},
		ErrorHandler: func(w http.ResponseWriter, q *http.Request, err error) {
			r.cfg.Log.Warn("a request could not be passed on to the server of its shop", "server", to.Host, "error", err)
			w.Header().Set("Retry-After", "2")
			http.Error(w, "the server that works on this shop does not answer; try again in some seconds", http.StatusBadGateway)
		},
	}
}

// Route passes uplinks on to the server that holds the seat of their shop, and the others to here. The shop in the request is only a
// hint: what counts is proved in the greeting.
func (r *Replicas) Route(here http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if shop, err := crdt.ParseShopID(q.Header.Get(socket.ShopHeader)); err == nil && q.Header.Get(passedOn) == "" {
			there, err := r.Elsewhere(q.Context(), shop)
			if err != nil {
				r.cfg.Log.Warn("which server works on a shop is not known", "shop", shop, "error", err)
			}
			if there != nil {
				there.ServeHTTP(w, q)
				return
			}
		}
		here.ServeHTTP(w, q)
	})
}
