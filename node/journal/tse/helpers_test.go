package tse_test

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream is endless chance that is the same in every run.
type stream struct {
	seed string
	n    int
}

func (s *stream) Read(b []byte) (int, error) {
	s.n++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", s.seed, s.n))
	return copy(b, sum[:]), nil
}

func key(t testing.TB, seed string) *ecdsa.PrivateKey {
	t.Helper()
	k, err := es256.NewKey(&stream{seed: seed})
	require.NoError(t, err)
	return k
}

// epoch is when the clock of these tests stands.
var epoch = time.Date(2026, 11, 22, 9, 30, 0, 125_000_000, time.UTC)

func software(t testing.TB, file tse.File) *tse.Software {
	t.Helper()
	s, err := tse.NewSoftware(tse.Config{Key: key(t, "device"), Now: func() time.Time { return epoch }, File: file})
	require.NoError(t, err)
	return s
}

func info(t testing.TB, d tse.Device) tse.Info {
	t.Helper()
	i, err := d.Info(t.Context())
	require.NoError(t, err)
	return i
}

// once makes a whole transaction and returns its record.
func once(t testing.TB, d tse.Device, client string, p tse.Process) tse.Record {
	t.Helper()
	started, err := d.Start(t.Context(), client)
	require.NoError(t, err)
	finished, err := d.Finish(t.Context(), client, started.Transaction, p)
	require.NoError(t, err)
	return tse.NewRecord(info(t, d), client, p, started, finished)
}

var sale = tse.Process{Type: tse.KassenbelegV1, Data: "Beleg^7.50_0.00_0.00_0.00_0.00^7.50:Bar"}

func tax(key string, rate receipt.Rate) receipt.TaxRef { return receipt.TaxRef{Key: key, Rate: rate} }

func line(n byte, gross receipt.Amount, ref receipt.TaxRef, business string) receipt.DocLine {
	quantity := receipt.Quantity(1000)
	if gross < 0 {
		gross, quantity = -gross, -quantity
	}
	return receipt.DocLine{ID: crdt.ObjectID{n}, Name: "x", Quantity: quantity, UnitPrice: gross, Tax: ref, Case: business}
}

func paid(kind string, amount receipt.Amount) receipt.DocPayment {
	return receipt.DocPayment{Type: kind, Tendered: amount}
}

func foreign(currency string, amount, worth, change receipt.Amount) receipt.DocPayment {
	return receipt.DocPayment{Type: receipt.CashType, Tendered: worth, Change: change,
		Foreign: &receipt.DocForeign{Currency: currency, Amount: amount}}
}

func document(t testing.TB, kind string, lines []receipt.DocLine, payments ...receipt.DocPayment) *receipt.Document {
	t.Helper()
	d := &receipt.Document{Version: receipt.DocumentVersion, Kind: kind, Currency: "EUR", Lines: lines, Payments: payments}
	require.NoError(t, d.FillTotals())
	return d
}

var (
	_ tse.Device = (*tse.Software)(nil)
	_ tse.Device = (*tsetest.Device)(nil)
	_ io.Reader  = (*stream)(nil)
)
