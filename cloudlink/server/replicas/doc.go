// Package replicas runs the cloud's replicas of shops on one server.
//
// The cloud is one more replica of each shop, made of the same parts as a till: a store (package store over a table of the
// database), a core and an engine. A replica is opened when a till of its shop calls or somebody edits its data, and closed when
// nobody needed it for a while. Whoever opens it holds the seat of the shop (package seats), so two servers never write one replica.
//
// # What is acknowledged is archived
//
// A commit and its leaves in the archive (package merkle) are one transaction of the database. The cloud tells tills that it
// holds a commit only after that, so "the cloud has it" and "it is in the archive" are the same.
//
// # Who may come in
//
// A till proves its device key (package accept). It comes in if its shop is coupled with an account, the device was not revoked
// there, and it was coupled itself or the shop's roster, as far as the cloud holds it, says that it belongs to the shop. A
// till that the roster revoked is refused; one that was retired may still hand over what it has.
//
// # Concurrency
//
// Replicas is safe for concurrent use. Its goroutines end with Close.
package replicas
