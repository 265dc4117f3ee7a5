package pairing

import (
	"context"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/flynn/noise"
)

const (
	// HandshakeTimeout bounds the time until the token is proven, or until the digits are known.
	HandshakeTimeout = 10 * time.Second
	// AdmissionTimeout bounds the time from there, or from the decision of a person, to the end, the admit or keep function
	// included.
	AdmissionTimeout = 60 * time.Second
)

// Plain bytes of each message inside the channel.
const (
	frameHead  = 2  // bytes of a frame's length
	tagLen     = 16 // bytes that encryption adds
	maxRequest = 2048
	maxAnswer  = noise.MaxMsgLen - tagLen // 65,519
	maxDone    = 64

	maxDeclined = 4096 // bytes of an answer that declines, or of anything shorter
)

// Channel is a connection after its TLS handshake, with the device keys that the handshake proved.
type Channel struct {
	// Conn is a TLS 1.3 connection with the protocol name [ALPN].
	Conn net.Conn
	// Self is the own device key, whose certificate was shown.
	Self ed25519.PublicKey
	// Peer is the device key of the other side's certificate. Nobody needs to know it beforehand.
	Peer ed25519.PublicKey
}

func (c Channel) check() error {
	if len(c.Self) != ed25519.PublicKeySize || len(c.Peer) != ed25519.PublicKeySize {
		return fmt.Errorf("%w: device keys have %d and %d bytes, not %d", ErrMalformed, len(c.Self), len(c.Peer), ed25519.PublicKeySize)
	}
	if c.Self.Equal(c.Peer) {
		return fmt.Errorf("%w: both sides have the same device key: a till cannot admit itself", ErrMalformed)
	}
	return nil
}

// within runs step, whose reads and writes on the connection fail once ctx is done or d is over. It waits for what it
// started. An error of the connection becomes one of this package.
func (c Channel) within(ctx context.Context, d time.Duration, step func(context.Context) error) error {
	limited, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	interrupted := make(chan struct{})
	stop := context.AfterFunc(limited, func() {
		defer close(interrupted)
		c.interrupt()
	})
	err := step(limited)
	if !stop() {
		<-interrupted
	}
	var broken *connError
	switch {
	case err == nil, !errors.As(err, &broken):
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("admission interrupted: %w (%w)", context.Cause(ctx), err)
	case limited.Err() != nil:
		return fmt.Errorf("%w (%w)", ErrTimeout, err)
	}
	return fmt.Errorf("%w (%w)", ErrHungUp, err)
}

// interrupt ends whatever reads from the connection or writes to it.
func (c Channel) interrupt() {
	// A connection that takes no deadline is closed instead.
	if c.Conn.SetDeadline(time.Unix(1, 0)) != nil {
		c.Conn.Close()
	}
}

// connError marks an error of the connection until within has told a hang-up from a timeout.
type connError struct {
	doing string
	err   error
}

func (e *connError) Error() string { return e.doing + ": " + e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// broken wraps an error of the connection, and leaves those of the protocol alone.
func broken(doing string, err error) error {
	if err == nil || errors.Is(err, ErrMalformed) {
		return err
	}
	return &connError{doing: doing, err: err}
}

// errUndecipherable marks a message that was not made with the keys of this handshake.
var errUndecipherable = errors.New("it does not decrypt")

// secure sends and receives messages after the handshake, each as one Noise message after its length.
type secure struct {
	conn      net.Conn
	out, into *noise.CipherState
}

func (s secure) send(doing string, plain []byte) error {
	frame := make([]byte, frameHead, frameHead+len(plain)+tagLen)
	frame, err := s.out.Encrypt(frame, nil, plain)
	if err != nil {
		return fmt.Errorf("%s: encrypt: %w", doing, err)
	}
	sealed := len(frame) - frameHead
	if sealed > noise.MaxMsgLen {
		return fmt.Errorf("%s: %w (%d bytes)", doing, ErrTooLarge, sealed)
	}
	binary.BigEndian.PutUint16(frame, uint16(sealed))
	_, err = s.conn.Write(frame)
	return broken(doing, err)
}

// receive reads one message of at most most plain bytes; a longer one is refused by its length.
func (s secure) receive(doing string, most int) ([]byte, error) {
	sealed, err := readFrame(s.conn, doing, tagLen, most+tagLen)
	if err != nil {
		return nil, err
	}
	plain, err := s.into.Decrypt(nil, nil, sealed)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w: %w", doing, ErrMalformed, errUndecipherable, err)
	}
	return plain, nil
}

// readFrame reads the bytes after a length between least and most.
func readFrame(r io.Reader, doing string, least, most int) ([]byte, error) {
	var b [frameHead]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return nil, broken(doing, err)
	}
	n := int(binary.BigEndian.Uint16(b[:]))
	if n < least || n > most {
		return nil, fmt.Errorf("%s: %w: length %d, allowed are %d to %d", doing, ErrMalformed, n, least, most)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, broken(doing, err)
	}
	return frame, nil
}

func writeFrame(w io.Writer, doing string, frame []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(frame))), frame...))
	return broken(doing, err)
}
