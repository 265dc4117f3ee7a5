package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node/verify"
)

func (s *server) addVerify() {
	add(s, operation(http.MethodGet, "/api/v1/verify", "Till", "verify", "Check every receipt and closing that this till holds",
		`Of all tills: that each series is a chain without gaps, forks and changes, that every signature holds, that every amount
recomputes, and that every closing says what its receipts come to. It reads everything, so it may take minutes; hanging up ends it,
and verify/state says how far it is. One runs at a time.`), s.verify)
	add(s, operation(http.MethodGet, "/api/v1/verify/state", "Till", "get-verify-state", "How the verification is doing, or how the last one ended", ``),
		func(context.Context, *struct{}) (verifyState, error) {
			v := s.till.VerifyState()
			return verifyState{v.Running, instant(v.Began), instant(v.Ended), v.Progress.Documents, v.Progress.Series, v.Progress.Wrong, v.Problem}, nil
		})
	s.routes["GET /api/v1/verify"].slow = true
}

// verifyState is how a verification is doing.
type verifyState struct {
	Running   bool   `json:"running"`
	BeganAt   string `json:"began_at" doc:"RFC 3339; empty: none since this till started"`
	EndedAt   string `json:"ended_at" doc:"RFC 3339; empty while it runs"`
	Documents int64  `json:"documents" doc:"Read so far"`
	Series    string `json:"series" doc:"That is being read" example:"K2"`
	Wrong     int64  `json:"wrong" doc:"Things found so far that are wrong"`
	Problem   string `json:"problem" doc:"Why it did not come to its end"`
}

// verification is what a verification came to.
type verification struct {
	OK        bool             `json:"ok" doc:"Nothing is wrong"`
	Documents int64            `json:"documents" doc:"Receipts and other events of series that were read"`
	Closings  int64            `json:"closings" doc:"Closings that were read"`
	Wrong     int64            `json:"wrong" doc:"Things that are wrong, also those beyond the list"`
	Series    []verifiedSeries `json:"series" nullable:"false"`
	Findings  []verifyFinding  `json:"findings" nullable:"false" doc:"The first 1000"`
}

// verifiedSeries is what was found of one series.
type verifiedSeries struct {
	Series      string `json:"series" example:"K2"`
	Till        string `json:"till"`
	Name        string `json:"name"`
	First       int64  `json:"first" doc:"First number; 0 if it continues another series"`
	Last        int64  `json:"last" doc:"Last number"`
	LastHash    string `json:"last_hash" doc:"SHA-256 of that document, hexadecimal"`
	Documents   int64  `json:"documents"`
	Missing     int64  `json:"missing" doc:"Numbers that are not there"`
	Closings    int64  `json:"closings"`
	LastClosing int64  `json:"last_closing" doc:"Its Z number"`
	Unclosed    int64  `json:"unclosed" doc:"Documents after the last closing"`
	Unsigned    int64  `json:"unsigned" doc:"Documents without a signature of the signing device, which say so"`
	Wrong       int64  `json:"wrong"`
}

// verifyFinding is one thing that is wrong, or a note.
type verifyFinding struct {
	Code   string `json:"code" doc:"gap, fork, changed, order, start, end, foreign, malformed, key, signature, item, member, opening, document, device, closing-range, closing-sums; notes: duplicate, time, opening" example:"gap"`
	Note   bool   `json:"note,omitempty" doc:"Worth knowing, but nothing is wrong"`
	About  string `json:"about" enum:"receipt,opening,closing"`
	Series string `json:"series" example:"K2"`
	Number int64  `json:"number" doc:"Of the receipt or closing; 0 if it is not known"`
	Last   int64  `json:"last" doc:"gap: the last number missing"`
	Text   string `json:"text"`
}

func (s *server) verify(ctx context.Context, _ *struct{}) (verification, error) {
	r, err := s.till.Verify(ctx)
	if err != nil {
		return verification{}, err
	}
	return showVerification(r), nil
}

func showVerification(r verify.Report) verification {
	out := verification{OK: r.OK(), Documents: r.Documents, Closings: r.Closings, Wrong: r.Wrong, Series: []verifiedSeries{}, Findings: []verifyFinding{}}
	for _, x := range r.Series {
		out.Series = append(out.Series, verifiedSeries{x.Prefix, tillText(x.Till), x.Name, x.First, x.Last, x.LastHash.String(), x.Documents, x.Missing,
			x.Closings, x.LastClosing, x.Unclosed, x.Unsigned, x.Wrong})
	}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, verifyFinding{f.Code, f.Note, f.About, f.Series.Prefix, f.Number, f.Last, f.Text})
	}
	return out
}
