package database

import (
	"context"
	"crypto/rand"
	"io/fs"
	"slices"
	"strconv"
	"strings"
)

// SchemaVersion returns the version of the tables.
func (d *DB) SchemaVersion(ctx context.Context) (int64, error) {
	version, err := d.version(ctx)
	if err != nil {
		return 0, d.reading(ctx, err)
	}
	return version, nil
}

// OpenAt is [Open] for a database that is to be filled from a backup: it brings the tables to a version and no further. The next Open
// does the rest. [ErrNewerSchema]: the version is newer than this program, or the tables are newer than the version.
func OpenAt(ctx context.Context, o Options, version int64) (*DB, error) {
	if o.Random == nil {
		o.Random = rand.Reader
	}
	return open(ctx, o, migrationFiles{upTo{migrations, version}})
}

// upTo hides migrations above a version.
type upTo struct {
	fs.FS
	version int64
}

// Open is a method of fs.FS.
func (u upTo) Open(name string) (fs.File, error) {
	f, err := u.FS.Open(name)
	if folder, ok := f.(fs.ReadDirFile); ok && err == nil {
		return folderUpTo{folder, u.version}, nil
	}
	return f, err
}

type folderUpTo struct {
	fs.ReadDirFile
	version int64
}

// ReadDir is a method of fs.ReadDirFile.
func (f folderUpTo) ReadDir(n int) ([]fs.DirEntry, error) {
	list, err := f.ReadDirFile.ReadDir(n)
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, bad := strconv.ParseInt(number, 10, 64)
		return bad == nil && version > f.version
	}), err
}
