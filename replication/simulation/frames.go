package simulation

import (
	"bytes"
	"fmt"

	"github.com/tillmesh/tillmesh/replication/wire"
)

// frames passes messages through the real codec. One encoder and decoder serve all links: they keep nothing between
// frames, and making them is what costs.
type frames struct {
	in  bytes.Buffer
	enc *wire.Encoder
	dec *wire.Decoder
}

func newFrames() (*frames, error) {
	f := new(frames)
	var err error
	if f.enc, err = wire.NewEncoder(); err != nil {
		return nil, err
	}
	if f.dec, err = wire.NewDecoder(&f.in); err != nil {
		return nil, err
	}
	return f, nil
}

func (f *frames) close() { f.dec.Close() }

func (f *frames) encode(m wire.Message, compress bool) ([]byte, error) {
	return f.enc.Append(nil, m, compress)
}

func (f *frames) decode(frame []byte) (wire.Message, error) {
	f.in.Reset()
	f.in.Write(frame)
	m, size, err := f.dec.Next()
	if err == nil && size != len(frame) {
		err = fmt.Errorf("a frame of %d bytes was read as %d", len(frame), size)
	}
	return m, err
}
