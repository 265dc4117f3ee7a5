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
// Answers are notes of the till, so they survive a restart; they are found by key and removed by age.
type replies struct {
	mu    sync.Mutex
	swept time.Time
}

func newReplies() *replies { return &replies{} }

const (
	replyNote    = "reply/"    // by key: request hash, status, body
	replyAgeNote = "reply-at/" // by time and key: nothing
)

// Replay returns the answer kept under a key. An error wraps [ErrKeyReused] if the request was another one.
func (t *Till) Replay(ctx context.Context, key string, request [32]byte) (Reply, bool, error) {
	got, err := t.store.Notes(ctx, replyNote+key)
	if err != nil || got[0] == nil {
		return Reply{}, false, err
	}
	r := codec.NewReader(got[0])
	more := r.ArrayOf(3)
	var was [32]byte
	r.Fixed(was[:])
	reply := Reply{Status: int(r.Uint()), Body: r.Bytes()}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return Reply{}, false, fmt.Errorf("kept answer: %w", err)
	}
	if was != request {
		return Reply{}, false, ErrKeyReused
	}
	return reply, true, nil
}

// Keep keeps the answer to a request for a day.
func (t *Till) Keep(ctx context.Context, key string, request [32]byte, reply Reply) error {
	b := codec.AppendBytes(codec.AppendArray(nil, 3), request[:])
	b = codec.AppendBytes(codec.AppendUint(b, uint64(reply.Status)), reply.Body)
	at := binary.BigEndian.AppendUint64([]byte(replyAgeNote), uint64(time.Now().UnixMilli()))
	_, err := t.engine.Commit(ctx, replication.Local{Scope: crdt.Scope{}, Notes: []replication.Note{
		{Key: replyNote + key, Value: b}, {Key: string(at) + key, Value: []byte{1}},
	}})
	if err != nil {
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
		notes = append(notes, replication.Note{Key: n.Key}, replication.Note{Key: replyNote + rest[8:]})
	}
	if len(notes) == 0 {
		return nil
	}
	_, err = t.engine.Commit(ctx, replication.Local{Notes: notes})
	return err
}
