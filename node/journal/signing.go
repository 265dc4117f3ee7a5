package journal

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/replication"
)

// Patience is how long a receipt waits for the signing device.
const Patience = 3 * time.Second

// Signing has the documents of a till confirmed by its device, and sells on without it: a device that failed once is not asked
// again until it answered a probe. It keeps the log of outages.
type Signing struct {
	device   Device
	chained  bool // as the device says
	series   string
	notes    Notes
	now      func() time.Time
	patience time.Duration

	mu      sync.Mutex
	since   time.Time // it works, or does not, since
	failing bool
	probing bool
	answers bool   // a device that fails answered a probe: special receipts may be tried
	reason  string // why it fails
	last    Outage // the last outage, without its numbers; zero: there was none
	refused string // why the last one was, if it is about what was refused since the start
	unsaved []replication.Note
	changes int // of what a person should be told

	// The following belong to whoever has the turn in the series; mu is held to change them.
	before, at mark
}

// mark is what is stored with a document.
type mark struct {
	number  uint64
	known   bool // false: it has to be read from the notes
	chain   Chain
	numbers Outage // of the last outage, if it had any
}

// Notes are the notes of a till as they are stored.
type Notes interface {
	Notes(ctx context.Context, keys ...string) ([][]byte, error)
	NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error)
}

// SigningConfig is what [NewSigning] needs.
type SigningConfig struct {
	Device   Device
	Series   string
	Notes    Notes
	Now      func() time.Time // business time; called from any goroutine
	Patience time.Duration    // 0: [Patience]
}

// NewSigning goes on where the notes of the till stand. A device that did not work when the till stopped is asked anew.
func NewSigning(ctx context.Context, c SigningConfig) (*Signing, error) {
	s := &Signing{device: c.Device, chained: c.Device.Info().Chained, series: c.Series, notes: c.Notes, now: c.Now, patience: c.Patience, since: c.Now()}
	if s.patience == 0 {
		s.patience = Patience
	}
	list, err := s.outages(ctx)
	if err != nil {
		return nil, err
	}
	if n := len(list); n > 0 {
		s.last = list[n-1]
	}
	if s.at, err = s.load(ctx, 0); err != nil {
		return nil, err
	}
	s.at.number = s.at.chain.Number
	switch {
	case s.at.chain.Outage():
		s.failing, s.answers, s.reason = true, true, s.last.Reason // until a collective receipt was signed
		if s.last.Begin == 0 || s.last.End != 0 {
			s.begin("an outage was not ended by a collective receipt")
		}
		s.since = time.UnixMilli(s.last.Begin)
	case s.last.Begin != 0 && s.last.End == 0:
		s.end() // the next receipt shows whether it works; if not, that is a new outage
	}
	return s, nil
}

// Info says which device it is.
func (s *Signing) Info() DeviceInfo { return s.device.Info() }

// SigningState is how a device is doing.
type SigningState struct {
	Works  bool
	Since  time.Time // it is so; the start of the till counts as a begin
	Reason string    // why it does not work
	Chain  Chain     // of the last document that was sealed
}

// State returns how the device is doing.
func (s *Signing) State() SigningState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return SigningState{Works: !s.failing, Since: s.since, Reason: s.reason, Chain: s.at.chain}
}

// Prepare has a document confirmed that has no number yet, and returns what it says about that; nil if the device needs the
// number. A device that does not work is no error: the document then says so. The error is that of ctx, if its caller gave up.
func (s *Signing) Prepare(ctx context.Context, d *receipt.Document) (receipt.Object, error) {
	if s.chained {
		return nil, nil
	}
	return s.ask(ctx, func(ctx context.Context) (receipt.Object, error) { return s.device.Prepare(ctx, d) })
}

// Confirm has something else confirmed, such as a closing. What is said of [Signing.Prepare] holds for it too.
func (s *Signing) Confirm(ctx context.Context, text string) (receipt.Object, error) {
	if s.chained {
		return nil, nil
	}
	return s.ask(ctx, func(ctx context.Context) (receipt.Object, error) { return s.device.Confirm(ctx, text) })
}

// Identify asks the device which one it is, unless that is known. A device that does not answer does not work.
func (s *Signing) Identify(ctx context.Context) {
	_, _ = s.ask(ctx, func(ctx context.Context) (receipt.Object, error) { return nil, s.device.Identify(ctx) }) // what fails is noted
}

// Order has lines confirmed, and says how many from the first on. What is said of [Signing.Prepare] holds for it too.
func (s *Signing) Order(ctx context.Context, lines []OrderLine) (o receipt.Object, covered int, err error) {
	if covered = len(lines); s.chained {
		return nil, covered, nil
	}
	o, err = s.ask(ctx, func(ctx context.Context) (o receipt.Object, err error) {
		o, n, err := s.device.Order(ctx, lines)
		covered = max(n, 1)
		return o, err
	})
	return o, covered, err
}

