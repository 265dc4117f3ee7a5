// Package backup writes everything a till holds into one file, reads such a file back to the last byte, and fills a new
// store from it. FORMAT.md has the bytes and why they are complete.
//
//	report, err := backup.WriteFile(ctx, path, gate, about, progress)     // till backup FILE
//
//	report, err := backup.VerifyFile(ctx, path, progress)                 // till restore FILE --data D
//	contents, err := backup.LoadFile(ctx, path, freshStore, report, progress)
//
// A restore makes a new till: the file holds no device key and nothing that would let a store go on under the old
// lineage. What completes the restore (an own first commit, an admission) is the caller's.
//
// # Concurrency
//
// The till goes on selling while Write reads. Only the end of it waits for a moment in which nothing is written, see
// [Gate]. Nothing here starts a goroutine.
package backup
