package verify

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
)

// Folder is the source that an export folder is: files of JSON lines, one for the receipts and one for the closings of each
// series, in the order of numbers, and one for all openings:
//
//	receipts-K2.jsonl  closings-K2.jsonl  openings.jsonl
//
// Each line is a document verbatim with its signature:
//
//	{"document": {…}, "signature": "hexadecimal", "key": "hexadecimal"}
//
// The bytes of the member document are those that were signed. There are no IDs, and nothing is remembered apart from them.
type Folder struct{ Path string }

const (
	receiptsFile = "receipts-"
	closingsFile = "closings-"
	openingsFile = "openings"
	lineFile     = ".jsonl"
)

// maxFolderLine is the largest document with what is around it.
const maxFolderLine = receipt.MaxDocumentBytes + 1024

// folderLine is one line.
type folderLine struct {
	Document  json.RawMessage `json:"document"`
	Signature string          `json:"signature"`
	Key       string          `json:"key"`
}

// ErrNoFolder means that a directory is no export folder.
var ErrNoFolder = errors.New("there is no export of a till")

// IsFolder reports whether a directory looks like an export folder.
func IsFolder(path string) bool {
	list, err := filepath.Glob(filepath.Join(path, "*"+lineFile))
	return err == nil && len(list) > 0
}

// Receipts is a method of Source.
func (f Folder) Receipts(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		names, err := f.files(receiptsFile)
		if err == nil && len(names) == 0 {
			if _, missing := os.Stat(filepath.Join(f.Path, openingsFile+lineFile)); missing != nil {
				err = fmt.Errorf("%s: %w", f.Path, ErrNoFolder)
			}
		}
		if err != nil {
			yield(Entry{}, err)
			return
		}
		for _, name := range names {
			for e, err := range f.lines(ctx, name) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// Openings is a method of Source.
func (f Folder) Openings(ctx context.Context) iter.Seq2[Entry, error] {
	return f.lines(ctx, openingsFile+lineFile)
}

// Closings is a method of Source.
func (f Folder) Closings(ctx context.Context, _ crdt.ShopID, _ crdt.TillID, series string) iter.Seq2[Entry, error] {
	if series != filepath.Base(series) || series == "" || strings.HasPrefix(series, ".") {
		return func(func(Entry, error) bool) {}
	}
	return f.lines(ctx, closingsFile+series+lineFile)
}

// Closed is a method of Source.
func (f Folder) Closed(ctx context.Context) iter.Seq2[Series, error] {
	return func(yield func(Series, error) bool) {
		names, err := f.files(closingsFile)
		if err != nil {
			yield(Series{}, err)
			return
		}
		for _, name := range names {
			for e, err := range f.lines(ctx, name) {
				if err != nil {
					yield(Series{}, err)
					return
				}
				z, err := receipt.ParseZReport(e.Signed.Document)
				if err == nil && !yield(Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series}, nil) {
					return
				}
				break
			}
		}
	}
}

// Heads is a method of Source.
func (Folder) Heads(context.Context) ([]Head, error) { return nil, nil }

func (f Folder) files(prefix string) ([]string, error) {
	list, err := os.ReadDir(f.Path)
	if err != nil {
		return nil, fmt.Errorf("read the export: %w", err)
	}
	var names []string
	for _, e := range list {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), lineFile) {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names, nil
}

// lines reads one file; one that is not there has no lines. A line that cannot be read is a document that cannot be read.
func (f Folder) lines(ctx context.Context, name string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		in, err := os.Open(filepath.Join(f.Path, name))
		if errors.Is(err, fs.ErrNotExist) {
			return
		}
		if err != nil {
			yield(Entry{}, fmt.Errorf("read the export: %w", err))
			return
		}
		defer func() { _ = in.Close() }() // it was only read
		b := bufio.NewReaderSize(in, 64<<10)
		for n := 1; ctx.Err() == nil; n++ {
			line, err := readLine(b)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("%s, line %d: %w", name, n, err))
				return
			}
			if !yield(Entry{Signed: parseLine(line)}, nil) {
				return
			}
		}
		yield(Entry{}, ctx.Err())
	}
}

