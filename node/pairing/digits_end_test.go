package pairing

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The person at the new till sees other digits, or none at the till of the shop.
func TestNewTillMayDisagree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		no := errors.New("the digits differ")
		a := d.ask(t.Context(), 1, &asking{compare: func(context.Context, Digits) error { return no }})
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, no)
		require.ErrorIs(t, a.acceptErr, ErrHungUp)
		require.False(t, a.kept)
		require.Len(t, d.door.failed, 1)

		// Also if the till of the shop was faster: nothing is kept without the agreement.
		press := make(chan error)
		a = d.ask(t.Context(), 1, &asking{compare: func(context.Context, Digits) error { return <-press }})
		id := d.only(t).ID
		decided := make(chan error, 1)
		go func() {
			_, err := d.Decide(t.Context(), id, true)
			decided <- err
		}()
		synctest.Wait()
		require.False(t, a.kept)
		press <- no
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, no)
		require.False(t, a.kept)
		require.ErrorIs(t, <-decided, ErrUnconfirmed)
	})
}

func TestDecideStopsWaitingWhenCanceled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		press := make(chan error)
		a := d.ask(t.Context(), 1, &asking{compare: func(context.Context, Digits) error { return <-press }})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := d.Decide(ctx, d.only(t).ID, true)
		require.ErrorIs(t, err, context.Canceled)
		press <- nil
		a.requireAdmitted(t)
	})
}

func TestCancelEndsWaitingSides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		ctx, cancel := context.WithCancel(t.Context())
		a := d.ask(ctx, 1, &asking{compare: func(ctx context.Context, _ Digits) error {
			<-ctx.Done()
			return ctx.Err()
		}})
		require.True(t, a.showed)
		cancel()
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, context.Canceled)
		require.ErrorIs(t, a.acceptErr, context.Canceled)
		require.Empty(t, d.Waiting())
	})
}

// A till of the shop that hangs up, and one that falls silent after the digits.
func TestTillOfTheShopGoesAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		a := d.ask(t.Context(), 1, &asking{})
		a.inviter.Close()
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrHungUp)

		near, far := net.Pipe()
		began := time.Now()
		silent := &asking{joiner: near, inviter: far}
		silent.over.Go(func() {
			defer near.Close()
			_, silent.joinErr = Ask(t.Context(), testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: d.key}, privateKey(1), testRequest(nil),
				func(ctx context.Context, _ Digits) error { <-ctx.Done(); return ctx.Err() }, nil)
		})
		// It takes the new till to the digits and then says nothing more.
		v, err := d.receiveFrom(far, 1)
		require.NoError(t, err)
		silent.over.Wait()
		require.ErrorIs(t, silent.joinErr, ErrTimeout)
		require.Equal(t, RequestLifetime+AdmissionTimeout, time.Since(began))
		require.NoError(t, d.leave(v.seat, nil))
		require.NoError(t, far.Close())
	})
}

// receiveFrom runs the till's side up to the digits, without waiting for a person.
func (d *desk) receiveFrom(conn net.Conn, key byte) (*visit, error) {
	_, body, err := readHead(conn)
	if err != nil {
		return nil, err
	}
	return d.receive(Channel{Conn: conn, Self: d.key, Peer: testKey(key)}, body)
}

// A person decides in the very moment in which the request expires: who was told that it is decided is right.
func TestDecisionAtTheLastMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		s, err := d.enter(testAddress(1))
		require.NoError(t, err)
		require.NoError(t, d.wait(s, testRequest(testKey(1)), 7))
		s.settled, s.yes = true, true // as decide leaves it, just before it hands over the decision
		go func() {
			time.Sleep(RequestLifetime + time.Second) // the clock of the bubble
			s.decision <- true
		}()
		yes, none := d.decision(t.Context(), s, nil)
		require.NoError(t, none)
		require.True(t, yes)
		require.NoError(t, d.leave(s, nil))
	})
}
