package tse_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

var update = flag.Bool("update", false, "write the golden files of this package instead of comparing with them")

// golden compares got with a file of the first format, which never changes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("..", "..", "..", "testdata", "tse", "v1", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), name)
}

func TestGoldenAnswers(t *testing.T) {
	file := new(tsetest.File)
	d := software(t, file)
	_, err := d.Start(t.Context(), "other")
	require.NoError(t, err)
	r := once(t, d, "till", sale)
	state, err := file.Load()
	require.NoError(t, err)
	golden(t, "state.json", state)
	golden(t, "receipt.txt", []byte(r.QR()+"\n"))
	i := info(t, d)
	golden(t, "device.txt", fmt.Appendf(nil, "%s\n%s\n%s\n", i.Serial, i.PublicKey, i.Certificate))
	require.NoError(t, tse.Verify(r))
}

func TestSoftwareSaysItIsNotCertified(t *testing.T) {
	d := software(t, new(tsetest.File))
	i := info(t, d)
	require.Equal(t, "KEINE ZERTIFIZIERTE TSE", i.Notice)
	require.Equal(t, i.Notice, once(t, d, "till", sale).Notice)
	der, err := base64.StdEncoding.DecodeString(i.Certificate)
	require.NoError(t, err)
	certificate, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	require.Equal(t, i.Notice, certificate.Subject.CommonName)
	require.NoError(t, certificate.CheckSignatureFrom(&x509.Certificate{PublicKey: certificate.PublicKey, PublicKeyAlgorithm: x509.ECDSA,
		BasicConstraintsValid: true, IsCA: true, Version: 3}))
	require.Len(t, i.Serial, 64)
}

func TestNumbersAreConsecutive(t *testing.T) {
	file := new(tsetest.File)
	for round := range 3 { // a restart between each
		d := software(t, file)
		for i := range 4 {
			n := uint64(4*round + i + 1)
			started, err := d.Start(t.Context(), "till")
			require.NoError(t, err)
			require.Equal(t, tse.Started{Transaction: n, Counter: 2*n - 1, LogTime: "2026-11-22T09:30:00.125Z", Serial: info(t, d).Serial}, started)
			finished, err := d.Finish(t.Context(), "till", n, sale)
			require.NoError(t, err)
			require.Equal(t, 2*n, finished.Counter)
		}
	}
}

func TestSeveralTillsShareADevice(t *testing.T) {
	file := new(tsetest.File)
	d := software(t, file)
	const tills, each = 8, 25
	records := make(chan tse.Record, tills*each)
	var tillsAtWork sync.WaitGroup
	for n := range tills {
		tillsAtWork.Go(func() {
			for range each {
				records <- once(t, d, fmt.Sprint("till ", n), sale)
			}
		})
	}
	tillsAtWork.Wait()
	close(records)
	transactions, counters := make(map[uint64]bool), make(map[uint64]bool)
	for r := range records {
		require.NoError(t, tse.Verify(r))
		transactions[r.Transaction], counters[r.Counter] = true, true
		require.LessOrEqual(t, r.Transaction, uint64(tills*each))
	}
	require.Len(t, transactions, tills*each)
	require.Len(t, counters, tills*each)

	started, err := software(t, file).Start(t.Context(), "till 1")
	require.NoError(t, err)
	require.EqualValues(t, tills*each+1, started.Transaction)
}

// TestWritesAreShared: who waits for the disk together is served by one write.
func TestWritesAreShared(t *testing.T) {
	file := &slowFile{entered: make(chan struct{}, 64), gate: make(chan struct{})}
	d := software(t, file)
	const sellers = 32
	var at sync.WaitGroup
	begin := func() {
		at.Go(func() {
			_, err := d.Start(t.Context(), "till")
			require.NoError(t, err)
		})
	}
	begin()
	<-file.entered // the first write is under way and carries one transaction
	for range sellers {
		begin()
	}
	require.Eventually(t, func() bool { return d.Changes() == sellers+1 }, 10*time.Second, time.Millisecond)
	close(file.gate)
	at.Wait()
	require.Equal(t, 2, file.Saves())
}

// slowFile waits at the gate before each write.
type slowFile struct {
	tsetest.File
	entered chan struct{}
	gate    chan struct{}
}

func (f *slowFile) Save(b []byte) error {
	f.entered <- struct{}{}
	<-f.gate
	return f.File.Save(b)
}

func TestNothingIsAnsweredThatIsNotDurable(t *testing.T) {
	file := new(tsetest.File)
	d := software(t, file)
	first := once(t, d, "till", sale)
	file.Break()
	_, err := d.Start(t.Context(), "till")
	require.ErrorIs(t, err, tse.ErrUnavailable)
	require.ErrorIs(t, err, tsetest.ErrDisk)

	// A crash now: what was not answered may be given out again, what was answered is not.
	file.Mend()
	again := once(t, software(t, file), "till", sale)
	require.Equal(t, first.Transaction+1, again.Transaction)
	require.Equal(t, first.Counter+2, again.Counter)

	// No crash: the device goes on behind it.
	later := once(t, d, "till", sale)
	require.Equal(t, first.Transaction+2, later.Transaction)
}

