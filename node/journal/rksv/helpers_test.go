package rksv_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/tillmesh/tillmesh/crdt/receipt"
	"github.com/tillmesh/tillmesh/node/journal/rksv"
	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
	"github.com/tillmesh/tillmesh/node/journal/rksv/rksvtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stream is endless chance that is the same in every run.
type stream struct {
	seed string
	n    int
}

func (s *stream) Read(b []byte) (int, error) {
	s.n++
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", s.seed, s.n))
	return copy(b, sum[:]), nil
}

// memory keeps a state, and fails when told to.
type memory struct {
	mu     sync.Mutex
	state  []byte
	broken bool
	saves  int
}

var errDisk = errors.New("input/output error")

func (m *memory) Load() ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.state), nil
}

func (m *memory) Save(b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errDisk
	}
	m.state = slices.Clone(b)
	m.saves++
	return nil
}

func (m *memory) set(broken bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = broken
}

const (
	box         = "K2"
	certificate = "2e8c01be426af1"
)

// unit makes the unit of a seed; the same in every run.
func unit(t testing.TB, seed, certificate string) *rksv.SoftwareUnit {
	t.Helper()
	key, err := es256.NewKey(&stream{seed: seed})
	require.NoError(t, err)
	u, err := rksv.NewSoftwareUnit(key, certificate)
	require.NoError(t, err)
	return u
}

func aesKey(t testing.TB) rksv.AESKey {
	t.Helper()
	k, err := rksv.NewAESKey(&stream{seed: "aes"})
	require.NoError(t, err)
	return k
}

// till is a cash box with what it signed.
type till struct {
	t      testing.TB
	signer *rksv.Signer
	unit   *rksvtest.Unit
	file   *memory
	keys   rksv.Keys
	next   int
	clock  time.Time
	log    []string
}

func newTill(t testing.TB, changes ...func(*rksv.Config)) *till {
	t.Helper()
	inner := unit(t, "unit", certificate)
	x := &till{
		t: t, unit: rksvtest.Wrap(inner), file: new(memory), next: 1, clock: time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC),
		keys: rksv.Keys{AES: aesKey(t), Units: map[string]*ecdsa.PublicKey{certificate: inner.Public()}},
	}
	cfg := rksv.Config{CashBox: box, Suite: rksv.SuiteTest, Key: x.keys.AES, Unit: x.unit, File: x.file}
	for _, change := range changes {
		change(&cfg)
	}
	var err error
	x.signer, err = rksv.Open(cfg)
	require.NoError(t, err)
	return x
}

// receipt returns the next receipt, with amounts in the order of the tax sets.
func (x *till) receipt(kind rksv.Kind, amounts ...receipt.Amount) rksv.Receipt {
	r := rksv.Receipt{Kind: kind, CashBox: box, Number: receipt.NumberText(box, int64(x.next)), Date: x.clock.Format("2006-01-02T15:04:05")}
	copy(r.Amounts[:], amounts)
	return r
}

// try makes the next receipt.
func (x *till) try(kind rksv.Kind, amounts ...receipt.Amount) (rksv.Signed, error) {
	signed, err := x.signer.Sign(context.Background(), x.receipt(kind, amounts...))
	if err == nil {
		x.next++
		x.clock = x.clock.Add(time.Minute)
		x.log = append(x.log, signed.JWS.Text)
	}
	return signed, err
}

func (x *till) sign(kind rksv.Kind, amounts ...receipt.Amount) rksv.Signed {
	x.t.Helper()
	signed, err := x.try(kind, amounts...)
	require.NoError(x.t, err)
	return signed
}

// dep writes a log.
func dep(t testing.TB, receipts []string) string {
	t.Helper()
	var out strings.Builder
	w := rksv.NewWriter(&out)
	for _, r := range receipts {
		require.NoError(t, w.Add(r))
	}
	require.NoError(t, w.Close())
	return out.String()
}

// verify returns all problems of some receipts.
func verify(keys rksv.Keys, receipts []string) (problems []rksv.Problem, v *rksv.Verifier) {
	v = rksv.NewVerifier(keys)
	for _, r := range receipts {
		problems = append(problems, v.Add(rksv.Entry{JWS: r})...)
	}
	return problems, v
}

// rules returns which rules are broken where, such as "V3 K2-000002".
func rules(problems []rksv.Problem) []string {
	texts := []string{}
	for _, p := range problems {
		texts = append(texts, fmt.Sprintf("%v %s", p.Rule, p.Receipt))
	}
	return texts
}
