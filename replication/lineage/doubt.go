package lineage

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/replication"
)

// ErrDoubt is wrapped by errors that say a till may not write under its replica ID.
var ErrDoubt = errors.New("this till is in doubt about its store")

// Kind says what a doubt rests on. The texts are stable: they stand in alarms and tests.
type Kind string

// The kinds.
const (
	StoreForeign   Kind = "store-foreign"   // it belongs to another till or shop; nothing here can help
	StoreMissing   Kind = "store-missing"   // missing or empty although the till exists
	StoreDamaged   Kind = "store-damaged"   // does not open, or rows are missing or changed
	ChainBroken    Kind = "chain-broken"    // own commits that do not follow each other
	RecordMissing  Kind = "record-missing"  // no high-water record beside the store
	RecordDamaged  Kind = "record-damaged"  //
	RecordForeign  Kind = "record-foreign"  // it is of another lineage
	RecordAhead    Kind = "record-ahead"    // it knows numbers that the store lacks
	BindingMissing Kind = "binding-missing" //
	BindingDamaged Kind = "binding-damaged" //
	OtherMachine   Kind = "other-machine"   //
	OtherPlace     Kind = "other-place"     //
	Interrupted    Kind = "interrupted"     // a new lineage was begun here and not made
	OtherReplica   Kind = "other-replica"   // the till went on here as another lineage
	NewerBoot      Kind = "newer-boot"      // the till was started here later than the store knows
	UnknownOwn     Kind = "unknown-own"     // another till holds own commits that are missing here
	ForkedOwn      Kind = "forked-own"      // two different commits under one own dot
	CopyRuns       Kind = "copy-runs"       // two machines speak with this till's key
)

// Doubt is one reason not to write under the replica ID the store has.
type Doubt struct {
	Kind Kind
	Text string // one sentence for people: what it means and what happens next
	// Detail says what exactly was found, for logs and the doctor; it may name paths.
	Detail string
}

// Error makes a doubt an error that wraps [ErrDoubt].
func (d Doubt) Error() string {
	if d.Detail == "" {
		return d.Text
	}
	return d.Text + " (" + d.Detail + ")"
}

// Unwrap returns [ErrDoubt].
func (d Doubt) Unwrap() error { return ErrDoubt }

// Err joins doubts into one error, nil if there are none.
func Err(doubts []Doubt) error {
	var all []error
	for _, d := range doubts {
		all = append(all, d)
	}
	return errors.Join(all...)
}

// texts are shown to people who sell, not to people who program.
var texts = map[Kind]string{
	StoreForeign:   "The data here belongs to another till, so nothing is started; name the right directory.",
	StoreMissing:   "The data of this till is gone; it starts a new number series and gets everything back from the other tills.",
	StoreDamaged:   "The data of this till is damaged; it starts a new number series and gets what is missing from the other tills.",
	ChainBroken:    "The changes of this till do not follow each other as they should; it goes on in a new number series and compares its data with the other tills.",
	RecordMissing:  "The note of the last numbers is missing, so this data may be older than it was; the till goes on in a new number series.",
	RecordDamaged:  "The note of the last numbers is damaged, so this data may be older than it was; the till goes on in a new number series.",
	RecordForeign:  "The note of the last numbers belongs to another copy of this data; the till goes on in a new number series.",
	RecordAhead:    "This data is older than it was, as after a restore; the till goes on in a new number series and gets the rest from the other tills.",
	BindingMissing: "This data was not used on this machine before, so it may be a copy; the till goes on in a new number series.",
	BindingDamaged: "The note about this machine is damaged, so this data may be a copy; the till goes on in a new number series.",
	OtherMachine:   "This data comes from another machine; the till goes on here in a new number series, and the other machine must not run as this till.",
	OtherPlace:     "This data was copied or moved from another place; the till goes on here in a new number series.",
	Interrupted:    "The till was interrupted while it began a new number series; it begins it now.",
	OtherReplica:   "This till already went on here with newer data than this; it goes on in a new number series.",
	NewerBoot:      "This till was started here later than this data knows, so the data is older than it was; the till goes on in a new number series.",
	UnknownOwn:     "Another till knows changes of this till that are missing here; this till starts again in a new number series.",
	ForkedOwn:      "Two different changes of this till carry the same number; this till starts again in a new number series and sends its own again.",
	CopyRuns:       "Another machine runs as this till at the same time; one of the two goes on.",
}

// New returns the doubt of a kind.
func New(kind Kind, format string, args ...any) Doubt {
	return Doubt{Kind: kind, Text: textOf(kind), Detail: fmt.Sprintf(format, args...)}
}

// FromCore returns the doubt that a core reported while the till ran. It is kept with [Reported].
func FromCore(kind replication.DoubtKind, detail string) Doubt {
	switch kind {
	case replication.DoubtUnknownOwn:
		return New(UnknownOwn, "%s", detail)
	case replication.DoubtForkedOwn:
		return New(ForkedOwn, "%s", detail)
	}
	return New(CopyRuns, "%s", detail)
}

// textOf has words for the kinds of a newer program too.
func textOf(kind Kind) string {
	if text, ok := texts[kind]; ok {
		return text
	}
	return "This till is in doubt about its data; it goes on in a new number series."
}

// Renewable reports whether a new replica ID settles all doubts. If not, a person has to act and nothing may be written.
func Renewable(doubts []Doubt) bool { return !has(doubts, StoreForeign) }

// Copied reports whether another machine may hold this data and this till's key, and take a number series without
// being known here. The new series then gets a name that two machines do not choose alike.
func Copied(doubts []Doubt) bool {
	return has(doubts, BindingMissing, BindingDamaged, OtherMachine, OtherPlace, CopyRuns)
}

// UsedTwice reports whether two stores may have written under the sealed replica ID, so that one of its dots may stand
// for two commits.
func UsedTwice(doubts []Doubt) bool { return has(doubts, UnknownOwn, ForkedOwn, CopyRuns, ChainBroken) }

func has(doubts []Doubt, kinds ...Kind) bool {
	return slices.ContainsFunc(doubts, func(d Doubt) bool { return slices.Contains(kinds, d.Kind) })
}
