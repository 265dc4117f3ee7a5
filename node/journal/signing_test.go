package journal_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/store/memory"
)

// austrian returns the device of series K1, its unit, and what verifies it.
func austrian(t testing.TB) (journal.Device, *rksvtest.Unit, rksv.Keys) {
	t.Helper()
	key, err := es256.NewKey(rand.Reader)
	require.NoError(t, err)
	inner, err := rksv.NewSoftwareUnit(key, "U:ATU12345678-K1")
	require.NoError(t, err)
	aes, err := rksv.NewAESKey(rand.Reader)
	require.NoError(t, err)
	unit := rksvtest.Wrap(inner)
	d, err := journal.NewRKSV(rksv.Config{CashBox: "K1", Suite: rksv.SuiteClosed, Key: aes, Unit: unit}, "")
	require.NoError(t, err)
	keys := rksv.Keys{AES: aes}
	keys.Units = map[string]*ecdsa.PublicKey{inner.Certificate(): inner.Public()}
	return d, unit, keys
}

// document makes a sale, or the start receipt if it is number 1.
func document(n uint64, previous crdt.Hash, cents receipt.Amount) receipt.Document {
	d := receipt.Document{Kind: receipt.KindReceipt, Series: "K1", Number: int64(n), Previous: receipt.Digest(previous),
		Closed: "2026-09-01T10:00:00+02:00", Currency: "EUR",
		Lines: []receipt.DocLine{{Name: "Kaffee", Quantity: 1000, UnitPrice: cents, Gross: cents, Case: receipt.SaleCase, Tax: receipt.TaxRef{Rate: 2000}}}}
	if n == 1 {
		d.Kind, d.Lines, d.Control = receipt.KindControl, nil, &receipt.DocControl{What: receipt.ControlStart}
	}
	return d
}

// TestAChainGoesBackWithItsSeries: whatever fails, the chain of what is stored verifies, and the counter is right.
func TestAChainGoesBackWithItsSeries(t *testing.T) {
	disk := memory.NewDisk()
	s, st := start(t, disk)
	device, unit, keys := austrian(t)
	sign, err := journal.NewSigning(t.Context(), journal.SigningConfig{Device: device, Series: "K1", Notes: st, Now: time.Now})
	require.NoError(t, err)
	var mu sync.Mutex
	stored := make(map[uint64]receipt.Object)
	issue := func() error {
		var mine uint64
		var said receipt.Object
		_, err := s.Issue(t.Context(), func(n uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error) {
			d := document(n, previous, 100)
			o, notes, err := sign.Seal(t.Context(), &d)
			if err != nil {
				return replication.Local{}, crdt.Hash{}, err
			}
			mine, said = n, o
			local, hash, err := build(n, previous)
			local.Notes = notes
			return local, hash, err
		})
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			if _, twice := stored[mine]; twice {
				return fmt.Errorf("number %d was given twice", mine)
			}
			stored[mine] = said
		}
		return err
	}
	require.NoError(t, issue())
	for round := range 12 {
		if round%3 == 0 {
			disk.FailNext(memory.Full)
		}
		switch round {
		case 4:
			unit.Fail(nil)
		case 8:
			unit.Return()
			sign.Probe(t.Context())
			require.True(t, sign.Collective())
		}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := issue(); err != nil {
					require.NotContains(t, err.Error(), "twice")
				}
			})
		}
		all.Wait()
	}
	v := rksv.NewVerifier(keys)
	unsigned := int64(0)
	for n := uint64(1); n <= uint64(len(stored)); n++ {
		said, err := rksv.ParseRecord(stored[n])
		require.NoError(t, err, "number %d", n)
		require.Empty(t, v.Add(rksv.Entry{JWS: said.JWS.Text}), "number %d", n)
		if journal.Unsigned(stored[n]) {
			unsigned++
		}
	}
	require.Equal(t, uint64(len(stored)), s.Head().Number)
	require.Positive(t, unsigned)
	outages, err := sign.Outages(t.Context())
	require.NoError(t, err)
	require.Len(t, outages, 1)
	require.Equal(t, unsigned, outages[0].Count, "every number that is not signed is counted once")

	again, err := journal.NewSigning(t.Context(), journal.SigningConfig{Device: device, Series: "K1", Notes: st, Now: time.Now})
	require.NoError(t, err)
	require.Equal(t, sign.State().Chain, again.State().Chain)
	require.EqualValues(t, 100*(len(stored)-1), again.State().Chain.Counter)
}

// TestASlowUnitHoldsUpNumbersAndNothingElse: the head can be asked for while a receipt is signed, and who gives up is let go.
func TestASlowUnitHoldsUpNumbersAndNothingElse(t *testing.T) {
	s, st := start(t, memory.NewDisk())
	device, unit, _ := austrian(t)
	sign, err := journal.NewSigning(t.Context(), journal.SigningConfig{Device: device, Series: "K1", Notes: st, Now: time.Now, Patience: time.Minute})
	require.NoError(t, err)
	inside := make(chan struct{})
	release := unit.Hold()
	ended := make(chan error, 1)
	go func() {
		_, err := s.Issue(t.Context(), func(n uint64, previous crdt.Hash) (replication.Local, crdt.Hash, error) {
			close(inside)
			d := document(n, previous, 100)
			_, notes, err := sign.Seal(t.Context(), &d)
			if err != nil {
				return replication.Local{}, crdt.Hash{}, err
			}
			local, hash, err := build(n, previous)
			local.Notes = notes
			return local, hash, err
		})
		ended <- err
	}()
	<-inside
	require.Zero(t, s.Head().Number)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = s.Issue(ctx, build)
	require.ErrorIs(t, err, context.Canceled)
	release()
	require.NoError(t, <-ended)
}

