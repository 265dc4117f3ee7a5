// Package cloud measures the cloud: receipts made durable, memory and work of shops that do nothing, the return of all of them after an
// outage, and proofs and checks over large archives. It has tests with the build tag bench only:
//
//	go test -tags bench ./node/nodetest/bench/cloud -run TestFigures -v -count 1 -timeout 30m
//
// The cloud runs in a process of its own, put together as cmd/cloud does it, on SQLite and on PostgreSQL (with fsync, on the same disk).
// Tills reach it over WebSockets on loopback with the greeting and the frames of real ones. Where receipts are counted, the tills are
// only the way: commits that were made and signed before, one link each, and the reading of what the cloud says is durable. Where
// shops are idle or come back they are whole: engine, store in memory, election, lease and backoff of the product.
//
// The floor of receipts is the database alone: the same bytes as rows of a plain table, by database/sql, as durable, 64 rows in a
// transaction, from as many connections as there are shops (PostgreSQL 20 at most, as the cloud has; SQLite has one writer).
//
// Environment: BENCH_CPUPROFILE names a directory for profiles of the server. BENCH_RECEIPTS says how many receipts the archive of the
// check has (20,000), BENCH_LEAVES how many leaves that of the proofs has (200,000), BENCH_SHOPS how many shops are idle (1,000).
package cloud
