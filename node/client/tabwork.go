package client

import (
	"context"
	"net/http"
	"net/url"
)

// Present is somebody who works on a tab.
type Present struct {
	Till     string `json:"till"`
	TillName string `json:"till_name"`
	User     string `json:"user"`
	Since    Time   `json:"since"`
	// AgeMS is how old what is known of it is; Reachable whether there is a link to that till.
	AgeMS     int64 `json:"age_ms"`
	Reachable bool  `json:"reachable"`
}

// MovedTabs are two tabs after lines went from one to the other.
type MovedTabs struct {
	From Tab `json:"from"`
	To   Tab `json:"to"`
}

// Split says how a tab is split: by Lines, into Equal shares, or into shares of these Amounts.
type Split struct {
	Lines []SplitLine `json:"lines,omitempty"`
	// To is an open tab or the ID of a new one, empty for any new one, which is called Name.
	To      string  `json:"to,omitempty"`
	Name    string  `json:"name,omitempty"`
	User    string  `json:"user,omitempty"`
	Equal   int     `json:"equal,omitempty"`
	Amounts []int64 `json:"amounts,omitempty"`
}

// SplitLine is a line, or part of one; the quantity in thousandths, zero: all of it.
type SplitLine struct {
	Line     string `json:"line"`
	Quantity int64  `json:"quantity,omitempty"`
}

// SplitTab is what came of a split: two tabs, or shares of one.
type SplitTab struct {
	From   *Tab    `json:"from,omitempty"`
	To     *Tab    `json:"to,omitempty"`
	Shares []Share `json:"shares,omitempty"`
}

// Share is what one guest pays of a tab, in minor units.
type Share struct {
	Amount int64       `json:"amount"`
	Rates  []RateShare `json:"rates"`
}

// RateShare is what of a share falls on one tax.
type RateShare struct {
	Tax   string `json:"tax"`
	Rate  int64  `json:"rate"`
	Gross int64  `json:"gross"`
}

// Transfer says to whom a tab goes. Till is an ID, a prefix or a name, empty for the asked till.
type Transfer struct {
	Till  string `json:"till,omitempty"`
	User  string `json:"user,omitempty"`
	By    string `json:"by,omitempty"`
	Force bool   `json:"force,omitempty"`
}

// TabTakeover is one change of who holds a tab. How is forced, unreachable or transferred.
type TabTakeover struct {
	At      Time   `json:"at"`
	How     string `json:"how"`
	From    Person `json:"from"`
	To      Person `json:"to"`
	By      string `json:"by,omitempty"`
	Payment bool   `json:"payment,omitempty"`
}

// Adoption says where what is left over from a closed tab goes.
type Adoption struct {
	To   string `json:"to,omitempty"`
	Name string `json:"name,omitempty"`
	User string `json:"user,omitempty"`
}

func tabPath(id, what string) string { return "/api/v1/tabs/" + url.PathEscape(id) + "/" + what }

// TakeTab asks for the right to take payment for a tab, by force if told so.
func (c *Client) TakeTab(ctx context.Context, tab, user string, force bool, options ...Option) (cl Claim, err error) {
	in := struct {
		User  string `json:"user,omitempty"`
		Force bool   `json:"force,omitempty"`
	}{user, force}
	err = c.call(ctx, http.MethodPost, tabPath(tab, "claim"), nil, in, &cl, options...)
	return cl, err
}

// MoveLines puts lines of a tab on another one.
func (c *Client) MoveLines(ctx context.Context, from, to string, lines []string, options ...Option) (m MovedTabs, err error) {
	in := struct {
		To    string   `json:"to"`
		Lines []string `json:"lines"`
	}{to, lines}
	err = c.call(ctx, http.MethodPost, tabPath(from, "move"), nil, in, &m, options...)
	return m, err
}

// SplitTab splits a tab.
func (c *Client) SplitTab(ctx context.Context, tab string, s Split, options ...Option) (out SplitTab, err error) {
	err = c.call(ctx, http.MethodPost, tabPath(tab, "split"), nil, s, &out, options...)
	return out, err
}

// MergeTab merges a tab into another one.
func (c *Client) MergeTab(ctx context.Context, tab, into string, options ...Option) (m MovedTabs, err error) {
	in := struct {
		Into string `json:"into"`
	}{into}
	err = c.call(ctx, http.MethodPost, tabPath(tab, "merge"), nil, in, &m, options...)
	return m, err
}

// UnmergeTab takes a tab out of the one it was merged into.
func (c *Client) UnmergeTab(ctx context.Context, tab string, options ...Option) (m MovedTabs, err error) {
	err = c.call(ctx, http.MethodPost, tabPath(tab, "unmerge"), nil, nil, &m, options...)
	return m, err
}

// TransferTab hands a tab over to a user or a till.
func (c *Client) TransferTab(ctx context.Context, tab string, to Transfer, options ...Option) (cl Claim, err error) {
	err = c.call(ctx, http.MethodPost, tabPath(tab, "transfer"), nil, to, &cl, options...)
	return cl, err
}

// TabHistory returns who took a tab over, the first one first.
func (c *Client) TabHistory(ctx context.Context, tab string) ([]TabTakeover, error) {
	var out struct {
		Items []TabTakeover `json:"items"`
	}
	err := c.call(ctx, http.MethodGet, tabPath(tab, "history"), nil, nil, &out)
	return out.Items, err
}

// SetPresence says that somebody looks at a tab, or left it.
func (c *Client) SetPresence(ctx context.Context, tab, user string, left bool) error {
	in := struct {
		User string `json:"user,omitempty"`
		Left bool   `json:"left,omitempty"`
	}{user, left}
	return c.call(ctx, http.MethodPost, tabPath(tab, "presence"), nil, in, nil)
}

// AdoptCase puts what is left over from a closed tab on another one, and returns that one.
func (c *Client) AdoptCase(ctx context.Context, id string, a Adoption, options ...Option) (t Tab, err error) {
	err = c.call(ctx, http.MethodPost, "/api/v1/cases/"+url.PathEscape(id)+"/adopt", nil, a, &t, options...)
	return t, err
}

// PayBack gives a payment that is on no receipt back in cash; the answer is the receipt about it.
func (c *Client) PayBack(ctx context.Context, id, user, reason string, options ...Option) (r Receipt, err error) {
	in := struct {
		User   string `json:"user,omitempty"`
		Reason string `json:"reason,omitempty"`
	}{user, reason}
	err = c.call(ctx, http.MethodPost, "/api/v1/cases/"+url.PathEscape(id)+"/payback", nil, in, &r, options...)
	return r, err
}
