package lineage

import (
	"context"
	"fmt"
	"slices"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
)

const maxSpans = 1000

// todo is what of a sealed lineage is still to be said again. It is kept as a note until nothing is left.
type todo struct {
	Replica crdt.ReplicaID
	Twice   bool   // two stores may have written under it: registers are said again too
	Scopes  []span // sorted by scope; one that is done is not in it
}

// span are the numbers of a scope with After < seq <= To.
type span struct {
	Scope     crdt.Scope
	After, To crdt.Seq
}

// note returns the todo as it is kept; without scopes it removes the note.
func (t todo) note() replication.Note {
	key := againNote + t.Replica.String()
	if len(t.Scopes) == 0 {
		return replication.Note{Key: key}
	}
	b := codec.AppendUint(codec.AppendArray(nil, 4), notesVersion)
	b = codec.AppendBytes(b, t.Replica[:])
	b = codec.AppendBool(b, t.Twice)
	b = codec.AppendArray(b, 3*len(t.Scopes))
	for _, s := range t.Scopes {
		b = codec.AppendUint(codec.AppendUint(s.Scope.Append(b), uint64(s.After)), uint64(s.To))
	}
	return replication.Note{Key: key, Value: b}
}

// from returns the todo when the first scope is done up to seq.
func (t todo) from(seq crdt.Seq) todo {
	t.Scopes = slices.Clone(t.Scopes)
	if t.Scopes[0].After = seq; seq >= t.Scopes[0].To {
		t.Scopes = t.Scopes[1:]
	}
	return t
}

func readTodo(raw []byte) (t todo, err error) {
	r, more, err := noteReader("what is to be said again", raw, 4)
	if err != nil {
		return todo{}, err
	}
	r.Fixed(t.Replica[:])
	t.Twice = r.Bool()
	n := r.Array()
	if n%3 != 0 || n > 3*maxSpans {
		r.Fail("%d values for scopes", n)
		n = 0
	}
	for range n / 3 {
		t.Scopes = append(t.Scopes, span{crdt.ReadScope(r), crdt.Seq(r.Uint()), crdt.Seq(r.Uint())})
	}
	r.Skip(more)
	if err := r.Done(); err != nil {
		return todo{}, fmt.Errorf("what is to be said again: %w: %w", ErrDamaged, err)
	}
	return t, nil
}

// todos returns what is left to do of every sealed lineage.
func todos(ctx context.Context, st Notes) ([]todo, error) {
	notes, err := st.NotesFrom(ctx, againNote, "", listNotes)
	if err != nil {
		return nil, err
	}
	var out []todo
	for _, n := range notes {
		t, err := readTodo(n.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Key, err)
		}
		if len(t.Scopes) > 0 {
			out = append(out, t)
		}
	}
	return out, nil
}
