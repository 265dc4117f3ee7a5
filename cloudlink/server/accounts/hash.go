package accounts

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// HashParams are the costs of one Argon2id hash.
type HashParams struct {
	Memory  uint32 // KiB
	Passes  uint32
	Threads uint8
}

// DefaultHashParams cost about 40 ms and 19 MiB on a small server.
var DefaultHashParams = HashParams{Memory: 19 << 10, Passes: 2, Threads: 2}

const (
	// DefaultHashes is how many hashes are computed at once unless told otherwise.
	DefaultHashes = 4

	// waiting is how many wait for one slot: the last of them about a second.
	waiting = 32

	saltSize = 16
	hashSize = 32
	// A stored hash that asks for more than this is refused: its memory would not be bounded.
	maxHashMemory = 1 << 20 // KiB
	maxHashPasses = 64
)

var errHash = errors.New("a stored password hash cannot be read")

// hasher computes password hashes, a few at a time, so that their memory stays bounded whatever is asked.
type hasher struct {
	params HashParams
	slots  chan struct{}
	line   chan struct{} // who computes or waits; who finds it full is sent away
	count  atomic.Uint64 // hashes computed
}

func newHasher(p HashParams, atOnce int) *hasher {
	return &hasher{params: p, slots: make(chan struct{}, atOnce), line: make(chan struct{}, atOnce*waiting)}
}

// busy refuses if too many wait already. Asked before an attempt is counted, so that being sent away is no failure.
func (h *hasher) busy() error {
	if len(h.line) < cap(h.line) {
		return nil
	}
	return busyNow()
}

func busyNow() error {
	r := refuse(CodeBusy, "try again in a second", "too many passwords are being checked")
	r.Wait = time.Second
	return r
}

// derive computes one hash when there is room for it. [CodeBusy] if too many wait.
func (h *hasher) derive(ctx context.Context, password string, salt []byte, p HashParams) ([]byte, error) {
	select {
	case h.line <- struct{}{}:
		defer func() { <-h.line }()
	default:
		return nil, busyNow()
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the check of other passwords: %w", ctx.Err())
	}
	h.count.Add(1)
	return argon2.IDKey([]byte(norm.NFC.String(password)), salt, p.Passes, p.Memory, p.Threads, hashSize), nil
}

// encode hashes a new password. The text holds parameters, salt and hash:
//
//	$argon2id$v=19$m=19456,t=2,p=2$SALT$HASH      base64 without padding
func (h *hasher) encode(ctx context.Context, password string, salt []byte) (string, error) {
	sum, err := h.derive(ctx, password, salt, h.params)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.params.Memory, h.params.Passes, h.params.Threads,
		b64(salt), b64(sum)), nil
}

// verify says whether the password is the one of a stored hash, and whether it should be hashed anew because the
// parameters have changed. An empty text is the hash of no password: nothing fits, in the time that a wrong one takes.
func (h *hasher) verify(ctx context.Context, password, stored string) (right, outdated bool, err error) {
	if stored == "" {
		_, err := h.derive(ctx, password, make([]byte, saltSize), h.params)
		return false, false, err
	}
	p, salt, want, err := parseHash(stored)
	if err != nil {
		return false, false, err
	}
	got, err := h.derive(ctx, password, salt, p)
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1, p != h.params, nil
}

func parseHash(s string) (p HashParams, salt, sum []byte, err error) {
	parts := strings.Split(s, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, fmt.Errorf("%w: it is not of a kind that this program knows", errHash)
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Passes, &p.Threads); n != 3 || err != nil {
		return p, nil, nil, fmt.Errorf("%w: parameters %.40q", errHash, parts[3])
	}
	if p.Memory == 0 || p.Memory > maxHashMemory || p.Passes == 0 || p.Passes > maxHashPasses || p.Threads == 0 {
		return p, nil, nil, fmt.Errorf("%w: parameters %.40q are out of bounds", errHash, parts[3])
	}
	salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	if err == nil {
		sum, err = base64.RawStdEncoding.DecodeString(parts[5])
	}
	if err != nil || len(salt) < 8 || len(sum) != hashSize {
		return p, nil, nil, fmt.Errorf("%w: salt or sum", errHash)
	}
	return p, salt, sum, nil
}
