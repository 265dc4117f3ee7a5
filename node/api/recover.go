package api

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/httpapi"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node"
)

// foundDirectory names what to look through.
type foundDirectory struct {
	Dir string `json:"dir" minLength:"1" maxLength:"4096" doc:"Data directory of the found till on the machine of this till, or a copy of it; from the root on" example:"/media/stick/till"`
}

// taking is what a person decided.
type taking struct {
	Dir string `json:"dir" minLength:"1" maxLength:"4096" doc:"As it was looked through"`
	ID  string `json:"id" minLength:"64" maxLength:"64" doc:"From the answer of recover/scan: exactly that is taken"`
	By  string `json:"by,omitempty" maxLength:"200" doc:"Who says so; it is kept with what is taken" example:"Jule"`
}

// foundTillData is what a found till holds and this one does not.
type foundTillData struct {
	ID       string          `json:"id" doc:"Stands for exactly what would be taken"`
	Till     string          `json:"till" doc:"ID of the found till; empty if it cannot be told"`
	Name     string          `json:"name"`
	State    string          `json:"state" doc:"active, retired, revoked or unknown"`
	Known    int64           `json:"known" doc:"Changes that are here already"`
	Commits  int64           `json:"commits" doc:"Changes that would be taken"`
	Receipts []foundReceipt  `json:"receipts" nullable:"false" doc:"Receipts that are not here, at most 10,000"`
	Payments []foundPayment  `json:"payments" nullable:"false" doc:"Payments that are in no receipt, at most 10,000"`
	More     int64           `json:"more" doc:"Receipts and payments beyond the lists"`
	Sums     []foundSum      `json:"sums" nullable:"false" doc:"What all of the receipts come to"`
	Gaps     []string        `json:"gaps" nullable:"false" doc:"What is wrong with their numbers and signatures taken together, in sentences"`
	Refused  []refusedChange `json:"refused" nullable:"false" doc:"What is not taken, and why; at most 1,000"`
	NotTaken int64           `json:"not_taken" doc:"Refused altogether"`
	Damage   []string        `json:"damage" nullable:"false" doc:"What cannot be read"`
}

// foundReceipt is one of them.
type foundReceipt struct {
	ID       string `json:"id"`
	Number   string `json:"number" example:"K5-000051"`
	Till     string `json:"till"`
	Kind     string `json:"kind"`
	ClosedAt string `json:"closed_at" doc:"RFC 3339"`
	Gross    int64  `json:"gross" doc:"Minor units"`
	Currency string `json:"currency" example:"EUR"`
}

// foundPayment is a payment in no receipt.
type foundPayment struct {
	ID     string `json:"id"`
	Till   string `json:"till"`
	Type   string `json:"type"`
	State  string `json:"state"`
	Amount int64  `json:"amount" doc:"Minor units"`
	At     string `json:"at" doc:"RFC 3339"`
}

// foundSum is what receipts come to.
type foundSum struct {
	Currency string `json:"currency" example:"EUR"`
	Receipts int64  `json:"receipts"`
	Gross    int64  `json:"gross" doc:"Minor units"`
}

// refusedChange is what is not taken.
type refusedChange struct {
	Scope  string `json:"scope"`
	Change string `json:"change"`
	Reason string `json:"reason"`
}

// takeover marks what was taken from a found till.
type takeover struct {
	ID       string   `json:"id"`
	Till     string   `json:"till" doc:"The found till"`
	Name     string   `json:"name"`
	ByTill   string   `json:"by_till" doc:"The till that took it over"`
	By       string   `json:"by" doc:"Who said so, may be empty"`
	At       string   `json:"at" doc:"RFC 3339"`
	Commits  int64    `json:"commits"`
	Receipts int64    `json:"receipts"`
	Numbers  []string `json:"numbers" nullable:"false" doc:"Of the receipts, such as K5-000051 to K5-000054"`
}

// takeoverList are all marks of the shop.
type takeoverList struct {
	Items []takeover `json:"items" nullable:"false" doc:"The latest first"`
}

