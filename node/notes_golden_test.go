package node

import (
	"encoding/hex"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/backup/found"
	"github.com/tillmesh/tillmesh/node/journal"
	"github.com/tillmesh/tillmesh/replication"
)

// pinNote compares a note with its golden file: the key on the first line, the value as hex on the second. The file is named
// after prefix, the constant by which the key begins.
func pinNote(t *testing.T, prefix string, n replication.Note) {
	t.Helper()
	require.True(t, strings.HasPrefix(n.Key, prefix), "%q", n.Key)
	path := noteFile(".", prefix)
	got := strconv.Quote(n.Key) + "\n" + hex.EncodeToString(n.Value) + "\n"
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got, prefix)
}

// noteFile is where the golden bytes of a note lie, beside the package that writes it.
func noteFile(dir, prefix string) string {
	return filepath.Join(dir, "testdata", "v1", "notes", strings.ReplaceAll(strings.TrimSuffix(prefix, "/"), "/", "-")+".txt")
}

// What a till keeps for itself is read by later programs.
func TestNotesArePinned(t *testing.T) {
	one, two, ms := crdt.ObjectID{1}, crdt.ObjectID{2}, goldenTime.UnixMilli()

	r := request{key: "one", hash: [32]byte{7}}
	pinNote(t, actNote, r.made(one))
	made, err := readAct(r.made(one).Value, r.hash)
	require.NoError(t, err)
	require.Equal(t, one, made)
	reply := Reply{Status: 201, Body: []byte(`{"id":"x"}`)}
	pinNote(t, replyNote, replication.Note{Key: replyNote + r.key, Value: reply.bytes(r.hash)})
	same, err := readReply(reply.bytes(r.hash), r.hash)
	require.NoError(t, err)
	require.Equal(t, reply, same)
	pinNote(t, replyAgeNote, aged(replyAgeNote, ms, r.key))
	pinNote(t, cardAgeNote, aged(cardAgeNote, ms, one.String()))

	d := double{receipts: [2]crdt.ObjectID{one, two}, lines: []crdt.ObjectID{{3}, {4}}}
	pinNote(t, doubleNote, d.note())
	twice, err := readDouble(d.note())
	require.NoError(t, err)
	require.Equal(t, d, twice)
	pinNote(t, overNote, overOf(one))

	said := removals{by: map[crdt.TillID]*toldBy{{1}: {since: ms, at: ms + 5000}}}
	notes, _ := said.unsaved()
	require.Len(t, notes, 1)
	pinNote(t, toldNote, notes[0])
	told, err := decodeTold(notes[0].Value)
	require.NoError(t, err)
	require.Equal(t, toldBy{since: ms, at: ms + 5000, saved: ms + 5000}, told)

	for _, prefix := range []string{orderLineNote, orderVoidNote} {
		pinNote(t, prefix, orderNote(prefix, one, two))
	}
	pinNote(t, handoverNote, handoverTried([]byte(".."), true))
	require.Equal(t, handedOver, string(handoverTried([]byte(".."), false).Value))
	require.Equal(t, "done", handedOver)
	pinNote(t, "cloud/first/", replication.Note{Key: "cloud/first/" + crdt.TillID{1}.String(), Value: []byte{1}}) // that it is there says all
	how := counted{totals: map[crdt.Scope]uint64{crdt.Sales: 300, crdt.Shop: 4}, done: map[crdt.Scope]uint64{crdt.Sales: 120, crdt.Shop: 4},
		held: map[crdt.Scope]crdt.Context{crdt.Sales: {crdt.ReplicaID{7}: {{After: 0, To: 120}}}, crdt.Shop: {}}}
	pinNote(t, progressNote, replication.Note{Key: progressNote + crdt.TillID{1}.String(), Value: how.encode()})
	far, err := decodeCounted(how.encode())
	require.NoError(t, err)
	require.Equal(t, how, far)
	pinNote(t, acceptedNote, replication.Note{Key: acceptedNote + crdt.TillID{1}.String() + "/20260903T081500.000", Value: encodeAccepted([]byte("checkpoint"), []byte("excuse"), "Anna", ms)})
}

