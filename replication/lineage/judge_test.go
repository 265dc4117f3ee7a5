package lineage_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/codec"
	"github.com/tillmesh/tillmesh/replication"
	"github.com/tillmesh/tillmesh/replication/lineage"
	"github.com/tillmesh/tillmesh/replication/store"
)

func sum(b []byte) []byte {
	s := sha256.Sum256(b)
	return codec.AppendBytes(b, s[:16])
}

// sound is the evidence of a till about which there is no doubt.
func sound() lineage.Evidence {
	return lineage.Evidence{
		Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Machine: here, Place: place,
		Store:   lineage.StoreFound{Identity: store.Identity{Shop: crdt.ShopID{1}, Till: crdt.TillID{2}, Replica: replica}, Boot: binding.Boot},
		Record:  lineage.RecordFound{Record: store.Record{Replica: replica, Boot: binding.Boot}},
		Binding: lineage.BindingFound{Binding: binding},
	}
}

type breakage struct {
	kind  lineage.Kind
	apply func(*lineage.Evidence)
}

// breakages are every doubt alone. Each may be put beside those of other parts.
var breakages = map[string]breakage{
	"store missing":      {lineage.StoreMissing, func(e *lineage.Evidence) { e.Store = lineage.StoreFound{Condition: lineage.Missing} }},
	"store damaged":      {lineage.StoreDamaged, func(e *lineage.Evidence) { e.Store.Condition, e.Store.Detail = lineage.Damaged, "table 3" }},
	"chain":              {lineage.ChainBroken, func(e *lineage.Evidence) { e.Store.Chain = errors.New("7 after 5") }},
	"record missing":     {lineage.RecordMissing, func(e *lineage.Evidence) { e.Record = lineage.RecordFound{Condition: lineage.Missing} }},
	"record damaged":     {lineage.RecordDamaged, func(e *lineage.Evidence) { e.Record = lineage.RecordFound{Condition: lineage.Damaged} }},
	"record foreign":     {lineage.RecordForeign, func(e *lineage.Evidence) { e.Record.Record.Replica = crdt.ReplicaID{9} }},
	"record ahead":       {lineage.RecordAhead, func(e *lineage.Evidence) { e.Record.Ahead = store.ErrDoubt }},
	"record later":       {lineage.RecordAhead, func(e *lineage.Evidence) { e.Record.Record.Boot++ }},
	"binding missing":    {lineage.BindingMissing, func(e *lineage.Evidence) { e.Binding = lineage.BindingFound{Condition: lineage.Missing} }},
	"binding damaged":    {lineage.BindingDamaged, func(e *lineage.Evidence) { e.Binding = lineage.BindingFound{Condition: lineage.Damaged} }},
	"other machine":      {lineage.OtherMachine, func(e *lineage.Evidence) { e.Machine[0]++ }},
	"machine unnamed":    {lineage.OtherMachine, func(e *lineage.Evidence) { e.Machine = lineage.Machine{} }},
	"other path":         {lineage.OtherPlace, func(e *lineage.Evidence) { e.Place.Path += "2" }},
	"other directory":    {lineage.OtherPlace, func(e *lineage.Evidence) { e.Place.Node = []byte{4} }},
	"other replica":      {lineage.OtherReplica, func(e *lineage.Evidence) { e.Binding.Binding.Replica = crdt.ReplicaID{9} }},
	"newer boot":         {lineage.NewerBoot, func(e *lineage.Evidence) { e.Binding.Binding.Boot++ }},
	"begun here":         {lineage.Interrupted, func(e *lineage.Evidence) { b := &e.Binding.Binding; b.Replica, b.Begun = crdt.ReplicaID{9}, true }},
	"foreign":            {lineage.StoreForeign, func(e *lineage.Evidence) { e.Store.Identity.Till = crdt.TillID{7} }},
	"foreign shop":       {lineage.StoreForeign, func(e *lineage.Evidence) { e.Store.Identity.Shop = crdt.ShopID{7} }},
	"unknown own":        {lineage.UnknownOwn, reported(lineage.UnknownOwn)},
	"forked own":         {lineage.ForkedOwn, reported(lineage.ForkedOwn)},
	"two machines":       {lineage.CopyRuns, reported(lineage.CopyRuns)},
	"of a newer program": {"later-kind", reported("later-kind")},
}

