package greeting

import (
	"crypto/ed25519"
	"crypto/sha256"
	"time"
)

// Patience is how long the cloud waits for a Proof, and a till for each message of the cloud.
const Patience = 10 * time.Second

// What is signed begins with one of these and a zero byte, so that no signature can pass as one for something else.
const (
	textProof   = "tillmesh uplink proof 1\x00"
	textWelcome = "tillmesh uplink welcome 1\x00"
	textRefusal = "tillmesh uplink refusal 1\x00"
)

// Greeting is the cloud's side of one greeting.
type Greeting struct {
	key       ed25519.PrivateKey
	challenge []byte
	proof     []byte // as it came; nil: none did yet
	checked   bool
}

// Open begins a greeting: key is the cloud's, nonce random and new, nowMS the cloud's clock.
func Open(key ed25519.PrivateKey, nonce Nonce, nowMS int64) *Greeting {
	c := Challenge{Oldest: Oldest, Newest: Newest, TimeMS: nowMS, Nonce: nonce}
	copy(c.Key[:], publicOf(key))
	return &Greeting{key: key, challenge: envelope{kind: kindChallenge, body: c.body()}.encode()}
}

func publicOf(key ed25519.PrivateKey) []byte {
	return key[ed25519.PrivateKeySize-ed25519.PublicKeySize:]
}

// Challenge returns the first message.
func (g *Greeting) Challenge() []byte { return g.challenge }

// Check reads a Proof that came after the given time and returns who is there, or why it is refused ([BadProof], [VersionTooOld],
// [VersionTooNew]). mine reports whether a host is a name of this cloud. Whether the till may come in, the caller has to find out. One
// Greeting checks one Proof; every further one is refused.
func (g *Greeting) Check(message []byte, after time.Duration, mine func(host string) bool) (Proof, *Refusal) {
	if g.checked {
		return Proof{}, bad("a second proof on one connection")
	}
	g.checked = true
	e, err := openEnvelope(message)
	if err != nil {
		return Proof{}, bad(err.Error())
	}
	p, err := readProof(e)
	if err != nil {
		return Proof{}, bad(err.Error())
	}
	g.proof = message
	switch {
	case after > Patience || after < 0:
		return Proof{}, bad("the proof came too late")
	case len(e.signature) != ed25519.SignatureSize || !ed25519.Verify(p.Key[:], g.proofText(e.body), e.signature):
		return Proof{}, bad("the signature does not fit the key and this connection")
	case !mine(p.Audience):
		return Proof{}, bad("the till called " + p.Audience + ", which is not a name of this cloud")
	case p.Version < Oldest:
		return Proof{}, Refuse(VersionTooOld)
	case p.Version > Newest:
		return Proof{}, Refuse(VersionTooNew)
	}
	return p, nil
}

func bad(why string) *Refusal {
	return &Refusal{Code: BadProof, Text: BadProof.Text() + ": " + clip(why, 300)}
}

func (g *Greeting) proofText(body []byte) []byte { return proofText(g.challenge, body) }

func proofText(challenge, body []byte) []byte {
	sum := sha256.Sum256(challenge)
	return append(append([]byte(textProof), sum[:]...), body...)
}

// endText is what the cloud signs at the end: both messages before it, and the body.
func endText(begin string, challenge, proof, body []byte) []byte {
	first, second := sha256.Sum256(challenge), sha256.Sum256(proof)
	return append(append(append([]byte(begin), first[:]...), second[:]...), body...)
}

// Welcome returns the message that ends the greeting well. It must follow a Check without a refusal.
func (g *Greeting) Welcome(w Welcome) []byte {
	body := w.body()
	return envelope{kindWelcome, body, ed25519.Sign(g.key, endText(textWelcome, g.challenge, g.proof, body))}.encode()
}

// Refuse returns the message that ends the greeting otherwise. It may come instead of a Check, and then is not signed.
func (g *Greeting) Refuse(r *Refusal) []byte {
	e := envelope{kind: kindRefusal, body: r.body()}
	if g.proof != nil {
		e.signature = ed25519.Sign(g.key, endText(textRefusal, g.challenge, g.proof, e.body))
	}
	return e.encode()
}
