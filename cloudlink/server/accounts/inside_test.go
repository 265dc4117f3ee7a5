package accounts

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWaitsGrowToTheLongest(t *testing.T) {
	require.Zero(t, perName.wait(5))
	require.Equal(t, time.Second, perName.wait(6))
	require.Equal(t, 2*time.Second, perName.wait(7))
	require.Equal(t, 512*time.Second, perName.wait(15))
	require.Equal(t, 15*time.Minute, perName.wait(16))
	require.Equal(t, 15*time.Minute, perName.wait(1<<30))
}

func TestAddressesAreCountedByCustomer(t *testing.T) {
	key := func(s string) string { return addressSubject("x", perAddress, netip.MustParseAddr(s)).key }
	require.Equal(t, key("::ffff:192.0.2.1"), key("192.0.2.1"))
	require.NotEqual(t, key("192.0.2.2"), key("192.0.2.1"))
	require.Equal(t, key("2001:db8::1"), key("2001:db8::ffff:1"))
	require.Equal(t, key("fe80::1%eth0"), key("fe80::1"))
	require.NotEqual(t, key("2001:db8:0:1::1"), key("2001:db8::1"))
}

func TestHashesAreReadAgain(t *testing.T) {
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 1)
	stored, err := h.encode(t.Context(), "Ko\u0308ln7!aaaa", make([]byte, saltSize)) // decomposed
	require.NoError(t, err)
	require.Regexp(t, `^\$argon2id\$v=19\$m=64,t=1,p=1\$`, stored)
	right, outdated, err := h.verify(t.Context(), "K\u00f6ln7!aaaa", stored) // composed
	require.NoError(t, err)
	require.True(t, right)
	require.False(t, outdated)
	right, _, err = h.verify(t.Context(), "Koln7!aaaa", stored)
	require.NoError(t, err)
	require.False(t, right)

	dearer := newHasher(HashParams{Memory: 64, Passes: 2, Threads: 1}, 1)
	right, outdated, err = dearer.verify(t.Context(), "K\u00f6ln7!aaaa", stored)
	require.NoError(t, err)
	require.True(t, right)
	require.True(t, outdated)

	for _, bad := range []string{"x", "$argon2i$v=19$m=64,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AA", strings.Replace(stored, "m=64", "m=99999999", 1),
		strings.Replace(stored, "t=1", "t=0", 1), strings.Replace(stored, "m=64", "m=6x", 1), stored[:len(stored)-3]} {
		_, _, err := h.verify(t.Context(), "x", bad)
		require.ErrorIs(t, err, errHash, bad)
	}
}

func TestHashesWaitForRoom(t *testing.T) {
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 1)
	h.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := h.encode(ctx, "x", make([]byte, saltSize))
	require.ErrorIs(t, err, context.Canceled)
	require.Zero(t, h.count.Load())

	done := make(chan error)
	go func() {
		_, err := h.encode(t.Context(), "x", make([]byte, saltSize))
		done <- err
	}()
	<-h.slots
	require.NoError(t, <-done)
}

// Nobody may guess from the work that is done whether a name exists.
func TestNoPasswordCostsAsMuchAsAWrongOne(t *testing.T) {
	h := newHasher(DefaultHashParams, 1)
	stored, err := h.encode(t.Context(), "Right1!right", make([]byte, saltSize))
	require.NoError(t, err)
	cost := func(stored string) time.Duration {
		shortest := time.Hour
		for range 5 {
			began := time.Now()
			right, _, err := h.verify(t.Context(), "Wrong1!wrong", stored)
			require.NoError(t, err)
			require.False(t, right)
			shortest = min(shortest, time.Since(began))
		}
		return shortest
	}
	wrong, none := cost(stored), cost("")
	require.Greater(t, none, wrong/4)
	require.Less(t, none, wrong*4)
}

func TestALineThatIsTooLongSendsAway(t *testing.T) {
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 1)
	for range waiting {
		require.NoError(t, h.busy())
		h.line <- struct{}{}
	}
	for _, err := range []error{h.busy(), func() error { _, err := h.derive(t.Context(), "x", nil, h.params); return err }()} {
		r, ok := err.(*Refusal)
		require.True(t, ok)
		require.Equal(t, CodeBusy, r.Code)
		require.Equal(t, time.Second, r.Wait)
	}
	<-h.line
	require.NoError(t, h.busy())
	require.Zero(t, h.count.Load())
}

func TestMemoryStaysBounded(t *testing.T) {
	h := newHasher(HashParams{Memory: 64, Passes: 1, Threads: 1}, 3)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			_, _, err := h.verify(t.Context(), "x", "")
			require.NoError(t, err)
		})
	}
	wg.Wait()
	require.EqualValues(t, 50, h.count.Load())
	require.Equal(t, 3, cap(h.slots))
}
