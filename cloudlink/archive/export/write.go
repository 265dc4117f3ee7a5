package export

import (
	"archive/zip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/crdt"
)

// Options say what to write.
type Options struct {
	Account        archive.AccountID
	Shop           crdt.ShopID        // zero: all shops
	FromDay, ToDay string             // YYYY-MM-DD, both included; empty: without an end
	Key            ed25519.PrivateKey // of the cloud: signs the manifest, and signed the checkpoints
	Progress       func(Progress)     // called about every 1000 lines; must not block; may be nil
}

// Progress is how far a long work is.
type Progress struct {
	File string // that is being written or read
	Done int64  // leaves or lines of it
	Of   int64  // leaves of the archive: Done may end below it
}

// Summary says what was written.
type Summary struct {
	Manifest
	Bytes int64
}

// Write writes an export of what the latest checkpoint covers; make one first if the newest is wanted. It reads as it writes and holds little.
// merkle.ErrNotFound: nothing was signed yet. After an error what was written is no export.
func Write(ctx context.Context, out io.Writer, logs *merkle.Logs, o Options) (Summary, error) {
	w, err := newWriter(ctx, out, logs, o)
	if err == nil {
		err = w.run(ctx)
	}
	if err != nil {
		return Summary{}, fmt.Errorf("export the archive of %s: %w", o.Account, err)
	}
	return Summary{w.m, w.out.n}, nil
}

// counter counts the bytes that pass.
type counter struct {
	w io.Writer
	n int64
}

// Write is a method of io.Writer.
func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// writer writes one file of the ZIP after the other.
type writer struct {
	o        Options
	logs     *merkle.Logs
	signer   note.Signer
	verifier note.Verifier
	public   ed25519.PublicKey
	m        Manifest
	out      *counter
	zip      *zip.Writer

	file io.Writer // that is being written
	sum  hash.Hash
	size int64
	done int64 // lines
}

func newWriter(ctx context.Context, out io.Writer, logs *merkle.Logs, o Options) (*writer, error) {
	w := &writer{o: o, logs: logs, out: &counter{w: out}}
	for _, day := range []string{o.FromDay, o.ToDay} {
		if t, err := time.Parse(time.DateOnly, day); day != "" && (err != nil || t.Format(time.DateOnly) != day) {
			return nil, fmt.Errorf("%w: day %.20q is not YYYY-MM-DD", archive.ErrLeaf, day)
		}
	}
	var err error
	if w.signer, err = archive.NewSigner(o.Key); err != nil {
		return nil, err
	}
	w.public, _ = o.Key.Public().(ed25519.PublicKey)
	if w.verifier, err = archive.NewVerifier(w.public); err != nil {
		return nil, err
	}
	last, err := logs.Latest(ctx, o.Account, w.verifier)
	if err != nil {
		return nil, err
	}
	w.m = Manifest{Account: o.Account, Shop: o.Shop, FromDay: o.FromDay, ToDay: o.ToDay, Size: last.Size, Root: last.Root}
	w.zip = zip.NewWriter(w.out)
	return w, nil
}

func (w *writer) run(ctx context.Context) error {
	notes, err := w.logs.Daily(ctx, w.o.Account, w.m.Size)
	if err != nil {
		return err
	}
	keys, err := writeKeys(w.public)
	if err != nil {
		return err
	}
	steps := map[string]func() error{
		FileReadme:     func() error { return w.line([]byte(readme)) },
		FileKeys:       func() error { return w.line(keys) },
		FileLeaves:     func() error { return w.leaves(ctx) },
		FileDocuments:  func() error { return w.contents(ctx, archive.Receipt, archive.Opening, archive.Closing) },
		FileMasterData: func() error { return w.contents(ctx, archive.Version, archive.Item) },
		FileNotes:      func() error { return w.contents(ctx, archive.Note) },
		FileProofs:     func() error { return w.proofs(ctx, notes) },
		FileCheckpoints: func() error {
			for _, msg := range notes {
				line, err := writeNote(msg)
				if err == nil {
					err = w.line(line)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	for _, name := range listed {
		if err := w.begin(name); err != nil {
			return err
		}
		if err := steps[name](); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		w.m.Files = append(w.m.Files, File{name, w.size, [32]byte(w.sum.Sum(nil))})
	}
	msg, err := archive.SignNote(w.m.text(), w.signer)
	if err != nil {
		return err
	}
	if err := w.begin(FileManifest); err != nil {
		return err
	}
	if err := w.line(msg); err != nil {
		return err
	}
	return w.zip.Close()
}

func (w *writer) begin(name string) (err error) {
	w.file, err = w.zip.CreateHeader(entry(name))
	w.sum, w.size, w.done = sha256.New(), 0, 0
	return err
}

func (w *writer) line(b []byte) error {
	w.sum.Write(b)
	w.size += int64(len(b))
	_, err := w.file.Write(b)
	return err
}

func (w *writer) query(bare bool, kinds ...archive.Kind) merkle.Query {
	return merkle.Query{Shop: w.o.Shop, FromDay: w.o.FromDay, ToDay: w.o.ToDay, End: w.m.Size, Bare: bare, Kinds: kinds}
}

// each calls do with the leaves of a query.
func (w *writer) each(ctx context.Context, name string, q merkle.Query, do func(merkle.Stored, archive.Leaf) error) error {
	if q.End == 0 {
		return nil // nothing was archived; for a query that means "all"
	}
	for s, err := range w.logs.Leaves(ctx, w.o.Account, q) {
		var leaf archive.Leaf
		if err == nil {
			leaf, err = archive.ParseLeaf(s.Leaf)
		}
		if err == nil {
			err = do(s, leaf)
		}
		if err != nil {
			return fmt.Errorf("leaf %d: %w", s.Index, err)
		}
		if w.done++; w.o.Progress != nil && w.done%1000 == 0 {
			w.o.Progress(Progress{name, s.Index, w.m.Size})
		}
	}
	return nil
}

func (w *writer) leaves(ctx context.Context) error {
	return w.each(ctx, FileLeaves, w.query(true), func(s merkle.Stored, l archive.Leaf) error {
		line, err := writeLeaf(s.Index, l)
		if err != nil {
			return err
		}
		w.m.Leaves++
		return w.line(line)
	})
}

func (w *writer) contents(ctx context.Context, kinds ...archive.Kind) error {
	return w.each(ctx, fileOf(kinds[0]), w.query(false, kinds...), func(s merkle.Stored, l archive.Leaf) error {
		if s.Content == nil {
			return nil // erased; whoever verifies knows which may be
		}
		return w.line(writeContent(l.Kind, content{s.Index, s.Content, s.Salt}))
	})
}

// fileOf returns the file that holds the contents of a kind.
func fileOf(k archive.Kind) string {
	switch {
	case k.Document():
		return FileDocuments
	case k == archive.Note:
		return FileNotes
	}
	return FileMasterData
}
