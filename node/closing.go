package node

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Codes of refusals of closings. They are part of the API.
const (
	CodeOpenTabs   = "open-tabs"     // nobody said what becomes of open tabs
	CodeDifference = "difference"    // the count is not what was expected, and nobody said why
	CodeSoldSince  = "sold-since"    // a receipt was closed after the drawer was counted
	CodeDrawer     = "drawer"        // what is taken out and what stays are not what is there
	CodeNoClosing  = "nothing-to-do" // a former number series that is closed to its end
	CodeAlone      = "other-tills"   // only other tills can say how far a former number series was closed
)

// Warnings about a closing.
const (
	WarnClock     = "clock"           // its time is not to be trusted
	WarnUnsigned  = "unsigned"        // a signing device did not answer for some receipts
	WarnCases     = "cases"           // people have to decide about sales
	WarnForeign   = "foreign-cash"    // foreign money in the drawer, which is not carried over
	WarnNegative  = "negative-drawer" // less than nothing should be in the drawer
	WarnUncounted = "uncounted"       // nobody counted the drawer
	WarnFormer    = "former-series"   // receipts of a former number series of this till are in no closing
	WarnDay       = "several-days"    // it covers more than one business day
	WarnResumed   = "resumed"         // it was begun before, and finished now
)

// NewClosing says how the period of this till is to be closed.
type NewClosing struct {
	User, Reason string
	Series       string // a former number series of this till; empty: the one it sells under

	Counted *receipt.Amount  // cash in the drawer; nil: nobody counted, unless Pieces say it
	Pieces  []receipt.ZPiece // coins and notes
	Why     string           // the reason for a difference
	// CountedAfter is the number of the last receipt that was closed before the drawer was counted, as the interim report says
	// it. A closing is refused if another one followed. Nil: nobody says.
	CountedAfter *int64
	Drop         *receipt.Amount // taken out, such as to the bank; nil: what Float does not leave
	Float        *receipt.Amount // stays in the drawer for the next period; nil: all that is not taken out

	Tabs     []ClosingTab
	KeepTabs bool // open tabs that Tabs does not name stay open
}

// ClosingTab says what becomes of an open tab of this till.
type ClosingTab struct {
	ID   crdt.ObjectID
	What string      // one of the receipt.Tab constants: kept, handed (it is given to To now) or settled (it must be closed by now)
	To   crdt.TillID // of a tab that is handed over
}

// KindInterim is the kind of the document of an interim report. Nobody signs or stores it.
const KindInterim = "interim"

// Interim returns what a closing of this till would say now (X), with the tabs that are open here. Nothing is stored.
func (t *Till) Interim(ctx context.Context) (Closing, error) {
	sums, err := t.openRange(ctx, t.series.Prefix())
	if err != nil {
		return Closing{}, err
	}
	head := int64(t.series.Head().Number)
	if err := sums.upTo(ctx, head); err != nil {
		return Closing{}, err
	}
	z, err := t.report(ctx, sums, head, "", "")
	if err != nil {
		return Closing{}, err
	}
	z.Version, z.Kind, z.Number, z.Previous = receipt.DocumentVersion, KindInterim, 0, receipt.Digest{}
	z.Cash = receipt.ZCash{Expected: sums.done().Drawer()}
	for _, s := range t.ownTabs(ctx) {
		z.Open = append(z.Open, receipt.ZTab{ID: s.ID, Name: s.Name, Gross: s.Total, Lines: int64(s.Lines), What: receipt.TabKept})
	}
	out := Closing{Text: z.Series + " X", Report: z, Verified: true}
	out.Warnings, err = t.closingWarnings(ctx, &z)
	out.Warnings = append(out.Warnings, sums.days()...)
	return out, err
}

