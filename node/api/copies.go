package api

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// copies says where a receipt is saved.
type copies struct {
	Here  bool     `json:"here" doc:"On the disk of this till"`
	Tills []string `json:"tills" nullable:"false" doc:"IDs of other active tills known to have it on disk. More may have it"`
	Names []string `json:"names" nullable:"false" doc:"Their names"`
	On    int      `json:"on" doc:"On how many tills it is known to be, this one included"`
	Text  string   `json:"text" doc:"The same in words" example:"saved here and on 2 other tills, and in the archive"`
	// A cloud is no till: it is told apart.
	Archived      bool   `json:"archived,omitempty" doc:"A cloud that is coupled with the shop is known to have it in its archive"`
	ArchivedSince string `json:"archived_since,omitempty" doc:"When this till learnt that, RFC 3339; left out if that was before it started, or long ago"`
}

func (s *server) showCopies(others []crdt.TillID, archived node.Archived) copies {
	out := copies{Here: true, Tills: []string{}, Names: []string{}, On: 1 + len(others), Archived: archived.Held, ArchivedSince: instant(archived.Since)}
	for _, t := range others {
		out.Tills, out.Names = append(out.Tills, t.String()), append(out.Names, s.names.name(t))
	}
	switch len(others) {
	case 0:
		if out.Text = "saved here only"; archived.Held {
			out.Text = "saved here"
		}
	case 1:
		out.Text = "saved here and on 1 other till"
	default:
		out.Text = fmt.Sprintf("saved here and on %d other tills", len(others))
	}
	if archived.Held && len(others) == 0 {
		out.Text += " and in the archive"
	} else if archived.Held {
		out.Text += ", and in the archive"
	}
	return out
}

// release says whether a receipt may be printed.
type release struct {
	State  string     `json:"state" enum:"waiting,released,overridden" doc:"waiting: do not print it yet. released: it is on as many tills as the shop wants, or the shop has no rule. overridden: a person let it go"`
	Copies int        `json:"copies" doc:"On how many tills it is known to be, this one included"`
	Wanted int        `json:"wanted" doc:"On how many the shop wanted it to be when it was closed; 0: it had no rule, or that is fulfilled and forgotten"`
	Until  string     `json:"until,omitempty" doc:"waiting: from then on a person may let it go, RFC 3339"`
	May    bool       `json:"may_override,omitempty" doc:"waiting: a person may let it go now"`
	By     *releasing `json:"override,omitempty" doc:"overridden: who let it go"`
}

// releasing is the record that a person let a receipt go.
type releasing struct {
	User   string `json:"user"`
	Reason string `json:"reason"`
	Till   string `json:"till"`
	At     string `json:"at" doc:"RFC 3339"`
	Copies int64  `json:"copies" doc:"On how many tills it was known to be then"`
	Wanted int64  `json:"wanted" doc:"On how many the shop wanted it to be"`
}

func showRelease(r *node.Release) *release {
	if r == nil {
		return nil
	}
	out := &release{State: r.State, Copies: r.Copies, Wanted: r.Wanted, Until: instant(r.Until), May: r.May}
	if b := r.By; b != nil {
		out.By = &releasing{User: b.User, Reason: b.Reason, Till: b.Till.String(), At: instantMS(b.MS), Copies: b.Copies, Wanted: b.Wanted}
	}
	return out
}

// printRule is the rule of the shop for printing.
type printRule struct {
	Copies  int64 `json:"copies" minimum:"0" maximum:"50" doc:"A receipt is printed only when it is on so many tills, the one that closed it included; 0 or 1: at once" example:"2"`
	Seconds int64 `json:"seconds,omitempty" minimum:"0" maximum:"3600" doc:"After how long a person may let it go all the same; left out: 10 when the rule is new, else as it is" example:"10"`
}

func showPrintRule(p shop.PrintRule) *printRule { return &printRule{p.Copies, p.Seconds} }

