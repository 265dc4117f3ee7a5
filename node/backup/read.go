package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

// content is what a walk through a backup found, beside the commits.
type content struct {
	header  Header
	union   map[crdt.Scope]crdt.Context
	digests map[crdt.Scope]crdt.Digest
	notes   []replication.Note
	secrets Secrets
	counts  map[crdt.Scope]int64
	rounds  int
	written Written
	// breaks are commits that follow others than the one that is there: two stores wrote under one replica. The file is
	// whole, the data tell of a fork.
	breaks []crdt.Dot
}

// walker reads a backup once, from its first byte to its last, and checks everything that can be checked on the way.
type walker struct {
	content
	blocks *blockfile.Reader
	stage  byte // kind of the block before
	at     section
	open   bool         // there is a section
	delta  crdt.Context // of the section
	begun  bool         // commits of the section were read
	before *crdt.Commit // of the section
	runs   int
	bytes  uint64

	// take gets the commits of a block, in the order of the file; first is set with the first block of a section, or with
	// no commits at its end if it has none, and is what the section adds to the context.
	take     func(list []*crdt.Commit, first *replication.Claim) error
	progress func()
}

// walk reads all of r. Its errors wrap [ErrDamaged], [ErrNoBackup], [ErrNewer], or what take returned.
func (w *walker) walk(ctx context.Context, r io.Reader) (err error) {
	if w.blocks, err = blockfile.NewReader(r, format); err != nil {
		return err
	}
	defer w.blocks.Close()
	w.union, w.counts = make(map[crdt.Scope]crdt.Context), make(map[crdt.Scope]int64)
	for w.stage != kindEnd {
		if err := ctx.Err(); err != nil {
			return err
		}
		number, at, sum := w.blocks.Number(), w.blocks.Bytes(), w.blocks.Sum()
		kind, plain, err := w.blocks.Next()
		if err != nil {
			return err
		}
		err = w.block(kind, plain, uint64(number), sum)
		var taken takeError
		switch {
		case errors.As(err, &taken):
			return taken.error
		case errors.Is(err, crdt.ErrVersion):
			return fmt.Errorf("%w: block %d at byte %d: %w", ErrNewer, number, at, err)
		case err != nil:
			return fmt.Errorf("%w: block %d (%s) at byte %d: %w", ErrDamaged, number, format.Kinds[kind], at, err)
		}
		w.written.Bytes = w.blocks.Bytes()
		if w.progress != nil {
			w.progress()
		}
	}
	if err := w.blocks.End(); err != nil {
		return err
	}
	w.written.Hash, w.written.Rounds = w.blocks.Sum(), w.rounds
	return nil
}

// takeError is an error of take: nothing is wrong with the file.
type takeError struct{ error }

func (t takeError) Unwrap() error { return t.error }

// mayFollow says which kinds may stand after which.
var mayFollow = map[byte]string{
	0: "H", kindHeader: "KD", kindContext: "KCD", kindCommits: "KCD", kindDigests: "N", kindNotes: "S", kindSecrets: "E",
}

func (w *walker) block(kind byte, plain []byte, number uint64, sum crdt.Hash) (err error) {
	if !slices.Contains([]byte(mayFollow[w.stage]), kind) {
		return fmt.Errorf("it may not stand behind a block of kind %q", w.stage)
	}
	w.stage = kind
	switch kind {
	case kindHeader:
		w.header, err = readHeader(plain)
	case kindContext:
		err = w.context(plain)
	case kindCommits:
		err = w.commits(plain)
	case kindDigests:
		if err = w.endSection(); err == nil {
			err = w.digestBlock(plain)
		}
	case kindNotes:
		w.notes, err = readNotes(plain)
	case kindSecrets:
		w.secrets, err = readSecrets(plain)
	case kindEnd:
		err = w.ending(plain, number, sum)
	}
	return err
}

