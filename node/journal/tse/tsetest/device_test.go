package tsetest_test

import (
	"context"
	"crypto/rand"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/tse"
	"github.com/tillmesh/tillmesh/node/journal/tse/tsetest"
)

var sale = tse.Process{Type: tse.KassenbelegV1, Data: "Beleg^7.50_0.00_0.00_0.00_0.00^7.50:Bar"}

func device(t *testing.T) *tsetest.Device {
	key, err := es256.NewKey(rand.Reader)
	require.NoError(t, err)
	inner, err := tse.NewSoftware(tse.Config{Key: key, Now: time.Now, File: new(tsetest.File)})
	require.NoError(t, err)
	return tsetest.Wrap(inner)
}

func TestFailingAndReturning(t *testing.T) {
	d := device(t)
	started, err := d.Start(t.Context(), "till")
	require.NoError(t, err)
	d.Fail(tsetest.Finish, nil)
	_, err = d.Finish(t.Context(), "till", started.Transaction, sale)
	require.ErrorIs(t, err, tse.ErrUnavailable)
	_, err = d.Info(t.Context())
	require.NoError(t, err, "only what was told to fail does")
	d.Fail(tsetest.All, tse.ErrRequest)
	_, err = d.Info(t.Context())
	require.ErrorIs(t, err, tse.ErrRequest)
	d.Return()
	_, err = d.Finish(t.Context(), "till", started.Transaction, sale)
	require.NoError(t, err)
	require.Equal(t, 2, d.Calls(tsetest.Finish))
}

func TestLosingAnswers(t *testing.T) {
	d := device(t)
	d.Lose(tsetest.Start, 1)
	_, err := d.Start(t.Context(), "till")
	require.ErrorIs(t, err, tse.ErrUnavailable)
	started, err := d.Start(t.Context(), "till")
	require.NoError(t, err)
	require.EqualValues(t, 2, started.Transaction, "the device did what it lost the answer of")
	d.Lose(tsetest.Finish, 1)
	_, err = d.Finish(t.Context(), "till", 2, sale)
	require.ErrorIs(t, err, tse.ErrUnavailable)
	_, err = d.Finish(t.Context(), "till", 2, sale)
	require.ErrorIs(t, err, tse.ErrRequest, "it is not finished twice")
}

func TestSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := device(t)
		d.Slow(func(ctx context.Context, _ tsetest.Call) error {
			select {
			case <-time.After(3 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		})
		_, err := d.Info(t.Context())
		require.NoError(t, err)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = d.Info(short)
		require.ErrorIs(t, err, tse.ErrUnavailable)
		require.ErrorIs(t, err, context.DeadlineExceeded)

		release := d.Hold()
		answered := false
		go func() {
			_, err := d.Info(context.Background())
			answered = err == nil
		}()
		synctest.Wait()
		require.False(t, answered)
		release()
		synctest.Wait()
		require.True(t, answered)
	})
}
