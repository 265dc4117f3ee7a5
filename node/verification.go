package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/shop"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/verify"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/badger"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// CodeVerifyRuns refuses a verification while another one runs.
const CodeVerifyRuns = "verify-runs"

// VerifyState is how the verification is doing that this till makes, or how the last one since its start ended.
type VerifyState struct {
	Running  bool
	Began    time.Time // zero: none since this till started
	Ended    time.Time // zero while it runs
	Progress verify.Progress
	Problem  string // why it did not come to its end
}

// verification lets one verification at a time run.
type verification struct {
	mu    sync.Mutex
	state VerifyState
}

func (v *verification) change(f func(*VerifyState)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	f(&v.state)
}

// VerifyState returns how the verification is doing.
func (t *Till) VerifyState() VerifyState {
	t.verification.mu.Lock()
	defer t.verification.mu.Unlock()
	return t.verification.state
}

// Verify checks the documents of all series that this till holds, while it goes on selling. It reads all of them.
func (t *Till) Verify(ctx context.Context) (verify.Report, error) {
	busy := false
	t.verification.change(func(s *VerifyState) {
		if busy = s.Running; !busy {
			*s = VerifyState{Running: true, Began: t.clock.Now()}
		}
	})
	if busy {
		return verify.Report{}, refuse(CodeVerifyRuns, "wait until it is done: GET /api/v1/verify/state", "another verification of this till runs")
	}
	report, err := verify.Run(ctx, verify.Store{Rows: t.store}, verify.Options{
		Member:  func(till crdt.TillID) bool { _, ok := t.roster.publicKey(till); return ok },
		Devices: devices(t.deviceKeys), Workers: 1, // selling goes before
		Progress: func(p verify.Progress) { t.verification.change(func(s *VerifyState) { s.Progress = p }) },
	})
	t.verification.change(func(s *VerifyState) {
		s.Running, s.Ended, s.Progress.Documents, s.Progress.Wrong = false, t.clock.Now(), report.Documents, report.Wrong
		if err != nil {
			s.Problem = err.Error()
		}
	})
	return report, err
}

// devices are what checks the signing devices. keys are those of RKSV units by series; nil: none is known.
func devices(keys func(verify.Series) (rksv.Keys, bool)) []func(verify.Series) verify.Device {
	if keys == nil {
		keys = func(verify.Series) (rksv.Keys, bool) { return rksv.Keys{}, false }
	}
	return []func(verify.Series) verify.Device{verify.TSE, verify.RKSV(keys)}
}

// What a path that is verified is.
const (
	PathData   = "data directory"
	PathBackup = "backup"
	PathExport = "export"
)

// VerifyOptions say what to verify that no till is running on.
type VerifyOptions struct {
	// Path is a data directory, a backup file or an export folder.
	Path string
	// Export is a folder to write all documents into; empty: none.
	Export string
	// TryStore is as in [Options].
	TryStore func(ctx context.Context, dir string) error
	Progress func(verify.Progress)
}

// ErrNothingToVerify means that a path is nothing that holds documents of a till.
var ErrNothingToVerify = hint(errors.New("there are no documents of a till"),
	"name a data directory of a till that is stopped, a file that \"till backup\" wrote, or a folder that \"till verify --export\" wrote")

// VerifyPath checks the documents in a data directory, a backup or an export, and says which of them it is.
func VerifyPath(ctx context.Context, o VerifyOptions) (kind string, report verify.Report, err error) {
	info, err := os.Stat(o.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", report, fmt.Errorf("%s: %w", o.Path, ErrNothingToVerify)
	case err != nil:
		return "", report, fmt.Errorf("verify: %w", err)
	case !info.IsDir():
		report, err = o.backup(ctx)
		return PathBackup, report, err
	case verify.IsFolder(o.Path):
		report, err = o.run(ctx, verify.Folder{Path: o.Path}, nil)
		return PathExport, report, err
	}
	dir := filepath.Join(o.Path, dirStore)
	if _, err := os.Stat(dir); err != nil {
		return "", report, fmt.Errorf("%s: %w", o.Path, ErrNothingToVerify)
	}
	if o.TryStore != nil {
		if err := o.TryStore(ctx, dir); err != nil {
			return PathData, report, hint(err, "start the till on it: it mends its store with the other tills; or verify a backup")
		}
	}
	report, err = o.store(ctx, dir)
	return PathData, report, err
}

func (o VerifyOptions) run(ctx context.Context, src verify.Source, roster *shop.Roster) (verify.Report, error) {
	options := verify.Options{Progress: o.Progress, Devices: devices(rksvKeys(o.Path))}
	if roster != nil {
		options.Member = func(till crdt.TillID) bool { return roster.State(till) != shop.Unknown }
	}
	report, err := verify.Run(ctx, src, options)
	if err != nil || o.Export == "" {
		return report, err
	}
	_, _, err = verify.WriteFolder(ctx, src, o.Export)
	return report, err
}

// store verifies the store of a data directory on which no till runs.
func (o VerifyOptions) store(ctx context.Context, dir string) (report verify.Report, err error) {
	opened, _, err := badger.Open(badger.Options{Dir: dir, Log: slog.New(slog.DiscardHandler)})
	if errors.Is(err, rows.ErrInUse) {
		return report, hint(fmt.Errorf("a till runs on %s: %w", o.Path, err), "leave the path out to verify the running till")
	}
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	st, err := store.Open(ctx, opened)
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	id, err := st.Identity(ctx)
	if err != nil {
		return report, fmt.Errorf("%s: %w", o.Path, errors.Join(ErrNothingToVerify, err))
	}
	roster, err := readRoster(ctx, st, id.Shop)
	if err != nil {
		return report, err
	}
	return o.run(ctx, verify.Store{Rows: st}, roster)
}

// backup verifies a backup: first the file itself, then what is in it, which is put in order on the disk for that.
func (o VerifyOptions) backup(ctx context.Context) (report verify.Report, err error) {
	about, err := backup.VerifyFile(ctx, o.Path, nil)
	if errors.Is(err, backup.ErrNoBackup) {
		return report, fmt.Errorf("%s: %w", o.Path, ErrNothingToVerify)
	}
	if err != nil {
		return report, err
	}
	dir, err := os.MkdirTemp("", "till-verify-")
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	opened, _, err := badger.Open(badger.Options{Dir: filepath.Join(dir, dirStore), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	defer func() { err = errors.Join(err, opened.Close()) }()
	st, err := store.Open(ctx, opened)
	if err != nil {
		return report, fmt.Errorf("verify: %w", err)
	}
	if _, err := backup.LoadFile(ctx, o.Path, st, about, nil); err != nil {
		return report, err
	}
	return o.run(ctx, inBackup{verify.Store{Rows: st}, about.Heads}, about.Roster)
}

// inBackup is the store of a backup, which keeps beside the data how far the till's series went.
type inBackup struct {
	verify.Store
	heads []backup.SeriesHead
}

// Heads is a method of verify.Source.
func (b inBackup) Heads(context.Context) ([]verify.Head, error) {
	var out []verify.Head
	for _, h := range b.heads {
		out = append(out, verify.Head{Prefix: h.Prefix, Number: int64(h.Number), Hash: [32]byte(h.Hash)})
	}
	return out, nil
}