func TestRequestsThatAreRefused(t *testing.T) {
	d := software(t, new(tsetest.File))
	started, err := d.Start(t.Context(), "till")
	require.NoError(t, err)
	for name, try := range map[string]func() error{
		"another client":         func() error { _, err := d.Finish(t.Context(), "thief", started.Transaction, sale); return err },
		"a number not given out": func() error { _, err := d.Finish(t.Context(), "till", 99, sale); return err },
		"no type":                func() error { _, err := d.Finish(t.Context(), "till", started.Transaction, tse.Process{}); return err },
		"no client":              func() error { _, err := d.Start(t.Context(), ""); return err },
		"a client for no code":   func() error { _, err := d.Start(t.Context(), "a;b"); return err },
		"a long client":          func() error { _, err := d.Start(t.Context(), strings.Repeat("x", 71)); return err },
		"data that is no text": func() error {
			_, err := d.Finish(t.Context(), "till", started.Transaction, tse.Process{Type: tse.SonstigerVorgang, Data: "\xff"})
			return err
		},
	} {
		err := try()
		require.ErrorIs(t, err, tse.ErrRequest, name)
		require.NotErrorIs(t, err, tse.ErrUnavailable, name)
	}
	_, err = d.Finish(t.Context(), "till", started.Transaction, sale)
	require.NoError(t, err)
	_, err = d.Finish(t.Context(), "till", started.Transaction, sale)
	require.ErrorIs(t, err, tse.ErrRequest, "finished twice")

	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Start(gone, "till")
	require.ErrorIs(t, err, tse.ErrUnavailable)
	_, err = d.Finish(gone, "till", 1, sale)
	require.ErrorIs(t, err, tse.ErrUnavailable)
	_, err = d.Info(gone)
	require.ErrorIs(t, err, tse.ErrUnavailable)
}

func TestTheOldestOpenTransactionIsForgotten(t *testing.T) {
	d := software(t, new(tsetest.File))
	for range 129 {
		_, err := d.Start(t.Context(), "till")
		require.NoError(t, err)
	}
	_, err := d.Finish(t.Context(), "till", 1, sale)
	require.ErrorIs(t, err, tse.ErrRequest)
	_, err = d.Finish(t.Context(), "till", 2, sale)
	require.NoError(t, err)
}

func TestStatesThatAreRefused(t *testing.T) {
	file := new(tsetest.File)
	once(t, software(t, file), "till", sale)
	good, err := file.Load()
	require.NoError(t, err)
	open := func(state string, seed string) error {
		file := new(tsetest.File)
		require.NoError(t, file.Save([]byte(state)))
		_, err := tse.NewSoftware(tse.Config{Key: key(t, seed), Now: time.Now, File: file})
		return err
	}
	require.NoError(t, open(string(good), "device"))
	require.ErrorIs(t, open(string(good), "another"), tse.ErrState)
	for _, bad := range []string{"", "{", "{}", `{"version":2}`, strings.Replace(string(good), `"open":[]`, `"open":[{"transaction":9,"client":"x"}]`, 1),
		strings.Replace(string(good), `"open"`, `"closed"`, 1)} {
		require.ErrorIs(t, open(bad, "device"), tse.ErrState, bad)
	}
	_, err = tse.NewSoftware(tse.Config{})
	require.ErrorIs(t, err, tse.ErrRequest)
}

// TestEveryChangeIsFound: nothing of what is signed can be changed.
func TestEveryChangeIsFound(t *testing.T) {
	good := once(t, software(t, new(tsetest.File)), "till", sale)
	require.NoError(t, tse.Verify(good))
	for name, change := range map[string]func(*tse.Record){
		"client":    func(r *tse.Record) { r.Client = "tilk" },
		"type":      func(r *tse.Record) { r.Process.Type = tse.SonstigerVorgang },
		"data":      func(r *tse.Record) { r.Process.Data += "0" },
		"number":    func(r *tse.Record) { r.Transaction++ },
		"counter":   func(r *tse.Record) { r.Counter++ },
		"end":       func(r *tse.Record) { r.End = "2026-11-22T09:30:00.126Z" },
		"serial":    func(r *tse.Record) { r.Serial = strings.Repeat("0", 64) },
		"algorithm": func(r *tse.Record) { r.Algorithm = "ecdsa-plain-SHA384" },
		"key":       func(r *tse.Record) { r.PublicKey = "AAAA" },
		"shifted": func(r *tse.Record) {
			r.Process.Type, r.Process.Data = r.Process.Type+"\n3", strings.TrimPrefix(r.Process.Data, "Be")
		},
	} {
		r := good
		change(&r)
		require.ErrorIs(t, tse.Verify(r), tse.ErrSignature, name)
	}
	for i := range len(good.Signature) {
		for _, c := range "A+\n" {
			r := good
			r.Signature = good.Signature[:i] + string(c) + good.Signature[i+1:]
			if r.Signature != good.Signature {
				require.ErrorIs(t, tse.Verify(r), tse.ErrSignature, "byte %d", i)
			}
		}
	}
}
