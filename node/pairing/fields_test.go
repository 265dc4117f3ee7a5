package pairing

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

// replacing is a request, and rotated an answer, with the fields that came after the first release.
func replacing() Request {
	r := testRequest(testKey(1))
	r.Replaces = crdt.TillIDOf(testKey(55))
	return r
}

func rotated() Answer {
	a := testAnswer()
	a.GossipKeys = []GossipKey{{Key: [32]byte{1}, Revocations: 1}, {Key: [32]byte{2}, Revocations: math.MaxUint32}}
	return a
}

// A program without a field knows its name as little as another one's.
func TestOlderProgramsStepOverNewFields(t *testing.T) {
	b, err := encodeRequest(replacing())
	require.NoError(t, err)
	golden(t, "request_replacing.hex", b)
	request, err := decodeRequest(b)
	require.NoError(t, err)
	require.Equal(t, replacing(), request)
	request, err = decodeRequest(bytes.Replace(b, []byte("\xa1o\xc4\x20"), []byte("\xa1?\xc4\x20"), 1))
	require.NoError(t, err)
	require.Equal(t, testRequest(testKey(1)), request)

	b, err = encodeAnswer(rotated())
	require.NoError(t, err)
	golden(t, "answer_rotated.hex", b)
	answer, err := decodeAnswer(b)
	require.NoError(t, err)
	require.Equal(t, rotated(), answer)
	answer, err = decodeAnswer(bytes.Replace(b, []byte("\xa1g\x92\x92"), []byte("\xa1?\x92\x92"), 1))
	require.NoError(t, err)
	require.Equal(t, testAnswer(), answer)
}

func TestBadNewFieldsAreRefused(t *testing.T) {
	b, err := encodeRequest(replacing())
	require.NoError(t, err)
	old := crdt.TillIDOf(testKey(55))
	_, err = decodeRequest(bytes.Replace(b, old[:], make([]byte, len(old)), 1))
	require.ErrorIs(t, err, ErrMalformed)

	b, err = encodeAnswer(testAnswer())
	require.NoError(t, err)
	b[1]++ // one field more
	for _, keys := range []string{"c0", "91c0", "9190", "9191c42001" + strings.Repeat("00", 31), "9192c42001" + strings.Repeat("00", 31) + "ff",
		"9192c42001" + strings.Repeat("00", 31) + "cf0000000100000000", "9192c420" + strings.Repeat("00", 32) + "01", "9192c40101" + "01",
		"9193c42001" + strings.Repeat("00", 31) + "0101", "dc0011" + strings.Repeat("90", 17)} {
		v, err := hex.DecodeString("a167" + keys)
		require.NoError(t, err)
		_, err = decodeAnswer(append(bytes.Clone(b), v...))
		require.ErrorIs(t, err, ErrMalformed, keys)
	}
}
