package node

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// topicCloud is under which a till asks the one that forwards how that stands with the cloud.
const topicCloud = "cloud/state"

// askCloudTime bounds that question.
const askCloudTime = 2 * time.Second

// CloudSaid is what the till that forwards says of the cloud.
type CloudSaid struct {
	Till     crdt.TillID
	State    cloudlink.State
	Cause    cloudlink.Cause
	Text     string    // of the cause, empty if there is none
	Since    time.Time // by this till's clock
	Pending  uint64    // records that the cloud lacks
	Complete time.Time // when the cloud last had everything that till has; zero: never, or not since its start
	Next     time.Time // when it calls again; zero: that is not planned
}

const (
	cloudSaidVersion = 1
	cloudSaidMost    = 500 // bytes of a text
	cloudAgeMost     = 100 * 365 * 24 * time.Hour
)

// encodeCloudSaid returns [1, state, cause, text, ms since, pending, ms since complete or nil, ms until next or nil].
func encodeCloudSaid(s cloudlink.Status, now time.Time) []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 8), cloudSaidVersion)
	b = codec.AppendString(codec.AppendString(b, string(s.State)), string(s.Cause))
	b = codec.AppendString(b, clipTo(s.Text, cloudSaidMost))
	b = appendSpan(b, now.Sub(s.Since))
	b = codec.AppendUint(b, s.Progress.Pending())
	if s.Complete.IsZero() {
		b = codec.AppendNil(b)
	} else {
		b = appendSpan(b, now.Sub(s.Complete))
	}
	if s.Next.IsZero() {
		return codec.AppendNil(b)
	}
	return appendSpan(b, s.Next.Sub(now))
}

func appendSpan(b []byte, d time.Duration) []byte {
	return codec.AppendUint(b, uint64(min(max(d, 0), cloudAgeMost).Milliseconds()))
}

// decodeCloudSaid reads such an answer. The error wraps [codec.ErrMalformed].
func decodeCloudSaid(b []byte, now time.Time) (CloudSaid, error) {
	var s CloudSaid
	if err := codec.Check(b); err != nil {
		return s, fmt.Errorf("read how another till stands with the cloud: %w", err)
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(8)
	if v := r.Uint(); r.Err() == nil && v != cloudSaidVersion {
		r.Fail("version %d, this program knows %d", v, cloudSaidVersion)
	}
	state, cause, text := r.String(), r.String(), r.String()
	if len(state) > 32 || len(cause) > 32 || len(text) > cloudSaidMost {
		r.Fail("a text that is too long")
	}
	s.State, s.Cause, s.Text = cloudlink.State(state), cloudlink.Cause(cause), text
	s.Since = now.Add(-readSpan(r))
	s.Pending = r.Uint()
	if !r.Nil() {
		s.Complete = now.Add(-readSpan(r))
	}
	if !r.Nil() {
		s.Next = now.Add(readSpan(r))
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return CloudSaid{}, fmt.Errorf("read how another till stands with the cloud: %w", err)
	}
	return s, nil
}

func readSpan(r *codec.Reader) time.Duration {
	ms := r.Uint()
	if ms > uint64(cloudAgeMost.Milliseconds()) {
		r.Fail("%d ms are too long", ms)
		return 0
	}
	return time.Duration(ms) * time.Millisecond
}

func clipTo(s string, most int) string {
	for i := range s {
		if i > most-4 {
			return s[:i]
		}
	}
	return s
}

// askedForCloud answers another till.
func (t *Till) askedForCloud() ([]byte, bool) {
	if t.coupler.line == nil {
		return []byte("this till has no way to a cloud"), false
	}
	return encodeCloudSaid(t.coupler.line.Status(), t.env.Now()), true
}

// askForCloud asks the till that forwards.
func (t *Till) askForCloud(ctx context.Context, till crdt.TillID) (CloudSaid, error) {
	ctx, cancel := context.WithTimeout(ctx, askCloudTime)
	defer cancel()
	body, err := t.replicator.Ask(ctx, till, topicCloud, nil)
	if err != nil {
		return CloudSaid{}, err
	}
	said, err := decodeCloudSaid(body, t.env.Now())
	said.Till = till
	return said, err
}

// ownCloud is what this till would say.
func (t *Till) ownCloud(s cloudlink.Status) CloudSaid {
	return CloudSaid{Till: t.id.Till, State: s.State, Cause: s.Cause, Text: s.Text, Since: s.Since, Pending: s.Progress.Pending(), Complete: s.Complete, Next: s.Next}
}
