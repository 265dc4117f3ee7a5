// Package wire holds the messages that tills exchange and the bytes they are made of. PROTOCOL.md describes them for
// somebody who writes the other side; golden bytes in testdata/wire pin them.
//
// The package knows neither stores nor connections: it reads from an io.Reader and appends to byte slices.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"github.com/tillmesh/tillmesh/crdt"
)

// Limits of a frame (design §8).
const (
	MaxFrame  = 4 << 20 // bytes of a frame's body, after decompression too
	headSize  = 6       // length (4), kind, flags
	maxScopes = 1024
	// compressFrom is the smallest body that is worth compressing.
	compressFrom = 256
)

const flagZstd = 1 << 0

// ErrFrame is wrapped by every error about a frame itself, as opposed to those of the reader: it breaks the limits,
// does not decompress or is not what its kind says. The link must be closed, since nothing after it can be trusted.
var ErrFrame = errors.New("unreadable frame")

// Encoder turns messages into frames. It is not safe for concurrent use.
type Encoder struct {
	zstd *zstd.Encoder
	encoding
}

// NewEncoder returns an encoder.
func NewEncoder() (*Encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
		zstd.WithWindowSize(256<<10), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("start compression: %w", err)
	}
	return &Encoder{zstd: z}, nil
}

// Append appends the frame of a message to b, compressed if asked to and if that makes it smaller. It refuses, wrapping
// [ErrFrame], what every receiver would refuse; b is then returned as it was.
func (e *Encoder) Append(b []byte, m Message, compress bool) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(m.Kind()), 0)
	b = m.append(b)
	body := b[start+headSize:]
	if len(body) > MaxFrame {
		return b[:start], fmt.Errorf("%w: kind %d has %d bytes, at most %d", ErrFrame, m.Kind(), len(body), MaxFrame)
	}
	if err := checkOwn(m, body); err != nil {
		return b[:start], fmt.Errorf("%w: kind %d: %w", ErrFrame, m.Kind(), err)
	}
	if compress && len(body) >= compressFrom {
		if small := e.zstd.EncodeAll(body, nil); len(small) < len(body) {
			b = append(b[:start+headSize], small...)
			b[start+5] = flagZstd
		}
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

// Decoder reads frames. It is not safe for concurrent use.
type Decoder struct {
	r    io.Reader
	zstd *zstd.Decoder
	decoding
}

// NewDecoder returns a decoder of what r delivers. Call Close when done.
func NewDecoder(r io.Reader) (*Decoder, error) {
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(MaxFrame),
		zstd.WithDecoderLowmem(true), zstd.WithDecodeAllCapLimit(true))
	if err != nil {
		return nil, fmt.Errorf("start decompression: %w", err)
	}
	return &Decoder{r: r, zstd: z}, nil
}

// Close releases what the decoder holds. It does not close the reader.
func (d *Decoder) Close() {
	d.zstd.Close()
	if d.stream != nil {
		d.stream.Close()
	}
}

// Next reads the next message; nil without an error if its kind is not known here. size is what it took on the line.
// An error of the reader is returned as it is, io.EOF only between frames.
func (d *Decoder) Next() (m Message, size int, err error) {
	var head [headSize]byte
	if _, err := io.ReadFull(d.r, head[:4]); err != nil {
		return nil, 0, err
	}
	n := binary.BigEndian.Uint32(head[:4])
	if n < 2 || n > MaxFrame+2 {
		return nil, 0, fmt.Errorf("%w: %d bytes announced, at most %d", ErrFrame, n, MaxFrame)
	}
	if _, err := io.ReadFull(d.r, head[4:]); err != nil {
		return nil, 0, unexpected(err)
	}
	body, err := readBody(d.r, int(n)-2)
	if err != nil {
		return nil, 0, err
	}
	switch flags := head[5]; flags {
	case 0:
	case flagZstd:
		if body, err = d.decompress(body); err != nil {
			return nil, 0, fmt.Errorf("%w: kind %d does not decompress: %w", ErrFrame, head[4], err)
		}
	case flagStream:
		if body, err = d.inflate(body); err != nil {
			return nil, 0, fmt.Errorf("%w: kind %d does not decompress: %w", ErrFrame, head[4], err)
		}
	default:
		return nil, 0, fmt.Errorf("%w: kind %d has flags %#x", ErrFrame, head[4], flags)
	}
	m, err = Decode(Kind(head[4]), body)
	return m, int(n) + 4, err
}

// decompress takes one zstd frame that says how large its content is. That size bounds the memory and the work: without
// it, or with many small frames in a row, the result would be moved again and again while it grows.
func (d *Decoder) decompress(body []byte) ([]byte, error) {
	var h zstd.Header
	if err := h.Decode(body); err != nil {
		return nil, err
	}
	switch {
	case h.Skippable || !h.HasFCS:
		return nil, errors.New("the size of the content is not stated")
	case h.FrameContentSize > MaxFrame:
		return nil, fmt.Errorf("%d bytes of content, at most %d", h.FrameContentSize, MaxFrame)
	}
	return d.zstd.DecodeAll(body, make([]byte, 0, h.FrameContentSize))
}

// readBody reads n bytes without trusting n: memory grows with what arrives.
func readBody(r io.Reader, n int) ([]byte, error) {
	const step = 64 << 10
	body := make([]byte, 0, min(n, step))
	for len(body) < n {
		at := len(body)
		body = append(body, make([]byte, min(n-at, max(step, at)))...)
		if _, err := io.ReadFull(r, body[at:]); err != nil {
			return nil, unexpected(err)
		}
	}
	return body, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendDigest(b []byte, d crdt.Digest) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(b, d[0]), d[1])
}

func digest(b [16]byte) crdt.Digest {
	return crdt.Digest{binary.BigEndian.Uint64(b[:]), binary.BigEndian.Uint64(b[8:])}
}
