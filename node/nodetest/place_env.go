package nodetest

import (
	"slices"
	"testing"
)

// LoopbackWith gives places on loopback for [NewOn] whose programs run with these environment variables ("NAME=value").
func LoopbackWith(t testing.TB, variables ...string) func() Place {
	t.Helper()
	next := loopback(t)
	return func() Place {
		at := next()
		at.Enter = slices.Concat([]string{"env"}, variables)
		return at
	}
}
