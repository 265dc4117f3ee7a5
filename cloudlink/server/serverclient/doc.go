// Package serverclient speaks the HTTP interface of the cloud: tills, the commands of both programs and programs beside
// them use it.
//
//	c, err := serverclient.New(serverclient.Config{URL: "https://cloud.example"})
//	session, err := c.SignIn(ctx, serverclient.SignIn{Name: name, Password: password, Label: "Kasse 2"})
//	shops, err := c.With(session.Token).Shops(ctx)
//
// # Errors
//
// A cloud that answers with a problem gives a [*Problem] with a stable code. One that does not answer gives an
// [*Unreachable]. Both carry a hint about what to do next (method Hint). Every other error is an answer that this
// package does not understand.
//
// # Repeating
//
// No call repeats itself. [WithKey] makes a call repeatable: the cloud gives its first answer again instead of acting
// twice. Calls with passwords cannot be made so.
//
// # Concurrency
//
// A [Client] is safe for concurrent use.
package serverclient
