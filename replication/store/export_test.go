package store

import "github.com/tillmesh/tillmesh/crdt"

// ObjectRow reads the row of an object and writes it again.
func ObjectRow(row []byte) ([]byte, error) {
	o, lists, err := decodeEntry(row)
	if err != nil {
		return nil, err
	}
	return encodeEntry(&entry{object: o, lists: lists}), nil
}

// IdentityRow reads the row of an identity.
func IdentityRow(row []byte) (Identity, error) { return decodeIdentity(row) }

// EmptyObjectRow returns the row of an object that nobody wrote.
func EmptyObjectRow() []byte { return encodeEntry(&entry{object: new(crdt.Object)}) }
