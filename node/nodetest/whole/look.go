package whole

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/book"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
)

// view is all that a till shows of sales.
type view struct {
	tabs     []node.TabView
	cases    []book.Case
	receipts []node.Receipt          // of each series in the order of numbers
	closings []node.Closing          // of each series in the order of numbers
	openings map[string]node.Receipt // documents that open the series of later lineages
	refunded map[crdt.ObjectID][]node.Refunded
	decided  []node.Case
}

func look(t *node.Till) (v view, err error) {
	ctx := context.Background()
	for _, tab := range t.Tabs(ctx) {
		shown, err := t.Tab(ctx, tab.ID)
		if err != nil {
			return v, fmt.Errorf("tab %v: %w", tab.ID, err)
		}
		v.tabs = append(v.tabs, shown)
	}
	if v.cases, err = t.Cases(ctx); err != nil {
		return v, err
	}
	for after := ""; ; {
		list, next, err := t.Receipts(ctx, node.ReceiptFilter{}, after, 100)
		if err != nil {
			return v, err
		}
		for _, s := range list {
			r, err := t.Receipt(ctx, s.ID.String())
			if err != nil {
				return v, err
			}
			r.Copies = nil // a till that was started a moment ago does not know them yet
			v.receipts = append(v.receipts, r)
		}
		if after = next; next == "" {
			break
		}
	}
	slices.SortFunc(v.receipts, func(a, b node.Receipt) int { return a.ID.Compare(b.ID) })
	v.openings = make(map[string]node.Receipt)
	for _, r := range v.receipts {
		opening, err := t.Receipt(ctx, receipt.NumberText(r.Parsed.Series, 0))
		if err == nil {
			v.openings[r.Parsed.Series] = opening
		} else if !errors.Is(err, node.ErrNotFound) {
			return v, err
		}
	}
	if err := v.lookAtClosings(ctx, t); err != nil {
		return v, err
	}
	return v, v.lookAtRefunds(ctx, t)
}

// text is the view as text, to be compared. What a closing would supersede is left out: a till that had a document in
// memory while it was superseded knows less of its clock than one that reads it from the disk, and both mean the same.
func (v view) text() (string, error) {
	for i := range v.tabs {
		v.tabs[i].Supersedes = receipt.Supersedes{}
	}
	var docs []string
	for _, series := range slices.Sorted(maps.Keys(v.openings)) {
		docs = append(docs, fmt.Sprintf("%s opened by %s", series, v.openings[series].Hash))
	}
	for _, c := range v.closings {
		docs = append(docs, fmt.Sprintf("%s %s verified %v alarm %v", c.Text, c.Hash, c.Verified, c.Alarm))
	}
	for _, r := range v.receipts {
		docs = append(docs, fmt.Sprintf("%s %s verified %v alarm %v", r.Number, r.Hash, r.Verified, r.Alarm))
	}
	b, err := json.MarshalIndent(struct {
		Tabs     []node.TabView
		Cases    []book.Case
		Receipts []string
		Refunded map[crdt.ObjectID][]node.Refunded
		Decided  []node.Case
	}{v.tabs, v.cases, docs, v.refunded, v.decided}, "", " ")
	return string(b), err
}

// rebuilt returns what the till would show if it were started from its disk as it is now.
func (t *Till) rebuilt() (v view, err error) {
	ctx := context.Background()
	r, err := t.M.Data().Clone().Open()
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	env := t.environment(-1)
	begun, err := node.Origin{Identity: t.newcomer.Identity, Key: t.newcomer.Key, Version: version, Rows: r, Evidence: t.evidence(),
		Outside: nowhere{}, Environment: env}.Begin(ctx)
	if err != nil {
		return v, err
	}
	again, err := node.Assemble(ctx, node.Parts{
		Identity: begun.Identity, Key: t.newcomer.Key, Boot: begun.Boot, Version: version, Store: begun.Store, Environment: env,
	})
	if err != nil {
		return v, err
	}
	l := t.life
	if l == nil {
		l = &life{till: t} // it is off: it knows of nobody
	}
	again.Connect(l, network{l})
	return look(again)
}

// nowhere is what is written beside the rows and kept by nobody.
type nowhere struct{}

// Write is a method of store.RecordFile.
func (nowhere) Write([]byte) error { return nil }

// WriteRecord is a method of lineage.Outside.
func (nowhere) WriteRecord(store.Record) error { return nil }

// WriteBinding is a method of lineage.Outside.
func (nowhere) WriteBinding(lineage.Binding) error { return nil }

// difference shows the first lines in which two texts differ.
func difference(a, b string) string {
	x, y := lines(a), lines(b)
	for i := range max(len(x), len(y)) {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			from := max(0, i-6)
			return fmt.Sprintf("line %d: %v\nbut %v", i, x[min(from, len(x)):min(i+4, len(x))], y[min(from, len(y)):min(i+4, len(y))])
		}
	}
	return "nothing"
}

func lines(s string) []string { return slices.Collect(strings.SplitSeq(s, "\n")) }