// context begins a section, or goes on with the context of one.
func (w *walker) context(plain []byte) error {
	at, part, err := readContext(plain)
	if err != nil {
		return err
	}
	switch {
	case w.open && at == w.at && w.begun:
		return fmt.Errorf("the context of %v comes again behind its commits", at.scope)
	case w.open && at != w.at && at.compare(w.at) < 0:
		return fmt.Errorf("%v of round %d comes behind %v of round %d", at.scope, at.round, w.at.scope, w.at.round)
	case !w.open || at != w.at:
		if err := w.endSection(); err != nil {
			return err
		}
		w.open, w.at, w.delta, w.begun, w.before = true, at, make(crdt.Context), false, nil
	}
	if len(part) == 0 {
		return fmt.Errorf("an empty context of %v", at.scope)
	}
	for _, list := range part {
		w.runs += len(list)
	}
	if w.runs > maxAllRuns || len(w.union) > maxScopes {
		return fmt.Errorf("contexts of more than %d runs or %d scopes", maxAllRuns, maxScopes)
	}
	union := w.union[at.scope]
	if union == nil {
		union = make(crdt.Context)
		w.union[at.scope] = union
	}
	if len(union.And(part)) > 0 {
		return fmt.Errorf("the context of %v covers commits twice", at.scope)
	}
	union.AddAll(part)
	w.delta.AddAll(part)
	w.rounds = at.round + 1
	return nil
}

func (w *walker) commits(plain []byte) error {
	at, list, err := readCommits(plain)
	if err != nil {
		return err
	}
	if !w.open || at != w.at {
		return fmt.Errorf("commits of %v in round %d without their context", at.scope, at.round)
	}
	for _, c := range list {
		if err := w.commit(c); err != nil {
			return err
		}
	}
	return w.hand(list)
}

// commit checks a commit against the one before it and against the context it stands under.
func (w *walker) commit(c *crdt.Commit) error {
	if !w.delta.Has(c.Dot) {
		return fmt.Errorf("commit %v of %v is not in the context above it", c.Dot, c.Scope)
	}
	if b := w.before; b != nil {
		if b.Dot.Compare(c.Dot) >= 0 {
			return fmt.Errorf("commit %v stands behind %v", c.Dot, b.Dot)
		}
		if b.Dot.Replica == c.Dot.Replica && c.Pred == b.Dot.Seq && c.Prev != b.Hash() {
			w.breaks = append(w.breaks, c.Dot)[:min(len(w.breaks)+1, maxProblems)]
		}
	}
	w.before = c
	w.written.Commits++
	w.counts[c.Scope]++
	w.bytes += uint64(len(c.Bytes()))
	return nil
}

func (w *walker) hand(list []*crdt.Commit) error {
	var first *replication.Claim
	if !w.begun {
		first = &replication.Claim{Scope: w.at.scope, Context: w.delta}
	}
	w.begun = true
	if err := w.take(list, first); err != nil {
		return takeError{err}
	}
	return nil
}

// endSection hands on a section of which nothing is live.
func (w *walker) endSection() error {
	if !w.open || w.begun {
		return nil
	}
	return w.hand(nil)
}

func (w *walker) digestBlock(plain []byte) (err error) {
	if w.digests, err = readDigests(plain); err != nil {
		return err
	}
	if have, want := slices.Collect(maps.Keys(w.digests)), len(w.union); len(have) != want {
		return fmt.Errorf("digests of %d scopes, contexts of %d", len(have), want)
	}
	for scope := range w.union {
		if _, ok := w.digests[scope]; !ok {
			return fmt.Errorf("no digest of %v", scope)
		}
	}
	return nil
}

func (w *walker) ending(plain []byte, number uint64, sum crdt.Hash) error {
	e, err := readEnding(plain)
	if err != nil {
		return err
	}
	if have := (ending{number, uint64(w.written.Commits), w.bytes, sum}); have != e {
		return fmt.Errorf("it stands for %d blocks and %d commits of %d bytes, there are %d and %d of %d, or their bytes differ",
			e.blocks, e.commits, e.bytes, have.blocks, have.commits, have.bytes)
	}
	return nil
}
