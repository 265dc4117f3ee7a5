package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/book"
)

// maxClosingTabs is how many open tabs a closing lists.
const maxClosingTabs = 2000

// ownTabs returns the open tabs that this till holds, the oldest first.
func (t *Till) ownTabs(context.Context) (out []book.Summary) {
	for _, s := range t.book.Tabs() {
		if s.State == book.StateOpen && s.Holder.Till == t.id.Till {
			out = append(out, s)
		}
	}
	return out
}

// decideTabs does what was decided about the open tabs of this till, and returns what the closing says of them. It refuses
// if nobody decided about one.
func (t *Till) decideTabs(ctx context.Context, n NewClosing) ([]receipt.ZTab, error) {
	own := t.ownTabs(ctx)
	var forgotten []string
	for _, s := range own {
		if !n.KeepTabs && !slices.ContainsFunc(n.Tabs, func(d ClosingTab) bool { return d.ID == s.ID }) {
			forgotten = append(forgotten, fmt.Sprintf("%s (%d)", or(s.Name, s.ID.String()), s.Total))
		}
	}
	switch {
	case len(forgotten) > 0:
		text := strings.Join(forgotten[:min(len(forgotten), 10)], ", ")
		return nil, refuse(CodeOpenTabs, "say for each of them whether it stays open, goes to another till or was settled, or keep them all",
			"%d tabs are open at this till: %s", len(forgotten), text)
	case len(own) > maxClosingTabs:
		return nil, refuse(CodeTooManyLines, "settle some of them or give them to another till", "%d tabs are open, a closing lists at most %d", len(own), maxClosingTabs)
	}
	var out []receipt.ZTab
	for _, d := range n.Tabs {
		tab, err := t.decideTab(ctx, d, n.User)
		if err != nil {
			return nil, err
		}
		out = append(out, tab)
	}
	for _, s := range own {
		if !slices.ContainsFunc(n.Tabs, func(d ClosingTab) bool { return d.ID == s.ID }) {
			out = append(out, receipt.ZTab{ID: s.ID, Name: s.Name, Gross: s.Total, Lines: int64(s.Lines), What: receipt.TabKept})
		}
	}
	return out, nil
}

func (t *Till) decideTab(ctx context.Context, d ClosingTab, user string) (receipt.ZTab, error) {
	out := receipt.ZTab{ID: d.ID, What: d.What}
	if d.What == receipt.TabSettled {
		by, err := t.closedBy(ctx, d.ID)
		if err == nil && by == "" {
			err = refuse(CodeOpenTabs, "close it first, or keep it open", "tab %v is not settled", d.ID)
		}
		if err != nil {
			return out, err
		}
		if r, err := t.Receipt(ctx, by); err == nil {
			out.Gross, out.Lines = r.Parsed.Totals.Gross, int64(len(r.Parsed.Lines))
		} else if !errors.Is(err, ErrNotFound) {
			return out, err
		}
		return out, nil
	}
	v, err := t.openTab(ctx, d.ID)
	if err != nil {
		return out, err
	}
	out.Name, out.Gross, out.Lines = v.Head.Name, v.Totals.Gross, int64(len(v.Lines))
	switch d.What {
	case receipt.TabKept:
	case receipt.TabHanded:
		if to, ok := t.roster.till(d.To); !ok || to.State != shop.Active || d.To == t.id.Till {
			return out, refuse(CodeNoTill, `see the tills of the shop with "till mesh"`, "tab %v cannot go to till %v: it is this one, or none that is in use", d.ID, d.To)
		}
		if _, err := t.TransferTab(ctx, d.ID, Transfer{Till: d.To, User: v.Holder.User, By: user, Force: true}); err != nil {
			return out, err
		}
		out.To = d.To
	default:
		return out, refuse(CodeText, "kept, handed and settled are known", "nobody knows what it means that a tab is %.40q", d.What)
	}
	return out, nil
}

// closingWarnings says what a person should know about a closing.
func (t *Till) closingWarnings(ctx context.Context, z *receipt.ZReport) (out []ClosingWarning, err error) {
	warn := func(code, format string, args ...any) {
		out = append(out, ClosingWarning{code, fmt.Sprintf(format, args...)})
	}
	if !z.ClockTrusted {
		warn(WarnClock, "the clock of this till is not to be trusted, so the times of this closing may be wrong")
	}
	if n := z.Sums.Counts.Unsigned; n > 0 {
		warn(WarnUnsigned, "the signing device did not answer for %d of the receipts", n)
	}
	cases, err := t.Cases(ctx)
	if err != nil {
		return nil, err
	}
	if len(cases) > 0 {
		warn(WarnCases, "people have to decide about %d cases", len(cases))
	}
	for _, c := range z.Sums.Currencies {
		if c.Currency != z.Currency && c.Amount != 0 {
			warn(WarnForeign, "%d %s (minor units) were taken in cash; foreign money is not carried over: take it out of the drawer", c.Amount, c.Currency)
		}
	}
	if z.Cash.Counted == nil {
		warn(WarnUncounted, "nobody counted the drawer; %d are expected in it", z.Cash.Expected)
		if z.Cash.Expected < 0 {
			warn(WarnNegative, "%d are expected in the drawer: was money put in that nobody booked?", z.Cash.Expected)
		}
	}
	former, err := t.formerSeries(ctx)
	for _, text := range former {
		warn(WarnFormer, "%s", text)
	}
	return out, err
}

// formerSeries says which receipts of former number series of this till are in no closing.
func (t *Till) formerSeries(ctx context.Context) (out []string, err error) {
	for _, key := range t.allSeries() {
		if key.till != t.id.Till || key.series == t.series.Prefix() {
			continue
		}
		last, err := t.lastNumber(ctx, key)
		if err != nil {
			return nil, err
		}
		closed, err := t.lastClosing(ctx, key)
		if err != nil {
			return nil, err
		}
		from := int64(1)
		if closed != nil {
			from = closed.Report.To + 1
		}
		if int64(last) >= from {
			out = append(out, fmt.Sprintf("receipts %s to %s are in no closing: make one for the series %s", receipt.NumberText(key.series, from),
				receipt.NumberText(key.series, int64(last)), key.series))
		}
	}
	return out, nil
}
