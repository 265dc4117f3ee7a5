package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/database/databasetest"
)

// tries is a server on a database that a test can make refuse.
func tries(t *testing.T) (b *bench, pragma func(format string, args ...any)) {
	t.Helper()
	db := databasetest.Open(t, databasetest.SQLite(t))
	write, _ := db.Pools()
	return newBench(t, db), func(format string, args ...any) {
		_, err := write.ExecContext(t.Context(), fmt.Sprintf("PRAGMA "+format, args...))
		require.NoError(t, err)
	}
}

// fill writes until there is no room.
func (b *bench) fill() {
	write, _ := b.o.DB.Pools()
	for i := range 10_000 {
		_, err := write.ExecContext(b.t.Context(), `INSERT INTO replies (caller, reply, request, status, body, until) VALUES (?, x'', x'', 0, zeroblob(2000), 0)`, []byte(strconv.Itoa(i)))
		if err != nil {
			require.ErrorContains(b.t, err, "full")
			return
		}
	}
	b.t.Fatal("there is room for ever")
}

// A database that answers and stores nothing is no cloud that works: the status says so to people and programs, since when, and what to do, and ends by itself.
func TestTheStatusSaysWhatTheDatabaseDoes(t *testing.T) {
	for state, test := range map[string]struct {
		begin, end string // pragmas
		says       map[string][]string
	}{
		"full": {begin: "max_page_count = 1", end: "max_page_count = 1000000", says: map[string][]string{
			"": {`lang="en"`, "The cloud has a problem", "The database has no room left.", "It is so since 2026-03-01 10:00 UTC (7 min).", "What to do: Tell who runs this cloud to make room.", "<dd>full</dd>",
				"<dt>Running since</dt><dd>2026-03-01 09:00 UTC (67 min)</dd>", "2026-03-01 10:07:00 UTC", "Tills go on selling whatever is shown here."},
			"de-AT,de;q=0.9,en;q=0.8": {`lang="de"`, "Die Cloud hat ein Problem", "Die Datenbank hat keinen Platz mehr.", "So seit 2026-03-01 10:00 UTC (7 Min.).", "Was zu tun ist: Sagen Sie", "<dd>voll</dd>"},
			"fr, RU; q=0.5":           {`lang="ru"`, "В облаке неполадка", "В базе данных закончилось место.", "Это так с 2026-03-01 10:00 UTC (7 мин).", "Что делать: Сообщите"},
			"fr":                      {`lang="en"`},
		}},
		"read-only": {begin: "query_only = 1", end: "query_only = 0", says: map[string][]string{
			"": {"The cloud has a problem", "The database stores nothing now.", "It is so since 2026-03-01 10:00 UTC (7 min).", "What to do: Nothing has to be done at the tills.", "<dd>stores nothing</dd>"},
		}},
	} {
		t.Run(state, func(t *testing.T) {
			b, pragma := tries(t)
			b.since = b.since.Add(-time.Hour)
			require.Equal(t, true, b.ok(200, "GET", "/api/v1/status", "", "")["ok"])
			pragma(test.begin)
			if state == "full" { // the limit is that of pages, and some are free
				b.fill()
			}
			require.Equal(t, true, b.ok(200, "GET", "/api/v1/status", "", "")["ok"], "it was asked a moment ago")
			b.pass(lookFor)
			began := instant(b.now())
			for _, age := range []time.Duration{0, time.Minute, 6 * time.Minute} {
				b.pass(age)
				got := b.ok(200, "GET", "/api/v1/status", "", "")
				require.Equal(t, false, got["ok"])
				require.Equal(t, state, got.text("database"))
				require.Equal(t, began, got.text("database_since"), "it stays")
				require.Equal(t, inEnglish.advice[state], got.text("do"))
				require.Equal(t, []any{inEnglish.problems[state]}, got["problems"])
			}
			for accept, texts := range test.says {
				w := b.do("GET", "/status", "", "", "Accept-Language", accept)
				require.Equal(t, http.StatusServiceUnavailable, w.Code)
				require.Equal(t, "Accept-Language", w.Header().Get("Vary"))
				for _, text := range texts {
					require.Contains(t, strings.ReplaceAll(w.Body.String(), ":07:05 ", ":07:00 "), text, accept)
				}
			}
			require.Equal(t, 200, b.do("GET", "/healthz", "", "").Code, "it can be read: no balancer is to take it out")
			require.Equal(t, 1, strings.Count(b.logs.String(), "the database cannot be used"), "said once")

			pragma(test.end)
			require.Equal(t, false, b.ok(200, "GET", "/api/v1/status", "", "")["ok"], "it was asked a moment ago")
			b.pass(lookAgain)
			got := b.ok(200, "GET", "/api/v1/status", "", "")
			require.Equal(t, true, got["ok"])
			require.Empty(t, got.text("do"))
			require.Equal(t, instant(b.now()), got.text("database_since"))
			require.Contains(t, b.do("GET", "/status", "", "").Body.String(), "The cloud works")
		})
	}
}

