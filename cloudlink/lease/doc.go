// Package lease is the cloud's rule of which till of a shop forwards: one lease per shop, with a term that only grows. It is pure: the
// caller reads a [State] from its database, lets one method change it, and writes it back in the same transaction. Times are
// Unix milliseconds of the caller's clock.
//
// The lease saves traffic and fences what the cloud notes about a shop's progress; it guards no data. Commits are accepted by their
// ID from whoever brings them, so two tills that both believe to hold the lease do no harm: only the newest term moves the [Cursor].
//
// # Terms
//
// A term belongs to one session of one till. It ends when another is given, and every change of hands gives another: because the lease ran
// out, the session ended, the till opened a newer session, or another till knows that the holder is gone. A till that was
// frozen and thaws asks with the term it had, is told of the newer one, and stops.
package lease