func reported(kind lineage.Kind) func(*lineage.Evidence) {
	return func(e *lineage.Evidence) { e.Reported = append(e.Reported, lineage.New(kind, "seen by K1")) }
}

func kinds(doubts []lineage.Doubt) (out []lineage.Kind) {
	for _, d := range doubts {
		out = append(out, d.Kind)
	}
	return out
}

func TestEachDoubtAlone(t *testing.T) {
	require.Empty(t, lineage.Judge(sound()))
	require.NoError(t, lineage.Err(nil))
	for name, b := range breakages {
		t.Run(name, func(t *testing.T) {
			e := sound()
			b.apply(&e)
			doubts := lineage.Judge(e)
			require.Equal(t, []lineage.Kind{b.kind}, kinds(doubts))
			require.Regexp(t, regexp.MustCompile(`^[A-Z].*\.$`), doubts[0].Text, "one sentence")
			require.NotContains(t, strings.TrimSuffix(doubts[0].Text, "."), ". ", "one sentence")
			require.ErrorIs(t, lineage.Err(doubts), lineage.ErrDoubt)
			require.ErrorContains(t, lineage.Err(doubts), doubts[0].Text)
			require.Equal(t, b.kind != lineage.StoreForeign, lineage.Renewable(doubts))
		})
	}
}

func TestDoubtsTogether(t *testing.T) {
	// A directory from a backup, put on another machine.
	e := sound()
	for _, name := range []string{"record missing", "other machine", "other path", "other replica", "unknown own"} {
		breakages[name].apply(&e)
	}
	require.Equal(t, []lineage.Kind{lineage.RecordMissing, lineage.OtherMachine, lineage.OtherPlace, lineage.OtherReplica, lineage.UnknownOwn}, kinds(lineage.Judge(e)))
	require.True(t, lineage.Copied(lineage.Judge(e)))
	require.True(t, lineage.UsedTwice(lineage.Judge(e)))

	// Any two: nothing hides another doubt, but for what the first makes meaningless.
	for first, a := range breakages {
		for second, b := range breakages {
			e := sound()
			a.apply(&e)
			b.apply(&e)
			got := kinds(lineage.Judge(e))
			require.NotEmpty(t, got, "%s and %s", first, second)
			if a.kind == lineage.UnknownOwn && b.kind != lineage.StoreForeign {
				require.Contains(t, got, a.kind, "%s and %s", first, second)
			}
		}
	}

	// Of a damaged store nothing can be compared, but the rest is still judged.
	e = sound()
	for _, name := range []string{"store damaged", "other machine", "record missing"} {
		breakages[name].apply(&e)
	}
	require.Equal(t, []lineage.Kind{lineage.StoreDamaged, lineage.RecordMissing, lineage.OtherMachine}, kinds(lineage.Judge(e)))
}

func TestWhatIsNoDoubt(t *testing.T) {
	e := sound()
	breakages["binding missing"].apply(&e)
	e.Created = true
	require.Empty(t, lineage.Judge(e), "the till was made by this process")

	e = sound()
	e.Binding.Binding.Boot, e.Record.Record.Boot = 5, 5
	require.Empty(t, lineage.Judge(e), "a start that ended before it wrote them")

	// A renewal that was cut off behind its transaction.
	for _, damage := range []string{"record foreign", "record missing", "record damaged", "record ahead"} {
		e = sound()
		e.Binding.Binding.Begun = true
		breakages[damage].apply(&e)
		require.Empty(t, lineage.Judge(e), damage)
		e.Place.Path += "2"
		require.Contains(t, kinds(lineage.Judge(e)), breakages[damage].kind, "what was begun elsewhere is not taken over")
	}
}