// A page of the database on the disk is damaged: what is read still works, what is written there does not, and the status says so until the file is put back.
func TestTheStatusSaysThatTheDatabaseIsDamaged(t *testing.T) {
	o := databasetest.SQLite(t)
	file := filepath.Join(o.Dir, database.File)
	db, err := database.Open(t.Context(), o)
	require.NoError(t, err)
	write, _ := db.Pools()
	var page, size int64
	require.NoError(t, write.QueryRowContext(t.Context(), `SELECT rootpage FROM sqlite_schema WHERE name = 'replies'`).Scan(&page))
	require.NoError(t, write.QueryRowContext(t.Context(), `PRAGMA page_size`).Scan(&size))
	require.NoError(t, db.Close()) // everything is in the one file now
	good, err := os.ReadFile(file)
	require.NoError(t, err)
	bad := bytes.Clone(good)
	copy(bad[(page-1)*size:page*size], bytes.Repeat([]byte{0x5a}, int(size)))
	require.NoError(t, os.WriteFile(file, bad, 0o600))

	t.Run("damaged", func(t *testing.T) {
		b := newBench(t, databasetest.Open(t, o))
		b.since = b.since.Add(-time.Hour)
		got := b.ok(200, "GET", "/api/v1/status", "", "")
		require.Equal(t, false, got["ok"])
		require.Equal(t, databaseBroken, got.text("database"))
		require.Equal(t, instant(b.now()), got.text("database_since"))
		require.Equal(t, inEnglish.advice[databaseBroken], got.text("do"))
		require.Contains(t, b.logs.String(), "malformed")
		for accept, text := range map[string]string{"": "<dd>damaged</dd>", "de": "<dd>beschädigt</dd>", "ru": "<dd>повреждена</dd>"} {
			w := b.do("GET", "/status", "", "", "Accept-Language", accept)
			require.Equal(t, http.StatusServiceUnavailable, w.Code)
			require.Contains(t, w.Body.String(), text)
		}
	})
	require.NoError(t, os.WriteFile(file, good, 0o600))
	t.Run("put back", func(t *testing.T) {
		b := newBench(t, databasetest.Open(t, o))
		require.Equal(t, true, b.ok(200, "GET", "/api/v1/status", "", "")["ok"])
	})
}

// Everybody may ask, so an answer costs no work and tells nothing of anybody.
func TestTheStatusIsForEverybody(t *testing.T) {
	b := small(t, func(o *Options) { o.OldestTill = "1.4" })
	token := b.owner("anna@shop.example")
	m := founder(t, 1)
	b.couple(token, m)
	var first string
	for _, with := range []string{"", token, "x"} { // nobody looks at a token here
		for _, path := range []string{"/status", "/api/v1/status"} {
			w := b.do("GET", path, with, "")
			require.Equal(t, 200, w.Code)
			for _, no := range []string{"anna", "shop.example", "Café", "Kasse", "Theke", m.shop.String(), m.id.String(), token} {
				require.NotContains(t, w.Body.String(), no)
			}
			if path == "/status" {
				require.Contains(t, w.Body.String(), "<dt>Oldest program of a till that is let in</dt><dd>1.4</dd>")
				require.NotContains(t, w.Body.String(), "What to do")
				if first == "" {
					first = w.Body.String()
				}
				require.Equal(t, first, w.Body.String())
			}
		}
	}
	require.Equal(t, 405, b.do("POST", "/status", token, "").Code)

	// However often somebody asks, the database is asked once.
	at := b.looked.at
	for range 100 {
		b.ok(200, "GET", "/api/v1/status", "", "")
	}
	require.Equal(t, at, b.looked.at)
}

func TestTheDatabaseIsLookedAtWhenNobodyAsks(t *testing.T) {
	b := small(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		b.Run(ctx)
		close(ended)
	}()
	require.Eventually(t, func() bool {
		state, _, fresh := b.looked.last(b.now())
		return fresh && state == databaseOK
	}, time.Minute, time.Millisecond)
	cancel()
	<-ended
}

func TestEveryStateHasWordsInEachLanguage(t *testing.T) {
	for _, w := range []*statusWords{inEnglish, inGerman, inRussian} {
		for _, state := range []string{databaseOK, databaseDown, databaseFull, databaseReadOnly, databaseBroken} {
			require.NotEmpty(t, w.states[state])
			if state != databaseOK {
				require.NotEmpty(t, w.problems[state])
				require.NotEmpty(t, w.advice[state])
			}
		}
		for _, text := range []string{w.Works, w.Trouble, w.Since, w.Do, w.Version, w.Running, w.Clock, w.Database, w.Speaks, w.To, w.Oldest, w.Always, w.now, w.minute, w.hour, w.day} {
			require.NotEmpty(t, text, w.Lang)
		}
	}
	require.Equal(t, []string{"just now", "1 min", "119 min", "2 h", "47 h", "2 days"}, []string{inEnglish.age(-time.Hour), inEnglish.age(time.Minute),
		inEnglish.age(2*time.Hour - 1), inEnglish.age(2 * time.Hour), inEnglish.age(48*time.Hour - 1), inEnglish.age(48 * time.Hour)})
	require.Same(t, inEnglish, wordsFor(strings.Repeat("x,", maxLanguages)+"de"), "a list without an end is not read to its end")
	require.Same(t, inGerman, wordsFor("de"))
	require.Same(t, inEnglish, wordsFor("deutsch"))
}
