package books

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/export"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// suffix ends the names of the files of exports.
const suffix = ".export.zip"

// make writes one export and says how that ended.
func (e *Exports) make(ctx context.Context, j *job) {
	path := filepath.Join(e.dir, j.shown.ID.String()+suffix)
	sum, summary, err := e.write(ctx, j, path)
	if err != nil {
		if gone := os.Remove(path); gone != nil && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		if ctx.Err() == nil {
			e.log.Error("an export failed", "account", j.account.String(), "export", j.shown.ID.String(), "error", err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	j.shown.Finished = e.books.now()
	if err != nil {
		j.shown.State, j.shown.Error = stateFailed, reason(err)
		return
	}
	j.path = path
	j.shown.State, j.shown.Leaves, j.shown.Size, j.shown.SHA256 = stateDone, summary.Leaves, summary.Bytes, sum
}

// reason is what people outside are told about a failure. The rest is in the log.
func reason(err error) string {
	switch {
	case errors.Is(err, context.Canceled):
		return "the cloud was stopped meanwhile; begin it anew"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT), errors.Is(err, rows.ErrFull):
		return "the cloud has no room for the file; its operator has to make some"
	case errors.Is(err, merkle.ErrRewritten):
		return "the archive is not the one that was signed before; the cloud's operator has to look into it"
	case errors.Is(err, rows.ErrUnreachable):
		return "the cloud's database did not answer; begin it anew"
	}
	return "it could not be written; the cloud's log says why"
}

func (e *Exports) write(ctx context.Context, j *job, path string) (sum [32]byte, summary export.Summary, err error) {
	account := archive.AccountID(j.account)
	if _, err = e.books.Seal(ctx, account); err != nil {
		return sum, summary, err
	}
	// A server whose exports were all removed may have lost the directory to one that took it for left behind.
	if err := os.MkdirAll(e.dir, 0o700); err != nil {
		return sum, summary, fmt.Errorf("make the directory of exports: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return sum, summary, fmt.Errorf("make the file of an export: %w", err)
	}
	hash := sha256.New()
	summary, err = e.books.Export(ctx, io.MultiWriter(f, hash), account, export.Options{
		Shop: j.shown.Range.Shop, FromDay: j.shown.Range.From, ToDay: j.shown.Range.To,
		Progress: func(p export.Progress) {
			if p.File == export.FileLeaves {
				e.mu.Lock()
				j.shown.Leaves = p.Done
				e.mu.Unlock()
			}
		},
	})
	return [32]byte(hash.Sum(nil)), summary, errors.Join(err, f.Close())
}

// Export writes an export of what the latest checkpoint of an account covers, signed by the installation; see export.Write. Account and key of
// the options are set by it.
func (b *Books) Export(ctx context.Context, w io.Writer, account archive.AccountID, o export.Options) (export.Summary, error) {
	o.Account, o.Key = account, b.db.Installation().Key
	return export.Write(ctx, w, b.logs, o)
}
