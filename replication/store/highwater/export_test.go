package highwater

import "encoding/binary"

// EncodeFormat returns a file of one record with another format number.
func EncodeFormat(number uint16, payload []byte) []byte {
	b := make([]byte, 2*block)
	copy(b, new(File).encode(1, payload))
	binary.BigEndian.PutUint16(b[8:], number)
	binary.BigEndian.PutUint32(b[sumAt:], sum(b[:sumAt], payload))
	return b
}
