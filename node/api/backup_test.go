package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tillmesh/tillmesh/node"
	"github.com/tillmesh/tillmesh/node/backup"
	"github.com/tillmesh/tillmesh/node/client"
)

// served serves a bench over a socket and returns a client of it.
func (b *bench) served() *client.Client {
	b.t.Helper()
	server := httptest.NewServer(b.h)
	b.t.Cleanup(server.Close)
	c, err := client.New(client.Config{URL: server.URL, Token: b.till.Token()})
	require.NoError(b.t, err)
	b.t.Cleanup(c.Close)
	return c
}

func TestABackupOverHTTP(t *testing.T) {
	b := newBench(t)
	c := b.served()
	state, err := c.BackupState(t.Context())
	require.NoError(t, err)
	require.Equal(t, client.BackupState{}, state)
	from := b.till.Events().Last()
	path := filepath.Join(t.TempDir(), "b")
	report, err := backup.SaveFile(t.Context(), path, func(w io.Writer) error { return c.Backup(t.Context(), w) }, nil)
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	require.True(t, report.HasFounderSecret)
	require.Equal(t, 1, report.GossipKeys)
	require.Equal(t, "Theke", report.Header.TillName)
	require.Equal(t, "Café Sonnenschein", report.Header.ShopName)
	state, err = c.BackupState(t.Context())
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(report.Written.Hash[:]), state.Hash)
	require.Equal(t, report.Written.Commits, state.Commits)
	require.False(t, state.Running)
	list, known, ok := b.till.Events().After(t.Context(), from)
	require.True(t, known && ok)
	var changes []string
	for _, e := range list {
		if e.What == "backup" {
			changes = append(changes, e.Change)
		}
	}
	require.Equal(t, []string{"begun", "done"}, changes)

	refusal(t, b.do("GET", "/api/v1/backup", "", "Authorization", ""), 401, "unauthorized")
	w := b.do("GET", "/api/v1/backup", "")
	require.Equal(t, 200, w.Code)
	require.Equal(t, backupType, w.Header().Get("Content-Type"))
	_, err = backup.Verify(t.Context(), w.Body, nil)
	require.NoError(t, err)
}

// stalled takes the first bytes of a backup and then waits.
type stalled struct {
	began chan struct{}
	goOn  chan error
	done  bool
}

func (s *stalled) Write(p []byte) (int, error) {
	if s.done {
		return len(p), nil
	}
	s.done = true
	close(s.began)
	return len(p), <-s.goOn
}

func TestOneBackupAtATimeAndOneThatBreaks(t *testing.T) {
	b := newBench(t)
	c := b.served()
	w := &stalled{began: make(chan struct{}), goOn: make(chan error)}
	first := make(chan error, 1)
	go func() { first <- b.till.Backup(context.Background(), w) }()
	<-w.began
	state, err := c.BackupState(t.Context())
	require.NoError(t, err)
	require.True(t, state.Running)
	err = c.Backup(t.Context(), io.Discard)
	require.Equal(t, node.CodeBackupRuns, client.CodeOf(err))
	w.goOn <- errors.New("the stick was pulled")
	require.ErrorContains(t, <-first, "the stick was pulled")
	state, err = c.BackupState(t.Context())
	require.NoError(t, err)
	require.Contains(t, state.Problem, "the stick was pulled")
	require.Empty(t, state.Hash)

	// A client that hangs up cancels it, and the next one is taken.
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.Error(t, c.Backup(ctx, io.Discard))
	var whole bytes.Buffer
	require.Eventually(t, func() bool {
		whole.Reset()
		return c.Backup(t.Context(), &whole) == nil
	}, 10*time.Second, 10*time.Millisecond)
	_, err = backup.Verify(t.Context(), bytes.NewReader(whole.Bytes()), nil)
	require.NoError(t, err)
}

// A backup that breaks after it began is no whole answer for anybody, and the till says why.
func TestABackupThatBreaksIsNoAnswer(t *testing.T) {
	b := newBench(t)
	s, ok := b.h.(*server)
	require.True(t, ok)
	broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/backup") {
			s.ServeHTTP(w, r)
			return
		}
		// The till's writer fails after the first part.
		s.getBackup(&failing{ResponseWriter: w}, r)
	}))
	defer broken.Close()
	c, err := client.New(client.Config{URL: broken.URL, Token: b.till.Token()})
	require.NoError(t, err)
	defer c.Close()
	path := filepath.Join(t.TempDir(), "b")
	_, err = backup.SaveFile(t.Context(), path, func(w io.Writer) error { return c.Backup(t.Context(), w) }, nil)
	require.ErrorContains(t, err, "the till ended the backup")
	require.ErrorContains(t, err, "no more")
	require.NoFileExists(t, path)
}

type failing struct {
	http.ResponseWriter
	n int
}

func (f *failing) Write(p []byte) (int, error) {
	if f.n++; f.n > 3 {
		return 0, errors.New("no more")
	}
	return f.ResponseWriter.Write(p)
}

func (f *failing) Unwrap() http.ResponseWriter { return f.ResponseWriter }

func TestWhatRecoverRefuses(t *testing.T) {
	b := newBench(t)
	b.refused(422, node.CodePath, "POST", "/api/v1/recover/scan", `{"dir":"here"}`)
	b.refused(404, node.CodeNothingFound, "POST", "/api/v1/recover/scan", `{"dir":"`+t.TempDir()+`"}`)
	b.refused(422, "invalid", "POST", "/api/v1/recover/take", `{"dir":"/x","id":"`+strings.Repeat("z", 64)+`"}`)
	b.refused(422, "invalid", "POST", "/api/v1/recover/scan", `{}`)
	b.refused(413, "too-large", "POST", "/api/v1/recover/scan", `{"dir":"`+strings.Repeat("x", 2<<20)+`"}`)
	require.Empty(t, b.ok(200, "GET", "/api/v1/recover", "").list("items"))
}
