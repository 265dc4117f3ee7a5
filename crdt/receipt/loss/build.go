package loss

import (
	"context"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// maxMentions bounds for how many missing numbers of a statement it is asked who mentions them.
const maxMentions = 1000

// Build makes the statement of a till. An error is one of the source, or of ctx.
func Build(ctx context.Context, src Source, ask Ask) (Statement, error) {
	s := Statement{
		Version: Version, Kind: Kind, Made: ask.Made, By: ask.By, Shop: Party{ID: ask.Shop.String(), Name: ask.Name},
		Till: Party{ID: ask.Till.String(), Name: ask.Label}, State: ask.State, Contact: ask.Contact,
		Holders: []Holder{{ID: ask.By.ID, Kind: ask.By.Kind, Name: ask.By.Name, Asked: true}}, Series: []Series{}, Open: ask.Open, Said: ask.Said,
	}
	for _, h := range ask.Held {
		s.Holders = append(s.Holders, h.Holder)
	}
	openings, err := openingsOf(ctx, src, ask)
	if err != nil {
		return s, err
	}
	mentions := maxMentions
	for _, prefix := range ask.Prefix {
		b := builder{ctx: ctx, src: src, ask: &ask, of: verify.Series{Shop: ask.Shop, Till: ask.Till, Prefix: prefix}, opening: openings[prefix], mentions: &mentions}
		if err := b.build(); err != nil {
			return s, fmt.Errorf("what is lost of %s: %w", prefix, err)
		}
		s.Series = append(s.Series, b.out)
	}
	if s.Contact == nil {
		s.Contact = lastDocument(s.Series)
	}
	if s.Contact != nil {
		for i := range s.Series {
			s.Series[i].Tail.Contact = s.Contact.Heard
		}
	}
	return s, nil
}

// lastDocument is the contact with a till of which nobody heard anything but its documents.
func lastDocument(list []Series) *Contact {
	var c *Contact
	for _, x := range list {
		if x.LastClosed != "" && (c == nil || after(x.LastClosed, c.Heard)) {
			c = &Contact{Heard: x.LastClosed, How: HeardDocument}
		}
	}
	return c
}

// openingsOf returns the openings that continue series of the till, by the series they continue.
func openingsOf(ctx context.Context, src Source, ask Ask) (map[string]receipt.Document, error) {
	out := make(map[string]receipt.Document)
	for e, err := range src.Openings(ctx) {
		if err != nil {
			return nil, fmt.Errorf("read openings of series: %w", err)
		}
		d, err := receipt.ParseDocument(e.Signed.Document)
		if err == nil && d.Opening != nil && d.Shop.ID == ask.Shop && d.Till.ID == ask.Till && signedBy(e.Signed, ask.Till) {
			out[d.Opening.Series] = d
		}
	}
	return out, nil
}

// signedBy reports whether a document bears the signature of the till: only its own word counts for how far a series went.
func signedBy(s receipt.Signed, till crdt.TillID) bool {
	return crdt.TillIDOf(s.Key) == till && s.SignatureValid()
}

// builder makes what is said of one series.
type builder struct {
	ctx      context.Context
	src      Source
	ask      *Ask
	of       verify.Series
	opening  receipt.Document // that continues the series; Opening is nil: there is none
	mentions *int

	runs   []Run // known, the first MaxRanges+1
	known  int64
	hashes map[int64]receipt.Digest // of missing documents, by number, as closings and the opening say
	out    Series
}

func (b *builder) build() error {
	b.out = Series{Series: b.of.Prefix, Known: []Known{}, Missing: []Missing{}, Closings: []Closing{}}
	b.hashes = make(map[int64]receipt.Digest)
	for r, err := range b.src.Runs(b.ctx, b.of) {
		if err != nil {
			return err
		}
		b.known += r.Numbers()
		b.out.LastKnown = r.Last
		if len(b.runs) <= MaxRanges {
			b.runs = append(b.runs, r)
		}
	}
	b.end(b.out.LastKnown, "")
	if o := b.opening.Opening; o != nil {
		b.out.Tail.ContinuedBy = receipt.NumberText(b.opening.Series, 0)
		b.end(o.LastNumber, b.out.Tail.ContinuedBy)
		if o.LastHash != nil {
			b.hashes[o.LastNumber] = *o.LastHash
		}
	}
	if err := b.closings(); err != nil {
		return err
	}
	last, err := b.document(b.out.LastKnown)
	if err != nil {
		return err
	}
	if last != nil {
		b.out.Currency, b.out.LastClosed, b.out.LastHash = last.Currency, last.Closed, receipt.Hash(last.Raw()).String()
		b.out.Tail.Since = last.Closed
		if b.out.LastBy == "" {
			b.out.LastBy = receipt.NumberText(last.Series, last.Number)
		}
	}
	b.out.KnownNumbers, b.out.MissingNumbers = b.known, b.out.Last-b.known
	b.out.Tail.From = b.out.Last + 1
	b.ranges()
	return b.explain()
}

// end takes that a number was given out.
func (b *builder) end(n int64, by string) {
	if n > b.out.Last {
		b.out.Last, b.out.LastBy = n, by
	}
}

// ranges lists what is known and what is missing up to the last number.
func (b *builder) ranges() {
	listed, next := 0, int64(1)
	put := func(r Run, known bool) bool {
		for _, p := range b.split(r, known) {
			if listed++; listed > MaxRanges {
				b.out.Beyond = p.First
				return false
			}
			if known {
				b.out.Known = append(b.out.Known, p)
			} else {
				b.out.Missing = append(b.out.Missing, Missing{Run: p.Run, At: p.At})
			}
		}
		return true
	}
	for _, r := range b.runs {
		if r.First > next && !put(Run{next, r.First - 1}, false) || !put(r, true) {
			return
		}
		next = r.Last + 1
	}
	if next <= b.out.Last {
		put(Run{next, b.out.Last}, false)
	}
}

// split divides a range by who holds its parts. The signer holds what it knows.
func (b *builder) split(r Run, known bool) []Known {
	cuts := []int64{r.First}
	for _, h := range b.ask.Held {
		for _, x := range h.Runs[b.of.Prefix] {
			if x.First > r.First && x.First <= r.Last {
				cuts = append(cuts, x.First)
			}
			if x.Last >= r.First && x.Last < r.Last {
				cuts = append(cuts, x.Last+1)
			}
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	var out []Known
	for i, first := range cuts {
		last := r.Last
		if i+1 < len(cuts) {
			last = cuts[i+1] - 1
		}
		k := Known{Run{first, last}, []int64{}}
		if known {
			k.At = append(k.At, 0)
		}
		for j, h := range b.ask.Held {
			if slices.ContainsFunc(h.Runs[b.of.Prefix], func(x Run) bool { return x.First <= first && last <= x.Last }) {
				k.At = append(k.At, int64(j)+1)
			}
		}
		out = append(out, k)
	}
	return out
}

// document is one that was read.
type document struct {
	receipt.Document
	own bool // signed by the till
}

// document reads one document; nil: it is not there or cannot be read.
func (b *builder) document(number int64) (*document, error) {
	if number < 1 {
		return nil, nil
	}
	for e, err := range b.src.Documents(b.ctx, b.of, Run{number, number}) {
		if err != nil {
			return nil, err
		}
		if d, err := receipt.ParseDocument(e.Signed.Document); err == nil {
			return &document{d, signedBy(e.Signed, b.of.Till)}, nil
		}
	}
	return nil, nil
}
