package nodetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/client"
)

const (
	callTime  = 30 * time.Second
	maxAnswer = 64 << 20 // bytes
)

// Answer is what a till answered to one request, whatever its status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Problem returns the answer as a refusal; all fields are empty if it is none.
func (a Answer) Problem() client.Problem {
	var p client.Problem
	if a.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(a.Body, &p) != nil {
		return client.Problem{}
	}
	return p
}

// OK returns an error that tells the refusal if the request was refused. The error is a [*client.Problem].
func (a Answer) OK() error {
	if a.Status >= 200 && a.Status <= 299 {
		return nil
	}
	p := a.Problem()
	if p.Code == "" {
		p.Detail = fmt.Sprintf("status %d: %.300s", a.Status, a.Body)
	}
	p.Status = a.Status
	return &p
}

// Send makes one request that the typed client does not know, or whose answer it would hide. A body that is no []byte
// is written as JSON, nil sends none. header holds names and values in turn. It may be called from any goroutine.
func (till *Till) Send(ctx context.Context, method, path string, body any, header ...string) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		content = bytes.NewReader(b)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
		}
		content = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, till.URL()+path, content)
	if err != nil {
		return Answer{}, fmt.Errorf("%s %s: %w", method, path, err)
	}
	req.Header.Set("Authorization", "Bearer "+till.token)
	if content != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	resp, err := till.http.RoundTrip(req)
	if err != nil {
		return Answer{}, &client.Unreachable{Address: till.Place.HTTP.String(), Err: err}
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return Answer{}, &client.Unreachable{Address: till.Place.HTTP.String(), Err: err}
	}
	return Answer{resp.StatusCode, resp.Header, b}, nil
}

// Call is Send for tests that expect an answer; the test ends if there is none.
func (till *Till) Call(method, path string, body any, header ...string) Answer {
	till.shop.t.Helper()
	a, err := till.Send(till.shop.t.Context(), method, path, body, header...)
	require.NoError(till.shop.t, err)
	return a
}

// Must is Call for requests that must not be refused; the answer is decoded into out unless that is nil.
func (till *Till) Must(method, path string, body, out any, header ...string) Answer {
	till.shop.t.Helper()
	a := till.Call(method, path, body, header...)
	require.NoError(till.shop.t, a.OK(), "%s: %s %s", till.Name, method, path)
	if out != nil {
		require.NoError(till.shop.t, json.Unmarshal(a.Body, out), "%s", a.Body)
	}
	return a
}
