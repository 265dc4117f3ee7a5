package crdttest

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
)

// note is the smallest document that has everything: an item, a register, and registers by key.
func note() Type {
	return Type{
		Name: "note", Scope: crdt.Sales, Registers: []string{"text", "mark/"}, Item: true,
		Write: func(r *rand.Rand, o *crdt.Object, id crdt.ObjectID) (pieces []crdt.Piece) {
			if len(o.Items) == 0 && r.IntN(2) == 0 {
				var rec crdt.Record
				rec.SetUint("n", 1+r.Uint64N(9))
				pieces = append(pieces, crdt.Piece{Kind: crdt.KindItem, Type: "note", Object: id, Raw: rec.Bytes()})
			}
			name := []string{"text", "mark/a", "mark/b"}[r.IntN(3)]
			return append(pieces, set(r, o, id, name))
		},
		View: func(o *crdt.Object, load func(crdt.Ref) []byte) any {
			v := map[string]string{}
			for _, it := range o.Items {
				rec, err := crdt.ParseRecord(load(it.Ref), 1)
				if err != nil {
					continue
				}
				if n, err := rec.Uint("n"); err == nil {
					v["n"] = fmt.Sprint(n)
				}
			}
			for i := range o.Registers {
				if rec, err := crdt.ParseRecord(o.Value(o.Registers[i].Name), 1); err == nil {
					v[o.Registers[i].Name], _ = rec.String("t")
				}
			}
			return v
		},
	}
}

func set(r *rand.Rand, o *crdt.Object, id crdt.ObjectID, name string) crdt.Piece {
	var rec crdt.Record
	if v := o.Value(name); v != nil {
		rec, _ = crdt.ParseRecord(v, 1)
	}
	rec.SetString("t", fmt.Sprint("text ", r.IntN(1000)))
	return crdt.Piece{Kind: crdt.KindRegister, Type: "note", Object: id, Name: name, Clock: o.Seen(name), Raw: rec.Bytes()}
}

func TestNote(t *testing.T) { Run(t, note()) }

// recorder takes the failures of a law that is meant to fail.
type recorder struct {
	testing.TB
	failed string
}

func (r *recorder) Helper()             {}
func (r *recorder) Logf(string, ...any) {}
func (r *recorder) FailNow()            { runtime.Goexit() }
func (r *recorder) Errorf(format string, args ...any) {
	r.failed += fmt.Sprintf(format, args...)
}
func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	r.FailNow()
}

// TestLawsCatch breaks the document in every way a law is about, and expects that law to say so.
func TestLawsCatch(t *testing.T) {
	write := func(change func(p *crdt.Piece)) func(*Type) {
		return func(d *Type) {
			honest := d.Write
			d.Write = func(r *rand.Rand, o *crdt.Object, id crdt.ObjectID) []crdt.Piece {
				pieces := honest(r, o, id)
				for i := range pieces {
					change(&pieces[i])
				}
				return pieces
			}
		}
	}
	calls := 0
	for name, test := range map[string]struct {
		breaks func(d *Type)
		says   string
	}{
		"forgets the clock":      {write(func(p *crdt.Piece) { p.Clock = nil }), "does not carry the clock seen"},
		"writes another type":    {write(func(p *crdt.Piece) { p.Type = "other" }), "another type"},
		"writes another object":  {write(func(p *crdt.Piece) { p.Object[0]++ }), "another object"},
		"unannounced register":   {write(func(p *crdt.Piece) { p.Name += "x" }), "not announced"},
		"loses unknown fields":   {write(func(p *crdt.Piece) { p.Raw = []byte{0x81, 0xa1, 't', 0xa1, 'x'} }), "lost a field"},
		"writes no record":       {write(func(p *crdt.Piece) { p.Raw = []byte("plain") }), "not a record"},
		"an item that is denied": {func(d *Type) { d.Item = false }, "of a type without"},
		"changes its item": {func(d *Type) {
			d.Write = func(r *rand.Rand, _ *crdt.Object, id crdt.ObjectID) []crdt.Piece {
				return []crdt.Piece{{Kind: crdt.KindItem, Type: "note", Object: id, Raw: codec.AppendUint(nil, r.Uint64())}}
			}
		}, "changed an item"},
		"panics on bad values": {func(d *Type) {
			d.View = func(o *crdt.Object, _ func(crdt.Ref) []byte) any { return o.Value("text")[0] == 1 }
		}, "panicked"},
		"view changes": {func(d *Type) {
			d.View = func(*crdt.Object, func(crdt.Ref) []byte) any { calls++; return calls }
		}, "viewed twice"},
		"view writes": {func(d *Type) {
			d.View = func(o *crdt.Object, _ func(crdt.Ref) []byte) any { o.Gone = !o.Gone; return nil }
		}, "View changed the object"},
	} {
		t.Run(name, func(t *testing.T) {
			d := note()
			test.breaks(&d)
			rec := &recorder{TB: t}
			done := make(chan struct{})
			go func() {
				defer close(done)
				for seed := uint64(1); seed <= 5; seed++ {
					laws(rec, d, seed)
				}
			}()
			<-done
			require.Contains(t, rec.failed, test.says)
		})
	}
}
