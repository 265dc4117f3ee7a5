package tse

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/node/journal/rksv/es256"
)

// Config is what a software signer needs from outside. All fields are required.
type Config struct {
	Key  *ecdsa.PrivateKey // on P-256, see es256.NewKey; it makes the serial number
	Now  func() time.Time  // called from any goroutine
	File File              // of this signer alone; used by one goroutine at a time
}

// Software is a [Device] without hardware; see the package comment. Its answers are durable before they are given:
// calls that come together share one write, and sign beside each other.
type Software struct {
	key  *ecdsa.PrivateKey
	now  func() time.Time
	file File
	info Info

	mu    sync.Mutex
	state state
	turn  uint64 // how many changes the state has seen

	disk    sync.Mutex // held while writing; never taken with mu held
	written uint64     // the turn that is durable
}

// NewSoftware returns the software signer of a key at the state of its file, which is that of a new device if nothing
// was ever saved. It returns [ErrState] if there is a state and it is not usable, or [ErrRequest] for another key.
func NewSoftware(cfg Config) (*Software, error) {
	if cfg.Key == nil || cfg.Key.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: a key on P-256 is needed", ErrRequest)
	}
	info, err := describe(cfg.Key)
	if err != nil {
		return nil, err
	}
	s := &Software{key: cfg.Key, now: cfg.Now, file: cfg.File, info: info}
	s.state, err = loadState(cfg.File, info.Serial)
	return s, err
}

// Info implements [Device].
func (s *Software) Info(ctx context.Context) (Info, error) {
	if err := ctx.Err(); err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return s.info, nil
}

// Start implements [Device].
func (s *Software) Start(ctx context.Context, client string) (Started, error) {
	if err := checkClient(client); err != nil {
		return Started{}, err
	}
	if err := ctx.Err(); err != nil {
		return Started{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	started, turn := s.start(client)
	if err := s.save(turn); err != nil {
		return Started{}, err
	}
	return started, nil
}

func (s *Software) start(client string) (Started, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn++
	s.state.Transactions++
	s.state.Signatures++
	if len(s.state.Open) == maxOpen {
		s.state.Open = slices.Delete(s.state.Open, 0, 1)
	}
	s.state.Open = append(s.state.Open, open{s.state.Transactions, client})
	return Started{
		Transaction: s.state.Transactions, LogTime: TimeText(s.now()), Counter: s.state.Signatures, Serial: s.info.Serial,
	}, s.turn
}

// Finish implements [Device].
func (s *Software) Finish(ctx context.Context, client string, transaction uint64, process Process) (Finished, error) {
	if err := errors.Join(checkClient(client), process.Check()); err != nil {
		return Finished{}, err
	}
	if err := ctx.Err(); err != nil {
		return Finished{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	finished, turn, err := s.finish(client, transaction)
	if err != nil {
		return Finished{}, err
	}
	signature, err := es256.Sign(s.key, canonical(Record{
		Client: client, Transaction: transaction, Process: process, End: finished.LogTime, Counter: finished.Counter,
	}))
	if err != nil {
		return Finished{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	finished.Signature = base64.StdEncoding.EncodeToString(signature)
	if err := s.save(turn); err != nil {
		return Finished{}, err
	}
	return finished, nil
}

func (s *Software) finish(client string, transaction uint64) (Finished, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.state.Open, func(o open) bool { return o.Transaction == transaction && o.Client == client })
	if at < 0 {
		return Finished{}, 0, fmt.Errorf("%w: transaction %d of %.60q is not open", ErrRequest, transaction, client)
	}
	s.turn++
	s.state.Open = slices.Delete(s.state.Open, at, at+1)
	s.state.Signatures++
	return Finished{LogTime: TimeText(s.now()), Counter: s.state.Signatures, Algorithm: Algorithm}, s.turn, nil
}

// save returns when a turn is durable. Whoever gets to the disk first writes for all that wait. If it fails the numbers
// stay used: nobody has seen an answer with them, and the next write carries them.
func (s *Software) save(turn uint64) error {
	s.disk.Lock()
	defer s.disk.Unlock()
	if s.written >= turn {
		return nil
	}
	s.mu.Lock()
	b, err := s.state.bytes()
	upTo := s.turn
	s.mu.Unlock()
	if err == nil {
		err = s.file.Save(b)
	}
	if err != nil {
		return fmt.Errorf("%w: its state cannot be saved: %w", ErrUnavailable, err)
	}
	s.written = upTo
	return nil
}

// checkClient refuses what no till has as its serial number, and what would break a QR code.
func checkClient(client string) error {
	const most = 70 // characters of KASSE_SERIENNR
	bad := func(r rune) bool { return r < ' ' || r == ';' || r == 0x7f }
	if client == "" || utf8.RuneCountInString(client) > most || !utf8.ValidString(client) || strings.ContainsFunc(client, bad) {
		return fmt.Errorf("%w: %.80q is not the serial number of a till", ErrRequest, client)
	}
	return nil
}

// describe returns what the software signer says of itself. The certificate is its own, the same whenever it is made,
// and has the notice for a name.
func describe(key *ecdsa.PrivateKey) (Info, error) {
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	name := pkix.Name{CommonName: Notice}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: name, Issuer: name, KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
		NotBefore: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC),
	}
	certificate, err := x509.CreateCertificate(nil, template, template, &key.PublicKey, key)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	i := Info{
		PublicKey: base64.StdEncoding.EncodeToString(public), Certificate: base64.StdEncoding.EncodeToString(certificate),
		Algorithm: Algorithm, TimeFormat: "utcTime", Encoding: "UTF-8", Notice: Notice,
	}
	i.Serial = serialOf(i.PublicKey)
	return i, nil
}
