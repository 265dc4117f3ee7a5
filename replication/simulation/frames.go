package simulation

import (
	"bytes"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/wire"
)

// Codec passes messages through the real frames. One serves all links of a world, and worlds one after another: it keeps
// nothing between frames, and making it is what costs.
type Codec struct {
	in  bytes.Buffer
	enc *wire.Encoder
	dec *wire.Decoder
}

// NewCodec returns a codec. Call Close when done.
func NewCodec() (*Codec, error) {
	c := new(Codec)
	var err error
	if c.enc, err = wire.NewEncoder(); err != nil {
		return nil, err
	}
	if c.dec, err = wire.NewDecoder(&c.in); err != nil {
		return nil, err
	}
	return c, nil
}

// Close releases what the codec holds.
func (c *Codec) Close() { c.dec.Close() }

func (c *Codec) encode(m wire.Message, compress bool) ([]byte, error) {
	return c.enc.Append(nil, m, compress)
}

func (c *Codec) decode(frame []byte) (wire.Message, error) {
	c.in.Reset()
	c.in.Write(frame)
	m, size, err := c.dec.Next()
	if err == nil && size != len(frame) {
		err = fmt.Errorf("a frame of %d bytes was read as %d", len(frame), size)
	}
	return m, err
}
