// Package socket carries the bytes between a till and the cloud over a WebSocket: the messages of the greeting first, then a stream of
// frames in both directions. [Dial] opens one, [Accept] takes one; both give a [Stream], which an engine serves like a link between
// two tills. It knows nothing of what the bytes mean. cloudlink/PROTOCOL.md says what is on the line.
//
// # Slow lines and dead ones
//
// A stream is written in small messages, and each has a deadline of its own: a slow line is used as long as it moves, a peer
// that takes nothing is cut. Who has nothing to say sends an empty message now and then, so both sides, and the proxies between, see
// that the other one lives; who hears nothing at all for a while ends the stream. WebSocket pings are not used: a pong has to wait
// behind what is being written, and would end a slow connection that works.
package socket
