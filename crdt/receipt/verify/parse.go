package verify

import (
	"context"
	"iter"

	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// parsed is an entry with what can be said of it alone.
type parsed struct {
	Entry
	*receipt.Examined
	problems []receipt.Problem
	ready    chan struct{} // nil: it is ready
}

func (p *parsed) read() {
	p.Examined = receipt.Examine(p.Signed)
	if p.Err == nil {
		p.problems = p.Document.Check()
	}
}

// ahead is how many documents are held at the same time.
const ahead = 64

// parse reads entries by several workers and gives them in their order. It ends, with everything it began, when its consumer
// stops.
func parse(ctx context.Context, entries iter.Seq2[Entry, error], workers int) iter.Seq2[*parsed, error] {
	return func(yield func(*parsed, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		work, ordered := make(chan *parsed), make(chan *parsed, ahead)
		ended := make(chan struct{}, workers+1)
		var failed error
		for range workers {
			go func() {
				for p := range work {
					p.read()
					close(p.ready)
				}
				ended <- struct{}{}
			}()
		}
		go func() {
			defer func() { ended <- struct{}{} }()
			defer close(ordered)
			defer close(work)
			for e, err := range entries {
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					failed = err
					return
				}
				p := &parsed{Entry: e, ready: make(chan struct{})}
				select {
				case work <- p:
				case <-ctx.Done():
					failed = ctx.Err()
					return
				}
				select {
				case ordered <- p:
				case <-ctx.Done():
					failed = ctx.Err()
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range workers + 1 {
				<-ended
			}
		}()
		for p := range ordered {
			<-p.ready
			if !yield(p, nil) {
				return
			}
		}
		if failed != nil {
			yield(nil, failed)
		}
	}
}

// grouped gives the documents of one series after another.
type grouped struct {
	next   func() (*parsed, error, bool)
	series Series
	head   *parsed // the next document, of whatever series
	err    error
}

// advance goes on to the next series; false at the end.
func (g *grouped) advance() bool {
	if g.head == nil && !g.pull() {
		return false
	}
	g.series = seriesOf(g.head)
	return true
}

func (g *grouped) pull() bool {
	g.head = nil
	if g.next == nil || g.err != nil {
		return false
	}
	p, err, ok := g.next()
	if g.err = err; err != nil || !ok {
		return false
	}
	g.head = p
	return true
}

// documents gives the rest of the series.
func (g *grouped) documents() iter.Seq[*parsed] {
	return func(yield func(*parsed) bool) {
		for g.head != nil || g.pull() {
			p := g.head
			if p.Err == nil && seriesOf(p) != g.series {
				return
			}
			g.head = nil
			if !yield(p) {
				return
			}
		}
	}
}

// seriesOf returns the series that a document says it is of; of one that cannot be read nobody knows.
func seriesOf(p *parsed) Series {
	return Series{p.Document.Shop.ID, p.Document.Till.ID, p.Document.Series}
}
