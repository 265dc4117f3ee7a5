package server

import (
	"context"
	"net/http"
)

func (s *Server) addLog() {
	add(s, operation(http.MethodGet, "/api/v1/archive/checkpoint", "Archive", "get-checkpoint", "Get the newest signed checkpoint",
		`A signed note about the account's append-only log. Who remembers it can ask later for a proof that the log still continues it.`),
		read, s.getCheckpoint)
	add(s, operation(http.MethodGet, "/api/v1/archive/inclusion", "Archive", "prove-inclusion", "Prove that a leaf is in the log", ``), read, s.proveInclusion)
	add(s, operation(http.MethodGet, "/api/v1/archive/consistency", "Archive", "prove-consistency", "Prove that the log continues an earlier one", ``), read, s.proveConsistency)
}

// checkpoint is the newest signed checkpoint.
type checkpoint struct {
	Note string `json:"note" doc:"The signed note, verbatim"`
	Size int64  `json:"size" doc:"Leaves in the log"`
}

func (s *Server) getCheckpoint(ctx context.Context, _ *struct{}) (checkpoint, error) {
	note, size, err := s.o.Archive.Checkpoint(ctx, callerOf(ctx).Account)
	return checkpoint{string(note), size}, err
}

type inclusionIn struct {
	Leaf int64 `query:"leaf" required:"true" minimum:"0" maximum:"4611686018427387904" doc:"Its place in the log, from 0"`
	Size int64 `query:"size" required:"true" minimum:"1" maximum:"4611686018427387904" doc:"Of the log, as a checkpoint says"`
}

// inclusion proves that a leaf is in the log.
type inclusion struct {
	Leaf   []byte   `json:"leaf" doc:"The record, base64"`
	Hashes []string `json:"hashes" nullable:"false" doc:"Audit path (RFC 6962), hexadecimal"`
}

func (s *Server) proveInclusion(ctx context.Context, in *inclusionIn) (inclusion, error) {
	if in.Leaf >= in.Size {
		return inclusion{}, invalid("query.leaf", "query.leaf: a log of this size has no such leaf")
	}
	p, err := s.o.Archive.Inclusion(ctx, callerOf(ctx).Account, in.Leaf, in.Size)
	return inclusion{p.Leaf, hashTexts(p.Hashes)}, err
}

type consistencyIn struct {
	From int64 `query:"from" required:"true" minimum:"1" maximum:"4611686018427387904" doc:"Size that is remembered"`
	To   int64 `query:"to" required:"true" minimum:"1" maximum:"4611686018427387904" doc:"Size that a later checkpoint says"`
}

// consistency proves that the log continues an earlier one.
type consistency struct {
	Hashes []string `json:"hashes" nullable:"false" doc:"Proof (RFC 6962), hexadecimal"`
}

func (s *Server) proveConsistency(ctx context.Context, in *consistencyIn) (consistency, error) {
	if in.From > in.To {
		return consistency{}, invalid("query.to", "query.to: it is smaller than query.from")
	}
	hashes, err := s.o.Archive.Consistency(ctx, callerOf(ctx).Account, in.From, in.To)
	return consistency{hashTexts(hashes)}, err
}
