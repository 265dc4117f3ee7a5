package pairing

import (
	"context"
	"errors"
	"fmt"
)

const (
	textFailed    = "The till of the shop could not complete the admission; its log says why. Try again."
	textMalformed = "The request was not understood."
)

// requestOf reads a request, which must name the device key of its connection.
func requestOf(ch Channel, plain []byte) (Request, error) {
	req, err := decodeRequest(plain)
	if err == nil && !ch.Peer.Equal(req.DeviceKey) {
		err = fmt.Errorf("%w: the request names another device key than the connection", ErrMalformed)
	}
	if err != nil {
		return Request{}, err
	}
	return req, nil
}

// settle lets admit decide, sends the answer and waits for the new till's last word. It is the same for every method.
// bound is false only if admit said that nothing was done.
func (s secure) settle(ctx context.Context, req Request, admit Admit, lastWord func() error) (bound bool, err error) {
	answer, err := admit(ctx, req)
	if err != nil {
		return true, errors.Join(fmt.Errorf("admit %q: %w", req.Name, err), s.decline(CodeFailed, textFailed))
	}
	encoded, err := encodeAnswer(answer)
	if err != nil {
		return answer.Accepted, errors.Join(fmt.Errorf("answer %q: %w", req.Name, err), s.decline(CodeFailed, textFailed))
	}
	if err := s.send("send the answer", encoded); err != nil {
		if answer.Accepted {
			err = fmt.Errorf("%w: %w", ErrUnconfirmed, err)
		}
		return answer.Accepted, err
	}
	if !answer.Accepted {
		return false, fmt.Errorf("%w %q: %s (%s)", ErrDeclined, req.Name, answer.Text, answer.Code)
	}
	if err := lastWord(); err != nil {
		return true, fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return true, nil
}

// decline sends a reason of this package. What is declined is the caller's to return.
func (s secure) decline(code, text string) error {
	encoded, err := encodeAnswer(Answer{Code: code, Text: text})
	if err != nil {
		return err
	}
	return s.send("send the refusal", encoded)
}

// lastWord waits for the new till's word that it has kept the answer.
func (s secure) lastWord() error {
	plain, err := s.receive("wait for the new till to store its admission", maxDone)
	if err != nil {
		return err
	}
	return decodeDone(plain)
}
