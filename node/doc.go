// Package node is one till: it puts the parts together, runs them, and holds what a till can do for its user, one
// method per use case. Commands and the HTTP API call those methods and nothing below them.
//
// A request can be read from top to bottom: handler (package api) -> use case here -> document rule (crdt/...) -> one
// commit -> pushed to the other tills by replication.
package node
