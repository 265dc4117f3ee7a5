package serverclient

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// Rule is one rule for passwords.
type Rule struct {
	Code string `json:"code"`
	Text string `json:"text"`
	Met  bool   `json:"met"`
}

// PasswordCheck says what there is to say about a password.
type PasswordCheck struct {
	OK     bool     `json:"ok"`
	Rules  []Rule   `json:"rules"`
	Advice []string `json:"advice"`
}

// CheckPassword says which rules a password keeps; name, for the advice, may be empty. It needs no token.
func (c *Client) CheckPassword(ctx context.Context, password, name string) (out PasswordCheck, err error) {
	in := struct {
		Password string `json:"password"`
		Name     string `json:"name,omitempty"`
	}{password, name}
	err = c.call(ctx, http.MethodPost, "/api/v1/password-check", nil, in, &out)
	return out, err
}

// Account is an account.
type Account struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Role            string `json:"role"`
	Created         string `json:"created"`
	PasswordChanged string `json:"password_changed"`
}

// CreateAccount makes an account. It needs no token.
func (c *Client) CreateAccount(ctx context.Context, name, password string) (out Account, err error) {
	in := struct {
		Name     string `json:"name"`
		Password string `json:"password"`
	}{name, password}
	err = c.call(ctx, http.MethodPost, "/api/v1/accounts", nil, in, &out)
	return out, err
}

// WhoAmI is who has the token.
type WhoAmI struct {
	Account Account  `json:"account"`
	Rights  []string `json:"rights"`
	Via     string   `json:"via"`
}

// Account returns who has the client's token.
func (c *Client) Account(ctx context.Context) (out WhoAmI, err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/account", nil, nil, &out)
	return out, err
}

// ChangePassword sets a new password; all other sessions end.
func (c *Client) ChangePassword(ctx context.Context, present, next string) error {
	in := struct {
		Present string `json:"present"`
		Next    string `json:"next"`
	}{present, next}
	return c.call(ctx, http.MethodPut, "/api/v1/account/password", nil, in, nil)
}

// Act is one record of what was done.
type Act struct {
	At      string `json:"at"`
	Act     string `json:"act"`
	By      string `json:"by"`
	Subject string `json:"subject"`
	Detail  string `json:"detail"`
}

// Page is one part of a list. Next, given as after, goes on; it is empty at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next"`
}

// Acts lists what was done in the account, the newest first. limit 0 means 100.
func (c *Client) Acts(ctx context.Context, after string, limit int) (out Page[Act], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/account/acts", pageQuery(after, limit), nil, &out)
	return out, err
}

func pageQuery(after string, limit int) url.Values {
	q := url.Values{}
	set(q, "after", after)
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	return q
}

func set(q url.Values, name, value string) {
	if value != "" {
		q.Set(name, value)
	}
}

// SignIn is what somebody signs in with.
type SignIn struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Label    string `json:"label"` // what the list of sessions calls it
}

// Session is one sign-in.
type Session struct {
	ID      string `json:"id"`
	Label   string `json:"label"`
	Created string `json:"created"`
	Seen    string `json:"seen"`
	Expires string `json:"expires"`
	This    bool   `json:"this"`
}

// Opened is a new session.
type Opened struct {
	Token   string  `json:"token"`
	Session Session `json:"session"`
	Account Account `json:"account"`
}

// SignIn opens a session. It needs no token. Codes of refusals: sign-in, too-many-attempts (with Wait).
func (c *Client) SignIn(ctx context.Context, in SignIn) (out Opened, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/sessions", nil, in, &out)
	return out, err
}

// SignOut ends the session of the client's token.
func (c *Client) SignOut(ctx context.Context) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/session", nil, nil, nil)
}

// Sessions lists the sessions of the account.
func (c *Client) Sessions(ctx context.Context) (out Page[Session], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/sessions", nil, nil, &out)
	return out, err
}

// EndSession ends a session of the account.
func (c *Client) EndSession(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/sessions/"+url.PathEscape(id), nil, nil, nil)
}

// Key is an API key.
type Key struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"`
	Rights    []string `json:"rights"`
	Created   string   `json:"created"`
	CreatedBy string   `json:"created_by"`
	Seen      string   `json:"seen"`
	Revoked   string   `json:"revoked,omitempty"`
}

// MadeKey is a new API key with its token, which is shown only here.
type MadeKey struct {
	Key   Key    `json:"key"`
	Token string `json:"token"`
}

// Keys lists the API keys of the account.
func (c *Client) Keys(ctx context.Context) (out Page[Key], err error) {
	err = c.call(ctx, http.MethodGet, "/api/v1/keys", nil, nil, &out)
	return out, err
}

// CreateKey makes an API key with some of the rights read, write, archive.
func (c *Client) CreateKey(ctx context.Context, name string, rights []string, o ...Option) (out MadeKey, err error) {
	in := struct {
		Name   string   `json:"name"`
		Rights []string `json:"rights"`
	}{name, rights}
	err = c.call(ctx, http.MethodPost, "/api/v1/keys", nil, in, &out, o...)
	return out, err
}

// RevokeKey makes an API key useless.
func (c *Client) RevokeKey(ctx context.Context, id string) error {
	return c.call(ctx, http.MethodDelete, "/api/v1/keys/"+url.PathEscape(id), nil, nil, nil)
}
