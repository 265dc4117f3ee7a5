package server

import (
	"context"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/crdt"
)

func (s *Server) addAccounts() {
	create := created(operation(http.MethodPost, "/api/v1/accounts", "Accounts", "create-account", "Make an account",
		`The name has the form of a mail address and need not exist as one. An Idempotency-Key is not kept: the same name is refused
the second time.`))
	add(s, create, nothing, s.createAccount)
	check := operation(http.MethodPost, "/api/v1/password-check", "Accounts", "check-password", "Say which rules a password keeps",
		`For showing each rule while it is typed. Nothing is kept.`)
	add(s, check, nothing, s.checkPassword)
	for _, op := range []opDoc{create, check} {
		s.mark(op, func(r *route) { r.public, r.secret = true, true })
	}
	add(s, operation(http.MethodGet, "/api/v1/account", "Accounts", "get-account", "Get the account that asks", ``), nothing, s.getAccount)
	change := operation(http.MethodPut, "/api/v1/account/password", "Accounts", "change-password", "Change the password",
		`All other sessions end. Tills that are coupled and API keys go on.`)
	addQuiet(s, change, manage, s.changePassword)
	add(s, operation(http.MethodGet, "/api/v1/account/acts", "Accounts", "list-acts", "List what was done in the account",
		`Sign-ins, keys, codes, couplings and revocations, the newest first.`), manage, s.listActs)
}

// rule is one rule for passwords.
type rule struct {
	Code string `json:"code" doc:"length, upper, lower, digit, special, space or longest" example:"upper"`
	Text string `json:"text" doc:"For people" example:"an upper case letter"`
	Met  bool   `json:"met"`
}

func showRules(list []accounts.Rule) (out []rule) {
	for _, r := range list {
		out = append(out, rule{r.Code, r.Text, r.Met})
	}
	return out
}

type passwordIn struct {
	Body struct {
		Password string `json:"password" maxLength:"4096" doc:"As it is typed"`
		Name     string `json:"name,omitempty" maxLength:"254" doc:"Of the account, for the advice"`
	}
}

// passwordChecked says what there is to say about a password.
type passwordChecked struct {
	OK     bool     `json:"ok" doc:"All rules are met"`
	Rules  []rule   `json:"rules" nullable:"false" doc:"All of them, in the order in which to show them"`
	Advice []string `json:"advice" nullable:"false" doc:"What would make it better; none of it is demanded"`
}

func (s *Server) checkPassword(_ context.Context, in *passwordIn) (passwordChecked, error) {
	c := accounts.CheckPassword(in.Body.Password, in.Body.Name)
	return passwordChecked{c.OK(), showRules(c.Rules), orEmpty(c.Advice)}, nil
}

type createAccountIn struct {
	Body struct {
		Name     string `json:"name" maxLength:"254" doc:"In the form of a mail address; upper and lower case are the same" example:"anna@sonnenschein.example"`
		Password string `json:"password" maxLength:"4096" doc:"See POST /api/v1/password-check"`
	}
}

// account is an account.
type account struct {
	ID      string `json:"id" doc:"26 characters"`
	Name    string `json:"name" example:"anna@sonnenschein.example"`
	Role    string `json:"role" doc:"owner; others come later" example:"owner"`
	Created string `json:"created" doc:"RFC 3339"`
	Changed string `json:"password_changed" doc:"RFC 3339"`
}

func showAccount(a accounts.Account) account {
	return account{a.ID.String(), a.Name, string(a.Role), instant(a.Created), instant(a.Changed)}
}

func (s *Server) createAccount(ctx context.Context, in *createAccountIn) (account, error) {
	a, err := s.o.Accounts.Create(ctx, accounts.NewAccount{Name: in.Body.Name, Password: in.Body.Password, From: askingOf(ctx).from})
	return showAccount(a), err
}

// whoAmI is the account and what the token may do.
type whoAmI struct {
	Account account  `json:"account"`
	Rights  []string `json:"rights" nullable:"false" doc:"Of this token: read, write, archive, manage"`
	Via     string   `json:"via" doc:"session or key, and its name" example:"session Kasse 2"`
}

func (s *Server) getAccount(ctx context.Context, _ *struct{}) (whoAmI, error) {
	c := callerOf(ctx)
	a, err := s.o.Accounts.Account(ctx, c)
	return whoAmI{showAccount(a), rightTexts(c.Rights), c.By()}, err
}

func rightTexts(list []accounts.Right) []string {
	out := make([]string, len(list))
	for i, r := range list {
		out[i] = string(r)
	}
	return out
}

type changePasswordIn struct {
	Body struct {
		Present string `json:"present" maxLength:"4096" doc:"The password so far"`
		Next    string `json:"next" maxLength:"4096" doc:"The new one"`
	}
}

func (s *Server) changePassword(ctx context.Context, in *changePasswordIn) error {
	return s.o.Accounts.ChangePassword(ctx, callerOf(ctx), in.Body.Present, in.Body.Next, askingOf(ctx).from)
}

type listActsIn struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After string `query:"after" maxLength:"80" doc:"Cursor: the member next of the answer before"`
}

// recorded is one act.
type recorded struct {
	At      string `json:"at" doc:"RFC 3339"`
	Act     string `json:"act" doc:"Stable" example:"signed-in"`
	By      string `json:"by" doc:"Session, key or code" example:"session Kasse 2"`
	Subject string `json:"subject" doc:"What it was done to"`
	Detail  string `json:"detail"`
}

func (s *Server) listActs(ctx context.Context, in *listActsIn) (page[recorded], error) {
	before, err := readActCursor(in.After)
	if err != nil {
		return page[recorded]{}, err
	}
	list, err := s.o.Accounts.Acts(ctx, callerOf(ctx), before, in.Limit)
	if err != nil {
		return page[recorded]{}, err
	}
	out := whole(list, func(a accounts.Act) recorded { return recorded{instant(a.At), a.Act, a.By, a.Subject, a.Detail} })
	if len(list) == in.Limit {
		last := list[len(list)-1]
		out.Next = base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(last.At.UnixMilli(), 10) + " " + last.ID.String()))
	}
	return out, nil
}

// readActCursor is the reverse of what listActs gives as next.
func readActCursor(s string) (a accounts.Act, err error) {
	if s == "" {
		return a, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(s)
	when, id, _ := strings.Cut(string(b), " ")
	ms, notNumber := strconv.ParseInt(when, 10, 64)
	a.ID, _ = crdt.ParseObjectID(id) // none is zero
	if err != nil || notNumber != nil || a.ID.IsZero() {
		return accounts.Act{}, invalid("query.after", "query.after: %v", ErrCursor)
	}
	a.At = time.UnixMilli(ms)
	return a, nil
}
