// Package backup copies the whole database of a cloud into one file, and makes a database of such a file: of either engine, whatever the engine
// of the first one was. FORMAT.md has every byte.
//
//	report, err := backup.Write(ctx, w, db, about)               // servers go on meanwhile
//	report, err := backup.Verify(ctx, r)                          // trusts nothing
//	report, err := backup.Restore(ctx, file, options, report)     // into an empty database, all of it or nothing
//
// A restored cloud is the same cloud: same key, accounts, shops and archive. What must not live twice is left out or
// ended: the replicas under which it wrote (each shop gets a new one when it is opened), seats, servers, sessions and answers that were kept.
//
// The file holds the key of the cloud, the hashes of passwords and everything that was sold. It is not encrypted.
//
// # Concurrency
//
// Functions only; they start no goroutine.
package backup