// CloseTill makes the closing of this till (Z): exactly the receipts since the last one, and what becomes of the cash. No
// receipt of this till falls between its steps: others wait for a moment. A repeated request gets the closing it made.
func (t *Till) CloseTill(ctx context.Context, n NewClosing) (Closing, error) {
	if made, done, err := t.closedBefore(ctx); done || err != nil {
		return made, err
	}
	release, err := t.room.sale()
	if err != nil {
		return Closing{}, err
	}
	defer release()
	if n.Series == "" {
		n.Series = t.series.Prefix()
	}
	if err := n.check(t.series.Prefix()); err != nil {
		return Closing{}, err
	}
	if n.Series != t.series.Prefix() {
		return t.closeFormer(ctx, n)
	}
	tabs, err := t.decideTabs(ctx, n)
	if err != nil {
		return Closing{}, err
	}
	sums, err := t.openRange(ctx, n.Series)
	if err != nil {
		return Closing{}, err
	}
	sums.progress = t.tellProgress
	// Most is read before others have to wait.
	if err := sums.upTo(ctx, int64(t.series.Head().Number)); err != nil {
		return Closing{}, err
	}
	var out Closing
	err = t.series.Alone(ctx, func(ctx context.Context) error {
		resumed, err := t.resume(ctx)
		if err != nil {
			return err
		}
		made, done, err := t.closedBefore(ctx)
		if done || err != nil { // it came twice at the same time, or was begun before
			out = made
			return err
		}
		if resumed != nil {
			out = *resumed
			out.Warnings, err = t.closingWarnings(ctx, &out.Report)
			out.Warnings = append(out.Warnings, ClosingWarning{WarnResumed, "it was begun before and is finished now; nothing of this request was done"})
			return err
		}
		if now, err := t.lastClosingNumber(ctx, sums.key); err != nil || now != sums.before.Number { // another one was made meanwhile
			if err == nil {
				sums, err = t.openRange(ctx, n.Series)
			}
			if err != nil {
				return err
			}
		}
		out, err = t.closeNow(ctx, n, tabs, sums)
		return err
	})
	return out, err
}

// closeNow plans and does the steps. The series is held.
func (t *Till) closeNow(ctx context.Context, n NewClosing, tabs []receipt.ZTab, sums *rangeSums) (Closing, error) {
	head := int64(t.series.Head().Number)
	if n.CountedAfter != nil && *n.CountedAfter != head {
		return Closing{}, refuse(CodeSoldSince, "count the drawer again, or say what was in it after the last receipt",
			"the drawer was counted after receipt %s, and the last one is %s now", receipt.NumberText(n.Series, *n.CountedAfter), receipt.NumberText(n.Series, head))
	}
	if err := sums.upTo(ctx, head); err != nil {
		return Closing{}, err
	}
	p := &closingPlan{Under: t.series.Prefix(), Series: n.Series, Number: sums.before.Number + 1, Head: head, User: n.User, Reason: n.Reason, tabs: tabs}
	if r, ok := ctx.Value(requestKey{}).(request); ok {
		p.request = &r
	}
	if err := p.drawer(n, sums.done().Drawer()); err != nil {
		return Closing{}, err
	}
	if p.steps() {
		if err := t.keepPlan(ctx, p); err != nil {
			return Closing{}, err
		}
	}
	return t.runPlan(ctx, p, sums)
}

// check refuses a request that is wrong whatever the till holds.
func (n *NewClosing) check(series string) error {
	if len(n.Pieces) > 0 {
		sum, err := receipt.CountPieces(n.Pieces)
		switch {
		case err != nil:
			return refuse(CodeAmount, "name every coin and note once, with its value in minor units and how many there are", "%v", err)
		case n.Counted != nil && *n.Counted != sum:
			return refuse(CodeAmount, "send one of them", "the coins and notes come to %d, and %d were counted", sum, *n.Counted)
		}
		n.Counted = &sum
	}
	for _, a := range []*receipt.Amount{n.Counted, n.Drop, n.Float} {
		if a != nil && (*a < 0 || *a > receipt.MaxAmount) {
			return refuse(CodeAmount, "send an amount that is not below zero", "an amount of %d", *a)
		}
	}
	if n.Series != series && (n.Counted != nil || n.Drop != nil || n.Float != nil || n.CountedAfter != nil || len(n.Tabs) > 0) {
		return refuse(CodeDrawer, "count the drawer when this till makes its own closing", "%s is a former number series: it has no drawer any more", n.Series)
	}
	n.Why, n.Reason = strings.TrimSpace(n.Why), strings.TrimSpace(n.Reason)
	return nil
}

