package client

import (
	"context"
	"net/http"
	"net/url"
)

// Alarm is something about a till that a person should know.
type Alarm struct {
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Next   string `json:"next"`
	Detail string `json:"detail"`
	At     Time   `json:"at"`
	// SeenAt is zero while nobody said that it was seen.
	SeenAt Time   `json:"seen_at"`
	SeenBy string `json:"seen_by"`
	// Prefix is that of a new number series, LastNumber the last known number of the one before.
	Prefix     string        `json:"prefix,omitempty"`
	LastNumber string        `json:"last_number,omitempty"`
	Reasons    []AlarmReason `json:"reasons"`
	// Rebuilt is set if the data was lost or damaged and made anew.
	Rebuilt *Rebuilt `json:"rebuilt,omitempty"`
}

// AlarmReason is one reason for a new number series.
type AlarmReason struct {
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Detail string `json:"detail"`
}

// Rebuilt says what became of data that was lost or damaged. Moved names the damaged store in the data directory.
type Rebuilt struct {
	Found   string   `json:"found"`
	Moved   string   `json:"moved"`
	Saved   int      `json:"saved"`
	Damage  []string `json:"damage"`
	Fetched int      `json:"fetched"`
	Whole   bool     `json:"whole"`
}

// Alarms lists the alarms of the till, the latest first.
func (c *Client) Alarms(ctx context.Context) ([]Alarm, error) {
	var out struct {
		Items []Alarm `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, "/api/v1/alarms", nil, nil, &out)
	return out.Items, err
}

// SeeAlarm says that an alarm was seen, and by whom.
func (c *Client) SeeAlarm(ctx context.Context, id, by string) (a Alarm, err error) {
	in := struct {
		By string `json:"by,omitempty"`
	}{by}
	err = c.call(ctx, http.MethodPost, "/api/v1/alarms/"+url.PathEscape(id)+"/seen", nil, in, &a)
	return a, err
}

// AcceptAlarm accepts, as an owner, that the archive was restored, as an alarm says.
func (c *Client) AcceptAlarm(ctx context.Context, id, by string) (a Alarm, err error) {
	in := struct {
		By string `json:"by"`
	}{by}
	err = c.call(ctx, http.MethodPost, "/api/v1/alarms/"+url.PathEscape(id)+"/accept", nil, in, &a)
	return a, err
}

// Audits is what audits of a till came to.
type Audits struct {
	// Ended says that the audit that was asked for has ended; if not, it goes on.
	Ended bool    `json:"ended"`
	Items []Audit `json:"items"`
	// Damaged are scopes of which something was missing and no other till has confirmed since that nothing is.
	Damaged []string `json:"damaged"`
}

// Audit is the last audit of a scope with one till; Till is empty for the rows of the till alone.
type Audit struct {
	Scope    string `json:"scope"`
	Till     string `json:"till"`
	Name     string `json:"name"`
	At       Time   `json:"at"`
	Outcome  string `json:"outcome"`
	Differed int    `json:"differed"`
	Repaired int    `json:"repaired"`
	Sent     int    `json:"sent"`
	Cause    string `json:"cause"`
	TookMS   int64  `json:"took_ms"`
	Bytes    int    `json:"bytes"`
}

// Audits returns the last audits.
func (c *Client) Audits(ctx context.Context) (a Audits, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/audit", nil, nil, &a)
	return a, err
}

// RunAudit has everything compared now.
func (c *Client) RunAudit(ctx context.Context) (a Audits, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/audit", nil, nil, &a)
	return a, err
}