func TestEveryKindHasItsWords(t *testing.T) {
	source, err := os.ReadFile("doubt.go")
	require.NoError(t, err)
	unknown := lineage.New("later-kind", "").Text
	seen := make(map[string]string)
	found := regexp.MustCompile(`Kind = "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	require.Len(t, found, 18)
	for _, m := range found {
		text := lineage.New(lineage.Kind(m[1]), "").Text
		require.NotEqual(t, unknown, text, m[1])
		require.Empty(t, seen[text], m[1])
		seen[text] = m[1]
	}
}

func TestNotesAreReadBack(t *testing.T) {
	a := lineage.Alarm{Replica: crdt.ReplicaID{2}, Predecessor: replica, Prefix: "K2b", LastPrefix: "K2", LastNumber: 812, MS: 1_780_000_000_000,
		Doubts: []lineage.Doubt{lineage.New(lineage.OtherPlace, "it was in /a"), lineage.New("later-kind", "")}}
	golden(t, "alarm", a.Note().Value)
	back, err := lineage.ReadAlarm(a.Note().Value)
	require.NoError(t, err)
	require.Equal(t, a, back)
	seen := a.Seen(1_780_000_100_000, "Jule")
	golden(t, "alarm.seen", seen.Note().Value)
	require.Equal(t, a.Note().Key, seen.Note().Key, "it replaces the one nobody saw")
	for i := range a.Note().Value {
		_, err := lineage.ReadAlarm(a.Note().Value[:i])
		require.ErrorIs(t, err, lineage.ErrDamaged)
	}
	_, err = lineage.ReadAlarm(codec.AppendUint(codec.AppendArray(nil, 1), 2))
	require.Error(t, err)

	later := a
	later.Replica, later.MS = crdt.ReplicaID{1}, a.MS+1
	st := notes{a.Note(), later.Note(), lineage.Reported(replica, lineage.New(lineage.ForkedOwn, "dot 7")), lineage.Yielded("Another machine goes on.")}
	list, err := lineage.Alarms(t.Context(), st)
	require.NoError(t, err)
	require.Equal(t, []lineage.Alarm{later, a}, list)
	doubts, err := lineage.ReadReported(t.Context(), st, replica)
	require.NoError(t, err)
	require.Equal(t, []lineage.Doubt{lineage.New(lineage.ForkedOwn, "dot 7")}, doubts)
	doubts, err = lineage.ReadReported(t.Context(), st, crdt.ReplicaID{9})
	require.NoError(t, err)
	require.Empty(t, doubts, "another lineage begins without them")
	reason, yielded, err := lineage.ReadYielded(t.Context(), st)
	require.NoError(t, err)
	require.True(t, yielded)
	require.Equal(t, "Another machine goes on.", reason)
	_, yielded, err = lineage.ReadYielded(t.Context(), notes{})
	require.NoError(t, err)
	require.False(t, yielded)

	st[0].Value = []byte{1}
	list, err = lineage.Alarms(t.Context(), st)
	require.ErrorIs(t, err, lineage.ErrDamaged)
	require.Len(t, list, 1, "the others are shown all the same")
}

func FuzzReadAlarm(f *testing.F) {
	f.Add(lineage.Alarm{Replica: replica, Prefix: "K2b", Doubts: []lineage.Doubt{lineage.New(lineage.OtherPlace, "x")}}.Note().Value)
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := lineage.ReadAlarm(raw)
		if err != nil {
			return
		}
		_, err = lineage.ReadAlarm(a.Note().Value)
		require.NoError(t, err)
	})
}

type notes []replication.Note

func (n notes) NotesFrom(_ context.Context, prefix, _ string, _ int) (out []replication.Note, _ error) {
	for _, note := range n {
		if strings.HasPrefix(note.Key, prefix) {
			out = append(out, note)
		}
	}
	return out, nil
}
