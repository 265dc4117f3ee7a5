package tse_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

// official is the example of DSFinV-K, Anhang I, as far as fiscal.md gives it.
const official = "V0;220130d5-…;Kassenbeleg-V1;Beleg^7.50_0.00_0.00_0.00_0.00^7.50:Bar;11;21;2020-05-22T11:33:01.000Z;" +
	"2020-05-22T11:33:02.000Z;ecdsa-plain-SHA256;utcTime;HSmI…dAg==;MFkw…6g=="

func TestQRCode(t *testing.T) {
	r := tse.Record{
		Client: "220130d5-…", Process: sale, Transaction: 11, Counter: 21, Start: "2020-05-22T11:33:01.000Z", End: "2020-05-22T11:33:02.000Z",
		Algorithm: "ecdsa-plain-SHA256", TimeFormat: "utcTime", Signature: "HSmI…dAg==", PublicKey: "MFkw…6g==",
	}
	require.Equal(t, official, r.QR())
	back, err := tse.ParseQR(official)
	require.NoError(t, err)
	require.Equal(t, r, back)

	r = once(t, software(t, new(tsetest.File)), "till", tse.Process{Type: tse.BestellungV1, Data: `2;"a;b";3.99`})
	back, err = tse.ParseQR(r.QR())
	require.NoError(t, err)
	require.NoError(t, tse.Verify(back), "what was scanned can be verified")
	require.Equal(t, r.Process, back.Process)
	require.Equal(t, 12-1+3, strings.Count(r.QR(), ";"), "process data may hold semicolons")

	for _, bad := range []string{"", "V0;", strings.Replace(official, "V0", "V1", 1), strings.Replace(official, ";11;", ";x;", 1),
		strings.Replace(official, ";11;", ";011;", 1), strings.Replace(official, "HSmI…dAg==", "", 1), "V0;a;b;1;2;c;d;e;f;g;h"} {
		_, err := tse.ParseQR(bad)
		require.ErrorIs(t, err, tse.ErrRecord, bad)
	}
}

func TestRecordInADocument(t *testing.T) {
	r := once(t, software(t, new(tsetest.File)), "till", sale)
	raw, err := receipt.AppendCanonical(nil, r.Object())
	require.NoError(t, err)
	v, err := receipt.ParseCanonical(raw)
	require.NoError(t, err)
	back, err := tse.ParseRecord(v.(receipt.Object))
	require.NoError(t, err)
	require.Equal(t, r, back)
	require.NoError(t, tse.Verify(back))

	for _, bad := range []receipt.Object{nil, {{Name: "kind", Value: receipt.String("rksv")}},
		{{Name: "kind", Value: receipt.String("tse")}, {Name: "signature", Value: receipt.Int(1)}},
		{{Name: "kind", Value: receipt.String("tse")}, {Name: "counter", Value: receipt.String("-1")}}} {
		_, err := tse.ParseRecord(bad)
		require.ErrorIs(t, err, tse.ErrRecord)
	}
}

func TestFailedRecord(t *testing.T) {
	r := tse.Failed("till", sale, nil, errors.New(strings.Repeat("kaputt ", 100)+"\xff"))
	require.True(t, strings.HasPrefix(r.Failure, tse.Outage+": kaputt"))
	require.Len(t, []rune(r.Failure), 200)
	require.Empty(t, r.QR())
	require.ErrorIs(t, tse.Verify(r), tse.ErrSignature)

	r = tse.Failed("till", sale, &tse.Started{Transaction: 4, LogTime: "2026-11-22T09:30:00.125Z", Serial: "s"}, tse.ErrUnavailable)
	back, err := tse.ParseRecord(r.Object())
	require.NoError(t, err)
	require.Equal(t, r, back)
	require.EqualValues(t, 4, back.Transaction)
}

// FuzzParseQR: whatever is scanned is refused or gives the same text again.
func FuzzParseQR(f *testing.F) {
	f.Add(official)
	f.Add(once(f, software(f, new(tsetest.File)), "till", sale).QR())
	f.Add("V0;;;;1;2;;;;;a;b;c")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := tse.ParseQR(text)
		if err != nil {
			require.ErrorIs(t, err, tse.ErrRecord)
			return
		}
		require.Equal(t, text, r.QR())
		_ = tse.Verify(r)
	})
}
