// Package book holds the open sales of the shop in memory: every live tab, line, void, discount and payment, merged by
// the rules of package crdt, and indexed so that a screen sees a tab at once.
//
// A [Book] is loaded from what the store holds and then fed with every commit that became durable:
//
//	b := book.New()
//	b.SetDay("2026-09-03")
//	b.Load(objects)                 // in as many steps as the caller likes
//	changes := b.Apply(taken)       // from then on, in the order of the committer
//
// It is a projection and nothing else: it writes nothing, knows no clock and no disk, and what it shows follows from the
// live pieces alone, whatever the order they came in. What was closed leaves it at once; of closed receipts it remembers
// only what it takes to notice that a line was settled twice.
//
// # Concurrency
//
// All methods may be called by several goroutines. Merged objects are replaced, never changed, once a reader may have
// seen them, so views are computed outside the lock.
package book
