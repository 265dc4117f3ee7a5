package archive_test

import (
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
)

func TestContact(t *testing.T) {
	question := archive.EncodeQuestion(300)
	require.Equal(t, "9201cd012c", hex.EncodeToString(question))
	known, err := archive.DecodeQuestion(question)
	require.NoError(t, err)
	require.EqualValues(t, 300, known)

	offer := archive.Offer{Note: []byte("note"), Proof: []tlog.Hash{{1}, {2}}}
	require.Equal(t, "9301c4046e6f7465c440"+hex.EncodeToString(append(offer.Proof[0][:], offer.Proof[1][:]...)), hex.EncodeToString(offer.Encode()))
	got, err := archive.DecodeOffer(offer.Encode())
	require.NoError(t, err)
	require.Equal(t, offer, got)
}

func FuzzContact(f *testing.F) {
	f.Add(archive.EncodeQuestion(7))
	f.Add(archive.Offer{Note: []byte("note"), Proof: []tlog.Hash{{1}}}.Encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if known, err := archive.DecodeQuestion(b); err == nil {
			again, err := archive.DecodeQuestion(archive.EncodeQuestion(known))
			require.NoError(t, err)
			require.Equal(t, known, again)
		}
		if offer, err := archive.DecodeOffer(b); err == nil {
			again, err := archive.DecodeOffer(offer.Encode())
			require.NoError(t, err)
			require.Equal(t, offer, again)
		}
	})
}
