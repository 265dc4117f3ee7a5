package coupling_test

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink"
	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/cloudlink/socket"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// challenge is the first message of a cloud that speaks other versions, written as cloudlink/PROTOCOL.md says and not as this program does: its
// array has one element more, as that of a newer program may.
func challenge(key ed25519.PrivateKey, oldest, newest uint64) []byte {
	public, _ := key.Public().(ed25519.PublicKey)
	body := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 6), oldest), newest)
	body = codec.AppendBytes(codec.AppendInt(body, time.Now().UnixMilli()), bytes.Repeat([]byte{7}, 32))
	body = codec.AppendString(codec.AppendBytes(body, public), "of another program")
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 4), 1), 1)
	return codec.AppendBytes(codec.AppendBytes(b, body), nil)
}

// speaks is the uplink of the same cloud, with its key and address, run by a program that speaks other versions. It takes no Proof.
func speaks(t *testing.T, key ed25519.PrivateKey, oldest, newest uint64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream, err := socket.Accept(w, r, socket.Limits{})
		if err != nil {
			return // a till that only looks whether the cloud is there
		}
		defer func() { _ = stream.Close() }() // the till may have closed it
		if stream.Send(challenge(key, oldest, newest)) != nil {
			return // the till may be stopping
		}
		_, err = stream.Receive(greeting.MaxMessage, greeting.Patience)
		assert.Error(t, err, "a till proves nothing to a cloud that it shares no version with")
	}
}

// generation is the uplink of a cloud whose transport has another number, as [socket.Accept] answers those that have not ours.
func generation(protocol string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Sec-WebSocket-Protocol", protocol)
		http.Error(w, "this address speaks "+protocol+" only", http.StatusBadRequest)
	}
}

// upgraded is one that takes the WebSocket under its own number, although the till did not offer that.
func upgraded(protocol string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Sec-WebSocket-Protocol", protocol)
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{protocol}})
		if err == nil {
			_ = conn.CloseNow() // the till may have closed it
		}
	}
}

// links is one that welcomes the till with its key, and then says in its first frame that it speaks other versions of the link protocol.
func links(t *testing.T, key ed25519.PrivateKey, oldest, newest uint64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		stream, err := socket.Accept(w, r, socket.Limits{})
		if err != nil {
			return // a till that only looks whether the cloud is there
		}
		defer func() { _ = stream.Close() }() // the till may have closed it
		g := greeting.Open(key, greeting.Nonce{7}, time.Now().UnixMilli())
		if stream.Send(g.Challenge()) != nil {
			return // the till may be stopping
		}
		message, err := stream.Receive(greeting.MaxMessage, greeting.Patience)
		if err != nil {
			return
		}
		proof, refused := g.Check(message, 0, func(string) bool { return true })
		if !assert.Nil(t, refused) || stream.Send(g.Welcome(greeting.Welcome{TimeMS: time.Now().UnixMilli(), Replica: crdt.ReplicaID{7}, Session: 1})) != nil {
			return
		}
		stream.Keep()
		public, _ := key.Public().(ed25519.PublicKey)
		e, err := wire.NewEncoder()
		if !assert.NoError(t, err) {
			return
		}
		hello, err := e.Append(nil, &wire.Hello{Oldest: oldest, Newest: newest, Shop: proof.Shop, Till: crdt.TillIDOf(public), Replica: crdt.ReplicaID{7}}, false)
		if !assert.NoError(t, err) {
			return
		}
		if _, err = stream.Write(hello); err == nil {
			_, _ = io.Copy(io.Discard, stream) // until the till hangs up
		}
	}
}

// TestTheCloudSpeaksAnotherVersion: till and cloud were updated apart and share no version of the protocol. The till says which of the two is too old, since
// when and what to do, sells, calls again by itself, and once the versions fit everything arrives, without a restart of the till.
func TestTheCloudSpeaksAnotherVersion(t *testing.T) {
	t.Parallel()
	c := startCloud(t)
	one, b := coupledThrough(t, c)

	const ours = greeting.Newest
	for _, x := range []struct {
		name   string
		answer http.HandlerFunc
		code   greeting.Code
		exact  string // what happened, for who looks closer
	}{
		{"a cloud that speaks later versions only", speaks(t, c.key, ours+1, ours+3), greeting.VersionTooOld, "it speaks versions from 2 on, this till up to 1"},
		{"a cloud of before the first version", speaks(t, c.key, 0, greeting.Oldest-1), greeting.VersionTooNew, "it speaks versions up to 0, this till from 1 on"},
		{"a cloud of the next generation", generation("tillmesh.2"), greeting.VersionTooOld, "400"},
		{"a cloud of the generation before", generation("tillmesh.0"), greeting.VersionTooNew, "400"},
		{"a cloud whose links are of later versions only", links(t, c.key, 90, 91), greeting.VersionTooOld, "it is the newer one: it speaks 90 to 91"},
		{"a cloud whose links are of before the first version", links(t, c.key, 0, 0), greeting.VersionTooNew, "it is the older one: it speaks 0 to 0"},
		{"one that does not care what was offered", upgraded("tillmesh.2"), greeting.VersionTooOld, "tillmesh.2"},
	} {
		t.Logf("the cloud is now %s", x.name)
		from := time.Now()
		b.become(x.answer)
		held := []node.Receipt{one.sell()}
		one.stands(cloudlink.Cause(x.code), held[0], x.code.Text(), from)
		s := one.CloudState(t.Context()).Status
		require.ErrorContains(t, s.Err, x.exact)
		require.Zero(t, s.CloudSince, "a cloud that does not understand the till says nothing about it")
		for range 3 {
			held = append(held, one.sell())
		}
		require.NotEqual(t, node.StepDone, one.step(held[3].Number, node.StepArchive).State)

		// The alarm is raised once, and the time since when stays over all further calls.
		before, since := s.Attempts, s.Since
		one.eventually("it called again", func() bool {
			_ = one.CallCloud() // it may be calling
			return one.CloudState(t.Context()).Status.Attempts > before
		})
		one.eventually("it says so again", func() bool {
			s = one.CloudState(t.Context()).Status
			return s.State == cloudlink.Stuck && !s.Next.IsZero()
		})
		require.Equal(t, since, s.Since)
		unseen := func() []node.Alarm {
			return slices.DeleteFunc(one.alarms(node.AlarmCloudRefused), func(a node.Alarm) bool { return !a.Seen.IsZero() })
		}
		one.eventually("an alarm nobody has seen yet", func() bool { return len(unseen()) == 1 })
		a := unseen()[0]
		require.Contains(t, a.Text, x.code.Text()+". Nothing of this till gets into the archive by itself until that is mended; selling goes on.")
		_, err := one.SeenAlarm(t.Context(), a.ID, "Anna")
		require.NoError(t, err)

		// Nobody has to press a button: the next call is planned, within a minute. Here it is made at once.
		require.WithinRange(t, s.Next, from, time.Now().Add(time.Minute+time.Second))
		b.become(nil)
		for _, r := range held {
			one.arrives(r)
		}
		require.Empty(t, unseen(), "the calls after the first one said nothing new")
	}
}
