// Package watch is what the cloud notices about a shop without being asked: which tills were not heard for long, and which numbers are missing in a
// series, since when. It also says what is lost with a till.
//
//	w := watch.New(db, logs)
//	err := w.Heard(ctx, shop, []watch.Heard{{Till: till, At: now, By: till}}) // while sessions are open
//	gaps, err := w.Notice(ctx, account, shop, now)                            // after something was archived
//	silent := watch.Silent(tills, now)
//
// When a till was heard is known from its own sessions, and of the others from the till that forwards: it tells which tills it is linked with, and
// when it last heard of those that it is not. So a till counts as heard when any till of the shop that reaches the cloud heard it.
//
// # Concurrency
//
// Watch is safe for concurrent use, also by several servers on one database. It starts no goroutine.
package watch
