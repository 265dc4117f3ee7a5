package client

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
	"net/url"
	"strings"
	"time"
)

const (
	// DefaultURL is where a till listens unless told otherwise.
	DefaultURL = "http://127.0.0.1:8480"
	// maxAnswer bounds an answer in bytes: the largest list has 1000 entries.
	maxAnswer = 64 << 20
	// callTimeout bounds one call; a batch of 1000 articles on a slow disk takes a few seconds.
	callTimeout = 30 * time.Second
)

// Config is what [New] needs.
type Config struct {
	// URL is the root of the till, such as [DefaultURL]. Plain http and https are understood.
	URL string
	// Token is the content of the token file of the till; white space around it does not matter.
	Token string
	// Transport carries the requests; optional, by default one of its own that never uses a proxy.
	Transport http.RoundTripper
}

// Client calls one till.
type Client struct {
	root  string
	token string
	http  *http.Client
}

// New checks the configuration; it does not call the till.
func New(cfg Config) (*Client, error) {
	u, err := url.Parse(cfg.URL)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, fmt.Errorf("%q is no address of a till, write it as %s", cfg.URL, DefaultURL)
	}
	token := strings.TrimSpace(cfg.Token)
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the token contains characters that no token has")
	}
	if cfg.Transport == nil {
		// A till is in the same room; a proxy from the environment would only learn its token.
		cfg.Transport = &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 8,
			IdleConnTimeout:     30 * time.Second,
		}
	}
	return &Client{
		root:  u.Scheme + "://" + u.Host,
		token: token,
		http:  &http.Client{Transport: cfg.Transport, CheckRedirect: noRedirect},
	}, nil
}

// noRedirect keeps the token from being sent anywhere else.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// URL returns the root of the till, without a slash at its end.
func (c *Client) URL() string { return c.root }

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
	return c.exchange(ctx, method, path, query, in, out, options...)
}

// exchange is call without a limit of time, for what may take long.
func (c *Client) exchange(ctx context.Context, method, path string, query url.Values, in, out any, options ...Option) error {
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
		return &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: err}
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
		return nil, &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: err}
	}
	return resp, nil
}

// problemOf reads a refusal.
func problemOf(resp *http.Response, body []byte) error {
	p := &Problem{}
	kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if err != nil || kind != "application/problem+json" || json.Unmarshal(body, p) != nil {
		// Something else than a till sits on that port, or something sits between.
		p = &Problem{Title: http.StatusText(resp.StatusCode), Code: "not-a-till",
			Detail: fmt.Sprintf("the answer is no answer of a till (status %d)", resp.StatusCode)}
	}
	p.Status = resp.StatusCode
	return p
}
