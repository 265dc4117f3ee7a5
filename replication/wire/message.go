package wire

import (
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// Version is the version of the protocol this program speaks, and Oldest the oldest it still understands.
const (
	Version = 1
	Oldest  = 1
)

// Kind names a message. Numbers are part of the protocol: append, never reuse.
type Kind uint8

// The messages; PROTOCOL.md has a section for each.
const (
	KindHello   Kind = 1
	KindScopes  Kind = 2
	KindContext Kind = 3
	KindPull    Kind = 4
	KindCommits Kind = 5
	KindEnd     Kind = 6
	KindPush    Kind = 7
	KindHave    Kind = 8
	KindAsk     Kind = 9
	KindAnswer  Kind = 10
	KindAudit   Kind = 11
	KindBye     Kind = 12
	KindTwice   Kind = 13
)

// Message is one of the structs of this file.
type Message interface {
	Kind() Kind
	append(b []byte) []byte
}

// Hello opens a link and is repeated to compare: equal state hashes mean that there is nothing to do.
type Hello struct {
	Oldest, Newest uint64 // protocol versions the sender understands
	Shop           crdt.ShopID
	Till           crdt.TillID
	Replica        crdt.ReplicaID
	Nonce          [16]byte // fresh for every start of the program
	WallMS         int64    // the sender's wall clock, Unix milliseconds
	State          [16]byte // hash over contexts and digests of all scopes
	Program        string   // version of the program, for people; cut to 64 bytes
	Boot           uint32   // number of the sender's start; 0 if it does not say
}

// Scopes lists what the state hash of Hello was made of.
type Scopes struct{ List []ScopeState }

// ScopeState is the state of one scope.
type ScopeState struct {
	Scope   crdt.Scope
	Context [16]byte // crdt.Context.Hash
	Digest  crdt.Digest
}

// Context advertises what the sender holds of a scope.
type Context struct {
	Scope crdt.Scope
	// Full: Entries is the whole context. Otherwise it holds the replicas whose entry changed since the last Context
	// of this scope on this link.
	Full    bool
	Entries crdt.Context
	Hash    [16]byte // of the whole context
}

// Pull asks for the live commits of a scope within Want.
type Pull struct {
	ID    uint64 // chosen by the sender, unique on the link and direction
	Scope crdt.Scope
	Want  crdt.Context
	// ForHave: asked for because of a Have; its End claims nothing.
	ForHave bool
}

// Commits answers a Pull: encoded commits, frame Index of the answer.
type Commits struct {
	Pull  uint64
	Index uint64 // 0, 1, 2, ... within the answer
	List  [][]byte
}

// End closes the answer to a Pull.
type End struct {
	Pull     uint64
	Complete bool
	Frames   uint64       // how many Commits frames the answer had
	Covers   crdt.Context // commits that need no bytes any more, or were sent
	Hash     [16]byte     // of the sender's whole context of the scope, as last advertised before this frame
}

// Push carries the sender's own new commits.
type Push struct {
	List   [][]byte
	Urgent bool // the receiver is asked to send its Have at once
}

// Have names commits that the sender holds durably.
type Have struct {
	Scope   crdt.Scope
	Entries crdt.Context
}

// Ask is a question that is never stored; Answer its answer.
type Ask struct {
	ID    uint64
	Topic string // at most 32 bytes
	Body  []byte
}

// Answer answers an Ask.
type Answer struct {
	ID   uint64
	OK   bool   // false: the topic is not known or the question was refused
	Body []byte // if not OK: a reason in plain words
}

// Audit compares the live pieces of a scope where contexts are equal. Its body is what AuditBody encodes; an empty one
// is passed over.
type Audit struct {
	Scope crdt.Scope
	Body  []byte
}

// Bye ends a link with a reason.
type Bye struct {
	Code string // stable, such as "wrong-shop"; at most 32 bytes
	Text string // one sentence for people; cut to 400 bytes
}

// Twice tells a till that its key speaks from two running programs, and what is known of the other one.
type Twice struct {
	Replica crdt.ReplicaID // that the other one writes under
	Boot    uint32         // number of its start, 0 if it did not say
	Nonce   [16]byte       // hash of its nonce, see NonceHash
	Later   bool           // the other one was met after the receiver
}

// Kind returns KindHello.
func (*Hello) Kind() Kind { return KindHello }

// Kind returns KindScopes.
func (*Scopes) Kind() Kind { return KindScopes }

// Kind returns KindContext.
func (*Context) Kind() Kind { return KindContext }

// Kind returns KindPull.
func (*Pull) Kind() Kind { return KindPull }

// Kind returns KindCommits.
func (*Commits) Kind() Kind { return KindCommits }

// Kind returns KindEnd.
func (*End) Kind() Kind { return KindEnd }

// Kind returns KindPush.
func (*Push) Kind() Kind { return KindPush }

// Kind returns KindHave.
func (*Have) Kind() Kind { return KindHave }

// Kind returns KindAsk.
func (*Ask) Kind() Kind { return KindAsk }

// Kind returns KindAnswer.
func (*Answer) Kind() Kind { return KindAnswer }

// Kind returns KindAudit.
func (*Audit) Kind() Kind { return KindAudit }

// Kind returns KindBye.
func (*Bye) Kind() Kind { return KindBye }

// Kind returns KindTwice.
func (*Twice) Kind() Kind { return KindTwice }

func (m *Hello) append(b []byte) []byte {
	b = codec.AppendArray(b, 10)
	b = codec.AppendUint(b, m.Oldest)
	b = codec.AppendUint(b, m.Newest)
	b = codec.AppendBytes(b, m.Shop[:])
	b = codec.AppendBytes(b, m.Till[:])
	b = codec.AppendBytes(b, m.Replica[:])
	b = codec.AppendBytes(b, m.Nonce[:])
	b = codec.AppendInt(b, m.WallMS)
	b = codec.AppendBytes(b, m.State[:])
	b = codec.AppendString(b, clip(m.Program, maxProgram))
	return codec.AppendUint(b, uint64(m.Boot))
}

func (m *Hello) read(r *codec.Reader) {
	more := r.ArrayOf(9)
	m.Oldest, m.Newest = r.Uint(), r.Uint()
	r.Fixed(m.Shop[:])
	r.Fixed(m.Till[:])
	r.Fixed(m.Replica[:])
	r.Fixed(m.Nonce[:])
	m.WallMS = r.Int()
	r.Fixed(m.State[:])
	m.Program = text(r, maxProgram)
	if more > 0 { // the first programs ended here
		m.Boot = boot(r)
		more--
	}
	r.Skip(more)
}

func (m *Scopes) append(b []byte) []byte {
	b = codec.AppendArray(b, len(m.List))
	for i := range m.List {
		s := &m.List[i]
		b = s.Scope.Append(codec.AppendArray(b, 3))
		b = codec.AppendBytes(b, s.Context[:])
		b = codec.AppendBytes(b, appendDigest(nil, s.Digest))
	}
	return b
}

func (m *Scopes) read(r *codec.Reader) {
	n := r.Array()
	if n > maxScopes {
		r.Fail("%d scopes, at most %d", n, maxScopes)
		return
	}
	for range n {
		more := r.ArrayOf(3)
		var s ScopeState
		s.Scope = crdt.ReadScope(r)
		r.Fixed(s.Context[:])
		var d [16]byte
		r.Fixed(d[:])
		s.Digest = digest(d)
		r.Skip(more)
		if r.Err() != nil {
			return
		}
		m.List = append(m.List, s)
	}
}

func (m *Context) append(b []byte) []byte {
	b = m.Scope.Append(codec.AppendArray(b, 4))
	b = codec.AppendBool(b, m.Full)
	b = m.Entries.Append(b)
	return codec.AppendBytes(b, m.Hash[:])
}

func (m *Context) read(r *codec.Reader) {
	more := r.ArrayOf(4)
	m.Scope = crdt.ReadScope(r)
	m.Full = r.Bool()
	m.Entries = crdt.ReadContext(r)
	r.Fixed(m.Hash[:])
	r.Skip(more)
}

func (m *Pull) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 4), m.ID)
	b = m.Want.Append(m.Scope.Append(b))
	return codec.AppendBool(b, m.ForHave)
}

