package pairing

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"io"
)

// Compare shows the digits on the new till. It returns nil once the person there agrees to join if the till of the shop
// shows the same, or at once if it only shows them: then somebody in the network could lure this till into a shop of his
// own, but still not get into this one. After an error nothing is joined. It ends when ctx is done.
type Compare func(ctx context.Context, digits Digits) error

// Ask asks for admission on the new till with six digits, waits for the person at the till of the shop, up to
// [RequestLifetime], and returns the answer that keep has stored. key is the device key, whose public half is ch.Self and
// becomes the DeviceKey of req. random must be cryptographically secure outside tests. compare runs in a goroutine of its
// own, which has ended when Ask returns.
//
// Every call that showed digits is a new chance of one in a million for somebody in between: call it again only if a
// person wants that.
//
// Errors: [ErrDoorClosed], [ErrBusy], [ErrVersion], [ErrMalformed], [ErrTampered], [ErrHungUp], [ErrTimeout]; with
// [ErrDeclined] the Answer holds the reason, joined with [ErrRefused] or [ErrUnanswered] if a person was the reason. With
// [ErrUnconfirmed] the Answer is kept and the till is a member. An error of compare or keep is returned as it is, wrapped.
// keep was not called in any other case.
func Ask(
	ctx context.Context, random io.Reader, ch Channel, key ed25519.PrivateKey, req Request, compare Compare, keep Keep,
) (Answer, error) {
	answer, err := askWithDigits(ctx, random, ch, key, req, compare, keep)
	if err != nil {
		return answer, fmt.Errorf("join: %w", err)
	}
	return answer, nil
}

func askWithDigits(
	ctx context.Context, random io.Reader, ch Channel, key ed25519.PrivateKey, req Request, compare Compare, keep Keep,
) (answer Answer, err error) {
	if err := ch.check(); err != nil {
		return Answer{}, err
	}
	if len(key) != ed25519.PrivateKeySize || !ch.Self.Equal(key.Public()) {
		return Answer{}, fmt.Errorf("%w: the device key is not that of the connection", ErrMalformed)
	}
	req.DeviceKey = ch.Self
	request, err := encodeRequest(req)
	if err != nil {
		return Answer{}, fmt.Errorf("own request: %w", err)
	}
	var s secure
	var digits Digits
	err = ch.within(ctx, HandshakeTimeout, func(context.Context) (err error) {
		s, digits, err = present(random, ch, key, request)
		return err
	})
	if err != nil {
		return Answer{}, err
	}
	err = ch.within(ctx, RequestLifetime+AdmissionTimeout, func(ctx context.Context) (err error) {
		answer, err = s.await(ctx, ch, digits, compare)
		return err
	})
	if err != nil {
		return answer, err
	}
	err = ch.within(ctx, AdmissionTimeout, func(ctx context.Context) (err error) {
		answer, err = s.store(ctx, answer, keep)
		return err
	})
	return answer, err
}

// present takes the new till from its first message to the digits and a request that waits.
func present(random io.Reader, ch Channel, key ed25519.PrivateKey, request []byte) (secure, Digits, error) {
	seed := make([]byte, seedLen)
	if _, err := io.ReadFull(random, seed); err != nil {
		return secure{}, 0, fmt.Errorf("draw keys for the handshake: %w", err)
	}
	c, err := newComparison(true, key, ch.Self, ch.Peer, seed)
	if err != nil {
		return secure{}, 0, err
	}
	first, err := c.first()
	if err != nil {
		return secure{}, 0, err
	}
	second, err := open(ch, methodDigits, first)
	if err != nil {
		return secure{}, 0, err
	}
	third, out, into, err := c.third(second)
	if err != nil {
		return secure{}, 0, err
	}
	if err := writeFrame(ch.Conn, "send the third message", third); err != nil {
		return secure{}, 0, err
	}
	s := secure{conn: ch.Conn, out: out, into: into}
	plain, err := s.expect("receive the nonce of the till")
	if err != nil {
		return secure{}, 0, err
	}
	inviter, err := decodeNonce(plain, kindNonce)
	if err != nil {
		return secure{}, 0, err
	}
	if err := s.send("reveal the nonce", encodeNonce(kindReveal, c.nonce)); err != nil {
		return secure{}, 0, err
	}
	if err := s.send("send the request", request); err != nil {
		return secure{}, 0, err
	}
	plain, err = s.expect("wait until the request is shown")
	if err != nil {
		return secure{}, 0, err
	}
	if err := decodeWaiting(plain); err != nil {
		return secure{}, 0, err
	}
	digits, err := c.digits(c.nonce, inviter)
	return s, digits, err
}

// expect receives a message, or a refusal in its place. No other answer is due before the digits are shown.
func (s secure) expect(doing string) ([]byte, error) {
	plain, err := s.receive(doing, maxDeclined)
	if err != nil {
		return nil, err
	}
	if len(plain) == 0 || plain[0] != kindAnswer {
		return plain, nil
	}
	answer, err := decodeAnswer(plain)
	if err != nil {
		return nil, err
	}
	if answer.Accepted {
		return nil, fmt.Errorf("%w: accepted before anybody could compare", ErrMalformed)
	}
	return nil, declined(answer)
}

// await shows the digits and waits for the answer. A person who does not agree ends it at once.
func (s secure) await(ctx context.Context, ch Channel, digits Digits, compare Compare) (Answer, error) {
	comparing, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	var no error
	personal := false // the no is one, and not the echo of an end that came from elsewhere
	go func() {
		defer close(done)
		no = compare(comparing, digits)
		if personal = no != nil && comparing.Err() == nil; personal {
			ch.interrupt()
		}
	}()
	answer, err := s.answer()
	if err != nil {
		cancel() // there is nothing left to compare for
	}
	<-done
	if personal || err == nil && no != nil {
		return Answer{}, fmt.Errorf("compare the digits: %w", no)
	}
	return answer, err
}
