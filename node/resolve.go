package node

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication"
)

// What may be decided about a case.
const (
	DecideAccept  = "accept"  // write what is drafted
	DecideKeep    = "keep"    // all receipts were meant as they are
	DecideDismiss = "dismiss" // nothing is to be done; lines that came after their tab was closed are given up
)

// More codes of refusals about cases. They are part of the API: append, never change.
const (
	CodeNoReceipt = "unknown-receipt"  // of a case, not here yet
	CodeResolved  = "already-resolved" // somebody decided already
	CodeDecision  = "decision"         // not possible for this case
	CodeReason    = "reason-missing"
)

// Decision says what is decided about a case.
type Decision struct {
	What     string        // one of the Decide constants
	Primary  crdt.ObjectID // of a tab that was settled twice: the receipt that stays; zero: the first of the case
	Payments []NewPayment  // accept: how the money goes back, if not as drafted
	User     string        // required
	Reason   string        // required, but to accept
}

// decided are the words that are written down for a decision, and which may be taken for which case.
var decided = map[book.CaseKind]map[string]string{
	book.CaseDouble:       {DecideAccept: "cancelled", DecideKeep: "kept"},
	book.CaseDoubleRefund: {DecideAccept: "corrected", DecideKeep: "kept"},
	book.CaseLateVoid:     {DecideAccept: "refunded", DecideDismiss: "dismissed"},
	book.CaseLateDiscount: {DecideDismiss: "dismissed"},
	book.CaseContinuation: {DecideDismiss: "given-up"},
	book.CaseOrphan:       {DecideDismiss: "dismissed"},
	book.CaseUnreadable:   {DecideDismiss: "dismissed"},
}

// otherWays say what else can be done about a case that cannot be accepted.
var otherWays = map[book.CaseKind]string{
	book.CaseContinuation: "close the lines as a tab of their own or move them to another one; dismiss gives them up",
	book.CaseLateDiscount: "refund what the discount is worth, or dismiss it",
	book.CaseOrphan:       "enter it for another tab or pay it back; dismiss only says that somebody looked after it",
	book.CaseUnknown:      "the till that took it asks its terminal until it knows; if nobody can any more, say what happened with \"till payments decide\"",
	book.CaseUnreadable:   "update this till, or dismiss it",
}

// Resolve decides a case, at any till. What it makes is in one commit with the decision, except that of several receipts only
// the last one is: if the till dies between them, accepting again goes on where it was. It returns the case and the receipts that were written.
func (t *Till) Resolve(ctx context.Context, id crdt.ObjectID, d Decision) (Case, []Receipt, error) {
	if _, done, err := t.acted(ctx); err != nil {
		return Case{}, nil, err
	} else if done {
		return t.resolved(ctx, id)
	}
	d.User, d.Reason = strings.TrimSpace(d.User), strings.TrimSpace(d.Reason)
	c, err := t.openCase(ctx, id)
	if err != nil {
		return Case{}, nil, err
	}
	word, err := d.check(c)
	if err != nil {
		return Case{}, nil, err
	}
	locks := append([]crdt.ObjectID{id}, c.Receipts...)
	if !c.Tab.IsZero() {
		locks = append(locks, c.Tab)
	}
	defer t.tabs.own(locks...)()
	if c, err = t.openCase(ctx, id); err != nil { // somebody may have been faster
		return Case{}, nil, err
	}
	res := receipt.Resolution{Case: id, Kind: string(c.Kind), Decision: word, Receipts: c.Receipts, Reason: d.Reason, Till: t.id.Till, User: d.User, MS: t.clock.MS()}
	switch {
	case c.Kind == book.CaseContinuation:
		err = t.giveUp(ctx, c.Tab, res)
	case d.What == DecideAccept:
		err = t.accept(ctx, c, d, res)
	default:
		err = t.writeDecision(ctx, res)
	}
	if err != nil {
		return Case{}, nil, err
	}
	return t.resolved(ctx, id)
}

// check refuses decisions that are none, and returns the word for the others.
func (d *Decision) check(c book.Case) (word string, err error) {
	word, possible := decided[c.Kind][d.What]
	switch {
	case !possible && d.What == DecideAccept:
		return "", refuse(CodeDecision, otherWays[c.Kind], "there is nothing to accept in this case")
	case !possible:
		return "", refuse(CodeDecision, "accept, keep and dismiss are known, and not all of them for all cases", "%.40q cannot be decided about this case", d.What)
	case d.User == "":
		return "", refuse(CodeNoUser, "say who decides", "nobody was named who decides")
	case d.Reason == "" && d.What != DecideAccept:
		return "", refuse(CodeReason, "say why", "no reason was given")
	case !d.Primary.IsZero() && c.Kind != book.CaseDouble:
		return "", refuse(CodeDecision, "leave the receipt out", "a receipt is chosen only where a tab was settled twice")
	}
	return word, nil
}

