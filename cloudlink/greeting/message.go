package greeting

import (
	"crypto/ed25519"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// The versions of what follows the greeting that this program speaks.
const (
	Oldest = 1
	Newest = 1
)

// Limits.
const (
	MaxMessage  = 4096 // bytes of one message of the greeting
	MaxAudience = 261  // bytes of a host with its port
	maxProgram  = 64
	maxAccount  = 254
	maxCode     = 32
	maxText     = 400
	maxRetry    = 24 * time.Hour
)

// layout is the version of the four messages themselves; it stays for ever, so that any two programs can at least refuse.
const layout = 1

type kind uint64

const (
	kindChallenge kind = 1
	kindProof     kind = 2
	kindWelcome   kind = 3
	kindRefusal   kind = 4
)

// Nonce is random and used for one connection only.
type Nonce [32]byte

// Challenge is what the cloud says first.
type Challenge struct {
	Oldest, Newest uint64 // versions that the cloud speaks
	TimeMS         int64  // its clock, Unix milliseconds
	Nonce          Nonce
	Key            [ed25519.PublicKeySize]byte
}

// Proof is who the till says it is. What [Greeting.Check] returns has been proved.
type Proof struct {
	Version  uint64 // that is spoken from here on
	Shop     crdt.ShopID
	Key      [ed25519.PublicKeySize]byte
	Nonce    Nonce
	Audience string // the host that the till called, as in a URL, lower case, with the port if the URL has one
	Program  string // version of its program
	Account  string // what the account is called that the shop was coupled with, as far as this till knows; empty: it does not say
}

// Till returns the ID of the till with that key.
func (p Proof) Till() crdt.TillID { return crdt.TillIDOf(p.Key[:]) }

// Welcome ends a greeting; frames follow.
type Welcome struct {
	TimeMS  int64          // the cloud's clock, Unix milliseconds
	Replica crdt.ReplicaID // under which the cloud writes in this shop
	Session uint64         // number of this session of the shop, for the lease
	Term    uint64         // of the present lease; 0: there was none yet
	Holder  crdt.TillID    // who holds it; zero: nobody does now
}

// envelope is what all messages look like: [layout, kind, body, signature].
type envelope struct {
	kind      kind
	body      []byte // verbatim, as signed
	signature []byte // may be empty
}

func (e envelope) encode() []byte {
	b := codec.AppendUint(codec.AppendArray(nil, 4), layout)
	b = codec.AppendUint(b, uint64(e.kind))
	return codec.AppendBytes(codec.AppendBytes(b, e.body), e.signature)
}

func openEnvelope(b []byte) (envelope, error) {
	var e envelope
	if len(b) > MaxMessage {
		return e, fmt.Errorf("%w: a message of %d bytes, at most %d", codec.ErrMalformed, len(b), MaxMessage)
	}
	if err := codec.Check(b); err != nil {
		return e, err
	}
	r := codec.NewReader(b)
	more := r.ArrayOf(4)
	if v := r.Uint(); r.Err() == nil && v != layout {
		r.Fail("a greeting of layout %d, this program knows %d", v, layout)
	}
	e.kind = kind(r.Uint())
	e.body, e.signature = r.Bytes(), r.Bytes()
	r.Skip(more)
	if err := r.Done(); err != nil {
		return envelope{}, err
	}
	return e, codec.Check(e.body)
}

// read opens the body of a message of one kind.
func (e envelope) read(want kind, fields int, each func(*codec.Reader)) error {
	return e.readMore(want, fields, func(r *codec.Reader, more int) int {
		each(r)
		return more
	})
}

// readMore is read for a message that may hold so many fields more; each returns how many of them it did not read.
func (e envelope) readMore(want kind, fields int, each func(r *codec.Reader, more int) int) error {
	if e.kind != want {
		return fmt.Errorf("%w: a message of kind %d where %d has to come", codec.ErrMalformed, e.kind, want)
	}
	r := codec.NewReader(e.body)
	r.Skip(each(r, r.ArrayOf(fields)))
	return r.Done()
}

func (c Challenge) body() []byte {
	b := codec.AppendArray(nil, 5)
	b = codec.AppendUint(codec.AppendUint(b, c.Oldest), c.Newest)
	b = codec.AppendInt(b, c.TimeMS)
	return codec.AppendBytes(codec.AppendBytes(b, c.Nonce[:]), c.Key[:])
}

func readChallenge(e envelope) (c Challenge, err error) {
	err = e.read(kindChallenge, 5, func(r *codec.Reader) {
		c.Oldest, c.Newest, c.TimeMS = r.Uint(), r.Uint(), r.Int()
		r.Fixed(c.Nonce[:])
		r.Fixed(c.Key[:])
		if c.Oldest > c.Newest {
			r.Fail("versions from %d to %d", c.Oldest, c.Newest)
		}
	})
	return c, err
}

func (p Proof) body() []byte {
	fields := 6
	if p.Account != "" {
		fields++
	}
	b := codec.AppendUint(codec.AppendArray(nil, fields), p.Version)
	b = codec.AppendBytes(b, p.Shop[:])
	b = codec.AppendBytes(codec.AppendBytes(b, p.Key[:]), p.Nonce[:])
	b = codec.AppendString(codec.AppendString(b, p.Audience), p.Program)
	if p.Account != "" {
		b = codec.AppendString(b, p.Account)
	}
	return b
}

func readProof(e envelope) (p Proof, err error) {
	err = e.readMore(kindProof, 6, func(r *codec.Reader, more int) int {
		p.Version = r.Uint()
		r.Fixed(p.Shop[:])
		r.Fixed(p.Key[:])
		r.Fixed(p.Nonce[:])
		p.Audience, p.Program = text(r, MaxAudience), text(r, maxProgram)
		if more > 0 { // tills say it since they name the account
			p.Account = text(r, maxAccount)
			more--
		}
		return more
	})
	return p, err
}

func (w Welcome) body() []byte {
	b := codec.AppendInt(codec.AppendArray(nil, 5), w.TimeMS)
	b = codec.AppendBytes(b, w.Replica[:])
	b = codec.AppendUint(codec.AppendUint(b, w.Session), w.Term)
	return codec.AppendBytes(b, w.Holder[:])
}

func readWelcome(e envelope) (w Welcome, err error) {
	err = e.read(kindWelcome, 5, func(r *codec.Reader) {
		w.TimeMS = r.Int()
		r.Fixed(w.Replica[:])
		w.Session, w.Term = r.Uint(), r.Uint()
		r.Fixed(w.Holder[:])
	})
	return w, err
}

func (r *Refusal) body() []byte {
	b := codec.AppendString(codec.AppendArray(nil, 4), clip(string(r.Code), maxCode))
	b = codec.AppendString(b, clip(r.Text, maxText))
	b = codec.AppendInt(b, r.SinceMS)
	return codec.AppendUint(b, uint64(min(max(r.Retry, 0), maxRetry).Milliseconds()))
}

func readRefusal(e envelope) (*Refusal, error) {
	var out Refusal
	err := e.read(kindRefusal, 4, func(r *codec.Reader) {
		out.Code, out.Text, out.SinceMS = Code(text(r, maxCode)), text(r, maxText), r.Int()
		retry := r.Uint()
		if retry > uint64(maxRetry.Milliseconds()) {
			r.Fail("call again in %d ms, at most a day", retry)
		}
		out.Retry = time.Duration(retry) * time.Millisecond
	})
	return &out, err
}

// text reads a text of at most limit bytes.
func text(r *codec.Reader, limit int) string {
	b := r.StringBytes()
	if len(b) > limit || !utf8.Valid(b) {
		r.Fail("a text of %d bytes, at most %d bytes of UTF-8", len(b), limit)
		return ""
	}
	return string(b)
}

// clip shortens a text that only people read to what the other side takes.
func clip(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}
