package node

import (
	"cmp"
	"context"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/handover"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/book"
)

// MergeTab merges a tab into another open one: from then on its lines and payments are shown there. Nothing is moved, so it
// can be undone by UnmergeTab until the tab is closed. Two tills that merge two tabs into each other at the same time make
// one tab of both: the one with the lower ID.
func (t *Till) MergeTab(ctx context.Context, tab, into crdt.ObjectID) (Moved, error) {
	defer t.tabs.own(tab, into)()
	v, state, ok := t.book.Tab(tab)
	if !ok {
		return Moved{}, t.notOpen(ctx, tab)
	}
	if state != book.StateOpen {
		return Moved{}, refuse(CodeNoTab, "move its lines to another tab", "tab %v was closed: only lines of it are left", tab)
	}
	target, state, ok := t.book.Tab(into)
	switch {
	case !ok:
		return Moved{}, t.notOpen(ctx, into)
	case state != book.StateOpen:
		return Moved{}, refuse(CodeNoTab, "open a tab for it first", "tab %v is not open", into)
	case v.ID == target.ID && tab != into && t.mergedInto(ctx, tab) == target.ID:
		return t.both(ctx, tab, into) // it is merged already
	case v.ID == target.ID:
		return Moved{}, refuse(CodeSameTab, "name another tab", "both are the same tab")
	case len(v.Merged)+len(target.Merged)+2 > receipt.MaxTabs:
		return Moved{}, refuse(CodeTooManyLines, "close one of them first", "at most %d tabs go on one receipt", receipt.MaxTabs)
	case v.Head.Training != target.Head.Training:
		return Moved{}, refuse(CodeSameTab, "close them one by one", "one of the tabs is for practice, the other is not")
	}
	if err := t.mayMove(receipt.TabView{Currency: v.Currency, Payments: v.Payments}, target, nil, len(v.Lines)); err != nil {
		return Moved{}, err
	}
	// The end of the merges is what is merged on: a tab that was merged before keeps its place.
	if err := t.writeMerge(ctx, v.ID, target.ID); err != nil {
		return Moved{}, err
	}
	t.touch(into)
	return t.both(ctx, v.ID, target.ID)
}

// UnmergeTab takes a tab out of the one it was merged into, with its own lines and payments and all that was merged into it.
func (t *Till) UnmergeTab(ctx context.Context, tab crdt.ObjectID) (Moved, error) {
	defer t.tabs.own(tab)()
	v, err := t.openTab(ctx, tab)
	into := t.mergedInto(ctx, tab)
	if err != nil && into.IsZero() { // else it has no line, and what it was merged into was closed elsewhere
		return Moved{}, err
	}
	if into.IsZero() {
		return Moved{}, refuse(CodeNotMerge, "merged_from of a tab lists what was merged into it", "tab %v was not merged into another one", tab)
	}
	if err := t.noPaymentRuns(v); err != nil {
		return Moved{}, err
	}
	if err := t.writeMerge(ctx, tab, crdt.ObjectID{}); err != nil {
		return Moved{}, err
	}
	t.touch(tab)
	if v.ID.IsZero() {
		v.ID = into
	}
	return t.both(ctx, v.ID, tab)
}

func (t *Till) writeMerge(ctx context.Context, tab, into crdt.ObjectID) error {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil {
		return err
	}
	pieces, err := receipt.EditTab(tab, obj, receipt.TabEdit{Merge: &receipt.Merge{Into: into}, Resolve: []string{receipt.RegisterMerge}})
	if err != nil {
		return refuseInvalid(err)
	}
	if err := t.room.change(); err != nil {
		return err
	}
	return t.commit(ctx, crdt.Sales, receipt.Schema, pieces)
}

// mergedInto returns the tab that a tab was merged into, zero if none.
func (t *Till) mergedInto(ctx context.Context, tab crdt.ObjectID) crdt.ObjectID {
	obj, err := t.store.Object(ctx, salesKey(receipt.TypeTab, tab))
	if err != nil {
		return crdt.ObjectID{}
	}
	into, _ := receipt.MergedInto(obj)
	return into
}

func (t *Till) both(ctx context.Context, from, to crdt.ObjectID) (out Moved, err error) {
	if out.From, err = t.Tab(ctx, from); err == nil {
		out.To, err = t.Tab(ctx, to)
	}
	return out, err
}

// Transfer says to whom a tab goes.
type Transfer struct {
	Till  crdt.TillID // zero: this one
	User  string      // who goes on with it
	By    string      // who says so
	Force bool        // take it from somebody who works on it
}

// TransferTab makes a till and a user the holder of a tab, for whoever hands over the tables. The rules of Claim hold: of a till
// that works on it nobody takes it without force.
func (t *Till) TransferTab(ctx context.Context, tab crdt.ObjectID, to Transfer) (Claimed, error) {
	if to.Till.IsZero() {
		to.Till = t.id.Till
	}
	if to.Till != t.id.Till {
		if about, ok := t.roster.till(to.Till); !ok || about.State != shop.Active {
			return Claimed{}, refuse(CodeNoTill, "see the tills of the shop with GET /api/v1/mesh", "%s is no till of the shop that is in use", to.Till)
		}
	}
	v, err := t.openTab(ctx, tab)
	if err != nil {
		return Claimed{}, err
	}
	if !v.Open {
		return Claimed{}, refuse(CodeNoTab, "move its lines to another tab", "tab %v was closed: only lines of it are left", tab)
	}
	if v.Holder.Till == to.Till && v.Holder.User == to.User {
		return Claimed{Granted: true, Holder: to.Till, HolderUser: to.User, Epoch: v.Holder.Epoch}, nil
	}
	out, _, err := t.askHolders(ctx, v, to.By, to.Force)
	if err != nil {
		return out, err
	}
	if !out.Granted {
		return out, t.held(out)
	}
	if v.Holder.Till == t.id.Till {
		if err := t.noPaymentRuns(v); err != nil {
			return out, err
		}
	}
	err = t.writeClaim(ctx, v, handover.Takeover{Till: to.Till, User: to.User, By: to.By, How: handover.Transferred, Payment: out.Warning != ""}, &out)
	return out, err
}

// TabHistory returns who took a tab over from whom, the first one first. It is kept when the tab is closed.
func (t *Till) TabHistory(ctx context.Context, tab crdt.ObjectID) ([]handover.Takeover, error) {
	first, last := handover.TakeoverRange(tab)
	list, err := t.store.Objects(ctx, crdt.Sales, handover.TypeTakeover, first, maxTakeovers)
	if err != nil {
		return nil, err
	}
	stored, err := t.stored(ctx, handover.TypeTakeover, list)
	if err != nil {
		return nil, err
	}
	var out []handover.Takeover
	for _, s := range stored {
		if s.ID.Compare(last) > 0 || s.Item == nil {
			break
		}
		if taken, err := handover.ParseTakeover(s.Item.Raw); err == nil && taken.Tab == tab {
			out = append(out, taken)
		}
	}
	sortTakeovers(out)
	return out, nil
}

// maxTakeovers bounds how many take-overs of one tab are listed.
const maxTakeovers = 1000

func sortTakeovers(list []handover.Takeover) {
	slices.SortFunc(list, func(a, b handover.Takeover) int {
		return cmp.Or(cmp.Compare(a.MS, b.MS), cmp.Compare(a.Epoch, b.Epoch))
	})
}
