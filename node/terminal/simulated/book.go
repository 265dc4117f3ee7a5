package simulated

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// File is the book of a device on the disk: one line of JSON after another.
type File struct {
	f *os.File
	d *Device
}

// OpenFile returns a device whose book is a file, which is made if it is not there. A last line that was not written whole
// is cut off: nobody was told of it.
func OpenFile(path, name string, seed uint64) (*File, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("book of the simulated terminal: %w", err)
	}
	whole := old[:bytes.LastIndexByte(old, '\n')+1]
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("book of the simulated terminal: %w", err)
	}
	out := &File{f: f}
	if err = f.Truncate(int64(len(whole))); err == nil {
		_, err = f.Seek(0, 2)
	}
	if err == nil {
		var book [][]byte
		if lines := bytes.TrimSuffix(whole, []byte("\n")); len(lines) > 0 {
			book = bytes.Split(lines, []byte("\n"))
		}
		out.d, err = NewDevice(Config{Name: name, Seed: seed, Book: book, Keep: out.keep})
	}
	if err != nil {
		return nil, fmt.Errorf("book of the simulated terminal: %w", errors.Join(err, f.Close()))
	}
	return out, nil
}

// Device returns the device.
func (f *File) Device() *Device { return f.d }

// Close closes the book.
func (f *File) Close() error { return f.f.Close() }

func (f *File) keep(line []byte) error {
	if _, err := f.f.Write(append(line, '\n')); err != nil {
		return err
	}
	return f.f.Sync()
}
