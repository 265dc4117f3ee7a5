package salvage

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
)

// A log begins with 20 bytes (key of its encryption, 0 if none), then entries:
//
//	meta, user meta, length of key, of value, expiry (three varints), key, value, CRC-32C of all that (4)
//
// The entries of a transaction end with one that holds its version as text. Behind the last one there are zeros.
const logHead = 20

// readLog returns the rows of the finished transactions of a log, in their order, and where something was damaged. Behind
// damage it looks for the next entry that has its checksum.
func readLog(path string, take func(entry)) (damage []string, err error) {
	data, err := readWhole(path)
	if err != nil {
		return nil, err
	}
	if len(data) < logHead {
		return []string{"the log is too short"}, nil
	}
	if binary.BigEndian.Uint64(data) != 0 {
		return nil, fmt.Errorf("%w: the log is encrypted, or its beginning is gone", errDamaged)
	}
	var open []entry // of the transaction that goes on
	broken := false  // its end may have been lost
	keep := func() {
		for _, e := range open {
			take(e)
		}
		open, broken = nil, false
	}
	for at := logHead; at < len(data); {
		e, size := logEntry(data[at:])
		if size == 0 {
			if len(bytes.TrimLeft(data[at:min(at+64, len(data))], "\x00")) == 0 {
				break
			}
			damage = append(damage, fmt.Sprintf("the log is damaged at byte %d", at))
			broken = true
			for at++; at < len(data) && !plausible(data[at:]); at++ {
			}
			continue
		}
		at += size
		switch {
		case e.meta&metaFinTxn != 0:
			version, err := strconv.ParseUint(string(e.value), 10, 64)
			if err == nil && len(open) > 0 && open[0].version == version {
				keep()
			}
			open = nil
		case e.meta&metaTxn != 0:
			if len(open) > 0 && open[0].version != e.version {
				if broken {
					keep() // its end was in the damaged part: another transaction began, so it was finished
				}
				open = nil
			}
			open = append(open, e)
		default:
			take(e)
		}
		if len(damage) > 1000 {
			return damage, nil
		}
	}
	return damage, nil
}

// readWhole reads as much of a file as can be read.
func readWhole(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	data, err := io.ReadAll(io.LimitReader(f, maxLog))
	if len(data) > 0 {
		return data, nil
	}
	return data, err
}

// logEntry reads the entry at the beginning of b; size is 0 if there is none with a valid checksum.
func logEntry(b []byte) (e entry, size int) {
	if len(b) < 2 {
		return e, 0
	}
	at := 2
	var lengths [3]uint64
	for i := range lengths {
		v, n := binary.Uvarint(b[at:])
		if n <= 0 {
			return e, 0
		}
		lengths[i], at = v, at+n
	}
	key, value := lengths[0], lengths[1]
	if key == 0 || key > maxKey || value > maxValue || uint64(at)+key+value+4 > uint64(len(b)) {
		return e, 0
	}
	end := at + int(key) + int(value)
	if crc32.Checksum(b[:end], castagnoli) != binary.BigEndian.Uint32(b[end:]) {
		return e, 0
	}
	e.meta = b[0]
	e.value = b[at+int(key) : end : end]
	if e.meta&metaFinTxn != 0 {
		return e, end + 4
	}
	var err error
	if e.key, e.version, err = cutVersion(b[at : at+int(key)]); err != nil {
		return e, 0
	}
	return e, end + 4
}

// plausible reports whether an entry could begin here, which is asked before its checksum is computed.
func plausible(b []byte) bool {
	if len(b) < 8 || b[0]&^(metaDelete|metaPointer|1<<2|metaTxn|metaFinTxn) != 0 || b[0]&(metaTxn|metaFinTxn) == 0 || b[1] != 0 {
		return false
	}
	_, size := logEntry(b)
	return size > 0
}

// readPointer reads the value that a row refers to: file, length and place of an entry in a value log.
func readPointer(path func(file uint32) string, pointer []byte) ([]byte, error) {
	if len(pointer) != 12 {
		return nil, fmt.Errorf("%w: a reference of %d bytes", errDamaged, len(pointer))
	}
	file, length, at := binary.LittleEndian.Uint32(pointer), binary.LittleEndian.Uint32(pointer[4:]), binary.LittleEndian.Uint32(pointer[8:])
	if length > maxValue+maxKey {
		return nil, fmt.Errorf("%w: a value of %d bytes", errDamaged, length)
	}
	f, err := os.Open(path(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // only read
	b := make([]byte, length)
	if _, err := f.ReadAt(b, int64(at)); err != nil {
		return nil, err
	}
	e, size := logEntry(b)
	if size == 0 {
		return nil, fmt.Errorf("%w: a long value cannot be read", errDamaged)
	}
	return e.value, nil
}
