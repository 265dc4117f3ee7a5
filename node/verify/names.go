package verify

import (
	"context"

	"github.com/tillmesh/tillmesh/crdt/receipt/verify"
)

// The verification itself is pure and lives in crdt/receipt/verify, where the archive finds it too. Its names are given here, so that
// who verifies the data of a till needs one import.
type (
	Entry    = verify.Entry
	Source   = verify.Source
	Series   = verify.Series
	Head     = verify.Head
	Options  = verify.Options
	Device   = verify.Device
	Report   = verify.Report
	Summary  = verify.Summary
	Finding  = verify.Finding
	Progress = verify.Progress
)

// Codes of [Finding]; see there.
const (
	FindDocument = verify.FindDocument
	FindItem     = verify.FindItem
	FindMember   = verify.FindMember
	FindOpening  = verify.FindOpening
	FindEnd      = verify.FindEnd
	FindDevice   = verify.FindDevice
	FindRange    = verify.FindRange
	FindSums     = verify.FindSums

	AboutReceipt = verify.AboutReceipt
	AboutOpening = verify.AboutOpening
	AboutClosing = verify.AboutClosing
)

// Run verifies everything that a source gives; see the function of that name there.
func Run(ctx context.Context, src Source, o Options) (Report, error) { return verify.Run(ctx, src, o) }
