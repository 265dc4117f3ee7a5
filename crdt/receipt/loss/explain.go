package loss

import (
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// explain says of each missing range what the documents around it bound.
func (b *builder) explain() error {
	var before *document // the last one that was read, which often stands beside two ranges
	read := func(number int64) (d *document, err error) {
		if before == nil || before.Number != number {
			if d, err = b.document(number); err != nil {
				return nil, err
			}
			before = d
		}
		return before, nil
	}
	for i := range b.out.Missing {
		m := &b.out.Missing[i]
		lower, upper := b.beside(m.Run)
		d, err := read(lower)
		if err != nil {
			return err
		}
		m.After = neighbour(d)
		after := d
		if d, err = read(upper); err != nil {
			return err
		}
		m.Before, m.Device = neighbour(d), device(after, d)
		switch hash, said := b.hashes[m.Last]; {
		case d != nil && d.Number == m.Last+1:
			m.LastHash = d.Previous.String()
		case said:
			m.LastHash = hash.String()
		}
		m.Gross = b.gross(m.Run)
		if err := b.mentioned(m); err != nil {
			return err
		}
	}
	return nil
}

// beside returns the known numbers before and behind a range; 0: there is none.
func (b *builder) beside(r Run) (lower, upper int64) {
	for _, x := range b.runs {
		if x.Last < r.First {
			lower = x.Last
		}
		if x.First > r.Last {
			return lower, x.First
		}
	}
	return lower, 0
}

func neighbour(d *document) *Neighbour {
	if d == nil {
		return nil
	}
	return &Neighbour{Number: d.Number, Closed: d.Closed, Hash: receipt.Hash(d.Raw()).String()}
}

// mentioned asks who mentions the numbers of a range, as long as not too many were asked for.
func (b *builder) mentioned(m *Missing) error {
	for n := m.First; n <= m.Last && *b.mentions > 0; n++ {
		*b.mentions--
		found, err := b.src.Mentions(b.ctx, receipt.ReceiptID(b.of.Shop, b.of.Till, b.of.Prefix, n))
		if err != nil {
			return err
		}
		for _, x := range found {
			x.Number = n
			m.Mentions = append(m.Mentions, x)
		}
	}
	return nil
}

// after reports whether an RFC 3339 time is later than another one; one that cannot be read is not.
func after(a, b string) bool {
	x, err1 := time.Parse(time.RFC3339, a)
	y, err2 := time.Parse(time.RFC3339, b)
	return err1 == nil && (err2 != nil || x.After(y))
}
