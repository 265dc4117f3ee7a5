package blockfile

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Reader reads what [Writer] wrote and trusts none of it. It is for one goroutine.
type Reader struct {
	format *Format
	r      io.Reader
	zip    *zstd.Decoder
	all    hash.Hash
	last   [32]byte
	number uint32
	bytes  int64
	stored []byte
	plain  []byte
}

// NewReader reads the beginning of a file; [Reader.Close] must be called. Errors: those of this package, and format.Foreign.
func NewReader(r io.Reader, format *Format) (*Reader, error) {
	zip, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(format.MaxPlain)), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("start decompression: %w", err)
	}
	b := &Reader{format: format, r: r, zip: zip, all: sha256.New()}
	if err := b.prologue(); err != nil {
		zip.Close()
		return nil, err
	}
	return b, nil
}

func (b *Reader) prologue() error {
	first := make([]byte, prologue)
	n, err := io.ReadFull(b.r, first)
	switch begin := first[:min(n, magicLen)]; {
	case n == 0 && errors.Is(err, io.EOF), string(begin) != b.format.Magic[:len(begin)]:
		return fmt.Errorf("%w: it does not begin as one", b.format.Foreign)
	case err != nil:
		return b.short(err, "its beginning")
	}
	if v := binary.BigEndian.Uint16(first[magicLen:]); v > b.format.Version {
		return fmt.Errorf("%w: format %d, this program knows %d", ErrNewer, v, b.format.Version)
	} else if v != b.format.Version || first[prologue-2] != 0 || first[prologue-1] != 0 {
		return fmt.Errorf("%w: its first bytes give no version", ErrDamaged)
	}
	b.bytes = int64(prologue)
	b.all.Write(first)
	b.last = sha256.Sum256(first)
	return nil
}

// short tells a file that ends from one that cannot be read.
func (b *Reader) short(err error, what string) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends within %s, after byte %d", ErrCut, what, b.bytes)
	}
	return fmt.Errorf("read %s at byte %d: %w", what, b.bytes, err)
}

// Next returns the next block; the bytes are valid until the next call.
func (b *Reader) Next() (kind byte, plain []byte, err error) {
	at, name := b.bytes, fmt.Sprintf("block %d", b.number)
	var begin [head]byte
	if _, err := io.ReadFull(b.r, begin[:]); err != nil {
		return 0, nil, b.short(err, name)
	}
	kind = begin[0]
	stored, size := binary.BigEndian.Uint32(begin[8:]), binary.BigEndian.Uint32(begin[12:])
	if b.format.Kinds[kind] != "" {
		name += " (" + b.format.Kinds[kind] + ")"
	}
	// Lengths are not believed before their hash: a wrong one would only make a wrong message.
	if begin[1]|begin[2]|begin[3] != 0 || binary.BigEndian.Uint32(begin[4:]) != b.number || int64(stored) > int64(b.format.MaxPlain)+margin || int64(size) > int64(b.format.MaxPlain) {
		return 0, nil, fmt.Errorf("%w: %s at byte %d has an impossible beginning", ErrDamaged, name, at)
	}
	need := int(stored) + sha256.Size
	if cap(b.stored) < need {
		b.stored = make([]byte, need)
	}
	b.stored = b.stored[:need]
	if _, err := io.ReadFull(b.r, b.stored); err != nil {
		return 0, nil, b.short(err, name)
	}
	data, want := b.stored[:stored], [32]byte(b.stored[stored:])
	if b.format.chain(b.last, begin[:], data) != want {
		return 0, nil, fmt.Errorf("%w: %s at byte %d does not fit its checksum", ErrDamaged, name, at)
	}
	if b.format.Kinds[kind] == "" {
		return 0, nil, fmt.Errorf("%w: %s is of an unknown kind %q", ErrNewer, name, kind)
	}
	if b.plain, err = b.zip.DecodeAll(data, b.plain[:0]); err != nil || len(b.plain) != int(size) {
		return 0, nil, fmt.Errorf("%w: %s at byte %d cannot be unpacked to %d bytes: %w", ErrDamaged, name, at, size, err)
	}
	b.all.Write(begin[:])
	b.all.Write(b.stored)
	b.last, b.number, b.bytes = want, b.number+1, at+head+int64(need)
	return kind, b.plain, nil
}

// End makes sure that nothing follows.
func (b *Reader) End() error {
	var one [1]byte
	if n, err := io.ReadFull(b.r, one[:]); n > 0 {
		return fmt.Errorf("%w: something follows its end at byte %d", ErrDamaged, b.bytes)
	} else if !errors.Is(err, io.EOF) {
		return fmt.Errorf("read behind byte %d: %w", b.bytes, err)
	}
	return nil
}

// Number is that of the next block.
func (b *Reader) Number() uint32 { return b.number }

// Bytes is how many were read.
func (b *Reader) Bytes() int64 { return b.bytes }

// Sum is the SHA-256 of what was read.
func (b *Reader) Sum() [32]byte { return [32]byte(b.all.Sum(nil)) }

// Close gives back what decompression needs.
func (b *Reader) Close() { b.zip.Close() }
