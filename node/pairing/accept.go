package pairing

import (
	"context"
	"errors"
	"fmt"
)

// Admit decides on a till that has proven a token, and makes its admission durable before it returns an accepting
// [Answer]. It is called again with the same device key if that till comes again, also at the same time, and must then
// give the same admission: it is idempotent per device key. A key that the shop revoked meanwhile must be declined.
//
// Accepted false, with a Code and Text of the caller's, leaves the token free for another try of anyone. An error means
// that nobody knows how far it came: the till is told [CodeFailed], and the token stays bound to its device key.
type Admit func(ctx context.Context, req Request) (Answer, error)

// Reception is what a till of the shop offers to those that want to join. A method that is nil is not offered.
type Reception struct {
	// Invitations are the open tokens.
	Invitations *Invitations
	// Requests are those with six digits, on which a person decides.
	Requests *Requests
}

// Accept answers one connection on a till of the shop, from the first byte to the last, and returns what the new till said.
// With six digits that takes as long as the person at this till takes, up to [RequestLifetime].
//
// Errors of the new till's side: [ErrVersion], [ErrMalformed], [ErrHungUp], [ErrTimeout]; with a token [ErrWrongToken]
// (joined with [ErrWithdrawn] if that was one attempt too many), [ErrTooManyAttempts], [ErrUsed]; with six digits
// [ErrTampered], [ErrRefused], [ErrUnanswered], [ErrBusy], [ErrDoorClosed] (alone: the door was closed before; joined with
// another: that closed it). The caller should show ErrWithdrawn and ErrDoorClosed. With [ErrUnconfirmed] the Request is set
// and the till is admitted, only its last word is missing. With [ErrDeclined] admit declined. An error of admit is returned
// as it is, wrapped.
func (r Reception) Accept(ctx context.Context, ch Channel, admit Admit) (Request, error) {
	req, err := r.accept(ctx, ch, admit)
	if err != nil {
		return req, fmt.Errorf("accept a new till: %w", err)
	}
	return req, nil
}

func (r Reception) accept(ctx context.Context, ch Channel, admit Admit) (req Request, err error) {
	if err := ch.check(); err != nil {
		return Request{}, err
	}
	var token acceptance
	var digits *visit
	err = ch.within(ctx, HandshakeTimeout, func(context.Context) error {
		method, body, err := r.opening(ch)
		switch {
		case err != nil:
		case method == methodToken:
			token, err = r.Invitations.handshake(ch, body)
		default:
			digits, err = r.Requests.receive(ch, body)
		}
		return err
	})
	switch {
	case err != nil:
		return Request{}, err
	case digits != nil:
		return r.Requests.attend(ctx, ch, digits, admit)
	}
	err = ch.within(ctx, AdmissionTimeout, func(ctx context.Context) (err error) {
		req, err = r.Invitations.admission(ctx, ch, token, admit)
		return err
	})
	return req, err
}

// opening reads the first message and returns a method that is offered here.
func (r Reception) opening(ch Channel) (method byte, body []byte, err error) {
	first, body, err := readHead(ch.Conn)
	if err != nil {
		return 0, nil, broken("receive the first message", err)
	}
	if first.version != protocolVersion {
		return 0, nil, refuse(ch, statusVersion, fmt.Errorf("%w (its version is %d, ours %d)", ErrVersion, first.version, protocolVersion))
	}
	offered := first.what == methodToken && r.Invitations != nil || first.what == methodDigits && r.Requests != nil
	if !offered {
		return 0, nil, refuse(ch, statusMethod, fmt.Errorf("%w (it asks for method %d)", ErrVersion, first.what))
	}
	return first.what, body, nil
}

// refuse tells the new till, and returns why.
func refuse(ch Channel, status byte, why error) error {
	return errors.Join(why, broken("refuse", writeHead(ch.Conn, status, nil)))
}

// Accept is [Reception.Accept] where nothing but tokens is offered.
func (in *Invitations) Accept(ctx context.Context, ch Channel, admit Admit) (Request, error) {
	return Reception{Invitations: in}.Accept(ctx, ch, admit)
}

// acceptance is a connection whose token is proven.
type acceptance struct {
	id     tokenID
	inv    *invitation
	secure secure
}

func (in *Invitations) handshake(ch Channel, body []byte) (acceptance, error) {
	h, err := decodeHello(body)
	if err != nil {
		return acceptance{}, refuse(ch, statusMalformed, err)
	}
	inv, hs, err := in.prove(h, ch.Peer, ch.Self)
	if err != nil {
		status := statusRefused
		if errors.Is(err, ErrTooManyAttempts) {
			status = statusTooMany
		}
		return acceptance{}, refuse(ch, status, err)
	}
	reply, fromJoiner, fromInviter, err := hs.WriteMessage(nil, nil)
	if err != nil {
		// Only a peer with a broken ephemeral key gets here: it knew the token, but there is no secret to agree on.
		return acceptance{}, refuse(ch, statusRefused, errors.Join(fmt.Errorf("%w: Noise: %w", ErrMalformed, err), in.failed()))
	}
	if err := writeHead(ch.Conn, statusGo, reply); err != nil {
		return acceptance{}, broken("send the second message", err)
	}
	return acceptance{id: h.id, inv: inv, secure: secure{conn: ch.Conn, out: fromInviter, into: fromJoiner}}, nil
}

func (in *Invitations) admission(ctx context.Context, ch Channel, a acceptance, admit Admit) (Request, error) {
	plain, err := a.secure.receive("receive the request", maxRequest)
	if err != nil {
		if errors.Is(err, errUndecipherable) { // the first message was a recording: whoever sent it lacks the token
			err = errors.Join(err, in.failed())
		}
		return Request{}, err
	}
	req, err := requestOf(ch, plain)
	if err != nil {
		return Request{}, errors.Join(err, a.secure.decline(CodeMalformed, textMalformed))
	}

	switch code := in.hold(a.id, a.inv, ch.Peer); code {
	case CodeUsed:
		return req, errors.Join(ErrUsed, a.secure.decline(code, "The token was already used by another till."))
	case CodeExpired:
		return req, errors.Join(ErrWrongToken, a.secure.decline(code, "The token has expired or was withdrawn."))
	}
	bound := true // unless admit says that nothing was done
	defer func() { in.release(a.inv, bound) }()
	bound, err = a.secure.settle(ctx, req, admit, a.secure.lastWord)
	return req, err
}