// TestANumberThatCannotBeFinishedIsSealedAgain: what was signed for it before is on no chain.
func TestANumberThatCannotBeFinishedIsSealedAgain(t *testing.T) {
	_, st := start(t, memory.NewDisk())
	device, _, keys := austrian(t)
	sign, err := journal.NewSigning(t.Context(), journal.SigningConfig{Device: device, Series: "K1", Notes: st, Now: time.Now})
	require.NoError(t, err)
	v := rksv.NewVerifier(keys)
	add := func(o receipt.Object) {
		said, err := rksv.ParseRecord(o)
		require.NoError(t, err)
		require.Empty(t, v.Add(rksv.Entry{JWS: said.JWS.Text}))
	}
	first := document(1, crdt.Hash{}, 0)
	o, _, err := sign.Seal(t.Context(), &first)
	require.NoError(t, err)
	add(o)
	sale := document(2, crdt.Hash{}, 999)
	_, _, err = sign.Seal(t.Context(), &sale)
	require.NoError(t, err)
	void := document(2, crdt.Hash{}, 0)
	void.Kind, void.Lines, void.Failure = receipt.KindVoid, nil, &receipt.DocFailure{Reason: "too large"}
	o, _, err = sign.Seal(t.Context(), &void)
	require.NoError(t, err)
	add(o)
	sale = document(3, crdt.Hash{}, 100)
	o, _, err = sign.Seal(t.Context(), &sale)
	require.NoError(t, err)
	add(o)
	require.EqualValues(t, 100, sign.State().Chain.Counter)
}

func TestWhatCannotBeSignedIsSaidAndLogged(t *testing.T) {
	_, st := start(t, memory.NewDisk())
	device, _, _ := austrian(t)
	sign, err := journal.NewSigning(t.Context(), journal.SigningConfig{Device: device, Series: "K1", Notes: st, Now: time.Now})
	require.NoError(t, err)
	first := document(1, crdt.Hash{}, 0)
	_, _, err = sign.Seal(t.Context(), &first)
	require.NoError(t, err)
	sale := document(2, crdt.Hash{}, 999)
	sale.Lines[0].Tax.Rate = 700 // no Austrian rate
	o, notes, err := sign.Seal(t.Context(), &sale)
	require.NoError(t, err)
	require.True(t, journal.Unsigned(o))
	require.Len(t, notes, 1, "the chain stays where it is")
	require.True(t, sign.State().Works, "the device itself works")
	sale = document(3, crdt.Hash{}, 100)
	o, _, err = sign.Seal(t.Context(), &sale)
	require.NoError(t, err)
	require.False(t, journal.Unsigned(o))
}

func TestChainBytesArePinnedAndForeignOnesRefused(t *testing.T) {
	device, _, _ := austrian(t)
	first := document(1, crdt.Hash{}, 0)
	_, c, err := device.Seal(t.Context(), &first, journal.Chain{})
	require.NoError(t, err)
	again, err := journal.ParseChain(c.Bytes())
	require.NoError(t, err)
	require.Equal(t, c, again)
	require.Equal(t, "2026-09", c.Month)
	for b := range c.Bytes() {
		if _, err := journal.ParseChain(c.Bytes()[:b]); err == nil {
			t.Errorf("%d bytes are no chain", b)
		}
	}
	empty, err := journal.ParseChain(nil)
	require.NoError(t, err)
	require.Equal(t, journal.Chain{}, empty)
	_, err = journal.ParseChain([]byte{0x96, 2, 1, 1, 0xc2, 0xa0, 0xa0})
	require.ErrorIs(t, err, crdt.ErrUpdateNeeded)
}

func TestWhichSpecialReceiptIsDue(t *testing.T) {
	last := "x"
	for _, x := range []struct {
		chain        journal.Chain
		month        string
		what, period string
	}{
		{journal.Chain{}, "2026-09", "start", ""},
		{journal.Chain{Last: last, Month: "2026-09"}, "2026-09", "", ""},
		{journal.Chain{Last: last, Month: "2026-09"}, "2026-10", "month", "2026-09"},
		{journal.Chain{Last: last, Month: "2026-09"}, "2026-12", "month", "2026-09"},
		{journal.Chain{Last: last, Month: "2026-12"}, "2027-01", "year", "2026"},
		{journal.Chain{Last: last, Month: "2026-09"}, "2026-08", "", ""}, // the clock went back
		{journal.Chain{Last: last, Month: "2026-09", Final: true}, "2026-10", "", ""},
	} {
		what, period := x.chain.Due(x.month)
		require.Equal(t, []string{x.what, x.period}, []string{what, period}, "%+v in %s", x.chain, x.month)
	}
}

func FuzzParseChain(f *testing.F) {
	f.Add(journal.Chain{Number: 3, Counter: -5, Month: "2026-09"}.Bytes())
	f.Add([]byte{0x96, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := journal.ParseChain(b)
		if err != nil {
			return
		}
		again, err := journal.ParseChain(c.Bytes())
		if err != nil || again != c {
			t.Fatal(errors.Join(err, fmt.Errorf("%+v became %+v", c, again)))
		}
	})
}
