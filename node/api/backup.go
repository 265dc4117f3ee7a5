package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tillmesh/tillmesh/node"
)

// backupTime is how long a client may take to read the next part of a backup: it may write to a slow stick.
const backupTime = 2 * time.Minute

const backupType = "application/vnd.tillmesh.backup"

// backupState is how a backup is doing.
type backupState struct {
	Running       bool   `json:"running"`
	BeganAt       string `json:"began_at" doc:"RFC 3339; empty: none was written since this till started"`
	EndedAt       string `json:"ended_at" doc:"RFC 3339; empty while it runs"`
	Commits       int64  `json:"commits" doc:"Written so far"`
	Bytes         int64  `json:"bytes" doc:"Written so far"`
	Hash          string `json:"hash" doc:"SHA-256 of the whole file, hexadecimal; empty unless it ended well"`
	Problem       string `json:"problem" doc:"Why it did not end well"`
	FounderSecret bool   `json:"founder_secret" doc:"It can be restored without another till of the shop"`
}

func (s *server) addBackup() {
	op := operation(http.MethodGet, "/api/v1/backup", "Till", "get-backup", "Get a backup of everything this till holds",
		`The file as a stream, while the till goes on selling; node/backup/FORMAT.md has its bytes. It holds the keys of the shop: keep it
where only the owner can read it. If the connection ends before the answer does, what came is no backup, and backup/state says
why. Keep the file only after reading it back: "till backup FILE" does all that. One backup is written at a time. Hanging up
cancels it. The event backup tells when one begins and ends.`)
	op.Responses = map[string]*huma.Response{"200": {
		Description: "The file", Content: map[string]*huma.MediaType{backupType: {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}}
	s.describe(&op)
	s.doc.OpenAPI().AddOperation(&op)
	s.raw("GET /api/v1/backup", route{stream: true}, s.getBackup)
	add(s, operation(http.MethodGet, "/api/v1/backup/state", "Till", "get-backup-state", "How the backup is doing, or how the last one ended", ``),
		func(context.Context, *struct{}) (backupState, error) { return showBackup(s.till.BackupState()), nil })
}

func showBackup(b node.BackupState) backupState {
	return backupState{b.Running, instant(b.Began), instant(b.Ended), b.Commits, b.Bytes, b.Hash, b.Problem, b.FounderSecret}
}

func (s *server) getBackup(w http.ResponseWriter, r *http.Request) {
	out := &download{w: w, control: http.NewResponseController(w), kind: backupType, name: "till.backup"}
	err := s.till.Backup(r.Context(), out)
	switch {
	case err == nil:
	case !out.begun:
		s.problemOf(r.Context(), err).write(w)
	default:
		s.log.WarnContext(r.Context(), "a backup was not finished", "error", err)
		panic(http.ErrAbortHandler) // the client must see that it is not whole
	}
}

// download sends a file whose length nobody knows yet.
type download struct {
	w       http.ResponseWriter
	control *http.ResponseController
	kind    string // media type
	name    string // of the file
	begun   bool
}

// Write sends a part of the file.
func (d *download) Write(b []byte) (int, error) {
	if !d.begun {
		d.begun = true
		d.w.Header().Set("Content-Type", d.kind)
		d.w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", d.name))
	}
	if err := d.control.SetWriteDeadline(time.Now().Add(backupTime)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return 0, fmt.Errorf("limit the time of a download: %w", err)
	}
	return d.w.Write(b)
}
