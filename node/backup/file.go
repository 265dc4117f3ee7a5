package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/store"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// file is where a backup is written; *os.File is one, and the tests have disks that fail.
type file interface {
	io.WriteCloser
	Name() string
	Sync() error
}

// WriteFile writes a backup to a file that does not exist yet and reads it back from the disk before it takes its name.
// Only the owner of the file may read it. After an error, or when ctx ends, nothing of it is left. Errors: [ErrExists],
// [ErrBusy], rows.ErrFull, [ErrDamaged] if the disk gave back other bytes than it got.
func WriteFile(ctx context.Context, path string, src Source, about About, progress func(Progress)) (Report, error) {
	return writeFile(ctx, path, src, about, progress, temporary)
}

func writeFile(ctx context.Context, path string, src Source, about About, progress func(Progress), create creator) (Report, error) {
	return saveFile(ctx, path, progress, create, func(w io.Writer) (crdt.Hash, error) {
		written, err := Write(ctx, w, src, about, progress)
		return written.Hash, err
	})
}

// SaveFile is [WriteFile] for a backup that is written elsewhere, such as by a till that sends it: fill writes all of it.
func SaveFile(ctx context.Context, path string, fill func(io.Writer) error, progress func(Progress)) (Report, error) {
	return saveFile(ctx, path, progress, temporary, func(w io.Writer) (crdt.Hash, error) {
		sum := sha256.New()
		err := fill(io.MultiWriter(w, sum))
		return crdt.Hash(sum.Sum(nil)), err
	})
}

// creator makes a file under a name that nobody uses; see os.CreateTemp.
type creator func(dir, pattern string) (file, error)

func temporary(dir, pattern string) (file, error) { return os.CreateTemp(dir, pattern) }

func saveFile(ctx context.Context, path string, progress func(Progress), create creator, fill func(io.Writer) (crdt.Hash, error)) (rep Report, err error) {
	path = filepath.Clean(path)
	if err := free(path); err != nil {
		return Report{}, err
	}
	f, err := create(filepath.Dir(path), "."+filepath.Base(path)+".*.part")
	if err != nil {
		return Report{}, fmt.Errorf("make the backup %s: %w", path, mapSpace(path, err))
	}
	part := f.Name()
	defer func() {
		if gone := os.Remove(part); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, fmt.Errorf("remove the rest of the backup: %w", gone))
		}
	}()
	hash, err := fill(f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return Report{}, fmt.Errorf("make the backup %s: %w", path, mapSpace(path, err))
	}
	if err := forget(part); err != nil {
		return Report{}, fmt.Errorf("read the backup %s back: %w", path, err)
	}
	if rep, err = VerifyFile(ctx, part, progress); err != nil {
		return Report{}, fmt.Errorf("read the backup %s back: %w", path, err)
	}
	if rep.Written.Hash != hash {
		return Report{}, fmt.Errorf("read the backup %s back: %w: the disk gave back other bytes", path, ErrDamaged)
	}
	if err := publish(part, path); err != nil {
		return Report{}, err
	}
	return rep, nil
}

// free returns ErrExists if there is something under this name.
func free(path string) error {
	_, err := os.Lstat(path)
	switch {
	case err == nil:
		return fmt.Errorf("%s: %w", path, ErrExists)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("look for %s: %w", path, err)
	}
	return nil
}

// publish gives a finished file its name, and does not take the name from another one. A link cannot; where a file system
// has none (most sticks), the name is looked for right before.
func publish(part, path string) error {
	err := os.Link(part, path)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w", path, ErrExists)
	}
	if err != nil {
		if err := free(path); err != nil {
			return err
		}
		if err := os.Rename(part, path); err != nil {
			return fmt.Errorf("name the backup %s: %w", path, err)
		}
	}
	if err := datadir.SyncDir(filepath.Dir(path)); err != nil {
		return fmt.Errorf("name the backup %s: %w", path, err)
	}
	return nil
}

// VerifyFile is [Verify] for a file.
func VerifyFile(ctx context.Context, path string, progress func(Progress)) (rep Report, err error) {
	err = reading(path, func(f *os.File, size int64) error {
		rep, _, err = verify(ctx, f, size, progress)
		return err
	})
	return rep, err
}

// LoadFile is [Load] for the file that [VerifyFile] accepted.
func LoadFile(ctx context.Context, path string, into *store.Store, verified Report, progress func(Progress)) (c Contents, err error) {
	err = reading(path, func(f *os.File, _ int64) error {
		c, err = Load(ctx, f, into, verified, progress)
		return err
	})
	return c, err
}

func reading(path string, read func(f *os.File, size int64) error) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open the backup: %w", err)
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%w: it is no file", ErrNoBackup)
	default:
		err = read(f, info.Size())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
