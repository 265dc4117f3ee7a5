// Package accept is the cloud's end of an uplink: it takes the WebSocket of a till, greets it, and hands the connection to an engine like a
// link between two tills. Which shops there are, who may come in and which engine serves a shop are the caller's, by [Config].
//
// # Against strangers
//
// Everybody may call. A caller that has proved nothing yet costs one goroutine and a few KiB, for at most ten seconds; how many there are
// at once is bounded, in all and by source address. Database and shops are asked only after the signature was checked, and
// what is refused is counted by its reason.
package accept
