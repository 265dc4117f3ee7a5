package blockfile

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Writer writes a file. It is for one goroutine.
type Writer struct {
	format *Format
	w      io.Writer
	zip    *zstd.Encoder
	all    hash.Hash // over every byte
	last   [32]byte
	number uint32
	bytes  int64
	buf    []byte
}

// NewWriter writes the beginning of a file; [Writer.Close] must be called.
func NewWriter(w io.Writer, format *Format) (*Writer, error) {
	zip, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start compression: %w", err)
	}
	b := &Writer{format: format, w: w, zip: zip, all: sha256.New()}
	first := append(binary.BigEndian.AppendUint16([]byte(format.Magic), format.Version), 0, 0)
	b.last = sha256.Sum256(first)
	return b, b.write(first)
}

func (b *Writer) write(p []byte) error {
	n, err := b.w.Write(p)
	b.bytes += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return fmt.Errorf("write at byte %d: %w", b.bytes, err)
	}
	b.all.Write(p)
	return nil
}

// Block writes a block of a kind.
func (b *Writer) Block(kind byte, plain []byte) error {
	if len(plain) > b.format.MaxPlain {
		return fmt.Errorf("a block of %s with %d bytes, at most %d fit", b.format.Kinds[kind], len(plain), b.format.MaxPlain)
	}
	b.buf = append(b.buf[:0], make([]byte, head)...)
	b.buf[0] = kind
	b.buf = b.zip.EncodeAll(plain, b.buf)
	binary.BigEndian.PutUint32(b.buf[4:], b.number)
	binary.BigEndian.PutUint32(b.buf[8:], uint32(len(b.buf)-head))
	binary.BigEndian.PutUint32(b.buf[12:], uint32(len(plain)))
	b.last = b.format.chain(b.last, b.buf[:head], b.buf[head:])
	b.number++
	return b.write(append(b.buf, b.last[:]...))
}

// Number is that of the next block.
func (b *Writer) Number() uint32 { return b.number }

// Bytes is how many were written.
func (b *Writer) Bytes() int64 { return b.bytes }

// Sum is the SHA-256 of what was written.
func (b *Writer) Sum() [32]byte { return [32]byte(b.all.Sum(nil)) }

// Close ends the compression; the file is the caller's.
func (b *Writer) Close() error {
	if err := b.zip.Close(); err != nil {
		return fmt.Errorf("end compression: %w", err)
	}
	return nil
}
