package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// Seal has a document confirmed that is complete but for its security, and returns what it says about that and what has to be
// stored with it. It is called by whoever has the turn in the series.
//
// A number that is used again is sealed again: chain and log go back to the document before it, as if it had not been. A
// device that does not work is no error, unless the document must be signed: [ErrMustBeSigned], and nothing was used.
func (s *Signing) Seal(ctx context.Context, d *receipt.Document) (receipt.Object, []replication.Note, error) {
	before, err := s.follow(ctx, uint64(d.Number))
	if err != nil {
		return nil, nil, err
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.patience)
	defer cancel()
	o, chain, err := s.device.Seal(within, d, before.chain)
	switch {
	case errors.Is(err, ErrChanged):
		return nil, nil, err
	case errors.Is(err, ErrMustBeSigned):
		s.failed(err)
		return nil, nil, err
	case err != nil:
		s.failed(err)
		o, chain = failed(s.device, err), before.chain
	case s.chained && Unsigned(o):
		text, _ := o.Get("failure").(receipt.String)
		s.failed(errors.New(cmp.Or(string(text), s.device.Info().Outage)))
	case s.chained:
		s.works()
	}
	next := mark{number: uint64(d.Number), known: true, chain: chain, numbers: before.numbers}
	notes, err := s.count(ctx, d, o, &next)
	if err != nil {
		return nil, nil, err
	}
	if chain != before.chain {
		notes = append(notes, replication.Note{Key: chainNote + s.series, Value: chain.Bytes()})
	}
	s.mu.Lock()
	s.before, s.at = before, next
	s.mu.Unlock()
	return o, notes, nil
}

// follow returns what the document with a number goes on from.
func (s *Signing) follow(ctx context.Context, number uint64) (mark, error) {
	switch {
	case s.at.known && s.at.number+1 == number:
		return s.at, nil
	case s.at.known && s.before.known && s.at.number == number:
		return s.before, nil // the one before was not saved, or could not be finished
	}
	// Documents that were not durable failed: the notes say how far they came.
	m, err := s.load(ctx, number)
	if err == nil && m.chain.Number >= number {
		err = fmt.Errorf("the signature chain of %s stands at %d, before %d was issued", s.series, m.chain.Number, number)
	}
	return m, err
}

// load reads what the last document before a number left.
func (s *Signing) load(ctx context.Context, number uint64) (m mark, err error) {
	s.mu.Lock()
	last := s.last.Begin
	s.mu.Unlock()
	got, err := s.notes.Notes(ctx, chainNote+s.series, outageKey(numbersNote, last))
	if err != nil {
		return m, fmt.Errorf("read the signature chain of %s: %w", s.series, err)
	}
	if m.chain, err = ParseChain(got[0]); err != nil {
		return m, err
	}
	m.numbers, err = parseOutage(got[1])
	m.known, m.number = number > 0, max(number, 1)-1
	return m, err
}

// count counts a document that is not signed to the last outage.
func (s *Signing) count(ctx context.Context, d *receipt.Document, o receipt.Object, next *mark) ([]replication.Note, error) {
	if !Unsigned(o) {
		return nil, nil
	}
	s.mu.Lock()
	outage := s.last
	s.mu.Unlock()
	if next.numbers.Begin != outage.Begin {
		next.numbers = Outage{Begin: outage.Begin, Reason: outage.Reason}
		got, err := s.notes.Notes(ctx, outageKey(numbersNote, outage.Begin))
		if err != nil {
			return nil, fmt.Errorf("read the outage of the signing device: %w", err)
		}
		if got[0] != nil {
			if next.numbers, err = parseOutage(got[0]); err != nil {
				return nil, err
			}
		}
	}
	next.numbers = next.numbers.with(d.Series, d.Number)
	return []replication.Note{next.numbers.note(numbersNote)}, nil
}

func sortOutages(list []Outage) {
	slices.SortFunc(list, func(a, b Outage) int { return cmp.Compare(a.Begin, b.Begin) })
}