func (m *Pull) read(r *codec.Reader) {
	more := r.ArrayOf(4)
	m.ID = r.Uint()
	m.Scope = crdt.ReadScope(r)
	m.Want = crdt.ReadContext(r)
	m.ForHave = r.Bool()
	r.Skip(more)
}

func (m *Commits) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 3), m.Pull)
	return appendList(codec.AppendUint(b, m.Index), m.List)
}

func (m *Commits) read(r *codec.Reader) {
	more := r.ArrayOf(3)
	m.Pull, m.Index = r.Uint(), r.Uint()
	m.List = readList(r)
	r.Skip(more)
}

func (m *End) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 5), m.Pull)
	b = codec.AppendUint(codec.AppendBool(b, m.Complete), m.Frames)
	return codec.AppendBytes(m.Covers.Append(b), m.Hash[:])
}

func (m *End) read(r *codec.Reader) {
	more := r.ArrayOf(5)
	m.Pull, m.Complete, m.Frames = r.Uint(), r.Bool(), r.Uint()
	m.Covers = crdt.ReadContext(r)
	r.Fixed(m.Hash[:])
	r.Skip(more)
}

func (m *Push) append(b []byte) []byte {
	return codec.AppendBool(appendList(codec.AppendArray(b, 2), m.List), m.Urgent)
}

