package export

import (
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// readable returns the JSON of a msgpack value for people and other programs: binary as hexadecimal text, what JSON has no word for as the
// hexadecimal text of its msgpack. It is beside the raw bytes, which alone are what was archived.
func readable(raw []byte) []byte {
	if codec.Check(raw) != nil {
		return appendHex(nil, raw)
	}
	return appendReadable(nil, codec.NewReader(raw))
}

func appendHex(b, raw []byte) []byte {
	return append(hex.AppendEncode(append(b, '"'), raw), '"')
}

func appendReadable(b []byte, r *codec.Reader) []byte {
	switch c := r.Peek(); {
	case c == 0xc0:
		r.Nil()
		return append(b, "null"...)
	case c == 0xc2 || c == 0xc3:
		return strconv.AppendBool(b, r.Bool())
	case c <= 0x7f || c >= 0xcc && c <= 0xcf:
		return strconv.AppendUint(b, r.Uint(), 10)
	case c >= 0xe0 || c >= 0xd0 && c <= 0xd3:
		return strconv.AppendInt(b, r.Int(), 10)
	case c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb:
		return appendText(b, r.String())
	case c >= 0xc4 && c <= 0xc6:
		return appendHex(b, r.Bytes())
	case c >= 0x90 && c <= 0x9f || c == 0xdc || c == 0xdd:
		b = append(b, '[')
		for i := range r.Array() {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendReadable(b, r)
		}
		return append(b, ']')
	case c >= 0x80 && c <= 0x8f || c == 0xde || c == 0xdf:
		b = append(b, '{')
		for i := range r.Map() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendKey(b, r), ':')
			b = appendReadable(b, r)
		}
		return append(b, '}')
	}
	return appendHex(b, r.Raw())
}

// appendKey writes the key of a map, which is text in JSON.
func appendKey(b []byte, r *codec.Reader) []byte {
	if c := r.Peek(); c >= 0xa0 && c <= 0xbf || c >= 0xd9 && c <= 0xdb {
		return appendText(b, r.String())
	}
	return appendHex(b, r.Raw())
}

func appendText(b []byte, s string) []byte {
	text, _ := json.Marshal(s) // a string always can
	return append(b, text...)
}
