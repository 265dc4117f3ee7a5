package pairing

import (
	"bytes"
	"errors"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// fuzzPair is a handshake of both sides up to the third message.
func fuzzPair(t testing.TB) (joiner, inviter *comparison, first []byte) {
	joiner, err := newComparison(true, privateKey(1), testKey(1), testKey(2), bytes.Repeat([]byte{1}, seedLen))
	require.NoError(t, err)
	inviter, err = newComparison(false, privateKey(2), testKey(1), testKey(2), bytes.Repeat([]byte{2}, seedLen))
	require.NoError(t, err)
	first, err = joiner.first()
	require.NoError(t, err)
	return joiner, inviter, first
}

// Each handshake message is what the other side sent, or it is refused.
func FuzzComparison(f *testing.F) {
	joiner, inviter, first := fuzzPair(f)
	second, err := inviter.second(first)
	require.NoError(f, err)
	third, _, _, err := joiner.third(second)
	require.NoError(f, err)
	f.Add(first, second, third)
	f.Add(make([]byte, xxFirst), make([]byte, xxSecond), make([]byte, xxThird))
	f.Add([]byte{}, []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, b1, b2, b3 []byte) {
		refused := func(err error) {
			if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTampered) {
				t.Fatalf("error without kind: %v", err)
			}
		}
		joiner, inviter, _ := fuzzPair(t)
		if _, err := inviter.second(b1); err != nil {
			refused(err)
		} else if _, _, err := inviter.finish(b3); err == nil && !bytes.Equal(b3, third) {
			t.Fatalf("foreign third message accepted: %x", b3)
		} else {
			refused(err)
		}
		if _, _, _, err := joiner.third(b2); err == nil && !bytes.Equal(b2, second) {
			t.Fatalf("foreign second message accepted: %x", b2)
		} else {
			refused(err)
		}
	})
}

func FuzzDecodeNonce(f *testing.F) {
	f.Add(encodeNonce(kindNonce, nonce{1}))
	f.Add(encodeNonce(kindReveal, nonce{2}))
	f.Add(encodeWaiting())
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, kind := range []byte{kindNonce, kindReveal} {
			n, err := decodeNonce(b, kind)
			if err == nil && !bytes.Equal(encodeNonce(kind, n), b) || err != nil && !errors.Is(err, ErrMalformed) {
				t.Fatalf("%x reads as %x, %v", b, n, err)
			}
		}
		if err := decodeWaiting(b); err == nil != bytes.Equal(b, encodeWaiting()) {
			t.Fatalf("%x: %v", b, err)
		}
	})
}

func FuzzScreenText(f *testing.F) {
	for _, s := range []string{"Kasse 2", "Kasse 482 913", "a\u202eb", "\xff", "e\u0301\u0301\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := screenText(s)
		if !utf8.ValidString(out) || utf8.RuneCountInString(out) > screenRunes {
			t.Fatalf("%q becomes %q", s, out)
		}
		digits := 0
		for _, r := range out {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q becomes %q", s, out)
			}
			if unicode.IsNumber(r) {
				digits++
			}
		}
		if digits > screenDigits {
			t.Fatalf("%q keeps %d digits: %q", s, digits, out)
		}
	})
}
