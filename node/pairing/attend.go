package pairing

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flynn/noise"
)

// visit is a new till whose digits are shown here.
type visit struct {
	seat   *seat
	secure secure
	req    Request
}

// receive takes a new till from its first message to a waiting request with digits.
func (r *Requests) receive(ch Channel, first []byte) (*visit, error) {
	if !ch.Self.Equal(r.key.Public()) {
		return nil, fmt.Errorf("the connection shows another device key than that of this till")
	}
	address := addressOf(ch.Conn)
	if err := r.mayEnter(address); err != nil {
		status := statusBusy
		if errors.Is(err, ErrDoorClosed) {
			status = statusClosed
		}
		return nil, refuse(ch, status, err)
	}
	c, out, into, err := r.handshake(ch, first)
	if err != nil {
		return nil, err
	}
	v := &visit{secure: secure{conn: ch.Conn, out: out, into: into}}
	v.seat, err = r.enter(address)
	if err != nil { // others were faster
		code, text := CodeBusy, "Too many requests are waiting at this till."
		if errors.Is(err, ErrDoorClosed) {
			code, text = CodeClosed, "This till takes no requests after three that failed."
		}
		return nil, errors.Join(err, v.secure.decline(code, text))
	}
	if err := r.compare(ch, v, c); err != nil {
		return nil, errors.Join(err, r.leave(v.seat, err))
	}
	return v, nil
}

func (r *Requests) handshake(ch Channel, first []byte) (c *comparison, out, into *noise.CipherState, err error) {
	seed, err := r.draw()
	if err != nil {
		return nil, nil, nil, err
	}
	c, err = newComparison(false, r.key, ch.Peer, ch.Self, seed)
	if err != nil {
		return nil, nil, nil, err
	}
	second, err := c.second(first)
	if err != nil {
		return nil, nil, nil, refuse(ch, statusMalformed, err)
	}
	if err := writeHead(ch.Conn, statusGo, second); err != nil {
		return nil, nil, nil, broken("send the second message", err)
	}
	third, err := readFrame(ch.Conn, "receive the third message", xxThird, xxThird)
	if err != nil {
		return nil, nil, nil, err
	}
	out, into, err = c.finish(third)
	return c, out, into, err
}

// compare reveals the own nonce, takes the other and the request, and lets the request wait. The new till sends both
// before it reads, so both are read before either is judged.
func (r *Requests) compare(ch Channel, v *visit, c *comparison) error {
	if err := v.secure.send("reveal the nonce", encodeNonce(kindNonce, c.nonce)); err != nil {
		return err
	}
	revealed, err := v.secure.receive("receive the nonce of the new till", 1+nonceLen)
	if err != nil {
		return err
	}
	plain, err := v.secure.receive("receive the request", maxRequest)
	if err != nil {
		return err
	}
	digits, req, err := judge(ch, c, revealed, plain)
	if err != nil {
		return errors.Join(err, v.secure.decline(CodeMalformed, textMalformed))
	}
	v.req = req
	if err := r.wait(v.seat, req, digits); err != nil {
		return errors.Join(err, v.secure.decline(CodeFailed, textFailed))
	}
	return v.secure.send("tell that the request waits", encodeWaiting())
}

func judge(ch Channel, c *comparison, revealed, plain []byte) (Digits, Request, error) {
	joiner, err := decodeNonce(revealed, kindReveal)
	if err != nil {
		return 0, Request{}, err
	}
	if err := c.opened(joiner); err != nil {
		return 0, Request{}, err
	}
	req, err := requestOf(ch, plain)
	if err != nil {
		return 0, Request{}, err
	}
	digits, err := c.digits(joiner, c.nonce)
	return digits, req, err
}

// attend waits for a person, and admits or refuses. Meanwhile it reads from the connection, where nothing may come but the
// last word of the new till after its admission: so it hears at once if that till is gone.
func (r *Requests) attend(ctx context.Context, ch Channel, v *visit, admit Admit) (req Request, err error) {
	r.changed()
	heard := make(chan struct{})
	var word error
	go func() {
		defer close(heard)
		word = v.secure.lastWord()
	}()
	defer func() {
		select {
		case <-heard:
		default:
			ch.interrupt()
			<-heard
		}
		err = errors.Join(err, r.leave(v.seat, err))
	}()

	yes, none := r.decision(ctx, v.seat, heard)
	select {
	case <-heard: // before it was answered: the yes of a person does not admit a till that is gone
		if word == nil {
			return v.req, fmt.Errorf("%w: the new till confirmed what it was not told", ErrMalformed)
		}
		if ctx.Err() != nil { // both at once: what ended here comes first
			return v.req, fmt.Errorf("admission interrupted: %w (%w)", context.Cause(ctx), word)
		}
		return v.req, fmt.Errorf("%w (%w)", ErrHungUp, word)
	default:
	}
	return v.req, ch.within(ctx, AdmissionTimeout, func(ctx context.Context) error {
		switch {
		case errors.Is(none, ErrUnanswered):
			return errors.Join(none, v.secure.decline(CodeUnanswered, "Nobody at the till of the shop answered in time."))
		case none != nil:
			return none
		case !yes:
			return errors.Join(ErrRefused, v.secure.decline(CodeRefused, "The till of the shop said no."))
		}
		_, err := v.secure.settle(ctx, v.req, admit, func() error {
			<-heard
			return word
		})
		return err
	})
}

// decision waits until a person decided, the time is over, the new till is heard, or ctx is done. none says why there is no
// decision; heard is for the caller to see.
func (r *Requests) decision(ctx context.Context, s *seat, heard <-chan struct{}) (yes bool, none error) {
	timer := time.NewTimer(s.waiting.Expires.Sub(r.now()))
	defer timer.Stop()
	select {
	case yes = <-s.decision:
		return yes, nil
	case <-heard:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("admission interrupted: %w", context.Cause(ctx))
	case <-timer.C:
	}
	if r.expire(s) {
		return false, ErrUnanswered
	}
	return <-s.decision, nil
}
