// Package cloudlink is a till's side of the cloud: when it calls, what it says of it, and how the bytes travel.
//
//   - [Forwarder] is a state machine without I/O: it is told what happened and says what to do next and what to show.
//   - [Dialer] makes the connection: HTTP(S) and proxies, WebSocket (package socket), greeting (package greeting). What fails is named
//     by a [Cause].
//   - [Uplink] drives both and the election of the shop (package election) until its Run ends. It hands the connection to the
//     engine like a link between two tills; from then on the cloud is one more replica of the shop.
//
// # Concurrency
//
// Forwarder is stepped by one goroutine. Dialer and Uplink may be used by many; all goroutines of an Uplink end with its Run.
package cloudlink
