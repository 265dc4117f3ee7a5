package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// Diagnosis is what a till found wrong with itself and its network.
type Diagnosis struct {
	At Time `json:"at"`
	// ProbedAt is when it was last tried who reaches whom; zero if not since the start.
	ProbedAt Time `json:"probed_at"`
	// Wrong is how many findings somebody should do something about.
	Wrong int `json:"wrong"`
	// Findings are the causes, the worst first; one with the code "all-well" if nothing is wrong.
	Findings []Finding `json:"findings"`
	// Past is what was wrong before, the oldest first.
	Past []PastFinding `json:"past"`
}

// Finding is one cause. Severity is "info", "warn" or "error".
type Finding struct {
	Code     string   `json:"code"`
	Severity string   `json:"severity"`
	Since    Time     `json:"since"`
	Title    string   `json:"title"`
	Do       string   `json:"do"`
	Tills    []string `json:"tills"`
	Details  []string `json:"details"`
}

// PastFinding is a cause that is gone.
type PastFinding struct {
	Finding
	Until Time `json:"until"`
}

// Diagnosis asks what the till found by what it knows. The language is en, de or ru; empty means en.
func (c *Client) Diagnosis(ctx context.Context, language string) (d Diagnosis, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/doctor", languageQuery(language), nil, &d)
	return d, err
}

// Examine lets the till try who reaches whom, which takes up to ten seconds, and returns what it found.
func (c *Client) Examine(ctx context.Context, language string) (d Diagnosis, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/doctor", languageQuery(language), nil, &d)
	return d, err
}

func languageQuery(language string) url.Values {
	if language == "" {
		return nil
	}
	return url.Values{"lang": {language}}
}

// Bundle writes the file for support, a ZIP archive, to w.
func (c *Client) Bundle(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	resp, err := c.send(ctx, http.MethodGet, "/api/v1/doctor/bundle", nil, nil)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return &Unreachable{Address: strings.TrimPrefix(c.root, "http://"), Err: err}
	case len(b) > maxAnswer:
		return fmt.Errorf("the file for support has more than %d bytes", maxAnswer)
	case resp.StatusCode != http.StatusOK:
		return problemOf(resp, b)
	}
	if _, err := w.Write(b); err != nil {
		return fmt.Errorf("write the file for support: %w", err)
	}
	return nil
}
