// Package merkle keeps the archive's logs in the database of the cloud: one append-only Merkle log for each account.
//
//	logs := merkle.New(db)
//	// in the transaction that stores a commit:
//	appended, err := logs.Append(ctx, db.In(tx), account, archive.Entries(shop, commit), now)
//	// later, whenever there is time:
//	for more := true; more && err == nil; {
//		more, err = logs.Review(ctx, account, now) // judges what is new
//	}
//	checkpoint, err := logs.Checkpoint(ctx, account, now, signer) // hashes what is new, and signs
//
// Appending takes the lock of the account's row, so indexes have no gaps whatever number of servers appends, and a transaction that is
// undone takes its leaves with it. Hashing, judging and signing come after and cost what is new, not what is there.
//
// # Concurrency
//
// Logs is safe for concurrent use, also by several servers on one database. It starts no goroutine.
package merkle
