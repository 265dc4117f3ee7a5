// Package api is the HTTP interface of a till: it turns requests into calls of the use cases in package node, and their
// results into JSON. It decides nothing about sales.
//
//	h, err := api.New(till, api.Options{Version: "1.0", Log: log})
//	srv := &http.Server{Handler: h, BaseContext: func(net.Listener) context.Context { return ctx }}
//
// # One request from top to bottom
//
//	ServeHTTP (server.go)   find the route, count, log, recover from panics
//	guard.go                host name, origin, token, how many requests at once
//	body.go                 read the body whole: 1 MiB, JSON, UTF-8
//	idempotency.go          the same POST twice gives the same answer
//	huma                    decode and check against the schema that the OpenAPI document shows
//	articles.go, tabs.go…   one function per operation: parse IDs, call package node, shape the answer
//	problem.go              every refusal as an RFC 9457 problem with a stable code
//
// # What stays compatible
//
// Within /api/v1 paths, members and codes are only added. testdata/operations.txt pins the operations.
package api
