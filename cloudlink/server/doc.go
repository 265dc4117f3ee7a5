// Package server is the HTTP interface of the cloud: it turns requests into calls of the packages below and their results
// into JSON. It decides who may ask, and nothing about sales.
//
//	s, err := server.New(server.Options{Accounts: a, DB: db, Version: "1.0", Log: log, Archive: …, Replicas: …})
//	srv := s.HTTP()                     // with the timeouts that slow clients need
//	go s.Run(ctx)                       // sweeps what ended
//
// # One request from top to bottom
//
//	ServeHTTP (server.go)   find the route, count, log, recover from panics
//	guard.go                origin, token: who asks, for which account
//	body.go                 read the body whole: 1 MiB, JSON, UTF-8
//	idempotency.go          the same POST twice gives the same answer
//	huma                    decode and check against the schema that the OpenAPI document shows
//	accounts.go, shops.go…  one function per operation: check the right and the shop, call, shape the answer
//	problem.go              every refusal as an RFC 9457 problem with a stable code
//
// # Rights
//
// Every request but the public ones is for one account. Whatever names a shop goes through [server.shop], which knows
// only shops of that account; all others are answered like shops that do not exist.
//
// # What stays compatible
//
// Within /api/v1 paths, members and codes are only added. testdata/operations.txt pins the operations.
package server
