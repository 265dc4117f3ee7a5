package rksv_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
)

func TestAnOutage(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	x.unit.Fail(errors.New("card pulled"))
	first := x.sign(rksv.Standard, 100)
	require.True(t, first.JWS.Outage())
	require.Equal(t, "card pulled", first.Failure)
	require.True(t, strings.HasSuffix(first.JWS.Text, ".U2ljaGVyaGVpdHNlaW5yaWNodHVuZyBhdXNnZWZhbGxlbg"))
	require.True(t, x.signer.State().Outage)

	asked := x.unit.Calls()
	x.unit.Return()
	second := x.sign(rksv.Standard, 200)
	require.True(t, second.JWS.Outage(), "no sale is signed before a Nullbeleg")
	require.Equal(t, asked, x.unit.Calls(), "and the unit is not waited for")
	require.NotEmpty(t, second.Failure)

	x.restart()
	x.unit.Fail(nil)
	for _, must := range []rksv.Kind{rksv.Collective, rksv.Year} {
		before := x.signer.State()
		_, err := x.try(must)
		require.ErrorIs(t, err, rksv.ErrUnavailable)
		require.Equal(t, before, x.signer.State())
	}
	require.True(t, x.sign(rksv.Month).JWS.Outage(), "a month ends unsigned if it has to")
	x.unit.Return()
	require.False(t, x.sign(rksv.Collective).JWS.Outage())
	require.False(t, x.signer.State().Outage)
	require.False(t, x.sign(rksv.Standard, 300).JWS.Outage())

	problems, v := verify(x.keys, x.log)
	require.Empty(t, problems)
	state, ok := v.State()
	require.True(t, ok)
	require.EqualValues(t, 600, state.Counter)
	require.Equal(t, 3, v.Summary().Unsigned)
}

func TestTheStartMustBeSigned(t *testing.T) {
	x := newTill(t)
	x.unit.Fail(nil)
	_, err := x.try(rksv.Start)
	require.ErrorIs(t, err, rksv.ErrUnavailable)
	require.Empty(t, x.signer.State().Recent)
	x.unit.Return()
	x.sign(rksv.Start)
}

func TestASlowUnit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTill(t)
		x.sign(rksv.Start)
		release := x.unit.Hold()
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		signed, err := x.signer.Sign(short, x.receipt(rksv.Standard, 100))
		require.NoError(t, err, "the sale goes on")
		require.True(t, signed.JWS.Outage())
		require.Contains(t, signed.Failure, "deadline")
		release()
	})
}

func TestACallerWhoGivesUpChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newTill(t)
		x.sign(rksv.Start)
		before := x.signer.State()
		release := x.unit.Hold()
		defer release()
		gone, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		for range 2 { // one waits for the unit, the other for its turn
			both.Go(func() {
				_, err := x.signer.Sign(gone, x.receipt(rksv.Standard, 100))
				require.ErrorIs(t, err, context.Canceled)
			})
		}
		synctest.Wait()
		cancel()
		both.Wait()
		require.Equal(t, before, x.signer.State())
	})
}

// TestALostAnswerIsFound: after a crash between signing and keeping the receipt, it is asked for again.
func TestALostAnswerIsFound(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	r := x.receipt(rksv.Standard, 100)
	made, err := x.signer.Sign(t.Context(), r)
	require.NoError(t, err)
	x.restart()
	again, err := x.signer.Sign(t.Context(), r)
	require.NoError(t, err)
	require.Equal(t, made, again)

	for name, change := range map[string]func(*rksv.Receipt){
		"amount": func(r *rksv.Receipt) { r.Amounts[1] = 1 },
		"kind":   func(r *rksv.Receipt) { r.Kind = rksv.Training },
		"date":   func(r *rksv.Receipt) { r.Date = "2026-11-22T23:00:00" },
	} {
		other := r
		change(&other)
		_, err = x.signer.Sign(t.Context(), other)
		var used *rksv.UsedError
		require.ErrorAs(t, err, &used, name)
		require.ErrorIs(t, err, rksv.ErrRequest)
		require.Equal(t, made, used.Signed, "what was signed under it, so that it can be kept as void")
	}
	require.Len(t, x.signer.State().Recent, 2)
}

