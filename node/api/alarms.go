package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
)

// alarm is something about the till that a person should know.
type alarm struct {
	ID      string        `json:"id"`
	Kind    string        `json:"kind" doc:"Stable; decide by it" example:"record-ahead"`
	Text    string        `json:"text" doc:"What it means"`
	Next    string        `json:"next" doc:"What to do, empty if nothing"`
	Detail  string        `json:"detail" doc:"What exactly was found, for support; it may name paths"`
	At      string        `json:"at" doc:"RFC 3339"`
	Seen    string        `json:"seen_at" doc:"When somebody said that it was seen, RFC 3339; empty: nobody yet"`
	SeenBy  string        `json:"seen_by"`
	Prefix  string        `json:"prefix,omitempty" doc:"Of a new number series" example:"K2b"`
	Before  string        `json:"last_number,omitempty" doc:"The last known number of the series before" example:"K2-000812"`
	Reasons []alarmReason `json:"reasons" nullable:"false" doc:"All reasons for a new number series"`
	Rebuilt *rebuilt      `json:"rebuilt,omitempty" doc:"The data was lost or damaged and made anew"`
}

// alarmReason is one reason for a new number series.
type alarmReason struct {
	Kind   string `json:"kind"`
	Text   string `json:"text"`
	Detail string `json:"detail"`
}

// rebuilt says what became of data that was lost or damaged.
type rebuilt struct {
	Found   string   `json:"found" doc:"What was wrong with it"`
	Moved   string   `json:"moved" doc:"Name in the data directory of the damaged store, which is kept; empty if there was none"`
	Saved   int      `json:"saved" doc:"Changes that could be read from it"`
	Damage  []string `json:"damage" nullable:"false" doc:"What could not be read"`
	Fetched int      `json:"fetched" doc:"Changes that came from the other tills since"`
	Whole   bool     `json:"whole" doc:"It held the same as another till since"`
}

// alarmList is a list of alarms.
type alarmList struct {
	Items []alarm `json:"items" nullable:"false" doc:"The latest first"`
}

type seenInput struct {
	ID   string `path:"id" minLength:"1" maxLength:"60" doc:"Of the alarm"`
	Body struct {
		By string `json:"by,omitempty" maxLength:"100" doc:"Who saw it"`
	}
}

func (s *server) addAlarms() {
	add(s, operation(http.MethodGet, "/api/v1/alarms", "Till", "list-alarms", "What a person should know about this till",
		`A till that is in doubt about its data, such as after a restore, goes on by itself in a new number series and says so here. So does
one whose data was damaged and made anew, or repaired. Alarms stay in the list when they were seen.`),
		func(context.Context, *struct{}) (alarmList, error) {
			out := alarmList{Items: []alarm{}}
			for _, a := range s.till.Alarms() {
				out.Items = append(out.Items, showAlarm(a))
			}
			return out, nil
		})
	add(s, operation(http.MethodPost, "/api/v1/alarms/{id}/seen", "Till", "see-alarm", "Say that an alarm was seen", ``),
		func(ctx context.Context, in *seenInput) (alarm, error) {
			a, err := s.till.SeenAlarm(ctx, in.ID, in.Body.By)
			return showAlarm(a), err
		})
	add(s, operation(http.MethodPost, "/api/v1/alarms/{id}/accept", "Till", "accept-alarm", "Accept that the archive was restored",
		`For an owner, about an alarm of the kind archive-changed that says with the cloud's signature that it was restored from a backup. From then on this till
remembers the archive as it is now. What it remembered before, the statement and who accepted it are kept. Each till is asked by itself.`),
		func(ctx context.Context, in *acceptInput) (alarm, error) {
			a, err := s.till.AcceptAlarm(ctx, in.ID, in.Body.By)
			return showAlarm(a), err
		})
}

type acceptInput struct {
	ID   string `path:"id" minLength:"1" maxLength:"60" doc:"Of the alarm"`
	Body struct {
		By string `json:"by" minLength:"1" maxLength:"100" doc:"Owner who accepts it"`
	}
}

func showAlarm(a node.Alarm) alarm {
	out := alarm{ID: a.ID, Kind: a.Kind, Text: a.Text, Next: a.Next, Detail: a.Detail, At: instant(a.At), Seen: instant(a.Seen), SeenBy: a.SeenBy,
		Prefix: a.Prefix, Before: a.Before, Reasons: []alarmReason{}}
	for _, d := range a.Reasons {
		out.Reasons = append(out.Reasons, alarmReason{string(d.Kind), d.Text, d.Detail})
	}
	if r := a.Rebuilt; r != nil {
		out.Rebuilt = &rebuilt{r.Found, r.Moved, r.Saved, orEmpty(r.Damage), r.Fetched, r.Whole}
	}
	return out
}

// showUnseen returns the alarms that nobody saw yet.
func showUnseen(list []node.Alarm) []alarm {
	out := []alarm{}
	for _, a := range list {
		if a.Seen.IsZero() {
			out = append(out, showAlarm(a))
		}
	}
	return out
}
