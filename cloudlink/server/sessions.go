package server

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
)

func (s *Server) addSessions() {
	in := created(operation(http.MethodPost, "/api/v1/sessions", "Accounts", "sign-in", "Sign in",
		`Answers with a token that counts for 30 days and is shown only here. A wrong name and a wrong password have one answer. After
some failures a name or an address has to wait (429 with Retry-After). An Idempotency-Key is not kept: a second request opens a
second session.`))
	add(s, in, nothing, s.signIn)
	s.mark(in, func(r *route) { r.public, r.secret = true, true })
	add(s, operation(http.MethodGet, "/api/v1/sessions", "Accounts", "list-sessions", "List the sessions of the account", `The newest first.`),
		manage, s.listSessions)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/session", "Accounts", "sign-out", "Sign out", `Ends the session that asks.`), nothing, s.signOut)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/sessions/{id}", "Accounts", "end-session", "End a session of the account", ``), manage, s.endSession)
}

// oneIn names something of the account in the path.
type oneIn struct {
	ID string `path:"id" minLength:"26" maxLength:"26" doc:"26 characters, letters a-z and digits 2-7" example:"aaaqeayeaudaocajbifqydiob4"`
}

type signInIn struct {
	Body struct {
		Name     string `json:"name" maxLength:"254" doc:"Of the account" example:"anna@sonnenschein.example"`
		Password string `json:"password" maxLength:"4096"`
		Label    string `json:"label" maxLength:"100" doc:"What the list of sessions calls it" example:"Kasse 2"`
	}
}

// session is one sign-in.
type session struct {
	ID      string `json:"id" doc:"26 characters"`
	Label   string `json:"label" example:"Kasse 2"`
	Created string `json:"created" doc:"RFC 3339"`
	Seen    string `json:"seen" doc:"RFC 3339, to the minute"`
	Expires string `json:"expires" doc:"RFC 3339"`
	This    bool   `json:"this" doc:"It is the one that asks"`
}

// opened is a new session.
type opened struct {
	Session session `json:"session"`
	Token   string  `json:"token" doc:"For the header Authorization: Bearer TOKEN; shown only here"`
	Account account `json:"account"`
}

func showSession(v accounts.Session) session {
	return session{ID: v.ID.String(), Label: v.Label, Created: instant(v.Created), Seen: instant(v.Seen), Expires: instant(v.Expires)}
}

func (s *Server) signIn(ctx context.Context, in *signInIn) (opened, error) {
	o, err := s.o.Accounts.SignIn(ctx, accounts.Credentials{Name: in.Body.Name, Password: in.Body.Password, Label: in.Body.Label, From: askingOf(ctx).from})
	if err != nil {
		return opened{}, err
	}
	out := opened{showSession(o.Session), o.Token, showAccount(o.Account)}
	out.Session.This = true
	return out, nil
}

func (s *Server) listSessions(ctx context.Context, _ *struct{}) (page[session], error) {
	c := callerOf(ctx)
	list, err := s.o.Accounts.Sessions(ctx, c)
	return whole(list, func(v accounts.Session) session {
		shown := showSession(v)
		shown.This = v.ID == c.Session
		return shown
	}), err
}

func (s *Server) signOut(ctx context.Context, _ *struct{}) error {
	return s.o.Accounts.SignOut(ctx, callerOf(ctx))
}

func (s *Server) endSession(ctx context.Context, in *oneIn) error {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return err
	}
	return s.o.Accounts.EndSession(ctx, callerOf(ctx), id)
}
