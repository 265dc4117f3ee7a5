// Package verify gives the documents of a till to the verification of package crdt/receipt/verify: those of its store, and those of
// an export folder. It adds what signing devices said, whose records only the node knows.
//
//	report, err := verify.Run(ctx, verify.Store{...}, verify.Options{Progress: show})
package verify
