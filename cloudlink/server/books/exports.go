package books

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
)

// ExportOptions are what Exports need.
type ExportOptions struct {
	Books *Books
	// Dir is where a directory of this run is made, for files until they are removed; directories that earlier runs left there are removed
	// after two days. Empty: where the system has temporary files, and nothing is removed there but what is this run's.
	Dir string
	Log *slog.Logger // nil: nothing is logged
}

// Limits of exports. A file stays for a day, so the disk has to have room for some exports of large accounts.
const (
	exportsAtOnce    = 2                // that are written
	exportsWaiting   = 64               // that are written or wait for it, of all accounts
	exportsOfAccount = 5                // of one account, finished ones too
	exportKept       = 24 * time.Hour   // after it was finished
	exportSweep      = 10 * time.Minute // how often old files are looked for
	exportLeft       = 48 * time.Hour   // what is older than that was left by a run that crashed
)

// Exports make files of the archive in the background, on this server: other servers do not know of them, and they end with it.
type Exports struct {
	books  *Books
	parent string // of the directories of runs; empty: the system's
	dir    string // of this run
	log    *slog.Logger
	wake   chan struct{}

	mu      sync.Mutex
	running bool   // Run works on them
	jobs    []*job // in the order in which they were begun
}

var _ server.Exports = (*Exports)(nil)

// job is one export. Exports.mu guards all but what never changes.
type job struct {
	account crdt.ObjectID
	shown   server.Export
	begun   bool   // somebody writes it
	path    string // of the file; empty: there is none
}

// runPattern names the directories of runs.
const runPattern = "cloud-exports-*"

// NewExports makes the directory of this run. Call Run, which removes it.
func NewExports(o ExportOptions) (*Exports, error) {
	e := &Exports{books: o.Books, parent: o.Dir, log: o.Log, wake: make(chan struct{}, 1)}
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	if e.parent != "" {
		if err := os.MkdirAll(e.parent, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of exports: %w", err)
		}
	}
	var err error
	if e.dir, err = os.MkdirTemp(e.parent, runPattern); err != nil {
		return nil, fmt.Errorf("make the directory of exports: %w", err)
	}
	return e, nil
}

// StartExport is a method of server.Exports. server.ErrBusy: too many are under way or kept, or this server is stopping.
func (e *Exports) StartExport(_ context.Context, account crdt.ObjectID, want server.ExportRange) (server.Export, error) {
	id, err := e.books.newID()
	if err != nil {
		return server.Export{}, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.running {
		return server.Export{}, fmt.Errorf("%w: this server is stopping", server.ErrBusy)
	}
	waiting := 0
	var mine []*job
	for _, j := range e.jobs {
		if j.shown.State == stateRunning {
			waiting++
		}
		if j.account == account {
			mine = append(mine, j)
		}
	}
	if waiting >= exportsWaiting {
		return server.Export{}, fmt.Errorf("%w: %d exports are being made", server.ErrBusy, waiting)
	}
	if len(mine) >= exportsOfAccount {
		oldest := slices.IndexFunc(mine, func(j *job) bool { return j.shown.State != stateRunning })
		if oldest < 0 {
			return server.Export{}, fmt.Errorf("%w: %d exports of this account are being made", server.ErrBusy, len(mine))
		}
		e.remove(mine[oldest])
	}
	j := &job{account: account, shown: server.Export{ID: id, Range: want, State: stateRunning, Begun: e.books.now()}}
	e.jobs = append(e.jobs, j)
	e.call()
	return j.shown, nil
}

// The states of an export.
const (
	stateRunning = "running"
	stateDone    = "done"
	stateFailed  = "failed"
)

// call wakes Run.
func (e *Exports) call() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// remove forgets an export with its file. e.mu is held.
func (e *Exports) remove(j *job) {
	e.jobs = slices.DeleteFunc(e.jobs, func(o *job) bool { return o == j })
	if j.path == "" {
		return
	}
	if err := os.Remove(j.path); err != nil {
		e.log.Warn("the file of an export could not be removed", "error", err)
	}
}

// Exports is a method of server.Exports.
func (e *Exports) Exports(_ context.Context, account crdt.ObjectID) ([]server.Export, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	list := []server.Export{}
	for _, j := range slices.Backward(e.jobs) {
		if j.account == account {
			list = append(list, j.shown)
		}
	}
	return list, nil
}

// Export is a method of server.Exports.
func (e *Exports) Export(_ context.Context, account crdt.ObjectID, id crdt.ObjectID) (server.Export, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(account, id)
	if err != nil {
		return server.Export{}, err
	}
	return j.shown, nil
}

func (e *Exports) find(account, id crdt.ObjectID) (*job, error) {
	i := slices.IndexFunc(e.jobs, func(j *job) bool { return j.account == account && j.shown.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("%w: export %s; exports are kept for a day, on the server that made them", server.ErrNotFound, id)
	}
	return e.jobs[i], nil
}

// OpenExport is a method of server.Exports. What is open stays readable when the export is removed.
func (e *Exports) OpenExport(_ context.Context, account crdt.ObjectID, id crdt.ObjectID) (io.ReadCloser, int64, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	j, err := e.find(account, id)
	if err != nil {
		return nil, 0, err
	}
	if j.path == "" {
		return nil, 0, fmt.Errorf("%w: the file of export %s, which is %s", server.ErrNotFound, id, j.shown.State)
	}
	f, err := os.Open(j.path)
	if err != nil {
		return nil, 0, fmt.Errorf("open an export: %w", err)
	}
	return f, j.shown.Size, nil
}

// Run makes the exports that are begun until ctx is done. Then it waits for those it works on, which end early, and removes all files.
func (e *Exports) Run(ctx context.Context) error {
	e.mu.Lock()
	e.running = true
	e.mu.Unlock()
	var work sync.WaitGroup
	slots := make(chan struct{}, exportsAtOnce)
	ticker := time.NewTicker(exportSweep)
	defer ticker.Stop()
	for ctx.Err() == nil {
		e.sweep()
		e.tidy()
		for len(slots) < cap(slots) {
			j := e.begin()
			if j == nil {
				break
			}
			slots <- struct{}{}
			work.Go(func() {
				e.make(ctx, j)
				<-slots
				e.call()
			})
		}
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-ticker.C:
		}
	}
	e.mu.Lock()
	e.running = false
	e.mu.Unlock()
	work.Wait()
	e.mu.Lock()
	e.jobs = nil
	e.mu.Unlock()
	if err := os.RemoveAll(e.dir); err != nil {
		return fmt.Errorf("remove the exports: %w", err)
	}
	return nil
}

// tidy removes directories of runs that crashed long ago.
func (e *Exports) tidy() {
	if e.parent == "" {
		return
	}
	left, err := filepath.Glob(filepath.Join(e.parent, runPattern))
	for _, dir := range left {
		info, statErr := os.Stat(dir)
		if statErr == nil && dir != e.dir && e.books.now().Sub(info.ModTime()) > exportLeft {
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}
	if err != nil {
		e.log.Warn("exports of an earlier run could not be removed", "error", err)
	}
}

// sweep removes exports that were kept long enough.
func (e *Exports) sweep() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range slices.Clone(e.jobs) {
		if j.shown.State != stateRunning && e.books.now().Sub(j.shown.Finished) >= exportKept {
			e.remove(j)
		}
	}
}

// begin takes the next export that waits; nil: none does.
func (e *Exports) begin() *job {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, j := range e.jobs {
		if j.shown.State == stateRunning && !j.begun {
			j.begun = true
			return j
		}
	}
	return nil
}
