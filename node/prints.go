package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// The journal of prints is kept in notes of this till, by receipt. It is never replicated, and leaves printLife after the last
// print. From then on a receipt is only printed as a copy.
const (
	printNote        = "prints/of/"     // by receipt: journal.Print
	printOpenNote    = "prints/open/"   // by receipt: nothing; while a print is intended and not done
	printAgeNote     = "prints/at/"     // by time and receipt: nothing
	printDroppedNote = "prints/dropped" // how many left, and the time of the last
	printLife        = 30 * 24 * time.Hour
	printAtOnce      = 500
)

// Codes of refusals about printing. They are part of the API: append, never change.
const (
	CodePrintWaits = "print-waits"  // it is on too few tills
	CodeNoPrint    = "not-intended" // done was said of what nobody intended
)

// What happened to a print, in events.
const (
	PrintIntended = "print-intended"
	PrintDone     = "print-done"
	PrintDropped  = "print-dropped"
	PrintOffered  = "print-offered" // after a start: it was intended, and nobody knows whether there is paper
)

// prints are the prints that are intended and not done.
type prints struct {
	mu   sync.Mutex
	open map[crdt.ObjectID]journal.Print
}

// PrintState is how printing a receipt stands at this till.
type PrintState struct {
	Receipt crdt.ObjectID
	journal.Print
	// Copy: what is printed now, or next if nothing is intended, has to be marked as a copy, with Mark.
	Copy bool
	Mark string
}

// loadPrints finds again what was being printed when the till stopped, and offers it.
func (t *Till) loadPrints(ctx context.Context) error {
	t.prints = &prints{open: make(map[crdt.ObjectID]journal.Print)}
	for from := ""; ; {
		list, err := t.store.NotesFrom(ctx, printOpenNote, from, 1000)
		if err != nil {
			return fmt.Errorf("read what is to be printed: %w", err)
		}
		for _, n := range list {
			from = n.Key + "\x00"
			id, err := crdt.ParseObjectID(strings.TrimPrefix(n.Key, printOpenNote))
			if err != nil {
				return fmt.Errorf("read what is to be printed: %w", err)
			}
			p, err := t.printOf(ctx, id)
			if err != nil {
				t.log.Warn("a print is not known any more", "receipt", id.String(), "error", err)
				continue
			}
			t.prints.open[id] = p
			t.events.post(Event{What: "receipt", Object: id.String(), Number: p.Number, Change: PrintOffered, Till: t.id.Till.String()})
		}
		if len(list) < 1000 {
			return nil
		}
	}
}

// printOf returns what is remembered of printing a receipt; the zero value if nothing is.
func (t *Till) printOf(ctx context.Context, id crdt.ObjectID) (journal.Print, error) {
	got, err := t.store.Notes(ctx, printNote+id.String())
	if err != nil || got[0] == nil {
		return journal.Print{}, err
	}
	return journal.ParsePrint(got[0])
}

// IntendPrint notes, before a receipt is sent to a printer, that it is going to be, and says whether it has to be marked as a
// copy: every print but the first one of a receipt that this till closed. It is refused while the receipt is on too few tills.
func (t *Till) IntendPrint(ctx context.Context, idOrNumber, printer string) (PrintState, error) {
	r, err := t.Receipt(ctx, idOrNumber)
	if err != nil {
		return PrintState{}, err
	}
	defer t.tabs.own(r.ID)()
	if _, done, err := t.acted(ctx); err != nil || done {
		state, failed := t.printState(ctx, r)
		return state, errors.Join(err, failed)
	}
	if err := t.mayPrint(ctx, r); err != nil {
		return PrintState{}, err
	}
	if err := t.room.change(); err != nil {
		return PrintState{}, err
	}
	p, err := t.printOf(ctx, r.ID)
	if err != nil {
		return PrintState{}, err
	}
	// Later than the last print, also on a clock that stands or went back: the order of the two says whether this one is done.
	p.Number, p.Printer, p.Intended, p.Open = r.Number, clipped(printer), max(t.clock.MS(), p.Printed+1), true
	p.Count++
	if err := t.savePrint(ctx, r.ID, p, PrintIntended); err != nil {
		return PrintState{}, err
	}
	return t.marked(ctx, r, p)
}

