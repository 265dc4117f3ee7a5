package pairing

import (
	"bytes"
	"context"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokenAdmits(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	require.Equal(t, 1, s.Open())
	joiner, inviter := net.Pipe()
	var up, down bytes.Buffer
	m := s.meet(t, testKey(1), token, meeting{joiner: recorded{joiner, &up}, inviter: recorded{inviter, &down}})
	m.requireAdmitted(t)
	require.Equal(t, testKey(1), m.req.DeviceKey)
	require.Equal(t, []string{string(testKey(1))}, s.admitted)
	require.Zero(t, s.Open())
	golden(t, "joiner_to_inviter.hex", up.Bytes())
	golden(t, "inviter_to_joiner.hex", down.Bytes())
	for _, secret := range [][]byte{[]byte("Kasse 2"), s.answer.ShopKey[:], token.secret[:]} {
		require.NotContains(t, up.String()+down.String(), string(secret))
	}
}

func TestEachOfSeveralTokensWorks(t *testing.T) {
	s := newShop()
	var tokens []Token
	for range MaxOpen {
		tokens = append(tokens, s.issue(t))
	}
	_, err := s.Issue()
	require.ErrorIs(t, err, ErrTooManyOpen)
	for i, token := range tokens {
		s.meet(t, testKey(byte(i)), token, meeting{}).requireAdmitted(t)
	}
	require.Zero(t, s.Open())
	s.issue(t)
}

func TestWrongAndExpiredTokensFailAlike(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	wrong := s.meet(t, testKey(1), testToken(t, 77), meeting{})
	s.sleep(TokenLifetime)
	expired := s.meet(t, testKey(1), token, meeting{})
	for _, m := range []meeting{wrong, expired} {
		require.ErrorIs(t, m.joinErr, ErrWrongToken)
		require.ErrorIs(t, m.acceptErr, ErrWrongToken)
	}
	require.Equal(t, wrong.joinErr.Error(), expired.joinErr.Error())
	require.Empty(t, s.admitted)
	require.Zero(t, s.Open())

	token = s.issue(t)
	s.sleep(TokenLifetime - 1)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
}

func TestTokenBelongsToTheFirstTill(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
	m := s.meet(t, testKey(2), token, meeting{})
	require.ErrorIs(t, m.joinErr, ErrUsed)
	require.ErrorIs(t, m.acceptErr, ErrUsed)
	require.False(t, m.kept)
	require.Equal(t, []string{string(testKey(1)), string(testKey(1))}, s.admitted)
	s.sleep(TokenLifetime)
	require.ErrorIs(t, s.meet(t, testKey(1), token, meeting{}).joinErr, ErrWrongToken)
}

func TestDeclinedTokenStaysFree(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	s.answer = Answer{Code: "name-taken", Text: "A till of this name exists already."}
	m := s.meet(t, testKey(1), token, meeting{})
	require.ErrorIs(t, m.joinErr, ErrDeclined)
	require.ErrorContains(t, m.joinErr, "A till of this name")
	require.ErrorIs(t, m.acceptErr, ErrDeclined)
	require.Equal(t, s.answer, m.answer)
	require.False(t, m.kept)
	s.answer = testAnswer()
	s.meet(t, testKey(2), token, meeting{}).requireAdmitted(t)
}

func TestFailedAdmissionStaysBound(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	s.fail = context.DeadlineExceeded
	m := s.meet(t, testKey(1), token, meeting{})
	require.ErrorIs(t, m.joinErr, ErrDeclined)
	require.Equal(t, CodeFailed, m.answer.Code)
	require.ErrorIs(t, m.acceptErr, context.DeadlineExceeded)
	s.fail = nil
	require.ErrorIs(t, s.meet(t, testKey(2), token, meeting{}).joinErr, ErrUsed)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
}

func TestNewTillThatCannotKeepComesAgain(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	full := net.UnknownNetworkError("disk full")
	m := s.meet(t, testKey(1), token, meeting{keep: func(context.Context, Answer) error { return full }})
	require.ErrorIs(t, m.joinErr, full)
	require.ErrorIs(t, m.acceptErr, ErrUnconfirmed)
	require.ErrorIs(t, s.meet(t, testKey(2), token, meeting{}).joinErr, ErrUsed)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
}

func TestAnswerTooLargeIsToldToBoth(t *testing.T) {
	s := newShop()
	s.answer.Admission = [][]byte{make([]byte, maxAnswer)}
	m := s.meet(t, testKey(1), s.issue(t), meeting{})
	require.ErrorIs(t, m.acceptErr, ErrTooLarge)
	require.ErrorIs(t, m.joinErr, ErrDeclined)
}

// Somebody between the two tills ends TLS on both sides with a key of its own and passes every byte on.
func TestRelayWithKeysOfItsOwnFails(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	for _, m := range []meeting{
		{inviterSees: testKey(66), joinerSees: testKey(66)},
		{inviterSees: testKey(66), joinerSees: s.key},
		{inviterSees: testKey(1), joinerSees: testKey(66)},
	} {
		m = s.meet(t, testKey(1), token, m)
		require.ErrorIs(t, m.joinErr, ErrWrongToken)
		require.ErrorIs(t, m.acceptErr, ErrWrongToken)
	}
	require.Empty(t, s.admitted)
	s.meet(t, testKey(1), token, meeting{}).requireAdmitted(t)
}

func TestRecordedFirstMessageIsWorthNothing(t *testing.T) {
	s := newShop()
	token := s.issue(t)
	joiner, inviter := net.Pipe()
	var sent bytes.Buffer
	s.meet(t, testKey(1), token, meeting{joiner: recorded{joiner, &sent}, inviter: inviter}).requireAdmitted(t)
	err := s.against(t, testKey(1), sent.Bytes())
	require.ErrorIs(t, err, ErrMalformed)
	require.Len(t, s.admitted, 1)
	require.Len(t, s.failures, 1)
}

func TestWrongAttemptsCloseTheDoorAndWithdraw(t *testing.T) {
	s := newShop()
	bound, open := s.issue(t), s.issue(t)
	s.meet(t, testKey(1), bound, meeting{}).requireAdmitted(t)
	wrong := testToken(t, 77)
	for range minuteAttempts {
		require.ErrorIs(t, s.meet(t, testKey(2), wrong, meeting{}).joinErr, ErrWrongToken)
	}
	m := s.meet(t, testKey(3), open, meeting{})
	require.ErrorIs(t, m.joinErr, ErrTooManyAttempts)
	require.ErrorIs(t, m.acceptErr, ErrTooManyAttempts)
	s.sleep(minute)
	for i := range minuteAttempts {
		m = s.meet(t, testKey(2), wrong, meeting{})
		require.ErrorIs(t, m.acceptErr, ErrWrongToken)
		require.Equal(t, i == minuteAttempts-1, isWithdrawn(m.acceptErr))
	}
	require.Zero(t, s.Open())
	s.sleep(minute)
	require.ErrorIs(t, s.meet(t, testKey(3), open, meeting{}).joinErr, ErrWrongToken)
	s.meet(t, testKey(1), bound, meeting{}).requireAdmitted(t)
	fresh := s.issue(t) // the count starts anew: a wrong attempt does not take it
	require.False(t, isWithdrawn(s.meet(t, testKey(2), wrong, meeting{}).acceptErr))
	s.meet(t, testKey(3), fresh, meeting{}).requireAdmitted(t)
	s.sleep(quarter)
	s.Open()
	require.ErrorIs(t, s.meet(t, testKey(2), wrong, meeting{}).joinErr, ErrWrongToken)
	require.Len(t, s.failures, 1)
}
