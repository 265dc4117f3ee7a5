package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// Small frames of one direction of a link share one zstd stream: a commit repeats the IDs of its till, tab and articles
// from those before it, which no frame on its own could save. It works because a link delivers all frames in order.
const (
	flagStream   = 1 << 1
	streamMost   = 64 << 10 // bytes of a body that goes through the stream; larger ones stand alone
	streamWindow = 128 << 10
)

// AppendStream appends the frame of a message, its body compressed as the next part of this encoder's stream. Frames of
// one encoder must then reach one decoder, all of them and in order. Large bodies are compressed alone. Errors are those
// of Append.
func (e *Encoder) AppendStream(b []byte, m Message) ([]byte, error) {
	e.plain = m.append(e.plain[:0])
	if len(e.plain) > streamMost {
		return e.Append(b, m, true)
	}
	if err := checkOwn(m, e.plain); err != nil {
		return b, fmt.Errorf("%w: kind %d: %w", ErrFrame, m.Kind(), err)
	}
	if e.stream == nil {
		z, err := zstd.NewWriter(&e.part, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1),
			zstd.WithWindowSize(streamWindow), zstd.WithEncoderCRC(false), zstd.WithLowerEncoderMem(true))
		if err != nil {
			return b, fmt.Errorf("start compression: %w", err)
		}
		e.stream = z
	}
	if _, err := e.stream.Write(e.plain); err != nil {
		return b, fmt.Errorf("compress kind %d: %w", m.Kind(), err)
	}
	if err := e.stream.Flush(); err != nil {
		return b, fmt.Errorf("compress kind %d: %w", m.Kind(), err)
	}
	start := len(b)
	b = append(b, 0, 0, 0, 0, byte(m.Kind()), flagStream)
	b = binary.BigEndian.AppendUint32(b, uint32(len(e.plain)))
	b = append(b, e.part.Bytes()...)
	e.part.Reset()
	if cap(e.plain) > 16<<10 {
		e.plain = nil
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

// inflate returns the body of a frame of the stream: four bytes with its size, then the next part of the stream.
func (d *Decoder) inflate(part []byte) ([]byte, error) {
	if len(part) < 4 {
		return nil, fmt.Errorf("%d bytes have no size", len(part))
	}
	size := binary.BigEndian.Uint32(part)
	if size > streamMost {
		return nil, fmt.Errorf("%d bytes of content, at most %d", size, streamMost)
	}
	d.part.Reset(part[4:])
	if d.stream == nil {
		z, err := zstd.NewReader(&d.part, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(streamWindow), zstd.WithDecoderMaxMemory(MaxFrame))
		if err != nil {
			return nil, fmt.Errorf("start decompression: %w", err)
		}
		d.stream = z
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(d.stream, body); err != nil {
		return nil, err
	}
	if left := d.part.Len(); left > 0 {
		return nil, fmt.Errorf("%d bytes left over", left)
	}
	return body, nil
}

// encoding is what the sending side of a stream keeps between frames, decoding what the receiving side does.
type encoding struct {
	stream *zstd.Encoder // made with the first frame
	part   bytes.Buffer  // what the stream wrote for the present frame
	plain  []byte
}

type decoding struct {
	stream *zstd.Decoder // made with the first frame
	part   bytes.Reader  // of the stream, from the present frame
}
