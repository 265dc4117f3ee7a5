package loss

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// closings finds the closings in which numbers are missing, and what those come to: a closing says what all of its documents come to.
func (b *builder) closings() error {
	for e, err := range b.src.Closings(b.ctx, b.of.Shop, b.of.Till, b.of.Prefix) {
		if err != nil {
			return err
		}
		z, err := receipt.ParseZReport(e.Signed.Document)
		if err != nil || z.Shop.ID != b.of.Shop || z.Till.ID != b.of.Till || z.Series != b.of.Prefix || !signedBy(e.Signed, b.of.Till) || z.To < z.From {
			continue // it covers nothing, or is nobody's word; a verification says what is wrong with it
		}
		b.end(z.To, receipt.ZText(z.Series, z.Number))
		b.hashes[z.To] = z.Last
		covers := Run{max(z.From, 1), z.To}
		if b.truncated() && covers.First > b.runs[len(b.runs)-1].Last {
			continue // beyond the list
		}
		missing := covers.Numbers() - b.knownIn(covers)
		if missing <= 0 || len(b.out.Closings) >= MaxRanges {
			continue
		}
		c := Closing{Closing: receipt.ZText(z.Series, z.Number), Run: covers, Closed: z.Closed, Missing: missing}
		if err := b.difference(&c, &z); err != nil {
			return err
		}
		b.out.Closings = append(b.out.Closings, c)
	}
	return nil
}

// truncated reports whether there are more runs than are kept.
func (b *builder) truncated() bool { return len(b.runs) > MaxRanges }

// knownIn returns how many numbers of a range are known, as far as runs are kept.
func (b *builder) knownIn(r Run) (n int64) {
	for _, x := range b.runs {
		if first, last := max(x.First, r.First), min(x.Last, r.Last); first <= last {
			n += last - first + 1
		}
	}
	return n
}

// difference says what the missing documents of a closing come to. Only its known documents are read.
func (b *builder) difference(c *Closing, z *receipt.ZReport) error {
	sums := receipt.NewZSums(z.Currency)
	last := int64(0)
	for e, err := range b.src.Documents(b.ctx, b.of, c.Run) {
		if err != nil {
			return err
		}
		d, err := receipt.ParseDocument(e.Signed.Document)
		if err == nil && d.Number > last {
			last = d.Number
			err = sums.Add(&d, receipt.Hash(e.Signed.Document))
		}
		if err != nil {
			c.Why = fmt.Sprintf("its known documents cannot be added up: %v", err)
			return nil
		}
	}
	all, known := z.Sums, sums.Totals()
	c.Difference = &Difference{
		Gross: int64(all.Gross - known.Gross), Cash: int64(all.CashTotal - known.CashTotal), Receipts: all.Counts.Receipts - known.Counts.Receipts,
		Training: all.Counts.Training - known.Counts.Training, Aborted: all.Counts.Aborted - known.Counts.Aborted,
		Controls: all.Counts.Controls - known.Counts.Controls, Failed: all.Counts.Failed - known.Counts.Failed,
	}
	return nil
}

// gross says what closings bound of a missing range.
func (b *builder) gross(m Run) Bound {
	out := Bound{State: Unknown}
	var sum, covered int64
	exact := true
	for i := range b.out.Closings {
		c := &b.out.Closings[i]
		first, last := max(c.First, m.First), min(c.Last, m.Last)
		if first > last || c.Difference == nil {
			continue
		}
		covered += last - first + 1
		sum += c.Difference.Gross
		exact = exact && c.Missing == last-first+1 // all that is missing in the closing is of this range
		out.By = append(out.By, c.Closing)
	}
	switch {
	case covered == 0:
		return out
	case covered < m.Numbers():
		out.State = Part
	case exact:
		out.State = Exact
	default:
		out.State = Shared
	}
	out.Amount = &sum
	return out
}
