// Package lineage decides whether a till may go on writing its store under the replica ID it has, and what to do if
// not.
//
// A replica ID stands for one unbroken history of one store. If a store comes back older than it was, or elsewhere, or
// twice, two histories could go on under one ID, and what the shop took from the one would hide what it lacks of the
// other. So at every start, before the first write, the till compares its store with what is kept beside it (the
// high-water record) and outside of it (the [Binding]):
//
//	doubts := lineage.Judge(evidence)    // none: write the binding, go on
//	lineage.Renew(ctx, rows, outside, …) // else: a new replica ID, or nothing was changed
//
// The old ID is sealed: nobody writes under it any more. Everything written under it stays what it is and is handed on
// under its own dots. Because some of these dots may exist twice, [Reemission] also says again, under the new ID, what no other
// till is known to hold.
//
// [Yields] decides which of two machines goes on that speak with one device key. [Seals] shows sealed lineages.
//
// Formats and proofs are in LINEAGE.md. Only [BindingFile] and [Here] touch the system; no function here asks for the
// time or for random bytes. Nothing here is safe for concurrent use unless it says so.
package lineage
