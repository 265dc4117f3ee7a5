package pairing

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/tillmesh/tillmesh/crdt"
)

func TestDigitsAdmit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		joiner, inviter := net.Pipe()
		var up, down bytes.Buffer
		old := crdt.TillIDOf(testKey(55))
		a := d.ask(t.Context(), 1, &asking{joiner: recorded{joiner, &up}, inviter: recorded{inviter, &down}, seed: 1, replaces: old})
		require.True(t, a.showed)
		w := d.only(t)
		require.Equal(t, a.shown, w.Digits)
		require.Len(t, w.ID, requestIDLen)
		require.Equal(t, Waiting{ID: w.ID, Digits: a.shown, Name: "Kasse 2", Version: "0.1.0", Mode: "keep", Till: crdt.TillIDOf(testKey(1)),
			Replaces: old, Address: testAddress(1), Since: time.Now(), Expires: time.Now().Add(RequestLifetime)}, w)
		require.Empty(t, d.admitted, "nobody is admitted before a person said yes")
		require.NotContains(t, down.String(), "Süd")

		time.Sleep(RequestLifetime - 1) // the clock of the bubble
		decided, err := d.Decide(t.Context(), " "+strings.ToUpper(w.ID)+"\n", true)
		require.NoError(t, err)
		require.Equal(t, w, decided)
		a.requireAdmitted(t)
		require.Equal(t, testKey(1), a.req.DeviceKey)
		require.Equal(t, old, a.req.Replaces)
		require.Equal(t, []string{"Kasse 2"}, d.admitted)
		require.Empty(t, d.Waiting())
		require.Empty(t, d.addresses, "an admission is no failed try")
		require.GreaterOrEqual(t, d.changes, 3)

		golden(t, "digits_joiner_to_inviter.hex", up.Bytes())
		golden(t, "digits_inviter_to_joiner.hex", down.Bytes())
		text := a.shown.String() + "\n"
		if *update {
			require.NoError(t, os.WriteFile("testdata/v1/digits.txt", []byte(text), 0o644))
		}
		pinned, err := os.ReadFile("testdata/v1/digits.txt")
		require.NoError(t, err)
		require.Equal(t, string(pinned), text)
		for _, secret := range [][]byte{[]byte("Kasse 2"), d.answer.ShopKey[:], old[:]} {
			require.NotContains(t, up.String()+down.String(), string(secret))
		}
	})
}

func TestDigitsHaveSixPlaces(t *testing.T) {
	require.Equal(t, "000 007", Digits(7).String())
	require.Equal(t, "999 999", Digits(999_999).String())
	seen := map[Digits]bool{}
	for i := range 500 {
		digits, err := compareDigits(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 16), nonce{1}, nonce{2})
		require.NoError(t, err)
		require.Less(t, digits, Digits(1_000_000))
		seen[digits] = true
	}
	require.Greater(t, len(seen), 495)
}

func TestNoIsToldAndCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		a := d.ask(t.Context(), 1, &asking{})
		w := d.only(t)
		_, err := d.Decide(t.Context(), w.ID, false)
		require.NoError(t, err)
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrRefused)
		require.ErrorIs(t, a.joinErr, ErrDeclined)
		require.ErrorIs(t, a.acceptErr, ErrRefused)
		require.Equal(t, CodeRefused, a.answer.Code)
		require.False(t, a.kept)
		require.Empty(t, d.admitted)
		require.Len(t, d.door.failed, 1)
		for _, id := range []string{w.ID, "", "zzzz"} {
			_, err = d.Decide(t.Context(), id, true)
			require.ErrorIs(t, err, ErrNoRequest)
		}
	})
}

// Two people press a button at the same time: one of them decides.
func TestOneDecisionCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		a := d.ask(t.Context(), 1, &asking{})
		id := d.only(t).ID
		_, err := d.decide(id, true)
		require.NoError(t, err)
		require.Empty(t, d.Waiting())
		_, err = d.Decide(t.Context(), id, false)
		require.ErrorIs(t, err, ErrNoRequest)
		a.requireAdmitted(t)
	})
}

func TestUnansweredRequestExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		began := time.Now()
		comparing := make(chan error, 1)
		a := d.ask(t.Context(), 1, &asking{compare: func(ctx context.Context, _ Digits) error { // a person who never answers
			<-ctx.Done()
			comparing <- ctx.Err()
			return ctx.Err()
		}})
		id := d.only(t).ID
		a.over.Wait()
		require.Equal(t, RequestLifetime, time.Since(began))
		require.ErrorIs(t, a.joinErr, ErrUnanswered)
		require.ErrorIs(t, a.acceptErr, ErrUnanswered)
		require.ErrorIs(t, <-comparing, context.Canceled)
		require.Empty(t, d.Waiting())
		require.Len(t, d.door.failed, 1)
		_, err := d.Decide(t.Context(), id, true)
		require.ErrorIs(t, err, ErrNoRequest)
	})
}

func TestAdmitMayDeclineOrFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		d.answer = Answer{Code: "departed", Text: "This till was removed."}
		a := d.ask(t.Context(), 1, &asking{})
		_, err := d.Decide(t.Context(), d.only(t).ID, true)
		require.ErrorIs(t, err, ErrDeclined)
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrDeclined)
		require.Equal(t, d.answer, a.answer)

		full := errors.New("disk full")
		d.answer, d.fail = testAnswer(), full
		a = d.ask(t.Context(), 1, &asking{})
		_, err = d.Decide(t.Context(), d.only(t).ID, true)
		require.ErrorIs(t, err, full)
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrDeclined)
		require.Equal(t, CodeFailed, a.answer.Code)
		require.Empty(t, d.door.failed, "the digits were right")

		d.fail = nil
		d.requireAdmits(t, 1)
	})
}

func TestNewTillThatCannotKeepAsksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk()
		full := errors.New("disk full")
		a := d.ask(t.Context(), 1, &asking{keep: func(context.Context, Answer) error { return full }})
		_, err := d.Decide(t.Context(), d.only(t).ID, true)
		require.ErrorIs(t, err, ErrUnconfirmed)
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, full)
		require.ErrorIs(t, a.acceptErr, ErrUnconfirmed)
		d.requireAdmits(t, 1)
	})
}

func TestMethodsThatAreNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		near, far := net.Pipe()
		a := &asking{}
		a.over.Go(func() {
			defer far.Close()
			_, a.acceptErr = s.Accept(t.Context(), Channel{Conn: far, Self: s.key, Peer: testKey(1)}, s.admit)
		})
		_, a.joinErr = Ask(t.Context(), testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: s.key}, privateKey(1), testRequest(nil), nil, nil)
		a.over.Wait()
		require.ErrorIs(t, a.joinErr, ErrVersion)
		require.ErrorIs(t, a.acceptErr, ErrVersion)

		// Both methods at one reception.
		token := s.issue(t)
		d := newDesk()
		both := Reception{Invitations: s.Invitations, Requests: d.Requests}
		near, far = net.Pipe()
		m := meeting{}
		a.over.Go(func() {
			defer far.Close()
			_, m.acceptErr = both.Accept(t.Context(), Channel{Conn: far, Self: s.key, Peer: testKey(1)}, s.admit)
		})
		_, err := Join(t.Context(), testRandom(1), Channel{Conn: near, Self: testKey(1), Peer: s.key}, token, testRequest(nil),
			func(context.Context, Answer) error { return nil })
		require.NoError(t, err)
		a.over.Wait()
		require.NoError(t, m.acceptErr)
		near.Close()
	})
}

func TestAskNeedsItsOwnKeys(t *testing.T) {
	_, err := Ask(t.Context(), testRandom(1), Channel{Self: testKey(1), Peer: testKey(2)}, privateKey(3), testRequest(nil), nil, nil)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = Ask(t.Context(), testRandom(1), Channel{Self: testKey(1), Peer: testKey(2)}, nil, testRequest(nil), nil, nil)
	require.ErrorIs(t, err, ErrMalformed)
	_, err = Ask(t.Context(), testRandom(1), Channel{Self: testKey(1), Peer: testKey(1)}, privateKey(1), testRequest(nil), nil, nil)
	require.ErrorIs(t, err, ErrMalformed)
	request := testRequest(nil)
	request.Replaces = crdt.TillIDOf(testKey(1))
	_, err = Ask(t.Context(), testRandom(1), Channel{Self: testKey(1), Peer: testKey(2)}, privateKey(1), request, nil, nil)
	require.ErrorContains(t, err, "replace itself")
}
