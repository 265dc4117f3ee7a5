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

// Accept answers one connection on the inviting till, from the first byte to the last, and returns what the new till said.
//
// Errors of the new till's side: [ErrWrongToken] (joined with [ErrWithdrawn] if that was one attempt too many; the caller
// should show that), [ErrTooManyAttempts], [ErrVersion], [ErrMalformed], [ErrHungUp], [ErrTimeout], [ErrUsed]. With
// [ErrUnconfirmed] the Request is set and the till is admitted, only its last word is missing. With [ErrDeclined] admit
// declined. An error of admit is returned as it is, wrapped.
func (in *Invitations) Accept(ctx context.Context, ch Channel, admit Admit) (Request, error) {
	if err := ch.check(); err != nil {
		return Request{}, err
	}
	var a acceptance
	err := ch.within(ctx, HandshakeTimeout, func(context.Context) (err error) {
		a, err = in.handshake(ch)
		return err
	})
	if err != nil {
		return Request{}, fmt.Errorf("accept a new till: %w", err)
	}
	var req Request
	err = ch.within(ctx, AdmissionTimeout, func(ctx context.Context) (err error) {
		req, err = in.admission(ctx, ch, a, admit)
		return err
	})
	if err != nil {
		return req, fmt.Errorf("accept a new till: %w", err)
	}
	return req, nil
}

// acceptance is a connection whose token is proven.
type acceptance struct {
	id     tokenID
	inv    *invitation
	secure secure
}

func (in *Invitations) handshake(ch Channel) (acceptance, error) {
	const doing = "receive the first message"
	first, body, err := readHead(ch.Conn)
	if err != nil {
		return acceptance{}, broken(doing, err)
	}
	if first.version != protocolVersion {
		return acceptance{}, errors.Join(
			fmt.Errorf("%w (its version is %d, ours %d)", ErrVersion, first.version, protocolVersion),
			broken("refuse", writeHead(ch.Conn, statusVersion, nil)))
	}
	if first.what != methodToken {
		return acceptance{}, errors.Join(
			fmt.Errorf("%w (it asks for method %d)", ErrVersion, first.what),
			broken("refuse", writeHead(ch.Conn, statusMethod, nil)))
	}
	h, err := decodeHello(body)
	if err != nil {
		return acceptance{}, errors.Join(err, broken("refuse", writeHead(ch.Conn, statusMalformed, nil)))
	}
	inv, hs, err := in.prove(h, ch.Peer, ch.Self)
	if err != nil {
		status := statusRefused
		if errors.Is(err, ErrTooManyAttempts) {
			status = statusTooMany
		}
		return acceptance{}, errors.Join(err, broken("refuse", writeHead(ch.Conn, status, nil)))
	}
	reply, fromJoiner, fromInviter, err := hs.WriteMessage(nil, nil)
	if err != nil {
		// Only a peer with a broken ephemeral key gets here: it knew the token, but there is no secret to agree on.
		return acceptance{}, errors.Join(fmt.Errorf("%w: Noise: %w", ErrMalformed, err), in.failed(),
			broken("refuse", writeHead(ch.Conn, statusRefused, nil)))
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
	req, err := decodeRequest(plain)
	if err == nil && !ch.Peer.Equal(req.DeviceKey) {
		err = fmt.Errorf("%w: the request names another device key than the connection", ErrMalformed)
	}
	if err != nil {
		return Request{}, errors.Join(err, a.decline(CodeMalformed, "The request was not understood."))
	}

	switch code := in.hold(a.id, a.inv, ch.Peer); code {
	case CodeUsed:
		return req, errors.Join(ErrUsed, a.decline(code, "The token was already used by another till."))
	case CodeExpired:
		return req, errors.Join(ErrWrongToken, a.decline(code, "The token has expired or was withdrawn."))
	}
	bound := true // unless admit says that nothing was done
	defer func() { in.release(a.inv, bound) }()

	answer, err := admit(ctx, req)
	if err != nil {
		return req, errors.Join(fmt.Errorf("admit %q: %w", req.Name, err), a.decline(CodeFailed, textFailed))
	}
	bound = answer.Accepted
	encoded, err := encodeAnswer(answer)
	if err != nil {
		return req, errors.Join(fmt.Errorf("answer %q: %w", req.Name, err), a.decline(CodeFailed, textFailed))
	}
	if err := a.secure.send("send the answer", encoded); err != nil {
		if answer.Accepted {
			err = fmt.Errorf("%w: %w", ErrUnconfirmed, err)
		}
		return req, err
	}
	if !answer.Accepted {
		return req, fmt.Errorf("%w %q: %s (%s)", ErrDeclined, req.Name, answer.Text, answer.Code)
	}
	if err := a.confirmed(); err != nil {
		return req, fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return req, nil
}

const textFailed = "The inviting till could not complete the admission; its log says why. Try again with the same token."

// decline sends a reason of this package. What is declined is the caller's to return.
func (a acceptance) decline(code, text string) error {
	encoded, err := encodeAnswer(Answer{Code: code, Text: text})
	if err != nil {
		return err
	}
	return a.secure.send("send the refusal", encoded)
}

// confirmed waits for the new till's word that it has kept the answer.
func (a acceptance) confirmed() error {
	plain, err := a.secure.receive("wait for the new till to store its admission", maxDone)
	if err != nil {
		return err
	}
	return decodeDone(plain)
}
