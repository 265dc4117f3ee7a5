package verify

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"runtime"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Options say how to verify.
type Options struct {
	// Member reports whether a till belongs to the shop, or did; nil: every till counts.
	Member func(crdt.TillID) bool
	// Devices check what signing devices said, one for each kind of device.
	Devices []func(Series) Device
	// Progress is called about every 1000 documents; may be nil.
	Progress func(Progress)
	// Workers is how many documents are parsed and checked at the same time; 0: one for each processor.
	Workers int
}

// Device checks what one kind of signing device said in the documents of one series.
type Device interface {
	// Add takes a document, in the order of numbers, and returns what is wrong with what the device said, one sentence each. A
	// document of another kind of device, or of none, is passed over.
	Add(d *receipt.Document) []string
}

// Run verifies everything that a source gives. An error is one of the source, or of ctx; what was found until then is in the
// report.
func Run(ctx context.Context, src Source, o Options) (Report, error) {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	r := runner{src: src, o: o, report: Report{Counts: make(map[string]int64)}, done: make(map[Series]bool), continues: make(map[Series]*opening)}
	err := r.run(ctx)
	return r.report, err
}

// runner is the state of a verification.
type runner struct {
	src       Source
	o         Options
	report    Report
	done      map[Series]bool // series that were read: as many as the shop has lineages
	openings  []*opening
	continues map[Series]*opening // by the series that an opening continues
}

// opening is a document with number 0.
type opening struct {
	entry  Entry
	series Series
	doc    receipt.Document
	wants  *receipt.ChainLink // of the series before, as the opening remembers it; nil: nothing
	met    bool               // that document was read
}

func (r *runner) run(ctx context.Context) error {
	if err := r.readOpenings(ctx); err != nil {
		return err
	}
	next, stop := iter.Pull2(parse(ctx, r.src.Receipts(ctx), r.o.Workers))
	defer stop()
	group := &grouped{next: next}
	for group.advance() {
		if err := r.series(ctx, group); err != nil {
			return err
		}
	}
	if group.err != nil {
		return fmt.Errorf("read receipts: %w", group.err)
	}
	for _, o := range r.openings { // series of which there is nothing but the opening
		if !r.done[o.series] {
			if err := r.series(ctx, &grouped{series: o.series}); err != nil {
				return err
			}
		}
	}
	if err := r.emptySeries(ctx); err != nil {
		return err
	}
	return r.heads(ctx)
}

// emptySeries reads series that have closings and nothing else.
func (r *runner) emptySeries(ctx context.Context) error {
	for s, err := range r.src.Closed(ctx) {
		if err != nil {
			return fmt.Errorf("read closings: %w", err)
		}
		if !r.done[s] {
			if err := r.series(ctx, &grouped{series: s}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *runner) readOpenings(ctx context.Context) error {
	for e, err := range r.src.Openings(ctx) {
		if err != nil {
			return fmt.Errorf("read openings: %w", err)
		}
		o := &opening{entry: e}
		if o.doc, err = receipt.ParseDocument(e.Signed.Document); err != nil {
			r.report.find(Finding{Code: receipt.FindMalformed, About: AboutOpening, Text: fmt.Sprintf("An opening cannot be read: %v.", err)})
			continue
		}
		o.series = Series{o.doc.Shop.ID, o.doc.Till.ID, o.doc.Series}
		if x := o.doc.Opening; x != nil && x.Series != "" && x.LastNumber > 0 && x.LastHash != nil {
			o.wants = &receipt.ChainLink{Number: x.LastNumber, Hash: *x.LastHash}
			r.continues[Series{o.doc.Shop.ID, o.doc.Till.ID, x.Series}] = o
		}
		r.openings = append(r.openings, o)
	}
	slices.SortFunc(r.openings, func(a, b *opening) int { return cmp.Compare(a.series.Prefix, b.series.Prefix) })
	return nil
}

// heads compares how far series went with what is remembered of them.
func (r *runner) heads(ctx context.Context) error {
	heads, err := r.src.Heads(ctx)
	if err != nil {
		return fmt.Errorf("read how far the series went: %w", err)
	}
	for _, h := range heads {
		i := slices.IndexFunc(r.report.Series, func(s Summary) bool { return s.Prefix == h.Prefix })
		switch {
		case h.Number == 0:
		case i < 0:
			r.report.find(Finding{Code: FindEnd, About: AboutReceipt, Series: Series{Prefix: h.Prefix}, Number: 1, Last: h.Number,
				Text: fmt.Sprintf("The series went to %s, and nothing of it is here.", receipt.NumberText(h.Prefix, h.Number))})
		case r.report.Series[i].Last < h.Number:
			r.report.Series[i].Wrong++
			r.report.find(Finding{Code: FindEnd, About: AboutReceipt, Series: r.report.Series[i].Series, Number: r.report.Series[i].Last + 1, Last: h.Number,
				Text: fmt.Sprintf("The series went to %s, and its documents end at %d.", receipt.NumberText(h.Prefix, h.Number), r.report.Series[i].Last)})
		case r.report.Series[i].Last == h.Number && r.report.Series[i].LastHash != h.Hash:
			r.report.Series[i].Wrong++
			r.report.find(Finding{Code: receipt.FindChanged, About: AboutReceipt, Series: r.report.Series[i].Series, Number: h.Number, Last: h.Number,
				Text: fmt.Sprintf("%s is not the document that was remembered.", receipt.NumberText(h.Prefix, h.Number))})
		}
	}
	return nil
}