func (s *server) addRecover() {
	add(s, operation(http.MethodGet, "/api/v1/recover", "Till", "list-recovered", "List what was taken from found tills", `By all tills of the shop.`),
		func(context.Context, *struct{}) (takeoverList, error) {
			out := takeoverList{[]takeover{}}
			for _, o := range s.till.Takeovers() {
				out.Items = append(out.Items, s.showTakeover(o))
			}
			return out, nil
		})
	add(s, operation(http.MethodPost, "/api/v1/recover/scan", "Till", "scan-found", "List what a found till holds and this one does not",
		`For a till that was lost and is found again: receipts it closed while it had no network. Nothing is changed, there or here. It
reads the whole directory, so it may take minutes; hanging up ends it.`), s.scanFound)
	add(s, operation(http.MethodPost, "/api/v1/recover/take", "Till", "take-found", "Take over what a found till holds",
		`Exactly what was listed under this ID, as it is, also from a till that was revoked meanwhile. It is marked on all tills: who said so,
when, where. Hanging up ends it; what was taken stays, and the next list has the rest. The same once more gives the same answer.`), s.takeFound)
	// Neither fits the time of a request, and both may be repeated without a key: what was taken is not taken twice.
	s.routes["POST /api/v1/recover/scan"].slow = true
	s.routes["POST /api/v1/recover/take"].slow = true
}

type scanFoundIn struct{ Body foundDirectory }

func (s *server) scanFound(ctx context.Context, in *scanFoundIn) (foundTillData, error) {
	f, err := s.till.ScanFound(ctx, in.Body.Dir)
	if err != nil {
		return foundTillData{}, err
	}
	return showFound(f), nil
}

func showFound(f node.FoundTill) foundTillData {
	out := foundTillData{
		ID: hex.EncodeToString(f.ID[:]), Till: tillText(f.Till), Name: f.Name, State: f.State.String(), Known: f.Known, Commits: f.Commits,
		Receipts: []foundReceipt{}, Payments: []foundPayment{}, More: f.More, Sums: []foundSum{}, Gaps: []string{}, Refused: []refusedChange{},
		NotTaken: f.NotTaken, Damage: orEmpty(f.Damage),
	}
	for _, r := range f.Receipts {
		out.Receipts = append(out.Receipts, foundReceipt{r.ID.String(), r.Number, tillText(r.Till), r.Kind, r.Closed, int64(r.Total), r.Currency})
	}
	for _, p := range f.Payments {
		out.Payments = append(out.Payments, foundPayment{p.ID.String(), tillText(p.Till), p.Type, p.State, int64(p.Amount), instant(time.UnixMilli(p.MS))})
	}
	for _, x := range f.Sums {
		out.Sums = append(out.Sums, foundSum{x.Currency, x.Receipts, x.Total})
	}
	for _, x := range f.Series {
		for _, finding := range x.Findings {
			out.Gaps = append(out.Gaps, finding.Text)
		}
	}
	for _, r := range f.Refused {
		out.Refused = append(out.Refused, refusedChange{r.Scope.String(), r.Dot.String(), r.Reason})
	}
	return out
}

type takeFoundIn struct{ Body taking }

func (s *server) takeFound(ctx context.Context, in *takeFoundIn) (takeover, error) {
	var id crdt.Hash
	if b, err := hex.DecodeString(in.Body.ID); err != nil || copy(id[:], b) != len(id) {
		return takeover{}, invalid("body.id", "body.id: %q is not the ID of a list", httpapi.Clip(in.Body.ID, 80))
	}
	o, err := s.till.TakeFound(ctx, in.Body.Dir, id, in.Body.By)
	if err != nil {
		return takeover{}, err
	}
	return s.showTakeover(o), nil
}

func (s *server) showTakeover(o shop.Takeover) takeover {
	out := takeover{
		ID: hex.EncodeToString(o.ID[:]), Till: tillText(o.From), Name: s.till.TillName(o.From), ByTill: tillText(o.By), By: o.Person,
		At: instant(time.UnixMilli(o.MS)), Commits: o.Commits, Receipts: o.Receipts, Numbers: []string{},
	}
	for _, n := range o.Numbers {
		text := fmt.Sprintf("%s-%06d", n.Series, n.First)
		if n.Last > n.First {
			text += fmt.Sprintf(" to %s-%06d", n.Series, n.Last)
		}
		out.Numbers = append(out.Numbers, text)
	}
	return out
}
