package badger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4/fb"
	"github.com/klauspost/compress/snappy"
)

// Rescue reads what is left in the files of a store that Badger cannot open, or opens with rows missing. It reads the
// files itself, one after another, and writes nothing: no damage can end the process, and tables that the MANIFEST no
// longer names, which Badger would delete, are read as well. Whatever it hands out has a right checksum.
//
// It knows the files of stores written with the options of this package: not encrypted, rows inline.
type Rescue struct {
	Dirs []string // of the store; with OrphanDir of it, what Open set aside

	// Damage says which files, or parts of them, did not read, after Each.
	Damage []string
}

// Each calls f for every row that reads, in no order: a row comes in several versions if older ones are still there;
// of one key the highest version is the last one written. nil stands for a row that was removed. It stops at an error of
// f or of ctx; damage is no error.
func (r *Rescue) Each(ctx context.Context, f func(key, value []byte, version uint64) error) error {
	r.Damage = nil
	for _, dir := range r.Dirs {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) && dir != r.Dirs[0] {
			continue
		}
		if err != nil {
			return fmt.Errorf("rescue rows: %w", err)
		}
		for _, entry := range entries {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := r.file(filepath.Join(dir, entry.Name()), f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Rescue) file(path string, f func(key, value []byte, version uint64) error) error {
	var read func(content []byte, f rowFunc) (damage []string, failed error)
	switch filepath.Ext(path) {
	case ".sst":
		read = readTable
	case ".mem":
		read = readLog
	default:
		return nil
	}
	name := filepath.Base(path)
	content, err := os.ReadFile(path)
	if err != nil { // a bad sector, say
		r.Damage = append(r.Damage, fmt.Sprintf("%s: %v", name, err))
		return nil
	}
	damage, failed := read(content, func(key, value []byte, version uint64) error {
		if bytes.HasPrefix(key, []byte("!badger!")) || len(key) > 0 && key[0] == 0 {
			return nil // rows of Badger's own, and of this package
		}
		return f(key, value, version)
	})
	for _, d := range damage {
		r.Damage = append(r.Damage, name+": "+d)
	}
	return failed
}

type rowFunc func(key, value []byte, version uint64) error

var (
	errCut   = errors.New("it is cut off")
	errSum   = errors.New("its checksum is wrong")
	errForm  = errors.New("it is not what it should be")
	crcTable = crc32.MakeTable(crc32.Castagnoli)
)

const maxRescueBlock = 64 << 20

// readTable reads a table: blocks, index, length of the index (4), checksum of the index, its length (4). Without its
// index a table tells nothing.
func readTable(content []byte, f rowFunc) (damage []string, failed error) {
	index, blocks, err := cutChecked(content, 4)
	if err != nil {
		return []string{fmt.Sprintf("the index of its blocks does not read, so all of it is lost: %v", err)}, nil
	}
	places, err := tableBlocks(index)
	if err != nil {
		return []string{fmt.Sprintf("the index of its blocks does not read, so all of it is lost: %v", err)}, nil
	}
	lost := 0
	for _, p := range places {
		err := errCut
		if p[0]+p[1] <= uint64(len(blocks)) {
			failed, err = readBlock(blocks[p[0]:p[0]+p[1]], f)
		}
		if failed != nil {
			return nil, failed
		}
		if err != nil {
			lost++
		}
	}
	if lost > 0 {
		damage = append(damage, fmt.Sprintf("%d of %d blocks do not read", lost, len(places)))
	}
	return damage, nil
}

// cutChecked takes data from the end of b: data, its length (tail bytes, or no length if tail is 0: all that is left),
// checksum, length of the checksum. It returns the data and what stands before it.
func cutChecked(b []byte, tail int) (data, before []byte, err error) {
	number := func() int {
		if len(b) < 4 {
			err = errCut
			return 0
		}
		n := binary.BigEndian.Uint32(b[len(b)-4:])
		b = b[:len(b)-4]
		if uint64(n) > uint64(len(b)) {
			err = errCut
			return 0
		}
		return int(n)
	}
	size := number()
	sum := b[len(b)-size:]
	b = b[:len(b)-size]
	if tail > 0 && err == nil {
		size = number()
		data, before = b[len(b)-size:], b[:len(b)-size]
	} else {
		data = b
	}
	if err == nil {
		err = checkSum(data, sum)
	}
	return data, before, err
}

// checkSum reads a checksum as Badger writes it, a protocol buffer: field 1 the algorithm (0, left out: CRC-32C), field
// 2 the sum.
func checkSum(data, sum []byte) error {
	want := uint64(0)
	for len(sum) > 0 {
		tag := sum[0]
		n, size := binary.Uvarint(sum[1:])
		if size <= 0 {
			return errForm
		}
		sum = sum[1+size:]
		switch {
		case tag == 0x10:
			want = n
		case tag != 0x08 || n != 0:
			return errForm
		}
	}
	if uint64(crc32.Checksum(data, crcTable)) != want {
		return errSum
	}
	return nil
}

// tableBlocks returns offset and length of each block.
func tableBlocks(index []byte) (places [][2]uint64, err error) {
	defer func() {
		if recover() != nil { // the sum of the index was right, yet it is no index
			places, err = nil, errForm
		}
	}()
	table := fb.GetRootAsTableIndex(index, 0)
	for i := range table.OffsetsLength() {
		var b fb.BlockOffset
		if !table.Offsets(&b, i) {
			return nil, errForm
		}
		places = append(places, [2]uint64{uint64(b.Offset()), uint64(b.Len())})
	}
	return places, nil
}

// readBlock reads a block: entries, their offsets (4 bytes each, little endian), their number (4), checksum, its length
// (4), all compressed with snappy. A damaged block tells nothing.
func readBlock(packed []byte, f rowFunc) (failed, damage error) {
	size, err := snappy.DecodedLen(packed)
	if err != nil || size > maxRescueBlock {
		return nil, errForm
	}
	block, err := snappy.Decode(nil, packed)
	if err != nil {
		return nil, errForm
	}
	data, _, err := cutChecked(block, 0)
	if err != nil {
		return nil, err
	}
	if len(data) < 4 {
		return nil, errCut
	}
	count := uint64(binary.BigEndian.Uint32(data[len(data)-4:]))
	data = data[:len(data)-4]
	if count*4 > uint64(len(data)) {
		return nil, errCut
	}
	offsets := data[uint64(len(data))-4*count:]
	data = data[:uint64(len(data))-4*count]
	var base []byte
	for i := range int(count) {
		from, to := int(binary.LittleEndian.Uint32(offsets[4*i:])), len(data)
		if i+1 < int(count) {
			to = int(binary.LittleEndian.Uint32(offsets[4*(i+1):]))
		}
		if from+4 > to || to > len(data) {
			return nil, errForm
		}
		entry := data[from:to]
		overlap, diff := int(binary.LittleEndian.Uint16(entry)), int(binary.LittleEndian.Uint16(entry[2:]))
		if entry = entry[4:]; diff > len(entry) || overlap > len(base) {
			return nil, errForm
		}
		key := append(slices.Clone(base[:overlap]), entry[:diff]...)
		if i == 0 {
			base = key
		}
		if failed := emitTable(key, entry[diff:], f); failed != nil {
			return failed, nil
		}
	}
	return nil, nil
}

// The bits of an entry's meta byte.
const (
	metaDelete  = 1 << 0
	metaPointer = 1 << 1
)

// emitTable hands out an entry of a table: meta, user meta, expiry (varint), value; its key ends with the version.
func emitTable(key, entry []byte, f rowFunc) error {
	if len(entry) < 3 {
		return nil
	}
	_, n := binary.Uvarint(entry[2:])
	if n <= 0 {
		return nil
	}
	return emit(key, entry[0], entry[2+n:], f)
}

func emit(key []byte, meta byte, value []byte, f rowFunc) error {
	if len(key) < 9 || meta&metaPointer != 0 { // the value is in another file
		return nil
	}
	version := math.MaxUint64 - binary.BigEndian.Uint64(key[len(key)-8:])
	if key = key[: len(key)-8 : len(key)-8]; meta&metaDelete != 0 {
		return f(key, nil, version)
	}
	return f(key, append([]byte{}, value...), version)
}

// readLog reads the log of the newest rows: 20 bytes, then entries, then zeros. Behind a place that does not read it goes on
// with the next entry that does: a flipped bit may have hit a length, and a lost sector reads as zeros.
func readLog(content []byte, f rowFunc) (damage []string, failed error) {
	const head = 20
	used := len(bytes.TrimRight(content, "\x00"))
	places, lost, reads := 0, 0, true
	for at := head; at < used; {
		meta, key, value, size := logEntry(content[at:])
		if size == 0 {
			if reads {
				places++
			}
			reads = false
			lost++
			at++
			continue
		}
		if failed := emit(key, meta, value, f); failed != nil {
			return nil, failed
		}
		reads = true
		at += size
	}
	if places > 0 {
		damage = append(damage, fmt.Sprintf("%d bytes at %d places do not read", lost, places))
	}
	return damage, nil
}

// logEntry reads the entry that b begins with: meta, user meta, lengths of key and value, expiry (varints), key, value,
// CRC-32C of all that. User meta and expiry are zero in the stores of this package. The size is 0 if there is no entry.
func logEntry(b []byte) (meta byte, key, value []byte, size int) {
	const shortest, expiry, maxKey = 2 + 3 + 4, 2, 1 << 16
	if len(b) < shortest || b[1] != 0 {
		return 0, nil, nil, 0
	}
	var numbers [3]uint64 // length of the key, of the value, expiry
	at := 2
	for i := range numbers {
		n, width := binary.Uvarint(b[at:])
		if width <= 0 {
			return 0, nil, nil, 0
		}
		numbers[i] = n
		at += width
	}
	klen, vlen, left := numbers[0], numbers[1], uint64(len(b)-at)
	if klen == 0 || klen > maxKey || numbers[expiry] != 0 || vlen > left || klen+vlen+4 > left {
		return 0, nil, nil, 0
	}
	middle, end := at+int(klen), at+int(klen+vlen)
	if crc32.Checksum(b[:end], crcTable) != binary.BigEndian.Uint32(b[end:]) {
		return 0, nil, nil, 0
	}
	return b[0], b[at:middle:middle], b[middle:end], end + 4
}
