// Package pairing admits a new till to a shop by a token that a person carries from one till to the other.
//
// A till of the shop issues a token ([Invitations.Issue]) and shows it. The new till dials the inviting till with TLS
// and the protocol name [ALPN], so that both know the other's device key, and proves the token with a Noise handshake
// (NNpsk0) that is bound to both device keys: a relay with keys of its own between the two makes it fail. Only inside that
// channel the new till says who it is ([Request]) and gets the admission and the shop key ([Answer]). PROTOCOL.md
// describes every byte.
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
// [ErrWithdrawn]): nobody gets in by that, the shop only has to issue a new token.
//
// # Concurrency
//
// [Invitations] is safe for concurrent use. Accept and Join start no goroutine that outlives them, and neither closes the
// connection: it is of no more use afterwards and the caller closes it. The caller bounds how many connections it
// accepts at once; each lasts at most [HandshakeTimeout] plus [AdmissionTimeout] and holds at most two frames of 64 KiB.
package pairing
