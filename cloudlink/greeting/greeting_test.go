package greeting_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/greeting"
	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

const (
	host  = "cloud.example:8490"
	nowMS = 1795219200123
)

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func idOf(k ed25519.PrivateKey) crdt.TillID { return crdt.TillIDOf(k[32:]) }

var (
	cloudKey, tillKey = key(1), key(2)
	shop              = crdt.ShopID{3, 4, 5}
	welcome           = greeting.Welcome{TimeMS: nowMS + 40, Replica: crdt.ReplicaID{6, 7}, Session: 12, Term: 7, Holder: idOf(tillKey)}
)

func open(nonce byte) *greeting.Greeting {
	return greeting.Open(cloudKey, greeting.Nonce{nonce, 0x10}, nowMS)
}

func self() greeting.Self {
	return greeting.Self{Shop: shop, Key: tillKey, Cloud: idOf(cloudKey), Audience: "Cloud.Example:8490", Program: "tillmesh 0.5",
		Nonce: greeting.Nonce{9, 0x20}}
}

func mine(h string) bool { return h == host }

func answer(t testing.TB, g *greeting.Greeting) (*greeting.Answering, []byte) {
	a, proof, err := greeting.Answer(g.Challenge(), self())
	require.NoError(t, err)
	return a, proof
}

func TestGreetingEndsWell(t *testing.T) {
	g := open(1)
	a, proof := answer(t, g)
	require.EqualValues(t, nowMS, a.Challenge.TimeMS)
	p, refused := g.Check(proof, time.Second, mine)
	require.Nil(t, refused)
	require.Equal(t, idOf(tillKey), p.Till())
	require.Equal(t, greeting.Proof{Version: 1, Shop: shop, Key: [32]byte(tillKey[32:]), Nonce: greeting.Nonce{9, 0x20}, Audience: host,
		Program: "tillmesh 0.5"}, p)
	got, err := a.End(g.Welcome(welcome))
	require.NoError(t, err)
	require.Equal(t, welcome, got)
}

func TestProofIsOfNoUseElsewhere(t *testing.T) {
	g := open(1)
	_, proof := answer(t, g)
	refusedBy := func(g *greeting.Greeting, message []byte, after time.Duration, mine func(string) bool) string {
		_, refused := g.Check(message, after, mine)
		require.NotNil(t, refused)
		require.Equal(t, greeting.BadProof, refused.Code)
		return refused.Text
	}
	require.Contains(t, refusedBy(open(2), proof, 0, mine), "signature", "replayed on another connection")
	require.Contains(t, refusedBy(greeting.Open(key(8), greeting.Nonce{1, 0x10}, nowMS), proof, 0, mine), "signature", "passed on to another cloud")
	require.Contains(t, refusedBy(open(1), proof, 0, func(string) bool { return false }), host, "passed on by a server of another name")
	require.Contains(t, refusedBy(open(1), proof, greeting.Patience+1, mine), "too late")
	require.Contains(t, refusedBy(open(1), proof, -1, mine), "too late", "the cloud's clock jumped")
	_, refused := g.Check(proof, 0, mine)
	require.Nil(t, refused)
	require.Contains(t, refusedBy(g, proof, 0, mine), "second proof")
}

// A changed bit in any byte of a Proof or of the Challenge below it is refused.
func TestEveryByteCounts(t *testing.T) {
	challenge := open(1).Challenge()
	_, proof := answer(t, open(1))
	for i := range proof {
		_, refused := open(1).Check(changed(proof, i), 0, mine)
		require.NotNil(t, refused, "byte %d of the proof", i)
	}
	for i := range challenge {
		a, proof, err := greeting.Answer(changed(challenge, i), self())
		if err != nil {
			continue
		}
		_, refused := open(1).Check(proof, 0, mine)
		require.NotNil(t, refused, "byte %d of the challenge", i)
		g := open(1)
		_, proof = answer(t, g)
		_, refused = g.Check(proof, 0, mine)
		require.Nil(t, refused)
		_, err = a.End(g.Welcome(welcome))
		require.ErrorIs(t, err, greeting.ErrNotCloud, "the welcome for another challenge")
	}
	g := open(1)
	a, proof := answer(t, g)
	_, refused := g.Check(proof, 0, mine)
	require.Nil(t, refused)
	for _, message := range [][]byte{g.Welcome(welcome), g.Refuse(&greeting.Refusal{Code: greeting.Revoked, Text: "no", SinceMS: 7, Retry: time.Second})} {
		for i := range message {
			_, err := a.End(changed(message, i))
			require.Error(t, err)
			if r := greeting.RefusalOf(err); r != nil {
				require.False(t, r.Signed, "byte %d", i)
				require.False(t, r.Believed() && r.Code.Lasting())
			}
		}
	}
}

