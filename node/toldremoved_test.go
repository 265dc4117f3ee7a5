package node

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
)

func TestWhatAnotherTillSaidIsReadBack(t *testing.T) {
	b := toldBy{since: 1_800_000_000_000, at: 1_800_000_060_000}
	raw := b.encode()
	got, err := decodeTold(raw)
	require.NoError(t, err)
	require.Equal(t, toldBy{since: b.since, at: b.at, saved: b.at}, got)
	require.Equal(t, []byte("\x93\x01\xcf\x00\x00\x01\xa3\x18\x5c\x50\x00\xcf\x00\x00\x01\xa3\x18\x5d\x3a\x60"), raw, "the bytes on the disk")
	for cut := range raw {
		_, err := decodeTold(raw[:cut])
		require.Error(t, err)
	}
	newer := bytes.Clone(raw)
	newer[1] = 2
	_, err = decodeTold(newer)
	require.ErrorIs(t, err, crdt.ErrVersion)
}

func FuzzTold(f *testing.F) {
	f.Add((&toldBy{since: 1, at: 2}).encode())
	f.Add((&toldBy{since: -1, at: 1 << 62}).encode())
	f.Add([]byte{0x93, 1, 0xc0, 0xc0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := decodeTold(raw)
		if err != nil {
			return
		}
		again, err := decodeTold(b.encode())
		require.NoError(t, err)
		require.Equal(t, b, again)
	})
}

// What a till said is written once and then now and then; it is taken back when there is a link to that till.
func TestWhatIsWrittenOfTheWordOfOthers(t *testing.T) {
	till := crdt.TillID{7}
	r := removals{by: map[crdt.TillID]*toldBy{till: {since: 1000, at: 1000}}}
	notes, fresh := r.unsaved()
	require.Len(t, notes, 1)
	require.Equal(t, []crdt.TillID{till}, fresh)
	r.by[till].at = 2000 // while it was written
	r.saved(notes)
	notes, fresh = r.unsaved()
	require.Empty(t, notes)
	require.Empty(t, fresh)
	r.by[till].at += saveToldEvery.Milliseconds()
	notes, fresh = r.unsaved()
	require.Len(t, notes, 1)
	require.Empty(t, fresh, "it said so before")
	r.saved(notes)

	r.by[till].withdrawn = true
	notes, fresh = r.unsaved()
	require.Len(t, notes, 1)
	require.Empty(t, notes[0].Value, "the note goes")
	require.Empty(t, fresh)
	r.saved(notes)
	require.Empty(t, r.by)
}
