package api

import (
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
)

const (
	maxRequests = 256 // at once
	maxStreams  = 32  // streams of events at once
)

// guard says who may ask at all.
type guard struct {
	token [sha256.Size]byte // of the token
	hosts []string          // lower case
}

func newGuard(token string, hosts []string) guard {
	g := guard{token: sha256.Sum256([]byte(token))}
	for _, h := range hosts {
		g.hosts = append(g.hosts, strings.ToLower(strings.TrimSuffix(h, ".")))
	}
	return g
}

// check returns why a request is refused, nil if it is not.
func (g guard) check(r *http.Request, public bool) *problem {
	if !g.hostKnown(r.Host) {
		return newProblem(http.StatusForbidden, httpapi.CodeForeign, "use an IP address or localhost, or start the till with --host NAME",
			"this till does not answer under the name %q", httpapi.Clip(r.Host, 100))
	}
	if origins := r.Header["Origin"]; len(origins) > 0 && (len(origins) > 1 || !sameHost(origins[0], r.Host)) {
		return newProblem(http.StatusForbidden, httpapi.CodeForeign, "", "a page of another origin may not use this till")
	}
	if !public && !g.tokenRight(r.Header.Get("Authorization")) {
		return newProblem(http.StatusUnauthorized, codeUnauthorized,
			`send "Authorization: Bearer TOKEN" with the content of the file "token" in the till's data directory`,
			"the token is missing or wrong")
	}
	return nil
}

// hostKnown keeps pages away whose own name was made to point here (DNS rebinding): such a page can send requests that
// look local, but only under its own name.
func (g guard) hostKnown(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if name == "localhost" || name != "" && slices.Contains(g.hosts, name) {
		return true
	}
	if inner, ok := strings.CutPrefix(name, "["); ok {
		name = strings.TrimSuffix(inner, "]")
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

func sameHost(origin, host string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && strings.EqualFold(u.Host, host)
}

func (g guard) tokenRight(header string) bool {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return false
	}
	// Hashes have one length, so the time says nothing about the token.
	given := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return subtle.ConstantTimeCompare(given[:], g.token[:]) == 1
}

// setHeaders sets what every answer carries.
func setHeaders(h http.Header) {
	h["X-Content-Type-Options"] = nosniff
	h["Content-Security-Policy"] = nothing
	h["Referrer-Policy"] = noReferrer
	h["Cache-Control"] = noStore
}

var (
	nosniff    = []string{"nosniff"}
	nothing    = []string{"default-src 'none'; frame-ancestors 'none'"}
	noReferrer = []string{"no-referrer"}
	noStore    = []string{"no-store"}
)
