// Package books is what the cloud's API says about the archive: documents with whether they hold, proofs, reports on completeness,
// exports and legal holds. It is the other side of the ports of package server, over packages merkle, completeness and export.
//
//	b, err := books.New(books.Options{DB: db, Logs: logs})
//	exports, err := books.NewExports(books.ExportOptions{Books: b, Dir: dir})
//	go exports.Run(ctx)
//	s, err := server.New(server.Options{Documents: b, Archive: b, Reports: b, Holds: b, Exports: exports, …})
//
// Whoever calls has checked that account and shop belong to who asks. Nothing here changes a leaf: what does not hold is shown with what is wrong.
//
// # Concurrency
//
// Books and Exports are safe for concurrent use, also by several servers on one database. Exports are made by the goroutine that runs
// [Exports.Run] and those that it waits for; Books starts none.
package books

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/tillmesh/tillmesh/cloudlink/archive"
	"github.com/tillmesh/tillmesh/cloudlink/archive/merkle"
	"github.com/tillmesh/tillmesh/cloudlink/database"
	"github.com/tillmesh/tillmesh/cloudlink/server"
	"github.com/tillmesh/tillmesh/crdt"
)

// Options are what Books need.
type Options struct {
	DB     *database.DB
	Logs   *merkle.Logs
	Now    func() time.Time // nil: time.Now
	Random io.Reader        // of IDs; nil: crypto/rand
}

// Books answer questions about the archive.
type Books struct {
	db       *database.DB
	logs     *merkle.Logs
	now      func() time.Time
	random   io.Reader
	signer   note.Signer
	verifier note.Verifier
	checks   chan struct{} // a slot for each report that is being made
}

var (
	_ server.Documents = (*Books)(nil)
	_ server.Log       = (*Books)(nil)
	_ server.Reports   = (*Books)(nil)
	_ server.Holds     = (*Books)(nil)
)

// maxChecks is how many reports on completeness are made at once: each keeps a processor busy.
const maxChecks = 2

// New returns the books of an installation.
func New(o Options) (*Books, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Random == nil {
		o.Random = rand.Reader
	}
	signer, err := archive.NewSigner(o.DB.Installation().Key)
	if err != nil {
		return nil, err
	}
	b := &Books{db: o.DB, logs: o.Logs, now: o.Now, random: o.Random, signer: signer, checks: make(chan struct{}, maxChecks)}
	b.verifier, _ = signer.(note.Verifier) // every signer of package archive is one
	return b, nil
}

// Seal judges, hashes and signs what is new in the archive of an account, and returns the checkpoint of all of it. Servers do so by themselves;
// an export or a check does it first to cover the newest. merkle.ErrRewritten: nothing was signed.
func (b *Books) Seal(ctx context.Context, account archive.AccountID) (merkle.Signed, error) {
	for more := true; more; {
		var err error
		if more, err = b.logs.Review(ctx, account, b.now()); err != nil {
			return merkle.Signed{}, err
		}
	}
	return b.logs.Checkpoint(ctx, account, b.now(), b.signer)
}

// newID draws an ID.
func (b *Books) newID() (id crdt.ObjectID, err error) {
	if _, err = io.ReadFull(b.random, id[:]); err != nil {
		err = fmt.Errorf("draw an ID: %w", err)
	}
	return id, err
}

// found turns what the archive says into what the server understands.
func found(err error) error {
	if errors.Is(err, merkle.ErrNotFound) {
		return fmt.Errorf("%w: %w", server.ErrNotFound, err)
	}
	return err
}
