package serverclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultURL is where a cloud listens on its own machine unless told otherwise.
	DefaultURL = "http://127.0.0.1:8490"
	// maxAnswer bounds an answer in bytes, but for downloads: the largest list has 1000 entries.
	maxAnswer = 64 << 20
	// callTimeout bounds one call, but for downloads.
	callTimeout = 45 * time.Second
)

// Config is what [New] needs.
type Config struct {
	// URL is the root of the cloud, such as https://cloud.example. Plain http is taken for this machine only.
	URL string
	// Token is of a session or an API key; optional.
	Token string
	// Transport carries the requests; optional, by default one of its own with the proxy of the environment.
	Transport http.RoundTripper
}

// Client calls one cloud.
type Client struct {
	root  string
	host  string
	token string
	http  *http.Client
}

// New checks the configuration; it does not call the cloud.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address of a cloud, write it as https://cloud.example", cfg.URL)
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if u.Scheme == "http" && !loopback(host) {
		return nil, fmt.Errorf("%q is not encrypted, so everybody on the way could read passwords: write it with https", cfg.URL)
	}
	if err := checkToken(cfg.Token); err != nil {
		return nil, err
	}
	if cfg.Transport == nil {
		cfg.Transport = &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
			TLSHandshakeTimeout:   10 * time.Second,
			ResponseHeaderTimeout: callTimeout,
			MaxIdleConnsPerHost:   8,
			IdleConnTimeout:       30 * time.Second,
			ForceAttemptHTTP2:     true,
		}
	}
	return &Client{
		root: u.Scheme + "://" + u.Host, host: host, token: strings.TrimSpace(cfg.Token),
		http: &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect},
	}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}

func checkToken(token string) error {
	if strings.ContainsFunc(strings.TrimSpace(token), func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("the token contains characters that no token has")
	}
	return nil
}

// noRedirect keeps tokens and passwords from being sent anywhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// With returns a client with another token. Both use the same connections; close one of them.
func (c *Client) With(token string) *Client {
	other := *c
	other.token = strings.TrimSpace(token)
	return &other
}

// URL returns the root of the cloud, without a slash at its end.
func (c *Client) URL() string { return c.root }

// Host returns the name under which the cloud is called, as it belongs into a claim.
func (c *Client) Host() string { return c.host }

// Close drops idle connections. Calls under way go on.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Option changes one call.
type Option func(http.Header)

// WithKey sends an idempotency key, 1 to 200 printable characters: the same call with the same key acts once.
func WithKey(key string) Option {
	return func(h http.Header) { h.Set("Idempotency-Key", key) }
}

// call sends in as JSON (nil sends no body) and decodes the answer into out (nil ignores it).
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any, options ...Option) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return fmt.Errorf("write the request %s %s: %w", method, path, err)
		}
		body = bytes.NewReader(b)
	}
	resp, err := c.send(ctx, method, path, query, body, options...)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return &Unreachable{Address: c.address(), Err: err}
	case len(b) > maxAnswer:
		return fmt.Errorf("%s %s: the answer has more than %d bytes", method, path, maxAnswer)
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return problemOf(resp, b)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what this program knows: %w", method, path, err)
	}
	return nil
}

// address is how people are told where the cloud is.
func (c *Client) address() string {
	_, address, _ := strings.Cut(c.root, "://")
	return address
}

// send makes one request and returns what came back, whatever its status.
func (c *Client) send(ctx context.Context, method, path string, query url.Values, body io.Reader, options ...Option) (*http.Response, error) {
	target := c.root + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, fmt.Errorf("make the request %s %s: %w", method, path, err)
	}
	req.Header.Set("Accept", "application/json, application/problem+json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	for _, o := range options {
		o(req.Header)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &Unreachable{Address: c.address(), Err: err}
	}
	return resp, nil
}

// problemOf reads a refusal.
func problemOf(resp *http.Response, body []byte) error {
	p := &Problem{}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(body, p) != nil {
		// Something else than a cloud is there, or a proxy in between says this.
		p = &Problem{Title: http.StatusText(resp.StatusCode), Code: CodeNoCloud,
			Detail: fmt.Sprintf("the answer is no answer of a cloud (status %d)", resp.StatusCode)}
	}
	p.Status = resp.StatusCode
	p.Wait = waitOf(resp.Header.Get("Retry-After"))
	return p
}
