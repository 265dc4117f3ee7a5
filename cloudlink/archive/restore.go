package archive

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/tillmesh/tillmesh/crdt/codec"
)

// restoreOrigin begins the first line of every statement about a restore; the account follows.
const restoreOrigin = "tillmesh restore 1 "

// NoteRestored is the code of the leaf that holds such a statement. It is the first one behind what the backup held.
const NoteRestored = "restored"

// Restore is what the cloud says about itself when it was restored from a backup: up to which leaf its history is the one that it had, and
// that what came after is another one. It excuses nothing by itself: whoever remembers a larger tree raises an alarm, and shows this with it.
type Restore struct {
	Account AccountID
	Size    int64     // leaves that the backup held
	Root    tlog.Hash // of the tree over them
	Time    int64     // of the restore, Unix milliseconds, by the cloud's clock
	Made    int64     // of the backup
}

func (r Restore) text() string {
	return fmt.Sprintf("%s%s\n%d\n%s\ntime %d\nbackup %d\n", restoreOrigin, r.Account, r.Size, base64.StdEncoding.EncodeToString(r.Root[:]), r.Time, r.Made)
}

// SignRestore returns the signed note of a restore.
func SignRestore(r Restore, s note.Signer) ([]byte, error) {
	if r.Size < 1 || r.Time < 0 || r.Made < 0 {
		return nil, fmt.Errorf("%w: a restore of %d leaves at %d", ErrCheckpoint, r.Size, r.Time)
	}
	return SignNote(r.text(), s)
}

// OpenRestore verifies the signed note of a restore of the archive of an account. It returns [ErrCheckpoint].
func OpenRestore(msg []byte, account AccountID, v note.Verifier) (r Restore, err error) {
	if len(msg) > MaxNote {
		return r, fmt.Errorf("%w: %d bytes, at most %d", ErrCheckpoint, len(msg), MaxNote)
	}
	text, err := OpenNote(msg, v)
	if err != nil {
		return r, err
	}
	lines := strings.Split(text, "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[0], restoreOrigin) {
		return r, fmt.Errorf("%w: it is about no restore", ErrCheckpoint)
	}
	var errs [5]error
	r.Account, errs[0] = ParseAccountID(lines[0][len(restoreOrigin):])
	r.Size, errs[1] = strconv.ParseInt(lines[1], 10, 64)
	r.Root, errs[2] = tlog.ParseHash(lines[2])
	r.Time, errs[3] = strconv.ParseInt(strings.TrimPrefix(lines[3], "time "), 10, 64)
	r.Made, errs[4] = strconv.ParseInt(strings.TrimPrefix(lines[4], "backup "), 10, 64)
	if err := errors.Join(errs[:]...); err != nil {
		return Restore{}, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if r.Account != account || r.Size < 1 || r.Time < 0 || r.Made < 0 || r.text() != text {
		return Restore{}, fmt.Errorf("%w: it is of account %s, or not written in the one form it has", ErrCheckpoint, r.Account)
	}
	return r, nil
}

// Entry returns the leaf that holds the statement. about is the last leaf of the backup, today the archive's day.
func (r Restore) Entry(msg []byte, about Leaf, today string) (Entry, error) {
	return Judgement{Code: NoteRestored, About: r.Size - 1, Text: string(msg)}.Entry(about, today)
}

// RestoreTopic is under which a till asks the cloud whether it was restored: an Ask of package wire with a question as
// [EncodeRestoreQuestion] writes it, answered by an [Excuse].
const RestoreTopic = "cloud/restored"

// EncodeRestoreQuestion asks for the restore that took away what a checkpoint says: [1, leaves, time].
func EncodeRestoreQuestion(known Checkpoint) []byte {
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 3), 1), uint64(known.Size))
	return codec.AppendUint(b, uint64(known.Time))
}

