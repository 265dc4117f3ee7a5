package simulation

import (
	"context"
	"fmt"
	"strings"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/replication/wire"
)

// reader is a store that can be looked into; *store.Store and *store.Guard are one.
type reader interface {
	Object(context.Context, crdt.Key) (*crdt.Object, error)
	Piece(context.Context, crdt.Scope, crdt.Ref) (*crdt.Piece, error)
	Recount(context.Context, crdt.Scope) (crdt.Digest, error)
	RecountDormant(context.Context, crdt.Scope) (kept, found crdt.Digest, err error)
}

// told checks that a message says nothing that a power cut now would make untrue.
func (o *oracle) told(l *Life, m wire.Message) {
	if l.m.check.lossy {
		return
	}
	switch m := m.(type) {
	case *wire.Context:
		o.holds(l, m.Scope, m.Entries)
	case *wire.Have:
		o.holds(l, m.Scope, m.Entries)
	case *wire.Push:
		o.sends(l, m.List)
	case *wire.Commits:
		o.sends(l, m.List)
	case *wire.Audit:
		if body, err := wire.DecodeAudit(m.Body); err == nil && body != nil {
			o.sends(l, body.Commits)
		}
	}
}

func (o *oracle) holds(l *Life, scope crdt.Scope, entries crdt.Context) {
	if kept := l.m.durable(scope); !kept.Covers(entries) {
		l.w.Fail("%s tells of commits in %v that a power cut would lose: %v", l.m.name, scope, entries.Minus(kept))
	}
}

func (o *oracle) sends(l *Life, list [][]byte) {
	for _, raw := range list {
		c, err := crdt.DecodeCommit(raw)
		if err != nil {
			l.w.Fail("%s sends a commit that cannot be read: %v", l.m.name, err)
			return
		}
		o.holds(l, c.Scope, crdt.Context{c.Dot.Replica: {{After: c.Dot.Seq - 1, To: c.Dot.Seq}}})
		if r := o.record(c.Scope, c.Dot); r == nil || string(r.commit.Bytes()) != string(raw) {
			l.w.Fail("%s sends %v of %v otherwise than it was written", l.m.name, c.Dot, c.Scope)
		}
	}
}

// kindName names the kind of a message.
func kindName(m wire.Message) string { return strings.TrimPrefix(fmt.Sprintf("%T", m), "*wire.") }

// describe puts a message into a line of the trace.
func describe(m wire.Message) string {
	switch m := m.(type) {
	case *wire.Hello:
		return fmt.Sprintf("Hello state %x", m.State[:4])
	case *wire.Scopes:
		return fmt.Sprintf("Scopes %d", len(m.List))
	case *wire.Context:
		return fmt.Sprintf("Context %v full %v hash %x: %v", m.Scope, m.Full, m.Hash[:4], m.Entries)
	case *wire.Pull:
		return fmt.Sprintf("Pull %d %v have %v: %v", m.ID, m.Scope, m.ForHave, m.Want)
	case *wire.Commits:
		return fmt.Sprintf("Commits of pull %d, frame %d: %s", m.Pull, m.Index, dots(m.List))
	case *wire.End:
		return fmt.Sprintf("End of pull %d complete %v frames %d hash %x covers %v", m.Pull, m.Complete, m.Frames, m.Hash[:4], m.Covers)
	case *wire.Push:
		return fmt.Sprintf("Push urgent %v: %s", m.Urgent, dots(m.List))
	case *wire.Have:
		return fmt.Sprintf("Have %v: %v", m.Scope, m.Entries)
	}
	return kindName(m)
}

// dots lists commits for the trace.
func dots(list [][]byte) string {
	var out string
	for _, raw := range list {
		if c, err := crdt.DecodeCommit(raw); err == nil {
			out += fmt.Sprintf("%v@%v ", c.Dot, c.Scope)
		}
	}
	return out
}
