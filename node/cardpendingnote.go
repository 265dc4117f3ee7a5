package node

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// backNote is how the notes begin that keep what is to be written when the terminal has given money back: then the receipt that
// is taken back. The value is pendingBack as JSON.
const backNote = "payback/"

const backVersion = 1

// pendingBack is how a receipt is taken back once the terminal has given its money back: what somebody asked for, as they did.
// It is never replicated; a till that dies meanwhile goes on with it.
type pendingBack struct {
	Version  int           `json:"v"`
	Asked    string        `json:"asked"` // the payment that the terminal was asked for last
	Case     string        `json:"case,omitempty"`
	Primary  string        `json:"primary,omitempty"` // of a case: the receipt that stays
	Whole    bool          `json:"whole,omitempty"`
	Lines    []pendingLine `json:"lines,omitempty"`
	Payments []pendingPaid `json:"payments,omitempty"`
	InCash   bool          `json:"in_cash,omitempty"`
	User     string        `json:"user,omitempty"`
	Reason   string        `json:"reason,omitempty"`
	Key      string        `json:"key,omitempty"` // of the request
	Hash     []byte        `json:"hash,omitempty"`
}

// pendingLine is a line that is taken back, or a part of it.
type pendingLine struct {
	Line     string           `json:"line"`
	Quantity receipt.Quantity `json:"quantity,omitempty"`
}

// pendingPaid is how a part of the money goes back, as somebody chose.
type pendingPaid struct {
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type"`
	Name     string         `json:"name,omitempty"`
	User     string         `json:"user,omitempty"`
	Amount   receipt.Amount `json:"amount"`
	Tendered receipt.Amount `json:"tendered,omitempty"`
	Terminal bool           `json:"terminal,omitempty"`
	Currency string         `json:"currency,omitempty"` // of Foreign
	Foreign  receipt.Amount `json:"foreign,omitempty"`
}

func pendingPayments(list []NewPayment) (out []pendingPaid) {
	for _, n := range list {
		p := pendingPaid{Type: n.Type, Name: n.Name, User: n.User, Amount: n.Amount, Tendered: n.Tendered, Terminal: n.Terminal}
		if !n.ID.IsZero() {
			p.ID = n.ID.String()
		}
		if n.Foreign != nil {
			p.Currency, p.Foreign = n.Foreign.Currency, n.Foreign.Amount
		}
		out = append(out, p)
	}
	return out
}

// chosen returns how the money goes back as somebody chose it.
func (p pendingBack) chosen() (out []NewPayment, err error) {
	for _, x := range p.Payments {
		n := NewPayment{Type: x.Type, Name: x.Name, User: x.User, Amount: x.Amount, Tendered: x.Tendered, Terminal: x.Terminal}
		if x.ID != "" {
			if n.ID, err = crdt.ParseObjectID(x.ID); err != nil {
				return nil, fmt.Errorf("note of money that goes back: %w", err)
			}
		}
		if x.Currency != "" {
			n.Foreign = &receipt.DocForeign{Currency: x.Currency, Amount: x.Foreign}
		}
		out = append(out, n)
	}
	return out, nil
}

func pendingCorrection(c Correction, whole bool) pendingBack {
	p := pendingBack{Whole: whole, Payments: pendingPayments(c.Payments), InCash: c.InCash, User: c.User, Reason: c.Reason}
	for _, l := range c.Lines {
		p.Lines = append(p.Lines, pendingLine{l.Line.String(), l.Quantity})
	}
	return p
}

func pendingDecision(id crdt.ObjectID, d Decision) pendingBack {
	p := pendingBack{Case: id.String(), Payments: pendingPayments(d.Payments), User: d.User, Reason: d.Reason}
	if !d.Primary.IsZero() {
		p.Primary = d.Primary.String()
	}
	return p
}

// under notes which request asked for it.
func (p pendingBack) under(ctx context.Context) pendingBack {
	if r, ok := ctx.Value(requestKey{}).(request); ok {
		p.Key, p.Hash = r.key, r.hash[:]
	}
	return p
}

func (p pendingBack) note(of crdt.ObjectID) (replication.Note, error) {
	p.Version = backVersion
	b, err := json.Marshal(p)
	if err != nil {
		return replication.Note{}, fmt.Errorf("note what is to be written for receipt %v: %w", of, err)
	}
	return replication.Note{Key: backNote + of.String(), Value: b}, nil
}

// readPending reads a note: the receipt that is taken back, and how.
func readPending(n replication.Note) (of, asked crdt.ObjectID, p pendingBack, err error) {
	if err = json.Unmarshal(n.Value, &p); err == nil && p.Version != backVersion {
		err = fmt.Errorf("version %d: %w", p.Version, crdt.ErrUpdateNeeded)
	}
	if err == nil {
		of, err = crdt.ParseObjectID(strings.TrimPrefix(n.Key, backNote))
	}
	if err == nil {
		asked, err = crdt.ParseObjectID(p.Asked)
	}
	if err != nil {
		err = fmt.Errorf("note of money that goes back: %w", err)
	}
	return of, asked, p, err
}