var errLongLine = errors.New("the line is too long for a document")

// readLine reads a line of a bounded length; io.EOF after the last one.
func readLine(b *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := b.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxFolderLine:
			return nil, errLongLine
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func parseLine(line []byte) receipt.Signed {
	var l folderLine
	if err := json.Unmarshal(line, &l); err != nil {
		return receipt.Signed{Document: line}
	}
	signature, bad := hex.DecodeString(l.Signature)
	key, worse := hex.DecodeString(l.Key)
	if bad != nil || worse != nil {
		signature, key = nil, nil // it does not hold
	}
	return receipt.Signed{Document: l.Document, Signature: signature, Key: key}
}

// WriteFolder writes everything that a source gives into a folder, which is made and must be empty. Documents that cannot be
// read are left out and counted.
func WriteFolder(ctx context.Context, src Source, path string) (documents, left int64, err error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return 0, 0, fmt.Errorf("write the export: %w", err)
	}
	if there, err := os.ReadDir(path); err != nil || len(there) > 0 {
		return 0, 0, fmt.Errorf("write the export: %w", errors.Join(err, errNotEmpty))
	}
	w := &folderWriter{path: path}
	defer func() { err = errors.Join(err, w.close()) }()
	all := func(entries iter.Seq2[Entry, error], name func(string) string, series func([]byte) (Series, error)) (last Series, err error) {
		for e, err := range entries {
			if err == nil {
				err = ctx.Err()
			}
			if err != nil {
				return last, err
			}
			s, bad := series(e.Signed.Document)
			if bad != nil {
				left++
				continue
			}
			documents, last = documents+1, s
			if err := w.write(name(s.Prefix), e.Signed); err != nil {
				return last, err
			}
		}
		return last, nil
	}
	document := func(b []byte) (Series, error) {
		h, err := receipt.ParseHeader(b)
		return Series{Shop: h.Shop, Till: h.Till, Prefix: h.Series}, err
	}
	if _, err := all(src.Openings(ctx), func(string) string { return openingsFile }, document); err != nil {
		return documents, left, err
	}
	if _, err := all(src.Receipts(ctx), func(s string) string { return receiptsFile + s }, document); err != nil {
		return documents, left, err
	}
	written := make(map[Series]bool)
	for s, err := range src.Closed(ctx) {
		if err != nil {
			return documents, left, err
		}
		if written[s] {
			continue
		}
		written[s] = true
		if _, err := all(src.Closings(ctx, s.Shop, s.Till, s.Prefix), func(s string) string { return closingsFile + s }, func(b []byte) (Series, error) {
			z, err := receipt.ParseZReport(b)
			return Series{Shop: z.Shop.ID, Till: z.Till.ID, Prefix: z.Series}, err
		}); err != nil {
			return documents, left, err
		}
	}
	return documents, left, nil
}

var errNotEmpty = errors.New("the directory is not empty")

// folderWriter writes one file at a time.
type folderWriter struct {
	path, name string
	file       *os.File
	out        *bufio.Writer
}

func (w *folderWriter) write(name string, s receipt.Signed) error {
	if name != w.name {
		if err := w.close(); err != nil {
			return err
		}
		// A series whose documents do not lie together goes on in its file.
		f, err := os.OpenFile(filepath.Join(w.path, name+lineFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return fmt.Errorf("write the export: %w", err)
		}
		w.name, w.file, w.out = name, f, bufio.NewWriterSize(f, 64<<10)
	}
	// Not through json.Marshal: the document must keep its bytes.
	_, err := fmt.Fprintf(w.out, `{"document":%s,"signature":"%x","key":"%x"}`+"\n", s.Document, s.Signature, []byte(s.Key))
	if err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

func (w *folderWriter) close() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.out.Flush(), w.file.Sync(), w.file.Close())
	w.file, w.name = nil, ""
	return err
}
