package api

import (
	"context"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/replication"
)

// auditTime is how long a request waits for the audit it asked for.
const auditTime = 25 * time.Second

// audits is what audits came to.
type audits struct {
	Ended   bool          `json:"ended" doc:"The audit that was asked for has ended; if not, it goes on"`
	Items   []auditResult `json:"items" nullable:"false" doc:"The last one of every scope, alone and with each till"`
	Damaged []string      `json:"damaged" nullable:"false" doc:"Scopes of which something was missing and no other till has confirmed since that nothing is"`
}

// auditResult is the last audit of a scope with one till.
type auditResult struct {
	Scope    string `json:"scope"`
	Till     string `json:"till" doc:"Empty: the rows of this till against the sum kept with them"`
	Name     string `json:"name" doc:"Of that till"`
	At       string `json:"at" doc:"When it ended, RFC 3339"`
	Outcome  string `json:"outcome" doc:"equal, repaired, forked, differs, apart, no answer or failed"`
	Differed int    `json:"differed" doc:"Changes that were not the same on both sides"`
	Repaired int    `json:"repaired" doc:"Changes of which something was put back here"`
	Sent     int    `json:"sent" doc:"Changes sent to the other till, which may have lacked them"`
	Cause    string `json:"cause" doc:"One sentence, empty if nothing differed"`
	TookMS   int64  `json:"took_ms"`
	Bytes    int    `json:"bytes" doc:"Sent and received"`
}

func (s *server) addAudits() {
	add(s, operation(http.MethodGet, "/api/v1/audit", "Till", "get-audit", "Whether the data is whole and the same on all tills",
		`Every till compares its data with itself and with each other till about once an hour. What differs is put right by sending it again.`),
		func(context.Context, *struct{}) (audits, error) { return s.showAudits(s.till.Audits(), true), nil })
	add(s, operation(http.MethodPost, "/api/v1/audit", "Till", "run-audit", "Compare everything now",
		`Reads all data again and compares it with every till that is linked. Answers when it has ended, or after 25 seconds; it then goes on.`),
		func(ctx context.Context, _ *struct{}) (audits, error) {
			ctx, cancel := context.WithTimeout(ctx, auditTime)
			defer cancel()
			list, ended, err := s.till.Audit(ctx)
			if err != nil {
				return audits{}, err
			}
			return s.showAudits(list, ended), nil
		})
}

func (s *server) showAudits(list []replication.AuditResult, ended bool) audits {
	out := audits{Ended: ended, Items: []auditResult{}, Damaged: []string{}}
	for _, r := range list {
		a := auditResult{Scope: r.Scope.String(), At: instant(r.At), Outcome: r.Outcome.String(), Differed: r.Differed, Repaired: r.Repaired,
			Sent: r.Sent, Cause: r.Cause, TookMS: r.Took.Milliseconds(), Bytes: r.Bytes}
		if !r.Till.IsZero() {
			a.Till, a.Name = r.Till.String(), s.till.TillName(r.Till)
		}
		out.Items = append(out.Items, a)
	}
	for _, scope := range s.till.Damaged() {
		out.Damaged = append(out.Damaged, scope.String())
	}
	return out
}