// drawer decides what becomes of the cash.
func (p *closingPlan) drawer(n NewClosing, expected receipt.Amount) error {
	stays := expected
	p.Cash = planCash{Expected: int64(expected)}
	if n.Counted != nil {
		stays = *n.Counted
		counted := int64(stays)
		p.Cash.Counted, p.Cash.Difference = &counted, int64(stays-expected)
		for _, x := range n.Pieces {
			if x.Count > 0 {
				p.Cash.Pieces = append(p.Cash.Pieces, [2]int64{int64(x.Value), x.Count})
			}
		}
		if p.Cash.Difference != 0 && n.Why == "" {
			return refuse(CodeDifference, "count again, or send the reason for the difference", "%d are in the drawer and %d were expected: the difference is %d",
				stays, expected, stays-expected)
		}
		if p.Cash.Difference != 0 {
			p.Cash.Reason = n.Why
		}
	}
	var drop receipt.Amount
	switch {
	case n.Drop != nil && n.Float != nil && *n.Drop+*n.Float != stays:
		return refuse(CodeDrawer, "leave one of them out", "%d are taken out and %d stay, but %d are in the drawer", *n.Drop, *n.Float, stays)
	case n.Drop != nil:
		drop = *n.Drop
	case n.Float != nil:
		drop = stays - *n.Float
	}
	if drop < 0 || drop > max(stays, 0) {
		return refuse(CodeDrawer, "take out less, or book first what was put in with POST /api/v1/cash/in", "%d cannot be taken out so that %d stay: %d are in the drawer",
			drop, stays-drop, stays)
	}
	p.Cash.Dropped, p.Float = int64(drop), max(int64(stays-drop), 0)
	return nil
}

// runPlan does the steps of a plan that were not done yet, up to its closing, and ends it. The series is held.
func (t *Till) runPlan(ctx context.Context, p *closingPlan, sums *rangeSums) (Closing, error) {
	ctx = context.WithValue(ctx, requestKey{}, nil)
	moves := []struct {
		step string
		move CashMove
	}{
		{stepDifference, CashMove{What: CashDifference, Amount: receipt.Amount(p.Cash.Difference), Reason: p.Cash.Reason, User: p.User}},
		{stepDrop, CashMove{What: CashDrop, Amount: receipt.Amount(p.Cash.Dropped), Reason: p.Reason, User: p.User}},
	}
	for _, m := range moves {
		if err := t.bookStep(ctx, p, m.step, m.move); err != nil {
			return Closing{}, err
		}
	}
	to, err := t.lastNumber(ctx, sums.key)
	if err != nil {
		return Closing{}, err
	}
	if err := sums.upTo(ctx, int64(to)); err != nil {
		return Closing{}, err
	}
	z, err := t.report(ctx, sums, int64(to), p.User, p.Reason)
	if err != nil {
		return Closing{}, err
	}
	z.Number, z.Cash, z.Open = p.Number, p.zcash(), p.tabs
	if err := t.signClosing(ctx, &z); err != nil {
		return Closing{}, err
	}
	made, err := receipt.BuildZ(z, func(document []byte) (receipt.Signed, error) { return receipt.Sign(t.key, document) })
	if err != nil {
		return Closing{}, err
	}
	change := t.change(crdt.Sales, receipt.Schema, []crdt.Piece{made.Piece})
	change.Urgent = true
	if p.request != nil {
		change.Notes = t.actNotes(ForRequest(ctx, p.request.key, p.request.hash), made.ID)
	}
	if p.Float == 0 {
		change.Notes = append(change.Notes, noPlan)
	}
	// The outcome decides which number is next, so it is waited for even if the caller no longer does.
	commit, err := t.save(context.WithoutCancel(ctx), change)
	if err != nil {
		return Closing{}, fmt.Errorf("closing %s was not saved: %w", receipt.ZText(z.Series, z.Number), err)
	}
	out := Closing{ID: made.ID, Text: receipt.ZText(z.Series, z.Number), Report: made.Report, Item: made.Item, Hash: made.Hash, Verified: true,
		Copies: t.holders(commit.Dot)}
	if err := t.endPlan(ctx, p); err != nil {
		// The closing stands; what stays in the drawer is booked later.
		t.log.Warn("what stays in the drawer was not booked yet", "closing", out.Text, "error", err)
	}
	out.Warnings, err = t.closingWarnings(ctx, &out.Report)
	out.Warnings = append(out.Warnings, sums.days()...)
	return out, err
}

// endPlan books what stays in the drawer. With its receipt the plan is over.
func (t *Till) endPlan(ctx context.Context, p *closingPlan) error {
	if p.Float == 0 {
		return nil // it was over with the closing
	}
	move := CashMove{What: CashFloat, Amount: receipt.Amount(p.Float), Reason: receipt.ZText(p.Series, p.Number), User: p.User}
	_, err := t.MoveCash(context.WithValue(ctx, requestKey{}, noPlan), move)
	return err
}

