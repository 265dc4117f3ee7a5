package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

// ErrKeyReused means that an idempotency key came with another request than the first time.
var ErrKeyReused = hint(errors.New("this idempotency key was used for another request"), "use a new key for a new request")

// replyLife is how long an answer is kept for a repeated request.
const replyLife = 24 * time.Hour

// Reply is the answer to a request that came with an idempotency key.
type Reply struct {
	Status int
	Body   []byte
}

// replies sees to it that a request that is repeated, because its answer was lost, is answered again and not done again.
// Answers are notes of the till, so they survive a restart; they are found by key and removed by age. A closing, which
// repeated would be refused, leaves a note of its own in its change: until the answer is kept, that tells what was done.
type replies struct {
	mu    sync.Mutex
	swept time.Time
}

func newReplies() *replies { return &replies{} }

const (
	replyNote    = "reply/"    // by key: request hash, status, body
	actNote      = "act/"      // by key: request hash, ID of what the request made
	replyAgeNote = "reply-at/" // by time and key: nothing
)

// requestKey finds in a context which request is being done.
type requestKey struct{}

type request struct {
	key  string
	hash [32]byte
}

// ForRequest returns a context for doing a request that came with an idempotency key. What must not be done twice is
// noted under the key in the change that does it, so that a till that dies before it keeps the answer knows it was done.
func ForRequest(ctx context.Context, key string, hash [32]byte) context.Context {
	return context.WithValue(ctx, requestKey{}, request{key, hash})
}

// actNotes are the notes to be written with what a request, or a step of a closing, makes.
func (t *Till) actNotes(ctx context.Context, made crdt.ObjectID) []replication.Note {
	if progress, ok := ctx.Value(requestKey{}).(replication.Note); ok {
		return []replication.Note{progress} // see bookStep
	}
	r, ok := ctx.Value(requestKey{}).(request)
	if !ok {
		return nil
	}
	return []replication.Note{r.made(made), aged(replyAgeNote, t.clock.MS(), r.key)}
}

// made is the note of what a request made, which [readAct] reads.
func (r request) made(id crdt.ObjectID) replication.Note {
	b := codec.AppendBytes(codec.AppendArray(nil, 2), r.hash[:])
	return replication.Note{Key: actNote + r.key, Value: codec.AppendBytes(b, id[:])}
}

// acted returns what the request of a context made already, if it did.
func (t *Till) acted(ctx context.Context) (made crdt.ObjectID, done bool, err error) {
	r, ok := ctx.Value(requestKey{}).(request)
	if !ok {
		return made, false, nil
	}
	got, err := t.store.Notes(ctx, actNote+r.key)
	if err != nil || got[0] == nil {
		return made, false, err
	}
	made, err = readAct(got[0], r.hash)
	return made, err == nil, err
}

// readAct reads a note of actNotes. An error wraps [ErrKeyReused] if it is of another request.
func readAct(b []byte, hash [32]byte) (made crdt.ObjectID, err error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(2)
	var was [32]byte
	r.Fixed(was[:])
	r.Fixed(made[:])
	r.Skip(more)
	if err := r.Done(); err != nil {
		return made, fmt.Errorf("note of a request: %w", err)
	}
	if was != hash {
		return made, ErrKeyReused
	}
	return made, nil
}

// Replay returns the answer kept under a key. An error wraps [ErrKeyReused] if the request was another one.
func (t *Till) Replay(ctx context.Context, key string, request [32]byte) (Reply, bool, error) {
	got, err := t.store.Notes(ctx, replyNote+key, actNote+key)
	if err != nil {
		return Reply{}, false, err
	}
	if got[0] == nil {
		if got[1] != nil {
			_, err = readAct(got[1], request)
		}
		return Reply{}, false, err
	}
	reply, err := readReply(got[0], request)
	return reply, err == nil, err
}

// readReply reads a kept answer. An error wraps [ErrKeyReused] if it is of another request.
func readReply(b []byte, request [32]byte) (Reply, error) {
	r := codec.NewReader(b)
	more := r.ArrayOf(3)
	var was [32]byte
	r.Fixed(was[:])
	status := r.Uint()
	reply := Reply{Status: int(status), Body: r.Bytes()}
	r.Skip(more)
	if r.Err() == nil && (status < 100 || status > 599) {
		r.Fail("%d is no status", status)
	}
	if err := r.Done(); err != nil {
		return Reply{}, fmt.Errorf("kept answer: %w", err)
	}
	if was != request {
		return Reply{}, ErrKeyReused
	}
	return reply, nil
}

// bytes returns the value of the note of an answer, which [readReply] reads.
func (r Reply) bytes(request [32]byte) []byte {
	b := codec.AppendBytes(codec.AppendArray(nil, 3), request[:])
	return codec.AppendBytes(codec.AppendUint(b, uint64(r.Status)), r.Body)
}

// Keep keeps the answer to a request for a day.
func (t *Till) Keep(ctx context.Context, key string, request [32]byte, reply Reply) error {
	note := replication.Note{Key: replyNote + key, Value: reply.bytes(request)}
	if _, err := t.save(ctx, replication.Local{Notes: []replication.Note{note, aged(replyAgeNote, t.clock.MS(), key)}}); err != nil {
		return fmt.Errorf("keep answer: %w", err)
	}
	return nil
}

// expire removes answers that are older than a day, a bounded number at a time.
func (r *replies) expire(ctx context.Context, t *Till, now time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.swept) < time.Minute {
		return nil
	}
	r.swept = now
	list, err := t.store.NotesFrom(ctx, replyAgeNote, "", 500)
	if err != nil {
		return err
	}
	var notes []replication.Note
	for _, n := range list {
		rest := n.Key[len(replyAgeNote):]
		if len(rest) < 8 {
			continue
		}
		at := time.UnixMilli(int64(binary.BigEndian.Uint64([]byte(rest[:8]))))
		if now.Sub(at) < replyLife {
			break
		}
		notes = append(notes, replication.Note{Key: n.Key}, replication.Note{Key: replyNote + rest[8:]}, replication.Note{Key: actNote + rest[8:]})
	}
	if len(notes) == 0 {
		return nil
	}
	_, err = t.save(ctx, replication.Local{Notes: notes})
	return err
}
