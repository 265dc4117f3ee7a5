package backup

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/blockfile"
)

// Source is a store that is backed up; *[Gate] is one.
type Source interface {
	Contexts() map[crdt.Scope]crdt.Context
	Digests() map[crdt.Scope]crdt.Digest
	Live(ctx context.Context, scope crdt.Scope, want crdt.Context, at replication.Cursor, maxBytes int) ([][]byte, replication.Cursor, error)
	NotesFrom(ctx context.Context, prefix, from string, limit int) ([]replication.Note, error)
	// Still runs read while nothing is being written.
	Still(ctx context.Context, read func() error) error
}

// About is what a backup says beside the data of the store.
type About struct {
	Header  Header
	Secrets Secrets
	// Notes lists prefixes of notes to keep beside the heads of series, such as those of doubts. What is kept is shown
	// to whoever restores and never put into a restored store.
	Notes []string
}

// Progress is told after every block. The function that gets it must not block.
type Progress struct {
	Stage   string // "write", "verify" or "load"
	Commits int64
	Bytes   int64 // of the file
	Total   int64 // of the file; 0 while it is not known
}

// pauseBytes is how much may have arrived since the round before for the last one to be read while writes wait.
const pauseBytes = 4 << 20

// Written says what Write wrote.
type Written struct {
	Hash    crdt.Hash // SHA-256 of the whole file
	Bytes   int64
	Commits int64
	Rounds  int // how often it looked for what arrived meanwhile, at least once
}

// Write writes the state of a store into w, all as of one moment near its end: FORMAT.md shows why. It holds about
// 8 MiB. progress may be nil. After an error what was written is no backup.
func Write(ctx context.Context, w io.Writer, src Source, about About, progress func(Progress)) (Written, error) {
	out, err := write(ctx, w, src, about, progress)
	if err != nil {
		return Written{}, fmt.Errorf("write backup: %w", err)
	}
	return out, nil
}

func write(ctx context.Context, w io.Writer, src Source, about About, progress func(Progress)) (out Written, err error) {
	about.Header.Made = about.Header.Made.UTC()
	if err := cmp.Or(about.Header.check(), about.Secrets.check()); err != nil {
		return out, err
	}
	blocks, err := blockfile.NewWriter(w, format)
	if err != nil {
		return out, err
	}
	x := &writer{src: src, out: blocks, known: make(map[crdt.Scope]crdt.Context), progress: progress}
	err = x.all(ctx, about)
	if closing := blocks.Close(); err == nil {
		err = closing
	}
	return Written{Hash: blocks.Sum(), Bytes: blocks.Bytes(), Commits: int64(x.commits), Rounds: x.rounds}, err
}

type writer struct {
	src      Source
	out      *blockfile.Writer
	known    map[crdt.Scope]crdt.Context // what the rounds so far cover
	round    int
	rounds   int // with anything in them
	commits  uint64
	bytes    uint64
	progress func(Progress)
}

// last is what is read while nothing is written.
type last struct {
	delta   map[crdt.Scope]crdt.Context
	commits map[crdt.Scope][][]byte
	digests map[crdt.Scope]crdt.Digest
	notes   []replication.Note
	tooMuch bool
}

func (x *writer) all(ctx context.Context, about About) error {
	if err := x.out.Block(kindHeader, about.Header.append(nil)); err != nil {
		return err
	}
	var end last
	for {
		if err := x.stream(ctx); err != nil {
			return err
		}
		x.round++
		var err error
		if end, err = x.still(ctx, about.Notes); err != nil {
			return err
		}
		if !end.tooMuch {
			break
		}
		if x.round == maxRounds {
			return ErrBusy
		}
	}
	for _, scope := range sorted(end.delta) {
		at := section{x.round, scope}
		if err := x.begin(at, end.delta[scope]); err != nil {
			return err
		}
		if err := x.put(ctx, at, end.commits[scope]); err != nil {
			return err
		}
	}
	return x.close(end, about.Secrets)
}

// stream writes what the store has by now and the rounds before did not cover, while the till goes on.
func (x *writer) stream(ctx context.Context) error {
	delta := x.news()
	for _, scope := range sorted(delta) {
		at := section{x.round, scope}
		if err := x.begin(at, delta[scope]); err != nil {
			return err
		}
		for cursor := (replication.Cursor{}); !cursor.Done; {
			var list [][]byte
			var err error
			if list, cursor, err = x.src.Live(ctx, scope, delta[scope], cursor, target); err != nil {
				return err
			}
			if err := x.put(ctx, at, list); err != nil {
				return err
			}
		}
	}
	return nil
}

