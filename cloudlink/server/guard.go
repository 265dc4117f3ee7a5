package server

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

// asking is who makes a request.
type asking struct {
	caller accounts.Caller // zero if the route needs none
	known  bool            // caller is set
	from   netip.Addr      // address for counting attempts
	proof  string          // what only the caller has, for keeping answers: token, or empty
}

type askingKey struct{}

func askingOf(ctx context.Context) asking {
	a, _ := ctx.Value(askingKey{}).(asking)
	return a
}

// callerOf returns who asks; one without any rights on routes that need no token.
func callerOf(ctx context.Context) accounts.Caller { return askingOf(ctx).caller }

// admit says who asks, or why nobody may.
func (s *Server) admit(ctx context.Context, r *http.Request, rt *route) (context.Context, *problem) {
	if origins := r.Header["Origin"]; len(origins) > 0 && (len(origins) > 1 || !sameHost(origins[0], r.Host)) {
		return ctx, newProblem(http.StatusForbidden, httpapi.CodeForeign, "", "a page of another origin may not use this cloud")
	}
	a := asking{from: s.clientAddress(r)}
	token := bearer(r.Header)
	if !rt.public && (token != "" || !rt.either) {
		caller, err := s.o.Accounts.Authenticate(ctx, token)
		if err != nil {
			return ctx, s.problemOf(ctx, err)
		}
		a.caller, a.known, a.proof = caller, true, token
	}
	return context.WithValue(ctx, askingKey{}, a), nil
}

// bearer returns the token of a request, empty if there is none or more than one.
func bearer(h http.Header) string {
	if len(h["Authorization"]) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(h.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, host)
}

// clientAddress returns the address of who asks: the peer's, or behind proxies that are named the last one that they do
// not know. What a client writes into the header itself comes before those and does not count.
func (s *Server) clientAddress(r *http.Request) netip.Addr {
	addr := peer(r)
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for s.isProxy(addr) && len(hops) > 0 {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break
		}
		addr, hops = hop.Unmap(), hops[:len(hops)-1]
	}
	return addr
}

func peer(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.IPv6Unspecified() // all that have no address are counted as one
	}
	return addr.Unmap()
}

func (s *Server) isProxy(addr netip.Addr) bool {
	return slices.ContainsFunc(s.o.Proxies, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// setHeaders sets what every answer carries. No Access-Control header: pages of other origins read nothing.
func setHeaders(h http.Header) {
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Content-Security-Policy"] = []string{"default-src 'none'; frame-ancestors 'none'"}
	h["Referrer-Policy"] = []string{"no-referrer"}
	h["Cache-Control"] = []string{"no-store"}
	h["Strict-Transport-Security"] = []string{"max-age=31536000"} // browsers ignore it on plain HTTP
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"}
}