// ask asks the device within the patience, unless it is known to fail.
func (s *Signing) ask(ctx context.Context, do func(context.Context) (receipt.Object, error)) (receipt.Object, error) {
	s.mu.Lock()
	failing, reason := s.failing, s.reason
	s.mu.Unlock()
	if failing {
		return s.device.Failed(errors.New(reason)), nil
	}
	within, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	o, err := do(within)
	switch {
	case err == nil:
		return o, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("waiting for the signing device: %w", ctx.Err())
	}
	s.failed(err)
	return failed(s.device, err), nil
}

// failed notes that the device did not confirm something.
func (s *Signing) failed(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	refused := errors.Is(err, ErrRefused)
	reason := clipCause(err)
	if s.failing || refused && s.refused == reason {
		s.answers = s.answers && refused
		return // it belongs to the outage that goes on, or to those that were refused before for the same reason
	}
	s.begin(reason)
	if refused {
		s.end()
		s.refused = reason
		return
	}
	s.failing, s.answers, s.reason, s.since = true, false, reason, s.now()
}

// begin begins a new outage. The caller holds mu.
func (s *Signing) begin(reason string) {
	s.refused = ""
	s.last = Outage{Begin: max(s.now().UnixMilli(), s.last.Begin+1), Reason: reason}
	s.unsaved = append(s.unsaved, s.last.note(outageNote))
	s.changes++
}

// end ends the last outage. The caller holds mu.
func (s *Signing) end() {
	s.last.End = max(s.now().UnixMilli(), s.last.Begin)
	s.unsaved = append(s.unsaved, s.last.note(outageNote))
	s.changes++
}

// works notes that the device works again.
func (s *Signing) works() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		s.failing, s.answers, s.reason, s.since = false, false, "", s.now()
		s.end()
	}
}

// Probe asks a device that does not work whether it does again, unless somebody else does. A device whose chain has unsigned
// receipts works from the next collective receipt on: [Signing.Collective] says that it is wanted.
func (s *Signing) Probe(ctx context.Context) {
	s.mu.Lock()
	skip := !s.failing || s.probing
	s.probing = s.probing || !skip
	s.mu.Unlock()
	if skip {
		return
	}
	within, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	err := s.device.Probe(within)
	s.mu.Lock()
	s.probing, s.answers = false, err == nil
	collective := s.at.chain.Outage()
	s.mu.Unlock()
	if err == nil && !collective {
		s.works()
	}
}

// Collective reports whether the device answers again and a collective receipt has to say so.
func (s *Signing) Collective() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failing && s.answers && s.at.chain.Outage()
}

// Due says which special receipt is wanted before anything else in a month, see [Chain.Due]. While the device does not work
// it is only the end of a month, and only if there is time to wait for the device: patient.
func (s *Signing) Due(month string, patient bool) (what, period string) {
	if !s.chained {
		return "", ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	what, period = s.at.chain.Due(month)
	if s.failing && (!patient || what != receipt.ControlMonth) {
		return "", ""
	}
	return what, period
}

// Unsaved returns notes that have to be saved soon, once; changed says whether the device began or ceased to work.
func (s *Signing) Unsaved() (notes []replication.Note, changed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	notes, changed = s.unsaved, s.changes > 0
	s.unsaved, s.changes = nil, 0
	return notes, changed
}

// Keep takes notes back that were not saved.
func (s *Signing) Keep(notes []replication.Note) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unsaved = append(notes, s.unsaved...)
}

// Outages returns all outages, the earliest first.
func (s *Signing) Outages(ctx context.Context) ([]Outage, error) {
	list, err := s.outages(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range list {
		if list[i].Begin == s.last.Begin {
			list[i].End = s.last.End // it may not be saved yet
		}
	}
	return list, err
}

func (s *Signing) outages(ctx context.Context) ([]Outage, error) {
	const page = 500
	var out []Outage
	at := make(map[int64]int)
	for _, prefix := range []string{outageNote, numbersNote} {
		for from := ""; ; {
			list, err := s.notes.NotesFrom(ctx, prefix, from, page)
			if err != nil {
				return nil, fmt.Errorf("read outages of the signing device: %w", err)
			}
			for _, n := range list {
				from = n.Key + "\x00"
				begin, ok := beginOf(n.Key, prefix)
				o, err := parseOutage(n.Value)
				if err != nil || !ok {
					return nil, errors.Join(err, fmt.Errorf("note %q is not readable", strings.ToValidUTF8(n.Key, "?")))
				}
				o.Begin = begin
				if i, known := at[begin]; known {
					out[i] = out[i].merge(o)
					continue
				}
				at[begin] = len(out)
				out = append(out, o)
			}
			if len(list) < page {
				break
			}
		}
	}
	sortOutages(out)
	return out, nil
}