// news returns what the contexts gained since the round before.
func (x *writer) news() map[crdt.Scope]crdt.Context {
	delta := make(map[crdt.Scope]crdt.Context)
	for scope, now := range x.src.Contexts() {
		if d := now.Minus(x.known[scope]); len(d) > 0 {
			delta[scope] = d
		}
	}
	return delta
}

// still reads the rest while writes wait. It writes nothing: the disk of the backup may be slow.
func (x *writer) still(ctx context.Context, prefixes []string) (end last, err error) {
	err = x.src.Still(ctx, func() error {
		end = last{delta: x.news(), commits: make(map[crdt.Scope][][]byte), digests: x.src.Digests()}
		size := 0
		for _, scope := range sorted(end.delta) {
			for cursor := (replication.Cursor{}); !cursor.Done; {
				var list [][]byte
				if list, cursor, err = x.src.Live(ctx, scope, end.delta[scope], cursor, target); err != nil {
					return err
				}
				for _, raw := range list {
					size += len(raw)
				}
				end.commits[scope] = append(end.commits[scope], list...)
				if size > pauseBytes {
					end.tooMuch = true
					return nil
				}
			}
		}
		end.notes, err = x.notes(ctx, append([]string{store.SeriesNote}, prefixes...))
		return err
	})
	return end, err
}

func (x *writer) notes(ctx context.Context, prefixes []string) ([]replication.Note, error) {
	var out []replication.Note
	size := 0
	slices.Sort(prefixes)
	prefixes = slices.Compact(prefixes)
	for i, prefix := range prefixes {
		if i > 0 && strings.HasPrefix(prefix, prefixes[i-1]) {
			return nil, fmt.Errorf("notes %q are among %q", prefix, prefixes[i-1])
		}
		for from := ""; ; {
			list, err := x.src.NotesFrom(ctx, prefix, from, 256)
			if err != nil {
				return nil, err
			}
			if len(list) == 0 {
				break
			}
			for _, n := range list {
				size += len(n.Key) + len(n.Value)
			}
			if out = append(out, list...); len(out) > maxNotes || size > maxNoteBytes {
				return nil, fmt.Errorf("more than %d notes or %d bytes under %q", maxNotes, maxNoteBytes, prefix)
			}
			from = list[len(list)-1].Key + "\x00"
		}
	}
	return out, nil
}

// begin starts a section with the context it is about.
func (x *writer) begin(at section, delta crdt.Context) error {
	for _, part := range contextParts(delta) {
		if err := x.out.Block(kindContext, appendContext(nil, at, part)); err != nil {
			return err
		}
	}
	if x.known[at.scope] == nil {
		x.known[at.scope] = make(crdt.Context)
	}
	x.known[at.scope].AddAll(delta)
	x.rounds = at.round + 1
	return nil
}

// put writes commits in blocks of about the target size.
func (x *writer) put(ctx context.Context, at section, list [][]byte) error {
	for len(list) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, size := 0, 0
		for n < len(list) && (n == 0 || size+len(list[n]) <= target) {
			size += len(list[n])
			n++
		}
		if err := x.out.Block(kindCommits, appendCommits(nil, at, list[:n])); err != nil {
			return err
		}
		x.commits += uint64(n)
		x.bytes += uint64(size)
		list = list[n:]
		if x.progress != nil {
			x.progress(Progress{Stage: "write", Commits: int64(x.commits), Bytes: x.out.Bytes()})
		}
	}
	return nil
}

func (x *writer) close(end last, secrets Secrets) error {
	if err := x.out.Block(kindDigests, appendDigests(nil, end.digests, sorted(x.known))); err != nil {
		return err
	}
	if err := x.out.Block(kindNotes, appendNotes(nil, end.notes)); err != nil {
		return err
	}
	if err := x.out.Block(kindSecrets, secrets.append(nil)); err != nil {
		return err
	}
	e := ending{blocks: uint64(x.out.Number()), commits: x.commits, bytes: x.bytes, sum: x.out.Sum()}
	return x.out.Block(kindEnd, e.append(nil))
}

func sorted[V any](m map[crdt.Scope]V) []crdt.Scope {
	return slices.SortedFunc(maps.Keys(m), crdt.Scope.Compare)
}
