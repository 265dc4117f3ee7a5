package archive

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// checkpointOrigin begins the first line of every checkpoint; the account follows. It is in what is signed, so a checkpoint of one account
// is none of another one, and no other signature of the cloud is a checkpoint.
const checkpointOrigin = "tillmesh archive 1 "

// MaxNote bounds a signed note, in bytes.
const MaxNote = 4096

// ErrCheckpoint is wrapped by every error about a checkpoint or another signed note that is not usable.
var ErrCheckpoint = errors.New("not a signed checkpoint of this archive")

// Checkpoint says what an account's log was at a time: how many leaves it had, and the hash of the tree over them.
type Checkpoint struct {
	Account AccountID
	Size    int64 // leaves
	Root    tlog.Hash
	Time    int64 // Unix milliseconds, by the cloud's clock
}

// text is what is signed.
func (c Checkpoint) text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\ntime %d\n", checkpointOrigin, c.Account, c.Size, base64.StdEncoding.EncodeToString(c.Root[:]), c.Time)
}

// SignerName is the name under which the cloud signs notes.
const SignerName = "tillmesh.archive"

// NewSigner returns the signer of notes with the cloud's Ed25519 key.
func NewSigner(key ed25519.PrivateKey) (note.Signer, error) {
	if len(key) != ed25519.PrivateKeySize {
		return nil, fmt.Errorf("%w: a key of %d bytes cannot sign", ErrCheckpoint, len(key))
	}
	public, _ := key.Public().(ed25519.PublicKey)
	verifier, err := NewVerifier(public)
	if err != nil {
		return nil, err
	}
	return signer{Verifier: verifier, key: key}, nil
}

type signer struct {
	note.Verifier
	key ed25519.PrivateKey
}

// Sign is a method of note.Signer.
func (s signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// NewVerifier returns the verifier of notes that were signed with the key of this public half.
func NewVerifier(public ed25519.PublicKey) (note.Verifier, error) {
	if len(public) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("%w: a public key of %d bytes", ErrCheckpoint, len(public))
	}
	text, err := note.NewEd25519VerifierKey(SignerName, public)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	verifier, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	return verifier, nil
}

// SignNote signs a text of lines, each of which ends with a line feed.
func SignNote(text string, s note.Signer) ([]byte, error) {
	msg, err := note.Sign(&note.Note{Text: text}, s)
	if err != nil {
		return nil, fmt.Errorf("sign a note of the archive: %w", err)
	}
	return msg, nil
}

// OpenNote returns the text of a note that bears exactly the signature of v, written in its one form. It returns [ErrCheckpoint].
func OpenNote(msg []byte, v note.Verifier) (string, error) {
	if v == nil {
		return "", fmt.Errorf("%w: no key to verify it with", ErrCheckpoint)
	}
	opened, err := note.Open(msg, note.VerifierList(v))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	// What note.Open passes over: further signatures, and spellings of base64 that mean the same.
	if !bytes.Equal(msg, spell(opened)) {
		return "", fmt.Errorf("%w: it is not written in the one form it has", ErrCheckpoint)
	}
	return opened.Text, nil
}

// spell writes a note with its one signature anew.
func spell(n *note.Note) []byte {
	raw, err := base64.StdEncoding.DecodeString(n.Sigs[0].Base64)
	if err != nil || len(raw) < 4 || binary.BigEndian.Uint32(raw) != n.Sigs[0].Hash {
		return nil
	}
	return []byte(n.Text + "\n— " + n.Sigs[0].Name + " " + base64.StdEncoding.EncodeToString(raw) + "\n")
}

// SignCheckpoint returns the signed note of a checkpoint.
func SignCheckpoint(c Checkpoint, s note.Signer) ([]byte, error) {
	if c.Size < 0 || c.Time < 0 {
		return nil, fmt.Errorf("%w: size %d, time %d", ErrCheckpoint, c.Size, c.Time)
	}
	return SignNote(c.text(), s)
}

// OpenCheckpoint verifies the signed note of a checkpoint of the account. It returns [ErrCheckpoint].
func OpenCheckpoint(msg []byte, account AccountID, v note.Verifier) (Checkpoint, error) {
	if len(msg) > MaxNote {
		return Checkpoint{}, fmt.Errorf("%w: %d bytes, at most %d", ErrCheckpoint, len(msg), MaxNote)
	}
	text, err := OpenNote(msg, v)
	if err != nil {
		return Checkpoint{}, err
	}
	c, err := parseCheckpoint(text)
	if err == nil && c.Account != account {
		err = fmt.Errorf("%w: it is of account %s, not %s", ErrCheckpoint, c.Account, account)
	}
	if err != nil {
		return Checkpoint{}, err
	}
	return c, nil
}

func parseCheckpoint(text string) (c Checkpoint, err error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], checkpointOrigin) {
		return c, fmt.Errorf("%w: its text is of another form", ErrCheckpoint)
	}
	if c.Account, err = ParseAccountID(lines[0][len(checkpointOrigin):]); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	size, err1 := strconv.ParseInt(lines[1], 10, 64)
	root, err2 := tlog.ParseHash(lines[2])
	at, err3 := strconv.ParseInt(strings.TrimPrefix(lines[3], "time "), 10, 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	c.Size, c.Root, c.Time = size, root, at
	if c.Size < 0 || c.Time < 0 || c.text() != text {
		return c, fmt.Errorf("%w: its text is not written in the one form it has", ErrCheckpoint)
	}
	return c, nil
}
