package server

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/cloudlink/server/accounts"
	"github.com/tillmesh/tillmesh/cloudlink/server/coupling"
)

func (s *Server) addKeys() {
	add(s, operation(http.MethodGet, "/api/v1/keys", "Accounts", "list-keys", "List the API keys of the account", `Revoked ones too, the newest first.`),
		manage, s.listKeys)
	add(s, created(operation(http.MethodPost, "/api/v1/keys", "Accounts", "create-key", "Make an API key",
		`For a program. Its token is shown only here. It has the rights that are listed and no others; no key can manage the account.`)), manage, s.createKey)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/keys/{id}", "Accounts", "revoke-key", "Revoke an API key", `At once and for ever.`), manage, s.revokeKey)
}

// apiKey is an API key.
type apiKey struct {
	ID        string   `json:"id" doc:"26 characters"`
	Name      string   `json:"name" example:"DATEV"`
	Rights    []string `json:"rights" nullable:"false" doc:"read, write, archive"`
	Created   string   `json:"created" doc:"RFC 3339"`
	CreatedBy string   `json:"created_by"`
	Seen      string   `json:"seen" doc:"RFC 3339, to the minute; empty: never used"`
	Revoked   string   `json:"revoked,omitempty" doc:"Since when it does not count, RFC 3339; left out if it counts"`
}

// madeKey is a new API key.
type madeKey struct {
	Key   apiKey `json:"key"`
	Token string `json:"token" doc:"For the header Authorization: Bearer TOKEN; shown only here"`
}

func showKey(k accounts.Key) apiKey {
	return apiKey{k.ID.String(), k.Name, rightTexts(k.Rights), instant(k.Created), k.CreatedBy, instant(k.Seen), instant(k.Revoked)}
}

func (s *Server) listKeys(ctx context.Context, _ *struct{}) (page[apiKey], error) {
	list, err := s.o.Accounts.Keys(ctx, callerOf(ctx))
	return whole(list, showKey), err
}

type createKeyIn struct {
	Body struct {
		Name   string   `json:"name" maxLength:"100" doc:"Of the program" example:"DATEV"`
		Rights []string `json:"rights" minItems:"1" maxItems:"3" nullable:"false" enum:"read,write,archive" doc:"What it may do; read is needed for nearly everything"`
	}
}

func (s *Server) createKey(ctx context.Context, in *createKeyIn) (madeKey, error) {
	var rights []accounts.Right
	for _, r := range in.Body.Rights {
		rights = append(rights, accounts.Right(r))
	}
	k, err := s.o.Accounts.CreateKey(ctx, callerOf(ctx), in.Body.Name, rights)
	return madeKey{showKey(k.Key), k.Token}, err
}

func (s *Server) revokeKey(ctx context.Context, in *oneIn) error {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return err
	}
	return s.o.Accounts.RevokeKey(ctx, callerOf(ctx), id)
}

func (s *Server) addCodes() {
	add(s, operation(http.MethodGet, "/api/v1/codes", "Coupling", "list-codes", "List coupling codes", `Without the codes themselves. Those that ended are listed for a day.`),
		manage, s.listCodes)
	add(s, created(operation(http.MethodPost, "/api/v1/codes", "Coupling", "create-code", "Make a coupling code for one till",
		`Typed at the till of this name it couples the till's shop with the account: once, within 15 minutes. Later tills of a coupled
shop need none.`)), manage, s.createCode)
	addQuiet(s, operation(http.MethodDelete, "/api/v1/codes/{id}", "Coupling", "withdraw-code", "Withdraw a coupling code", ``), manage, s.withdrawCode)
}

// couplingCode is a code without the code itself.
type couplingCode struct {
	ID        string `json:"id" doc:"26 characters"`
	TillName  string `json:"till_name" example:"Kasse 3"`
	Created   string `json:"created" doc:"RFC 3339"`
	CreatedBy string `json:"created_by"`
	Expires   string `json:"expires" doc:"RFC 3339"`
	Used      string `json:"used,omitempty" doc:"RFC 3339; left out if it was not used"`
	Till      string `json:"till,omitempty" doc:"That used it"`
	Failures  int    `json:"failures" doc:"How often another till tried it; after 5 it does not count"`
}

// madeCode is a new code.
type madeCode struct {
	Entry couplingCode `json:"entry" doc:"As it is listed"`
	Code  string       `json:"code" doc:"To be typed at the till; shown only here" example:"7K3M-9QXA"`
}

func showCode(k accounts.CouplingCode) couplingCode {
	return couplingCode{k.ID.String(), k.TillName, instant(k.Created), k.CreatedBy, instant(k.Expires), instant(k.Used), tillText(k.Till), k.Failures}
}

func (s *Server) listCodes(ctx context.Context, _ *struct{}) (page[couplingCode], error) {
	list, err := s.o.Accounts.Codes(ctx, callerOf(ctx))
	return whole(list, showCode), err
}

type createCodeIn struct {
	Body struct {
		TillName string `json:"till_name" maxLength:"200" doc:"Name of the till, as it is called in its shop" example:"Kasse 3"`
	}
}

func (s *Server) createCode(ctx context.Context, in *createCodeIn) (madeCode, error) {
	k, err := s.o.Accounts.CreateCode(ctx, callerOf(ctx), in.Body.TillName)
	return madeCode{showCode(k.CouplingCode), coupling.ShowCode(k.Code)}, err
}

func (s *Server) withdrawCode(ctx context.Context, in *oneIn) error {
	id, err := parseObject("path.id", in.ID)
	if err != nil {
		return err
	}
	return s.o.Accounts.WithdrawCode(ctx, callerOf(ctx), id)
}