// changed returns the bytes with one bit of byte i turned.
func changed(b []byte, i int) []byte {
	b = bytes.Clone(b)
	b[i] ^= 1 << (i % 8)
	return b
}

func TestTillKnowsItsCloud(t *testing.T) {
	_, _, err := greeting.Answer(greeting.Open(key(8), greeting.Nonce{1}, nowMS).Challenge(), self())
	require.ErrorIs(t, err, greeting.ErrOtherCloud)

	g := open(1)
	a, proof := answer(t, g)
	_, refused := g.Check(proof, 0, mine)
	require.Nil(t, refused)
	other := greeting.Open(key(8), greeting.Nonce{1, 0x10}, nowMS) // holds another key and says what the cloud says
	_, refused = other.Check(proof, 0, mine)
	require.NotNil(t, refused)
	_, err = a.End(other.Welcome(welcome))
	require.ErrorIs(t, err, greeting.ErrNotCloud)
	_, err = a.End(proof)
	require.ErrorIs(t, err, codec.ErrMalformed)
}

func TestRefusalsAreSigned(t *testing.T) {
	since := &greeting.Refusal{Code: greeting.Revoked, Text: strings.Repeat("ü", 300), SinceMS: nowMS, Retry: 48 * time.Hour}
	g := open(1)
	a, proof := answer(t, g)
	_, err := a.End(g.Refuse(since))
	r := greeting.RefusalOf(err)
	require.NotNil(t, r)
	require.False(t, r.Signed, "no proof came yet")
	require.False(t, r.Believed())
	_, refused := g.Check(proof, 0, mine)
	require.Nil(t, refused)
	_, err = a.End(g.Refuse(since))
	r = greeting.RefusalOf(err)
	require.NotNil(t, r)
	require.Equal(t, &greeting.Refusal{Code: greeting.Revoked, Text: strings.Repeat("ü", 200), SinceMS: nowMS, Retry: 24 * time.Hour, Signed: true}, r)
	require.True(t, r.Believed())
	require.ErrorContains(t, r, "(revoked)")

	_, _, err = greeting.Answer(open(1).Refuse(greeting.Refuse(greeting.Maintenance)), self())
	r = greeting.RefusalOf(err)
	require.NotNil(t, r)
	require.True(t, r.Believed(), "nothing lasting")
	require.Equal(t, "the cloud is being worked on", r.Text)
	require.Nil(t, greeting.RefusalOf(errors.New("other")))
}

var codes = []greeting.Code{greeting.NotCoupled, greeting.WrongAccount, greeting.Revoked, greeting.Retired, greeting.VersionTooOld,
	greeting.VersionTooNew, greeting.UnknownKey, greeting.BadProof, greeting.Elsewhere, greeting.Busy, greeting.Full, greeting.Maintenance}

func TestCodesHaveTexts(t *testing.T) {
	lasting := 0
	for _, c := range codes {
		require.NotEqual(t, greeting.Code("?").Text(), c.Text())
		if c.Lasting() {
			lasting++
		}
	}
	require.Equal(t, 8, lasting)
	require.False(t, greeting.Code("of a newer cloud").Lasting())
}

// versions makes the challenge of a cloud that speaks other versions.
func versions(oldest, newest uint64) []byte {
	k := cloudKey[32:]
	body := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 6), oldest), newest)
	body = codec.AppendBytes(codec.AppendBytes(codec.AppendInt(body, nowMS), make([]byte, 32)), k)
	body = codec.AppendString(body, "of a newer program")
	b := codec.AppendUint(codec.AppendUint(codec.AppendArray(nil, 5), 1), 1)
	return codec.AppendNil(codec.AppendBytes(codec.AppendBytes(b, body), nil))
}

func TestVersions(t *testing.T) {
	_, _, err := greeting.Answer(versions(2, 3), self())
	require.ErrorIs(t, err, greeting.ErrTooOld)
	_, _, err = greeting.Answer(versions(0, 0), self())
	require.ErrorIs(t, err, greeting.ErrTooNew)
	_, _, err = greeting.Answer(versions(3, 2), self())
	require.ErrorIs(t, err, codec.ErrMalformed)
	_, proof, err := greeting.Answer(versions(1, 9), self())
	require.NoError(t, err, "a newer cloud with more fields")
	require.NotEmpty(t, proof)
}
