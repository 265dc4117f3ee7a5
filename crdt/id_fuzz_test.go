package crdt

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzParseID reads any text as an ID: refused, or the one text that this ID is written as.
func FuzzParseID(f *testing.F) {
	f.Add(ObjectID{1, 2, 3}.String())
	f.Add(TillID{4, 5, 6}.String())
	f.Add("AAAAAAAAAAAAAAAAAAAAAAAAAA")
	f.Add("aaaaaaaaaaaaaaaaaaaaaaaaab")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := ParseObjectID(s); err == nil {
			require.Equal(t, s, id.String())
		}
		if id, err := ParseTillID(s); err == nil {
			require.Equal(t, s, id.String())
		}
	})
}
