// Package crdt holds the replicated data types of a shop: what a change is, when two changes are concurrent,
// and how the same set of changes gives the same state on every till, whatever the order they arrive in.
//
// There are two kinds of data and there will never be more:
//
//   - A [Register] is a group of fields that belong together. A write replaces what its writer had seen; writes that
//     did not see each other are kept side by side until somebody writes again.
//   - An item is added once and never changes. Another item may supersede it (a closing supersedes the lines it
//     lists); nothing else removes it.
//
// Both live in an [Object], and change only through a [Commit]: one atomic local change that carries one [Dot].
// Which commits a store has taken is written down in a [Context]; it is bookkeeping only. Cause lives in the [Clock]
// of each register, so commits may be applied in any order and any number of times.
//
// The package is pure: no files, no network, no clock, no randomness. Times and random bytes are arguments.
package crdt
