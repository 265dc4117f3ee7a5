package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func typing(in string, env string) (*typed, *bytes.Buffer) {
	var shown bytes.Buffer
	c := &console{out: &shown, err: &shown, in: strings.NewReader(in), env: func(name string) string {
		if name == passwordVariable {
			return env
		}
		return ""
	}}
	return c.typed(), &shown
}

// What is typed is never shown; what live says of it is, after every key.
func TestKeysAreNotShown(t *testing.T) {
	keys, shown := typing("Ax\x7fb\x15Cd1ü\x01\n", "")
	var seen []string
	got, err := keys.keys("password: ", func(sofar string) string {
		seen = append(seen, sofar)
		return "[live]"
	})
	require.NoError(t, err)
	require.Equal(t, "Cd1ü", got)
	require.Equal(t, []string{"", "A", "Ax", "A", "Ab", "", "C", "Cd", "Cd1", "Cd1ü", "Cd1ü"}, seen)
	require.NotContains(t, strings.ReplaceAll(shown.String(), "password: [live]", ""), "C")
	require.Equal(t, len(seen), strings.Count(shown.String(), "[live]"))
	keys, _ = typing(strings.Repeat("x", 5000), "")
	got, err = keys.keys("", nil)
	require.NoError(t, err)
	require.Len(t, got, maxSecret)
}

func TestProgramsGiveThePassword(t *testing.T) {
	keys, shown := typing("one\r\nyes\n", "")
	got, err := keys.secret(t.Context(), "password: ", nil)
	require.NoError(t, err)
	require.Equal(t, "one", got)
	answer, err := keys.line(t.Context(), "sure? ")
	require.NoError(t, err)
	require.Equal(t, "yes", answer)
	require.Equal(t, "sure? ", shown.String())
	keys, _ = typing("one\n", "two")
	got, err = keys.secret(t.Context(), "", nil)
	require.NoError(t, err)
	require.Equal(t, "two", got)
	keys, _ = typing("", "")
	_, err = keys.secret(t.Context(), "", nil)
	require.ErrorIs(t, err, errNoPassword)
}

func TestAQuestionEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	block := make(chan struct{})
	defer close(block)
	_, err := await(ctx, func() (string, error) { <-block; return "", nil })
	require.ErrorIs(t, err, context.Canceled)
}
