package serverclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// ReportProgress is how far a report is.
type ReportProgress struct {
	Documents int64  `json:"documents"`
	Of        int64  `json:"of"`
	Series    string `json:"series"`
	Number    int64  `json:"number"`
	Wrong     int64  `json:"wrong"`
}

// reportLine is one line of a report that is being made.
type reportLine struct {
	Progress *ReportProgress `json:"progress"`
	Report   json.RawMessage `json:"report"`
	Problem  *Problem        `json:"problem"`
}

// reportSilence is how long a report that is being made may say nothing: it says something every second.
const reportSilence = callTimeout

// Completeness returns the report on completeness of a shop between two business days, which may be empty. It takes as long as it takes, minutes for a
// million documents; ctx ends the work at the cloud, too. progress is told about every second; it may be nil.
func (c *Client) Completeness(ctx context.Context, shop, from, to string, progress func(ReportProgress)) (json.RawMessage, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(reportSilence, func() { cancel(errors.New("the cloud said nothing for too long")) })
	defer silence.Stop()
	query := Filter{From: from, To: to}.query()
	query.Set("progress", "true")
	path := shopPath(shop, "/completeness")
	resp, err := c.send(ctx, http.MethodGet, path, query, nil)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		b, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, &Unreachable{Address: c.address(), Err: err}
		}
		return nil, problemOf(resp, b)
	}
	report, err := c.report(bufio.NewReader(io.LimitReader(resp.Body, 1<<30)), func(p ReportProgress) {
		silence.Reset(reportSilence)
		if progress != nil {
			progress(p)
		}
	})
	if why := context.Cause(ctx); err != nil && why != nil {
		err = errors.Join(why, err)
	}
	cancel(nil) // what is left is not wanted
	return report, errors.Join(err, resp.Body.Close())
}

// report reads lines up to the last.
func (c *Client) report(lines *bufio.Reader, progress func(ReportProgress)) (json.RawMessage, error) {
	in := json.NewDecoder(lines)
	for {
		var line reportLine
		if err := in.Decode(&line); err != nil {
			return nil, &Unreachable{Address: c.address(), Err: fmt.Errorf("the report broke off: %w", err)}
		}
		switch {
		case line.Problem != nil:
			return nil, line.Problem
		case line.Report != nil:
			return line.Report, nil
		case line.Progress != nil:
			progress(*line.Progress)
		}
	}
}
