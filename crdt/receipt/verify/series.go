package verify

import (
	"context"
	"fmt"
	"iter"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// progressEvery is after how many documents somebody is told.
const progressEvery = 1000

// chain is the state of verifying one series.
type chain struct {
	r       *runner
	series  Series
	sum     Summary
	devices []Device
	z       *closings
	last    int64
}

// series verifies the documents of the series that a group stands at.
func (r *runner) series(ctx context.Context, g *grouped) error {
	c := &chain{r: r, series: g.series, sum: Summary{Series: g.series}}
	r.done[g.series] = true
	for _, make := range r.o.Devices {
		c.devices = append(c.devices, make(g.series))
	}
	if r.o.Member != nil && !r.o.Member(g.series.Till) {
		c.find(FindMember, AboutReceipt, 0, 0, "Till %s, which wrote the series %s, is not one of the shop.", g.series.Till.Short(), g.series.Prefix)
	}
	c.z = newClosings(ctx, c)
	defer c.z.stop()
	report, err := receipt.VerifyExamined(c.documents(ctx, g), receipt.Chain{Shop: g.series.Shop, Till: g.series.Till, Series: g.series.Prefix, Opened: c.opened()})
	for _, f := range report.Findings {
		c.wrong(Finding{Code: f.Code, Note: f.Note, About: AboutReceipt, Series: c.series, Number: f.Number, Last: f.Last, Text: f.Text})
	}
	for code, n := range report.Counts { // those beyond the list of the chain
		for _, f := range report.Findings {
			if f.Code == code {
				n--
			}
		}
		r.report.Counts[code] += n
		if !note(code) {
			r.report.Wrong += n
			c.sum.Wrong += n
		}
	}
	if err != nil {
		return err
	}
	if g.err != nil {
		return nil // told by the caller
	}
	c.sum.Documents, c.sum.Missing = report.Documents, report.Missing
	if report.First != nil {
		c.sum.First, c.sum.Last, c.sum.LastHash = report.First.Number, report.Last.Number, report.Last.Hash
	}
	if err := c.z.end(); err != nil {
		return err
	}
	c.continued()
	r.report.Series = append(r.report.Series, c.sum)
	return nil
}

// opened reports whether the series has to begin with an opening.
func (c *chain) opened() bool {
	for _, o := range c.r.openings {
		if o.series == c.series {
			return true
		}
	}
	return false
}

// documents gives what VerifyExamined reads, and looks at each document itself.
func (c *chain) documents(ctx context.Context, g *grouped) iter.Seq2[*receipt.Examined, error] {
	return func(yield func(*receipt.Examined, error) bool) {
		for _, o := range c.r.openings {
			if o.series != c.series {
				continue
			}
			if _, err := (receipt.Opening{Signed: o.entry.Signed, Series: o.doc.Series}).Verify(openingID(o)); err != nil {
				c.find(FindOpening, AboutOpening, 0, 0, "The opening of %s: %v.", c.series.Prefix, err)
			}
			p := &parsed{Entry: o.entry}
			p.read()
			if !c.take(p) || !yield(p.Examined, nil) {
				return
			}
		}
		for p := range g.documents() {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			if p.Err == nil && !c.take(p) {
				yield(nil, c.z.err)
				return
			}
			if !yield(p.Examined, nil) {
				return
			}
		}
	}
}

func openingID(o *opening) crdt.ObjectID {
	if !o.entry.ID.IsZero() {
		return o.entry.ID
	}
	return receipt.OpeningID(o.series.Shop, o.series.Till, o.series.Prefix)
}

// take looks at one document by itself, hands it to the devices and adds it to its closing; false if closings cannot be read.
func (c *chain) take(p *parsed) bool {
	d, r := &p.Document, c.r
	r.report.Documents++
	for _, x := range p.problems {
		c.find(FindDocument, AboutReceipt, d.Number, d.Number, "%s: %s (%s)", receipt.NumberText(d.Series, d.Number), x.Text, x.Path)
	}
	want := receipt.ReceiptID(d.Shop.ID, d.Till.ID, d.Series, d.Number)
	if !p.ID.IsZero() && p.ID != want || !d.ID.IsZero() && d.ID != want {
		c.find(FindItem, AboutReceipt, d.Number, d.Number, "%s is kept under the ID of another document.", receipt.NumberText(d.Series, d.Number))
	}
	if d.Security.Get(receipt.SecurityError) != nil {
		c.sum.Unsigned++
	}
	for _, device := range c.devices {
		for _, text := range device.Add(d) {
			c.find(FindDevice, AboutReceipt, d.Number, d.Number, "%s: %s", receipt.NumberText(d.Series, d.Number), text)
		}
	}
	c.sum.Name = d.Till.Name
	if o := r.continues[c.series]; o != nil && d.Number == o.wants.Number && !o.met {
		if o.met = true; p.Hash != o.wants.Hash {
			c.find(FindOpening, AboutOpening, 0, 0, "%s says that it continues another document as %s than the one that is here.",
				o.series.Prefix, receipt.NumberText(d.Series, d.Number))
		}
	}
	if r.o.Progress != nil && r.report.Documents%progressEvery == 0 {
		r.o.Progress(Progress{r.report.Documents, c.series.Prefix, d.Number, r.report.Wrong})
	}
	if d.Number <= c.last && c.last > 0 {
		return true // a fork is in no closing twice
	}
	c.last = d.Number
	return c.z.add(p)
}

// continued notes what the series after this one did not know of it.
func (c *chain) continued() {
	o := c.r.continues[c.series]
	if o == nil {
		return
	}
	switch {
	case c.sum.Last < o.wants.Number:
		c.find(FindOpening, AboutOpening, 0, 0, "%s continues %s, which is not here.", o.series.Prefix, receipt.NumberText(c.series.Prefix, o.wants.Number))
	case c.sum.Last > o.wants.Number:
		c.wrong(Finding{Code: FindOpening, Note: true, About: AboutOpening, Series: o.series, Text: fmt.Sprintf(
			"%s was opened when %s was the last known; %d more of that series were found since.", o.series.Prefix,
			receipt.NumberText(c.series.Prefix, o.wants.Number), c.sum.Last-o.wants.Number)})
	}
}

func (c *chain) find(code, about string, first, last int64, format string, args ...any) {
	c.wrong(Finding{Code: code, About: about, Series: c.series, Number: first, Last: last, Text: fmt.Sprintf(format, args...)})
}

func (c *chain) wrong(f Finding) {
	if !f.Note {
		c.sum.Wrong++
	}
	c.r.report.find(f)
}