func (m *Push) read(r *codec.Reader) {
	more := r.ArrayOf(2)
	m.List, m.Urgent = readList(r), r.Bool()
	r.Skip(more)
}

func (m *Have) append(b []byte) []byte {
	return m.Entries.Append(m.Scope.Append(codec.AppendArray(b, 2)))
}

func (m *Have) read(r *codec.Reader) {
	more := r.ArrayOf(2)
	m.Scope = crdt.ReadScope(r)
	m.Entries = crdt.ReadContext(r)
	r.Skip(more)
}

func (m *Ask) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 3), m.ID)
	return codec.AppendBytes(codec.AppendString(b, m.Topic), m.Body)
}

func (m *Ask) read(r *codec.Reader) {
	more := r.ArrayOf(3)
	m.ID = r.Uint()
	m.Topic = text(r, maxWord)
	m.Body = r.Bytes()
	r.Skip(more)
}

func (m *Answer) append(b []byte) []byte {
	b = codec.AppendUint(codec.AppendArray(b, 3), m.ID)
	return codec.AppendBytes(codec.AppendBool(b, m.OK), m.Body)
}

func (m *Answer) read(r *codec.Reader) {
	more := r.ArrayOf(3)
	m.ID, m.OK = r.Uint(), r.Bool()
	m.Body = r.Bytes()
	r.Skip(more)
}

func (m *Audit) append(b []byte) []byte {
	return codec.AppendBytes(m.Scope.Append(codec.AppendArray(b, 2)), m.Body)
}

func (m *Audit) read(r *codec.Reader) {
	more := r.ArrayOf(2)
	m.Scope = crdt.ReadScope(r)
	m.Body = r.Bytes()
	r.Skip(more)
}

func (m *Bye) append(b []byte) []byte {
	return codec.AppendString(codec.AppendString(codec.AppendArray(b, 2), m.Code), clip(m.Text, maxText))
}

func (m *Bye) read(r *codec.Reader) {
	more := r.ArrayOf(2)
	m.Code, m.Text = text(r, maxWord), text(r, maxText)
	r.Skip(more)
}

func (m *Twice) append(b []byte) []byte {
	b = codec.AppendBytes(codec.AppendArray(b, 4), m.Replica[:])
	b = codec.AppendUint(b, uint64(m.Boot))
	return codec.AppendBool(codec.AppendBytes(b, m.Nonce[:]), m.Later)
}

func (m *Twice) read(r *codec.Reader) {
	more := r.ArrayOf(4)
	r.Fixed(m.Replica[:])
	m.Boot = boot(r)
	r.Fixed(m.Nonce[:])
	m.Later = r.Bool()
	r.Skip(more)
}

// NonceHash is what Twice tells of a nonce, so that nobody can pass off as its process.
func NonceHash(nonce [16]byte) [16]byte {
	sum := sha256.Sum256(append([]byte("tillmesh nonce 1\n"), nonce[:]...))
	return [16]byte(sum[:16])
}

// boot reads the number of a start.
func boot(r *codec.Reader) uint32 {
	n := r.Uint()
	if n > math.MaxUint32 {
		r.Fail("start %d", n)
		return 0
	}
	return uint32(n)
}

func appendList(b []byte, list [][]byte) []byte {
	b = codec.AppendArray(b, len(list))
	for _, c := range list {
		b = codec.AppendBytes(b, c)
	}
	return b
}

func readList(r *codec.Reader) [][]byte {
	n := r.Array()
	list := make([][]byte, 0, min(n, 4096))
	for range n {
		c := r.Bytes()
		if r.Err() != nil {
			return nil
		}
		list = append(list, c)
	}
	return list
}

// Decode reads the body of a frame. A kind this program does not know returns nil without an error: newer programs may
// send it and it is passed over. Errors wrap [ErrFrame]. The message shares the body's bytes.
func Decode(k Kind, body []byte) (Message, error) {
	if err := checkBody(k, body); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %w", ErrFrame, k, err)
	}
	var m interface {
		Message
		read(*codec.Reader)
	}
	switch k {
	case KindHello:
		m = new(Hello)
	case KindScopes:
		m = new(Scopes)
	case KindContext:
		m = new(Context)
	case KindPull:
		m = new(Pull)
	case KindCommits:
		m = new(Commits)
	case KindEnd:
		m = new(End)
	case KindPush:
		m = new(Push)
	case KindHave:
		m = new(Have)
	case KindAsk:
		m = new(Ask)
	case KindAnswer:
		m = new(Answer)
	case KindAudit:
		m = new(Audit)
	case KindBye:
		m = new(Bye)
	case KindTwice:
		m = new(Twice)
	default:
		return nil, nil
	}
	r := codec.NewReader(body)
	m.read(r)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: kind %d: %w", ErrFrame, k, err)
	}
	return m, nil
}
