package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addCash() {
	add(s, operation(http.MethodGet, "/api/v1/cash", "Sales", "get-cash", "The cash that should be in the drawer of this till",
		`What was taken and given out in cash since the last closing of this till.`), s.getCash)
	add(s, created(operation(http.MethodPost, "/api/v1/cash/{movement}", "Sales", "move-cash", "Put cash into the drawer, or take some out",
		`Books a receipt with one line and one payment in cash, under the next number of this till. in: other income; out: a petty expense;
drop: to the bank, a safe or another till; pickup: from there; float: in the drawer when a period begins; private-in and private-out: money
of the owner; wages. The amount is always above zero: the movement says which way it goes.`)), s.moveCash)
}

// drawer is the cash that should be in the drawer.
type drawer struct {
	Series     string          `json:"series" example:"K2" doc:"Series of this till"`
	From       int64           `json:"from" doc:"First number since the last closing"`
	To         int64           `json:"to" doc:"Last number; one below from if there is none"`
	Began      string          `json:"began" doc:"When the first of them was closed, RFC 3339; empty if there is none"`
	Currency   string          `json:"currency" example:"EUR"`
	Expected   int64           `json:"expected" doc:"Cash in the own currency, minor units"`
	Currencies []currencyInAll `json:"currencies" nullable:"false" doc:"Cash by currency, the own one too"`
}

// currencyInAll is the cash of one currency.
type currencyInAll struct {
	Currency string `json:"currency" example:"CHF"`
	Amount   int64  `json:"amount" doc:"Minor units of that currency"`
}

func (s *server) getCash(ctx context.Context, _ *struct{}) (drawer, error) {
	d, err := s.till.Drawer(ctx)
	if err != nil {
		return drawer{}, err
	}
	out := drawer{Series: d.Series, From: d.From, To: d.To, Began: d.Began, Currency: d.Currency, Expected: int64(d.Expected), Currencies: []currencyInAll{}}
	for _, c := range d.Currencies {
		out.Currencies = append(out.Currencies, currencyInAll{c.Currency, int64(c.Amount)})
	}
	return out, nil
}

type moveCashIn struct {
	Movement string `path:"movement" enum:"in,out,drop,pickup,float,private-in,private-out,wages" doc:"What is done" example:"drop"`
	Body     cashMove
}

// cashMove is cash to be moved.
type cashMove struct {
	Amount int64  `json:"amount" minimum:"1" maximum:"9007199254740991" doc:"Minor units" example:"20000"`
	Text   string `json:"text,omitempty" maxLength:"200" doc:"Printed as the line; left out: the name of the business case" example:"Wechselgeld"`
	Reason string `json:"reason,omitempty" maxLength:"200" doc:"Why" example:"Bank"`
	User   string `json:"user,omitempty" maxLength:"200" doc:"Who does it" example:"Anna"`
}

func (s *server) moveCash(ctx context.Context, in *moveCashIn) (closedReceipt, error) {
	amount, err := checkAmount("body.amount", in.Body.Amount)
	if err != nil {
		return closedReceipt{}, err
	}
	return s.written(s.till.MoveCash(ctx, node.CashMove{What: in.Movement, Amount: amount, Text: in.Body.Text, Reason: in.Body.Reason, User: in.Body.User}))
}

// written shows a receipt that was written, or why not.
func (s *server) written(r node.Receipt, err error) (closedReceipt, error) {
	if err != nil {
		return closedReceipt{}, err
	}
	return s.showReceipt(r), nil
}

// foreignCash is what was handed over in another currency.
type foreignCash struct {
	Currency string `json:"currency" pattern:"^[A-Z]{3}$" patternDescription:"three capital letters" example:"CHF"`
	Amount   int64  `json:"amount" minimum:"-9007199254740991" maximum:"9007199254740991" doc:"Minor units of that currency" example:"2000"`
}

func (f *foreignCash) document(field string) (*receipt.DocForeign, error) {
	if f == nil {
		return nil, nil
	}
	amount, err := checkAmount(field+"amount", f.Amount)
	return &receipt.DocForeign{Currency: f.Currency, Amount: amount}, err
}
