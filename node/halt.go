package node

import (
	"context"
	"fmt"
	"time"

	"github.com/tillmesh/tillmesh/crdt"
	"github.com/tillmesh/tillmesh/node/disk"
)

// Halt is the error with which [Open] or [Machine.Run] ends when the till must not go on as it is, but its program can:
// it says so over HTTP, mends the cause or waits until it is gone, and opens the till again.
type Halt struct {
	Kind string    // stable, one of the Halt constants; the API shows it as the code
	Text string    // what happened, in plain words, without a full stop
	Next string    // what to do, may be empty
	At   time.Time // since when
	Err  error     // the cause, for the log; may be nil

	// Mend returns nil when the till may be opened again: it waits for that, or does what is needed. An error ends the
	// program, if ctx is not done. nil: nothing mends it while the program runs.
	Mend func(ctx context.Context) error
	// Disk returns how the disk is doing now, if the disk is the cause; Text and Next are then of the start of it.
	Disk func() disk.Report

	// Who it is about. Open and Run fill it in.
	Shop   crdt.ShopID
	Till   crdt.TillID
	Prefix string
	Token  string // what the HTTP API asks for
}

// Kinds of halts. They are part of the API: append, never change.
const (
	HaltDiskFull     = "disk-full"
	HaltDiskReadOnly = "disk-read-only"
	HaltDiskFailing  = "disk-failing"
	HaltDoubt        = "doubt" // it is not sure that this store is the one this till wrote
)

// Error says what happened.
func (h *Halt) Error() string {
	if h.Err != nil {
		return fmt.Sprintf("%s: %v", h.Text, h.Err)
	}
	return h.Text
}

// Hint says what to do next.
func (h *Halt) Hint() string { return h.Next }

// Unwrap returns the cause.
func (h *Halt) Unwrap() error { return h.Err }

// Now returns what to tell people at this moment.
func (h *Halt) Now() (text, next string) {
	if h.Disk != nil {
		if r := h.Disk(); !r.Level.MayFinish() {
			return r.Sentence(), r.Next()
		}
	}
	return h.Text, h.Next
}