// risk is what would be lost if a till vanished now.
type risk struct {
	Receipts int    `json:"receipts" doc:"Receipts that it closed and no other active till is known to hold"`
	More     bool   `json:"more,omitempty" doc:"There are older ones that were not counted"`
	Sums     []sum  `json:"sums" nullable:"false" doc:"What they come to"`
	Tabs     int    `json:"tabs" doc:"Open tabs of which a part is on no other till"`
	TabSums  []sum  `json:"tab_sums" nullable:"false" doc:"What that part comes to"`
	OldestAt string `json:"oldest_at" doc:"When the oldest of it was made, RFC 3339; empty if there is none"`
}

// sum is an amount of money.
type sum struct {
	Currency string `json:"currency" example:"EUR"`
	Amount   int64  `json:"amount" doc:"Minor units"`
}

func showRisk(r node.Risk) risk {
	out := risk{Receipts: r.Receipts, More: r.More, Sums: []sum{}, Tabs: r.Tabs, TabSums: []sum{}, OldestAt: instant(r.Oldest)}
	for _, s := range r.Sums {
		out.Sums = append(out.Sums, sum{s.Currency, int64(s.Amount)})
	}
	for _, s := range r.TabSums {
		out.TabSums = append(out.TabSums, sum{s.Currency, int64(s.Amount)})
	}
	return out
}

// riskList is what would be lost with each till.
type riskList struct {
	Tills []tillRisk `json:"tills" nullable:"false" doc:"This till first. One that left the shop only while something of it is at risk"`
}

// tillRisk is what would be lost with one till.
type tillRisk struct {
	Till   string `json:"till"`
	Name   string `json:"name"`
	Prefix string `json:"prefix" example:"K2"`
	State  string `json:"state" doc:"active, retired or revoked"`
	Self   bool   `json:"self" doc:"It is this till"`
	Linked bool   `json:"linked" doc:"It can be asked now"`
	Risk   *risk  `json:"risk,omitempty" doc:"As it said itself; left out if it never said"`
	SaidAt string `json:"said_at" doc:"When it said so, RFC 3339; empty if it never did. What it sold after that is not known here"`
}

// overriding lets a receipt go.
type overriding struct {
	Override bool   `json:"override" doc:"true: let it be printed although it is on too few tills"`
	User     string `json:"user,omitempty" maxLength:"200" doc:"Who says so; required if it is recorded"`
	Reason   string `json:"reason,omitempty" maxLength:"200" doc:"Why"`
}

type releaseIn struct {
	ID   string `path:"id" minLength:"1" maxLength:"60" doc:"ID, or number such as K2-000418" example:"K2-000418"`
	Body overriding
}

func (s *server) addCopies() {
	add(s, operation(http.MethodGet, "/api/v1/risk", "Till", "get-risk", "What would be lost if a till vanished now",
		`For each till the receipts and open tabs that no other active till is known to hold. Linked tills are asked; of one that cannot
be reached it is what it said last, and when.`), s.getRisk)
	add(s, operation(http.MethodPost, "/api/v1/receipts/{id}/release", "Sales", "release-receipt", "Let a receipt be printed before it is on enough tills",
		`Only for a receipt that waits by the rule of the shop, at the till that closed it, and after the time of the rule. It is recorded
who said so, at all tills. A receipt that may be printed already stays as it is, and nothing is recorded. Without override nothing
is done. The answer is the receipt.`), s.releaseReceipt)
}

func (s *server) getRisk(ctx context.Context, _ *struct{}) (riskList, error) {
	out := riskList{Tills: []tillRisk{}}
	for _, r := range s.till.Risks(ctx, true) {
		shown := tillRisk{Till: tillText(r.Till), Name: r.Name, Prefix: r.Prefix, State: r.State, Self: r.Self, Linked: r.Linked || r.Self, SaidAt: instant(r.Said)}
		if r.Risk != nil {
			shown.Risk = ref(showRisk(*r.Risk))
		}
		out.Tills = append(out.Tills, shown)
	}
	return out, nil
}

func (s *server) releaseReceipt(ctx context.Context, in *releaseIn) (closedReceipt, error) {
	if !in.Body.Override {
		r, err := s.till.Receipt(ctx, in.ID)
		if err != nil {
			return closedReceipt{}, err
		}
		return s.showReceipt(r), nil
	}
	r, err := s.till.OverrideRelease(ctx, in.ID, in.Body.User, in.Body.Reason)
	if err != nil {
		return closedReceipt{}, err
	}
	return s.showReceipt(r), nil
}
