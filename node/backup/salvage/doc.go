// Package salvage reads the rows of a Badger store that Badger itself should not open: one that is damaged, that belongs
// to somebody else, or that must not be written. It opens files for reading only, starts no goroutine, maps nothing into
// memory, and takes what it can: every table and every log on its own, block by block, each with its checksum. The list of
// tables that Badger keeps (MANIFEST) is not asked, so tables are found that a cut list would hide.
//
// It reads what the stores of this program hold: tables packed with snappy, or not at all, without encryption.
//
// # What it cannot know
//
// A table that should have been removed is read as well. If a row was deleted long ago, and the mark of that is gone, it
// can come back. Whoever uses the rows must not mind; replication does not, because nothing is removed by absence.
package salvage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Limits of what is believed before its checksum was.
const (
	maxKey   = 2 << 10
	maxValue = 4 << 20
	maxBlock = 8 << 20
	maxIndex = 32 << 20
	maxLog   = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("damaged")

// entry is a version of a row.
type entry struct {
	key     []byte // without its version
	version uint64
	meta    byte
	value   []byte
}

// Bits of meta that Badger writes.
const (
	metaDelete  = 1 << 0
	metaPointer = 1 << 1
	metaTxn     = 1 << 6
	metaFinTxn  = 1 << 7
)

// cutVersion takes the version off a key: it is written as its distance from the highest, so that new ones come first.
func cutVersion(b []byte) (key []byte, version uint64, err error) {
	if len(b) <= 8 || len(b) > maxKey {
		return nil, 0, fmt.Errorf("%w: a key of %d bytes", errDamaged, len(b))
	}
	n := len(b) - 8
	return b[:n:n], ^binary.BigEndian.Uint64(b[n:]), nil
}

// checkSum compares data with a checksum record: a protocol buffer of algorithm (1, default CRC-32C) and sum (2).
func checkSum(data, record []byte) error {
	var fields [3]uint64
	for len(record) > 0 {
		tag := record[0]
		v, n := binary.Uvarint(record[1:])
		if tag != 1<<3 && tag != 2<<3 || n <= 0 {
			return fmt.Errorf("%w: a checksum that cannot be read", errDamaged)
		}
		fields[tag>>3] = v
		record = record[1+n:]
	}
	if fields[1] != 0 {
		return fmt.Errorf("%w: a checksum of kind %d", errDamaged, fields[1])
	}
	if uint64(crc32.Checksum(data, castagnoli)) != fields[2] {
		return fmt.Errorf("%w: the checksum does not fit", errDamaged)
	}
	return nil
}