// report is what a closing says of a range; the caller adds number, cash and tabs.
func (t *Till) report(ctx context.Context, sums *rangeSums, to int64, user, reason string) (receipt.ZReport, error) {
	now, trusted := t.clock.Read()
	day, settings, err := t.today(ctx, now)
	if err != nil {
		return receipt.ZReport{}, err
	}
	local, err := t.local(settings, now)
	if err != nil {
		return receipt.ZReport{}, err
	}
	s := sums.done()
	return receipt.ZReport{
		Shop: docShop(t.id.Shop, settings), Till: receipt.DocTill{ID: t.id.Till, Name: t.roster.name(t.id.Till), Serial: t.id.Till.String(), Software: software(t.version)},
		Replica: t.id.Replica, Series: sums.key.series, Number: sums.before.Number + 1, Previous: sums.previous, Currency: sums.currency,
		Closed: notBefore(local.Format(time.RFC3339), sums.closed), BusinessDay: or(sums.day, day), ClockTrusted: trusted, User: user, Reason: reason,
		From: sums.from, To: to, Began: s.Began(), Hash: s.Hash(), Last: sums.last, Sums: s.Totals(),
	}, nil
}

// notBefore returns the later of two times: the clock may have been set back since the last receipt.
func notBefore(now, last string) string {
	a, errA := time.Parse(time.RFC3339, now)
	b, errB := time.Parse(time.RFC3339, last)
	if errA == nil && errB == nil && b.After(a) {
		return last
	}
	return now
}

// closedBefore returns the closing that a repeated request made before, if it did. One whose closing was given up after a part
// of it was booked is refused.
func (t *Till) closedBefore(ctx context.Context) (c Closing, done bool, err error) {
	id, done, err := t.acted(ctx)
	switch {
	case err != nil || !done:
		return c, false, err
	case id.IsZero():
		return c, true, refuse(CodeSoldSince, "count the drawer again, and make the closing anew", "this closing was begun, and given up because something else came before its end")
	}
	if c, err = t.heldClosing(ctx, id); err == nil {
		c.Warnings, err = t.closingWarnings(ctx, &c.Report)
	}
	return c, true, err
}

func (t *Till) tellProgress(done, of int64) {
	t.events.post(Event{What: "closing", Change: "progress", Number: fmt.Sprintf("%d of %d", done, of), Till: t.id.Till.String()})
}

// closeFormer closes a former number series of this till to its end. What it left in the drawer is booked as a float of the
// present one.
func (t *Till) closeFormer(ctx context.Context, n NewClosing) (Closing, error) {
	key := seriesKey{t.id.Till, n.Series}
	if !slices.Contains(t.allSeries(), key) {
		return Closing{}, refuse(CodeNoClosing, `see the closings with "till closings"`, "this till never sold under %.40q", n.Series)
	}
	if len(t.roster.activeTills()) > 1 && !t.Compared() {
		return Closing{}, refuse(CodeAlone, "connect another till first", "only another till can say how far %s was closed", n.Series)
	}
	var out Closing
	err := t.series.Alone(ctx, func(ctx context.Context) error {
		resumed, err := t.resume(ctx)
		if err != nil {
			return err
		}
		made, done, err := t.closedBefore(ctx)
		if done || err != nil {
			out = made
			return err
		}
		if resumed != nil && resumed.Report.Series == n.Series {
			out = *resumed
			return nil
		}
		sums, err := t.openRange(ctx, n.Series)
		if err != nil {
			return err
		}
		sums.progress = t.tellProgress
		to, err := t.lastNumber(ctx, key)
		if err != nil {
			return err
		}
		if int64(to) < sums.from {
			return refuse(CodeNoClosing, `see the closings with "till closings"`, "every receipt of %s is in a closing", n.Series)
		}
		if err := sums.upTo(ctx, int64(to)); err != nil {
			return err
		}
		expected := sums.done().Drawer()
		p := &closingPlan{Under: t.series.Prefix(), Series: n.Series, Number: sums.before.Number + 1, User: n.User, Reason: n.Reason,
			Cash: planCash{Expected: int64(expected)}, Float: max(int64(expected), 0)}
		if r, ok := ctx.Value(requestKey{}).(request); ok {
			p.request = &r
		}
		if p.steps() {
			if err := t.keepPlan(ctx, p); err != nil {
				return err
			}
		}
		out, err = t.runPlan(ctx, p, sums)
		return err
	})
	return out, err
}