// mayPrint refuses to print what is on fewer tills than the shop wants. For a receipt of another till the rule of today holds.
func (t *Till) mayPrint(ctx context.Context, r Receipt) error {
	wanted := 0
	switch {
	case r.Release != nil && r.Release.State != Waiting:
		return nil
	case r.Release != nil:
		wanted = r.Release.Wanted
	default:
		settings, err := t.Settings(ctx)
		if err != nil {
			return err
		}
		wanted = int(settings.Print.Copies)
	}
	if on := 1 + len(r.Copies); on < wanted {
		return refuse(CodePrintWaits, "wait until it is on more tills, or let it go with POST /api/v1/receipts/"+r.ID.String()+"/release",
			"%s is printed when it is on %d tills; it is known to be on %d", r.Number, wanted, on)
	}
	return nil
}

// PrintDone notes that the printer took what was intended. Saying it twice changes nothing.
func (t *Till) PrintDone(ctx context.Context, idOrNumber string) (PrintState, error) {
	return t.endPrint(ctx, idOrNumber, PrintDone)
}

// DropPrint notes that nobody wants the print that was intended any more.
func (t *Till) DropPrint(ctx context.Context, idOrNumber string) (PrintState, error) {
	return t.endPrint(ctx, idOrNumber, PrintDropped)
}

func (t *Till) endPrint(ctx context.Context, idOrNumber, how string) (PrintState, error) {
	r, err := t.Receipt(ctx, idOrNumber)
	if err != nil {
		return PrintState{}, err
	}
	defer t.tabs.own(r.ID)()
	p, err := t.printOf(ctx, r.ID)
	switch {
	case err != nil:
		return PrintState{}, err
	case p.Count == 0:
		return PrintState{}, refuse(CodeNoPrint, `say "intended" before it is printed`, "nobody intended to print %s here", r.Number)
	case !p.Open:
		return t.marked(ctx, r, p)
	}
	p.Open = false
	if how == PrintDone {
		p.Done++
		p.Printed = max(t.clock.MS(), p.Intended)
	}
	if err := t.savePrint(ctx, r.ID, p, how); err != nil {
		return PrintState{}, err
	}
	return t.marked(ctx, r, p)
}

// printNotes are the notes of a print: what is remembered of it, whether it is open, and by which it is found when it is old.
func printNotes(id crdt.ObjectID, p journal.Print) []replication.Note {
	open := replication.Note{Key: printOpenNote + id.String()}
	if p.Open {
		open.Value = []byte{1}
	}
	return []replication.Note{{Key: printNote + id.String(), Value: p.Bytes()}, open, aged(printAgeNote, p.Last(), id.String())}
}

func (t *Till) savePrint(ctx context.Context, id crdt.ObjectID, p journal.Print, what string) error {
	notes := printNotes(id, p)
	if what == PrintIntended {
		notes = append(notes, t.actNotes(ctx, id)...)
	}
	if _, err := t.save(ctx, replication.Local{Notes: notes}); err != nil {
		return fmt.Errorf("note the print of %s: %w", p.Number, err)
	}
	t.prints.mu.Lock()
	if delete(t.prints.open, id); p.Open {
		t.prints.open[id] = p
	}
	t.prints.mu.Unlock()
	t.events.post(Event{What: "receipt", Object: id.String(), Number: p.Number, Change: what, Till: t.id.Till.String()})
	return nil
}

// PrintState returns how printing a receipt stands here.
func (t *Till) PrintState(ctx context.Context, idOrNumber string) (PrintState, error) {
	r, err := t.Receipt(ctx, idOrNumber)
	if err != nil {
		return PrintState{}, err
	}
	return t.printState(ctx, r)
}

func (t *Till) printState(ctx context.Context, r Receipt) (PrintState, error) {
	p, err := t.printOf(ctx, r.ID)
	if err != nil {
		return PrintState{}, err
	}
	p.Number = r.Number
	return t.marked(ctx, r, p)
}

// marked says whether a print has to be marked. What is remembered counts, and what is no longer remembered counts as printed.
func (t *Till) marked(ctx context.Context, r Receipt, p journal.Print) (PrintState, error) {
	out := PrintState{Receipt: r.ID, Print: p}
	copies := p.Count - 1
	if !p.Open {
		copies = p.Count // of the next one
	}
	forgotten := false
	if p.Count <= 1 {
		last, err := t.forgottenUpTo(ctx)
		if err != nil {
			return out, err
		}
		at, err := time.Parse(time.RFC3339, r.Parsed.Closed)
		forgotten = err == nil && at.UnixMilli() <= last
	}
	out.Copy = copies > 0 || r.Till != t.id.Till || forgotten
	if !out.Copy {
		return out, nil
	}
	settings, err := t.Settings(ctx)
	if err != nil {
		return out, err
	}
	out.Mark = copyMark(settings.Business.Country, copies)
	return out, nil
}

