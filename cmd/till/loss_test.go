package main

import (
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/crdt/receipt/loss"
	"github.com/tillmesh/tillmesh/node/client"
)

func TestLossUsage(t *testing.T) {
	for args, want := range map[string]string{
		"loss --data x":           "till: it was not said which till is lost\nhint: name it, such as K3; \"till mesh\" lists the tills\n",
		"loss K3 --verify f":      "till: --verify checks a file and asks no till\nhint: leave out the till and --out\n",
		"loss --verify f --out g": "till: --verify checks a file and asks no till\nhint: leave out the till and --out\n",
		"loss K3":                 "till: the till wants a token\nhint: name its data directory with --data DIR, its token file with --token-file FILE, or set TILL_TOKEN\n",
		"alarms --accept a":       "till: it was not said who accepts it\nhint: name the owner who does with --by\n",
		"alarms --accept a --seen all --by Anna --data x": "till: --seen and --accept can't be used together\n" + usageHint,
	} {
		got := till(t, strings.Fields(args)...)
		require.Equal(t, result{err: want, code: exitUsage}, got, args)
	}
	require.Equal(t, exitUsage, till(t, "alarms", "--accept", "a", "--by", " ").code, "a blank is no name")
}

// A till says it about itself as about any other; the file is checked without any till.
func TestLossAtARunningTill(t *testing.T) {
	r := start(t)
	at := []string{"--http", r.url, "--data", r.data}
	path := filepath.Join(t.TempDir(), "loss.json")
	got := till(t, append([]string{"loss", "k1", "--out", path}, at...)...)
	require.Equal(t, exitDone, got.code, got.err)
	require.True(t, strings.HasPrefix(got.out, "What is lost with Theke (active), as Theke knew it at "), got.out)
	require.Contains(t, got.out, "\nK1: 0 numbers known, 0 missing\n  from K1-000001 on: open\n")
	require.Contains(t, got.out, "\nsigned and written to "+path+"\n")
	raw, err := os.ReadFile(path)
	require.NoError(t, err)
	got = till(t, append([]string{"loss", "Theke", "--out", path, "--json"}, at...)...)
	require.Equal(t, exitFailed, got.code)
	require.Empty(t, got.out)
	require.Contains(t, got.err, `"there is a file `+path+` already","hint":"choose another name; nothing was written over"`)
	same, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, raw, same)

	got = till(t, append([]string{"loss", "K9"}, at...)...)
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: .*no till of the shop is called "K9"\nhint: list the tills of the shop with "till mesh"`, got.err)
	got = till(t, append([]string{"alarms", "--accept", "aaaa", "--by", "Anna"}, at...)...)
	require.Equal(t, exitFailed, got.code)
	require.Regexp(t, `^till: .*there is no alarm "aaaa"\nhint: .+\n$`, got.err)
	require.NoError(t, r.cmd.Process.Signal(syscall.SIGTERM))
	require.NoError(t, r.cmd.Wait())

	got = till(t, "loss", "--verify", path, "--json")
	require.Equal(t, exitDone, got.code, got.err)
	var v verifiedLoss
	require.NoError(t, json.Unmarshal([]byte(got.out), &v))
	require.True(t, v.OK)
	require.Equal(t, v.Statement.Till.ID, v.Signed, "it said so about itself")
	require.Equal(t, loss.ByTill, v.Statement.By.Kind)
	text := till(t, "loss", "--verify", path)
	require.True(t, strings.HasPrefix(text.out, "the signature holds; it is that of "+v.Signed+"\n\nWhat is lost with Theke"), text.out)
	out, err := exec.Command(filepath.Join(filepath.Dir(program), "cloud"), "verify", path).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, text.out, string(out), "the program of the cloud says the same")

	var signed loss.Signed
	require.NoError(t, json.Unmarshal(raw, &signed))
	for what, change := range map[string]func(*loss.Signed){
		"is of other bytes": func(s *loss.Signed) { s.Canonical[len(s.Canonical)/2] ^= 1 },
		"its readable form does not say what was signed": func(s *loss.Signed) {
			s.Statement = json.RawMessage(strings.Replace(string(s.Statement), "Theke", "Thekf", 1))
		},
		"key or signature cannot be read": func(s *loss.Signed) { s.Key = s.Key[2:] },
		"has no member canonical":         func(s *loss.Signed) { s.Canonical = nil },
	} {
		bad := signed
		bad.Canonical = append([]byte(nil), signed.Canonical...)
		change(&bad)
		b, err := json.Marshal(bad)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(path, b, 0o600))
		got := till(t, "loss", "--verify", path)
		require.Equal(t, exitFailed, got.code, what)
		require.Empty(t, got.out)
		require.Contains(t, got.err, what)
		require.Contains(t, got.err, "\nhint: do not rely on it; ask for a new one, and keep this one\n")
	}
	require.NoError(t, os.WriteFile(path, []byte("paper"), 0o600))
	require.Contains(t, till(t, "loss", "--verify", path).err, "till: not a loss statement")
	require.Equal(t, result{code: exitFailed, err: "till: there is no file " + path + "-not\nhint: name the file of a statement\n"}, till(t, "loss", "--verify", path+"-not"))
}

// A statement names where the signing device has what is missing, to whoever checks the file.
func TestAStatementWithASigningDevice(t *testing.T) {
	key := ed25519.NewKeyFromSeed([]byte("a till that signs in the tests.."))
	public, _ := key.Public().(ed25519.PublicKey)
	signatures := int64(11)
	s := loss.Statement{Version: loss.Version, Kind: loss.Kind, Made: "2026-09-04T09:00:00Z", By: loss.Party{ID: crdt.TillIDOf(public).String(), Kind: loss.ByTill, Name: "Theke"},
		Shop: loss.Party{ID: "shop"}, Till: loss.Party{ID: "till", Name: "Garten"}, State: "active", Holders: []loss.Holder{},
		Series: []loss.Series{{Series: "K2", Last: 3, LastBy: "K2-000003", LastKnown: 3, KnownNumbers: 2, MissingNumbers: 1, Tail: loss.Tail{From: 4}, Closings: []loss.Closing{},
			Known: []loss.Known{{Run: loss.Run{First: 1, Last: 1}, At: []int64{}}, {Run: loss.Run{First: 3, Last: 3}, At: []int64{}}},
			Missing: []loss.Missing{{Run: loss.Run{First: 2, Last: 2}, At: []int64{}, Gross: loss.Bound{State: loss.Unknown},
				Device: &loss.Device{Kind: "tse", Serial: "a1b2c3", After: 101, Before: 106, Transactions: 4, Orders: 3, Signatures: &signatures}}}}}}
	signed, err := loss.Sign(s, key)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "loss.json")
	require.NoError(t, saveLoss(path, signed))
	got := till(t, "loss", "--verify", path)
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, "\n           signing device a1b2c3: 4 transactions, 102 to 105, lie between, 3 of them known orders; at most 1 of these were signed: look for them in its export (signatures: 11)\n")
	got = till(t, "loss", "--verify", path, "--json")
	require.Equal(t, exitDone, got.code, got.err)
	require.Contains(t, got.out, `"device":{"kind":"tse","serial":"a1b2c3","after":101,"before":106,"transactions":4,"orders":3,"signatures":11}`)
}

// fakeTill answers all requests with one body, and tells what it was asked.
func fakeTill(t *testing.T, answer []byte) (at []string, asked <-chan string) {
	t.Helper()
	seen := make(chan string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		seen <- r.Method + " " + r.URL.Path + " " + string(body)
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	}))
	t.Cleanup(s.Close)
	return []string{"--http", s.URL, "--token-file", tokenFile(t)}, seen
}

func TestAStatementIsCheckedBeforeItIsWritten(t *testing.T) {
	at, asked := fakeTill(t, []byte(`{"statement":{},"canonical":"e30=","signature":"00","key":"00"}`))
	path := filepath.Join(t.TempDir(), "loss.json")
	got := till(t, append([]string{"loss", "Kasse 3", "--out", path}, at...)...)
	require.Equal(t, exitFailed, got.code)
	require.Empty(t, got.out)
	require.Regexp(t, "^till: the signature of the loss statement does not hold: .+\nhint: do not rely on it; .+\n$", got.err)
	require.Equal(t, "GET /api/v1/tills/Kasse 3/loss ", <-asked)
	require.NoFileExists(t, path)
}

func TestARestoredArchiveIsAccepted(t *testing.T) {
	answer, err := json.Marshal(map[string]any{"id": "3fa2", "kind": "archive-changed", "text": "The archive was changed.", "at": "2026-09-03T10:00:00Z",
		"seen_at": "2026-09-03T10:05:00Z", "seen_by": "Anna", "reasons": []any{}})
	require.NoError(t, err)
	at, asked := fakeTill(t, answer)
	got := till(t, append([]string{"alarms", "--accept", "3fa2", "--by", "Anna"}, at...)...)
	require.Equal(t, exitDone, got.code, got.err)
	require.Equal(t, `POST /api/v1/alarms/3fa2/accept {"by":"Anna"}`, <-asked)
	require.True(t, strings.HasPrefix(got.out, "accepted: this till remembers the archive as it is now\n3fa2  archive-changed  "), got.out)
	require.Regexp(t, `seen .* Anna\n   The archive was changed\.\n`, got.out)
	got = till(t, append([]string{"alarms", "--accept", "3fa2", "--by", "Anna", "--json"}, at...)...)
	require.Equal(t, exitDone, got.code, got.err)
	<-asked
	var list []client.Alarm
	require.NoError(t, json.Unmarshal([]byte(got.out), &list))
	require.Len(t, list, 1)
	require.Equal(t, "Anna", list[0].SeenBy)
}
