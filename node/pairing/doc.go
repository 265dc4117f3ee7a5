// Package pairing admits a new till to a shop, by a token that a person carries from one till to the other, or by six digits
// that a person compares on both screens. PROTOCOL.md describes every byte.
//
// The new till dials a till of the shop with TLS and the protocol name [ALPN], so that both know the other's device key.
// A Noise handshake bound to both device keys makes a channel between just these two. Only inside that channel the new till
// says who it is ([Request]) and gets the admission and the shop key ([Answer]). A till of the shop takes both kinds with
// [Reception.Accept].
//
// # By token
//
// A till of the shop issues a token ([Invitations.Issue]) and shows it; the new till proves it ([Join], NNpsk0). A relay with
// keys of its own between the two makes the handshake fail.
//
// # By six digits
//
// The new till asks ([Ask], XX) and shows digits. A person sees the request and the same digits at the till of the shop
// ([Requests.Waiting]) and says yes or no ([Requests.Decide]). With a relay in between the digits differ: it has to fix all
// that it contributes before it learns the last nonce, so it succeeds with one in a million for each try, and after
// [MaxTries] failed ones the door is closed.
//
// # One token, one till
//
// A token belongs to the first device key whose admission was accepted. If the connection dies after that, the same
// device key may come again with the same token until it expires and gets its answer again; so the admit function must be
// idempotent per device key. Any other key is refused with [ErrUsed]. If admit declined, the token is free again.
//
// # What is kept
//
// Tokens live in memory only, as the keys derived from them. A restart of the inviting till forgets its open tokens:
// issue a new one. Nobody can learn a token from a till's disk.
//
// # What it does not protect from
//
// Whoever reads the token from the screen within its 15 minutes can use it first; the new till then sees [ErrUsed] and
// the roster shows the stranger. Whoever reaches the port can burn the open tokens with wrong attempts (see
// [ErrWithdrawn]): nobody gets in by that, the shop only has to issue a new token. He can also take the seats of waiting
// requests and keep the door closed; tokens work all the same.
//
// # Concurrency
//
// [Invitations] and [Requests] are safe for concurrent use. Accept, Join and Ask start no goroutine that outlives them, and
// none closes the connection: it is of no more use afterwards and the caller closes it. The caller bounds how many
// connections it accepts at once; each lasts at most [HandshakeTimeout] plus [AdmissionTimeout], with six digits up to
// [RequestLifetime] more, and holds at most two frames of 64 KiB. At most [MaxWaiting] of them wait for a person.
package pairing
