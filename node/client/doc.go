// Package client speaks the HTTP interface of a till: it is what the commands of till, the demo and programs beside a
// till use.
//
//	c, err := client.New(client.Config{URL: "http://127.0.0.1:8480", Token: token})
//	status, err := c.Status(ctx)
//
// # Errors
//
// A till that answers with a problem gives a [*Problem] with a stable code. A till that does not answer gives an
// [*Unreachable]. Both carry a hint about what to do next (method Hint). Every other error is an answer that this
// package does not understand.
//
// # Repeating
//
// No call repeats itself. [WithKey] makes a call repeatable: the till gives its first answer again instead of acting twice.
//
// # Concurrency
//
// A [Client] is safe for concurrent use.
package client
