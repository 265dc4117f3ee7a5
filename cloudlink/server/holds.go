package server

import (
	"context"
	"net/http"
)

func (s *Server) addHolds() {
	add(s, operation(http.MethodGet, "/api/v1/archive/holds", "Archive", "list-holds", "List legal holds", `Ended ones too.`), archive, s.listHolds)
	add(s, created(operation(http.MethodPost, "/api/v1/archive/holds", "Archive", "set-hold", "Begin a legal hold",
		`What it covers is kept beyond the end of its retention, until the hold is released.`)), archive, s.setHold)
	add(s, operation(http.MethodPost, "/api/v1/archive/holds/{id}/release", "Archive", "release-hold", "Release a legal hold", ``), archive, s.releaseHold)
}

// hold is a legal hold.
type hold struct {
	ID         string `json:"id" doc:"26 characters"`
	Shop       string `json:"shop" doc:"Empty: all shops of the account"`
	From       string `json:"from" doc:"First business day; empty: from the beginning"`
	To         string `json:"to" doc:"Last business day; empty: to the end"`
	Reason     string `json:"reason" example:"Betriebsprüfung 2031"`
	Since      string `json:"since" doc:"RFC 3339"`
	By         string `json:"by" doc:"Session or key"`
	Released   string `json:"released,omitempty" doc:"RFC 3339; left out while it holds"`
	ReleasedBy string `json:"released_by,omitempty"`
	Why        string `json:"why,omitempty" doc:"It was released"`
}

func showHold(h Hold) hold {
	return hold{h.ID.String(), shopText(h.Range.Shop), h.Range.From, h.Range.To, h.Reason, instant(h.Since), h.By, instant(h.Released), h.ReleasedBy, h.Why}
}

func (s *Server) listHolds(ctx context.Context, _ *struct{}) (page[hold], error) {
	list, err := s.o.Holds.Holds(ctx, callerOf(ctx).Account)
	return whole(list, showHold), err
}

type setHoldIn struct {
	Body struct {
		Shop   string `json:"shop,omitempty" maxLength:"26" doc:"ID of one shop; left out: all shops of the account"`
		From   string `json:"from,omitempty" format:"date" doc:"First business day, YYYY-MM-DD; left out: from the beginning"`
		To     string `json:"to,omitempty" format:"date" doc:"Last business day, YYYY-MM-DD; left out: to the end"`
		Reason string `json:"reason" minLength:"1" maxLength:"500" doc:"For the record" example:"Betriebsprüfung 2031"`
	}
}

func (s *Server) setHold(ctx context.Context, in *setHoldIn) (hold, error) {
	want, err := s.rangeOf(ctx, rangeIn{in.Body.Shop, in.Body.From, in.Body.To})
	if err != nil {
		return hold{}, err
	}
	c := callerOf(ctx)
	h, err := s.o.Holds.SetHold(ctx, c.Account, want, in.Body.Reason, c.By())
	return showHold(h), err
}

type releaseHoldIn struct {
	ID   string `path:"id" minLength:"26" maxLength:"26" doc:"26 characters, letters a-z and digits 2-7"`
	Body struct {
		Why string `json:"why" minLength:"1" maxLength:"500" doc:"For the record" example:"Prüfung beendet"`
	}
}

func (s *Server) releaseHold(ctx context.Context, in *releaseHoldIn) (hold, error) {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return hold{}, err
	}
	c := callerOf(ctx)
	h, err := s.o.Holds.ReleaseHold(ctx, c.Account, id, c.By(), in.Body.Why)
	return showHold(h), err
}
