package api

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node"
)

func created(op opDoc) opDoc {
	op.DefaultStatus = http.StatusCreated
	return op
}

func (s *server) addTabs() {
	add(s, created(operation(http.MethodPost, "/api/v1/tabs", "Sales", "open-tab", "Open a tab",
		`A tab is a sale that is not closed yet. It is seen by all tills at once. Opening an ID that is open already answers with
the tab as it is.`)), s.openTab)
	add(s, operation(http.MethodGet, "/api/v1/tabs", "Sales", "list-tabs", "List the open tabs of all tills", `The oldest first.`), s.listTabs)
	add(s, operation(http.MethodGet, "/api/v1/tabs/{id}", "Sales", "get-tab", "Get a tab",
		`Of a closed tab only the number of its receipt is left.`), s.getTab)
	add(s, operation(http.MethodPost, "/api/v1/tabs/{id}/claim", "Sales", "claim-tab", "Ask for the right to take payment",
		`One till at a time takes payment for a tab. The holder is asked and may keep it while somebody works there; if it does not
answer within 0.3 s the tab is taken over. Payments and close claim by themselves. A card payment that runs at another till refuses
everybody (held-payment) while that till answers; if it does not, force takes the tab over, with a warning.`), s.claimTab)
}

type openTabIn struct {
	Body *newTab
}

// newTab is what a tab is opened with.
type newTab struct {
	ID       string `json:"id,omitempty" pattern:"^([a-z2-7]{26})?$" patternDescription:"26 letters a-z and digits 2-7" doc:"26 characters; left out: a new one is drawn"`
	Name     string `json:"name,omitempty" maxLength:"200" doc:"Table or name" example:"Tisch 4"`
	Note     string `json:"note,omitempty" maxLength:"1000" doc:"Printed on the receipt"`
	Customer string `json:"customer,omitempty" maxLength:"200" doc:"Name of the customer"`
	Shared   *bool  `json:"shared,omitempty" doc:"Other tills show it; left out: true"`
	User     string `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
	Training bool   `json:"training,omitempty" doc:"For practice: its receipt takes a number of the same series, is marked, and counts in no sum"`
}

func (s *server) openTab(ctx context.Context, in *openTabIn) (tab, error) {
	b := had(in.Body, newTab{})
	id, err := parseObject("body.id", b.ID)
	if err != nil {
		return tab{}, err
	}
	if id.IsZero() {
		id = freshID(ctx, "tab", 0)
	}
	v, err := s.till.OpenTab(ctx, node.NewTab{ID: id, Name: b.Name, Note: b.Note, Customer: b.Customer, User: b.User, Shared: had(b.Shared, true), Training: b.Training})
	if err != nil {
		return tab{}, err
	}
	return s.showTab(v), nil
}

type listTabsIn struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Most items of one answer"`
	After string `query:"after" maxLength:"60" doc:"Cursor: the member next of the answer before"`
	Q     string `query:"q" maxLength:"200" doc:"Part of the name, note or customer"`
}

func (s *server) listTabs(ctx context.Context, in *listTabsIn) (page[tab], error) {
	out := page[tab]{Items: []tab{}}
	after, err := parseTabCursor(in.After)
	if err != nil {
		return out, err
	}
	text := strings.ToLower(strings.TrimSpace(in.Q))
	last := tabCursor{}
	for _, open := range s.till.Tabs(ctx) {
		at := tabCursor{open.OpenedMS, open.ID}
		if at.compare(after) <= 0 {
			continue
		}
		v, err := s.till.Tab(ctx, open.ID)
		if _, gone := errors.AsType[*node.Refusal](err); gone {
			continue // merged or closed a moment ago
		} else if err != nil {
			return out, err
		}
		if v.State == node.StateClosed || !mentions(v, text) {
			continue
		}
		if len(out.Items) == in.Limit {
			out.Next = last.String()
			return out, nil
		}
		out.Items, last = append(out.Items, s.showTab(v)), at
	}
	return out, nil
}

// tabCursor is a place in the list of open tabs, which stays where it is when its tab is closed.
type tabCursor struct {
	openedMS int64
	id       crdt.ObjectID
}

// String returns the form for the parameter after.
func (c tabCursor) String() string { return strconv.FormatInt(c.openedMS, 10) + "." + c.id.String() }

func (c tabCursor) compare(other tabCursor) int {
	return cmp.Or(cmp.Compare(c.openedMS, other.openedMS), c.id.Compare(other.id))
}

// parseTabCursor reads a cursor; an empty text is the place before all tabs.
func parseTabCursor(s string) (c tabCursor, err error) {
	if s == "" {
		return tabCursor{openedMS: -1}, nil
	}
	ms, id, _ := strings.Cut(s, ".")
	if c.openedMS, err = strconv.ParseInt(ms, 10, 64); err == nil {
		c.id, err = crdt.ParseObjectID(id)
	}
	if err != nil {
		return c, invalid("query.after", "query.after: %q is no place in this list", httpapi.Clip(s, 60))
	}
	return c, nil
}

func mentions(v node.TabView, text string) bool {
	if text == "" {
		return true
	}
	for _, s := range []string{v.Head.Name, v.Note.Text, v.Customer.Name} {
		if strings.Contains(strings.ToLower(s), text) {
			return true
		}
	}
	return false
}

func (s *server) getTab(ctx context.Context, in *oneIn) (tab, error) {
	id, err := in.object()
	if err != nil {
		return tab{}, err
	}
	v, err := s.till.Tab(ctx, id)
	if err != nil {
		return tab{}, err
	}
	return s.showTab(v), nil
}

// newClaim asks for a tab.
type newClaim struct {
	User  string `json:"user,omitempty" maxLength:"200" doc:"Who asks"`
	Force bool   `json:"force,omitempty" doc:"Take it even if somebody works there"`
}

// claimed answers a claim.
type claimed struct {
	Holder      person `json:"holder"`
	Granted     bool   `json:"granted"`
	Unreachable bool   `json:"unreachable" doc:"The holder did not answer and the tab was taken over"`
	HeldBy      string `json:"held_by,omitempty" doc:"Not granted: name of the till that keeps it"`
	Reason      string `json:"reason,omitempty" doc:"Not granted: what that till said"`
	Since       string `json:"since,omitempty" doc:"Not granted: since when somebody works there, RFC 3339"`
	Working     string `json:"working,omitempty" doc:"Not granted: who that is"`
	Warning     string `json:"warning,omitempty" doc:"Granted, but a card payment at the other till may still be captured"`
}

func (s *server) claimTab(ctx context.Context, in *withID[*newClaim]) (claimed, error) {
	id, err := in.object()
	if err != nil {
		return claimed{}, err
	}
	b := had(in.Body, newClaim{})
	c, err := s.till.Claim(ctx, id, b.User, b.Force)
	if err != nil {
		return claimed{}, err
	}
	return s.showClaimed(c), nil
}

func (s *server) showClaimed(c node.Claimed) claimed {
	out := claimed{Holder: s.person(c.Holder, c.HolderUser, c.Epoch), Granted: c.Granted, Unreachable: c.Unreachable, Warning: c.Warning}
	if !c.Granted {
		out.HeldBy, out.Reason, out.Since, out.Working = out.Holder.TillName, c.Reason, instant(c.Since), c.Working
	}
	return out
}