func TestNotesOfPrintsArePinned(t *testing.T) {
	p := journal.Print{Number: "K2-000418", Printer: "Theke", Count: 3, Done: 2, Intended: goldenTime.UnixMilli(), Printed: 1_780_000_000_000, Open: true}
	for i, n := range printNotes(crdt.ObjectID{1}, p) {
		pinNote(t, []string{printNote, printOpenNote, printAgeNote}[i], n)
	}
	p.Open = false
	require.Nil(t, printNotes(crdt.ObjectID{1}, p)[1].Value, "nothing is open any more")
	n := droppedNote(17, goldenTime.UnixMilli())
	pinNote(t, printDroppedNote, n)
	count, last, err := readDropped(n.Value)
	require.NoError(t, err)
	require.Equal(t, []int64{17, goldenTime.UnixMilli()}, []int64{count, last})
}

// pinnedElsewhere are the notes whose bytes other tests pin, by the file, and those that hold the bytes of something else.
var pinnedElsewhere = map[string]string{
	alarmNote:           "testdata/v1/alarm.hex",
	rebuiltNote:         "testdata/v1/rebuilt.json",
	riskNote:            "testdata/v1/risks.hex",
	waitNote:            "testdata/v1/wait.hex",
	clockNote:           "clock/testdata/v1/state.hex",
	planNote:            "../testdata/closing/v1/plan.json",
	daysNote:            "../testdata/closing/v1/days.json",
	"cloud/checkpoint/": "../testdata/archive/v1/checkpoint.txt", // verbatim
	"cloud/evidence/":   "../testdata/archive/v1/checkpoint.txt",
	"cloud/restored/":   "../testdata/archive/v1/restore.txt",
	found.MarkNote:      "backup/found/testdata/mark.v1.hex",
	lineageNotes:        "../testdata/lineage/v1/alarm.hex", // the beginning of several
	"lineage/alarm/":    "../testdata/lineage/v1/alarm.hex",
	"lineage/again/":    "../testdata/lineage/v1/again.hex",
	"lineage/reported/": "../testdata/lineage/v1/reported.hex",
	"lineage/yielded":   "../testdata/lineage/v1/yielded.hex",
}

var noteName = regexp.MustCompile(`(Note|Notes|NotePrefix|AgreedPrefix)$`)

// Every constant that is the key of a note, or how it begins, has golden bytes: a new one fails here until it has.
func TestEveryNoteHasGoldenBytes(t *testing.T) {
	known := 0
	for _, dir := range []string{".", "journal", "backup", "backup/found", "../replication", "../replication/store", "../replication/lineage"} {
		for name, prefix := range noteKeys(t, dir) {
			file := pinnedElsewhere[prefix]
			if file == "" {
				file = noteFile(dir, prefix)
			}
			raw, err := os.ReadFile(file)
			require.NoError(t, err, "pin what is kept under %s of %s", name, dir)
			require.NotEmpty(t, raw)
			known++
		}
	}
	require.Greater(t, known, 30, "the constants are found by their names")
}

// noteKeys returns the constants of a package that are keys of notes.
func noteKeys(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, dir)
	out := make(map[string]string)
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.CONST {
				noteConstants(t, g, out)
			}
		}
	}
	return out
}

func noteConstants(t *testing.T, g *ast.GenDecl, out map[string]string) {
	t.Helper()
	for _, s := range g.Specs {
		v := s.(*ast.ValueSpec)
		for i, name := range v.Names {
			if !noteName.MatchString(name.Name) || i >= len(v.Values) {
				continue
			}
			lit, ok := v.Values[i].(*ast.BasicLit)
			if ok && lit.Kind != token.STRING {
				continue // a number
			}
			require.True(t, ok, "%s is written out", name.Name)
			text, err := strconv.Unquote(lit.Value)
			require.NoError(t, err)
			out[name.Name] = text
		}
	}
}
