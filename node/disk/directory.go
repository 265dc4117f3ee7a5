package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	ballastName = "ballast"
	probeName   = "ballast.probe"
	// ballastPart is how much of the ballast one call writes: a slow card takes less than a second for it.
	ballastPart = 4 * mib
	probeSize   = 4 * kib
)

// Directory is the file system that a directory lies in. Its ballast is the file "ballast" in it.
type Directory struct{ Path string }

// Free returns how many bytes this user may still write; errors.ErrUnsupported where the system does not tell.
func (d Directory) Free() (uint64, error) {
	free, err := freeBytes(d.Path)
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", d.Path, err)
	}
	return free, nil
}

// Probe writes a few kilobytes to the disk and removes them.
func (d Directory) Probe() error {
	path := filepath.Join(d.Path, probeName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("test write: %w", err)
	}
	_, err = f.Write(make([]byte, probeSize))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("test write: %w", err)
	}
	return nil
}

// Ballast returns how many bytes the ballast really occupies, 0 if there is none.
func (d Directory) Ballast() (uint64, error) {
	info, err := os.Stat(filepath.Join(d.Path, ballastName))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("look at the ballast: %w", err)
	}
	return occupied(info), nil
}

// GrowBallast makes the ballast larger by 4 MB, but not larger than size. Call it until Ballast says it is there. The
// content is random, because some file systems do not store what can be compressed.
func (d Directory) GrowBallast(size uint64) error {
	path := filepath.Join(d.Path, ballastName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("make ballast: %w", err)
	}
	info, err := f.Stat()
	if err == nil && uint64(info.Size()) < size {
		var seed [32]byte
		part := min(size-uint64(info.Size()), ballastPart)
		seed[0] = byte(info.Size() / ballastPart)
		if _, err = io.CopyN(f, rand.NewChaCha8(seed), int64(part)); err == nil {
			err = f.Sync()
		}
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("make ballast: %w", err)
	}
	return nil
}

// DropBallast removes the ballast, so that its room can be used when it returns.
func (d Directory) DropBallast() error {
	path := filepath.Join(d.Path, ballastName)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("remove ballast: %w", err)
	}
	// Journaling file systems give blocks out again only after the change that freed them is on disk.
	if err = errors.Join(f.Truncate(0), f.Sync(), f.Close(), os.Remove(path)); err != nil {
		return fmt.Errorf("remove ballast: %w", err)
	}
	return nil
}