// TestReceiptsArePipelined: the next is signed while the one before is not durable yet, and one write serves both.
func TestReceiptsArePipelined(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	saves := x.file.saves
	var waits []func() error
	for range 5 {
		signed, durable, err := x.signer.Next(t.Context(), x.receipt(rksv.Standard, 100))
		require.NoError(t, err)
		x.next++
		x.log = append(x.log, signed.JWS.Text)
		waits = append(waits, durable)
	}
	x.file.set(true)
	require.ErrorIs(t, waits[4](), rksv.ErrUnavailable)
	require.ErrorIs(t, waits[0](), errDisk)
	x.file.set(false)
	for _, wait := range waits {
		require.NoError(t, wait())
	}
	require.Equal(t, saves+1, x.file.saves)
	problems, _ := verify(x.keys, x.log)
	require.Empty(t, problems)
	x.restart()
}

func TestManySellersOneChain(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	var numbering sync.Mutex
	var sellers sync.WaitGroup
	for range 8 {
		sellers.Go(func() {
			for range 25 {
				numbering.Lock() // a series gives out numbers in order
				signed, durable, err := x.signer.Next(context.Background(), x.receipt(rksv.Standard, 100))
				require.NoError(t, err)
				x.next++
				x.log = append(x.log, signed.JWS.Text)
				numbering.Unlock()
				require.NoError(t, durable())
			}
		})
	}
	sellers.Wait()
	problems, v := verify(x.keys, x.log)
	require.Empty(t, problems)
	state, _ := v.State()
	require.EqualValues(t, 20_000, state.Counter)
	x.restart()
}

func TestWhatCannotFollow(t *testing.T) {
	x := newTill(t)
	_, err := x.try(rksv.Standard, 1)
	require.ErrorIs(t, err, rksv.ErrRequest, "no sale before the start receipt")
	x.sign(rksv.Start)
	good := x.receipt(rksv.Standard, 100)
	for name, change := range map[string]func(*rksv.Receipt){
		"a second start":         func(r *rksv.Receipt) { r.Kind, r.Amounts = rksv.Start, rksv.Amounts{} },
		"another cash box":       func(r *rksv.Receipt) { r.CashBox = "K3" },
		"a number that was used": func(r *rksv.Receipt) { r.Number = "K2-000000" },
		"a number with a line":   func(r *rksv.Receipt) { r.Number = "K2_000002" },
		"no number":              func(r *rksv.Receipt) { r.Number = "" },
		"no kind":                func(r *rksv.Receipt) { r.Kind = "" },
		"a Nullbeleg of 1 euro":  func(r *rksv.Receipt) { r.Kind = rksv.Month },
		"no date":                func(r *rksv.Receipt) { r.Date = "2026-11-22" },
		"too much":               func(r *rksv.Receipt) { r.Amounts[0] = receipt.MaxAmount + 1 },
	} {
		r := good
		change(&r)
		before := x.signer.State()
		_, err := x.signer.Sign(t.Context(), r)
		require.ErrorIs(t, err, rksv.ErrRequest, name)
		require.Equal(t, before, x.signer.State(), name)
	}
	x.sign(rksv.Final)
	_, err = x.try(rksv.Standard, 1)
	require.ErrorIs(t, err, rksv.ErrRequest, "nothing follows the final receipt")
	x.restart()
	_, err = x.try(rksv.Check)
	require.ErrorIs(t, err, rksv.ErrRequest)
}

// TestClocksThatGoBack: a date never decreases, not when summer time ends either.
func TestClocksThatGoBack(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	x.clock = x.clock.Add(-time.Hour)
	signed := x.sign(rksv.Standard, 1)
	require.Equal(t, "2026-11-22T09:30:00", signed.JWS.Payload.Date)
	problems, _ := verify(x.keys, x.log)
	require.Empty(t, problems)
}

