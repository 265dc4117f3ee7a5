package pairing

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTokenTextIsPinned(t *testing.T) {
	golden, err := os.ReadFile("testdata/v1/token.txt")
	require.NoError(t, err)
	secret := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	token, err := NewToken(bytes.NewReader(secret))
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(golden)), token.Text())
	require.Len(t, token.Text(), 34)

	back, err := ParseToken(token.Text())
	require.NoError(t, err)
	require.Equal(t, token, back)
}

func TestParseTokenToleratesHowPeopleType(t *testing.T) {
	text := testToken(t, 1).Text()
	want, err := ParseToken(text)
	require.NoError(t, err)
	plain := strings.ReplaceAll(text, "-", "")
	for _, typed := range []string{
		strings.ToUpper(text), plain, "  " + text + "\r\n", strings.ReplaceAll(text, "-", " "),
		strings.ReplaceAll(text, "-", "–"), strings.Join(strings.Split(plain, ""), " "),
		strings.NewReplacer("0", "o", "1", "l").Replace(text), strings.NewReplacer("0", "O", "1", "I").Replace(text),
	} {
		got, err := ParseToken(typed)
		require.NoError(t, err, typed)
		require.Equal(t, want, got, typed)
	}
}

func TestTypingErrorsAreFoundForCertain(t *testing.T) {
	for seed := range byte(8) {
		chars := []byte(strings.ReplaceAll(testToken(t, seed).Text(), "-", ""))
		for i := range chars {
			for _, wrong := range []byte(tokenChars) {
				if wrong == chars[i] {
					continue
				}
				typed := bytes.Clone(chars)
				typed[i] = wrong
				_, err := ParseToken(string(typed))
				require.ErrorIs(t, err, ErrTyping, "seed %d: character %d as %c", seed, i, wrong)
			}
			if i > 0 && chars[i] != chars[i-1] {
				typed := bytes.Clone(chars)
				typed[i], typed[i-1] = typed[i-1], typed[i]
				_, err := ParseToken(string(typed))
				require.ErrorIs(t, err, ErrTyping, "seed %d: characters %d and %d swapped", seed, i-1, i)
			}
		}
		_, err := ParseToken(string(chars[1:]))
		require.ErrorIs(t, err, ErrTyping)
		_, err = ParseToken(string(chars) + "0")
		require.ErrorIs(t, err, ErrTyping)
	}
	for _, typed := range []string{"", "-", strings.Repeat("u", 28), strings.Repeat("ü", 28), strings.Repeat("0", 9999),
		strings.Repeat("\xff", 28)} {
		_, err := ParseToken(typed)
		require.ErrorIs(t, err, ErrTyping)
	}
}

func TestPrintingATokenHidesIt(t *testing.T) {
	token := testToken(t, 1)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		printed := fmt.Sprintf(verb, Invitation{Token: token})
		require.Contains(t, printed, "token(", verb)
		require.NotContains(t, printed, token.Text()[:4], verb)
	}
}

func TestNewTokenNeedsRandomness(t *testing.T) {
	_, err := NewToken(bytes.NewReader(make([]byte, 15)))
	require.Error(t, err)
	_, err = NewToken(bytes.NewReader(make([]byte, 16)))
	require.Error(t, err)
}

func FuzzParseToken(f *testing.F) {
	f.Add("000g-40r4-0m30-e209-185g-r38e-zwg4")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := ParseToken(s)
		if err != nil {
			if !errors.Is(err, ErrTyping) {
				t.Fatalf("error without kind: %v", err)
			}
			return
		}
		back, err := ParseToken(token.Text())
		if err != nil || back != token {
			t.Fatalf("%q reads as %q and back as %v, %v", s, token.Text(), back, err)
		}
	})
}