// copyMark is what is printed on a copy, with its number if that is known.
func copyMark(country string, n int) string {
	mark := "Copy"
	if country == "" || country == "DE" || country == "AT" {
		mark = "Kopie"
	}
	if n > 0 {
		mark = fmt.Sprintf("%s %d", mark, n)
	}
	return mark
}

// OpenPrints lists what was intended and is not done, the oldest first. After a crash that is what may lack its paper.
func (t *Till) OpenPrints(ctx context.Context) ([]PrintState, error) {
	t.prints.mu.Lock()
	open := make([]PrintState, 0, len(t.prints.open))
	for id, p := range t.prints.open {
		open = append(open, PrintState{Receipt: id, Print: p})
	}
	t.prints.mu.Unlock()
	settings, err := t.Settings(ctx)
	if err != nil {
		return nil, err
	}
	for i := range open {
		open[i].Copy, open[i].Mark = true, copyMark(settings.Business.Country, open[i].Count)
	}
	slices.SortFunc(open, func(a, b PrintState) int {
		if a.Intended != b.Intended {
			return int(min(max(a.Intended-b.Intended, -1), 1))
		}
		return a.Receipt.Compare(b.Receipt)
	})
	return open, nil
}

// PrintCounts counts the journal of prints.
type PrintCounts struct {
	Open    int   // intended and not done
	Dropped int64 // receipts that left the journal because of their age
}

// PrintCounts returns what is counted of prints.
func (t *Till) PrintCounts(ctx context.Context) (PrintCounts, error) {
	t.prints.mu.Lock()
	c := PrintCounts{Open: len(t.prints.open)}
	t.prints.mu.Unlock()
	var err error
	c.Dropped, _, err = t.droppedPrints(ctx)
	return c, err
}

// droppedPrints returns how many receipts left the journal, and the time of the last of them in Unix milliseconds.
func (t *Till) droppedPrints(ctx context.Context) (count, last int64, err error) {
	got, err := t.store.Notes(ctx, printDroppedNote)
	if err != nil || got[0] == nil {
		return 0, 0, err
	}
	return readDropped(got[0])
}

// droppedNote says how many receipts left the journal, and when the last one was printed.
func droppedNote(count, last int64) replication.Note {
	return replication.Note{Key: printDroppedNote, Value: codec.AppendInt(codec.AppendInt(codec.AppendArray(nil, 2), count), last)}
}

// readDropped reads what droppedNote wrote.
func readDropped(b []byte) (count, last int64, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	count, last = r.Int(), r.Int()
	r.Skip(more)
	if err := r.Done(); err != nil {
		return 0, 0, fmt.Errorf("journal of prints: %w", err)
	}
	return count, last, nil
}

func (t *Till) forgottenUpTo(ctx context.Context) (int64, error) {
	_, last, err := t.droppedPrints(ctx)
	return last, err
}

// expirePrints removes what was printed long ago, a bounded number at a time. What was only intended leaves with it.
func (t *Till) expirePrints(ctx context.Context) error {
	list, err := t.store.NotesFrom(ctx, printAgeNote, "", printAtOnce)
	if err != nil {
		return err
	}
	var notes []replication.Note
	var gone []crdt.ObjectID
	count, last, err := t.droppedPrints(ctx)
	if err != nil {
		return err
	}
	for _, n := range list {
		rest := n.Key[len(printAgeNote):]
		if len(rest) < 8 {
			notes = append(notes, replication.Note{Key: n.Key})
			continue
		}
		ms := int64(binary.BigEndian.Uint64([]byte(rest[:8])))
		if t.clock.Now().Sub(time.UnixMilli(ms)) < printLife {
			break
		}
		notes = append(notes, replication.Note{Key: n.Key})
		id, err := crdt.ParseObjectID(rest[8:])
		if err != nil {
			continue
		}
		p, err := t.printOf(ctx, id)
		if err != nil {
			return err
		}
		if p.Last() > ms || p.Count == 0 {
			continue // it was printed again since, or is gone already
		}
		gone = append(gone, id)
		count, last = count+1, max(last, ms)
		notes = append(notes, replication.Note{Key: printNote + rest[8:]}, replication.Note{Key: printOpenNote + rest[8:]})
	}
	if len(notes) == 0 {
		return nil
	}
	notes = append(notes, droppedNote(count, last))
	if _, err := t.save(ctx, replication.Local{Notes: notes}); err != nil {
		return err
	}
	t.prints.mu.Lock()
	defer t.prints.mu.Unlock()
	for _, id := range gone {
		delete(t.prints.open, id)
	}
	return nil
}
