package book

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// What is remembered of closed sales. A line is about 60 bytes.
const (
	daysKept      = 3      // business days, the current one included
	linesKept     = 50_000 // of all of them; beyond that the oldest day goes, or the receipt is not remembered
	closedTabKept = 4096   // tabs, the last ones that were closed
)

// past is what a book remembers of closed sales, so that it notices a line that was settled twice.
type past struct {
	oldest   string // business day before which nothing is remembered, empty: none
	receipts map[crdt.ObjectID]*settled
	days     map[string][]*settled
	lines    map[crdt.ObjectID]*settled   // the first receipt that was seen with the line
	twice    map[crdt.ObjectID][]*settled // all of them, of lines that are on several

	closed map[crdt.ObjectID]crdt.ObjectID // tab -> receipt
	ring   []crdt.ObjectID                 // of those tabs, in the order they came
	next   int
}

// settled is a receipt.
type settled struct {
	id     crdt.ObjectID
	from   crdt.Origin
	number string
	day    string
	count  int             // of its lines
	lines  []crdt.ObjectID // that are remembered
	kept   bool            // for good: some of its lines are on another receipt, too
	thin   bool            // only those are remembered
}

func newPast() past {
	return past{
		receipts: make(map[crdt.ObjectID]*settled), days: make(map[string][]*settled),
		lines: make(map[crdt.ObjectID]*settled), twice: make(map[crdt.ObjectID][]*settled),
		closed: make(map[crdt.ObjectID]crdt.ObjectID),
	}
}

// SetDay tells the current business day, YYYY-MM-DD; any other text is ignored. Receipts of the two days before it are
// remembered as well, older ones are forgotten.
func (b *Book) SetDay(day string) {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.past.oldest = at.AddDate(0, 0, 1-daysKept).Format(time.DateOnly)
	for day := range b.past.days {
		if day < b.past.oldest {
			b.past.forget(day)
		}
	}
}

// Closed returns the receipt that closed a tab, if it is one of the last few thousand; else only the store knows. If
// several receipts closed it, it is the one the store names: the lowest ID.
func (b *Book) Closed(tab crdt.ObjectID) (crdt.ObjectID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id, ok := b.past.closed[tab]
	return id, ok
}

// add remembers a receipt and returns its number.
func (p *past) add(item *crdt.Piece, from crdt.Origin) string {
	r, err := receipt.ParseReceipt(item.Raw)
	s := &settled{id: item.Object, from: from}
	if err == nil {
		s.number, s.day = r.NumberText(), r.BusinessDay
	}
	for _, o := range item.Objects {
		switch o.Type {
		case receipt.TypeTab:
			for _, tab := range o.IDs {
				p.close(tab, s.id)
			}
		case receipt.TypeLine:
			s.lines = append(s.lines, o.IDs...)
		}
	}
	s.count = len(s.lines)
	known := p.receipts[s.id]
	if known != nil && !known.thin || s.day < p.oldest || !p.room(s) {
		return s.number
	}
	if known != nil {
		known.lines, known.thin = s.lines, false
		s = known
	}
	p.receipts[s.id] = s
	p.days[s.day] = append(p.days[s.day], s)
	for _, l := range s.lines {
		p.settled(l, s)
	}
	return s.number
}

// settled notes that a receipt has a line.
func (p *past) settled(l crdt.ObjectID, s *settled) {
	first := p.lines[l]
	switch {
	case first == nil:
		p.lines[l] = s
	case first != s:
		if p.twice[l] == nil {
			p.twice[l] = []*settled{first}
		}
		if !slices.Contains(p.twice[l], s) {
			p.twice[l] = append(p.twice[l], s)
		}
	}
}

// SettledTwice remembers for good that receipts have the same lines, whatever their business day.
func (b *Book) SettledTwice(lines []crdt.ObjectID, receipts ...Stored) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range receipts {
		if r.Item != nil && r.Object != nil && len(r.Object.Items) > 0 {
			b.past.keep(r.Item, r.Object.Items[0].Origin, lines)
		}
	}
}

// keep remembers a receipt for good, because of some of its lines.
func (p *past) keep(item *crdt.Piece, from crdt.Origin, lines []crdt.ObjectID) {
	s := p.receipts[item.Object]
	if s == nil {
		s = &settled{id: item.Object, from: from, thin: true}
		if r, err := receipt.ParseReceipt(item.Raw); err == nil {
			s.number, s.day = r.NumberText(), r.BusinessDay
		}
		for _, o := range item.Objects {
			if o.Type == receipt.TypeLine {
				s.count += len(o.IDs)
			}
		}
		p.receipts[s.id] = s
	}
	s.kept = true
	for _, l := range lines {
		if s.thin && !slices.Contains(s.lines, l) {
			s.lines = append(s.lines, l)
		}
		p.settled(l, s)
	}
}

// room forgets old days for a new receipt and reports whether it fits.
func (p *past) room(s *settled) bool {
	for len(p.lines)+len(s.lines) > linesKept {
		if len(p.days) == 0 {
			return len(s.lines) <= linesKept
		}
		oldest := slices.Min(slices.Collect(maps.Keys(p.days)))
		if s.day <= oldest {
			return false
		}
		p.forget(oldest)
	}
	return true
}

func (p *past) forget(day string) {
	for _, s := range p.days[day] {
		if s.kept {
			p.thin(s)
			continue
		}
		delete(p.receipts, s.id)
		for _, l := range s.lines {
			others := slices.DeleteFunc(p.twice[l], func(o *settled) bool { return o == s })
			switch {
			case len(others) == 0:
				delete(p.lines, l)
			case p.lines[l] == s:
				p.lines[l] = others[0]
			}
			if len(others) < 2 {
				delete(p.twice, l)
			} else {
				p.twice[l] = others
			}
		}
	}
	delete(p.days, day)
}

// thin forgets the lines of a receipt that are on no other one.
func (p *past) thin(s *settled) {
	s.thin = true
	s.lines = slices.DeleteFunc(slices.Clone(s.lines), func(l crdt.ObjectID) bool {
		if p.twice[l] != nil {
			return false
		}
		delete(p.lines, l)
		return true
	})
}

func (p *past) close(tab, by crdt.ObjectID) {
	if old, known := p.closed[tab]; known {
		if by.Compare(old) < 0 {
			p.closed[tab] = by
		}
		return
	}
	p.closed[tab] = by
	if len(p.ring) < closedTabKept {
		p.ring = append(p.ring, tab)
		return
	}
	delete(p.closed, p.ring[p.next])
	p.ring[p.next] = tab
	p.next = (p.next + 1) % closedTabKept
}

// ofLine returns the receipts a line is on, as far as they are remembered, the primary first.
func (p *past) ofLine(l crdt.ObjectID) []*settled {
	if several := p.twice[l]; several != nil {
		return slices.SortedFunc(slices.Values(several), primaryFirst)
	}
	if s := p.lines[l]; s != nil {
		return []*settled{s}
	}
	return nil
}

// primaryFirst orders receipts that settled the same line: the one with more lines, then the earlier trusted stamp, then
// the lower dot.
func primaryFirst(a, b *settled) int {
	x, y := a.from.Stamp, b.from.Stamp
	trusted := 0
	switch {
	case x.Trusted && !y.Trusted:
		trusted = -1
	case y.Trusted && !x.Trusted:
		trusted = 1
	}
	return cmp.Or(-cmp.Compare(a.count, b.count), trusted, cmp.Compare(x.MS, y.MS), a.from.Dot.Compare(b.from.Dot))
}
