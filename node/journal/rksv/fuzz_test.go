package rksv_test

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

// seeds returns the receipts of the own vectors.
func seeds(f *testing.F) (logs, receipts []string) {
	f.Helper()
	for _, name := range []string{"open-dep.json", "closed-dep.json"} {
		b, err := os.ReadFile(vector(name))
		require.NoError(f, err)
		logs = append(logs, string(b))
		for _, part := range strings.Split(string(b), `"`) {
			if strings.HasPrefix(part, "eyJ") {
				receipts = append(receipts, part)
			}
		}
	}
	return logs, receipts
}

// FuzzReader: any bytes are read to an end, and what they held can be written again if it was receipts.
func FuzzReader(f *testing.F) {
	logs, _ := seeds(f)
	for _, log := range logs {
		f.Add(log)
	}
	f.Add(`{"x":[{}],"Belege-Gruppe":[{"Belege-kompakt":["a"],"Signaturzertifikat":""}]}`)
	b, err := os.ReadFile(vector("open-keys.json"))
	require.NoError(f, err)
	keys, err := rksv.ParseKeys(b)
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, log string) {
		r := rksv.NewReader(strings.NewReader(log))
		v := rksv.NewVerifier(keys)
		var out strings.Builder
		w := rksv.NewWriter(&out)
		var written []string
		for {
			e, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				require.ErrorIs(t, err, rksv.ErrFormat)
				return
			}
			v.Add(e)
			if w.Add(e.JWS) == nil {
				written = append(written, e.JWS)
			}
		}
		require.NoError(t, w.Close())
		var read []string
		for _, e := range entries(t, out.String()) {
			read = append(read, e.JWS)
		}
		require.Equal(t, written, read)
	})
}

// FuzzParseJWS: there is one spelling of each receipt, and its codes can be made.
func FuzzParseJWS(f *testing.F) {
	_, receipts := seeds(f)
	for _, r := range receipts {
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, text string) {
		j, err := rksv.ParseJWS(text)
		if err != nil {
			require.ErrorIs(t, err, rksv.ErrFormat)
			return
		}
		require.Equal(t, text, j.Text)
		require.True(t, strings.HasPrefix(j.QR(), j.Payload.String()+"_"))
		_, err = j.OCR()
		require.NoError(t, err)
	})
}

// FuzzParsePayload: a payload that can be read is written as it was.
func FuzzParsePayload(f *testing.F) {
	_, receipts := seeds(f)
	for _, r := range receipts {
		j, err := rksv.ParseJWS(r)
		require.NoError(f, err)
		f.Add(j.Payload.String())
	}
	f.Add("_R1-AT1_K_1_2026-11-22T09:30:00_1.200,34_0,00_0,00_0,00_0,00_VFJB_1_MTIzNDU2Nzg=")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := rksv.ParsePayload(text)
		if err != nil {
			require.ErrorIs(t, err, rksv.ErrFormat)
			return
		}
		require.Equal(t, text, p.String())
		if _, err := p.Parse(); err != nil {
			require.ErrorIs(t, err, rksv.ErrFormat)
		}
	})
}

// FuzzParseState: a state is refused or written as it was read.
func FuzzParseState(f *testing.F) {
	for _, name := range []string{"open-state.json", "closed-state.json"} {
		b, err := os.ReadFile(vector(name))
		require.NoError(f, err)
		f.Add(string(b))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := rksv.ParseState([]byte(text))
		if err != nil {
			require.ErrorIs(t, err, rksv.ErrState)
			return
		}
		b, err := s.Bytes()
		require.NoError(t, err)
		again, err := rksv.ParseState(b)
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
