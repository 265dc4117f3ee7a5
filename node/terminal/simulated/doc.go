// Package simulated is a payment terminal that exists only as a program: for tests, the simulator and demonstrations. No
// money moves. It is deterministic: what happens to a payment follows from the seed and the ID of the payment alone, so the
// order in which payments come does not matter.
//
// A [Device] is the terminal itself, a state machine that is told the time. [Terminal] asks a Device in the same process, [Link]
// one that a [Server] lets others reach, as "till terminal" does.
//
// With seed 0 every payment succeeds after a moment. With every other seed about half of them do; the others are declined,
// take long, are taken while the till already gave up, lose the request or the answer, are answered twice, or take the
// terminal down for a while.
//
// # Book
//
// What a Device decided survives it as lines of JSON, see [Entry], which Keep writes before anybody is told.
package simulated
