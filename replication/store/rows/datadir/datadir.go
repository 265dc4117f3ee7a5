// Package datadir does what every on-disk adapter does with its directory before
// its engine touches anything: keep a second process out, refuse a newer format, and
// leave a mark while the engine opens, because an engine with damaged files can take the
// whole process down there.
//
// Files in the directory, beside those of the engine:
//
//	store.lock     locked as long as the directory is entered; the kernel frees it when the process dies
//	store.format   "<engine> <number>\n", written before anything else, checked before anything else
//	store.opening  the number of attempts to open that have not succeeded; absent after success
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

const (
	lockName    = "store.lock"
	formatName  = "store.format"
	openingName = "store.opening"
)

// OpenReport says how earlier attempts to open a directory went.
type OpenReport struct {
	// New: the directory held no store; this attempt began one.
	New bool
	// FailedBefore counts the attempts in a row, right before this one, that did not come to an
	// end: they returned an error or took the process down. Two or more speak for damaged files.
	FailedBefore int
}

// Dir is an entered directory.
type Dir struct {
	path string
	lock *os.File
}

// Enter locks path, creating it if missing, checks that it belongs to engine and is of format
// number format or older, and marks that opening began. Call Opened once the engine is open and
// Leave after it was closed, or if it could not be opened.
//
// It returns rows.ErrInUse, rows.ErrNewerFormat (nothing was changed), rows.ErrCorrupt if the directory
// holds something else, or rows.ErrFull.
func Enter(path, engine string, format int) (*Dir, OpenReport, error) {
	var report OpenReport
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, report, fmt.Errorf("create the store directory %s: %w", path, MapFull(err))
	}
	// Before the lock, because a newer program may lock in another way; again under it, to be sure.
	if _, err := checkFormat(path, engine, format); err != nil {
		return nil, report, err
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if err != nil {
		return nil, report, fmt.Errorf("lock the store directory %s: %w", path, MapFull(err))
	}
	d := &Dir{path: path, lock: lock}
	if report, err = d.begin(engine, format); err != nil {
		return nil, report, errors.Join(err, d.Leave())
	}
	return d, report, nil
}

func (d *Dir) begin(engine string, format int) (OpenReport, error) {
	var report OpenReport
	found, err := checkFormat(d.path, engine, format)
	if err != nil {
		return report, err
	}
	if !found {
		if err := d.checkEmpty(); err != nil {
			return report, err
		}
		report.New = true
		if err := d.write(formatName, fmt.Sprintf("%s %d\n", engine, format)); err != nil {
			return report, err
		}
	}
	if report.FailedBefore, err = Attempts(d.path); err != nil {
		return report, err
	}
	return report, d.write(openingName, strconv.Itoa(report.FailedBefore+1)+"\n")
}

// Attempts returns what FailedBefore of the next attempt to open a directory will be. It opens and changes nothing: who
// fears that opening ends the process asks first.
func Attempts(path string) (int, error) {
	text, err := os.ReadFile(filepath.Join(path, openingName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the opening mark in %s: %w", path, err)
	}
	// A mark that cannot be read was cut off while it was written: one attempt at least.
	n, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || n < 1 {
		n = 1
	}
	return n, nil
}

// Opened removes the mark: the engine is open.
func (d *Dir) Opened() error {
	if err := os.Remove(filepath.Join(d.path, openingName)); err != nil {
		return fmt.Errorf("remove the opening mark in %s: %w", d.path, err)
	}
	return SyncDir(d.path)
}

// Leave frees the lock.
func (d *Dir) Leave() error {
	if err := d.lock.Close(); err != nil {
		return fmt.Errorf("unlock the store directory %s: %w", d.path, err)
	}
	return nil
}

func checkFormat(path, engine string, format int) (found bool, err error) {
	text, err := os.ReadFile(filepath.Join(path, formatName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the format of the store in %s: %w", path, err)
	}
	name, number, _ := strings.Cut(strings.TrimSuffix(string(text), "\n"), " ")
	have, err := strconv.Atoi(number)
	if err != nil || have < 1 {
		return false, fmt.Errorf("%w: %s in %s does not hold a format number: restore it from a backup or rebuild the store",
			rows.ErrCorrupt, formatName, path)
	}
	if name != engine {
		return false, fmt.Errorf("%w: %s holds a store of kind %q, not %q: use another directory",
			rows.ErrCorrupt, path, name, engine)
	}
	return true, CheckNumber(path, have, format)
}

// CheckNumber returns rows.ErrNewerFormat if the store at path has a format number that is newer than known.
func CheckNumber(path string, have, known int) error {
	if have > known {
		return fmt.Errorf("%w: %s has format %d, this program knows up to %d: update the program, nothing was changed",
			rows.ErrNewerFormat, path, have, known)
	}
	return nil
}

// checkEmpty refuses files that are there without a format number. An opening mark may be
// there: a first attempt can die before the format number is on disk.
func (d *Dir) checkEmpty() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("list the store directory %s: %w", d.path, err)
	}
	for _, entry := range entries {
		switch name := entry.Name(); name {
		case lockName, openingName, formatName + ".new", openingName + ".new":
		default:
			return fmt.Errorf("%w: %s holds %s but no %s: it is no store, or a part of one is missing",
				rows.ErrCorrupt, d.path, name, formatName)
		}
	}
	return nil
}

// write replaces a file so that after a power cut the old or the new content is there.
func (d *Dir) write(name, content string) error {
	path := filepath.Join(d.path, name)
	err := func() error {
		f, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = f.WriteString(content)
		if err == nil {
			err = f.Sync()
		}
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
		return SyncDir(d.path)
	}()
	if err != nil {
		return fmt.Errorf("write %s: %w", path, MapFull(err))
	}
	return nil
}

// MapFull marks an error of the system that says the disk is full as rows.ErrFull.
func MapFull(err error) error {
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("%w, make room and start again: %w", rows.ErrFull, err)
	}
	return err
}
