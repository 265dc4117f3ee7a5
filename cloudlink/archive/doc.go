// Package archive is what makes the cloud's archive one that nobody can rewrite: the leaves of an account's append-only Merkle log, which
// parts of a commit become leaves, signed checkpoints, proofs, what a till says to a checkpoint that does not continue the one it
// remembers, and how long things are kept.
//
//	entries, err := archive.Entries(shop, commit)               // at the cloud: what to append
//	note, err := archive.SignCheckpoint(checkpoint, signer)     // later, when the tree has grown
//	verdict, next := remembered.Compare(account, note, proof, key)   // at a till, at each contact
//
// Everything here is a function of its arguments. Package store keeps the log in a database, package completeness says what is
// missing in it, package export writes and verifies files of it. FORMAT.md has every byte.
package archive
