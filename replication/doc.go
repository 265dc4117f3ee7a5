// Package replication keeps the documents of all tills of one shop converging.
//
// It decides what to send to whom, when a commit counts as held, and what a till may claim to hold. It does not know
// how bytes travel (package mesh), where they rest (package store), or what they mean (packages crdt/...).
//
// [Core] is all of it as one state machine without I/O: the committer (Propose, Take, Done) and a session per link
// (LinkUp, Receive, Next, NextRead, ReadDone, Tick, LinkDown), and the audit (NextAudit, AuditDone). The simulator steps it
// directly. Package engine is the thin driver that runs a Core over real links and a real store.
//
// # The rules it keeps
//
// Nothing is sent, acknowledged or reported before the store said it is durable. A commit enters the context only
// together with its bytes. Commits that need no bytes any more are claimed only by a complete End, only if every frame
// before it arrived, and only when everything else the peer advertised is held; see DESIGN.md.
//
// # Concurrency
//
// Core starts no goroutine and is not safe for concurrent use. An Engine of package engine is.
package replication