func TestTheCounterHasLimits(t *testing.T) {
	x := newTill(t, func(c *rksv.Config) { c.CounterBytes = 5 })
	x.sign(rksv.Start)
	x.sign(rksv.Standard, 1<<39-1)
	_, err := x.try(rksv.Standard, 1)
	require.ErrorIs(t, err, rksv.ErrRequest)
	x.sign(rksv.Standard, -(1<<39 - 1))
	x.sign(rksv.Standard, -(1 << 39))
	_, err = x.try(rksv.Standard, -1)
	require.ErrorIs(t, err, rksv.ErrRequest)
	problems, _ := verify(x.keys, x.log)
	require.Empty(t, problems)

	x = newTill(t)
	x.sign(rksv.Start)
	full := x.signer.State()
	full.Counter = math.MaxInt64
	x.file.state, _ = full.Bytes()
	x.signer, _ = rksv.Open(rksv.Config{CashBox: box, Suite: rksv.SuiteTest, Key: x.keys.AES, Unit: x.unit, File: x.file})
	_, err = x.try(rksv.Standard, 1)
	require.ErrorIs(t, err, rksv.ErrRequest)
	x.sign(rksv.Standard, -1)
}

func TestConfigurationsAndStatesThatAreRefused(t *testing.T) {
	x := newTill(t)
	x.sign(rksv.Start)
	good := string(x.file.state)
	open := func(state string, change func(*rksv.Config)) error {
		cfg := rksv.Config{CashBox: box, Suite: rksv.SuiteTest, Key: x.keys.AES, Unit: x.unit, File: &memory{state: []byte(state)}}
		if change != nil {
			change(&cfg)
		}
		_, err := rksv.Open(cfg)
		return err
	}
	require.NoError(t, open(good, nil))
	for name, change := range map[string]func(*rksv.Config){
		"suite":              func(c *rksv.Config) { c.Suite = "AT1" },
		"cash box":           func(c *rksv.Config) { c.CashBox = "K_2" },
		"counter":            func(c *rksv.Config) { c.CounterBytes = 4 },
		"closed":             func(c *rksv.Config) { c.Suite = rksv.SuiteClosed },
		"open with company":  func(c *rksv.Config) { c.Unit = unit(t, "unit", "U:ATU12345678-K0") },
		"closed without key": func(c *rksv.Config) { c.Suite, c.Unit = rksv.SuiteClosed, unit(t, "unit", "U:ATU12345678") },
	} {
		require.ErrorIs(t, open(good, change), rksv.ErrRequest, name)
	}
	require.ErrorIs(t, open(good, func(c *rksv.Config) { c.CashBox = "K3" }), rksv.ErrState)
	require.ErrorIs(t, open(good, func(c *rksv.Config) { c.CounterBytes = 9 }), rksv.ErrState)
	for _, bad := range []string{"", "{", "{}", `{"version":2}`, strings.Replace(good, `"outage"`, `"storm"`, 1),
		strings.Replace(good, "eyJ", "eyK", 1), strings.Replace(good, `"counter_bytes":8`, `"counter_bytes":3`, 1),
		strings.Replace(good, `"cash_box":"K2"`, `"cash_box":"K3"`, 1)} {
		err := open(bad, nil)
		require.ErrorIs(t, err, rksv.ErrState, bad)
	}
	_, err := rksv.NewSoftwareUnit(nil, "1")
	require.ErrorIs(t, err, rksv.ErrRequest)
}

func TestABabblingUnitIsAnOutage(t *testing.T) {
	x := newTill(t, func(c *rksv.Config) { c.Unit = babbler{c.Unit} })
	_, err := x.try(rksv.Start)
	require.ErrorIs(t, err, rksv.ErrUnavailable)
}

type babbler struct{ rksv.Unit }

func (babbler) Sign(context.Context, []byte) ([]byte, error) { return []byte("no signature"), nil }

var _ rksv.Unit = (*rksvtest.Unit)(nil)
