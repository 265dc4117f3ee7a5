package pairing

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Keep makes an accepting [Answer] durable on the new till before it returns. After an error nothing is confirmed, and the
// same till may come again with the same token.
type Keep func(ctx context.Context, answer Answer) error

// Join asks for admission on the new till and returns the answer that keep has stored. random must be cryptographically
// secure outside tests. The DeviceKey of req is set to ch.Self.
//
// Errors: [ErrWrongToken], [ErrTooManyAttempts], [ErrVersion], [ErrMalformed], [ErrHungUp], [ErrTimeout]; [ErrUsed]; with
// [ErrDeclined] the Answer holds the reason. With [ErrUnconfirmed] the Answer is kept and the till is a member. An error of
// keep is returned as it is, wrapped. keep was not called in any other case.
func Join(ctx context.Context, random io.Reader, ch Channel, token Token, req Request, keep Keep) (Answer, error) {
	if err := ch.check(); err != nil {
		return Answer{}, err
	}
	if token.isZero() {
		return Answer{}, fmt.Errorf("join: %w (it is empty)", ErrTyping)
	}
	req.DeviceKey = ch.Self
	request, err := encodeRequest(req)
	if err != nil {
		return Answer{}, fmt.Errorf("join: own request: %w", err)
	}
	var s secure
	err = ch.within(ctx, HandshakeTimeout, func(context.Context) (err error) {
		s, err = prove(random, ch, token)
		return err
	})
	if err != nil {
		return Answer{}, fmt.Errorf("join: %w", err)
	}
	var answer Answer
	err = ch.within(ctx, AdmissionTimeout, func(ctx context.Context) (err error) {
		answer, err = ask(ctx, s, request, keep)
		return err
	})
	if err != nil {
		return answer, fmt.Errorf("join: %w", err)
	}
	return answer, nil
}

// prove shows the inviting till that we know the token, and lets it show the same to us.
func prove(random io.Reader, ch Channel, token Token) (secure, error) {
	psk, id, err := token.keys()
	if err != nil {
		return secure{}, err
	}
	hs, err := newHandshake(true, psk, id, ch.Self, ch.Peer, random)
	if err != nil {
		return secure{}, err
	}
	first, _, _, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return secure{}, fmt.Errorf("draw a key for the handshake: %w", err)
	}
	body, err := open(ch, methodToken, hello{id: id, noise: [noiseMessage]byte(first)}.encode())
	if err != nil {
		return secure{}, err
	}
	if len(body) != noiseMessage {
		return secure{}, fmt.Errorf("%w: the second message has %d bytes, not %d", ErrMalformed, len(body), noiseMessage)
	}
	_, fromJoiner, fromInviter, err := hs.ReadMessage(nil, body)
	if err != nil {
		// The other side said "go" without knowing the token: no till of the shop, or a relay with keys of its own.
		return secure{}, fmt.Errorf("%w (the other side does not know it either)", ErrWrongToken)
	}
	return secure{conn: ch.Conn, out: fromJoiner, into: fromInviter}, nil
}

// open sends the first message and returns the body of a reply that says "go".
func open(ch Channel, method byte, first []byte) ([]byte, error) {
	if err := writeHead(ch.Conn, method, first); err != nil {
		return nil, broken("send the first message", err)
	}
	reply, body, err := readHead(ch.Conn)
	if err != nil {
		return nil, broken("receive the second message", err)
	}
	if reply.version != protocolVersion || reply.what == statusVersion {
		return nil, fmt.Errorf("%w (its version is %d, ours %d)", ErrVersion, reply.version, protocolVersion)
	}
	switch reply.what {
	case statusGo:
		return body, nil
	case statusRefused:
		return nil, ErrWrongToken
	case statusMethod:
		return nil, fmt.Errorf("%w (it does not take method %d)", ErrVersion, method)
	case statusTooMany:
		return nil, ErrTooManyAttempts
	case statusClosed:
		return nil, ErrDoorClosed
	case statusBusy:
		return nil, ErrBusy
	}
	return nil, fmt.Errorf("%w: it answers with status %d", ErrMalformed, reply.what)
}

func ask(ctx context.Context, s secure, request []byte, keep Keep) (Answer, error) {
	if err := s.send("send the request", request); err != nil {
		return Answer{}, err
	}
	answer, err := s.answer()
	if err != nil {
		return answer, err
	}
	return s.store(ctx, answer, keep)
}

// answer waits for an accepting answer. With [ErrDeclined] it returns the other kind.
func (s secure) answer() (Answer, error) {
	plain, err := s.receive("receive the answer", maxAnswer)
	if err != nil {
		return Answer{}, err
	}
	answer, err := decodeAnswer(plain)
	if err != nil {
		return Answer{}, err
	}
	if !answer.Accepted {
		return answer, declined(answer)
	}
	return answer, nil
}

// store keeps an accepting answer and says so.
func (s secure) store(ctx context.Context, answer Answer, keep Keep) (Answer, error) {
	if err := keep(ctx, answer); err != nil {
		return Answer{}, fmt.Errorf("keep the admission to %q: %w", answer.ShopName, err)
	}
	if err := s.send("confirm", encodeDone()); err != nil {
		return answer, fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return answer, nil
}

func declined(answer Answer) error {
	reason := fmt.Errorf("%w: %s (%s)", ErrDeclined, answer.Text, answer.Code)
	kind, ok := map[string]error{
		CodeUsed:       ErrUsed,
		CodeExpired:    ErrWrongToken,
		CodeRefused:    ErrRefused,
		CodeUnanswered: ErrUnanswered,
		CodeClosed:     ErrDoorClosed,
		CodeBusy:       ErrBusy,
	}[answer.Code]
	if !ok {
		return reason
	}
	return errors.Join(kind, reason)
}
