package pairing

import (
	"bytes"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// encoder keeps the first error, so that a message reads as the list of its fields.
type encoder struct {
	buf bytes.Buffer
	mp  *msgpack.Encoder
	err error
}

func newEncoder(kind byte) *encoder {
	e := &encoder{}
	e.buf.WriteByte(kind)
	e.mp = msgpack.NewEncoder(&e.buf)
	return e
}

func (e *encoder) keep(err error) {
	if e.err == nil {
		e.err = err
	}
}

func (e *encoder) mapLen(n int)   { e.keep(e.mp.EncodeMapLen(n)) }
func (e *encoder) arrayLen(n int) { e.keep(e.mp.EncodeArrayLen(n)) }
func (e *encoder) key(k string)   { e.keep(e.mp.EncodeString(k)) }
func (e *encoder) text(s string)  { e.keep(e.mp.EncodeString(s)) }
func (e *encoder) bytes(b []byte) { e.keep(e.mp.EncodeBytes(b)) }
func (e *encoder) int(n int64)    { e.keep(e.mp.EncodeInt(n)) }
func (e *encoder) bool(b bool)    { e.keep(e.mp.EncodeBool(b)) }

func (e *encoder) finish(most int) ([]byte, error) {
	if e.err != nil {
		return nil, fmt.Errorf("encode an admission message: %w", e.err)
	}
	if e.buf.Len() > most {
		return nil, fmt.Errorf("%w (%d bytes, at most %d)", ErrTooLarge, e.buf.Len(), most)
	}
	return e.buf.Bytes(), nil
}
