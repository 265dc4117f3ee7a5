// Package node is one till. Commands and the HTTP API call its methods, one per use case, and nothing below them.
//
// A request can be read from top to bottom: handler (package api) -> use case here -> document rule (crdt/...) -> one
// commit -> pushed to the other tills by replication.
//
// [Till] is what a till decides. It stands on [Parts]: a store, a [Replicator], a [Network], an [Environment] of time and
// chance. [Open] puts the real ones together and returns a [Machine], which also finds and links the other tills; the
// simulator of node/nodetest puts its own together. What a cashier's request runs through is the same in both:
//
//	till, err := node.Assemble(ctx, parts)        // loads what is kept in memory
//	replicator := ...                             // calls till.Applied, till.Asked, till.Notify, till.Roster
//	till.Connect(replicator, network)
//	till.Housekeep(ctx)                           // about every 10 s
//
// A new till is a [Newcomer], from [NewShop] or, after another till's Admit, from [NewMember]; Fill writes its first rows.
package node
