// Package highwater keeps one small record beside the store that is never behind it:
// the numbers that must not be given out again (replica, boot, last Seq of each scope, last number of each
// series), written with each sync of the store. A store that came back older than its record is known by it.
//
// What the record holds is the caller's; here it is a payload of bytes. A write is one
// overwrite in place and one fdatasync, nothing in the file system changes.
//
// # File
//
// Two slots of equal size, a multiple of 4096 bytes, written in turn, so that a write that is cut
// off leaves the other one. Integers are big endian. The rest of a slot has no meaning.
//
//	offset  size
//	0       8     "tmhwater"
//	8       2     format, 1
//	10      2     zero
//	12      4     length of the payload
//	16      8     generation; the valid slot with the higher one counts
//	24      4     CRC-32C of all of the above and of the payload
//	28            payload
//
// A payload that no longer fits makes a new file with larger slots, put in place by rename.
package highwater

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tillmesh/tillmesh/replication/store/rows"
	"github.com/tillmesh/tillmesh/replication/store/rows/datadir"
)

// MaxPayload is the longest payload, in bytes.
const MaxPayload = 16 << 10

const (
	magic      = "tmhwater"
	format     = 1
	sumAt      = 24
	headerSize = 28
	block      = 4096
	maxSlot    = (headerSize + MaxPayload + block - 1) / block * block
)

var (
	// ErrMissing: there is no record. A store without one is in doubt.
	ErrMissing = errors.New("high-water record is missing")
	// ErrDamaged: the file holds no valid record. The store beside it is in doubt.
	ErrDamaged = errors.New("high-water record is damaged")
	// ErrExists: Create found a record, which it does not touch.
	ErrExists = errors.New("high-water record exists already")
	// ErrTooLarge: the payload is longer than MaxPayload; nothing was written.
	ErrTooLarge = errors.New("high-water record is too large")
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// File is an open record. It is for one goroutine at a time; a second process is kept out by whoever owns the directory.
type File struct {
	path       string
	f          *os.File // nil after Close, and while a new file could not be put in place
	closed     bool
	slotSize   int
	generation uint64 // of the last good write
	slot       int    // where that is: the next write goes to the other one
	torn       bool
	buf        []byte
}

// Create makes a new record that holds payload; it is durable when Create returns. It returns ErrExists,
// ErrTooLarge, or rows.ErrFull.
func Create(path string, payload []byte) (*File, error) {
	if _, err := os.Lstat(path); err == nil {
		return nil, fmt.Errorf("%w: %s: open it instead", ErrExists, path)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for the high-water record: %w", err)
	}
	file := &File{path: path}
	if err := file.replace(payload); err != nil {
		return nil, err
	}
	return file, nil
}

// Open opens a record and returns its last payload. It returns ErrMissing, ErrDamaged, or rows.ErrNewerFormat.
func Open(path string) (*File, []byte, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the high-water record: %w", err)
	}
	file := &File{path: path, f: f}
	payload, err := file.read()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read the high-water record %s: %w", path, err), f.Close())
	}
	return file, payload, nil
}

// Torn reports whether Open found one slot that does not verify: the last write was cut off, so nobody was
// answered after it, or the disk is failing.
func (file *File) Torn() bool { return file.torn }

func (file *File) read() ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(file.f, 2*maxSlot+1))
	if err != nil {
		return nil, err
	}
	if len(content) == 0 || len(content)%(2*block) != 0 || len(content) > 2*maxSlot {
		return nil, fmt.Errorf("%w: %d bytes are no two slots", ErrDamaged, len(content))
	}
	file.slotSize = len(content) / 2
	var payload []byte
	found := false
	for slot := range 2 {
		part := content[slot*file.slotSize:][:file.slotSize]
		generation, data, err := parse(part)
		if errors.Is(err, rows.ErrNewerFormat) {
			return nil, err
		}
		if err != nil {
			// A slot that was never written is all zero.
			file.torn = file.torn || len(bytes.TrimLeft(part, "\x00")) > 0
			continue
		}
		if !found || generation > file.generation {
			found, file.generation, file.slot, payload = true, generation, slot, data
		}
	}
	if !found {
		return nil, fmt.Errorf("%w: no slot verifies", ErrDamaged)
	}
	return payload, nil
}

