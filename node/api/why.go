package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addWhy() {
	add(s, operation(http.MethodGet, "/api/v1/why/{id}", "Sales", "why-receipt", "Where a receipt is on its way, and what stops it",
		`Step by step: issued by its till, saved here, on other tills, sent to the cloud, in the archive. For any number or ID, also one
that nobody knows: then it says whether the series is known, which till would have it, and when that was last heard of.`), s.why)
	add(s, operation(http.MethodGet, "/api/v1/explain/{id}", "Sales", "explain", "Everything that happened to something, in order",
		`To a tab, line, receipt, payment, void, discount, article, group, tax, closing or case: who did it at which till and when, values
that tills wrote apart, and the rule by which one of them is shown. What a closing swept is told from its document.`), s.explain)
}

type whyIn struct {
	ID string `path:"id" minLength:"1" maxLength:"60" doc:"ID, or number such as K2-000418" example:"K2-000418"`
}

// why is where a receipt is on its way.
type why struct {
	Asked  string    `json:"asked"`
	Number string    `json:"number" doc:"Of the receipt; empty if that is not known" example:"K2-000418"`
	ID     string    `json:"id" doc:"Empty if that is not known"`
	Till   string    `json:"till" doc:"That issued it, or would have; empty if that is not known"`
	First  string    `json:"first" doc:"Name of the first step that is not done and could be; empty: all is well" example:"tills"`
	Steps  []whyStep `json:"steps" nullable:"false"`
}

// whyStep is one step of a receipt.
type whyStep struct {
	Name  string    `json:"name" enum:"issued,here,tills,uplink,archive"`
	State string    `json:"state" enum:"done,waits,broken,none,unknown" doc:"waits: it will come by itself. broken: a person has to do something. none: there is no such step in this shop"`
	Text  string    `json:"text" doc:"What is"`
	Cause string    `json:"cause,omitempty" doc:"Why it is not done"`
	Do    string    `json:"do,omitempty" doc:"What to do about it"`
	Tills []whyTill `json:"tills,omitempty" nullable:"false" doc:"tills: each other active till"`
}

// whyTill is another till and the receipt.
type whyTill struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Has    bool   `json:"has" doc:"It is known to have it on disk"`
	Linked bool   `json:"linked"`
	Text   string `json:"text"`
}

func (s *server) why(ctx context.Context, in *whyIn) (why, error) {
	w, err := s.till.Why(ctx, in.ID)
	if err != nil {
		return why{}, err
	}
	out := why{Asked: w.Asked, Number: w.Number, ID: objectText(w.ID), Till: tillText(w.Till), First: w.First, Steps: []whyStep{}}
	for _, x := range w.Steps {
		step := whyStep{Name: x.Name, State: x.State, Text: x.Text, Cause: x.Cause, Do: x.Do}
		for _, t := range x.Tills {
			step.Tills = append(step.Tills, whyTill{tillText(t.Till), t.Name, t.Has, t.Linked, t.Text})
		}
		out.Steps = append(out.Steps, step)
	}
	return out, nil
}

// explanation is everything that happened to something.
type explanation struct {
	ID     string        `json:"id"`
	Kind   string        `json:"kind" doc:"tab, line, receipt, payment, void, discount, order, release, refund, resolution, closing, takeover, article, group, tax or case"`
	Title  string        `json:"title" example:"Tisch 4"`
	State  string        `json:"state" doc:"What is so now"`
	Events []happened    `json:"events" nullable:"false" doc:"In the order of time"`
	More   int           `json:"more,omitempty" doc:"Events beyond the list"`
	Beside []besideShown `json:"beside" nullable:"false" doc:"Values that tills wrote without knowing of each other"`
	Notes  []string      `json:"notes" nullable:"false" doc:"Rules that were at work"`
}

// happened is one thing that happened.
type happened struct {
	At      string `json:"at" doc:"RFC 3339; empty if that is not known"`
	Trusted bool   `json:"trusted" doc:"The clock of that till was believed"`
	Till    string `json:"till" doc:"Empty if that is not known"`
	Name    string `json:"name" doc:"Of that till"`
	User    string `json:"user"`
	What    string `json:"what" example:"line"`
	Text    string `json:"text"`
	Object  string `json:"object" doc:"ID"`
	Source  string `json:"source" doc:"A change that is stored here, or the receipt whose document tells it" example:"receipt K2-000418"`
}

// besideShown are values of one register, the one that is shown first.
type besideShown struct {
	Register string        `json:"register" example:"price/2026-01-01"`
	Rule     string        `json:"rule" doc:"Why the first one is shown"`
	Values   []besideValue `json:"values" nullable:"false"`
}

// besideValue is one of them.
type besideValue struct {
	Text    string `json:"text"`
	Till    string `json:"till"`
	Name    string `json:"name"`
	At      string `json:"at" doc:"RFC 3339"`
	Trusted bool   `json:"trusted"`
}

func (s *server) explain(ctx context.Context, in *whyIn) (explanation, error) {
	e, err := s.till.Explain(ctx, in.ID)
	if err != nil {
		return explanation{}, err
	}
	return s.showExplained(e), nil
}

func (s *server) showExplained(e node.Explained) explanation {
	out := explanation{ID: objectText(e.ID), Kind: e.Kind, Title: e.Title, State: e.State, More: e.More, Events: []happened{}, Beside: []besideShown{}, Notes: orEmpty(e.Notes)}
	for _, h := range e.Events {
		out.Events = append(out.Events, happened{instant(h.At), h.Trusted, tillText(h.Till), s.names.name(h.Till), h.User, h.What, h.Text, objectText(h.Object), h.Source})
	}
	for _, b := range e.Beside {
		shown := besideShown{Register: b.Register, Rule: b.Rule, Values: []besideValue{}}
		for _, v := range b.Values {
			shown.Values = append(shown.Values, besideValue{v.Text, tillText(v.Till), s.names.name(v.Till), instant(v.At), v.Trusted})
		}
		out.Beside = append(out.Beside, shown)
	}
	return out
}