// DecodeRestoreQuestion reads what EncodeRestoreQuestion wrote. The error wraps codec.ErrMalformed.
func DecodeRestoreQuestion(b []byte) (size, time int64, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(3)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		r.Fail("version %d, this program knows 1", v)
	}
	size, time = int64(r.Uint()), int64(r.Uint())
	r.Skip(more)
	if err := r.Done(); err != nil || size < 0 || time < 0 {
		return 0, 0, fmt.Errorf("question for a restore: %w: %w", codec.ErrMalformed, err)
	}
	return size, time, nil
}

// Excuse is the statement of a restore, with the proofs that it is in the archive as it is now, and that the archive still begins with what the
// backup held.
type Excuse struct {
	Note       []byte // see [OpenRestore]
	Checkpoint []byte // of the archive as it is now
	Leaf       []byte // that holds the statement
	Inclusion  []tlog.Hash
	Growth     []tlog.Hash
}

// Encode returns [1, note, checkpoint, leaf, hashes, hashes].
func (e Excuse) Encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 6), 1)
	for _, x := range [][]byte{e.Note, e.Checkpoint, e.Leaf, flat(e.Inclusion), flat(e.Growth)} {
		b = codec.AppendBytes(b, x)
	}
	return b
}

func flat(list []tlog.Hash) []byte {
	out := make([]byte, 0, len(list)*tlog.HashSize)
	for _, h := range list {
		out = append(out, h[:]...)
	}
	return out
}

// DecodeExcuse reads what Encode wrote. The error wraps codec.ErrMalformed.
func DecodeExcuse(b []byte) (e Excuse, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(6)
	if v := r.Uint(); r.Err() == nil && v != 1 {
		r.Fail("version %d, this program knows 1", v)
	}
	e.Note, e.Checkpoint, e.Leaf = r.Bytes(), r.Bytes(), r.Bytes()
	e.Inclusion, e.Growth = readHashes(r), readHashes(r)
	if len(e.Note) > MaxNote || len(e.Checkpoint) > MaxNote || len(e.Leaf) > MaxLeaf {
		r.Fail("a note or leaf that is too long")
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Excuse{}, fmt.Errorf("statement of a restore: %w", err)
	}
	return e, nil
}

func readHashes(r *codec.Reader) (out []tlog.Hash) {
	raw := r.Bytes()
	if len(raw)%tlog.HashSize != 0 || len(raw) > MaxProof*tlog.HashSize {
		r.Fail("a proof of %d bytes", len(raw))
		return nil
	}
	for ; len(raw) > 0; raw = raw[tlog.HashSize:] {
		out = append(out, tlog.Hash(raw[:tlog.HashSize]))
	}
	return out
}

// Check verifies an excuse to somebody who remembers a checkpoint: it is signed, it is about a smaller tree than the one that is remembered, it is in the
// archive as it is now, right behind what the backup held, and the archive still begins with that. It returns what it says and the
// checkpoint to remember once a person accepts it. It returns [ErrCheckpoint] or [ErrProof].
func (e Excuse) Check(known Checkpoint, v note.Verifier) (r Restore, now Checkpoint, err error) {
	if r, err = OpenRestore(e.Note, known.Account, v); err != nil {
		return r, now, err
	}
	if now, err = OpenCheckpoint(e.Checkpoint, known.Account, v); err != nil {
		return r, now, err
	}
	if r.Size > known.Size || r.Time < known.Time {
		return r, now, fmt.Errorf("%w: it is about another restore: back to %d leaves, and %d are remembered", ErrProof, r.Size, known.Size)
	}
	leaf, err := ParseLeaf(e.Leaf)
	if err != nil {
		return r, now, err
	}
	want, err := r.Entry(e.Note, leaf, leaf.Day)
	if err != nil {
		return r, now, err
	}
	if leaf.Kind != Note || leaf.Type != NoteRestored || leaf.Digest != want.Leaf.Digest {
		return r, now, fmt.Errorf("%w: the leaf does not hold the statement", ErrProof)
	}
	if err := CheckInclusion(now, r.Size, e.Leaf, e.Inclusion); err != nil {
		return r, now, err
	}
	return r, now, CheckGrowth(Checkpoint{Account: r.Account, Size: r.Size, Root: r.Root}, now, e.Growth)
}
