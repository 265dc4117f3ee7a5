package archive

import (
	"encoding/base32"
	"fmt"

	"github.com/tillmesh/tillmesh/crdt"
)

// AccountID names an account: 16 random bytes. Its log is its own: no other account ever sees it.
type AccountID [16]byte

var text = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// String returns the 26 character text form.
func (id AccountID) String() string { return text.EncodeToString(id[:]) }

// MarshalText returns the text form.
func (id AccountID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the text form.
func (id *AccountID) UnmarshalText(b []byte) (err error) {
	*id, err = ParseAccountID(string(b))
	return err
}

// ParseAccountID reads the text form; any other spelling of the same bytes is refused with [crdt.ErrID].
func ParseAccountID(s string) (id AccountID, err error) {
	object, err := crdt.ParseObjectID(s) // the same 16 bytes in the same form
	if err != nil {
		return id, fmt.Errorf("account: %w", err)
	}
	return AccountID(object), nil
}