// parse returns what a slot holds, or ErrDamaged.
func parse(slot []byte) (generation uint64, payload []byte, err error) {
	length := binary.BigEndian.Uint32(slot[12:])
	if string(slot[:8]) != magic || int64(length) > int64(len(slot)-headerSize) {
		return 0, nil, ErrDamaged
	}
	payload = slot[headerSize:][:length]
	if sum(slot[:sumAt], payload) != binary.BigEndian.Uint32(slot[sumAt:]) {
		return 0, nil, ErrDamaged
	}
	if have := binary.BigEndian.Uint16(slot[8:]); have != format {
		return 0, nil, fmt.Errorf("%w: format %d, this program knows %d: update the program", rows.ErrNewerFormat, have, format)
	}
	return binary.BigEndian.Uint64(slot[16:]), bytes.Clone(payload), nil
}

func sum(header, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, payload)
}

// encode puts a slot together in file.buf.
func (file *File) encode(generation uint64, payload []byte) []byte {
	b := append(file.buf[:0], magic...)
	b = binary.BigEndian.AppendUint16(b, format)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.BigEndian.AppendUint64(b, generation)
	b = binary.BigEndian.AppendUint32(b, sum(b, payload))
	file.buf = append(b, payload...)
	return file.buf
}

// release closes the open file, if any.
func (file *File) release() error {
	if file.f == nil {
		return nil
	}
	err := file.f.Close()
	file.f = nil
	return err
}

// Write replaces the payload; the new one is durable when it returns nil. After an error the next
// Open returns the old payload or this one, and Write may be tried again. It returns ErrTooLarge, or rows.ErrFull (only
// if the payload outgrew its slot).
func (file *File) Write(payload []byte) error {
	if file.closed {
		return fmt.Errorf("write the high-water record %s: %w", file.path, os.ErrClosed)
	}
	if file.f == nil || len(payload) > file.slotSize-headerSize || len(payload) > MaxPayload {
		return file.replace(payload)
	}
	slot := 1 - file.slot
	if _, err := file.f.WriteAt(file.encode(file.generation+1, payload), int64(slot*file.slotSize)); err != nil {
		return fmt.Errorf("write the high-water record %s: %w", file.path, datadir.MapFull(err))
	}
	if err := syncData(file.f); err != nil {
		return fmt.Errorf("sync the high-water record %s: %w", file.path, err)
	}
	file.generation, file.slot, file.torn = file.generation+1, slot, false
	return nil
}

// replace writes a new file with slots large enough for payload, and puts it in place of the old one.
func (file *File) replace(payload []byte) error {
	if len(payload) > MaxPayload {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(payload), MaxPayload)
	}
	size := (headerSize + len(payload) + block - 1) / block * block
	// All blocks are written now, so that later writes never need new ones.
	content := make([]byte, 2*size)
	copy(content, file.encode(file.generation+1, payload))
	if err := file.swap(content); err != nil {
		return fmt.Errorf("make the high-water record %s: %w", file.path, datadir.MapFull(err))
	}
	file.slotSize, file.slot, file.generation, file.torn = size, 0, file.generation+1, false
	return nil
}

// swap puts a new file in place and opens it. Neither file is open at the rename, which some systems
// refuse; if it fails, f stays nil and the next Write begins here again.
func (file *File) swap(content []byte) error {
	f, err := os.OpenFile(file.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close(), file.release()); err != nil {
		return err
	}
	if err := os.Rename(file.path+".new", file.path); err != nil {
		return err
	}
	if err := datadir.SyncDir(filepath.Dir(file.path)); err != nil {
		return err
	}
	file.f, err = os.OpenFile(file.path, os.O_RDWR, 0)
	return err
}

// Close closes the file; the record stays. Write then returns os.ErrClosed; a second Close returns nil.
func (file *File) Close() error {
	file.closed = true
	if err := file.release(); err != nil {
		return fmt.Errorf("close the high-water record %s: %w", file.path, err)
	}
	return nil
}
