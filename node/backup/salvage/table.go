package salvage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/klauspost/compress/snappy"
)

// table is one sorted file: blocks, an index over them, and at its end
//
//	index, its length (4), checksum record, its length (4)
type table struct {
	path   string
	file   *os.File
	blocks []block
}

type block struct {
	first       []byte // key with version
	offset, len int64
}

func openTable(path string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	t := &table{path: path, file: f}
	if err := t.index(); err != nil {
		_ = f.Close() // only read
		return nil, err
	}
	return t, nil
}

func (t *table) name() string { return filepath.Base(t.path) }

func (t *table) close() error { return t.file.Close() }

// index reads the index. What panics in it is a length that its checksum did not cover.
func (t *table) index() (err error) {
	defer func() {
		if recover() != nil {
			err = fmt.Errorf("%w: its index cannot be read", errDamaged)
		}
	}()
	info, err := t.file.Stat()
	if err != nil {
		return err
	}
	sum, at, err := t.before(info.Size(), 1<<10)
	if err != nil {
		return fmt.Errorf("checksum of the index: %w", err)
	}
	index, _, err := t.before(at, maxIndex)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if err := checkSum(index, sum); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	root := fb.GetRootAsTableIndex(index, 0)
	for i := range root.OffsetsLength() {
		var o fb.BlockOffset
		if !root.Offsets(&o, i) {
			return fmt.Errorf("%w: block %d is not in the index", errDamaged, i)
		}
		t.blocks = append(t.blocks, block{bytes.Clone(o.KeyBytes()), int64(o.Offset()), int64(o.Len())})
	}
	return nil
}

// before reads the part that ends at a place, with its length behind it.
func (t *table) before(end int64, most int64) (part []byte, start int64, err error) {
	var length [4]byte
	if end < 4 {
		return nil, 0, fmt.Errorf("%w: the file is too short", errDamaged)
	}
	if _, err := t.file.ReadAt(length[:], end-4); err != nil {
		return nil, 0, err
	}
	n := int64(binary.BigEndian.Uint32(length[:]))
	if start = end - 4 - n; n > most || start < 0 {
		return nil, 0, fmt.Errorf("%w: %d bytes at its end are impossible", errDamaged, n)
	}
	part = make([]byte, n)
	_, err = t.file.ReadAt(part, start)
	return part, start, err
}

// firstBlock returns the block in which a row with this key could be first.
func (t *table) firstBlock(key []byte) int {
	n := sort.Search(len(t.blocks), func(i int) bool {
		k, _, err := cutVersion(t.blocks[i].first)
		return err == nil && bytes.Compare(k, key) >= 0
	})
	return max(n-1, 0)
}

// read returns the entries of a block.
func (t *table) read(i int) (list []entry, err error) {
	defer func() {
		if recover() != nil {
			list, err = nil, fmt.Errorf("%w: its rows cannot be read", errDamaged)
		}
	}()
	b := t.blocks[i]
	if b.len > maxBlock {
		return nil, fmt.Errorf("%w: a block of %d bytes", errDamaged, b.len)
	}
	stored := make([]byte, b.len)
	if n, err := t.file.ReadAt(stored, b.offset); err != nil {
		if err == io.EOF && n < len(stored) {
			err = fmt.Errorf("%w: it ends too early", errDamaged)
		}
		return nil, err
	}
	data := stored
	if n, err := snappy.DecodedLen(stored); err == nil && n <= maxBlock {
		if plain, err := snappy.Decode(nil, stored); err == nil {
			data = plain
		}
	}
	return blockEntries(data)
}

// blockEntries reads a block: entries, where they begin (4 bytes each, little endian), how many (4), a checksum record over
// all that, its length (4). A key is the shared beginning of the first one of the block plus its own rest.
func blockEntries(data []byte) ([]entry, error) {
	if len(data) < 12 {
		return nil, fmt.Errorf("%w: a block of %d bytes", errDamaged, len(data))
	}
	end := len(data) - 4
	sumAt := end - int(binary.BigEndian.Uint32(data[end:]))
	if sumAt < 4 || sumAt > end {
		return nil, fmt.Errorf("%w: its end cannot be read", errDamaged)
	}
	if err := checkSum(data[:sumAt], data[sumAt:end]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(data[sumAt-4:]))
	starts := sumAt - 4 - 4*n
	if n < 0 || starts < 0 {
		return nil, fmt.Errorf("%w: %d rows", errDamaged, n)
	}
	list := make([]entry, 0, n)
	var base []byte
	for i := range n {
		at := binary.LittleEndian.Uint32(data[starts+4*i:])
		to := uint32(starts)
		if i+1 < n {
			to = binary.LittleEndian.Uint32(data[starts+4*i+4:])
		}
		row := data[at:to]
		shared, rest := int(binary.LittleEndian.Uint16(row)), int(binary.LittleEndian.Uint16(row[2:]))
		full := append(append(make([]byte, 0, shared+rest), base[:shared]...), row[4:4+rest]...)
		if i == 0 {
			base = full
		}
		key, version, err := cutVersion(full)
		if err != nil {
			return nil, err
		}
		value := row[4+rest:]
		_, size := binary.Uvarint(value[2:]) // when it expires: never
		if size <= 0 {
			return nil, fmt.Errorf("%w: a row without a head", errDamaged)
		}
		list = append(list, entry{key, version, value[0], value[2+size:]})
	}
	return list, nil
}
