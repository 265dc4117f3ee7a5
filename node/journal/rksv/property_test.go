package rksv_test

import (
	"bytes"
	"crypto/ecdsa"
	"encoding/base64"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
)

type publicKey = ecdsa.PublicKey

// play makes n random receipts: sales, cancellations, training, Nullbelege, outages, restarts. It ends with a signed one.
func play(t testing.TB, r *rand.Rand, n int, changes ...func(*rksv.Config)) *till {
	t.Helper()
	x := newTill(t, changes...)
	x.sign(rksv.Start)
	for range n {
		switch r.IntN(10) {
		case 0:
			x.unit.Fail(nil)
		case 1, 2:
			x.unit.Return()
		case 3:
			x.unit.Lose(1)
		case 4:
			x.restart(changes...)
		}
		amounts := make([]receipt.Amount, 5)
		for i := range amounts {
			amounts[i] = receipt.Amount(r.Int64N(40_000) - 5_000)
		}
		kind := []rksv.Kind{rksv.Standard, rksv.Standard, rksv.Standard, rksv.Cancellation, rksv.Training, rksv.Month, rksv.Check,
			rksv.Collective, rksv.Year}[r.IntN(9)]
		if kind.Null() {
			amounts = nil
		}
		before := x.signer.State()
		if _, err := x.try(kind, amounts...); err != nil {
			require.ErrorIs(t, err, rksv.ErrUnavailable)
			require.Contains(t, []rksv.Kind{rksv.Collective, rksv.Year}, kind)
			require.Equal(t, before, x.signer.State(), "nothing happened")
		}
	}
	x.unit.Return()
	x.sign(rksv.Collective)
	return x
}

// restart opens the signer again at its file.
func (x *till) restart(changes ...func(*rksv.Config)) {
	x.t.Helper()
	cfg := rksv.Config{CashBox: box, Suite: rksv.SuiteTest, Key: x.keys.AES, Unit: x.unit, File: x.file}
	for _, change := range changes {
		change(&cfg)
	}
	was := x.signer.State()
	var err error
	x.signer, err = rksv.Open(cfg)
	require.NoError(x.t, err)
	require.Equal(x.t, was, x.signer.State())
}

// TestWhateverIsSignedVerifies plays random tills and verifies their logs, whole and in two parts.
func TestWhateverIsSignedVerifies(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 12 {
		length := 5 + r.IntN(12)
		x := play(t, r, 40, func(c *rksv.Config) { c.CounterBytes = length })
		v, err := rksv.Verify(rksv.NewReader(strings.NewReader(dep(t, x.log))), x.keys, func(p rksv.Problem) { t.Error(p) })
		require.NoError(t, err)
		state, ok := v.State()
		require.True(t, ok)
		require.Equal(t, x.signer.State(), state, "the state can be made again from the log")

		cut := 1 + r.IntN(len(x.log)-1)
		_, first := verify(x.keys, x.log[:cut])
		middle, ok := first.State()
		if !ok {
			continue // no counter to be seen yet
		}
		rest := rksv.ResumeVerifier(x.keys, middle)
		for _, text := range x.log[cut:] {
			require.Empty(t, rest.Add(rksv.Entry{JWS: text}))
		}
	}
}

// TestEveryChangeIsFound changes each byte of payloads and signatures.
func TestEveryChangeIsFound(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	x := newTill(t)
	x.sign(rksv.Start)
	x.sign(rksv.Standard, 1234, 0, -5)
	x.sign(rksv.Cancellation, -1234)
	x.sign(rksv.Training, 99)
	x.unit.Fail(nil)
	x.sign(rksv.Standard, 1, 2, 3, 4, 5)
	x.sign(rksv.Cancellation, -1)
	x.sign(rksv.Training, 7)
	x.unit.Return()
	x.sign(rksv.Collective)
	x.sign(rksv.Standard, 100_000)
	for i := range x.log {
		everyChangeIsFound(t, x.keys, x.log, i)
	}
	for range 200 { // and anything left out or put elsewhere
		i, j := r.IntN(len(x.log)), r.IntN(len(x.log))
		log := append([]string(nil), x.log...)
		log[i], log[j] = log[j], log[i]
		if i != j {
			problems, _ := verify(x.keys, log)
			require.NotEmpty(t, problems, "receipts %d and %d swapped", i, j)
		}
		if i < len(log)-1 { // nothing tells of what follows the last
			problems, _ := verify(x.keys, append(append([]string(nil), x.log[:i]...), x.log[i+1:]...))
			require.NotEmpty(t, problems, "receipt %d left out", i)
		}
	}
}

// everyChangeIsFound changes, one after another, each byte of the payload, of the signature and of the compact form of a
// receipt, and wants a problem each time. Only it and the next are verified, which is what could tell.
func everyChangeIsFound(t *testing.T, keys rksv.Keys, receipts []string, at int) {
	t.Helper()
	fresh := func() *rksv.Verifier { return rksv.NewVerifier(keys) }
	if at > 0 {
		_, before := verify(keys, receipts[:at])
		state, ok := before.State()
		require.True(t, ok)
		state.Recent = state.Recent[len(state.Recent)-1:]
		fresh = func() *rksv.Verifier { return rksv.ResumeVerifier(keys, state) }
	}
	changed := func(what string, text string) {
		t.Helper()
		if text == receipts[at] {
			return
		}
		v := fresh()
		found := len(v.Add(rksv.Entry{JWS: text})) > 0
		if !found && at+1 < len(receipts) { // an unsigned one is told by the next, which is linked to it
			found = len(v.Add(rksv.Entry{JWS: receipts[at+1]})) > 0
		}
		require.True(t, found, "receipt %d, %s: %s", at, what, text)
	}
	parts := strings.Split(receipts[at], ".")
	for part, name := range map[int]string{1: "payload", 2: "signature"} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[part])
		require.NoError(t, err)
		for i := range raw {
			for _, flip := range []byte{1, 0x80} {
				b := bytes.Clone(raw)
				b[i] ^= flip
				edited := append([]string(nil), parts...)
				edited[part] = base64.RawURLEncoding.EncodeToString(b)
				changed(name, strings.Join(edited, "."))
			}
		}
	}
	text := receipts[at]
	for i := range len(text) {
		changed("compact form", text[:i]+"B"+text[i+1:])
		changed("compact form", text[:i]+"\n"+text[i:])
		changed("compact form", text[:i]+text[i+1:])
	}
}
