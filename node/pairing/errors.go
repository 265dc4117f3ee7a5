package pairing

import "errors"

// What can go wrong, to be tested with [errors.Is]. Each text ends with what to do next.
var (
	// ErrTyping means that a text is no token: some characters were mistyped, are missing or too many.
	ErrTyping = errors.New("the token is mistyped: compare it with the screen of the inviting till and type it again")
	// ErrWrongToken means that the inviting till has no such open token, or that somebody sits between the two tills.
	// The two cannot be told apart, by design.
	ErrWrongToken = errors.New("wrong or expired token: ask for a new one at a till of the shop (till invite)")
	// ErrUsed means that the token is right but already belongs to another till.
	ErrUsed = errors.New("the token was already used by another till: ask for a new one, and check who joined with this one")
	// ErrTooManyAttempts means that wrong tokens came too fast; a right one is refused too while that lasts.
	ErrTooManyAttempts = errors.New("too many wrong attempts: wait one minute and try again")
	// ErrWithdrawn tells the inviting till that wrong attempts made it withdraw every open token.
	ErrWithdrawn = errors.New("too many wrong attempts, every open token was withdrawn: issue a new one, and see who is in the network")
	// ErrTooManyOpen means that [MaxOpen] tokens are open.
	ErrTooManyOpen = errors.New("too many open tokens: use one of them or wait until they expire")
	// ErrVersion means that the two programs speak different versions or methods of this protocol.
	ErrVersion = errors.New("the other till speaks another version of the admission protocol: update the older program")
	// ErrHungUp means that the connection ended early.
	ErrHungUp = errors.New("the other till hung up: check that it still runs and try again (with the same token, if there is one)")
	// ErrTimeout means that the other side was silent or too slow.
	ErrTimeout = errors.New("the other till did not answer in time: check the network and try again (with the same token, if there is one)")
	// ErrMalformed means that bytes or fields break the protocol.
	ErrMalformed = errors.New("malformed admission message: check that the address belongs to a till and that both programs are current")
	// ErrTooLarge means that an answer does not fit into one message.
	ErrTooLarge = errors.New("admission message too large: send fewer commits or peers")
	// ErrDeclined means that the inviting till declined for the reason in the [Answer].
	ErrDeclined = errors.New("the shop declined")
	// ErrUnconfirmed means that the admission is complete on this side, but its last message was lost. On the new till
	// (from [Join] or [Ask]): it is a member and has kept the answer, go on. On the inviting till: the new till is admitted;
	// if it has not kept the answer it comes again with the same token, or asks again.
	ErrUnconfirmed = errors.New("admitted, but the other till may not know yet that all is stored: nothing to do unless it does not appear")

	// ErrRefused means that the person at the till of the shop said no.
	ErrRefused = errors.New("refused at the till of the shop: if the digits were the same on both screens, ask again; " +
		"if not, somebody sits between the two: see who is in the network, or use a token (till invite)")
	// ErrUnanswered means that nobody at the till of the shop decided within [RequestLifetime].
	ErrUnanswered = errors.New("nobody at the till of the shop answered: ask again and confirm there (till admit)")
	// ErrDoorClosed means that requests with six digits failed too often. On the inviting till it comes with the failure that
	// closed the door.
	ErrDoorClosed = errors.New("this till takes no requests after three that failed: see who is in the network, then open the " +
		"door there again (till admit --open), or wait 15 minutes, or use a token (till invite)")
	// ErrBusy means that too many requests wait at that till, or too many from this address.
	ErrBusy = errors.New("too many requests are waiting at that till: decide on them there (till admit), then ask again")
	// ErrTampered means that the two sides did not see the same handshake, or that one did not keep what it committed to.
	ErrTampered = errors.New("what the two tills said to each other was changed on the way: see who is in the network, " +
		"then try again, or use a token (till invite)")
	// ErrNoRequest means that no waiting request has this ID: it was decided, has expired, or its till hung up.
	ErrNoRequest = errors.New("no such request waits here (any more): list those that do (till admit)")
)
