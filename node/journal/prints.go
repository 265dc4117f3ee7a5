package journal

import (
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Print is what a till remembers of printing one receipt. A print is intended before it goes to a printer and done when the
// printer took it; after a crash between the two nobody knows whether there is paper, so the next one is a copy.
type Print struct {
	Number   string // of the receipt, for lists
	Printer  string // of the last print; may be empty
	Count    int    // how often it was intended, above zero
	Done     int    // how often it was printed for certain, at most Count
	Intended int64  // the last time, Unix milliseconds, business time
	Printed  int64  // the last time, 0: never
	Open     bool   // the last one that was intended is not done
}

// printVersion is the version of the value below.
const printVersion = 1

// Last returns when the journal last heard of the receipt, in Unix milliseconds.
func (p Print) Last() int64 { return max(p.Intended, p.Printed) }

// Bytes returns the value of a note: [version, number, printer, count, done, intended, printed, open].
func (p Print) Bytes() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 8), printVersion)
	b = codec.AppendString(codec.AppendString(b, p.Number), p.Printer)
	b = codec.AppendUint(codec.AppendUint(b, uint64(p.Count)), uint64(p.Done))
	b = codec.AppendInt(codec.AppendInt(b, p.Intended), p.Printed)
	return codec.AppendBool(b, p.Open)
}

// ParsePrint reads what Bytes wrote. A later version with more members is read, too.
func ParsePrint(b []byte) (p Print, err error) {
	if err := codec.Check(b); err != nil {
		return p, fmt.Errorf("journal of prints: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(8)
	if v := r.Uint(); v != printVersion {
		return p, fmt.Errorf("journal of prints: version %d: %w", v, crdt.ErrUpdateNeeded)
	}
	p.Number, p.Printer = r.String(), r.String()
	count, done := r.Uint(), r.Uint()
	p.Intended, p.Printed, p.Open = r.Int(), r.Int(), r.Bool()
	r.Skip(more)
	if count == 0 || count > 1<<31 || done > count {
		r.Fail("%d prints, %d of them done", count, done)
	}
	p.Count, p.Done = int(count), int(done)
	if err := r.Done(); err != nil {
		return Print{}, fmt.Errorf("journal of prints: %w", err)
	}
	return p, nil
}