// openCase returns a case that nobody decided.
func (t *Till) openCase(ctx context.Context, id crdt.ObjectID) (book.Case, error) {
	before, err := t.decisionsAbout(ctx, id)
	if err != nil {
		return book.Case{}, err
	}
	if len(before) > 0 {
		b := before[0]
		r := refuse(CodeResolved, "look at it with GET /api/v1/cases/{id}", "%s decided this case at %s, %s: %s", or(b.User, "somebody"),
			t.roster.name(b.Till), time.UnixMilli(b.MS).UTC().Format(time.RFC3339), b.Decision)
		r.Ref = b.Decision
		return book.Case{}, r
	}
	all, err := t.allCases(ctx)
	if err != nil {
		return book.Case{}, err
	}
	i := slices.IndexFunc(all, func(c book.Case) bool { return c.ID() == id })
	if i < 0 {
		return book.Case{}, refuse(CodeNoCase, "list them with GET /api/v1/cases: what it was about may have changed", "there is no case %v", id)
	}
	return all[i], nil
}

// accept writes the drafted receipts. The decision goes with the last one, and stands alone if there is none.
func (t *Till) accept(ctx context.Context, c book.Case, d Decision, res receipt.Resolution) error {
	head, err := t.head(ctx, d.User, d.Reason)
	if err != nil {
		return err
	}
	p, err := t.plan(ctx, c, d.Primary, &head)
	if err != nil {
		return err
	}
	if len(d.Payments) > 0 && len(p.drafts) != 1 {
		return refuse(CodeDecision, "leave the payments out", "%d receipts are written, so payments cannot be chosen for one", len(p.drafts))
	}
	res.Receipts = p.left
	for i, x := range p.drafts {
		if len(d.Payments) > 0 {
			if x.payments, err = x.paidAs(d.Payments); err != nil {
				return err
			}
		}
		if err := t.askBacks(ctx, &x, d.User, pendingDecision(res.Case, d).under(ctx)); err != nil {
			return err
		}
		if i == len(p.drafts)-1 {
			_, err = t.takeBack(ctx, head, x, func(by crdt.ObjectID) ([]crdt.Piece, error) {
				last := res
				last.Done = append(slices.Clone(res.Done), by)
				return decisionPieces(last)
			})
			return err
		}
		r, err := t.takeBack(context.WithValue(ctx, requestKey{}, nil), head, x, nil)
		if err != nil {
			return err
		}
		res.Done = append(res.Done, r.ID)
	}
	return t.writeDecision(ctx, res)
}

// giveUp gives up lines that came after their tab was closed.
func (t *Till) giveUp(ctx context.Context, tab crdt.ObjectID, res receipt.Resolution) error {
	release, err := t.room.sale()
	if err != nil {
		return err
	}
	defer release()
	_, err = t.abandon(ctx, tab, res.User, res.Reason, func(aborted receipt.Closed) ([]crdt.Piece, error) {
		last := res
		last.Done = []crdt.ObjectID{aborted.ID}
		return decisionPieces(last)
	})
	return err
}

func decisionPieces(res receipt.Resolution) ([]crdt.Piece, error) {
	pieces, err := receipt.NewResolution(res)
	if err != nil {
		return nil, refuseInvalid(err)
	}
	return pieces, nil
}

// writeDecision writes a decision that makes no receipt.
func (t *Till) writeDecision(ctx context.Context, res receipt.Resolution) error {
	pieces, err := decisionPieces(res)
	if err != nil {
		return err
	}
	if err := t.room.change(); err != nil {
		return err
	}
	change := t.change(crdt.Sales, receipt.Schema, pieces)
	change.Urgent, change.Notes = true, t.decisionNotes(ctx, res)
	_, err = t.save(ctx, change)
	return err
}

func (t *Till) decisionNotes(ctx context.Context, res receipt.Resolution) []replication.Note {
	return t.actNotes(ctx, receipt.ResolutionID(res.Case, res.Till, res.MS))
}

// resolved returns a case that was decided, with the receipts that the decision wrote.
func (t *Till) resolved(ctx context.Context, id crdt.ObjectID) (Case, []Receipt, error) {
	c, err := t.Case(ctx, id)
	if err != nil || len(c.Decided) == 0 {
		return c, nil, err
	}
	var list []Receipt
	for _, done := range c.Decided[0].Done {
		r, err := t.receipt(ctx, done)
		if err != nil {
			return c, nil, err
		}
		list = append(list, r)
	}
	return c, list, nil
}
