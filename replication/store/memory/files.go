package memory

import (
	"bytes"
	"fmt"
	"maps"

	"github.com/tillmesh/tillmesh/replication/store/rows"
)

// files are the small files beside the rows, such as a record that is written with each sync.
type files struct {
	synced  map[string][]byte
	written map[string][]byte // nil: the same
	fault   Fault
}

func (f *files) seen() map[string][]byte {
	if f.written != nil {
		return f.written
	}
	return f.synced
}

func (f *files) crash() { f.written = nil }

func (f *files) clone() files { return files{synced: maps.Clone(f.synced)} }

// with returns a copy in which the file has this content; nil removes it.
func with(m map[string][]byte, name string, content []byte) map[string][]byte {
	out := make(map[string][]byte, len(m)+1)
	maps.Copy(out, m)
	if content == nil {
		delete(out, name)
	} else {
		out[name] = content
	}
	return out
}

// ReadFile returns the content of a file, and whether there is one.
func (d *Disk) ReadFile(name string) (content []byte, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	content, found = d.files.seen()[name]
	return bytes.Clone(content), found
}

// WriteFile puts a file in place, whole: it is durable when WriteFile returns nil. With an error the old content or the
// new one is there, and a Crash may still bring the old one back.
func (d *Disk) WriteFile(name string, content []byte) error {
	return d.putFile(name, append([]byte{}, content...))
}

// RemoveFile removes a file; one that is not there is no error.
func (d *Disk) RemoveFile(name string) error { return d.putFile(name, nil) }

func (d *Disk) putFile(name string, content []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	fault := d.files.fault
	d.files.fault = None
	_, exists := d.files.seen()[name]
	switch {
	case fault == BeforeWrite || d.readOnly:
		return fmt.Errorf("%w: file %s cannot be written", rows.ErrFailed, name)
	case fault == Full || d.full && !exists && content != nil:
		return fmt.Errorf("%w: there is no room for file %s", rows.ErrFull, name)
	}
	next := with(d.files.seen(), name, content)
	if fault == AfterWrite {
		d.files.written = next
		return fmt.Errorf("%w: the sync of file %s failed", rows.ErrFailed, name)
	}
	d.files.synced, d.files.written = next, nil
	if fault == AfterSync {
		return fmt.Errorf("%w: the answer about file %s was lost", rows.ErrFailed, name)
	}
	return nil
}

// FailNextFile makes the next WriteFile or RemoveFile fail at a point; None takes that back.
func (d *Disk) FailNextFile(f Fault) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files.fault = f
}
