package archive

import (
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Verdict is what a till says to a checkpoint.
type Verdict int

// The verdicts.
const (
	First     Verdict = iota // nothing was remembered yet
	Same                     // the tree that is remembered
	Grown                    // it begins with the tree that is remembered
	Behind                   // an older one than the one remembered, and a proper beginning of it: another server is behind; remember on
	Rewritten                // it does not begin with the tree that is remembered: history was changed
	Forked                   // of the same size as the one remembered, with another hash: two histories
	Unproven                 // larger, and no proof that fits came with it: ask again; if it stays so, treat it as Rewritten
	Unsigned                 // not signed with the key of the cloud, or of another account
)

var verdicts = map[Verdict]string{First: "first", Same: "same", Grown: "grown", Behind: "behind", Rewritten: "rewritten", Forked: "forked", Unproven: "unproven", Unsigned: "unsigned"}

// String returns the verdict's stable name.
func (v Verdict) String() string { return verdicts[v] }

// Alarm reports whether somebody has to be told at once: the history of the archive is not the one that was seen before.
func (v Verdict) Alarm() bool { return v == Rewritten || v == Forked || v == Unsigned }

// Memory is the latest checkpoint that a till has seen, as it stores it: the signed note, verbatim, which is evidence against whoever
// signed it. The zero value remembers nothing.
type Memory struct{ Note []byte }

// Offer is what the cloud shows at a contact: its latest checkpoint, and the proof that leads there from the size that the till named; see
// [Memory.Size].
type Offer struct {
	Note  []byte
	Proof []tlog.Hash
}

// Size returns the number of leaves of the checkpoint that is remembered: what to ask the proof for. Zero: none is needed.
func (m Memory) Size(account AccountID, v note.Verifier) (int64, error) {
	if len(m.Note) == 0 {
		return 0, nil
	}
	c, err := OpenCheckpoint(m.Note, account, v)
	if err != nil {
		return 0, fmt.Errorf("the checkpoint that is remembered: %w", err)
	}
	return c.Size, nil
}

// Compare says what an offer is to what is remembered, and returns what to remember from now on. After an alarm that is what it was: keep
// both notes, together they prove what happened. The error is about what is remembered, or says what is wrong with the offer.
func (m Memory) Compare(account AccountID, o Offer, v note.Verifier) (Verdict, Memory, error) {
	offered, err := OpenCheckpoint(o.Note, account, v)
	if err != nil {
		return Unsigned, m, err
	}
	next := Memory{Note: o.Note}
	if len(m.Note) == 0 {
		return First, next, nil
	}
	known, err := OpenCheckpoint(m.Note, account, v)
	if err != nil {
		return Unsigned, m, fmt.Errorf("the checkpoint that is remembered: %w", err)
	}
	switch {
	case offered.Size == known.Size && offered.Root == known.Root:
		if offered.Time < known.Time {
			next = m
		}
		return Same, next, nil
	case offered.Size == known.Size:
		return Forked, m, fmt.Errorf("%w: two archives of %d leaves", ErrProof, known.Size)
	case offered.Size < known.Size:
		// The proof, if there is one, leads the other way round.
		if err := CheckGrowth(offered, known, o.Proof); err != nil {
			return Rewritten, m, fmt.Errorf("the archive had %d leaves and has %d now: %w", known.Size, offered.Size, err)
		}
		return Behind, m, nil
	case len(o.Proof) == 0 && known.Size > 0:
		return Unproven, m, fmt.Errorf("%w: none came for %d to %d leaves", ErrProof, known.Size, offered.Size)
	}
	if err := CheckGrowth(known, offered, o.Proof); err != nil {
		return Rewritten, m, err
	}
	return Grown, next, nil
}

// AccountOf returns the account of a checkpoint that v signed. A till that remembers nothing yet takes it from the first one that it is
// shown, and holds the cloud to it from then on.
func AccountOf(msg []byte, v note.Verifier) (AccountID, error) {
	text, err := OpenNote(msg, v)
	if err != nil {
		return AccountID{}, err
	}
	first, _, _ := strings.Cut(text, "\n")
	name, ok := strings.CutPrefix(first, checkpointOrigin)
	if !ok {
		return AccountID{}, fmt.Errorf("%w: it begins with %.40q", ErrCheckpoint, first)
	}
	return ParseAccountID(name)
}
