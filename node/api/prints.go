package api

import (
	"context"
	"net/http"

	"github.com/tillmesh/tillmesh/node"
)

func (s *server) addPrints() {
	add(s, operation(http.MethodPost, "/api/v1/receipts/{id}/print", "Sales", "print-receipt", "Note that a receipt is being printed",
		`Whoever prints says "intended" before it sends a receipt to the printer, prints mark on it if there is one, and says "done"
when the printer took it. Then nothing is printed twice without a mark, whatever crashes: every print but the first one of a
receipt that this till closed is a copy. "intended" is refused while the receipt is on too few tills. "dropped": nobody wants it
any more. Kept at this till for 30 days after the last print; after that a receipt is printed as a copy only.`), s.printReceipt)
	add(s, operation(http.MethodGet, "/api/v1/prints", "Sales", "list-prints", "List what was to be printed and is not done",
		`After a crash these may lack their paper. They are offered as copies, since nobody knows.`), s.listPrints)
}

type printIn struct {
	ID   string `path:"id" minLength:"1" maxLength:"60" doc:"ID, or number such as K2-000418" example:"K2-000418"`
	Body printing
}

// printing says what happens to a print.
type printing struct {
	State   string `json:"state" enum:"intended,done,dropped" doc:"What is said of it"`
	Printer string `json:"printer,omitempty" maxLength:"200" doc:"intended: name of the printer" example:"Theke"`
}

// printState is how printing a receipt stands at this till.
type printState struct {
	Receipt    string `json:"receipt" doc:"ID"`
	Number     string `json:"number" example:"K2-000418"`
	State      string `json:"state" enum:"intended,done,dropped" doc:"Of the last print"`
	Printer    string `json:"printer"`
	Count      int    `json:"count" doc:"How often it was intended"`
	Printed    int    `json:"printed" doc:"How often it was printed for certain"`
	IntendedAt string `json:"intended_at" doc:"The last time, RFC 3339"`
	PrintedAt  string `json:"printed_at" doc:"The last time, RFC 3339; empty: never"`
	Copy       bool   `json:"copy" doc:"What is being printed, or would be next, is a copy"`
	Mark       string `json:"mark" doc:"What has to stand on it; empty on the first print" example:"Kopie 1"`
}

func showPrint(p node.PrintState) printState {
	out := printState{
		Receipt: p.Receipt.String(), Number: p.Number, State: "dropped", Printer: p.Printer, Count: p.Count, Printed: p.Done,
		IntendedAt: instantMS(p.Intended), PrintedAt: instantMS(p.Printed), Copy: p.Copy, Mark: p.Mark,
	}
	switch {
	case p.Open:
		out.State = "intended"
	case p.Printed >= p.Intended && p.Done > 0:
		out.State = "done"
	}
	return out
}

func (s *server) printReceipt(ctx context.Context, in *printIn) (printState, error) {
	var p node.PrintState
	var err error
	switch in.Body.State {
	case "intended":
		p, err = s.till.IntendPrint(ctx, in.ID, in.Body.Printer)
	case "done":
		p, err = s.till.PrintDone(ctx, in.ID)
	default:
		p, err = s.till.DropPrint(ctx, in.ID)
	}
	if err != nil {
		return printState{}, err
	}
	return showPrint(p), nil
}

// printList lists prints.
type printList struct {
	Items   []printState `json:"items" nullable:"false" doc:"The oldest first"`
	Dropped int64        `json:"dropped" doc:"Receipts that left the journal of prints because of their age"`
}

func (s *server) listPrints(ctx context.Context, _ *struct{}) (printList, error) {
	out := printList{Items: []printState{}}
	list, err := s.till.OpenPrints(ctx)
	if err != nil {
		return out, err
	}
	for _, p := range list {
		out.Items = append(out.Items, showPrint(p))
	}
	counts, err := s.till.PrintCounts(ctx)
	out.Dropped = counts.Dropped
	return out, err
}
